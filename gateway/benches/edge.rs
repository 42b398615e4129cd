//! What the edge costs a request, on the examples that AWS publishes: they carry their own signatures. The same
//! requests without the edge show what s3s costs behind it.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use futures::StreamExt;
use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body_util::{Empty, Full};
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::ids::NodeId;
use pocket_api::names::TenantName;
use pocket_gateway::config::GatewayConfig;
use pocket_gateway::context::{Connection, RenameRequest};
use pocket_gateway::credentials::Credentials;
use pocket_gateway::front::Front;
use s3s::dto::{GetObjectInput, GetObjectOutput, PutObjectInput, PutObjectOutput};
use s3s::route::S3Route;
use s3s::service::S3ServiceBuilder;
use s3s::{Body, S3, S3Request, S3Response, S3Result};
use std::hint::black_box;
use std::sync::Arc;

const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const CREDENTIAL: &str =
    "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";

/// Answers at once, after reading what there is to read.
struct Nothing;

#[async_trait::async_trait]
impl S3 for Nothing {
    async fn get_object(&self, _: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        Ok(S3Response::new(GetObjectOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        if let Some(mut body) = request.input.body {
            while let Some(data) = body.next().await {
                black_box(data.is_ok_and(|data| data.is_empty()));
            }
        }
        Ok(S3Response::new(PutObjectOutput::default()))
    }
}

/// Is asked about every request, as that of a gateway is.
#[async_trait::async_trait]
impl S3Route for Nothing {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, extensions: &mut Extensions) -> bool {
        extensions.get::<RenameRequest>().is_some()
    }

    async fn call(&self, _: S3Request<Body>) -> S3Result<S3Response<Body>> {
        Ok(S3Response::new(Body::empty()))
    }
}

fn front() -> Front {
    let mut credentials = Credentials::default();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    let tenant = TenantName::parse("bench").expect("a good name");
    assert!(credentials.add("AKIAIOSFODNN7EXAMPLE", secret, tenant));
    let clock = Arc::new(ManualClock::at(Timestamp(1_369_353_600_000)));
    let config = GatewayConfig { domain: Some("s3.amazonaws.com".into()), ..GatewayConfig::default() };
    Front::new(&config, credentials, NodeId(1), clock, Nothing, Nothing)
}

fn signed_get() -> Request<Empty<Bytes>> {
    let signature = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
    let signed = "host;range;x-amz-content-sha256;x-amz-date";
    Request::get("/test.txt")
        .header("host", "examplebucket.s3.amazonaws.com")
        .header("range", "bytes=0-9")
        .header("x-amz-content-sha256", EMPTY)
        .header("x-amz-date", "20130524T000000Z")
        .header("authorization", format!("{CREDENTIAL},SignedHeaders={signed},Signature={signature}"))
        .body(Empty::new())
        .expect("a good request")
}

fn presigned_get() -> Request<Empty<Bytes>> {
    let target = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
        &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request\
        &X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
        &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";
    let host = "examplebucket.s3.amazonaws.com";
    Request::get(target).header("host", host).body(Empty::new()).expect("a good request")
}

/// 66,560 bytes in two signed chunks.
fn chunked_put(body: &Bytes) -> Request<Full<Bytes>> {
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
        .body(Full::new(body.clone()))
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

fn edge(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (front, connection) = (front(), Arc::new(Connection::default()));
    let body = chunked_body();
    for response in [
        runtime.block_on(front.answer(signed_get(), connection.clone())),
        runtime.block_on(front.answer(presigned_get(), connection.clone())),
        runtime.block_on(front.answer(chunked_put(&body), connection.clone())),
    ] {
        assert!(response.status().is_success(), "{response:?}");
    }
    let mut group = criterion.benchmark_group("edge");
    group.bench_function("request made and dropped", |bencher| bencher.iter(|| black_box(signed_get())));
    group.bench_function("GET signed by header", |bencher| {
        bencher.iter(|| runtime.block_on(front.answer(signed_get(), connection.clone())))
    });
    group.bench_function("GET presigned", |bencher| {
        bencher.iter(|| runtime.block_on(front.answer(presigned_get(), connection.clone())))
    });
    let bare = S3ServiceBuilder::new(Nothing).build();
    group.bench_function("GET without the edge", |bencher| {
        bencher.iter(|| {
            let mut request = Request::new(Body::empty());
            *request.uri_mut() = "/examplebucket/test.txt".parse().expect("a good path");
            *request.headers_mut() = signed_get().into_parts().0.headers;
            request.headers_mut().remove("authorization");
            runtime.block_on(bare.call(request)).expect("an answer")
        })
    });
    group.throughput(Throughput::Bytes(66_560));
    group.bench_function("PUT of 65 KiB in signed chunks", |bencher| {
        bencher.iter(|| runtime.block_on(front.answer(chunked_put(&body), connection.clone())))
    });
    group.finish();
}

criterion_group!(benches, edge);
criterion_main!(benches);
