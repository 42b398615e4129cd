//! The load driver behind `pocket bench`: sends signed S3 requests to any endpoint and measures the answers.
//!
//! It stands outside every seam and knows Pocket only as an S3 endpoint, so that the same run measures another store.
//! It must never be the bottleneck by carelessness: one task a connection, requests written by hand, bodies made once
//! and discarded on arrival. And it must end: every request has a deadline, every run a duration or a count.

mod args;
mod client;
mod content;
mod load;
mod measure;
mod mix;
mod process;
mod progress;
mod record;
mod report;
mod response;
mod signer;
mod sockets;
mod worker;

pub use args::{BenchArgs, ChecksumForm, Pids};
pub use measure::measure;
pub use mix::{Mix, Operation, Sizes};
pub use process::{ProcessCost, ProcessUse};
pub use report::{Latency, OperationReport, Report};
pub use sockets::queued_bytes;

use std::io::IsTerminal;
use std::time::SystemTime;

/// A whole GET as it goes over the wire, signed now, for region us-east-1. `host` as `host:port`, `path` percent-encoded.
pub fn signed_get(host: &str, access_key: &str, secret_key: &str, path: &str) -> String {
    let mut signer = signer::Signer::new(host, access_key, secret_key, "us-east-1", false);
    let request = signer::Request {
        method: "GET",
        path,
        query: "",
        header: None,
        payload: signer::EMPTY_SHA256,
        content_length: None,
    };
    let mut head = String::new();
    signer.write_head(&request, SystemTime::now(), &mut head);
    head
}

/// Runs the load that `args` describes and prints what was measured. Fails when nothing could be measured: a bad
/// argument, an endpoint that does not answer, a bucket that cannot be made. Errors of single requests are counted
/// and shown instead.
pub async fn run(args: BenchArgs) -> anyhow::Result<()> {
    let json = args.json;
    let show_progress = !json && std::io::stderr().is_terminal();
    let report = measure(&args, show_progress).await?;
    if json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}
