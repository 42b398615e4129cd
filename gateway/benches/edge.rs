//! What a request costs in time through a gateway with its planes in the same process: the same requests as `tests/costs.rs`
//! counts, and those that AWS publishes as examples, which carry their own signatures.

#[path = "../tests/in_process/mod.rs"]
mod in_process;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use http::{Method, Request};
use in_process::cases::{CASES, Counted, Ready};
use pocket_edge::config::EdgeConfig;
use pocket_gateway::config::GatewayConfig;
use std::hint::black_box;

const CREDENTIAL: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

fn presigned_get() -> Ready {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let host = "examplebucket.s3.amazonaws.com";
    Request::get(target).header("host", host).body(Bytes::new()).expect("a good request")
}

/// 66,560 bytes in two signed chunks.
fn chunked_put(body: &Bytes) -> Ready {
    let signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
    let signed = "content-encoding;content-length;host;x-amz-content-sha256;x-amz-date;\
        x-amz-decoded-content-length;x-amz-storage-class";
    Request::builder()
        .method(Method::PUT)
        .uri("/examplebucket/chunkObject.txt")
        .header("host", "s3.amazonaws.com")
        .header("x-amz-date", "20130524T000000Z")
        .header("x-amz-storage-class", "REDUCED_REDUNDANCY")
        .header("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
        .header("content-encoding", "aws-chunked")
        .header("x-amz-decoded-content-length", "66560")
        .header("content-length", "66824")
        .header("authorization", format!("{CREDENTIAL},SignedHeaders={signed},Signature={signature}"))
        .body(body.clone())
        .expect("a good request")
}

fn chunked_body() -> Bytes {
    let mut body = Vec::new();
    for (len, signature) in [
        (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
        (1_024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
        (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
    ] {
        body.extend(format!("{len:x};chunk-signature={signature}\r\n").bytes());
        body.extend(std::iter::repeat_n(b'a', len));
        body.extend(b"\r\n");
    }
    body.into()
}

/// Answers the same request again and again; what is freed behind it in the background is part of it.
fn again(counted: &Counted, request: &Ready) {
    black_box(counted.answer(request.clone()).first);
    counted.settle();
}

fn edge(criterion: &mut Criterion) {
    let edge = EdgeConfig { domain: Some("s3.amazonaws.com".into()), ..EdgeConfig::default() };
    let config = GatewayConfig { edge, ..GatewayConfig::default() };
    let counted = Counted::start(config);
    counted.has("examplebucket", "test.txt", "Welcome to Amazon S3.");
    let chunked = chunked_put(&chunked_body());
    let mut group = criterion.benchmark_group("edge");
    let request = counted.ready(&CASES[0]);
    group.bench_function("a request made and dropped", |bencher| {
        bencher.iter(|| {
            black_box(request.clone());
            counted.settle();
        })
    });
    for case in &CASES {
        let request = counted.ready(case);
        group.bench_function(case.name, |bencher| bencher.iter(|| again(&counted, &request)));
    }
    let request = presigned_get();
    group.bench_function("GET presigned", |bencher| bencher.iter(|| again(&counted, &request)));
    group.throughput(Throughput::Bytes(66_560));
    group.bench_function("PUT of 65 KiB in signed chunks", |bencher| {
        bencher.iter(|| again(&counted, &chunked))
    });
    group.finish();
}

criterion_group!(benches, edge);
criterion_main!(benches);
