//! Logs and metrics of this process: one subscriber to standard error, one recorder that `/metrics` renders.

use anyhow::Context;
use metrics::{Gauge, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use procfs::WithCurrentSystemInfo;
use procfs::process::Process;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// How often histograms are folded, so that one that nobody scrapes does not grow.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Bounds of all latency histograms: from a request answered out of memory to a wait that hits its limit.
const SECONDS: [f64; 14] =
    [25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0];

/// Sends logs to standard error from here on. `filter` as in the configuration.
pub(crate) fn log_to_stderr(filter: &str) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(filter).map_err(|e| {
        anyhow::anyhow!("log filter {filter:?}: {e}; such as info or info,pocket_gateway=debug")
    })?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of standard error that has gone away must not bring down whoever logs.
        .log_internal_errors(false)
        .try_init()
        .map_err(|e| anyhow::anyhow!("cannot start logging: {e}"))
}

/// What `/metrics` shows.
pub(crate) struct Metrics {
    recorder: PrometheusHandle,
    process: ProcessMetrics,
}

/// The process itself, as /proc knows it.
struct ProcessMetrics {
    cpu: Gauge,
    resident: Gauge,
    resident_peak: Gauge,
    threads: Gauge,
    open_files: Gauge,
}

impl Metrics {
    /// Records metrics from here on. Must be called before any plane starts: handles made earlier record nothing.
    pub(crate) fn record() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
            .and_then(PrometheusBuilder::install_recorder)
            .context("cannot record metrics")?;
        pocket_storage::describe_metrics();
        pocket_wire::describe_metrics();
        let upkeep = recorder.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { recorder, process: ProcessMetrics::described() })
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.process.sample();
        self.recorder.render()
    }
}

impl ProcessMetrics {
    fn described() -> Self {
        describe_gauge!("pocket_process_cpu_seconds", "CPU time of this process since it started");
        describe_gauge!("pocket_process_resident_bytes", "Memory of this process that is resident");
        describe_gauge!("pocket_process_resident_peak_bytes", "Most memory that was ever resident");
        describe_gauge!("pocket_process_threads", "Threads of this process");
        describe_gauge!("pocket_process_open_files", "Open file descriptors of this process");
        Self {
            cpu: gauge!("pocket_process_cpu_seconds"),
            resident: gauge!("pocket_process_resident_bytes"),
            resident_peak: gauge!("pocket_process_resident_peak_bytes"),
            threads: gauge!("pocket_process_threads"),
            open_files: gauge!("pocket_process_open_files"),
        }
    }

    /// Where /proc cannot be read the gauges stay as they are: metrics must not fail over themselves.
    fn sample(&self) {
        let Ok(process) = Process::myself() else { return };
        if let Ok(stat) = process.stat() {
            self.cpu.set((stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64);
            self.resident.set(stat.rss_bytes().get() as f64);
            self.threads.set(stat.num_threads as f64);
        }
        if let Some(peak_kib) = process.status().ok().and_then(|status| status.vmhwm) {
            self.resident_peak.set(peak_kib as f64 * 1024.0);
        }
        if let Ok(open) = process.fd_count() {
            self.open_files.set(open as f64);
        }
    }
}
