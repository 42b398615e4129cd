//! A job's life at a shard.

use super::client::{Client, key};
use super::world::eventually;
use crate::conditions::WriteCondition;
use crate::hints::{JobHints, ObjectHints};
use crate::ids::{Epoch, JobId, Term};
use crate::limits::{CHANGE_WITHIN, FREEZE_LEASE};
use crate::metadata::{
    Commit, CreateUpload, Delivery, Fate, JobRef, MetadataError, Order, Reply, Request, ShardReply,
    ShardRequest,
};
use crate::object::NewContent;
use std::time::Duration;

pub(super) async fn strangers_and_old_epochs_are_refused(client: Client) {
    let ping = async |job, epoch| {
        let job = JobRef::new(job, epoch);
        let answer = client.shard.job(job, Request::Ping, bytes::Bytes::new()).await;
        answer.map(|answer| answer.reply)
    };
    let job = client.job.job;
    assert_eq!(ping(JobId(999), Epoch(1)).await, Err(MetadataError::NoSuchJob));
    assert_eq!(ping(job, Epoch(1)).await, Ok(Reply::Done));
    let next = JobRef::new(job, Epoch(3));
    assert_eq!(client.update(next, JobHints::default()).await, ShardReply::Done);
    assert_eq!(ping(job, Epoch(2)).await, Err(MetadataError::StaleEpoch(Epoch(3))));
    assert_eq!(ping(job, Epoch(3)).await, Ok(Reply::Done));
    client.update(client.job, JobHints::default()).await;
    assert_eq!(ping(job, Epoch(2)).await, Err(MetadataError::StaleEpoch(Epoch(3))), "epochs only grow");
    let unknown = JobRef::new(JobId(999), Epoch(1));
    let unknown = ShardRequest::Update(client.order(), client.spec(unknown, JobHints::default()));
    assert_eq!(client.shard.shard(unknown).await, Err(MetadataError::NoSuchJob));
}

pub(super) async fn a_frozen_job_takes_no_writes(client: Client) {
    let job = client.job.job;
    client.put("a", b"x").await;
    let freeze = |order| ShardRequest::Freeze { order, job, idle_for: None };
    let order = client.order();
    assert_eq!(client.tell(freeze(order)).await, ShardReply::Frozen { objects: Some(1) });
    assert_eq!(
        client.tell(freeze(order)).await,
        ShardReply::Frozen { objects: Some(1) },
        "it can be repeated"
    );
    let put = async || client.commit(client.new_commit("b", 1, NewContent::Inline), b"x").await;
    assert_eq!(put().await, Err(MetadataError::Busy));
    let delete = client.ask(Request::DeleteMany { keys: vec![key("a")] }).await;
    assert_eq!(delete, Err(MetadataError::Busy));
    assert!(client.get("a").await.is_ok(), "reads go on");
    assert_eq!(client.tell(ShardRequest::Thaw { order, job }).await, ShardReply::Done);
    assert!(put().await.is_ok());
    assert_eq!(client.shard.shard(freeze(order)).await, Err(MetadataError::Busy), "it was undone");
    client.tell(freeze(client.order())).await;
    client.world.advance(FREEZE_LEASE);
    assert!(put().await.is_ok(), "a freeze lapses");
}

pub(super) async fn a_fence_holds_until_it_is_undone_and_only_behind_its_own_freeze(client: Client) {
    let job = client.job.job;
    client.put("a", b"x").await;
    let put = async || client.commit(client.new_commit("b", 1, NewContent::Inline), b"x").await;
    let freeze = |order| ShardRequest::Freeze { order, job, idle_for: None };
    let fence = |order| client.shard.shard(ShardRequest::Fence { order, job });
    let (older, order) = (client.order(), client.order());
    assert_eq!(fence(order).await, Err(MetadataError::Busy), "no freeze");
    client.tell(freeze(order)).await;
    assert_eq!(fence(older).await, Err(MetadataError::Busy), "not its freeze");
    client.world.advance(FREEZE_LEASE);
    assert_eq!(fence(order).await, Err(MetadataError::Busy), "it has lapsed");

    let order = client.order();
    client.tell(freeze(order)).await;
    assert_eq!(fence(order).await, Ok(ShardReply::Done));
    client.world.advance(2 * FREEZE_LEASE);
    assert_eq!(fence(order).await, Ok(ShardReply::Done), "it can be repeated, and does not lapse");
    assert_eq!(client.get_error("a").await, Some(MetadataError::Busy), "nothing is read");
    assert_eq!(put().await, Err(MetadataError::Busy), "and nothing written");
    assert_eq!(client.shard.shard(freeze(client.order())).await, Err(MetadataError::Busy), "it is another's");
    client.tell(ShardRequest::Thaw { order: older, job }).await;
    assert_eq!(put().await, Err(MetadataError::Busy), "an older one undoes nothing");
    client.tell(ShardRequest::Thaw { order, job }).await;
    assert!(client.get("a").await.is_ok() && put().await.is_ok(), "the job is whole");
    assert_eq!(fence(order).await, Err(MetadataError::Busy), "what was undone does not come back");

    let order = client.order();
    client.tell(freeze(order)).await;
    client.tell(ShardRequest::Fence { order, job }).await;
    assert_eq!(client.tell(ShardRequest::End { order, job }).await, ShardReply::Done);
    assert_eq!(put().await, Err(MetadataError::NoSuchJob));
}

