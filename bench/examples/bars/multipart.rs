//! An upload of 5 GiB in parts with a checksum over the whole: what the server holds in memory beyond the data.

use crate::Line;
use crate::servers::{ACCESS_KEY, SECRET_KEY, Server};
use anyhow::{Context, bail};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::{CrcAlgorithm, Digest, checksum};
use pocket_bench::ProcessUse;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

const PART_BYTES: usize = 64 << 20;
const PARTS: usize = 80;
/// Room for the data and two blocks more. The server faults free memory of its capacity in ahead of its use, 256 MiB where
/// it has as many: that is capacity and not a cost of the upload, and could not be told from one by the resident size.
const CAPACITY: &str = "5128MiB";
const ANSWER_WITHIN: Duration = Duration::from_secs(120);
const CRC64NVME: &str = "x-amz-checksum-crc64nvme";

pub(crate) fn run() -> anyhow::Result<Vec<Line>> {
    let server = Server::embedded(CAPACITY)?;
    let pid = server.pids[0] as i32;
    let client = Client { host: server.endpoint.trim_start_matches("http://").to_owned() };
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

struct Client {
    /// `host:port`
    host: String,
}

impl Client {
    /// One request on a connection of its own; head and body of the answer, which must be 200.
    fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<String> {
        let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "bars").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::now())
            .settings({
                let mut settings = SigningSettings::default();
                settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
                settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
                settings
            })
            .build()?
            .into();
        let signed = headers.iter().copied().chain([("host", self.host.as_str())]);
        let uri = format!("http://{}{path}", self.host);
        let request = SignableRequest::new(method, uri, signed, SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.host);
        for (name, value) in headers.iter().copied().chain(instructions.headers()) {
            head += &format!("{name}: {value}\r\n");
        }
        head += &format!("content-length: {}\r\n\r\n", body.len());
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 200") {
            bail!("{method} {path}: {answer}");
        }
        Ok(answer)
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}
