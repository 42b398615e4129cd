//! What TTLs, counted reads and waits promise.

use crate::cluster::{Cluster, eventually, pattern};
use crate::in_process::ask::Ask;
use bytes::Bytes;
use futures::StreamExt;
use http_body_util::{BodyExt, BodyStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

#[tokio::test]
async fn an_object_with_a_ttl_says_so_and_is_gone_in_time() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("ttl", &[("x-pocket-object-ttl", "1h")]).await;
    let put = cluster.put("ttl", "long", "x").await.ok();
    let shown = put.header("x-amz-expiration").unwrap();
    assert!(shown.starts_with("expiry-date=\"") && shown.ends_with("rule-id=\"pocket-ttl\""), "{shown}");
    assert_eq!(cluster.head("ttl", "long").await.ok().header("x-amz-expiration"), Some(shown));
    cluster.put("ttl", "short", pattern(2 << 20)).header("x-pocket-ttl", "300ms").await.ok();
    let is_gone = async || cluster.get("ttl", "short").await.code() == "NoSuchKey";
    eventually("the object expired", is_gone).await;
    assert_eq!(cluster.keys("ttl").await, ["long"]);
    eventually("its space came back", async || cluster.used_bytes() == 0).await;
    let bad = cluster.put("ttl", "bad", "x").header("x-pocket-ttl", "soon").await;
    assert_eq!(bad.code(), "InvalidArgument");
}

#[tokio::test]
async fn of_many_readers_exactly_as_many_as_allowed_get_the_bytes() {
    let cluster = Cluster::start().await;
    cluster.bucket("reads").await;
    for size in [10, 2 << 20] {
        cluster.put("reads", "a", pattern(size)).header("x-pocket-reads", 3).await.ok();
        let readers = (0..12).map(|_| cluster.get("reads", "a").send());
        let got = futures::future::join_all(readers).await;
        let served: Vec<_> = got.iter().filter(|reply| reply.is_ok()).collect();
        assert_eq!(served.len(), 3);
        assert!(served.iter().all(|reply| reply.body == pattern(size)));
        eventually("the object was deleted", async || cluster.keys("reads").await.is_empty()).await;
    }
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_reader_of_ranges_is_not_in_its_own_way() {
    let cluster = Cluster::start().await;
    cluster.bucket("ranges").await;
    cluster.put("ranges", "a", pattern(100)).header("x-pocket-reads", 1).await.ok();
    for i in 0..100 {
        if i == 50 {
            // From here on the shard has heard of the earlier read before its refusal arrives.
            cluster.directory.delay_refusals();
        }
        let got = cluster.get("ranges", "a").range("bytes=0-9").await.ok();
        assert_eq!(got.body, pattern(100)[..10]);
    }
}

#[tokio::test]
async fn a_transfer_that_breaks_off_gives_its_read_back() {
    let cluster = Cluster::start().await;
    cluster.bucket("back").await;
    cluster.stored("back", "a", pattern(2 << 20)).await;
    let delete = || cluster.get("back", "a").header("x-pocket-delete-after-read", "true");
    let given_back = async || cluster.get("back", "a").await.is_ok();

    let mut body = BodyStream::new(delete().begin().await.into_body());
    body.next().await.unwrap().unwrap();
    assert_eq!(cluster.get("back", "a").await.code(), "NoSuchKey", "nobody else gets it meanwhile");
    drop(body);
    eventually("the read was given back", given_back).await;

    // Handed out to the last byte, but the connection ends before they are in the socket.
    let last = delete();
    let connection = last.connection.clone();
    let body = last.begin().await.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body.len(), 2 << 20);
    connection.ended();
    eventually("the read was given back", given_back).await;

    assert_eq!(delete().await.ok().body, pattern(2 << 20));
    eventually("the object was deleted", async || cluster.keys("back").await.is_empty()).await;
}

#[tokio::test]
async fn a_read_of_what_is_archived_is_refused_and_deletes_nothing() {
    let cluster = Cluster::start().await;
    cluster.bucket("cold").await;
    for (key, size) in [("empty", 0), ("small", 10), ("large", 2 << 20)] {
        let put = cluster.put("cold", key, pattern(size)).header("x-amz-storage-class", "GLACIER");
        put.header("x-pocket-reads", 1).await.ok();
        let last = cluster.get("cold", key);
        let read = cluster.get("cold", key).header("x-pocket-delete-after-read", "true");
        for get in [last, read] {
            assert_eq!(get.await.code(), "InvalidObjectState", "{key}");
        }
        let left = async || cluster.head("cold", key).await.header("x-pocket-reads-left") == Some("1");
        eventually("its read was given back", left).await;
    }
    assert_eq!(cluster.keys("cold").await, ["empty", "large", "small"]);
}

