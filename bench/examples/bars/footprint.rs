//! What Pocket takes before anybody uses it: of a disk as a program, of memory as a server that waits.

use crate::Line;
use crate::servers::{Server, program};
use pocket_bench::ProcessUse;
use std::time::Duration;

const MIB: f64 = (1 << 20) as f64;
/// Longer than what a server does at its start, and some of its once-a-second reports.
const SETTLES_WITHIN: Duration = Duration::from_secs(5);

/// `pocket serve` with the capacity that it has by default. Pages of the program itself are counted, and told apart.
pub(crate) async fn idle_memory() -> anyhow::Result<Vec<Line>> {
    let server = Server::serve(&[])?;
    tokio::time::sleep(SETTLES_WITHIN).await;
    let idle = ProcessUse::of(server.pids[0] as i32)?;
    Ok(vec![
        size("idle `pocket serve`, resident MiB", idle.rss_bytes as f64 / MIB, "MiB", Some(20.0)),
        size("  its own, without the program's pages", idle.anonymous_bytes as f64 / MIB, "MiB", None),
    ])
}

pub(crate) fn binary_size() -> anyhow::Result<Vec<Line>> {
    let bytes = std::fs::metadata(program("pocket")?)?.len();
    Ok(vec![size("binary as installed, MB", bytes as f64 / 1e6, "MB", Some(25.0))])
}

fn size(what: &str, value: f64, unit: &str, bar: Option<f64>) -> Line {
    Line { what: what.into(), measured: format!("{value:.1} {unit}"), against: "-".into(), value, bar }
}
