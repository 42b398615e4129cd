//! What is done around the state: events go in, and what comes out is carried out. The lock is never held across an await, and
//! nothing here decides anything.

use crate::calls;
use crate::controller::ControllerConfig;
use crate::metrics::Metrics;
use crate::notes;
use crate::state::State;
use crate::state::event::{Answer, AskId, Effect, Event, Lane, Request};
use crate::state::record::Records;
use crate::state::shown::Summaries;
use crate::store::{Store, StoreError, Writer};
use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{Directory, NodeSpec};
use pocket_api::control::{ControlError, JobSummary};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::names::TenantName;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Fine enough for TTLs to the second and for deaths well within theirs.
pub(crate) const TICK_EVERY: Duration = Duration::from_millis(200);
/// Most calls at a time that nobody waits for. The rest waits.
const BACKGROUND_CALLS_MAX: usize = 256;
/// How often an address is asked in a round; two refusals on end are the end of the process. The first question may come
/// while it is still dying, with its connection closed and its port open.
const PROBES_A_ROUND: u32 = 3;
/// Between two questions: a process that was replaced in the meantime, by itself or by a supervisor, answers by then.
const PROBE_AGAIN_AFTER: Duration = Duration::from_millis(300);

pub(crate) struct Doing {
    state: Mutex<State>,
    /// `None`: nothing is kept.
    writer: Option<Writer>,
    asked: Mutex<BTreeMap<AskId, oneshot::Sender<Answer>>>,
    last_ask: AtomicU64,
    directory: Arc<dyn Directory>,
    env: Env,
    metrics: Metrics,
    background: Arc<Semaphore>,
}

impl Doing {
    /// Reads what was kept, writes down the term that begins, and lets nothing happen yet.
    pub(crate) fn open(
        config: ControllerConfig,
        directory: Arc<dyn Directory>,
        env: Env,
    ) -> Result<Arc<Self>, StoreError> {
        let now = env.now();
        let (state, writer) = match config.state_file {
            None => {
                let state = State::restored(Records::default(), config.node_timeout, now);
                (state.without_strangers(), None)
            }
            Some(path) => {
                let (records, store) = Store::take_over(env.disk(), path)?;
                let state = State::restored(records, config.node_timeout, now);
                let store = store.begin(state.term, state.snapshot().1)?;
                (state, Some(Writer::new(store)))
            }
        };
        let background = Arc::new(Semaphore::new(BACKGROUND_CALLS_MAX));
        let (metrics, last_ask) = (Metrics::new(), AtomicU64::new(0));
        directory.update(state.members.view());
        let (state, asked) = (Mutex::new(state), Mutex::default());
        Ok(Arc::new(Self { state, writer, asked, last_ask, directory, env, metrics, background }))
    }

    /// Begins to let time pass, until this is dropped.
    pub(crate) fn start(self: &Arc<Self>) {
        let doing = Arc::downgrade(self);
        self.env.spawn(async move {
            let mut ticks = interval(TICK_EVERY);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut last = Instant::now();
            loop {
                ticks.tick().await;
                let Some(doing) = doing.upgrade() else { return };
                doing.tick(last.elapsed());
                last = Instant::now();
            }
        });
    }

    pub(crate) fn tick(self: &Arc<Self>, after: Duration) {
        self.handle(Event::Tick { after });
        self.read(|state, now| self.metrics.show(state, now));
    }

    /// Looks at the state, with the time.
    pub(crate) fn read<R>(&self, look: impl FnOnce(&State, Timestamp) -> R) -> R {
        let state = self.state.lock();
        look(&state, self.env.now())
    }

    /// Jobs of one tenant or all. Others have their turns meanwhile.
    pub(crate) async fn summaries(&self, tenant: Option<&TenantName>) -> Vec<JobSummary> {
        let mut summaries = Summaries::of(tenant);
        while self.read(|state, now| summaries.step(state, now)) {
            tokio::task::yield_now().await;
        }
        summaries.into_found()
    }

