//! Reading: selections, conditions, pages, leases, expiry, waits, losses.

use super::client::{Client, key, lookup};
use super::world::{SERVERS, eventually};
use crate::conditions::{ETagMatch, ReadConditions, WriteCondition};
use crate::hints::{JobHints, Limit, ObjectHints};
use crate::ids::Epoch;
use crate::limits::{READ_LEASE, SEGMENTS_PER_PAGE};
use crate::metadata::{
    AddReference, ByteRange, Delivery, JobRef, Lookup, MetadataError, Reply, Request, SegmentsOf, Select,
    ShardReply, ShardRequest, Want,
};
use crate::object::{NewContent, Segment};
use std::time::Duration;

pub(super) async fn ranges_and_parts_are_selected(client: Client) {
    client.put("small", b"0123456789").await;
    let (_, extents) = client.put_chunks("large", &[10, 10]).await;
    let read = async |name: &str, select| {
        let found = client.look(Lookup { select, ..lookup(name, Want::Data) }).await;
        found.map(|(found, payload)| (found.offset, found.len, found.page.segments.into_vec(), payload))
    };
    let (offset, len, _, payload) = read("small", Select::Range(ByteRange::FromTo(2, 4))).await.unwrap();
    assert_eq!((offset, len, &payload[..]), (2, 3, &b"234"[..]));
    let (offset, len, segments, _) = read("large", Select::Range(ByteRange::Last(15))).await.unwrap();
    let chunk = |i: usize, offset, len| Segment::Chunk { chunk: extents[i].chunk, offset, len };
    assert_eq!((offset, len, segments), (5, 15, vec![chunk(0, 5, 5), chunk(1, 0, 10)]));
    let beyond = read("small", Select::Range(ByteRange::From(10))).await.err();
    assert_eq!(beyond, Some(MetadataError::RangeNotSatisfiable { size: 10 }));
    assert_eq!(read("small", Select::Part(1)).await.unwrap().1, 10, "an object is its own part 1");
    for part in [0, 2] {
        let missing = read("small", Select::Part(part)).await.err();
        assert_eq!(missing, Some(MetadataError::NoSuchPart { parts: 1 }));
    }
}

pub(super) async fn read_conditions_are_judged(client: Client) {
    let etag = client.put("k", b"x").await.etag;
    let tags = Some(ETagMatch::Tags(vec![etag]));
    let look = async |want, conditions| client.look(Lookup { conditions, ..lookup("k", want) }).await;
    for want in [Want::Meta, Want::Data] {
        let same = ReadConditions { if_match: tags.clone(), ..ReadConditions::default() };
        assert!(look(want, same).await.is_ok());
        let none = ReadConditions { if_match: Some(ETagMatch::Tags(vec![])), ..ReadConditions::default() };
        assert_eq!(look(want, none).await.err(), Some(MetadataError::PreconditionFailed));
        let known = ReadConditions { if_none_match: tags.clone(), ..ReadConditions::default() };
        match look(want, known).await {
            Err(MetadataError::NotModified(meta)) => assert_eq!(meta.etag, etag),
            other => panic!("a known tag was answered with {other:?}"),
        }
    }
}

pub(super) async fn long_objects_come_in_pages(client: Client) {
    let count = 2 * SEGMENTS_PER_PAGE + 5;
    let (_, extents) = client.put_chunks("long", &vec![3; count]).await;
    let (found, _) = client.get("long").await.unwrap();
    let lease = found.lease.expect("a long read has a lease");
    let (mut segments, mut next) = (found.page.segments, found.page.next);
    while let Some(skip) = next {
        assert_eq!(skip, segments.iter().map(Segment::len).sum::<u64>());
        let of = SegmentsOf::Lease { lease, skip };
        let Ok(Reply::Segments(page)) = client.ask(Request::Segments(of)).await else {
            panic!("no further page");
        };
        assert!(page.segments.len() <= SEGMENTS_PER_PAGE);
        segments.extend(page.segments);
        next = page.next;
    }
    let chunk = |segment: &Segment| match segment {
        Segment::Chunk { chunk, offset: 0, len: 3 } => *chunk,
        other => panic!("not a whole chunk: {other:?}"),
    };
    let read: Vec<_> = segments.iter().map(chunk).collect();
    assert_eq!(read, extents.iter().map(|extent| extent.chunk).collect::<Vec<_>>());
}