#[tokio::test]
async fn a_get_that_waits_is_woken_by_the_put() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("wait", &[("x-pocket-wait", "20s")]).await;
    let waiting = cluster.get("wait", "later").send();
    let putting = async {
        tokio::task::yield_now().await;
        cluster.stored("wait", "later", "here").await
    };
    let (got, _) = futures::future::join(waiting, putting).await;
    assert_eq!(got.ok().body, "here");
    let get = |wait| cluster.get("wait", "never").header("x-pocket-wait", wait);
    assert_eq!(get("20ms").await.code(), "NoSuchKey");
    assert_eq!(get("1h").await.code(), "InvalidArgument");
}

#[tokio::test]
async fn a_head_waits_as_a_get_does_but_for_markers_of_folders_and_where_the_bucket_says_get() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("wait", &[("x-pocket-wait", "20s")]).await;
    let waiting = cluster.head("wait", "later").send();
    let putting = async {
        tokio::task::yield_now().await;
        cluster.stored("wait", "later", "here").await
    };
    let (looked, _) = futures::future::join(waiting, putting).await;
    assert_eq!(looked.ok().header("content-length"), Some("4"));
    // What does not wait is answered long before the bucket's wait is over.
    let at_once = async |bucket: &'static str, asked: Ask| {
        let answered = tokio::time::timeout(Duration::from_secs(10), asked.send()).await;
        assert_eq!(answered.unwrap_or_else(|_| panic!("it waits in {bucket}")).status, 404);
    };
    at_once("wait", cluster.head("wait", "folder/")).await;
    at_once("wait", cluster.get("wait", "folder/")).await;
    at_once("wait", cluster.head("wait", "never").header("x-pocket-wait", "0")).await;
    let hints = [("x-pocket-wait", "20s"), ("x-pocket-wait-on", "get")];
    cluster.bucket_with("wait-get", &hints).await;
    let shown = cluster.head_bucket("wait-get").await.ok();
    assert_eq!((shown.header("x-pocket-wait"), shown.header("x-pocket-wait-on")), (Some("20s"), Some("get")));
    at_once("wait-get", cluster.head("wait-get", "later")).await;
    let waiting = cluster.get("wait-get", "later").send();
    let putting = async {
        tokio::task::yield_now().await;
        cluster.stored("wait-get", "later", "here").await
    };
    let (got, _) = futures::future::join(waiting, putting).await;
    assert_eq!(got.ok().body, "here");
}

#[tokio::test]
async fn a_copy_inherits_what_is_left_of_its_source() {
    let cluster = Cluster::start().await;
    cluster.bucket("left").await;
    let hints = [("x-pocket-ttl", "1h"), ("x-pocket-reads", "2")];
    cluster.put("left", "a", "x").headers(&hints).await.ok();
    cluster.get("left", "a").await.ok();
    let one_left =
        async || cluster.head("left", "a").await.ok().header("x-pocket-reads-left").unwrap() == "1";
    eventually("the read was counted", one_left).await;
    cluster.copy("left/a", "left/b").await.ok();
    let head = cluster.head("left", "b").await.ok();
    assert_eq!(head.header("x-pocket-reads-left"), Some("1"));
    assert!(head.header("x-amz-expiration").is_some());
    let got = tokio::time::timeout(Duration::from_secs(20), cluster.get("left", "b").send()).await;
    got.unwrap().ok();
}

#[tokio::test]
async fn an_upload_keeps_its_job_in_use_however_slow_it_is() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("slow", &[("x-pocket-idle-ttl", "2s")]).await;
    for size in [1_000, 1 << 20] {
        let (half, rest) = (pattern(size).slice(..size / 2), pattern(size).slice(size / 2..));
        let (send, frames) = futures::channel::mpsc::unbounded::<Bytes>();
        let put = cluster.put("slow", "a", "").stream(size as u64, frames).send();
        let feed = async {
            send.unbounded_send(half).unwrap();
            // Nobody else asks for anything of the job: its idle time grows until somebody says that it is in use.
            for _ in 0..3 {
                let seen = AtomicU64::new(0);
                let used_anew = async || {
                    let idle_ms = cluster.idle_ms();
                    idle_ms < seen.swap(idle_ms, Ordering::Relaxed)
                };
                eventually("the job was used", used_anew).await;
            }
            send.unbounded_send(rest).unwrap();
            drop(send);
        };
        let (put, ()) = futures::future::join(put, feed).await;
        put.ok();
        assert_eq!(cluster.get("slow", "a").await.ok().body, pattern(size));
    }
}
