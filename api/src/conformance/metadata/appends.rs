//! Appends: added behind what is there, in one step, to the object that was seen and to no other.

use super::client::{Client, key};
use super::world::eventually;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::hints::{Limit, ObjectHints};
use crate::limits::{APPEND_PIECES_MAX, INLINE_MAX_BYTES};
use crate::metadata::{Append, Committed, Delivery, MetadataError, Reply, Request, SegmentsOf, ShardRequest};
use crate::object::{ETag, Extent, NewContent, ObjectHeaders, Segment};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// An append to what was seen, to be changed by the case.
fn to(client: &Client, name: &str, seen: &Committed, size: u64, content: NewContent) -> Append {
    let write = client.write_id();
    let (to, offset, etag) = (seen.etag, seen.size, ETag::opaque(write));
    Append { key: key(name), write, to, offset, size, content, etag, checksum: None }
}

async fn send(client: &Client, append: Append, payload: &[u8]) -> Result<Committed, MetadataError> {
    match client.request(Request::Append(append), Bytes::copy_from_slice(payload)).await?.reply {
        Reply::Committed(committed) => Ok(committed),
        other => panic!("an append was answered with {other:?}"),
    }
}

async fn add(client: &Client, name: &str, seen: &Committed, bytes: &[u8]) -> Committed {
    let append = to(client, name, seen, bytes.len() as u64, NewContent::Inline);
    send(client, append, bytes).await.expect("inline bytes are appended")
}

async fn all_memory_comes_back(client: &Client) {
    eventually("all memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn an_append_adds_behind_what_is_there(client: Client) {
    let extents = client.chunks(&[10, 10]);
    let commit = client.new_commit("k", 20, NewContent::Chunks { extents: extents.clone() });
    let seen = client.commit(commit, b"").await.unwrap();
    let seen = add(&client, "k", &seen, b"abc").await;
    client.world.advance(Duration::from_secs(1));
    let more = client.chunks(&[7]);
    let chunks = NewContent::Chunks { extents: more.clone() };
    let done = send(&client, to(&client, "k", &seen, 7, chunks), b"").await.unwrap();
    assert_eq!((done.size, done.last_modified), (30, client.world.now()));
    let (found, payload) = client.get("k").await.unwrap();
    assert_eq!((found.meta.size, found.meta.etag, &payload[..]), (30, done.etag, &b"abc"[..]));
    let chunk = |extent: &Extent| Segment::Chunk { chunk: extent.chunk, offset: 0, len: extent.len };
    let expected = [chunk(&extents[0]), chunk(&extents[1]), Segment::Inline { len: 3 }, chunk(&more[0])];
    assert_eq!(found.page.segments[..], expected);
    client.release(found.lease, Delivery::Sent).await;
    assert!(!client.was_any_freed(&extents), "nothing that was there is freed");
    client.delete("k").await;
    client.freed_soon(&extents).await;
    client.freed_soon(&more).await;
    all_memory_comes_back(&client).await;
}

pub(super) async fn only_what_was_seen_is_appended_to(client: Client) {
    let first = client.put("k", b"one").await;
    let other = client.put("k", b"two").await;
    let refused = send(&client, to(&client, "k", &first, 1, NewContent::Inline), b"!").await;
    assert_eq!(refused, Err(MetadataError::Changed { size: 3 }));
    let offset = Append { offset: 2, ..to(&client, "k", &other, 1, NewContent::Inline) };
    assert_eq!(send(&client, offset, b"!").await, Err(MetadataError::Changed { size: 3 }));
    let missing = to(&client, "none", &other, 1, NewContent::Inline);
    assert_eq!(send(&client, missing, b"!").await, Err(MetadataError::Changed { size: 0 }));
    let nothing = to(&client, "k", &other, 0, NewContent::Inline);
    assert!(matches!(send(&client, nothing, b"").await, Err(MetadataError::BadRequest(_))));
    client.tell(ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None }).await;
    let frozen = send(&client, to(&client, "k", &other, 1, NewContent::Inline), b"!").await;
    assert_eq!(frozen, Err(MetadataError::Busy));
    assert_eq!(&client.get("k").await.unwrap().1[..], b"two");
}

pub(super) async fn of_racing_appends_one_wins(client: Client) {
    let seen = client.put("k", b"").await;
    let racers: Vec<_> = (0..16_u8)
        .map(|n| {
            let (client, append) = (client.clone(), to(&client, "k", &seen, 1, NewContent::Inline));
            tokio::spawn(async move { send(&client, append, &[n]).await })
        })
        .collect();
    let mut won = 0;
    for racer in racers {
        match racer.await.expect("a racer does not panic") {
            Ok(done) => won += done.size,
            Err(error) => assert_eq!(error, MetadataError::Changed { size: 1 }),
        }
    }
    assert_eq!((won, client.get("k").await.unwrap().1.len()), (1, 1));
}

