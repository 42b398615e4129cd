//! The bars, one function each.

use crate::crowds;
use crate::fairness;
use crate::footprint;
use crate::multipart;
use crate::secure;
use crate::servers::{Server, pocket};
use crate::turns::{Side, compare, median};
use crate::{Line, Options};
use anyhow::{Context, bail};
use pocket_bench::ProcessUse;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

pub(crate) const NAMES: [&str; 22] = [
    "get-1k",
    "get-64k",
    "put-1k",
    "get-1m",
    "tls-get-1m",
    "tls-get-1k",
    "put-1m",
    "put-1m-cold",
    "cluster-get-1k",
    "cluster-get-64k",
    "memory",
    "objects",
    "list-1000",
    "delete-1000",
    "copy-1g",
    "get-beside-copy",
    "multipart-5g",
    "idle-memory",
    "binary-size",
    "slow-readers",
    "unsigned-senders",
    "idle-connections",
];

/// Objects of 1 MiB in the working set: larger than the caches of any machine.
const MIB_KEYS: u64 = 256;
/// Put into a server just started.
const COLD_KEYS: u64 = 512;
/// Keys of the bars on whole pages and batches: a hundred of each.
const MANY_KEYS: u64 = 100_000;
/// Threads of the server that fault memory in ahead of use are named with this.
const PREFAULT_THREAD: &str = "prefault";

pub(crate) async fn run(name: &str, options: &Options) -> anyhow::Result<Vec<Line>> {
    let small = "--size 1KiB --keys 1000 --concurrency 16";
    let large = format!("--size 1MiB --keys {MIB_KEYS} --concurrency 16");
    match name {
        "get-1k" | "get-64k" | "cluster-get-1k" | "cluster-get-64k" => {
            let (what, bar) = match name {
                "get-1k" => ("1 KiB GET / s3s floor", 0.8),
                "get-64k" => ("64 KiB GET / s3s floor", 1.1),
                "cluster-get-1k" => ("1 KiB GET, three processes / s3s floor", 1.6),
                _ => ("64 KiB GET, three processes / s3s floor", 2.4),
            };
            let size = if name.ends_with("64k") { "64KiB" } else { "1KiB" };
            let ours =
                if name.starts_with("cluster") { Server::cluster()? } else { Server::embedded("1GiB")? };
            let floor = Server::floor_s3s()?;
            let get = format!("--size {size} --keys 1000 --concurrency 16 --mix get");
            let sides = (Side::new(&ours, &get), Side::new(&floor, &get));
            ratio(what, &sides.0, &sides.1, bar, options).await
        }
        "put-1k" => {
            let ours = Server::embedded("1GiB")?;
            let sides = (
                Side::new(&ours, format!("{small} --mix put")),
                Side::new(&ours, format!("{small} --mix get")),
            );
            ratio("1 KiB PUT / own GET", &sides.0, &sides.1, 1.25, options).await
        }
        "get-1m" => {
            let (ours, floor) = (Server::embedded("1GiB")?, Server::floor_hyper("1MiB")?);
            let get = format!("{large} --mix get");
            let sides = (Side::new(&ours, &get), Side::new(&floor, format!("{get} --no-fill")));
            ratio("1 MiB GET / bare hyper", &sides.0, &sides.1, 1.1, options).await
        }
        "tls-get-1m" => secure::large(options).await,
        "tls-get-1k" => secure::small(options).await,
        "put-1m" => {
            let (ours, floor) = (Server::embedded("1GiB")?, Server::floor_s3s()?);
            // Two rounds over the keys before the measured part: memory is warm and every PUT replaces an object.
            let put = format!("{large} --mix put --presigned --warm-up 2s");
            let sides = (Side::new(&ours, &put), Side::new(&floor, &put));
            ratio("1 MiB PUT, warm / s3s floor", &sides.0, &sides.1, 1.1, options).await
        }
        "put-1m-cold" => cold(options).await,
        "memory" => memory().await,
        "objects" => objects(options.objects).await,
        "list-1000" => list(options).await,
        "delete-1000" => delete(options).await,
        "copy-1g" => copy(options).await,
        "get-beside-copy" => fairness::run(options).await,
        "multipart-5g" => multipart::run(),
        "idle-memory" => footprint::idle_memory().await,
        "binary-size" => footprint::binary_size(),
        "slow-readers" => crowds::slow_readers().await,
        "unsigned-senders" => crowds::unsigned_senders().await,
        "idle-connections" => crowds::idle_connections().await,
        _ => bail!("no bar is called {name:?}"),
    }
}

