//! Copies: references instead of bytes, within a shard and between shards.

use super::client::{Client, key};
use super::world::{OTHER, SERVERS, eventually};
use crate::conditions::ReadConditions;
use crate::ids::{NodeId, WriteId};
use crate::metadata::{
    AddReference, ByteRange, Delivery, Fate, MetadataError, Referenced, Reply, Request, SegmentsOf, Select,
    ShardReply, ShardRequest,
};
use crate::object::{Extent, NewContent, NewPiece, Reference, Segment};
use bytes::Bytes;
use std::time::Duration;

/// Longer than a shard waits for a confirmation.
const LONG: Duration = Duration::from_secs(31);

async fn refer(
    client: &Client,
    name: &str,
    select: Select,
    reference: WriteId,
    holder: NodeId,
) -> Result<(Referenced, Bytes), MetadataError> {
    let conditions = ReadConditions::default();
    let add = AddReference { key: key(name), conditions, select, reference, holder };
    let answer = client.request(Request::AddReference(add), Bytes::new()).await?;
    match answer.reply {
        Reply::Referenced(referenced) => Ok((*referenced, answer.payload)),
        other => panic!("a reference was answered with {other:?}"),
    }
}

/// A whole copy within the shard.
async fn copy(client: &Client, from: &str, select: Select, to: &str) {
    let node = client.world.node();
    let (referenced, payload) = refer(client, from, select, client.write_id(), node).await.unwrap();
    let content = NewContent::Pieces { pieces: referenced.pieces };
    client.commit(client.new_commit(to, referenced.len, content), &payload).await.expect("a copy is stored");
}

/// Awaits something that is freed after everything before it.
async fn settle(client: &Client) {
    let (_, marker) = client.put_chunks("marker", &[1, 1]).await;
    client.delete("marker").await;
    client.freed_soon(&marker).await;
}

async fn segments(client: &Client, name: &str) -> Vec<Segment> {
    let (found, _) = client.get(name).await.unwrap();
    client.release(found.lease, Delivery::Sent).await;
    found.page.segments.into_vec()
}

async fn ends(client: &Client, request: fn(Vec<(crate::ids::JobId, WriteId)>) -> ShardRequest, id: WriteId) {
    assert_eq!(client.tell(request(vec![(client.job.job, id)])).await, ShardReply::Done);
}

fn chunk(extent: &Extent, offset: u32, len: u32) -> Segment {
    Segment::Chunk { chunk: extent.chunk, offset, len }
}

