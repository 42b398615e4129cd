//! The network: every message between two places passes [`Net::travel`], which draws what becomes of it. A call is a request, the
//! deed as a task of the process that serves it, and an answer; either may be lost, and then the deed is done or not.

use super::process::{OsProcess, Place};
use super::trace::Trace;
use futures::future::{BoxFuture, pending};
use parking_lot::Mutex;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

/// What a caller waits for an answer at most, as the clients of `wire` do.
const CALL_DEADLINE: Duration = Duration::from_secs(10);
/// Of a message in good weather.
const DELAY_MIN: Duration = Duration::from_micros(50);

/// What messages meet with.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Most messages take far less.
    pub delay_max: Duration,
    /// Of a thousand messages, requests and answers alike: a connection that dies on its way, with all that it carried.
    pub lost_of_1000: u32,
}

impl Default for Weather {
    fn default() -> Self {
        Self { delay_max: Duration::from_millis(1), lost_of_1000: 0 }
    }
}

/// Why a call has no answer. The deed may be done in all cases but the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unanswered {
    /// Nobody listens there.
    Refused,
    /// The process ended in the middle.
    Broken,
    Late,
}

impl Unanswered {
    pub(super) fn text(self) -> String {
        match self {
            Self::Refused => "connection refused",
            Self::Broken => "the connection broke",
            Self::Late => "no answer in time",
        }
        .to_owned()
    }
}

pub(super) struct Net {
    started: Instant,
    state: Mutex<State>,
}

struct State {
    chance: SmallRng,
    weather: Weather,
    /// From and to.
    cut: BTreeSet<(Place, Place)>,
    trace: Trace,
    messages: u64,
}

impl Net {
    pub(super) fn new(seed: u64, weather: Weather, started: Instant) -> Arc<Self> {
        let chance = SmallRng::seed_from_u64(seed);
        let state = State { chance, weather, cut: BTreeSet::new(), trace: Trace::default(), messages: 0 };
        Arc::new(Self { started, state: Mutex::new(state) })
    }

    pub(super) fn trace(&self) -> u64 {
        self.state.lock().trace.value()
    }

    pub(super) fn messages(&self) -> u64 {
        self.state.lock().messages
    }

    pub(super) fn cut(&self, from: Place, to: Place) {
        self.state.lock().cut.insert((from, to));
    }

    pub(super) fn mend(&self, from: Place, to: Place) {
        self.state.lock().cut.remove(&(from, to));
    }

    /// All links are as good as they can be.
    pub(super) fn heal(&self) {
        let mut state = self.state.lock();
        state.cut.clear();
        state.weather = Weather::default();
    }

    pub(super) fn is_cut(&self, from: Place, to: Place) -> bool {
        self.state.lock().cut.contains(&(from, to))
    }

    /// Brings a message from one place to another. Whether it came.
    pub(super) async fn travel(&self, from: Place, to: Place, what: &str) -> bool {
        let (delay, is_lost) = {
            let mut state = self.state.lock();
            let (at, weather) = (self.started.elapsed(), state.weather);
            state.messages += 1;
            state.trace.add(at, from.0, to.0, what);
            let is_lost = state.chance.random_range(0..1_000) < weather.lost_of_1000;
            // Cubed: most are near the least.
            let share: f64 = state.chance.random();
            let delay = DELAY_MIN + weather.delay_max.saturating_sub(DELAY_MIN).mul_f64(share.powi(3));
            (delay, is_lost || state.cut.contains(&(from, to)))
        };
        sleep(delay).await;
        !is_lost && !self.is_cut(from, to)
    }

    /// Has `deed` done by a process, and waits for what comes back.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        from: Place,
        to: &Arc<OsProcess>,
        what: &'static str,
        deed: BoxFuture<'static, T>,
    ) -> Result<T, Unanswered> {
        self.call_for(CALL_DEADLINE, from, to, what, deed).await
    }

    /// The same with another deadline.
    pub(super) async fn call_for<T: Send + 'static>(
        &self,
        deadline: Duration,
        from: Place,
        to: &Arc<OsProcess>,
        what: &'static str,
        deed: BoxFuture<'static, T>,
    ) -> Result<T, Unanswered> {
        let there_and_back = async {
            if !self.travel(from, to.place, what).await {
                return pending().await;
            }
            let answer = match to.env() {
                None => Err(Unanswered::Refused),
                Some(env) => {
                    let (tell, told) = oneshot::channel();
                    env.spawn(async move {
                        let _gone = tell.send(deed.await);
                    });
                    told.await.map_err(|_| Unanswered::Broken)
                }
            };
            if !self.travel(to.place, from, what).await {
                return pending().await;
            }
            answer
        };
        timeout(deadline, there_and_back).await.unwrap_or(Err(Unanswered::Late))
    }
}
