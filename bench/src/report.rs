//! What a run found, for people and for programs.

use crate::mix::Operation;
use crate::process::ProcessCost;
use crate::record::{OfOperation, Record};
use bytesize::ByteSize;
use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Latencies in microseconds. In an open loop they count from the moment a request was due.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub mean_us: f64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p999_us: u64,
    pub max_us: u64,
}

impl From<&Histogram<u64>> for Latency {
    fn from(h: &Histogram<u64>) -> Self {
        let at = |q| h.value_at_quantile(q);
        Self {
            mean_us: h.mean(),
            p50_us: at(0.5),
            p90_us: at(0.9),
            p99_us: at(0.99),
            p999_us: at(0.999),
            max_us: h.max(),
        }
    }
}

#[derive(Clone, Debug, Serialize)]
pub struct OperationReport {
    pub operation: Operation,
    /// Answered as they should be, missing ones included.
    pub requests: u64,
    /// 404 of keys that the run itself deletes.
    pub missing: u64,
    pub errors: u64,
    pub requests_per_second: f64,
    pub bytes_per_second: f64,
    pub latency: Latency,
}

#[derive(Clone, Debug, Serialize)]
pub struct Report {
    pub endpoint: String,
    /// Length of the measured part.
    pub seconds: f64,
    /// Errors included.
    pub requests: u64,
    pub requests_per_second: f64,
    pub bytes_per_second: f64,
    /// In an open loop: starts a second that were asked for.
    pub offered_per_second: Option<f64>,
    pub operations: Vec<OperationReport>,
    /// By HTTP status and S3 code, or by what went wrong with the connection.
    pub errors: BTreeMap<String, u64>,
    pub processes: Vec<ProcessCost>,
    /// Sum over `processes`; absent without any.
    pub server_cpu_us_per_request: Option<f64>,
    /// What this program spent itself: where it nears the time a request takes, the client is the limit.
    pub client_cpu_us_per_request: f64,
}

impl Report {
    pub(crate) fn new(
        endpoint: &str,
        record: &Record,
        window: Duration,
        offered_per_second: Option<f64>,
        processes: Vec<ProcessCost>,
        client: &ProcessCost,
    ) -> Self {
        let seconds = window.as_secs_f64().max(1e-9);
        let bytes: u64 = record.operations.values().map(|of| of.bytes).sum();
        let operation = |(operation, of): (&Operation, &OfOperation)| OperationReport {
            operation: *operation,
            requests: of.latency.len(),
            missing: of.missing,
            errors: of.errors,
            requests_per_second: of.latency.len() as f64 / seconds,
            bytes_per_second: of.bytes as f64 / seconds,
            latency: (&of.latency).into(),
        };
        let sum = (!processes.is_empty()).then(|| processes.iter().map(|p| p.cpu_us_per_request).sum());
        Self {
            endpoint: endpoint.into(),
            seconds,
            requests: record.requests(),
            requests_per_second: record.requests() as f64 / seconds,
            bytes_per_second: bytes as f64 / seconds,
            offered_per_second,
            operations: record.operations.iter().map(operation).collect(),
            errors: record.errors.clone(),
            processes,
            server_cpu_us_per_request: sum,
            client_cpu_us_per_request: client.cpu_us_per_request,
        }
    }

    /// All errors together.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = table(&[
            "operation",
            "requests",
            "errors",
            "req/s",
            "bytes/s",
            "mean",
            "p50",
            "p90",
            "p99",
            "p99.9",
            "max",
        ]);
        for of in &self.operations {
            let l = &of.latency;
            let missing = if of.missing > 0 { format!(" ({} missing)", of.missing) } else { String::new() };
            table.add_row(vec![
                of.operation.to_string(),
                format!("{}{missing}", of.requests),
                of.errors.to_string(),
                format!("{:.0}", of.requests_per_second),
                ByteSize(of.bytes_per_second as u64).to_string(),
                micros(l.mean_us),
                micros(l.p50_us as f64),
                micros(l.p90_us as f64),
                micros(l.p99_us as f64),
                micros(l.p999_us as f64),
                micros(l.max_us as f64),
            ]);
        }
        right_align(&mut table);
        writeln!(f, "{table}")?;
        for (error, count) in &self.errors {
            writeln!(f, "{count} x {error}")?;
        }
        if !self.processes.is_empty() {
            let mut table = table_of_processes(&self.processes);
            right_align(&mut table);
            writeln!(f, "{table}")?;
        }
        if let Some(us) = self.server_cpu_us_per_request {
            writeln!(f, "server CPU {us:.2} us a request")?;
        }
        if let Some(rate) = self.offered_per_second {
            writeln!(f, "offered {rate:.0} requests a second")?;
        }
        write!(
            f,
            "{} requests in {:.2} s, {:.0} a second; client CPU {:.2} us a request",
            self.requests, self.seconds, self.requests_per_second, self.client_cpu_us_per_request
        )
    }
}

fn table_of_processes(processes: &[ProcessCost]) -> Table {
    let mut table = table(&["process", "pid", "CPU s", "CPU us/request", "memory", "peak"]);
    for p in processes {
        table.add_row(vec![
            p.name.clone(),
            p.pid.to_string(),
            format!("{:.2}", p.cpu_seconds),
            format!("{:.2}", p.cpu_us_per_request),
            ByteSize(p.rss_bytes).to_string(),
            ByteSize(p.peak_rss_bytes).to_string(),
        ]);
    }
    table
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().copied());
    table
}

fn right_align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn micros(us: f64) -> String {
    match us {
        us if us < 1e3 => format!("{us:.0}us"),
        us if us < 1e6 => format!("{:.2}ms", us / 1e3),
        us => format!("{:.2}s", us / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Outcome;

    #[test]
    fn a_report_shows_rates_errors_and_costs() {
        let mut record = Record::default();
        for us in 1..=1_000 {
            record.add(Operation::Get, Duration::from_micros(us), 1 << 20, Outcome::Done);
        }
        record.add(Operation::Put, Duration::ZERO, 0, Outcome::Refused("503 SlowDown".into()));
        let cost = ProcessCost {
            pid: 7,
            name: "server".into(),
            cpu_seconds: 1.0,
            cpu_us_per_request: 13.5,
            rss_bytes: 1 << 20,
            peak_rss_bytes: 2 << 20,
        };
        let processes = vec![cost.clone(), ProcessCost { pid: 8, ..cost.clone() }];
        let report = Report::new("http://e", &record, Duration::from_secs(2), None, processes, &cost);
        assert_eq!((report.requests, report.error_count()), (1_001, 1));
        assert_eq!(report.server_cpu_us_per_request, Some(27.0));
        assert_eq!(report.operations[1].operation, Operation::Get);
        assert_eq!(report.operations[1].latency.p50_us, 500);
        assert_eq!(report.bytes_per_second, 500.0 * 1_048_576.0);
        let text = report.to_string();
        for wanted in ["get", "1000", "1 x 503 SlowDown", "server CPU 27.00 us", "500us"] {
            assert!(text.contains(wanted), "{wanted} is missing in\n{text}");
        }
        let json: serde_json::Value = serde_json::from_str(&serde_json::to_string(&report).unwrap()).unwrap();
        assert_eq!(json["operations"][1]["latency"]["max_us"], 1_000);
    }
}
