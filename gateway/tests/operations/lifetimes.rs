//! What TTLs, counted reads and waits promise.

use crate::cluster::{Call, Cluster, code, eventually, get_input, pattern, read};
use bytes::Bytes;
use futures::StreamExt;
use s3s::S3;
use s3s::dto::{PutObjectInput, StreamingBlob};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::test]
async fn an_object_with_a_ttl_says_so_and_is_gone_in_time() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("ttl", &[("x-pocket-object-ttl", "1h")]).await;
    let put = cluster.put_with(Call::new(), "ttl", "long", "x".into()).await.unwrap();
    let shown = put.output.expiration.unwrap();
    assert!(shown.starts_with("expiry-date=\"") && shown.ends_with("rule-id=\"pocket-ttl\""), "{shown}");
    assert_eq!(cluster.head("ttl", "long").await.unwrap().output.expiration, Some(shown));
    let call = Call::new().header("x-pocket-ttl", "300ms");
    cluster.put_with(call, "ttl", "short", pattern(2 << 20)).await.unwrap();
    eventually("the object expired", async || code(cluster.get("ttl", "short").await) == "NoSuchKey").await;
    assert_eq!(cluster.keys("ttl").await, ["long"]);
    eventually("its space came back", async || cluster.used_bytes() == 0).await;
    let bad = cluster.put_with(Call::new().header("x-pocket-ttl", "soon"), "ttl", "bad", "x".into()).await;
    assert_eq!(code(bad), "InvalidArgument");
}

#[tokio::test]
async fn of_many_readers_exactly_as_many_as_allowed_get_the_bytes() {
    let cluster = Cluster::start().await;
    cluster.bucket("reads").await;
    for size in [10, 2 << 20] {
        let call = Call::new().header("x-pocket-reads", "3");
        cluster.put_with(call, "reads", "a", pattern(size)).await.unwrap();
        let readers = (0..12).map(|_| cluster.get("reads", "a"));
        let got = futures::future::join_all(readers).await;
        let served: Vec<_> = got.iter().flatten().collect();
        assert_eq!(served.len(), 3);
        assert!(served.iter().all(|body| **body == pattern(size)));
        eventually("the object was deleted", async || cluster.keys("reads").await.is_empty()).await;
    }
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_reader_of_ranges_is_not_in_its_own_way() {
    let cluster = Cluster::start().await;
    cluster.bucket("ranges").await;
    cluster.put_with(Call::new().header("x-pocket-reads", "1"), "ranges", "a", pattern(100)).await.unwrap();
    for i in 0..100 {
        if i == 50 {
            // From here on the shard has heard of the earlier read before its refusal arrives.
            cluster.directory.delay_refusals();
        }
        let mut input = get_input("ranges", "a");
        input.range = Some(s3s::dto::Range::parse("bytes=0-9").unwrap());
        let call = Call::new();
        let connection = call.connection.clone();
        let output = cluster.ops.get_object(call.with(input)).await.unwrap().output;
        assert_eq!(read(output, &connection).await, pattern(100)[..10]);
    }
}

#[tokio::test]
async fn a_transfer_that_breaks_off_gives_its_read_back() {
    let cluster = Cluster::start().await;
    cluster.bucket("back").await;
    cluster.put("back", "a", pattern(2 << 20)).await;
    let delete = async || {
        let call = Call::new().header("x-pocket-delete-after-read", "true");
        let connection = call.connection.clone();
        let answer = cluster.ops.get_object(call.with(get_input("back", "a"))).await.unwrap();
        (answer.output, connection)
    };
    let given_back = async || cluster.get("back", "a").await.is_ok();

    let mut body = delete().await.0.body.unwrap();
    body.next().await.unwrap().unwrap();
    assert_eq!(code(cluster.get("back", "a").await), "NoSuchKey", "nobody else gets it meanwhile");
    drop(body);
    eventually("the read was given back", given_back).await;

    // Handed out to the last byte, but the connection ends before they are in the socket.
    let (output, connection) = delete().await;
    let frames: Vec<_> = output.body.unwrap().collect().await;
    assert!(frames.iter().all(|frame| frame.is_ok()));
    connection.ended();
    eventually("the read was given back", given_back).await;

    let (output, connection) = delete().await;
    assert_eq!(read(output, &connection).await, pattern(2 << 20));
    eventually("the object was deleted", async || cluster.keys("back").await.is_empty()).await;
}

#[tokio::test]
async fn a_get_that_waits_is_woken_by_the_put() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("wait", &[("x-pocket-wait", "20s")]).await;
    let waiting = cluster.get("wait", "later");
    let putting = async {
        tokio::task::yield_now().await;
        cluster.put("wait", "later", "here").await
    };
    let (got, _) = futures::future::join(waiting, putting).await;
    assert_eq!(got.unwrap(), "here");
    assert_eq!(code(cluster.head("wait", "never").await), "NoSuchKey", "a HEAD waits only by its own header");
    let briefly = Call::new().header("x-pocket-wait", "20ms");
    assert_eq!(code(cluster.get_with(briefly, "wait", "never").await), "NoSuchKey");
    let long = Call::new().header("x-pocket-wait", "1h");
    assert_eq!(code(cluster.get_with(long, "wait", "never").await), "InvalidArgument");
}