    /// Asks for something, and waits for what comes of it; that goes on, whether or not anybody waits.
    pub(crate) async fn ask(self: &Arc<Self>, request: Request) -> Answer {
        let ask = AskId(self.last_ask.fetch_add(1, Ordering::Relaxed));
        let (sender, answer) = oneshot::channel();
        self.asked.lock().insert(ask, sender);
        self.handle(Event::Asked(ask, Box::new(request)));
        answer.await.unwrap_or_else(|_| Err(ControlError::Unavailable("the controller has ended".into())))
    }

    /// Lets something happen, and begins all that follows.
    pub(crate) fn handle(self: &Arc<Self>, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            let mut to_keep = None;
            let effects = {
                let mut state = self.state.lock();
                let mut effects = state.step(event, self.env.now());
                if let Some(place) = effects.iter().position(|e| matches!(e, Effect::Keep { .. }))
                    && let Effect::Keep { number, changes } = effects.remove(place)
                {
                    match &self.writer {
                        // Under the lock, so that they come in the order of their numbers.
                        Some(writer) => writer.add(number, changes),
                        None => events.push_back(Event::Kept(number)),
                    }
                    to_keep = Some(number);
                }
                effects
            };
            if to_keep.is_some() && self.writer.as_ref().is_some_and(Writer::begins) {
                let doing = self.clone();
                self.env.spawn(async move { doing.write().await });
            }
            effects.into_iter().for_each(|effect| self.carry_out(effect));
        }
    }

    fn carry_out(self: &Arc<Self>, effect: Effect) {
        let doing = self.clone();
        match effect {
            Effect::Keep { .. } => unreachable!("there is one in a step, and it is taken out"),
            Effect::Show(view) => self.directory.update(view),
            Effect::Note(note) => notes::take(&self.metrics, note),
            Effect::Answer(ask, answer) => {
                if let Some(waiting) = self.asked.lock().remove(&ask) {
                    // Who has gone away needs no answer.
                    let _gone = waiting.send(answer);
                }
            }
            Effect::Call { call, request, deadline, lane } => drop(self.env.spawn(async move {
                let _turn = match lane {
                    Lane::Asked => None,
                    Lane::Background => Some(doing.background.acquire().await),
                };
                let answer = calls::ask_shard(&*doing.directory, call.shard, request, deadline).await;
                doing.handle(Event::Answered(call, answer));
            })),
            Effect::TellEnded { operation, term, job, servers } => drop(self.env.spawn(async move {
                calls::tell_ended(&*doing.directory, &servers, term, job).await;
                doing.handle(Event::Told(operation));
            })),
            Effect::Probe(node, spec) => drop(self.env.spawn(async move {
                let refuses = doing.probe(node, &spec).await;
                doing.handle(Event::Probed { node, refuses });
            })),
        }
    }

    /// Writes until there is nothing more to write; one at a time.
    async fn write(self: Arc<Self>) {
        let Some(writer) = &self.writer else { return };
        while let Some(batch) = writer.next() {
            let whole = batch.needs_snapshot().then(|| self.read(|state, _| state.snapshot()));
            let (number, whole) = match whole {
                Some((number, records)) => (number, Some(records)),
                None => (batch.number, None),
            };
            let store = writer.store();
            let written = self.env.beside(move || store.lock().write(batch, whole)).await;
            let event = match written {
                Ok(Ok(())) => Event::Kept(number),
                Ok(Err(error)) => self.unkept(number, error.to_string()),
                Err(error) => self.unkept(number, error.to_string()),
            };
            self.handle(event);
        }
    }

    fn unkept(&self, number: u64, why: String) -> Event {
        self.metrics.failed_saves.increment(1);
        tracing::warn!(error = why, "cannot write the state file");
        Event::Unkept(number, why)
    }

    /// Whether the process of a node that hung up has ended.
    async fn probe(&self, node: NodeId, spec: &NodeSpec) -> bool {
        let mut refused = 0;
        for _ in 0..PROBES_A_ROUND {
            let refuses = self.directory.refuses(spec).await;
            if !self.read(|state, _| state.members.may_have_ended(node)) {
                return false;
            }
            refused = if refuses { refused + 1 } else { 0 };
            if refused == 2 {
                return true;
            }
            sleep(PROBE_AGAIN_AFTER).await;
        }
        false
    }
}