async fn ratio(
    what: &str,
    a: &Side<'_>,
    b: &Side<'_>,
    bar: f64,
    options: &Options,
) -> anyhow::Result<Vec<Line>> {
    let (ours, against) = compare(a, b, options.rounds, options.seconds).await?;
    Ok(vec![Line::ratio(what, ours, against, bar)])
}

/// Server CPU a call, in milliseconds, whatever another server takes.
fn absolute(what: &str, us: Vec<f64>, bar_ms: f64) -> Vec<Line> {
    let value = median(us) / 1_000.0;
    let measured = format!("{value:.3} ms");
    vec![Line { what: what.into(), measured, against: "-".into(), value, bar: Some(bar_ms) }]
}

async fn cpu_us(side: &Side<'_>, more: &str) -> anyhow::Result<f64> {
    let us = side.run(more).await?.server_cpu_us_per_request.context("the server was measured")?;
    eprintln!("  {} {us:.0} us", side.load);
    Ok(us)
}

/// Pages of 1,000 keys, over so many that few pages are shorter.
async fn list(options: &Options) -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded("1GiB")?;
    let side = Side::new(&server, format!("--size 16B --keys {MANY_KEYS} --concurrency 4 --mix list"));
    let mut us = Vec::new();
    for round in 0..options.rounds.max(1) {
        let fill = if round == 0 { "" } else { "--no-fill" };
        us.push(cpu_us(&side, &format!("--duration {}s {fill}", options.seconds)).await?);
    }
    Ok(absolute("LIST of 1,000 keys, CPU ms", us, 0.2))
}

/// Each round puts its keys first; only the deletions are measured.
async fn delete(options: &Options) -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded("1GiB")?;
    let load = |mix: &str, requests: u64| {
        format!(
            "--size 16B --keys {MANY_KEYS} --concurrency 4 --warm-up 0s --mix {mix} --requests {requests} --duration 60s"
        )
    };
    let (fill, delete) = (load("put", MANY_KEYS), load("delete-many", MANY_KEYS / 1_000));
    let mut us = Vec::new();
    for _ in 0..options.rounds.max(1) {
        Side::new(&server, fill.as_str()).run("").await?;
        us.push(cpu_us(&Side::new(&server, delete.as_str()), "").await?);
    }
    Ok(absolute("DeleteObjects of 1,000 keys, CPU ms", us, 1.5))
}

async fn copy(options: &Options) -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded("2GiB")?;
    let side = Side::new(&server, "--size 1GiB --keys 1 --concurrency 4 --mix copy");
    let mut us = Vec::new();
    for round in 0..options.rounds.max(1) {
        let fill = if round == 0 { "" } else { "--no-fill" };
        us.push(cpu_us(&side, &format!("--duration {}s {fill}", options.seconds)).await?);
    }
    Ok(absolute("copy of 1 GiB inside a bucket, CPU ms", us, 0.2))
}

/// PUTs into a server just started against PUTs over the same number of keys into the same server once warm. What
/// its pre-faulting threads cost is told apart.
async fn cold(options: &Options) -> anyhow::Result<Vec<Line>> {
    let (mut cold, mut warm, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..options.rounds.max(1) {
        let server = Server::embedded("2GiB")?;
        let put = format!(
            "--size 1MiB --keys {COLD_KEYS} --requests {COLD_KEYS} --concurrency 16 --mix put --presigned --warm-up 0s"
        );
        let side = Side::new(&server, put);
        let pid = server.pids[0] as i32;
        for of_run in [&mut cold, &mut warm] {
            let before = ProcessUse::of(pid)?;
            let report = side.run("--duration 60s").await?;
            let after = ProcessUse::of(pid)?;
            let prefault = after.cpu_us_of_threads_since(&before, PREFAULT_THREAD) / report.requests as f64;
            let all = report.server_cpu_us_per_request.unwrap_or(f64::NAN);
            eprintln!("  {all:.2} us, of these {prefault:.2} us pre-faulting");
            of_run.push(all - prefault);
            beside.push(prefault);
        }
    }
    let prefault = beside.into_iter().step_by(2).collect();
    let (cold, warm) = (median(cold), median(warm));
    let line = |what: &str, measured: f64, against: String, value, bar| Line {
        what: what.into(),
        measured: format!("{measured:.2} us"),
        against,
        value,
        bar,
    };
    let prefault = median(prefault);
    Ok(vec![
        line("1 MiB PUT, just started / warm", cold, format!("{warm:.2} us"), cold / warm, Some(1.5)),
        line("  pre-faulting beside it, us", prefault, "-".into(), prefault, None),
    ])
}

/// 64 clients at once put 100 MiB each into 512 MiB.
async fn memory() -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded("512MiB")?;
    let put = "--size 100MiB --keys 64 --requests 64 --concurrency 64 --mix put --presigned --warm-up 0s --duration 120s";
    let report = Side::new(&server, put).run_whatever("").await?;
    let stored: u64 = report.operations.iter().map(|of| of.requests).sum();
    let peak = report.processes.first().context("the server was measured")?.peak_rss_bytes;
    let other: Vec<_> = report.errors.keys().filter(|error| *error != "503 SlowDown").collect();
    eprintln!("  stored {stored}, refused {:?}", report.errors);
    Ok(vec![
        Line {
            what: "64 x 100 MiB into 512 MiB, peak / capacity".into(),
            measured: format!("{} MiB", peak >> 20),
            against: "512 MiB".into(),
            value: peak as f64 / f64::from(512 << 20),
            bar: Some(1.25),
        },
        Line {
            what: "  missing of the 5 that fit".into(),
            measured: format!("{stored} stored"),
            against: "5".into(),
            value: 5_u64.abs_diff(stored) as f64,
            bar: Some(0.0),
        },
        Line {
            what: "  refused with anything but 503 SlowDown".into(),
            measured: format!("{other:?}"),
            against: "-".into(),
            value: other.len() as f64,
            bar: Some(0.0),
        },
    ])
}

