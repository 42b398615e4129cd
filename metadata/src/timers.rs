//! The loop of a shard: notices the time and the deaths of nodes and tells the jobs. The only place where a shard acts
//! unasked. Ends with its shard.

use crate::job::Job;
use crate::jobs::JOBS_PER_POLL;
use crate::metrics::Holdings;
use crate::pace::Pace;
use crate::shard::{Shard, TICK};
use crate::state::effects::Output;
use crate::state::{Command, JobState};
use crate::waiters::Call;
use pocket_api::cluster::ClusterView;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

const SHOW_EVERY: Duration = Duration::from_secs(1);
/// Sweeps of one job before the others have their turn: some 0.2 ms each.
const SWEEPS_A_TURN: u32 = 16;

pub(crate) async fn run(shard: Weak<Shard>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown: Option<Instant> = None;
    let mut is_behind = false;
    loop {
        if is_behind {
            tokio::task::yield_now().await;
        } else {
            interval.tick().await;
        }
        let Some(shard) = shard.upgrade() else { return };
        let view = shard.directory.view();
        let mut pace = Pace::new(JOBS_PER_POLL);
        is_behind = false;
        for part in shard.jobs.parts() {
            for job in part.values() {
                is_behind |= look_after(&shard, job, &view).await;
                pace.step().await;
            }
        }
        if shown.is_none_or(|at| at.elapsed() >= SHOW_EVERY) {
            shown = Some(Instant::now());
            shard.metrics.show(holdings(&shard).await);
        }
    }
}

/// Whether there is more to sweep.
async fn look_after(shard: &Shard, job: &Job, view: &Arc<ClusterView>) -> bool {
    let now = shard.env.now();
    job.wake(Call::due(now));
    let (is_news, is_over, is_due) = {
        let state = job.state.read();
        (state.view.version != view.version, state.is_over(now), state.is_sweep_due(now))
    };
    if is_news {
        // A job that ended meanwhile sees nothing any more.
        let _ = shard.apply(job, Command::View(view.clone()));
    }
    if is_over {
        // Its own TTL is over; whoever ended it before us did the same.
        shard.end(job.id);
        return false;
    }
    for _ in 0..if is_due { SWEEPS_A_TURN } else { 0 } {
        let Ok(Output::Swept { expired, more }) = shard.apply(job, Command::Sweep) else { return false };
        shard.metrics.count_expired(expired);
        if !more {
            return false;
        }
        // Requests have their turn between two sweeps.
        tokio::task::yield_now().await;
    }
    is_due
}

async fn holdings(shard: &Shard) -> Holdings {
    let mut pace = Pace::new(JOBS_PER_POLL);
    let mut all =
        Holdings { waiters: shard.waiting.get(), outbox: shard.outbox.len(), ..Holdings::default() };
    for part in shard.jobs.parts() {
        for job in part.values() {
            all.add(&job.state.read());
            pace.step().await;
        }
    }
    all
}

impl Holdings {
    fn add(&mut self, job: &JobState) {
        self.jobs += 1;
        self.objects += job.present_objects();
        self.logical_bytes += job.logical_bytes;
        self.inline_bytes += job.account.inline_bytes();
        self.metadata_bytes += job.account.used_bytes() - job.account.inline_bytes();
        self.leases += job.leases.len();
    }
}
