//! The upkeep: what the controller does without being asked, every [`TICK_EVERY`]: let the silent die, and do what
//! is due for jobs. Ends when the controller is dropped.

use crate::controller::Shared;
use crate::due::{Action, action, due};
use crate::job::Fence;
use pocket_api::ids::JobId;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Fine enough for TTLs to the second and for deaths well within theirs.
pub(crate) const TICK_EVERY: Duration = Duration::from_millis(200);
/// A tick that is later than this was no busy machine but a process that stood still (stopped, or its machine asleep),
/// with all of its in-process nodes. What others could not tell it meanwhile is not held against them.
const STANDSTILL: Duration = Duration::from_secs(1);
/// What failed for a job is not tried again before this.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Most jobs worked on at a time: each is a call to each of its shards. The rest waits for the next tick.
pub(crate) const HANDS: usize = 64;

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
        let dead = self.change(|state, now| {
            if after > STANDSTILL {
                tracing::warn!(?after, "stood still");
                state.members.forgive(after, now);
            }
            let dead = state.age(now);
            self.metrics.show(state);
            dead
        });
        for (node, spec) in &dead {
            tracing::warn!(%node, role = %spec.role, address = spec.address, "declared dead");
        }
        if !dead.is_empty() {
            self.metrics.dead_nodes.increment(dead.len() as u64);
            let shared = self.clone();
            going_on.push(self.env.spawn(async move {
                let _unkept = shared.keep().await;
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
