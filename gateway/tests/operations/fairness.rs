//! What one plane, or one request, does not do to the requests of others. Counted, not timed.

use crate::cluster::{Cluster, WIDE, deletion, eventually};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Over both shards, many of each.
const KEYS: usize = 64;
/// Of each key.
const READS: usize = 3;
/// Of a size that lies with storage servers, so that a GET holds a lease.
const SIZE: usize = 300_000;

#[tokio::test]
async fn a_shard_that_never_answers_delays_no_request_and_no_end_of_a_read_at_another() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("wide", &[WIDE, ("x-pocket-reads", &READS.to_string())]).await;
    let keys: Vec<String> = (0..KEYS).map(|number| format!("k{number}")).collect();
    for key in &keys {
        cluster.stored("wide", key, vec![7; SIZE]).await;
    }
    // Reads that hold a lease of the shard that is about to hang, and end when it does.
    let (open, rest) = keys.split_at(KEYS / 4);
    let mut reads = Vec::new();
    for key in open {
        reads.push(cluster.get("wide", key).begin().await);
    }
    let hung = cluster.directory.hang_a_shard();
    drop(reads);

    let answered = Arc::new(Mutex::new(Vec::new()));
    let mut waiting = Vec::new();
    for key in rest.iter().cloned() {
        let (answered, get) = (answered.clone(), cluster.get("wide", &key));
        waiting.push(tokio::spawn(async move {
            assert_eq!(get.await.ok().body.len(), SIZE);
            answered.lock().push(key);
        }));
    }
    let asked = || hung.requests.load(Ordering::SeqCst);
    let all_but_hung = || answered.lock().len() + asked() == rest.len();
    eventually("all keys of the other shard were read", async || all_but_hung()).await;
    let (at_other, at_hung) = (answered.lock().clone(), asked());
    assert!(!at_other.is_empty() && at_hung > 0, "{} and {at_hung}", at_other.len());

    // While those wait, each key of the other shard is read until its reads are used up: so the end of each was heard.
    for key in &at_other {
        for _ in 1..READS {
            cluster.get("wide", key).await.ok();
        }
        assert_eq!(cluster.get("wide", key).await.code(), "NoSuchKey", "{key}");
    }
    assert_eq!(asked(), at_hung, "nobody else has asked it");
    assert!(hung.calls.load(Ordering::SeqCst) > 0, "it was told of reads that ended");
    waiting.iter().for_each(|task| task.abort());
}

#[tokio::test]
async fn a_bulk_delete_holds_a_shard_for_a_part_of_its_keys_at_a_time() {
    let cluster = Cluster::start().await;
    cluster.bucket("bulk").await;
    let keys: Vec<String> = (0..1_000).map(|number| format!("k{number}")).collect();
    for key in keys.iter().step_by(100) {
        cluster.stored("bulk", key, "x").await;
    }
    let most = cluster.directory.count_deletions();
    let listed: Vec<_> = keys.iter().map(|key| (&**key, None)).collect();
    let answer = cluster.delete_many("bulk", deletion(&listed, false)).await.ok();
    assert_eq!(answer.texts("Deleted/Key"), keys);
    assert!(cluster.keys("bulk").await.is_empty());
    assert!((1..=256).contains(&most.load(Ordering::SeqCst)));
}
