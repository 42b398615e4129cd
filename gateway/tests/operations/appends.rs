//! What PutObject with an offset promises.

use crate::cluster::{Call, Cluster, blob, code, eventually, pattern, tag};
use bytes::Bytes;
use s3s::dto::*;
use s3s::{S3, S3Response, S3Result};

async fn append(
    cluster: &Cluster,
    call: Call,
    key: &str,
    offset: i64,
    body: Bytes,
) -> S3Result<S3Response<PutObjectOutput>> {
    let input = PutObjectInput {
        bucket: "log".into(),
        key: key.into(),
        content_length: Some(body.len() as i64),
        body: Some(blob(vec![body])),
        write_offset_bytes: Some(offset),
        ..Default::default()
    };
    cluster.ops.put_object(call.with(input)).await
}

async fn refused(cluster: &Cluster, call: Call, key: &str, offset: i64, body: &'static str) -> String {
    code(append(cluster, call, key, offset, body.into()).await)
}

#[tokio::test]
async fn appends_of_all_sizes_make_one_object_and_leave_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    let mut whole = Vec::new();
    for size in [10, 100, 3 << 20, 5, 20_000, 1, 16 << 10, 16 << 10, 7] {
        let body = pattern(size);
        let output =
            append(&cluster, Call::new(), "k", whole.len() as i64, body.clone()).await.unwrap().output;
        whole.extend(body);
        assert_eq!(output.size, Some(whole.len() as i64));
        assert_eq!(tag(&output.e_tag), tag(&cluster.head("log", "k").await.unwrap().output.e_tag));
        assert_eq!(cluster.get("log", "k").await.unwrap(), whole);
    }
    assert!(tag(&cluster.head("log", "k").await.unwrap().output.e_tag).contains('-'));
    cluster.delete("log", "k").await;
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_wrong_offset_changes_nothing_and_leaves_nothing_behind() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    for offset in [1, i64::MAX] {
        let code = refused(&cluster, Call::new(), "none", offset, "x").await;
        assert_eq!(code, if offset == 1 { "InvalidWriteOffset" } else { "EntityTooLarge" });
    }
    assert_eq!(refused(&cluster, Call::new(), "none", -1, "x").await, "InvalidArgument");
    assert_eq!(refused(&cluster, Call::new(), "none", 0, "").await, "InvalidRequest");
    assert!(cluster.keys("log").await.is_empty());
    let etag = cluster.put("log", "k", "hello").await;
    for offset in [0, 4, 6] {
        assert_eq!(refused(&cluster, Call::new(), "k", offset, "x").await, "InvalidWriteOffset");
        let large = append(&cluster, Call::new(), "k", offset, pattern(100_000)).await;
        assert_eq!(code(large), "InvalidWriteOffset");
    }
    let only = |tag: &str| Call::new().header("if-match", tag);
    assert_eq!(refused(&cluster, only("\"x\""), "k", 5, "!").await, "PreconditionFailed");
    let absent = || Call::new().header("if-none-match", "*");
    assert_eq!(refused(&cluster, absent(), "k", 5, "!").await, "PreconditionFailed");
    assert_eq!(refused(&cluster, only(&etag), "none", 0, "!").await, "NoSuchKey");
    let hinted = Call::new().header("x-pocket-ttl", "60s");
    assert_eq!(refused(&cluster, hinted, "k", 5, "!").await, "InvalidRequest");
    assert_eq!(cluster.get("log", "k").await.unwrap(), "hello");
    assert_eq!(refused(&cluster, only(&etag), "k", 5, "!").await, "no error");
    assert_eq!(refused(&cluster, absent(), "new", 0, "!").await, "no error");
    assert_eq!(cluster.get("log", "k").await.unwrap(), "hello!");
    eventually("no space is held", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn of_racing_appends_at_one_offset_exactly_one_wins() {
    let cluster = Cluster::start().await;
    cluster.bucket("log").await;
    // The first round creates the object.
    for round in 0..10 {
        let racers = (0..8).map(|n| append(&cluster, Call::new(), "k", round, Bytes::from(vec![n])));
        let outcomes = futures::future::join_all(racers).await;
        let won = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        assert_eq!(won, 1, "round {round}");
        for lost in outcomes.into_iter().filter(Result::is_err) {
            assert_eq!(code(lost), "InvalidWriteOffset");
        }
        assert_eq!(cluster.get("log", "k").await.unwrap().len() as i64, round + 1);
    }
}
