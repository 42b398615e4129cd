//! What PutObject, GetObject, HeadObject, DeleteObject and DeleteObjects promise.

use crate::cluster::{CAPACITY_BYTES, Cluster, WIDE, deletion, eventually, pattern};
use crate::in_process::ask::Ask;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use pocket_api::limits::{CHUNK_MAX_BYTES, INLINE_MAX_BYTES};

const CHUNK: usize = CHUNK_MAX_BYTES as usize;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_size_come_back_as_they_were_put() {
    let cluster = Cluster::start().await;
    cluster.bucket("sizes").await;
    for size in [0, 1, INLINE_MAX_BYTES, INLINE_MAX_BYTES + 1, CHUNK, 3 * CHUNK + 5] {
        let body = pattern(size);
        let key = format!("of/{size}");
        let etag = cluster.stored("sizes", &key, body.clone()).await;
        assert_eq!(cluster.get("sizes", &key).await.ok().body, body);
        let head = cluster.head("sizes", &key).await.ok();
        assert_eq!(head.header("content-length"), Some(&*size.to_string()));
        assert_eq!(head.tag(), etag);
        assert_eq!(etag.contains('-'), size > INLINE_MAX_BYTES, "a tag without a dash is an MD5");
    }
    assert_eq!(cluster.stored("sizes", "a", "abc").await, "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(cluster.keys("sizes").await.len(), 7);
}

#[tokio::test]
async fn ranges_and_parts_are_partial_content_and_exact() {
    let cluster = Cluster::start().await;
    cluster.bucket("ranges").await;
    let body = pattern(2 * CHUNK + 100);
    cluster.stored("ranges", "big", body.clone()).await;
    cluster.stored("ranges", "small", "0123456789").await;
    let part = |number: u32| cluster.get("ranges", "small").query("partNumber", number);
    let border = CHUNK - 3..CHUNK + 4;
    let shown = format!("bytes {}-{}/{}", border.start, border.end - 1, body.len());
    let range = format!("bytes={}-{}", border.start, border.end - 1);
    let got = cluster.get("ranges", "big").range(&range).await;
    assert_eq!((got.status, got.header("content-range")), (206, Some(&*shown)));
    assert_eq!(got.body, body.slice(border));
    let tail = body.slice(body.len() - 5..);
    assert_eq!(cluster.get("ranges", "big").range("bytes=-5").await.ok().body, tail);
    let small = |range: &str| cluster.get("ranges", "small").range(range);
    assert_eq!(small("bytes=7-99").await.ok().body, "789");
    let first = part(1).await;
    assert_eq!((first.status, first.header("content-range")), (206, Some("bytes 0-9/10")));
    let beyond = small("bytes=10-").await;
    assert_eq!((&*beyond.code(), beyond.status), ("InvalidRange", 416));
    assert_eq!(beyond.header("content-range"), Some("bytes */10"));
    assert_eq!(part(2).await.code(), "InvalidPartNumber");
    assert_eq!(part(0).await.code(), "InvalidArgument");
    assert_eq!(part(1).range("bytes=0-1").await.code(), "InvalidRequest");
}

#[tokio::test]
async fn conditions_are_held_on_reads_and_on_writes() {
    let cluster = Cluster::start().await;
    cluster.bucket("conditions").await;
    let etag = cluster.stored("conditions", "a", "one").await;
    let get = |header, tag: &str| cluster.get("conditions", "a").header(header, tag);
    get("if-match", &etag).await.ok();
    assert_eq!(get("if-match", "\"abc\"").await.code(), "PreconditionFailed");
    let unchanged = get("if-none-match", &etag).await;
    assert_eq!((unchanged.status, unchanged.tag()), (304, etag.clone()));
    assert!(unchanged.body.is_empty());

    let put = async |header: &'static str, tag: &str, key: &str| {
        cluster.put("conditions", key, "two").header(header, tag).await.code()
    };
    assert_eq!(put("if-none-match", "*", "a").await, "PreconditionFailed");
    assert_eq!(put("if-none-match", "*", "new").await, "no error");
    assert_eq!(put("if-match", "\"abc\"", "a").await, "PreconditionFailed");
    assert_eq!(put("if-match", &etag, "missing").await, "NoSuchKey");
    assert_eq!(put("if-none-match", "\"abc\"", "a").await, "NotImplemented");
    assert_eq!(cluster.get("conditions", "a").await.ok().body, "one");
    assert_eq!(put("if-match", &etag, "a").await, "no error");

    let delete = || cluster.delete("conditions", "a");
    assert_eq!(delete().header("if-match", &etag).await.code(), "PreconditionFailed");
    assert_eq!(delete().await.code(), "no error");
    assert_eq!(delete().await.code(), "no error");
    assert_eq!(cluster.get("conditions", "a").await.code(), "NoSuchKey");
}