pub(super) async fn a_lease_keeps_the_bytes(client: Client) {
    let (_, extents) = client.put_chunks("k", &[10]).await;
    let first = client.get("k").await.unwrap().0.lease.expect("a lease");
    let second = client.get("k").await.unwrap().0.lease;
    client.put("k", b"new").await;
    let (_, marker) = client.put_chunks("marker", &[1]).await;
    client.delete("marker").await;
    client.freed_soon(&marker).await;
    assert!(!client.was_any_freed(&extents), "leased bytes stay when the object is replaced");
    client.release(second, Delivery::Sent).await;
    for _ in 0..3 {
        client.world.advance(READ_LEASE - Duration::from_millis(1));
        assert!(client.renew(first).await, "a lease is renewed before it ends");
    }
    assert!(!client.was_any_freed(&extents));
    let of = SegmentsOf::Lease { lease: first, skip: 0 };
    assert!(client.ask(Request::Segments(of)).await.is_ok());
    client.release(Some(first), Delivery::Failed).await;
    client.freed_soon(&extents).await;
}

pub(super) async fn a_lease_ends_without_renewal(client: Client) {
    let (_, extents) = client.put_chunks("k", &[10]).await;
    let lease = client.get("k").await.unwrap().0.lease.expect("a lease");
    client.delete("k").await;
    client.world.advance(READ_LEASE);
    assert!(!client.renew(lease).await);
    let of = SegmentsOf::Lease { lease, skip: 0 };
    assert_eq!(client.ask(Request::Segments(of)).await, Err(MetadataError::LeaseEnded));
    client.freed_soon(&extents).await;
    client.release(Some(lease), Delivery::Sent).await;
}

pub(super) async fn a_lease_outlives_the_end_of_its_object(client: Client) {
    let ttl = Duration::from_secs(2);
    let extents = client.chunks(&[10]);
    let mut commit = client.new_commit("k", 10, NewContent::Chunks { extents: extents.clone() });
    commit.meta.hints = ObjectHints { ttl: Some(Limit::Of(ttl)), reads: None };
    client.commit(commit, b"").await.unwrap();
    let lease = client.get("k").await.unwrap().0.lease.expect("a lease");
    client.world.advance(ttl);
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    for _ in 0..3 {
        assert!(client.renew(lease).await, "whoever began to read goes on");
        client.world.advance(READ_LEASE - Duration::from_millis(1));
    }
    let of = SegmentsOf::Lease { lease, skip: 0 };
    assert!(client.ask(Request::Segments(of)).await.is_ok());
    assert!(!client.was_any_freed(&extents));
    // Of a reader that stands still it is not renewed any more, and the bytes go.
    client.world.advance(Duration::from_millis(1));
    assert!(!client.renew(lease).await);
    client.freed_soon(&extents).await;
}

pub(super) async fn objects_expire_to_the_millisecond(client: Client) {
    let ttl = Duration::from_secs(2);
    let hints = ObjectHints { ttl: Some(Limit::Of(ttl)), reads: None };
    client.put_with("small", b"x", hints.clone()).await;
    let extents = client.chunks(&[10]);
    let mut commit = client.new_commit("dir/large", 10, NewContent::Chunks { extents: extents.clone() });
    commit.meta.hints = hints.clone();
    client.commit(commit, b"").await.unwrap();
    client.put("stays", b"x").await;
    client.world.advance(ttl - Duration::from_millis(1));
    assert!(client.get("small").await.is_ok());
    client.world.advance(Duration::from_millis(1));
    assert_eq!(client.get_error("small").await, Some(MetadataError::NoSuchKey), "never served late");
    assert_eq!(client.names("", Some("/")).await, ["stays"], "never listed late");
    let mut create = client.new_commit("small", 1, NewContent::Inline);
    create.condition = WriteCondition::Absent;
    client.commit(create, b"y").await.expect("what has expired is absent");
    client.freed_soon(&extents).await;
    assert_eq!(&client.get("small").await.unwrap().1[..], b"y", "the old TTL does not reach the new object");
}