pub(super) async fn small_appends_join_and_cost_what_they_hold(client: Client) {
    const APPENDS: usize = 200;
    let mut seen = client.put("k", b"").await;
    let bytes: Vec<u8> = (0..1_000).map(|i| i as u8).collect();
    let empty = client.world.budget().used_bytes();
    for _ in 0..APPENDS {
        seen = add(&client, "k", &seen, &bytes).await;
    }
    let (found, payload) = client.get("k").await.unwrap();
    let (mut payload, mut segments, mut next) =
        (payload.to_vec(), found.page.segments.len(), found.page.next);
    while let Some(skip) = next {
        let of = SegmentsOf::Lease { lease: found.lease.expect("what has more pages has a lease"), skip };
        let answer = client.request(Request::Segments(of), Bytes::new()).await.unwrap();
        let Reply::Segments(page) = answer.reply else { panic!("no further page") };
        assert!(answer.payload.len() <= INLINE_MAX_BYTES, "a page of {} bytes", answer.payload.len());
        payload.extend_from_slice(&answer.payload);
        (segments, next) = (segments + page.segments.len(), page.next);
    }
    client.release(found.lease, Delivery::Sent).await;
    assert_eq!(payload, bytes.repeat(APPENDS));
    assert!(segments <= 2 * payload.len() / INLINE_MAX_BYTES + 1, "{segments} segments");
    let cost = client.world.budget().used_bytes() - empty - payload.len() as u64;
    assert!(cost < 100 * segments as u64 + 200, "{cost} bytes beside the content");

    // A reader goes on with what it has found.
    let chunks = client.chunks(&[5]);
    let commit = client.new_commit("read", 5, NewContent::Chunks { extents: chunks.clone() });
    let seen = client.commit(commit, b"").await.unwrap();
    let (reading, _) = client.get("read").await.unwrap();
    add(&client, "read", &seen, b"more").await;
    assert_eq!(client.head("read").await.unwrap().meta.size, 9);
    client.delete("read").await;
    client.delete("k").await;
    assert!(client.renew(reading.lease.unwrap()).await && !client.was_any_freed(&chunks));
    client.release(reading.lease, Delivery::Sent).await;
    client.freed_soon(&chunks).await;
    all_memory_comes_back(&client).await;
}

pub(super) async fn an_append_keeps_headers_life_and_reads(client: Client) {
    let headers = ObjectHeaders { content_type: Some("a/b".into()), ..ObjectHeaders::default() };
    let mut commit = client.new_commit("k", 1, NewContent::Inline);
    commit.meta.headers = Some(Arc::new(headers.clone()));
    commit.meta.hints =
        ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(60))), reads: Some(Limit::Of(2)) };
    let seen = client.commit(commit, b"x").await.unwrap();
    client.world.advance(Duration::from_secs(1));
    let value = std::iter::repeat_n(7, ChecksumAlgorithm::Sha256.len_bytes()).collect();
    let (algorithm, kind) = (ChecksumAlgorithm::Sha256, ChecksumKind::FullObject);
    let checksum = Some(Checksum { algorithm, kind, value });
    let append = Append { checksum: checksum.clone(), ..to(&client, "k", &seen, 1, NewContent::Inline) };
    let done = send(&client, append, b"y").await.unwrap();
    assert_eq!((done.expires_at, &done.checksum), (seen.expires_at, &checksum));
    let found = client.head("k").await.unwrap();
    assert_eq!((found.meta.headers.as_deref(), found.meta.reads_left), (Some(&headers), Some(2)));
    // The last read may be under way: then nobody could ever read what is appended.
    let (first, _) = client.get("k").await.unwrap();
    let done = add(&client, "k", &done, b"z").await;
    let (second, payload) = client.get("k").await.unwrap();
    assert_eq!(&payload[..], b"xyz");
    let late = send(&client, to(&client, "k", &done, 1, NewContent::Inline), b"!").await;
    assert_eq!(late, Err(MetadataError::Busy));
    client.release(second.lease, Delivery::Failed).await;
    let done = add(&client, "k", &done, b"!").await;
    client.release(first.lease, Delivery::Sent).await;
    assert_eq!(done.checksum, None);
    assert_eq!(client.head("k").await.unwrap().meta.reads_left, Some(1));
    client.world.advance(Duration::from_secs(59));
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    eventually("memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn an_object_of_many_pieces_is_not_appended_to(client: Client) {
    let mut seen = client.put("k", b"").await;
    for _ in 0..APPEND_PIECES_MAX {
        let content = NewContent::Chunks { extents: client.chunks(&[1]) };
        seen = send(&client, to(&client, "k", &seen, 1, content), b"").await.unwrap();
    }
    let refused = to(&client, "k", &seen, 1, NewContent::Inline);
    assert_eq!(send(&client, refused, b"!").await, Err(MetadataError::TooManyPieces));
    let found = client.head("k").await.unwrap();
    assert_eq!((found.meta.size, found.meta.etag), (APPEND_PIECES_MAX as u64, seen.etag));
}
