//! Objects: committed, replaced, deleted, in one step each.

use super::client::{Client, key, tag};
use super::world::eventually;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::conditions::{ETagMatch, WriteCondition};
use crate::hints::{JobHints, Limit, ObjectHints};
use crate::ids::{ChunkId, JobId, WriteId};
use crate::limits::INLINE_MAX_BYTES;
use crate::metadata::{MetadataError, Reply, Request};
use crate::object::{ETag, Extent, NewContent, NewPiece, ObjectHeaders, Reference, Segment};
use std::sync::Arc;
use std::time::Duration;

pub(super) async fn what_is_committed_is_found_whole(client: Client) {
    let headers = ObjectHeaders {
        content_type: Some("text/plain".into()),
        user: vec![("a".into(), "ü".into())],
        ..ObjectHeaders::default()
    };
    let checksum = Checksum {
        algorithm: ChecksumAlgorithm::Sha256,
        kind: ChecksumKind::FullObject,
        value: [7; 32].as_slice().into(),
    };
    let mut commit = client.new_commit("//x", 5, NewContent::Inline);
    commit.meta.headers = Some(Arc::new(headers.clone()));
    commit.meta.checksum = Some(checksum.clone());
    let write = commit.write;
    let committed = client.commit(commit, b"hello").await.unwrap();
    let (found, payload) = client.get("//x").await.unwrap();
    assert_eq!(&payload[..], b"hello");
    assert_eq!((found.offset, found.len, found.lease, found.counted), (0, 5, None, false));
    assert_eq!(found.page.segments[..], [Segment::Inline { len: 5 }]);
    assert_eq!(found.now, client.world.now());
    let meta = found.meta;
    assert_eq!((meta.etag, meta.size, meta.parts), (tag(write), 5, 0));
    assert_eq!((meta.headers.as_deref(), meta.checksum.clone()), (Some(&headers), Some(checksum)));
    assert_eq!((meta.last_modified, meta.expires_at), (committed.last_modified, None));
    assert_eq!((committed.etag, committed.size, committed.checksum), (meta.etag, 5, meta.checksum));

    let (_, extents) = client.put_chunks("large", &[10, 20, 5]).await;
    let (found, payload) = client.get("large").await.unwrap();
    let expected: Vec<Segment> = extents
        .iter()
        .map(|extent| Segment::Chunk { chunk: extent.chunk, offset: 0, len: extent.len })
        .collect();
    assert_eq!((found.page.segments.into_vec(), found.page.next, payload.len()), (expected, None, 0));
    assert!(found.lease.is_some(), "bytes in chunks are kept by a lease");
    let head = client.head("large").await.unwrap();
    assert!(head.page.segments.is_empty() && head.lease.is_none() && head.len == 35, "a HEAD takes nothing");
    client.put("empty", b"").await;
    let (found, payload) = client.get("empty").await.unwrap();
    assert_eq!((found.len, payload.len(), found.page.segments.len()), (0, 0, 0));
}

pub(super) async fn a_commit_replaces_and_frees(client: Client) {
    let (_, first) = client.put_chunks("k", &[10, 10]).await;
    let (_, second) = client.put_chunks("k", &[20]).await;
    client.freed_soon(&first).await;
    assert_eq!(client.head("k").await.unwrap().len, 20);
    client.put("k", b"small").await;
    client.freed_soon(&second).await;
    assert_eq!(&client.get("k").await.unwrap().1[..], b"small");
    assert_eq!(client.names("", None).await, ["k"]);
}

pub(super) async fn conditions_are_judged_in_one_step(client: Client) {
    let attempt = async |condition: WriteCondition| {
        let mut commit = client.new_commit("k", 1, NewContent::Inline);
        commit.condition = condition;
        client.commit(commit, b"x").await
    };
    let matches = |etag: ETag| WriteCondition::Matches(ETagMatch::Tags(vec![etag]));
    let other = ETag::md5([9; 16]);
    assert_eq!(attempt(matches(other)).await, Err(MetadataError::NoSuchKey));
    assert_eq!(attempt(WriteCondition::Matches(ETagMatch::Any)).await, Err(MetadataError::NoSuchKey));
    let first = attempt(WriteCondition::Absent).await.unwrap();
    assert_eq!(attempt(WriteCondition::Absent).await, Err(MetadataError::PreconditionFailed));
    assert_eq!(attempt(matches(other)).await, Err(MetadataError::PreconditionFailed));
    assert_eq!(client.head("k").await.unwrap().meta.etag, first.etag, "what was refused changed nothing");
    let second = attempt(matches(first.etag)).await.unwrap();
    assert_eq!(attempt(matches(first.etag)).await, Err(MetadataError::PreconditionFailed));
    let delete = async |condition| client.ask(Request::Delete { key: key("k"), condition }).await;
    assert_eq!(delete(matches(first.etag)).await, Err(MetadataError::PreconditionFailed));
    assert_eq!(delete(matches(second.etag)).await, Ok(Reply::Deleted { existed: true }));
    assert_eq!(delete(matches(second.etag)).await, Err(MetadataError::NoSuchKey));
}

