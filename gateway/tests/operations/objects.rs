//! What PutObject, GetObject, HeadObject, DeleteObject and DeleteObjects promise.

use crate::cluster::{
    CAPACITY_BYTES, Call, Cluster, blob, code, eventually, get_input, pattern, read, status, tag,
};
use bytes::Bytes;
use http::HeaderValue;
use pocket_api::checksum;
use pocket_api::limits::{CHUNK_MAX_BYTES, INLINE_MAX_BYTES};
use pocket_gateway::context::StoredExpires;
use pocket_gateway::refusal::{ErrorCode, Refusal};
use s3s::dto::*;
use s3s::{S3, S3ErrorCode};

const CHUNK: usize = CHUNK_MAX_BYTES as usize;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_of_every_size_come_back_as_they_were_put() {
    let cluster = Cluster::start().await;
    cluster.bucket("sizes").await;
    for size in [0, 1, INLINE_MAX_BYTES, INLINE_MAX_BYTES + 1, CHUNK, 3 * CHUNK + 5] {
        let body = pattern(size);
        let key = format!("of/{size}");
        let etag = cluster.put("sizes", &key, body.clone()).await;
        assert_eq!(cluster.get("sizes", &key).await.unwrap(), body);
        let head = cluster.head("sizes", &key).await.unwrap().output;
        assert_eq!((head.content_length, tag(&head.e_tag)), (Some(size as i64), etag.clone()));
        assert_eq!(etag.contains('-'), size > INLINE_MAX_BYTES, "a tag without a dash is an MD5");
    }
    assert_eq!(cluster.put("sizes", "a", "abc").await, "900150983cd24fb0d6963f7d28e17f72");
    assert_eq!(cluster.keys("sizes").await.len(), 7);
}

#[tokio::test]
async fn ranges_and_parts_are_partial_content_and_exact() {
    let cluster = Cluster::start().await;
    cluster.bucket("ranges").await;
    let body = pattern(2 * CHUNK + 100);
    cluster.put("ranges", "big", body.clone()).await;
    cluster.put("ranges", "small", "0123456789").await;
    let get = async |key: &str, range: Option<&str>, part_number| {
        let range = range.map(|range| Range::parse(range).unwrap());
        let call = Call::new();
        let connection = call.connection.clone();
        let input = GetObjectInput { range, part_number, ..get_input("ranges", key) };
        let output = cluster.ops.get_object(call.with(input)).await?.output;
        let shown = output.content_range.clone();
        Ok::<_, s3s::S3Error>((shown, read(output, &connection).await))
    };
    let border = CHUNK - 3..CHUNK + 4;
    let shown = format!("bytes {}-{}/{}", border.start, border.end - 1, body.len());
    let range = format!("bytes={}-{}", border.start, border.end - 1);
    assert_eq!(get("big", Some(&range), None).await.unwrap(), (Some(shown), body.slice(border)));
    let tail = body.slice(body.len() - 5..);
    assert_eq!(get("big", Some("bytes=-5"), None).await.unwrap().1, tail);
    assert_eq!(get("small", Some("bytes=7-99"), None).await.unwrap().1, "789");
    assert_eq!(get("small", None, Some(1)).await.unwrap().0.as_deref(), Some("bytes 0-9/10"));
    let error = get("small", Some("bytes=10-"), None).await.unwrap_err();
    assert_eq!((error.code(), status(&error)), (&S3ErrorCode::InvalidRange, 416));
    assert_eq!(error.headers().unwrap()["content-range"], "bytes */10");
    assert_eq!(code(get("small", None, Some(2)).await), "InvalidPartNumber");
    assert_eq!(code(get("small", None, Some(0)).await), "InvalidArgument");
    assert_eq!(code(get("small", Some("bytes=0-1"), Some(1)).await), "InvalidRequest");
}

