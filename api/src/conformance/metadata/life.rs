//! A job's life at a shard.

use super::client::{Client, key};
use super::world::eventually;
use crate::hints::JobHints;
use crate::ids::{Epoch, JobId};
use crate::limits::FREEZE_LEASE;
use crate::metadata::{Delivery, JobRef, MetadataError, Reply, Request, ShardReply, ShardRequest};
use crate::object::NewContent;
use std::time::Duration;

pub(super) async fn strangers_and_old_epochs_are_refused(client: Client) {
    let ping = async |job, epoch| {
        let job = JobRef { job, epoch };
        let answer = client.shard.job(job, Request::Ping, bytes::Bytes::new()).await;
        answer.map(|answer| answer.reply)
    };
    let job = client.job.job;
    assert_eq!(ping(JobId(999), Epoch(1)).await, Err(MetadataError::NoSuchJob));
    assert_eq!(ping(job, Epoch(1)).await, Ok(Reply::Done));
    let next = JobRef { job, epoch: Epoch(3) };
    assert_eq!(client.update(next, JobHints::default()).await, ShardReply::Done);
    assert_eq!(ping(job, Epoch(2)).await, Err(MetadataError::StaleEpoch(Epoch(3))));
    assert_eq!(ping(job, Epoch(3)).await, Ok(Reply::Done));
    client.update(client.job, JobHints::default()).await;
    assert_eq!(ping(job, Epoch(2)).await, Err(MetadataError::StaleEpoch(Epoch(3))), "epochs only grow");
    let unknown = JobRef { job: JobId(999), epoch: Epoch(1) };
    let unknown = ShardRequest::Update(client.spec(unknown, JobHints::default()));
    assert_eq!(client.shard.shard(unknown).await, Err(MetadataError::NoSuchJob));
}

pub(super) async fn a_frozen_job_takes_no_writes(client: Client) {
    let job = client.job.job;
    client.put("a", b"x").await;
    let freeze = ShardRequest::Freeze { job, idle_for: None };
    assert_eq!(client.tell(freeze.clone()).await, ShardReply::Frozen { objects: 1 });
    let put = async || client.commit(client.new_commit("b", 1, NewContent::Inline), b"x").await;
    assert_eq!(put().await, Err(MetadataError::Busy));
    let delete = client.ask(Request::DeleteMany { keys: vec![key("a")] }).await;
    assert_eq!(delete, Err(MetadataError::Busy));
    assert!(client.get("a").await.is_ok(), "reads go on");
    assert_eq!(client.tell(ShardRequest::Thaw { job }).await, ShardReply::Done);
    assert!(put().await.is_ok());
    let end = ShardRequest::End { job, only_frozen: true };
    assert_eq!(client.shard.shard(end.clone()).await, Err(MetadataError::Busy));
    client.tell(freeze.clone()).await;
    client.world.advance(FREEZE_LEASE);
    assert!(put().await.is_ok(), "a freeze lapses");
    assert_eq!(client.shard.shard(end.clone()).await, Err(MetadataError::Busy));
    client.tell(freeze).await;
    assert_eq!(client.tell(end).await, ShardReply::Done);
    assert_eq!(put().await, Err(MetadataError::NoSuchJob));
}

pub(super) async fn a_job_in_use_is_not_idle(client: Client) {
    let job = client.job.job;
    let idle = async |seconds| {
        let idle_for = Some(Duration::from_secs(seconds));
        let frozen = client.shard.shard(ShardRequest::Freeze { job, idle_for }).await;
        client.tell(ShardRequest::Thaw { job }).await;
        frozen
    };
    client.put_chunks("a", &[10]).await;
    client.world.advance(Duration::from_secs(9));
    assert_eq!(idle(10).await, Err(MetadataError::Busy));
    assert_eq!(idle(9).await, Ok(ShardReply::Frozen { objects: 1 }));
    let (found, _) = client.get("a").await.unwrap();
    client.world.advance(Duration::from_secs(10));
    assert_eq!(idle(5).await, Err(MetadataError::Busy), "a transfer is open");
    client.release(found.lease, Delivery::Sent).await;
    assert_eq!(idle(5).await, Err(MetadataError::Busy), "it has only just ended");
    client.world.advance(Duration::from_secs(5));
    assert_eq!(idle(5).await, Ok(ShardReply::Frozen { objects: 1 }));
}

