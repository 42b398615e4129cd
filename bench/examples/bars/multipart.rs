//! An upload of 5 GiB in parts with a checksum over the whole: what the server holds in memory beyond the data.

use crate::Line;
use crate::client::{Client, between};
use crate::servers::Server;
use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest, checksum};
use pocket_bench::ProcessUse;

const PART_BYTES: usize = 64 << 20;
const PARTS: usize = 80;
/// Room for the data and two blocks more. The server faults free memory of its capacity in ahead of its use, 256 MiB where
/// it has as many: that is capacity and not a cost of the upload, and could not be told from one by the resident size.
const CAPACITY: &str = "5128MiB";
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";

pub(crate) fn run() -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded(CAPACITY)?;
    let pid = server.pids[0] as i32;
    let client = Client::of(&server);
    client.call("PUT", "/bars", &[], &[])?;

    let full = [("x-amz-checksum-algorithm", "CRC64NVME"), ("x-amz-checksum-type", "FULL_OBJECT")];
    let created = client.call("POST", "/bars/large?uploads=", &full, &[])?;
    let upload = between(&created, "<UploadId>", "</UploadId>").context("the upload has no id")?;
    let mut whole = Digest::new(CrcAlgorithm::Crc64Nvme);
    let mut listed = String::new();
    for number in 1..=PARTS {
        let part = vec![number as u8; PART_BYTES];
        whole.update(&part);
        let sum = STANDARD.encode(checksum(CrcAlgorithm::Crc64Nvme, &part).to_be_bytes());
        let path = format!("/bars/large?partNumber={number}&uploadId={upload}");
        let answer = client.call("PUT", &path, &[(CRC64NVME, &sum)], &part)?;
        let etag = between(&answer, "etag: ", "\r\n").context("the part has no ETag")?;
        listed += &format!(
            "<Part><PartNumber>{number}</PartNumber><ETag>{}</ETag><ChecksumCRC64NVME>{sum}</ChecksumCRC64NVME></Part>",
            etag.replace('"', "&quot;")
        );
    }
    let document = format!("<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>");
    let sum = STANDARD.encode(whole.finalize().to_be_bytes());
    let said = [(CRC64NVME, sum.as_str()), ("x-amz-checksum-type", "FULL_OBJECT")];
    let completed =
        client.call("POST", &format!("/bars/large?uploadId={upload}"), &said, document.as_bytes())?;
    if between(&completed, "<ChecksumCRC64NVME>", "</ChecksumCRC64NVME>") != Some(sum.as_str()) {
        bail!("the object has not the checksum {sum}: {completed}");
    }
    let data = (PARTS * PART_BYTES) as u64;
    let peak = ProcessUse::of(pid)?.peak_rss_bytes;
    if peak < data {
        bail!("the server never held the data: {peak} bytes at the peak, {data} of data");
    }
    Ok(vec![Line {
        what:
            "5 GiB in parts, CRC64NVME of the whole: memory beyond the data, MiB, the program itself included"
                .into(),
        measured: format!("{} MiB", peak >> 20),
        against: format!("{} MiB", data >> 20),
        value: (peak - data) as f64 / f64::from(1 << 20),
        bar: Some(64.0),
    }])
}
