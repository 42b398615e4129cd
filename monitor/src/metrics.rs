//! The monitor's metrics: their names, and handles to them.

use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use pocket_api::usage::UsageReport;

const CORES: &str = "pocket_monitor_cores_count";
const BUSY: &str = "pocket_monitor_cores_busy_ratio";
const MEMORY_USED: &str = "pocket_monitor_memory_used_bytes";
const MEMORY_TOTAL: &str = "pocket_monitor_memory_total_bytes";
const RECEIVED: &str = "pocket_monitor_network_received_bytes_per_second";
const SENT: &str = "pocket_monitor_network_sent_bytes_per_second";
const REPORTS: &str = "pocket_monitor_reports_total";

/// Tells the installed recorder what the metrics mean. Once a process.
pub fn describe_metrics() {
    describe_gauge!(CORES, "Cores of this machine");
    describe_gauge!(BUSY, "Busy share of all cores together, 0 to 1, over the last second");
    describe_gauge!(MEMORY_USED, "Memory of this machine that is not available");
    describe_gauge!(MEMORY_TOTAL, "Memory of this machine");
    describe_gauge!(RECEIVED, "Bytes received over the wire, over the last second; loopback left out");
    describe_gauge!(SENT, "Bytes sent over the wire, over the last second; loopback left out");
    describe_counter!(REPORTS, "Usage reports to the controller, by outcome");
}

pub(crate) struct Metrics {
    cores: Gauge,
    busy: Gauge,
    memory_used: Gauge,
    memory_total: Gauge,
    received: Gauge,
    sent: Gauge,
    pub(crate) reported: Counter,
    pub(crate) failed: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            cores: gauge!(CORES),
            busy: gauge!(BUSY),
            memory_used: gauge!(MEMORY_USED),
            memory_total: gauge!(MEMORY_TOTAL),
            received: gauge!(RECEIVED),
            sent: gauge!(SENT),
            reported: counter!(REPORTS, "outcome" => "ok"),
            failed: counter!(REPORTS, "outcome" => "failed"),
        }
    }

    /// Shows the machine as a report has it.
    pub(crate) fn show(&self, report: &UsageReport) {
        let Some(machine) = &report.machine else {
            return;
        };
        let cores = machine.cores_busy.len() as f64;
        self.cores.set(cores);
        self.busy.set(machine.cores_busy.iter().copied().map(f64::from).sum::<f64>() / cores.max(1.0));
        self.memory_used.set(machine.memory_used_bytes as f64);
        self.memory_total.set(machine.memory_total_bytes as f64);
        self.received.set(machine.network_received_bytes_per_second as f64);
        self.sent.set(machine.network_sent_bytes_per_second as f64);
    }
}