pub(super) async fn orders_of_an_older_controller_are_refused(client: Client) {
    let job = client.job.job;
    let of = |term| Order { term: Term(term), ..client.order() };
    let spec = || client.spec(client.job, JobHints::default());
    assert_eq!(client.tell(ShardRequest::Update(of(3), spec())).await, ShardReply::Done);
    let (order, idle_for) = (of(2), None);
    for late in [
        ShardRequest::Open(order, client.spec(JobRef { job: JobId(7), ..client.job }, JobHints::default())),
        ShardRequest::Update(order, spec()),
        ShardRequest::Freeze { order, job, idle_for },
        ShardRequest::Fence { order, job },
        ShardRequest::Thaw { order, job },
        ShardRequest::End { order, job },
    ] {
        let answer = client.shard.shard(late.clone()).await;
        assert_eq!(answer, Err(MetadataError::StaleTerm(Term(3))), "{late:?}");
    }
    client.put("a", b"nothing has happened").await;
}

pub(super) async fn a_job_in_use_is_not_idle(client: Client) {
    let job = client.job.job;
    let idle = async |seconds| {
        let idle_for = Some(Duration::from_secs(seconds));
        let frozen = client.shard.shard(ShardRequest::Freeze { order: client.order(), job, idle_for }).await;
        client.tell(ShardRequest::Thaw { order: client.order(), job }).await;
        frozen
    };
    client.put_chunks("a", &[10]).await;
    client.world.advance(Duration::from_secs(9));
    assert_eq!(idle(10).await, Err(MetadataError::Busy));
    assert_eq!(idle(9).await, Ok(ShardReply::Frozen { objects: Some(1) }));
    let (found, _) = client.get("a").await.unwrap();
    client.world.advance(Duration::from_secs(10));
    assert_eq!(idle(5).await, Err(MetadataError::Busy), "a transfer is open");
    client.release(found.lease, Delivery::Sent).await;
    assert_eq!(idle(5).await, Err(MetadataError::Busy), "it has only just ended");
    client.world.advance(Duration::from_secs(5));
    assert_eq!(idle(5).await, Ok(ShardReply::Frozen { objects: Some(1) }));
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
    let end = ShardRequest::End { order: client.order(), job: client.job.job };
    assert_eq!(client.tell(end.clone()).await, ShardReply::Done);
    assert_eq!(client.world.budget().used_bytes(), before, "its memory is back at once");
    assert_eq!(client.get_error("k0").await, Some(MetadataError::NoSuchJob));
    assert!(!client.renew(lease).await);
    client.tell(ShardRequest::Release(vec![(client.job.job, lease, Delivery::Sent)])).await;
    assert_eq!(client.tell(end).await, ShardReply::Done, "ending again is harmless");
    let late = client.spec(JobRef { epoch: Epoch(9), ..client.job }, JobHints::default());
    let late = client.shard.shard(ShardRequest::Open(client.order(), late)).await;
    assert_eq!(late, Err(MetadataError::NoSuchJob), "it is never served again");
    assert_eq!(&neighbour.get("k").await.unwrap().1[..], b"theirs");
    let never_opened = ShardRequest::End { order: client.order(), job: JobId(500) };
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

/// Whoever stood still for so long finds out nothing, and changes nothing.
pub(super) async fn a_change_that_comes_too_late_is_refused_and_looking_is_not(client: Client) {
    client.put("there", b"x").await;
    let until = client.world.now() + CHANGE_WITHIN;
    let late = Client { job: client.job.until(until), ..client.clone() };
    client.world.advance(CHANGE_WITHIN);
    late.put("in-time", b"x").await;
    let (write, extents) = (late.new_commit("k", 10, NewContent::Inline).write, client.chunks(&[10]));
    let ask = ShardRequest::AskWrites(vec![(client.job.job, write)]);
    assert_eq!(client.tell(ask).await, ShardReply::Known(vec![Fate::Never]));
    client.world.advance(2 * CHANGE_WITHIN + Duration::from_secs(60));
    // Nobody remembers that it was given up.
    let commit = Commit { write, ..late.new_commit("k", 10, NewContent::Chunks { extents }) };
    assert_eq!(late.commit(commit, b"").await, Err(MetadataError::TooLate));
    let delete = Request::Delete { key: key("there"), condition: WriteCondition::None };
    assert_eq!(late.ask(delete).await.unwrap_err(), MetadataError::TooLate);
    let create =
        CreateUpload { key: key("there"), headers: None, hints: ObjectHints::default(), checksum: None };
    assert_eq!(late.ask(Request::CreateUpload(create)).await.unwrap_err(), MetadataError::TooLate);
    assert!(late.get("there").await.is_ok());
}

pub(super) async fn an_unknown_write_is_burned(client: Client) {
    let job = client.job.job;
    let (committed, _) = client.put_chunks("a", &[10]).await;
    let extents = client.chunks(&[10]);
    let late = client.new_commit("b", 10, NewContent::Chunks { extents });
    let ask = ShardRequest::AskWrites(vec![(job, committed), (job, late.write), (JobId(999), committed)]);
    assert_eq!(client.tell(ask.clone()).await, ShardReply::Known(vec![Fate::Held, Fate::Never, Fate::Never]));
    assert_eq!(client.commit(late, b"").await, Err(MetadataError::WriteBurned));
    assert_eq!(client.get_error("b").await, Some(MetadataError::NoSuchKey));
    client.delete("a").await;
    assert_eq!(
        client.tell(ask).await,
        ShardReply::Known(vec![Fate::Never, Fate::Never, Fate::Never]),
        "freed, so unknown"
    );
}
