//! What CopyObject promises.

use crate::cluster::{Call, Cluster, code, eventually, pattern, tag};
use s3s::S3;
use s3s::dto::*;

fn copy(from: &str, to: &str) -> CopyObjectInput {
    let (bucket, key) = to.split_once('/').unwrap();
    let mut input = CopyObjectInput::builder();
    input.set_bucket(bucket.into());
    input.set_key(key.into());
    input.set_copy_source(CopySource::parse(from).unwrap());
    input.build().unwrap()
}

#[tokio::test]
async fn a_copy_inside_a_bucket_moves_no_bytes_and_outlives_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("copies", &[("x-pocket-workers", "100")]).await;
    for (name, size) in [("small", 100), ("big", 3 << 20)] {
        let body = pattern(size);
        let etag = cluster.put("copies", name, body.clone()).await;
        let used = cluster.used_bytes();
        // Several keys, so that copies come to lie at the source's shard and at the other.
        for i in 0..6 {
            let (from, to) = (format!("copies/{name}"), format!("copies/{name}-{i}"));
            let output = cluster.ops.copy_object(Call::new().with(copy(&from, &to))).await.unwrap().output;
            assert_eq!(tag(&output.copy_object_result.unwrap().e_tag), etag);
            // And a copy of each copy.
            let again = copy(&to, &format!("copies/{name}-{i}-again"));
            cluster.ops.copy_object(Call::new().with(again)).await.unwrap();
        }
        assert_eq!(cluster.used_bytes(), used);
        cluster.delete("copies", name).await;
        for i in 0..6 {
            assert_eq!(cluster.get("copies", &format!("{name}-{i}")).await.unwrap(), body);
            cluster.delete("copies", &format!("{name}-{i}")).await;
            assert_eq!(cluster.get("copies", &format!("{name}-{i}-again")).await.unwrap(), body);
            cluster.delete("copies", &format!("{name}-{i}-again")).await;
        }
    }
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn objects_and_copies_whose_bytes_died_with_a_server_are_lost_and_not_unavailable() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("lost", &[("x-pocket-workers", "100")]).await;
    for (key, size) in [("one", 1 << 20), ("many", 3 << 20)] {
        cluster.put("lost", key, pattern(size)).await;
        // So many keys that some lie at another shard than their bytes' manifest.
        for i in 0..8 {
            let input = copy(&format!("lost/{key}"), &format!("lost/{key}-{i}"));
            cluster.ops.copy_object(Call::new().with(input)).await.unwrap();
        }
    }
    let keys = cluster.keys("lost").await;
    assert_eq!(keys.len(), 18);
    cluster.directory.bury_servers();
    // At once, before the shards have heard of it, and later.
    let expect_lost = async || {
        for key in &keys {
            let error = cluster.get("lost", key).await.unwrap_err();
            assert_eq!(error.code().as_str(), "NoSuchKey", "{key}: {error}");
            assert_eq!(error.headers().unwrap()["x-pocket-lost"], "true");
        }
    };
    expect_lost().await;
    eventually("the shards have heard of it", async || cluster.head("lost", "one").await.is_err()).await;
    expect_lost().await;
}

#[tokio::test]
async fn a_copy_between_buckets_is_independent_of_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket("from").await;
    cluster.bucket("into").await;
    for (key, size) in [("small", 10), ("big", (2 << 20) + 7)] {
        let body = pattern(size);
        let etag = cluster.put("from", key, body.clone()).await;
        let input = copy(&format!("/from/{key}"), &format!("into/{key}"));
        let output = cluster.ops.copy_object(Call::new().with(input)).await.unwrap().output;
        assert_eq!(tag(&output.copy_object_result.unwrap().e_tag), etag);
    }
    let end = DeleteBucketInput { bucket: "from".into(), expected_bucket_owner: None };
    let force = Call::new().header("x-pocket-force-delete", "true");
    cluster.ops.delete_bucket(force.with(end)).await.unwrap();
    assert_eq!(cluster.get("into", "small").await.unwrap(), pattern(10));
    assert_eq!(cluster.get("into", "big").await.unwrap(), pattern((2 << 20) + 7));
}

