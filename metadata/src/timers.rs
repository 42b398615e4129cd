//! The loop of a shard: notices the time and the deaths of nodes and tells the jobs. The only place where a shard acts
//! unasked. Ends with its shard.

use crate::effects::Output;
use crate::job::Job;
use crate::metrics::Holdings;
use crate::pace::Pace;
use crate::shard::{Shard, TICK};
use crate::state::{Command, JobState};
use pocket_api::cluster::ClusterView;
use std::sync::{Arc, Weak};
use tokio::time::MissedTickBehavior;

/// Metrics are shown every so many ticks: once a second.
const TICKS_PER_SHOW: u32 = 20;
/// Jobs that are looked at in one poll, where nothing is due: some 0.5 us each.
const JOBS_PER_POLL: u32 = 512;

pub(crate) async fn run(shard: Weak<Shard>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen: Option<Arc<ClusterView>> = None;
    let mut tick = 0_u32;
    loop {
        interval.tick().await;
        let Some(shard) = shard.upgrade() else { return };
        let view = shard.directory.view();
        let is_news = seen.as_ref().is_none_or(|seen| seen.version != view.version);
        let mut pace = Pace::new(JOBS_PER_POLL);
        for job in shard.jobs.all() {
            if is_news {
                // A job that ended meanwhile sees nothing any more.
                let _ = shard.apply(&job, Command::View(view.clone()));
            }
            look_after(&shard, &job).await;
            pace.step().await;
        }
        seen = Some(view);
        if tick.is_multiple_of(TICKS_PER_SHOW) {
            shard.metrics.show(holdings(&shard).await);
        }
        tick = tick.wrapping_add(1);
    }
}

async fn look_after(shard: &Shard, job: &Job) {
    let now = shard.clock.now();
    job.waiters.wake_due(now);
    let (is_over, is_due) = {
        let state = job.state.read();
        (state.is_over(now), state.is_sweep_due(now))
    };
    if is_over {
        // Its own TTL is over; whoever ended it before us did the same.
        let _ = shard.end(job.id, false);
    } else if is_due {
        while let Ok(Output::Swept { expired, more }) = shard.apply(job, Command::Sweep) {
            shard.metrics.count_expired(expired);
            if !more {
                break;
            }
            // Requests have their turn between two sweeps.
            tokio::task::yield_now().await;
        }
    }
}

async fn holdings(shard: &Shard) -> Holdings {
    let mut pace = Pace::new(JOBS_PER_POLL);
    let mut all =
        Holdings { waiters: shard.waiting.get(), outbox: shard.outbox.len(), ..Holdings::default() };
    for job in shard.jobs.all() {
        all.add(&job.state.read());
        pace.step().await;
    }
    all
}

impl Holdings {
    fn add(&mut self, job: &JobState) {
        self.jobs += 1;
        self.objects += job.objects.len();
        self.logical_bytes += job.logical_bytes;
        self.memory_bytes += job.account.used_bytes();
        self.leases += job.leases.len();
    }
}
