//! What PutObject with an offset promises.

use crate::cluster::{Cluster, eventually, pattern};
use crate::in_process::ask::Ask;
use bytes::Bytes;

fn append(cluster: &Cluster, key: &str, offset: i64, body: impl Into<Bytes>) -> Ask {
    cluster.put("log", key, body).header("x-amz-write-offset-bytes", offset)
}

#[tokio::test]
async fn appends_of_all_sizes_make_one_object_and_leave_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    let mut whole = Vec::new();
    for size in [10, 100, 3 << 20, 5, 20_000, 1, 16 << 10, 16 << 10, 7] {
        let body = pattern(size);
        let appended = append(&cluster, "k", whole.len() as i64, body.clone()).await.ok();
        whole.extend(body);
        assert_eq!(appended.header("x-amz-object-size"), Some(&*whole.len().to_string()));
        assert_eq!(appended.tag(), cluster.head("log", "k").await.tag());
        assert_eq!(cluster.get("log", "k").await.ok().body, whole);
    }
    assert!(cluster.head("log", "k").await.tag().contains('-'));
    cluster.delete("log", "k").await.ok();
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_wrong_offset_changes_nothing_and_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    let refused = async |ask: Ask| ask.await.code();
    let append = |key: &str, offset, body: &'static str| append(&cluster, key, offset, body);
    for offset in [1, i64::MAX] {
        let expected = if offset == 1 { "InvalidWriteOffset" } else { "EntityTooLarge" };
        assert_eq!(refused(append("none", offset, "x")).await, expected);
    }
    assert_eq!(refused(append("none", -1, "x")).await, "InvalidArgument");
    assert_eq!(refused(append("none", 0, "")).await, "InvalidRequest");
    assert!(cluster.keys("log").await.is_empty());
    let etag = cluster.stored("log", "k", "hello").await;
    for offset in [0, 4, 6] {
        assert_eq!(refused(append("k", offset, "x")).await, "InvalidWriteOffset");
        let large = append("k", offset, "").body(pattern(100_000));
        assert_eq!(refused(large).await, "InvalidWriteOffset");
    }
    let only = |ask: Ask, tag: &str| ask.header("if-match", tag);
    assert_eq!(refused(only(append("k", 5, "!"), "\"x\"")).await, "PreconditionFailed");
    let absent = |ask: Ask| ask.header("if-none-match", "*");
    assert_eq!(refused(absent(append("k", 5, "!"))).await, "PreconditionFailed");
    assert_eq!(refused(only(append("none", 0, "!"), &etag)).await, "NoSuchKey");
    let hinted = append("k", 5, "!").header("x-pocket-ttl", "60s");
    assert_eq!(refused(hinted).await, "InvalidRequest");
    assert_eq!(cluster.get("log", "k").await.body, "hello");
    assert_eq!(refused(only(append("k", 5, "!"), &etag)).await, "no error");
    assert_eq!(refused(absent(append("new", 0, "!"))).await, "no error");
    assert_eq!(cluster.get("log", "k").await.body, "hello!");
    eventually("no space is held", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn of_racing_appends_at_one_offset_exactly_one_wins() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    // The first round creates the object.
    for round in 0..10 {
        let racers = (0..8).map(|n| append(&cluster, "k", round, vec![n]).send());
        let outcomes = futures::future::join_all(racers).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        for lost in outcomes.into_iter().filter(|outcome| !outcome.is_ok()) {
            assert_eq!(lost.code(), "InvalidWriteOffset");
        }
        assert_eq!(cluster.get("log", "k").await.body.len() as i64, round + 1);
    }
}