pub(super) async fn a_copy_shares_the_bytes(client: Client) {
    let (_, extents) = client.put_chunks("a", &[10, 10]).await;
    copy(&client, "a", Select::Whole, "b").await;
    copy(&client, "b", Select::Range(ByteRange::FromTo(5, 14)), "c").await;
    client.put("inline", b"0123456789").await;
    copy(&client, "inline", Select::Range(ByteRange::From(7)), "d").await;
    assert_eq!(segments(&client, "b").await, [chunk(&extents[0], 0, 10), chunk(&extents[1], 0, 10)]);
    assert_eq!(segments(&client, "c").await, [chunk(&extents[0], 5, 5), chunk(&extents[1], 0, 5)]);
    assert_eq!(&client.get("d").await.unwrap().1[..], b"789");
    client.world.advance(LONG);
    client.delete("a").await;
    copy(&client, "c", Select::Whole, "c").await;
    client.delete("b").await;
    settle(&client).await;
    assert!(!client.was_any_freed(&extents), "a copy keeps the bytes of its source");
    assert_eq!(segments(&client, "c").await, [chunk(&extents[0], 5, 5), chunk(&extents[1], 0, 5)]);
    client.delete("c").await;
    client.freed_soon(&extents).await;
    client.delete("d").await;
    client.delete("inline").await;
    eventually("all memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn a_copy_that_was_given_up_holds_nothing(client: Client) {
    let (_, extents) = client.put_chunks("a", &[10]).await;
    let node = client.world.node();
    let reference = client.write_id();
    let (given_up, _) = refer(&client, "a", Select::Whole, reference, node).await.unwrap();
    client.delete("a").await;
    settle(&client).await;
    assert!(!client.was_any_freed(&extents), "a reference keeps the bytes");
    ends(&client, ShardRequest::ReleaseReferences, reference).await;
    ends(&client, ShardRequest::ReleaseReferences, reference).await;
    client.freed_soon(&extents).await;
    let late = client.new_commit("b", 10, NewContent::Pieces { pieces: given_up.pieces });
    assert_eq!(client.commit(late, b"").await, Err(MetadataError::WriteBurned));

    // The gateway died between the reference and the commit.
    let (_, extents) = client.put_chunks("c", &[10]).await;
    let (orphan, _) = refer(&client, "c", Select::Whole, client.write_id(), node).await.unwrap();
    client.delete("c").await;
    client.world.advance(LONG);
    client.freed_soon(&extents).await;
    let late = client.new_commit("d", 10, NewContent::Pieces { pieces: orphan.pieces });
    assert_eq!(client.commit(late, b"").await, Err(MetadataError::WriteBurned));
}

pub(super) async fn an_unconfirmed_reference_is_asked_about(client: Client) {
    let other = client.world.other();
    let (_, extents) = client.put_chunks("a", &[10]).await;
    let (held, forgotten, confirmed) = (client.write_id(), client.write_id(), client.write_id());
    for reference in [held, forgotten, confirmed] {
        let (referenced, _) = refer(&client, "a", Select::Whole, reference, OTHER).await.unwrap();
        assert!(matches!(referenced.pieces[..], [NewPiece::Reference(r)] if r.reference == reference));
    }
    other.hold(held);
    ends(&client, ShardRequest::ConfirmReferences, confirmed).await;
    client.delete("a").await;
    client.world.advance(LONG);
    eventually("the holder is asked", async || other.was_asked(held) && other.was_asked(forgotten)).await;
    ends(&client, ShardRequest::ReleaseReferences, confirmed).await;
    settle(&client).await;
    assert!(!other.was_asked(confirmed) && !client.was_any_freed(&extents), "one reference is left");
    ends(&client, ShardRequest::ReleaseReferences, held).await;
    client.freed_soon(&extents).await;

    // A holder that died holds nothing, confirmed or not.
    let (_, extents) = client.put_chunks("b", &[10]).await;
    let reference = client.write_id();
    refer(&client, "b", Select::Whole, reference, OTHER).await.unwrap();
    ends(&client, ShardRequest::ConfirmReferences, reference).await;
    client.delete("b").await;
    client.world.kill(OTHER);
    client.freed_soon(&extents).await;
}

pub(super) async fn holders_are_told_what_died_with_a_server(client: Client) {
    let other = client.world.other();
    let (lost, _) = client.put_chunks("both", &[10, 10]).await;
    let (kept, _) = client.put_chunks("first", &[10]).await;
    let [of_lost, of_kept, late] = [client.write_id(), client.write_id(), client.write_id()];
    for (key, reference) in [("both", of_lost), ("first", of_kept), ("both", late)] {
        refer(&client, key, Select::Whole, reference, OTHER).await.unwrap();
    }
    ends(&client, ShardRequest::ConfirmReferences, of_lost).await;
    ends(&client, ShardRequest::ConfirmReferences, of_kept).await;
    client.world.kill(SERVERS[1]);
    eventually("the holder is told", async || other.was_told_lost(of_lost, lost)).await;
    // What leaves the shard later has come: nothing else is under way.
    let (_, mark) = client.put_chunks("mark", &[10]).await;
    client.delete("mark").await;
    client.freed_soon(&mark).await;
    assert!(!other.was_told_lost(of_kept, kept), "its server lives");
    assert!(!other.was_told_lost(late, lost), "its holder may not know it yet");
    ends(&client, ShardRequest::ConfirmReferences, late).await;
    eventually("and once it does it is told", async || other.was_told_lost(late, lost)).await;
}

pub(super) async fn what_its_home_says_is_lost_is_lost(client: Client) {
    let [reference, manifest, other] = [client.write_id(), client.write_id(), client.write_id()];
    let far = |manifest, offset| Reference { home: OTHER, manifest, reference, offset, len: 5 };
    let lose = |manifest| ShardRequest::ReferencesLost(vec![(client.job.job, reference, manifest)]);
    assert_eq!(client.tell(lose(manifest)).await, ShardReply::Done, "of what is not held");
    for (key, manifests) in [("a", vec![manifest]), ("b", vec![other]), ("c", vec![other, manifest])] {
        let pieces = manifests.iter().map(|&id| NewPiece::Reference(far(id, 7))).collect::<Vec<_>>();
        let commit = client.new_commit(key, 5 * pieces.len() as u64, NewContent::Pieces { pieces });
        client.commit(commit, b"").await.unwrap();
    }
    assert_eq!(client.names("", None).await, ["a", "b", "c"]);
    assert_eq!(client.tell(lose(manifest)).await, ShardReply::Done);
    for key in ["a", "c"] {
        assert_eq!(client.get_error(key).await, Some(MetadataError::Lost));
        assert_eq!(client.head(key).await.err(), Some(MetadataError::Lost));
    }
    assert!(client.get("b").await.is_ok(), "another manifest of the same reference");
    assert_eq!(client.names("", None).await, ["b"]);
    let freeze = ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None };
    assert_eq!(client.tell(freeze).await, ShardReply::Frozen { objects: Some(1) });
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    for key in ["a", "b", "c"] {
        client.delete(key).await;
    }
    assert!(client.names("", None).await.is_empty());
}

