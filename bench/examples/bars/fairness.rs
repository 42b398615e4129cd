//! What small GETs wait for while the server copies large objects between buckets, which moves their bytes. The bar is for
//! memory that the server has used before: the first touch of a huge page is the kernel's work, and in a virtual machine the
//! hypervisor's (6 ms have been seen), on whichever thread it comes.

use crate::client::{Client, between};
use crate::servers::Server;
use crate::turns::Side;
use crate::{Line, Options};
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const PART_BYTES: usize = 256 << 20;
const PARTS: usize = 16;
/// The object, its copy, and a copy whose space is still being given back.
const CAPACITY: &str = "13GiB";
const COPY_SOURCE: (&str, &str) = ("x-amz-copy-source", "/bars/large");
/// In an open loop, far below what the server can do: what is longer than on a quiet server was waited for.
const SMALL: &str = "--size 1KiB --keys 1000 --concurrency 16 --rate 1000 --mix get";

pub(crate) async fn run(options: &Options) -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded(CAPACITY)?;
    let client = Client::of(&server);
    for bucket in ["/bars", "/copies"] {
        client.call("PUT", bucket, &[], &[])?;
    }
    put_large(&client)?;
    let side = Side::new(&server, SMALL);
    let seconds = options.seconds.max(5);
    let quiet = side.run(&format!("--duration {seconds}s")).await?;
    let first = beside(&side, seconds, &[]).await?;
    let plain = beside(&side, seconds, &[]).await?;
    let summed = beside(&side, seconds, &[("x-amz-checksum-algorithm", "SHA256")]).await?;
    let of = |report: &pocket_bench::Report| -> anyhow::Result<(f64, f64)> {
        let latency = &report.operations.first().context("GETs were measured")?.latency;
        Ok((latency.p99_us as f64 / 1_000.0, latency.max_us as f64 / 1_000.0))
    };
    let (p99, longest) = of(&quiet)?;
    let mut lines = Vec::new();
    for (report, how, bar) in [
        (&first, "a first copy, into fresh memory", None),
        (&plain, "copies of 4 GiB", Some(2.0)),
        (&summed, "copies with a new SHA-256", Some(2.0)),
    ] {
        let (beside_p99, beside_longest) = of(report)?;
        lines.push(Line {
            what: format!("1 KiB GET beside {how}, p99 / quiet"),
            measured: format!("{beside_p99:.1} ms"),
            against: format!("{p99:.1} ms"),
            value: beside_p99 / p99,
            bar,
        });
        lines.push(Line {
            what: "  longest, ms".into(),
            measured: format!("{beside_longest:.1} ms"),
            against: format!("{longest:.1} ms"),
            value: beside_longest,
            bar: Some(50.0),
        });
    }
    Ok(lines)
}

fn put_large(client: &Client) -> anyhow::Result<()> {
    let created = client.call("POST", "/bars/large?uploads=", &[], &[])?;
    let upload = between(&created, "<UploadId>", "</UploadId>").context("the upload has no id")?;
    let mut listed = String::new();
    for number in 1..=PARTS {
        let path = format!("/bars/large?partNumber={number}&uploadId={upload}");
        let answer = client.call("PUT", &path, &[], &vec![number as u8; PART_BYTES])?;
        let etag = between(&answer, "etag: ", "\r\n").context("the part has no ETag")?;
        let etag = etag.replace('"', "&quot;");
        listed += &format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>");
    }
    let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    client.call("POST", &format!("/bars/large?uploadId={upload}"), &[], document.as_bytes())?;
    Ok(())
}

/// The small GETs, while one copy follows the other.
async fn beside(
    side: &Side<'_>,
    seconds: u32,
    said: &[(&'static str, &'static str)],
) -> anyhow::Result<pocket_bench::Report> {
    let over = Arc::new(AtomicBool::new(false));
    let (client, ended, said) = (Client::of(side.server), over.clone(), said.to_vec());
    let copies = thread::spawn(move || -> anyhow::Result<u32> {
        let mut copies = 0;
        while !ended.load(Ordering::Relaxed) {
            let headers = [&said[..], &[COPY_SOURCE]].concat();
            client.call("PUT", "/copies/large", &headers, &[])?;
            // The next one takes the memory of this one.
            client.call("DELETE", "/copies/large", &[], &[])?;
            copies += 1;
        }
        Ok(copies)
    });
    let report = side.run(&format!("--duration {seconds}s --no-fill")).await;
    over.store(true, Ordering::Relaxed);
    let copies = copies.join().map_err(|_| anyhow::anyhow!("the copies ended in a panic"))??;
    eprintln!("  {copies} copies beside it");
    report
}
