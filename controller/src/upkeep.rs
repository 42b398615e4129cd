//! The upkeep: what the controller does without being asked, every [`TICK_EVERY`]: let the silent die, ask for those that
//! hung up, and do what is due for jobs. Ends when the controller is dropped.

use crate::controller::{Shared, described};
use crate::due::{Action, action, due};
use crate::job::Fence;
use crate::members::{Aged, Hold};
use crate::metrics::DeathCause;
use pocket_api::cluster::NodeSpec;
use pocket_api::ids::{JobId, NodeId};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// Fine enough for TTLs to the second and for deaths well within theirs.
pub(crate) const TICK_EVERY: Duration = Duration::from_millis(200);
/// A tick that is later than this was no busy machine but a process that stood still (stopped, or its machine asleep),
/// with all of its in-process nodes. What others could not tell it meanwhile is not held against them.
const STANDSTILL: Duration = Duration::from_secs(1);
/// What failed for a job is not tried again before this.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Most jobs worked on at a time: each is a call to each of its shards. The rest waits for the next tick.
pub(crate) const HANDS: usize = 64;

/// Most addresses asked at a time. The rest waits for the next tick.
pub(crate) const ASKERS: usize = 32;
/// How often an address is asked in a round; two refusals on end are the end of the process. The first question may come
/// while it is still dying, with its connection closed and its port open.
const ASKED_A_ROUND: u32 = 3;
/// Between two questions: a process that was replaced in the meantime, by itself or by a supervisor, answers by then.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);

pub(crate) fn start(shared: &Arc<Shared>) {
    let (env, wake) = (shared.env.clone(), shared.wake.clone());
    let shared = Arc::downgrade(shared);
    env.spawn(async move {
        let mut ticks = interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            tokio::select! {
                biased;
                _ = ticks.tick() => {}
                () = wake.notified() => {}
            }
            let Some(shared) = shared.upgrade() else {
                return;
            };
            shared.tick(last.elapsed());
            last = Instant::now();
        }
    });
}

impl Shared {
    /// One round, `after` the last one. Answers with what goes on beside it.
    pub(crate) fn tick(self: &Arc<Self>, after: Duration) -> Vec<JoinHandle<()>> {
        let mut going_on = Vec::new();
        let aged = self.change(|state, now| {
            if after > STANDSTILL {
                tracing::warn!(?after, "stood still");
                state.members.forgive(after, now);
            }
            let aged = state.members.age(now, self.node_timeout);
            self.metrics.show(state, now);
            aged
        });
        tell(&aged);
        if !aged.overdue.is_empty()
            && let Ok(turn) = self.burial.clone().try_acquire_owned()
        {
            let shared = self.clone();
            going_on.push(self.env.spawn(async move {
                if shared.bury(&aged.overdue, DeathCause::Silent).await.is_err() {
                    sleep(RETRY_EVERY).await;
                }
                drop(turn);
            }));
        }
        for (node, spec) in
            self.change(|state, now| state.members.take_to_ask(now, self.askers.available_permits()))
        {
            let (shared, hand) = (self.clone(), self.askers.clone());
            going_on.push(self.env.spawn(async move {
                let _hand = hand.acquire().await;
                shared.ask(node, &spec).await;
            }));
        }
        for (job, action) in self.read(due) {
            let Ok(hand) = self.hands.clone().try_acquire_owned() else {
                break;
            };
            self.change(|state, now| state.retry_at(job, now + RETRY_EVERY));
            let shared = self.clone();
            going_on.push(self.env.spawn(async move {
                shared.act(job, action).await;
                drop(hand);
            }));
        }
        going_on
    }

    /// Asks for a node that hung up, and declares it dead where its process has ended.
    async fn ask(&self, node: NodeId, spec: &NodeSpec) {
        let mut refused = 0;
        for _ in 0..ASKED_A_ROUND {
            let refuses = self.directory.refuses(spec).await;
            if !self.read(|state, _| state.members.may_have_ended(node)) {
                return;
            }
            refused = if refuses { refused + 1 } else { 0 };
            if refused == 2 {
                // What cannot be written down is found again in the next round.
                let _unkept = self.bury(&[node], DeathCause::Ended).await;
                return;
            }
            sleep(ASK_AGAIN_AFTER).await;
        }
    }

    /// Does what was due, unless someone is at the job already or it is not due any more.
    async fn act(&self, job: JobId, planned: Action) {
        let Some(bucket) = self.read(|state, _| state.job(job).map(|j| j.placement.bucket.clone())) else {
            return;
        };
        let Some(_inside) = self.gates.try_enter(&bucket) else {
            return;
        };
        let still_due = self.read(|state, now| {
            let job = state.job(job)?;
            (action(state, job, now) == Some(planned)).then(|| job.placement.clone())
        });
        let Some(placement) = still_due else {
            return;
        };
        match planned {
            Action::End(cause) => {
                self.change(|state, _| state.set_ending(job, Fence::Anyway, cause));
                // Here and below: what is not done yet is due again.
                let _still_ending = self.fence(job).await;
            }
            Action::Fence => {
                let _still_ending = self.fence(job).await;
            }
            Action::VoteIdle => {
                self.end_if_idle(&placement, placement.hints.idle_ttl.unwrap_or(Duration::MAX)).await;
            }
            Action::Renew => self.renew(placement).await,
        }
    }
}

/// What a person should know of it.
fn tell(aged: &Aged) {
    for (node, spec) in &aged.suspected {
        tracing::warn!(%node, "suspect, because silent: {}", described(spec));
    }
    match aged.hold {
        Some(Hold::Began { silent, hosts }) => tracing::error!(
            silent,
            hosts,
            "held: more than half of the other hosts are silent, so this one may be cut off; nobody is declared dead for \
             silence"
        ),
        Some(Hold::Ended { after }) => tracing::warn!(?after, "no longer held: enough hosts are heard again"),
        None => {}
    }
}