pub(super) async fn a_copy_from_elsewhere_releases_its_reference_once(client: Client) {
    let other = client.world.other();
    let far = |reference, offset, len| Reference {
        home: OTHER,
        manifest: WriteId { number: 77, ..reference },
        reference,
        offset,
        len,
    };
    let reference = client.write_id();
    let pieces = vec![
        NewPiece::Reference(far(reference, 0, 10)),
        NewPiece::Inline { len: 2 },
        NewPiece::Reference(far(reference, 20, 5)),
    ];
    let commit = client.new_commit("k", 17, NewContent::Pieces { pieces });
    client.commit(commit, b"ab").await.unwrap();
    let expected = [
        Segment::Remote(far(reference, 0, 10)),
        Segment::Inline { len: 2 },
        Segment::Remote(far(reference, 20, 5)),
    ];
    let (found, payload) = client.get("k").await.unwrap();
    assert_eq!((&found.page.segments[..], &payload[..]), (&expected[..], &b"ab"[..]));
    let known = client.tell(ShardRequest::AskReferences(vec![(client.job.job, reference)])).await;
    assert_eq!(known, ShardReply::Known(vec![Fate::Held]));
    let (again, _) = refer(&client, "k", Select::Whole, client.write_id(), OTHER).await.unwrap();
    assert_eq!(again.pieces[0], NewPiece::Reference(far(reference, 0, 10)), "to be forked at its home");
    client.delete("k").await;
    settle(&client).await;
    assert_eq!(other.releases(reference), 0, "a lease keeps the reference");
    client.release(found.lease, Delivery::Sent).await;
    eventually("the home is told", async || other.releases(reference) == 1).await;

    let burned = client.write_id();
    let known = client.tell(ShardRequest::AskReferences(vec![(client.job.job, burned)])).await;
    assert_eq!(known, ShardReply::Known(vec![Fate::Never]));
    let late = NewContent::Pieces { pieces: vec![NewPiece::Reference(far(burned, 0, 5))] };
    let late = client.commit(client.new_commit("late", 5, late), b"").await;
    assert_eq!(late, Err(MetadataError::WriteBurned));
    assert_eq!(other.releases(reference), 1);
}

pub(super) async fn forks_keep_a_manifest(client: Client) {
    let (write, extents) = client.put_chunks("a", &[10, 10]).await;
    let fork = |manifest, reference| Request::ForkReference { manifest, reference, holder: OTHER };
    let reference = client.write_id();
    assert_eq!(client.ask(fork(write, reference)).await, Ok(Reply::Done));
    assert_eq!(client.ask(fork(write, reference)).await, Ok(Reply::Done));
    client.delete("a").await;
    settle(&client).await;
    assert!(!client.was_any_freed(&extents));
    let of = SegmentsOf::Manifest { manifest: write, offset: 5, len: 10 };
    match client.ask(Request::Segments(of)).await {
        Ok(Reply::Segments(page)) => {
            assert_eq!(page.segments[..], [chunk(&extents[0], 5, 5), chunk(&extents[1], 0, 5)]);
        }
        other => panic!("segments of a manifest were answered with {other:?}"),
    }
    ends(&client, ShardRequest::ReleaseReferences, reference).await;
    client.freed_soon(&extents).await;
    let gone = client.ask(Request::Segments(of)).await;
    assert_eq!(gone, Err(MetadataError::LeaseEnded), "there is nothing left to read");
    assert_eq!(client.ask(fork(write, reference)).await, Err(MetadataError::NoSuchKey));
}