/// A lookup that waits, on its way. What it answers is `expected`.
fn waiting(client: &Client, name: &str, wait: Duration) -> tokio::task::JoinHandle<Option<MetadataError>> {
    let (client, lookup) = (client.clone(), Lookup { wait, ..lookup(name, Want::Data) });
    tokio::spawn(async move { client.look(lookup).await.err() })
}

async fn is_waiting(client: &Client) {
    // Whoever waits keeps the job from being idle.
    eventually("a wait is open", async || {
        let freeze = ShardRequest::Freeze {
            order: client.order(),
            job: client.job.job,
            idle_for: Some(Duration::ZERO),
        };
        let busy = client.shard.shard(freeze).await == Err(MetadataError::Busy);
        client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
        busy
    })
    .await;
}

pub(super) async fn a_wait_ends_with_the_key_or_the_time(client: Client) {
    client.put("there", b"x").await;
    assert_eq!(waiting(&client, "there", Duration::from_secs(9)).await.unwrap(), None);
    let waiter = waiting(&client, "late", Duration::from_secs(60));
    is_waiting(&client).await;
    client.put("other", b"x").await;
    assert!(!waiter.is_finished(), "another key wakes nobody");
    client.put("late", b"x").await;
    assert_eq!(waiter.await.unwrap(), None, "the key wakes the wait");
    let waiter = waiting(&client, "never", Duration::from_secs(60));
    is_waiting(&client).await;
    client.world.advance(Duration::from_secs(60));
    assert_eq!(waiter.await.unwrap(), Some(MetadataError::NoSuchKey));
    // Commits that race with the subscription are seen too.
    for i in 0..50 {
        let name = format!("race-{i}");
        let waiter = waiting(&client, &name, Duration::from_secs(60));
        client.put(&name, b"x").await;
        assert_eq!(waiter.await.unwrap(), None, "no wake-up is lost");
    }
}

pub(super) async fn a_wait_ends_with_the_epoch_and_the_job(client: Client) {
    let waiter = waiting(&client, "k", Duration::from_secs(60));
    is_waiting(&client).await;
    let next = JobRef { epoch: Epoch(2), ..client.job };
    client.update(next, JobHints::default()).await;
    assert_eq!(waiter.await.unwrap(), Some(MetadataError::StaleEpoch(Epoch(2))));
    let client = Client { job: next, ..client };
    let waiter = waiting(&client, "k", Duration::from_secs(60));
    is_waiting(&client).await;
    let end = ShardRequest::End { order: client.order(), job: client.job.job };
    assert_eq!(client.tell(end).await, ShardReply::Done);
    assert_eq!(waiter.await.unwrap(), Some(MetadataError::NoSuchJob));
}

pub(super) async fn bytes_of_a_dead_server_are_lost(client: Client) {
    client.put_chunks("dir/both", &[10, 10]).await;
    client.put_chunks("first", &[10]).await;
    client.put("inline", b"x").await;
    client.world.kill(SERVERS[1]);
    eventually("a loss is seen", async || client.get_error("dir/both").await == Some(MetadataError::Lost))
        .await;
    assert_eq!(client.head("dir/both").await.err(), Some(MetadataError::Lost));
    assert!(client.get("first").await.is_ok() && client.get("inline").await.is_ok());
    assert_eq!(client.names("", Some("/")).await, ["first", "inline"], "what is lost is not listed");
    let add = AddReference {
        key: key("dir/both"),
        conditions: ReadConditions::default(),
        select: Select::Whole,
        reference: client.write_id(),
        holder: client.world.node(),
    };
    assert_eq!(client.ask(Request::AddReference(add)).await, Err(MetadataError::Lost));
    let freeze = ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None };
    assert_eq!(client.tell(freeze).await, ShardReply::Frozen { objects: Some(2) });
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    let mut create = client.new_commit("dir/both", 1, NewContent::Inline);
    create.condition = WriteCondition::Absent;
    client.commit(create, b"x").await.expect("what is lost is absent");
    assert!(client.get("dir/both").await.is_ok());
    let late = client.new_commit("late", 20, NewContent::Chunks { extents: client.chunks(&[10, 10]) });
    assert_eq!(client.commit(late, b"").await, Err(MetadataError::WriteBurned), "lost before it was there");
}
