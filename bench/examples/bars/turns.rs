//! Two sides measured in turns, A B A B, so that what else the machine does hits both; the medians are compared.

use crate::servers::{ACCESS_KEY, SECRET_KEY, Server};
use anyhow::bail;
use clap::Parser;
use pocket_bench::{BenchArgs, Report, measure};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    bench: BenchArgs,
}

/// What one side is asked.
pub(crate) struct Side<'a> {
    pub(crate) server: &'a Server,
    /// As on the command line of `pocket bench`.
    pub(crate) load: String,
}

impl<'a> Side<'a> {
    pub(crate) fn new(server: &'a Server, load: impl Into<String>) -> Self {
        Self { server, load: load.into() }
    }

    /// One run. Requests that fail make a number meaningless, so they are an error here.
    pub(crate) async fn run(&self, more: &str) -> anyhow::Result<Report> {
        let report = self.run_whatever(more).await?;
        if let Some((error, count)) = report.errors.first_key_value() {
            bail!("{count} requests of {:?} failed: {error}", self.load);
        }
        Ok(report)
    }

    /// One run in which requests may fail.
    pub(crate) async fn run_whatever(&self, more: &str) -> anyhow::Result<Report> {
        let pids = self.server.pids.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
        let fixed = ["bench", "--endpoint", &self.server.endpoint, "--access-key", ACCESS_KEY];
        let fixed = fixed.into_iter().chain([
            "--secret-key",
            SECRET_KEY,
            "--pid",
            &pids,
            "--bucket",
            "bars",
            "--keep",
        ]);
        let line = fixed.chain(self.load.split_whitespace()).chain(more.split_whitespace());
        measure(&Line::try_parse_from(line)?.bench, false).await
    }
}

/// Median server CPU, in microseconds a request, of both sides. Objects are put before the first turn.
pub(crate) async fn compare(
    a: &Side<'_>,
    b: &Side<'_>,
    rounds: usize,
    seconds: u32,
) -> anyhow::Result<(f64, f64)> {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    for round in 0..rounds.max(1) {
        for (side, found) in [(a, &mut of_a), (b, &mut of_b)] {
            let fill = if round == 0 || side.load.contains("--no-fill") { "" } else { "--no-fill" };
            let report = side.run(&format!("--duration {seconds}s {fill}")).await?;
            let us = report.server_cpu_us_per_request.unwrap_or(f64::NAN);
            eprintln!("  {} {us:.2} us, {:.0}/s", side.load, report.requests_per_second);
            found.push(us);
        }
    }
    Ok((median(of_a), median(of_b)))
}

pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}