/// Many objects of 1 KiB: memory beside the data, pages of a list, and how fast the bytes come back.
async fn objects(objects: u64) -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded("8GiB")?;
    let pid = server.pids[0] as i32;
    let used_before = used_bytes(&server.admin)?;
    let few = (objects / 100).max(1_000);
    let fill = |keys: u64| {
        format!("--size 1KiB --keys {keys} --requests {keys} --mix put --warm-up 0s --duration 30m")
    };
    let list = |keys: u64| format!("--keys {keys} --mix list --no-fill --concurrency 1 --duration 3s");
    Side::new(&server, fill(few)).run("").await?;
    let page_few = page_us(&server, list(few)).await?;
    let (rss_few, rss_few_keys) = (ProcessUse::of(pid)?.rss_bytes, few);
    Side::new(&server, fill(objects)).run("").await?;
    let rss = ProcessUse::of(pid)?.rss_bytes;
    let page_many = page_us(&server, list(objects)).await?;
    let each = rss.saturating_sub(rss_few) as f64 / (objects - rss_few_keys) as f64 - 1_024.0;

    let used = used_bytes(&server.admin)?;
    let counted = (used - used_before) as f64 / objects as f64 - 1_024.0;
    let started = Instant::now();
    let ended = pocket()?.args(["end", "bars", "--force", "--admin", &server.admin]).output()?;
    if !ended.status.success() {
        bail!("pocket end failed: {}", String::from_utf8_lossy(&ended.stderr));
    }
    while used_bytes(&server.admin)? > used_before {
        if started.elapsed() > Duration::from_secs(30) {
            bail!("{} of {used} used bytes are not back after 30 s", used_bytes(&server.admin)?);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    let back = started.elapsed().as_secs_f64();
    let line = |what: String, measured: String, against: String, value, bar| Line {
        what,
        measured,
        against,
        value,
        bar,
    };
    Ok(vec![
        line(
            format!("{objects} objects, bytes beside 1 KiB each"),
            format!("{each:.0} B"),
            "-".into(),
            each,
            Some(300.0),
        ),
        line("  by its own account".into(), format!("{counted:.0} B"), "-".into(), counted, Some(300.0)),
        line(
            format!("LIST page at {objects} / at {few}"),
            format!("{page_many:.0} us"),
            format!("{page_few:.0} us"),
            page_many / page_few,
            // Flat, but for what caches do.
            Some(1.5),
        ),
        line("job ended, used bytes back, s".into(), format!("{back:.2} s"), "-".into(), back, Some(1.0)),
    ])
}

async fn page_us(server: &Server, load: String) -> anyhow::Result<f64> {
    let report = Side::new(server, load).run("").await?;
    Ok(report.operations.first().context("pages were listed")?.latency.p50_us as f64)
}

/// What objects take as `/metrics` shows it: space on tiers, and memory of shards.
fn used_bytes(admin: &str) -> anyhow::Result<u64> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET /metrics HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let used = text.lines().filter(|line| {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        matches!(name, "pocket_storage_used_bytes" | "pocket_metadata_memory_bytes")
    });
    Ok(used.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>() as u64)
}
