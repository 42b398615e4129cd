//! Logs and metrics of this process: one subscriber to standard error, one recorder that `/metrics` renders.

use crate::config::log_filter::LogFilter;
use anyhow::Context;
use metrics::{Gauge, describe_gauge, gauge};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use procfs::WithCurrentSystemInfo;
use procfs::process::Process;
use std::io::IsTerminal;
use std::time::Duration;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// How often histograms are folded, so that one that nobody scrapes does not grow.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);
/// Bounds of all latency histograms: from a request answered out of memory to a wait that hits its limit.
const SECONDS: [f64; 14] =
    [25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 100e-3, 500e-3, 2.5, 10.0];

/// Sends logs to standard error from here on.
pub(crate) fn log_to_stderr(filter: &LogFilter) -> anyhow::Result<Log> {
    let (filter, handle) = reload::Layer::new(filter.targets());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        // A reader of standard error that has gone away must not bring down whoever logs.
        .log_internal_errors(false);
    tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init()
        .map_err(|e| anyhow::anyhow!("cannot start logging: {e}"))?;
    Ok(Log(handle))
}

/// The log of this process, whose filter can change.
pub(crate) struct Log(reload::Handle<Targets, Registry>);

impl Log {
    pub(crate) fn filter_by(&self, filter: &LogFilter) -> anyhow::Result<()> {
        self.0.reload(filter.targets()).context("the log filter cannot be changed")
    }
}

const CPU: &str = "pocket_process_cpu_seconds";
const RESIDENT: &str = "pocket_process_resident_bytes";
const RESIDENT_PEAK: &str = "pocket_process_resident_peak_bytes";
const THREADS: &str = "pocket_process_threads";
const OPEN_FILES: &str = "pocket_process_open_files";

/// Tells the recorder what all metrics of all roles mean; `docs/metrics.md` lists them.
fn describe_all() {
    pocket_controller::describe_metrics();
    pocket_edge::describe_metrics();
    pocket_metadata::describe_metrics();
    pocket_monitor::describe_metrics();
    pocket_storage::describe_metrics();
    pocket_wire::describe_metrics();
    crate::admin::usage_metrics::describe_metrics();
    crate::space_watch::describe_metrics();
    describe_gauge!(CPU, "CPU time of this process since it started");
    describe_gauge!(RESIDENT, "Memory of this process that is resident");
    describe_gauge!(RESIDENT_PEAK, "Most memory that was ever resident");
    describe_gauge!(THREADS, "Threads of this process");
    describe_gauge!(OPEN_FILES, "Open file descriptors of this process");
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
        describe_all();
        let upkeep = recorder.clone();
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(UPKEEP_EVERY).await;
                upkeep.run_upkeep();
            }
        });
        Ok(Self { recorder, process: ProcessMetrics::new() })
    }

    /// All metrics in Prometheus' text format.
    pub(crate) fn render(&self) -> String {
        self.process.sample();
        self.recorder.render()
    }
}

impl ProcessMetrics {
    fn new() -> Self {
        Self {
            cpu: gauge!(CPU),
            resident: gauge!(RESIDENT),
            resident_peak: gauge!(RESIDENT_PEAK),
            threads: gauge!(THREADS),
            open_files: gauge!(OPEN_FILES),
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

#[cfg(test)]
mod tests {
    use super::*;
    use metrics::{Counter, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Mutex;

    /// Keeps what is described, by name: kind and help.
    #[derive(Default)]
    struct Described(Mutex<BTreeMap<String, (&'static str, String)>>);

    impl Described {
        fn keep(&self, name: KeyName, kind: &'static str, help: SharedString) {
            let before = self.0.lock().unwrap().insert(name.as_str().to_owned(), (kind, help.into_owned()));
            assert_eq!(before, None, "{} is described twice", name.as_str());
        }
    }

    impl Recorder for Described {
        fn describe_counter(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
            self.keep(name, "counter", help);
        }

        fn describe_gauge(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
            self.keep(name, "gauge", help);
        }

        fn describe_histogram(&self, name: KeyName, _: Option<Unit>, help: SharedString) {
            self.keep(name, "histogram", help);
        }

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    fn document() -> String {
        let mut text = String::from(
            "# Metrics\n\n\
             `GET /metrics` on the admin port of every process, in Prometheus' text format. A process shows those of its roles,\n\
             and of S3 operations those that it has seen.\n\n\
             | name | kind | meaning |\n|---|---|---|\n",
        );
        for (name, (kind, help)) in described() {
            text.push_str(&format!("| `{name}` | {kind} | {help} |\n"));
        }
        text
    }

    #[test]
    fn the_document_lists_the_metrics_that_are_described() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/metrics.md");
        let written = std::fs::read_to_string(&path).unwrap_or_default();
        if written != document() {
            std::fs::write(&path, document()).unwrap();
            panic!("docs/metrics.md did not match and was written anew: commit it");
        }
    }

    /// Names of metrics in a text.
    fn metrics_in(text: &str) -> Vec<&str> {
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.filter(|word| word.starts_with("pocket_")).collect()
    }

    fn read(path: &str) -> String {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).expect(path)
    }

    fn described() -> BTreeMap<String, (&'static str, String)> {
        let described = Described::default();
        metrics::with_local_recorder(&described, describe_all);
        described.0.into_inner().unwrap()
    }

    #[test]
    fn whoever_is_paged_reads_of_metrics_that_there_are() {
        let (described, page) = (described(), read("docs/operations.md"));
        let named = metrics_in(&page);
        assert!(named.len() > 5, "{named:?}");
        assert!(named.iter().all(|name| described.contains_key(*name)), "{named:?}");
    }

    /// Of a heading, as it is linked to.
    fn anchor(heading: &str) -> String {
        let kept = heading.chars().filter(|c| c.is_ascii_alphanumeric() || " -".contains(*c));
        kept.collect::<String>().trim().to_ascii_lowercase().replace(' ', "-")
    }

    #[test]
    fn alerts_are_about_metrics_that_there_are_and_lead_to_the_page() {
        let (described, page, rules) =
            (described(), read("docs/operations.md"), read("deploy/alerts/pocket.yaml"));
        let headings: Vec<String> = page.lines().filter(|line| line.starts_with("## ")).map(anchor).collect();
        let alerts: Vec<&str> = rules.split("      - alert: ").skip(1).collect();
        assert!(alerts.len() >= 8);
        for alert in alerts {
            let of = |key: &str| {
                let line = alert.lines().find_map(|line| line.trim_start().strip_prefix(key));
                line.unwrap_or_else(|| panic!("no {key} in {alert}")).trim()
            };
            let named = metrics_in(of("expr:"));
            assert!(!named.is_empty(), "{alert}");
            for name in named {
                let (kind, _) =
                    described.get(name).unwrap_or_else(|| panic!("{name} of {alert} is not there"));
                assert_eq!(of("expr:").contains(&format!("increase({name}")), *kind == "counter", "{alert}");
            }
            assert!(!of("summary:").is_empty() && of("labels:").contains("severity: "));
            let runbook = of("runbook:").strip_prefix("docs/operations.md#").expect("the page");
            assert!(headings.iter().any(|heading| heading == runbook), "{runbook}: {headings:?}");
        }
    }
}