pub(super) async fn of_racing_creators_one_wins(client: Client) {
    for round in 0..20 {
        let racers: Vec<_> = (0..8)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move {
                    let mut commit = client.new_commit(&format!("race-{round}"), 1, NewContent::Inline);
                    commit.condition = WriteCondition::Absent;
                    client.commit(commit, b"x").await
                })
            })
            .collect();
        let mut won = Vec::new();
        for racer in racers {
            match racer.await.expect("no racer panics") {
                Ok(committed) => won.push(committed.etag),
                Err(error) => assert_eq!(error, MetadataError::PreconditionFailed),
            }
        }
        let stored = client.head(&format!("race-{round}")).await.unwrap().meta.etag;
        assert_eq!(won, [stored], "exactly one creator wins");
    }
}

pub(super) async fn content_that_does_not_add_up_is_refused(client: Client) {
    let world = &client.world;
    let chunk = ChunkId { server: super::world::SERVERS[0], number: 7 };
    let reference = Reference {
        home: world.node(),
        manifest: client.write_id(),
        reference: client.write_id(),
        offset: 0,
        len: 4,
    };
    let too_large = vec![0; INLINE_MAX_BYTES + 1];
    let pieces = |pieces| NewContent::Pieces { pieces };
    let bad: [(u64, NewContent, &[u8]); 7] = [
        (4, NewContent::Inline, b"12345"),
        (too_large.len() as u64, NewContent::Inline, &too_large),
        (4, NewContent::Chunks { extents: vec![] }, b""),
        (4, NewContent::Chunks { extents: vec![Extent { chunk, len: 5 }] }, b""),
        (4, NewContent::Chunks { extents: vec![Extent { chunk, len: 4 }] }, b"more"),
        (4, pieces(vec![NewPiece::Inline { len: 4 }]), b"123"),
        (3, pieces(vec![NewPiece::Inline { len: 4 }]), b"1234"),
    ];
    for (size, content, payload) in bad {
        let refused = client.commit(client.new_commit("k", size, content.clone()), payload).await;
        assert!(matches!(refused, Err(MetadataError::BadRequest(_))), "{content:?}: {refused:?}");
    }
    let unknown = client.new_commit("k", 4, pieces(vec![NewPiece::Reference(reference)]));
    assert_eq!(client.commit(unknown, b"").await, Err(MetadataError::WriteBurned));
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    assert_eq!(world.budget().used_bytes(), 0, "what was refused takes no memory");
}

pub(super) async fn deletes_are_idempotent_and_free(client: Client) {
    let (_, extents) = client.put_chunks("a", &[10]).await;
    client.put("b", b"x").await;
    assert!(client.delete("a").await);
    assert!(!client.delete("a").await && !client.delete("never").await);
    client.freed_soon(&extents).await;
    assert_eq!(client.get_error("a").await, Some(MetadataError::NoSuchKey));
    let (_, more) = client.put_chunks("c", &[10]).await;
    let keys = vec![key("b"), key("c"), key("missing")];
    assert_eq!(client.ask(Request::DeleteMany { keys }).await, Ok(Reply::Done));
    client.freed_soon(&more).await;
    assert_eq!(client.names("", None).await, Vec::<String>::new());
}

pub(super) async fn defaults_come_from_the_job(client: Client) {
    let hints = JobHints { object_ttl: Some(Duration::from_secs(60)), reads: Some(3), ..JobHints::default() };
    let job = client.open_job(JobId(101), hints).await;
    let now = client.world.now();
    job.put("silent", b"x").await;
    let own = ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(5))), reads: Some(Limit::Of(1)) };
    let committed = job.put_with("own", b"x", own).await;
    let silent = job.head("silent").await.unwrap().meta;
    assert_eq!((silent.expires_at, silent.reads_left), (Some(now + Duration::from_secs(60)), Some(3)));
    let own = job.head("own").await.unwrap().meta;
    assert_eq!((own.expires_at, own.reads_left), (Some(now + Duration::from_secs(5)), Some(1)));
    assert_eq!(committed.expires_at, own.expires_at);
    let unbounded = ObjectHints { ttl: Some(Limit::None), reads: Some(Limit::None) };
    job.put_with("unbounded", b"x", unbounded).await;
    let unbounded = job.head("unbounded").await.unwrap().meta;
    assert_eq!((unbounded.expires_at, unbounded.reads_left), (None, None));
}

pub(super) async fn memory_is_bounded_and_comes_back(client: Client) {
    let budget = client.world.budget();
    let mut stored = 0;
    let bytes = [0; 4_096];
    let full = loop {
        let commit = client.new_commit(&format!("k{stored}"), bytes.len() as u64, NewContent::Inline);
        match client.commit(commit, &bytes).await {
            Ok(_) => stored += 1,
            Err(error) => break error,
        }
    };
    let MetadataError::Full(shortage) = full else { panic!("{full:?}") };
    assert_eq!(shortage.limit_bytes, budget.limit_bytes());
    assert!(shortage.used_bytes > shortage.limit_bytes - 8_192, "{shortage}");
    assert!(budget.used_bytes() <= budget.limit_bytes() && stored * 4_096 < budget.limit_bytes());
    assert_eq!(client.names("", None).await.len() as u64, stored, "what was refused is not there");
    for i in 0..stored {
        client.delete(&format!("k{i}")).await;
    }
    assert_eq!(budget.used_bytes(), 0, "deleting gives every byte back");
    let write = WriteId { number: 1 << 40, ..client.write_id() };
    let mut commit = client.new_commit("again", 3, NewContent::Inline);
    commit.write = write;
    client.commit(commit, b"abc").await.expect("there is room again");
    eventually("a read after the flood", async || client.get("again").await.is_ok()).await;
}
