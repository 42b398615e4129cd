//! The loop that reports. A report that fails is not repeated: the next one says more.

use crate::metrics::Metrics;
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::usage::{Usage, UsageReport, UsageSource};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// How often a process reports.
pub const REPORT_EVERY: Duration = Duration::from_secs(1);
/// A controller that takes longer than this gets the next report instead.
const REPORT_DEADLINE: Duration = REPORT_EVERY;

/// Reports while it exists; dropping it stops that.
#[derive(Debug)]
pub struct Monitor {
    task: JoinHandle<()>,
}

impl Monitor {
    /// Reports to `sink` as `node`, at once and then every [`REPORT_EVERY`], what the `sources` fill in.
    pub fn start(node: NodeId, sources: Vec<Arc<dyn UsageSource>>, sink: Arc<dyn Usage>, env: Env) -> Self {
        Self { task: env.spawn(run(node, sources, sink)) }
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(node: NodeId, sources: Vec<Arc<dyn UsageSource>>, sink: Arc<dyn Usage>) {
    let metrics = Metrics::new();
    let mut ticks = interval(REPORT_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = None;
    loop {
        ticks.tick().await;
        let mut report = UsageReport::default();
        for source in &sources {
            source.fill(&mut report).await;
        }
        metrics.show(&report);
        let failure = match timeout(REPORT_DEADLINE, sink.report(node, report)).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("no answer in {REPORT_DEADLINE:?}")),
        };
        if failure.is_none() { &metrics.reported } else { &metrics.failed }.increment(1);
        log_change(node, &mut failing, failure);
    }
}

/// A controller that is away for an hour makes two lines, not one a second.
fn log_change(node: NodeId, failing: &mut Option<String>, failure: Option<String>) {
    match (&failing, &failure) {
        (None, Some(error)) => tracing::warn!(%node, error, "usage is not reported"),
        (Some(_), None) => tracing::info!(%node, "usage is reported again"),
        (Some(before), Some(error)) if before != error => {
            tracing::warn!(%node, error, "usage is still not reported");
        }
        _ => {}
    }
    *failing = failure;
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use parking_lot::Mutex;
    use pocket_api::control::ControlError;
    use pocket_api::usage::{Served, TierUse};
    use tokio::sync::mpsc;

    struct Source(Mutex<u64>);

    #[async_trait]
    impl UsageSource for Source {
        async fn fill(&self, report: &mut UsageReport) {
            let mut requests = self.0.lock();
            *requests += 1;
            report.served = Some(Served { requests: *requests, ..Served::default() });
        }
    }

    struct Tiers;

    #[async_trait]
    impl UsageSource for Tiers {
        async fn fill(&self, report: &mut UsageReport) {
            let tier = pocket_api::tier::Tier::Dram;
            report.tiers.push(TierUse { tier, capacity_bytes: 10, used_bytes: 3 });
        }
    }

    /// Passes reports on, and answers every second one with an error, every third one not at all.
    struct Sink(mpsc::UnboundedSender<(NodeId, UsageReport)>);

    #[async_trait]
    impl Usage for Sink {
        async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
            let number = report.served.unwrap().requests;
            self.0.send((node, report)).ok();
            match number % 3 {
                1 => Ok(()),
                2 => Err(ControlError::NotAMember),
                _ => std::future::pending().await,
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn every_second_a_report_of_all_sources_whatever_became_of_the_last_one() {
        let (sender, mut reports) = mpsc::unbounded_channel();
        let sources: Vec<Arc<dyn UsageSource>> = vec![Arc::new(Source(Mutex::new(0))), Arc::new(Tiers)];
        let began = tokio::time::Instant::now();
        let monitor = Monitor::start(NodeId(7), sources, Arc::new(Sink(sender)), Env::system());
        for number in 1..=7 {
            let (node, report) = reports.recv().await.unwrap();
            assert_eq!((node, report.served.unwrap().requests, report.tiers.len()), (NodeId(7), number, 1));
        }
        assert!(began.elapsed() < REPORT_EVERY * 9, "{:?}", began.elapsed());
        drop(monitor);
        assert_eq!(reports.recv().await, None, "it stops when it is dropped");
    }
}
