//! What CopyObject promises.

use crate::cluster::{Cluster, FORCE, WIDE, eventually, pattern};
use crate::in_process::ask::Ask;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn a_copy_inside_a_bucket_moves_no_bytes_and_outlives_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("copies", &[WIDE]).await;
    for (name, size) in [("small", 100), ("big", 3 << 20)] {
        let body = pattern(size);
        let etag = cluster.stored("copies", name, body.clone()).await;
        let used = cluster.used_bytes();
        // Several keys, so that copies come to lie at the source's shard and at the other.
        for i in 0..6 {
            let (from, to) = (format!("copies/{name}"), format!("copies/{name}-{i}"));
            assert_eq!(cluster.copy(&from, &to).await.ok().tag_inside(), etag);
            // And a copy of each copy.
            cluster.copy(&to, &format!("copies/{name}-{i}-again")).await.ok();
        }
        assert_eq!(cluster.used_bytes(), used);
        cluster.delete("copies", name).await.ok();
        for i in 0..6 {
            for copy in [format!("{name}-{i}"), format!("{name}-{i}-again")] {
                assert_eq!(cluster.get("copies", &copy).await.ok().body, body);
                cluster.delete("copies", &copy).await.ok();
            }
        }
    }
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn objects_and_copies_whose_bytes_died_with_a_server_are_lost_and_not_unavailable() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("lost", &[WIDE]).await;
    for (key, size) in [("one", 1 << 20), ("many", 3 << 20)] {
        cluster.stored("lost", key, pattern(size)).await;
        // So many keys that some lie at another shard than their bytes' manifest.
        for i in 0..8 {
            cluster.copy(&format!("lost/{key}"), &format!("lost/{key}-{i}")).await.ok();
        }
    }
    let keys = cluster.keys("lost").await;
    assert_eq!(keys.len(), 18);
    cluster.directory.bury_servers();
    // At once, before the shards have heard of it, and later.
    let expect_lost = async || {
        for key in &keys {
            let lost = cluster.get("lost", key).await;
            assert_eq!(lost.code(), "NoSuchKey", "{key}: {lost:?}");
            assert_eq!(lost.header("x-pocket-lost"), Some("true"));
        }
    };
    expect_lost().await;
    eventually("the shards have heard of it", async || !cluster.head("lost", "one").await.is_ok()).await;
    expect_lost().await;
}

#[tokio::test]
async fn a_copy_between_buckets_is_independent_of_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket("from").await;
    cluster.bucket("into").await;
    for (key, size) in [("small", 10), ("big", (2 << 20) + 7)] {
        let etag = cluster.stored("from", key, pattern(size)).await;
        let copied = cluster.copy(&format!("/from/{key}"), &format!("into/{key}")).await.ok();
        assert_eq!(copied.tag_inside(), etag);
    }
    cluster.delete_bucket("from").headers(&[FORCE]).await.ok();
    assert_eq!(cluster.get("into", "small").await.ok().body, pattern(10));
    assert_eq!(cluster.get("into", "big").await.ok().body, pattern((2 << 20) + 7));
}

#[tokio::test]
async fn others_have_their_turn_between_any_two_pieces_of_a_copy() {
    const SIZE: usize = 8 << 20;
    const PIECE: usize = 256 << 10;
    let cluster = Cluster::start().await;
    cluster.bucket("from").await;
    cluster.bucket("into").await;
    cluster.stored("from", "big", pattern(SIZE)).await;
    let turns = Arc::new(AtomicUsize::new(0));
    let counting = turns.clone();
    let other = tokio::spawn(async move {
        loop {
            counting.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let to_another_bucket = [("x-amz-meta-b", "c")];
    let with_another_sum = [("x-amz-checksum-algorithm", "SHA256")];
    for (to, header) in [("into/big", to_another_bucket), ("from/summed", with_another_sum)] {
        let before = turns.load(Ordering::Relaxed);
        cluster.copy("from/big", to).headers(&header).await.ok();
        let had = turns.load(Ordering::Relaxed) - before;
        assert!(had >= SIZE / PIECE - 1, "{to}: {had} turns");
    }
    other.abort();
}

#[tokio::test]
async fn metadata_is_copied_or_replaced_and_a_copy_onto_itself_must_change_something() {
    let cluster = Cluster::start().await;
    cluster.bucket("meta").await;
    cluster.put("meta", "a", "x").header("content-type", "text/plain").await.ok();
    let content_type = async |key: &str| {
        let head = cluster.head("meta", key).await.ok();
        head.header("content-type").unwrap().to_owned()
    };
    cluster.copy("meta/a", "meta/b").await.ok();
    assert_eq!(content_type("b").await, "text/plain");
    let replaced = |to: &str| {
        let copy = cluster.copy("meta/a", to).header("x-amz-metadata-directive", "REPLACE");
        copy.header("content-type", "text/html")
    };
    replaced("meta/c").await.ok();
    assert_eq!(content_type("c").await, "text/html");
    assert_eq!(cluster.copy("meta/a", "meta/a").await.code(), "InvalidRequest");
    replaced("meta/a").await.ok();
    assert_eq!(content_type("a").await, "text/html");
}

#[tokio::test]
async fn conditions_and_owners_of_both_ends_are_held() {
    let cluster = Cluster::start().await;
    cluster.bucket("ends").await;
    let etag = cluster.stored("ends", "a", "x").await;
    cluster.stored("ends", "taken", "y").await;
    let copy = |from: &str, to: &str| cluster.copy(from, to);
    let run = async |ask: Ask| ask.await.code();
    let unless = copy("ends/a", "ends/b").header("x-amz-copy-source-if-none-match", &etag);
    assert_eq!(run(unless).await, "PreconditionFailed");
    let only = copy("ends/a", "ends/b").header("x-amz-copy-source-if-match", "\"abc\"");
    assert_eq!(run(only).await, "PreconditionFailed");
    let absent = copy("ends/a", "ends/taken").header("if-none-match", "*");
    assert_eq!(run(absent).await, "PreconditionFailed");
    assert_eq!(run(copy("ends/missing", "ends/b")).await, "NoSuchKey");
    assert_eq!(run(copy("nowhere/a", "ends/b")).await, "NoSuchBucket");
    assert_eq!(run(copy("ends/a?versionId=7", "ends/b")).await, "NoSuchVersion");
    assert_eq!(run(copy("ends/a?versionId=null", "ends/b")).await, "no error");
    let owned = copy("ends/a", "ends/b").header("x-amz-source-expected-bucket-owner", "bob");
    assert_eq!(run(owned).await, "AccessDenied");
    cluster.create_bucket("bobs").by("bob").await.ok();
    assert_eq!(run(copy("ends/a", "bobs/a").by("bob")).await, "AccessDenied");
    assert_eq!(cluster.get("ends", "taken").await.ok().body, "y");
}