pub(super) async fn an_ended_job_is_gone_for_good(client: Client) {
    let neighbour = client.open_job(JobId(101), JobHints::default()).await;
    neighbour.put("k", b"theirs").await;
    let before = client.world.budget().used_bytes();
    for i in 0..100 {
        client.put(&format!("k{i}"), b"x").await;
    }
    client.put_chunks("large", &[10, 10]).await;
    let lease = client.get("large").await.unwrap().0.lease.expect("a lease");
    let end = ShardRequest::End { job: client.job.job, only_frozen: false };
    assert_eq!(client.tell(end.clone()).await, ShardReply::Done);
    assert_eq!(client.world.budget().used_bytes(), before, "its memory is back at once");
    assert_eq!(client.get_error("k0").await, Some(MetadataError::NoSuchJob));
    assert!(!client.renew(lease).await);
    client.tell(ShardRequest::Release(vec![(client.job.job, lease, Delivery::Sent)])).await;
    assert_eq!(client.tell(end).await, ShardReply::Done, "ending again is harmless");
    let late = client.spec(JobRef { epoch: Epoch(9), ..client.job }, JobHints::default());
    let late = client.shard.shard(ShardRequest::Open(late)).await;
    assert_eq!(late, Err(MetadataError::NoSuchJob), "it is never served again");
    assert_eq!(&neighbour.get("k").await.unwrap().1[..], b"theirs");
    let never_opened = ShardRequest::End { job: JobId(500), only_frozen: false };
    assert_eq!(client.tell(never_opened).await, ShardReply::Done);
}

pub(super) async fn an_update_changes_the_defaults_and_the_end_and_an_older_one_nothing(client: Client) {
    let seconds = |n| Some(Duration::from_secs(n));
    let first = client.open_job(JobId(101), JobHints { ttl: seconds(5), ..JobHints::default() }).await;
    let epoch = |n| JobRef { epoch: Epoch(n), ..first.job };
    client
        .update(epoch(4), JobHints { ttl: seconds(60), object_ttl: seconds(10), ..JobHints::default() })
        .await;
    client.update(epoch(3), JobHints { ttl: seconds(1), ..JobHints::default() }).await;
    let job = Client { job: epoch(4), ..client.clone() };
    job.put("short", b"x").await;
    client.world.advance(Duration::from_secs(9));
    assert!(job.get("short").await.is_ok(), "the job lives longer than it was to at first");
    client.world.advance(Duration::from_secs(1));
    assert_eq!(job.get_error("short").await, Some(MetadataError::NoSuchKey));
    client.update(epoch(5), JobHints { ttl: seconds(1), ..JobHints::default() }).await;
    client.world.advance(Duration::from_secs(1));
    let job = Client { job: epoch(5), ..client };
    assert_eq!(job.get_error("short").await, Some(MetadataError::NoSuchJob));
}

pub(super) async fn a_ttl_ends_the_job_on_time(client: Client) {
    let hints = JobHints { ttl: Some(Duration::from_secs(5)), ..JobHints::default() };
    let job = client.open_job(JobId(101), hints).await;
    job.put("k", b"x").await;
    client.world.advance(Duration::from_millis(4_999));
    assert!(job.get("k").await.is_ok());
    client.world.advance(Duration::from_millis(1));
    assert_eq!(job.get_error("k").await, Some(MetadataError::NoSuchJob));
    eventually("its memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn an_unknown_write_is_burned(client: Client) {
    let job = client.job.job;
    let (committed, _) = client.put_chunks("a", &[10]).await;
    let extents = client.chunks(&[10]);
    let late = client.new_commit("b", 10, NewContent::Chunks { extents });
    let ask = ShardRequest::AskWrites(vec![(job, committed), (job, late.write), (JobId(999), committed)]);
    assert_eq!(client.tell(ask.clone()).await, ShardReply::Known(vec![true, false, false]));
    assert_eq!(client.commit(late, b"").await, Err(MetadataError::WriteBurned));
    assert_eq!(client.get_error("b").await, Some(MetadataError::NoSuchKey));
    client.delete("a").await;
    assert_eq!(client.tell(ask).await, ShardReply::Known(vec![false, false, false]), "freed, so unknown");
}