#[tokio::test]
async fn metadata_is_copied_or_replaced_and_a_copy_onto_itself_must_change_something() {
    let cluster = Cluster::start().await;
    cluster.bucket("meta").await;
    let input = PutObjectInput {
        bucket: "meta".into(),
        key: "a".into(),
        content_length: Some(1),
        body: Some(crate::cluster::blob(vec!["x".into()])),
        content_type: Some("text/plain".into()),
        ..Default::default()
    };
    cluster.ops.put_object(Call::new().with(input)).await.unwrap();
    let content_type =
        async |key: &str| cluster.head("meta", key).await.unwrap().output.content_type.unwrap();
    cluster.ops.copy_object(Call::new().with(copy("meta/a", "meta/b"))).await.unwrap();
    assert_eq!(content_type("b").await, "text/plain");
    let replace = |to| CopyObjectInput {
        metadata_directive: Some(MetadataDirective::from_static("REPLACE")),
        content_type: Some("text/html".into()),
        ..copy("meta/a", to)
    };
    cluster.ops.copy_object(Call::new().with(replace("meta/c"))).await.unwrap();
    assert_eq!(content_type("c").await, "text/html");
    assert_eq!(
        code(cluster.ops.copy_object(Call::new().with(copy("meta/a", "meta/a"))).await),
        "InvalidRequest"
    );
    cluster.ops.copy_object(Call::new().with(replace("meta/a"))).await.unwrap();
    assert_eq!(content_type("a").await, "text/html");
}

#[tokio::test]
async fn conditions_and_owners_of_both_ends_are_held() {
    let cluster = Cluster::start().await;
    cluster.bucket("ends").await;
    let etag = cluster.put("ends", "a", "x").await;
    cluster.put("ends", "taken", "y").await;
    let run = async |call: Call, input| code(cluster.ops.copy_object(call.with(input)).await);
    let tagged = |tag: &str| Some(tag.parse::<ETagCondition>().unwrap());
    let unless = CopyObjectInput { copy_source_if_none_match: tagged(&etag), ..copy("ends/a", "ends/b") };
    assert_eq!(run(Call::new(), unless).await, "PreconditionFailed");
    let only = CopyObjectInput { copy_source_if_match: tagged("\"abc\""), ..copy("ends/a", "ends/b") };
    assert_eq!(run(Call::new(), only).await, "PreconditionFailed");
    let absent = Call::new().header("if-none-match", "*");
    assert_eq!(run(absent, copy("ends/a", "ends/taken")).await, "PreconditionFailed");
    assert_eq!(run(Call::new(), copy("ends/missing", "ends/b")).await, "NoSuchKey");
    assert_eq!(run(Call::new(), copy("nowhere/a", "ends/b")).await, "NoSuchBucket");
    assert_eq!(run(Call::new(), copy("ends/a?versionId=7", "ends/b")).await, "NoSuchVersion");
    assert_eq!(run(Call::new(), copy("ends/a?versionId=null", "ends/b")).await, "no error");
    let owned =
        CopyObjectInput { expected_source_bucket_owner: Some("bob".into()), ..copy("ends/a", "ends/b") };
    assert_eq!(run(Call::new(), owned).await, "AccessDenied");
    let bobs = CreateBucketInput { bucket: "bobs".into(), ..Default::default() };
    cluster.ops.create_bucket(Call::new().of("bob").with(bobs)).await.unwrap();
    assert_eq!(run(Call::new().of("bob"), copy("ends/a", "bobs/a")).await, "AccessDenied");
    assert_eq!(cluster.get("ends", "taken").await.unwrap(), "y");
}