#[tokio::test]
async fn conditions_are_held_on_reads_and_on_writes() {
    let cluster = Cluster::start().await;
    cluster.bucket("conditions").await;
    let etag = cluster.put("conditions", "a", "one").await;
    let condition = |value: &str| Some(value.parse::<ETagCondition>().unwrap());
    let get = async |if_match, if_none_match| {
        let input = GetObjectInput { if_match, if_none_match, ..get_input("conditions", "a") };
        cluster.ops.get_object(Call::new().with(input)).await
    };
    assert!(get(condition(&etag), None).await.is_ok());
    assert_eq!(code(get(condition("\"abc\""), None).await), "PreconditionFailed");
    let unchanged = get(None, condition(&etag)).await.unwrap_err();
    assert_eq!(status(&unchanged), 304);
    assert_eq!(unchanged.headers().unwrap()["etag"], format!("\"{etag}\"").as_str());

    let put =
        async |call: Call, key: &str| code(cluster.put_with(call, "conditions", key, "two".into()).await);
    assert_eq!(put(Call::new().header("if-none-match", "*"), "a").await, "PreconditionFailed");
    assert_eq!(put(Call::new().header("if-none-match", "*"), "new").await, "no error");
    assert_eq!(put(Call::new().header("if-match", "\"abc\""), "a").await, "PreconditionFailed");
    assert_eq!(put(Call::new().header("if-match", &etag), "missing").await, "NoSuchKey");
    assert_eq!(put(Call::new().header("if-none-match", "\"abc\""), "a").await, "NotImplemented");
    assert_eq!(cluster.get("conditions", "a").await.unwrap(), "one");
    assert_eq!(put(Call::new().header("if-match", &etag), "a").await, "no error");

    let delete = async |call: Call| {
        let input = DeleteObjectInput { bucket: "conditions".into(), key: "a".into(), ..Default::default() };
        code(cluster.ops.delete_object(call.with(input)).await)
    };
    assert_eq!(delete(Call::new().header("if-match", &etag)).await, "PreconditionFailed");
    assert_eq!(delete(Call::new()).await, "no error");
    assert_eq!(delete(Call::new()).await, "no error");
    assert_eq!(code(cluster.get("conditions", "a").await), "NoSuchKey");
}

#[tokio::test]
async fn what_a_writer_says_of_an_object_is_shown_to_its_readers() {
    let cluster = Cluster::start().await;
    cluster.bucket("said").await;
    let sum = checksum::Checksum {
        algorithm: checksum::ChecksumAlgorithm::Crc32,
        kind: checksum::ChecksumKind::FullObject,
        value: [1, 2, 3, 4][..].into(),
    };
    let input = PutObjectInput {
        bucket: "said".into(),
        key: "a".into(),
        content_length: Some(3),
        body: Some(blob(vec!["abc".into()])),
        content_type: Some("text/plain".into()),
        cache_control: Some("no-store".into()),
        metadata: Some([("colour".to_owned(), "grün".to_owned())].into()),
        storage_class: Some(StorageClass::from_static("STANDARD_IA")),
        ..Default::default()
    };
    let mut request = Call::new().verdict(Ok(Some(sum))).with(input);
    request.extensions.insert(StoredExpires(HeaderValue::from_static("Thu, 01 Dec 1994 16:00:00 GMT")));
    let put = cluster.ops.put_object(request).await.unwrap().output;
    assert_eq!(put.checksum_crc32.as_deref(), Some("AQIDBA=="));
    let input = GetObjectInput {
        checksum_mode: Some(ChecksumMode::from_static(ChecksumMode::ENABLED)),
        ..get_input("said", "a")
    };
    let got = cluster.ops.get_object(Call::new().with(input)).await.unwrap();
    assert_eq!(got.headers["expires"], "Thu, 01 Dec 1994 16:00:00 GMT");
    let got = got.output;
    assert_eq!(got.content_type.as_deref(), Some("text/plain"));
    assert_eq!(got.cache_control.as_deref(), Some("no-store"));
    assert_eq!(got.metadata.unwrap()["colour"], "grün");
    assert_eq!(got.storage_class.unwrap().as_str(), "STANDARD_IA");
    assert_eq!(got.checksum_crc32.as_deref(), Some("AQIDBA=="));
    assert_eq!(got.checksum_type.unwrap().as_str(), "FULL_OBJECT");

    cluster.put("said", "plain", "abc").await;
    let plain = cluster.head("said", "plain").await.unwrap().output;
    assert_eq!(plain.content_type.as_deref(), Some("binary/octet-stream"));
    assert!(plain.metadata.is_none() && plain.storage_class.is_none() && plain.checksum_crc32.is_none());
}