#[tokio::test]
async fn a_copy_inherits_what_is_left_of_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket("left").await;
    let call = Call::new().header("x-pocket-ttl", "1h").header("x-pocket-reads", "2");
    cluster.put_with(call, "left", "a", "x".into()).await.unwrap();
    cluster.get("left", "a").await.unwrap();
    let one_left = async || {
        let head = cluster.head("left", "a").await.unwrap();
        head.headers["x-pocket-reads-left"] == "1"
    };
    eventually("the read was counted", one_left).await;
    let input = {
        let mut input = s3s::dto::CopyObjectInput::builder();
        input.set_bucket("left".into());
        input.set_key("b".into());
        input.set_copy_source(s3s::dto::CopySource::parse("left/a").unwrap());
        input.build().unwrap()
    };
    cluster.ops.copy_object(Call::new().with(input)).await.unwrap();
    let head = cluster.head("left", "b").await.unwrap();
    assert_eq!(head.headers["x-pocket-reads-left"], "1");
    assert!(head.output.expiration.is_some());
    tokio::time::timeout(Duration::from_secs(20), cluster.get("left", "b")).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_upload_keeps_its_job_in_use_however_slow_it_is() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("slow", &[("x-pocket-idle-ttl", "2s")]).await;
    for size in [1_000, 1 << 20] {
        let (half, rest) = (pattern(size).slice(..size / 2), pattern(size).slice(size / 2..));
        let (send, frames) = futures::channel::mpsc::unbounded::<std::io::Result<Bytes>>();
        let input = PutObjectInput {
            bucket: "slow".into(),
            key: "a".into(),
            content_length: Some(size as i64),
            body: Some(StreamingBlob::wrap(frames)),
            ..Default::default()
        };
        let put = cluster.ops.put_object(Call::new().with(input));
        let feed = async {
            send.unbounded_send(Ok(half)).unwrap();
            // Nobody else asks for anything of the job: its idle time grows until somebody says that it is in use.
            for _ in 0..3 {
                let seen = AtomicU64::new(0);
                let used_anew = async || {
                    let idle_ms = cluster.idle_ms();
                    idle_ms < seen.swap(idle_ms, Ordering::Relaxed)
                };
                eventually("the job was used", used_anew).await;
            }
            send.unbounded_send(Ok(rest)).unwrap();
            drop(send);
        };
        let (put, ()) = futures::future::join(put, feed).await;
        put.unwrap();
        assert_eq!(cluster.get("slow", "a").await.unwrap(), pattern(size));
    }
}