#[tokio::test]
async fn what_a_writer_says_of_an_object_is_shown_to_its_readers() {
    let cluster = Cluster::start().await;
    cluster.bucket("said").await;
    let said = [
        ("content-type", "text/plain"),
        ("cache-control", "no-store"),
        ("expires", "Thu, 01 Dec 1994 16:00:00 GMT"),
        // As a header shows "grün".
        ("x-amz-meta-colour", "=?UTF-8?B?Z3LDvG4=?="),
        ("x-amz-storage-class", "STANDARD_IA"),
    ];
    // CRC32 of "abc".
    let sum = ("x-amz-checksum-crc32", "NSRBwg==");
    let put = cluster.put("said", "a", "abc").headers(&said).headers(&[sum]).await.ok();
    assert_eq!(put.header(sum.0), Some(sum.1));
    let got = cluster.get("said", "a").header("x-amz-checksum-mode", "ENABLED").await.ok();
    for (name, value) in said.into_iter().chain([sum, ("x-amz-checksum-type", "FULL_OBJECT")]) {
        assert_eq!(got.header(name), Some(value), "{name}");
    }

    cluster.stored("said", "plain", "abc").await;
    let plain = cluster.head("said", "plain").header("x-amz-checksum-mode", "ENABLED").await.ok();
    assert_eq!(plain.header("content-type"), Some("binary/octet-stream"));
    for name in plain.headers.keys().map(|name| name.as_str()) {
        let is_said = ["x-amz-meta-", "x-amz-storage-class", "x-amz-checksum-"];
        assert!(!is_said.iter().any(|said| name.starts_with(said)), "{name}");
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_or_lies_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("broken").await;
    let size = 3 * CHUNK;
    let whole = || pattern(size).chunks(100_000).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let put = |frames: Vec<Bytes>| {
        cluster.put("broken", "a", "").stream(size as u64, futures::stream::iter(frames))
    };
    for wrong in
        [("content-md5", BASE64_STANDARD.encode([0; 16])), ("x-amz-checksum-crc32", "AAAAAA==".into())]
    {
        let wrong = |ask: Ask| ask.header(wrong.0, &wrong.1);
        assert_eq!(wrong(put(whole())).await.code(), "BadDigest");
        // Nobody can say that of a body that has not ended.
        assert_eq!(wrong(put(whole()[..7].to_vec())).await.code(), "IncompleteBody");
    }
    assert_eq!(put(whole()[..7].to_vec()).await.code(), "IncompleteBody");
    // Behind a length of HTTP's own nothing can come; in a framing of its own a body can be longer than it was said to be.
    let framed = [format!("{:x}\r\n", size + 4).into(), pattern(size + 4), "\r\n0\r\n\r\n".into()].concat();
    let longer = cluster.put("broken", "a", framed).header("x-amz-decoded-content-length", size);
    let longer = longer.header("content-encoding", "aws-chunked");
    assert_eq!(longer.payload("STREAMING-UNSIGNED-PAYLOAD-TRAILER").await.code(), "InvalidRequest");
    assert_eq!(cluster.get("broken", "a").await.code(), "NoSuchKey");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    assert_eq!(put(whole()).await.code(), "no error");
}

#[tokio::test]
async fn what_does_not_fit_now_is_slowed_down_and_what_never_fits_is_too_large() {
    let cluster = Cluster::start().await;
    cluster.bucket("full").await;
    // The body is never asked for: polling it would panic.
    let put = async |size: u64| {
        let body =
            futures::stream::poll_fn(|_| -> std::task::Poll<Option<Bytes>> { panic!("the body was read") });
        cluster.put("full", "big", "").stream(size, body).await.code()
    };
    assert_eq!(put(2 * CAPACITY_BYTES + 1).await, "EntityTooLarge");
    let half = CAPACITY_BYTES as usize;
    cluster.stored("full", "first", pattern(half)).await;
    assert_eq!(put(CAPACITY_BYTES + u64::from(CHUNK_MAX_BYTES)).await, "SlowDown");
    cluster.stored("full", "small", pattern(CHUNK)).await;
    cluster.delete("full", "first").await.ok();
    cluster.delete("full", "small").await.ok();
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_and_each_has_its_outcome() {
    let cluster = Cluster::start().await;
    cluster.bucket("many").await;
    let etag = cluster.stored("many", "k0", "x").await;
    for i in 1..20 {
        cluster.stored("many", &format!("k{i}"), "y").await;
    }
    let delete = |document: String| cluster.delete_many("many", document);
    let (named, long) = ((1..19).map(|i| format!("k{i}")).collect::<Vec<_>>(), "x".repeat(1_025));
    let mut keys: Vec<_> = named.iter().map(|key| (&**key, None)).collect();
    keys.extend([("missing", None), (&*long, None), ("k0", Some(&*etag)), ("k19", Some(&*etag))]);
    let done = delete(deletion(&keys, false)).await.ok();
    assert_eq!(done.texts("Deleted").len(), 20, "a missing key counts as deleted");
    assert_eq!(done.texts("Error/Code"), ["KeyTooLongError", "PreconditionFailed"]);
    assert_eq!(cluster.keys("many").await, ["k19"]);
    let quiet = delete(deletion(&[("k1", None)], true)).await.ok();
    assert!(quiet.texts("Deleted").is_empty() && quiet.texts("Error").is_empty());
    assert_eq!(delete(deletion(&[], false)).await.code(), "MalformedXML");
    let many: Vec<_> = (0..1_001).map(|i| i.to_string()).collect();
    let many: Vec<_> = many.iter().map(|key| (&**key, None)).collect();
    assert_eq!(delete(deletion(&many, false)).await.code(), "MalformedXML");
}

#[tokio::test]
async fn a_dead_storage_server_makes_its_objects_fail_cleanly_and_not_hang() {
    let cluster = Cluster::start().await;
    cluster.bucket("dead").await;
    cluster.stored("dead", "big", pattern(2 * CHUNK)).await;
    cluster.stored("dead", "small", "x").await;
    cluster.directory.lose_servers();
    assert_eq!(cluster.get("dead", "big").await.status, 503);
    assert_eq!(cluster.get("dead", "small").await.ok().body, "x");
    assert_eq!(cluster.put("dead", "new", pattern(CHUNK)).await.code(), "SlowDown");
}

#[tokio::test]
async fn a_read_of_which_some_bytes_cannot_be_had_does_not_begin() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("partly", &[WIDE]).await;
    cluster.stored("partly", "big", pattern(12 * CHUNK)).await;
    // At both shards, so that one is a reference to bytes whose manifest is at another.
    let keys: Vec<String> = (0..6).map(|i| format!("copy-{i}")).collect();
    for key in &keys {
        cluster.copy("partly/big", &format!("partly/{key}")).await.ok();
    }
    for nth in 0..2 {
        let bring_back = cluster.directory.lose_server(nth);
        for key in keys.iter().map(String::as_str).chain(["big"]) {
            // The head alone: whoever reads on would see a body that breaks off.
            let answer = cluster.get("partly", key).begin().await;
            assert_eq!(answer.status(), 503, "{key} without server {nth}");
        }
        bring_back();
    }
    for key in &keys {
        assert_eq!(cluster.get("partly", key).await.ok().body, pattern(12 * CHUNK));
    }
}

#[tokio::test]
async fn attributes_are_those_that_are_asked_for() {
    let cluster = Cluster::start().await;
    cluster.bucket("attributes").await;
    let etag = cluster.stored("attributes", "a", "abc").await;
    let get = |attributes: &str| {
        let get = cluster.get("attributes", "a").query("attributes", "");
        get.header("x-amz-object-attributes", attributes)
    };
    let shown = get("ETag,ObjectSize").await.ok();
    assert_eq!(shown.text("ETag"), Some(etag), "S3 gives this one without quotes");
    assert_eq!(shown.text("ObjectSize").as_deref(), Some("3"));
    for other in ["StorageClass", "Checksum", "ObjectParts"] {
        assert_eq!(shown.text(other), None);
    }
    assert_eq!(get("ETag, Colour").await.code(), "InvalidArgument");
}