#[tokio::test]
async fn a_body_that_breaks_off_or_lies_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("broken").await;
    let size = 3 * CHUNK;
    let put = async |call: Call, frames: Vec<Bytes>| {
        let input = PutObjectInput {
            bucket: "broken".into(),
            key: "a".into(),
            content_length: Some(size as i64),
            body: Some(blob(frames)),
            ..Default::default()
        };
        code(cluster.ops.put_object(call.with(input)).await)
    };
    let whole = || pattern(size).chunks(100_000).map(Bytes::copy_from_slice).collect::<Vec<_>>();
    let wrong = || Call::new().verdict(Err(Refusal::new(ErrorCode::BadDigest, "wrong")));
    assert_eq!(put(wrong(), whole()).await, "BadDigest");
    assert_eq!(put(wrong(), whole()[..7].to_vec()).await, "BadDigest");
    assert_eq!(put(Call::new(), whole()[..7].to_vec()).await, "IncompleteBody");
    assert_eq!(put(Call::new(), [whole(), vec!["more".into()]].concat()).await, "IncompleteBody");
    assert_eq!(code(cluster.get("broken", "a").await), "NoSuchKey");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    assert_eq!(put(Call::new(), whole()).await, "no error");
}

#[tokio::test]
async fn what_does_not_fit_now_is_slowed_down_and_what_never_fits_is_too_large() {
    let cluster = Cluster::start().await;
    cluster.bucket("full").await;
    // The body is never asked for: polling it would panic.
    let put = async |size: u64| {
        let body = futures::stream::poll_fn(|_| -> std::task::Poll<Option<Result<Bytes, std::io::Error>>> {
            panic!("the body was read")
        });
        let input = PutObjectInput {
            bucket: "full".into(),
            key: "big".into(),
            content_length: Some(size as i64),
            body: Some(StreamingBlob::wrap(body)),
            ..Default::default()
        };
        code(cluster.ops.put_object(Call::new().with(input)).await)
    };
    assert_eq!(put(2 * CAPACITY_BYTES + 1).await, "EntityTooLarge");
    let half = CAPACITY_BYTES as usize;
    cluster.put("full", "first", pattern(half)).await;
    assert_eq!(put(CAPACITY_BYTES + u64::from(CHUNK_MAX_BYTES)).await, "SlowDown");
    cluster.put("full", "small", pattern(CHUNK)).await;
    cluster.delete("full", "first").await;
    cluster.delete("full", "small").await;
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn many_keys_are_deleted_at_once_and_each_has_its_outcome() {
    let cluster = Cluster::start().await;
    cluster.bucket("many").await;
    let etag = cluster.put("many", "k0", "x").await;
    for i in 1..20 {
        cluster.put("many", &format!("k{i}"), "y").await;
    }
    let delete = async |objects: Vec<ObjectIdentifier>, quiet| {
        let delete = Delete { objects, quiet };
        let input = DeleteObjectsInput {
            bucket: "many".into(),
            delete,
            bypass_governance_retention: None,
            checksum_algorithm: None,
            expected_bucket_owner: None,
            mfa: None,
            request_payer: None,
        };
        cluster.ops.delete_objects(Call::new().with(input)).await
    };
    let named = |key: String| ObjectIdentifier { key, ..Default::default() };
    let tagged = |key: &str, tag: &str| ObjectIdentifier {
        e_tag: Some(ETag::Strong(tag.into())),
        ..named(key.into())
    };
    let mut objects: Vec<_> = (1..19).map(|i| named(format!("k{i}"))).collect();
    objects.extend([
        named("missing".into()),
        named("x".repeat(1_025)),
        tagged("k0", &etag),
        tagged("k19", &etag),
    ]);
    let output = delete(objects, None).await.unwrap().output;
    assert_eq!(output.deleted.unwrap().len(), 20, "a missing key counts as deleted");
    let errors: Vec<_> = output.errors.unwrap().into_iter().filter_map(|e| e.code).collect();
    assert_eq!(errors, ["KeyTooLongError", "PreconditionFailed"]);
    assert_eq!(cluster.keys("many").await, ["k19"]);
    let quiet = delete(vec![named("k1".into())], Some(true)).await.unwrap().output;
    assert!(quiet.deleted.unwrap().is_empty() && quiet.errors.unwrap().is_empty());
    assert_eq!(code(delete(vec![], None).await), "MalformedXML");
    assert_eq!(code(delete((0..1_001).map(|i| named(format!("{i}"))).collect(), None).await), "MalformedXML");
}

#[tokio::test]
async fn a_dead_storage_server_makes_its_objects_fail_cleanly_and_not_hang() {
    let cluster = Cluster::start().await;
    cluster.bucket("dead").await;
    cluster.put("dead", "big", pattern(2 * CHUNK)).await;
    cluster.put("dead", "small", "x").await;
    cluster.directory.lose_servers();
    let error = cluster.get("dead", "big").await.unwrap_err();
    assert_eq!(status(&error), 503);
    assert_eq!(cluster.get("dead", "small").await.unwrap(), "x");
    assert_eq!(code(cluster.put_with(Call::new(), "dead", "new", pattern(CHUNK)).await), "SlowDown");
}

#[tokio::test]
async fn a_read_of_which_some_bytes_cannot_be_had_does_not_begin() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("partly", &[("x-pocket-workers", "100")]).await;
    cluster.put("partly", "big", pattern(12 * CHUNK)).await;
    // At both shards, so that one is a reference to bytes whose manifest is at another.
    let keys: Vec<String> = (0..6).map(|i| format!("copy-{i}")).collect();
    for key in &keys {
        let mut copy = CopyObjectInput::builder();
        copy.set_bucket("partly".into());
        copy.set_key(key.clone());
        copy.set_copy_source(CopySource::parse("partly/big").unwrap());
        cluster.ops.copy_object(Call::new().with(copy.build().unwrap())).await.unwrap();
    }
    for nth in 0..2 {
        let bring_back = cluster.directory.lose_server(nth);
        for key in keys.iter().map(String::as_str).chain(["big"]) {
            let answer = cluster.ops.get_object(Call::new().with(get_input("partly", key))).await;
            assert_eq!(answer.err().map(|error| status(&error)), Some(503), "{key} without server {nth}");
        }
        bring_back();
    }
    for key in &keys {
        assert_eq!(cluster.get("partly", key).await.unwrap(), pattern(12 * CHUNK));
    }
}

#[tokio::test]
async fn attributes_are_those_that_are_asked_for() {
    let cluster = Cluster::start().await;
    cluster.bucket("attributes").await;
    let etag = cluster.put("attributes", "a", "abc").await;
    let get = async |attributes: &'static str| {
        let input = GetObjectAttributesInput {
            bucket: "attributes".into(),
            key: "a".into(),
            object_attributes: vec![ObjectAttributes::from_static(attributes)],
            expected_bucket_owner: None,
            max_parts: None,
            part_number_marker: None,
            request_payer: None,
            sse_customer_algorithm: None,
            sse_customer_key: None,
            sse_customer_key_md5: None,
            version_id: None,
        };
        cluster.ops.get_object_attributes(Call::new().with(input)).await
    };
    let output = get("ETag,ObjectSize").await.unwrap().output;
    assert_eq!((tag(&output.e_tag), output.object_size), (etag, Some(3)));
    assert!(output.storage_class.is_none() && output.checksum.is_none() && output.object_parts.is_none());
    assert_eq!(code(get("ETag, Colour").await), "InvalidArgument");
}
