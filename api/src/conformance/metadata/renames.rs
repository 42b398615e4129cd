//! Renames: one step from one key to another, at one shard and from shard to shard.

use super::client::{Client, key};
use super::world::{OTHER, Welcome, eventually};
use crate::conditions::{ETagMatch, ReadConditions, WriteCondition};
use crate::hints::{Limit, ObjectHints};
use crate::ids::NodeId;
use crate::metadata::{Committed, Delivery, MetadataError, Rename, Reply, Request, ShardRequest};
use crate::object::{ETag, Extent, NewContent, NewPiece, ObjectHeaders};
use std::sync::Arc;
use std::time::Duration;

/// A rename, to be changed by the case.
fn to(client: &Client, from: &str, to: &str, at: NodeId) -> Rename {
    Rename {
        rename: client.write_id(),
        from: key(from),
        conditions: ReadConditions::default(),
        to: key(to),
        at,
        condition: WriteCondition::None,
        token: None,
    }
}

async fn send(client: &Client, rename: &Rename) -> Result<Committed, MetadataError> {
    match client.ask(Request::Rename(Box::new(rename.clone()))).await? {
        Reply::Committed(committed) => Ok(committed),
        other => panic!("a rename was answered with {other:?}"),
    }
}

async fn all_memory_comes_back(client: &Client) {
    eventually("all memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

/// An object with everything that can be said of one.
async fn put(client: &Client, name: &str, reads: Option<u32>) -> Vec<Extent> {
    let extents = client.chunks(&[10, 7]);
    let mut commit = client.new_commit(name, 17, NewContent::Chunks { extents: extents.clone() });
    let headers = ObjectHeaders { content_type: Some("a/b".into()), ..ObjectHeaders::default() };
    commit.meta.headers = Some(Arc::new(headers));
    let ttl = Some(Limit::Of(Duration::from_secs(60)));
    commit.meta.hints = ObjectHints { ttl, reads: reads.map(Limit::Of) };
    client.commit(commit, b"").await.expect("an object is put");
    extents
}

pub(super) async fn a_rename_keeps_the_object_and_drops_what_it_replaces(client: Client) {
    let here = client.world.node();
    let extents = put(&client, "k", Some(2)).await;
    let replaced = put(&client, "there", None).await;
    let (reading, _) = client.get("k").await.unwrap();
    let before = client.head("k").await.unwrap().meta;
    client.world.advance(Duration::from_secs(1));
    let done = send(&client, &to(&client, "k", "there", here)).await.unwrap();
    assert_eq!((done.etag, done.last_modified), (before.etag, before.last_modified));
    assert_eq!(client.head("there").await.unwrap().meta, before);
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    client.freed_soon(&replaced).await;
    // Who reads it goes on, and has read the object wherever it is.
    assert!(client.renew(reading.lease.unwrap()).await);
    client.release(reading.lease, Delivery::Sent).await;
    assert_eq!(client.head("there").await.unwrap().meta.reads_left, Some(1));
    send(&client, &to(&client, "there", "a/much/longer/key/than/before", here)).await.unwrap();
    client.world.advance(Duration::from_secs(59));
    assert_eq!(client.get_error("a/much/longer/key/than/before").await, Some(MetadataError::NoSuchKey));
    client.freed_soon(&extents).await;
    all_memory_comes_back(&client).await;
}

pub(super) async fn a_rename_that_is_refused_changes_nothing(client: Client) {
    let here = client.world.node();
    let source = client.put("k", b"new").await;
    let there = client.put("there", b"old").await;
    let tags = |etag: ETag| Some(ETagMatch::Tags(vec![etag]));
    let on = |if_match| ReadConditions { if_match, ..ReadConditions::default() };
    let failed = Err(MetadataError::PreconditionFailed);
    for at in [here, OTHER] {
        let plain = to(&client, "k", "there", at);
        let wrong_source = Rename { conditions: on(tags(there.etag)), ..plain.clone() };
        assert_eq!(send(&client, &wrong_source).await, failed);
        assert_eq!(send(&client, &to(&client, "none", "there", at)).await, Err(MetadataError::NoSuchKey));
        let itself = send(&client, &to(&client, "k", "k", at)).await;
        assert!(matches!(itself, Err(MetadataError::BadRequest(_))));
    }
    let plain = to(&client, "k", "there", here);
    let meets = |conditions| WriteCondition::Meets(Box::new(conditions));
    let since = |if_modified_since| ReadConditions { if_modified_since, ..ReadConditions::default() };
    let late = client.world.now().as_secs() + 9;
    for condition in [WriteCondition::Absent, meets(on(tags(source.etag))), meets(since(Some(late)))] {
        assert_eq!(send(&client, &Rename { condition, ..plain.clone() }).await, failed);
    }
    let nowhere = Rename { condition: meets(on(tags(there.etag))), ..to(&client, "k", "none", here) };
    assert_eq!(send(&client, &nowhere).await, Err(MetadataError::NoSuchKey));
    let nowhere = Rename { condition: meets(since(Some(0))), ..to(&client, "k", "none", here) };
    assert_eq!(send(&client, &nowhere).await, failed);
    client.tell(ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None }).await;
    assert_eq!(send(&client, &plain).await, Err(MetadataError::Busy));
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    assert_eq!(
        (&client.get("k").await.unwrap().1[..], &client.get("there").await.unwrap().1[..]),
        (&b"new"[..], &b"old"[..])
    );
    send(&client, &Rename { condition: meets(on(tags(there.etag))), ..plain }).await.unwrap();
    assert_eq!(&client.get("there").await.unwrap().1[..], b"new");
}

pub(super) async fn a_token_is_answered_once_for_all(client: Client) {
    for (n, at) in [client.world.node(), OTHER].into_iter().enumerate() {
        client.put("k", b"first").await;
        let token = Some(format!("token{n}").into());
        let rename = Rename { token, ..to(&client, "k", &format!("there{n}"), at) };
        let done = send(&client, &rename).await;
        assert!(done.is_ok(), "{done:?}");
        client.put("k", b"second").await;
        assert_eq!(send(&client, &rename).await, done);
        let other = Rename { to: key("elsewhere"), ..rename };
        assert_eq!(send(&client, &other).await, Err(MetadataError::TokenTaken));
        assert_eq!(&client.get("k").await.unwrap().1[..], b"second");
        client.delete("k").await;
    }
    client.delete("there0").await;
    client.world.advance(Duration::from_secs(3_600));
    all_memory_comes_back(&client).await;
}

pub(super) async fn an_object_leaves_for_another_shard_whole(client: Client) {
    let extents = put(&client, "k", Some(2)).await;
    let before = client.head("k").await.unwrap().meta;
    client.world.advance(Duration::from_secs(1));
    let rename = to(&client, "k", "there", OTHER);
    let done = send(&client, &rename).await.unwrap();
    assert_eq!((done.etag, done.last_modified), (before.etag, before.last_modified));
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    let (arrived, payload) = client.world.other().arrived(rename.rename).unwrap();
    assert_eq!((arrived.key, arrived.size, payload.len()), (key("there"), 17, 0));
    assert_eq!((arrived.headers, arrived.reads), (before.headers, Some(2)));
    assert_eq!(arrived.ttl, Some(Duration::from_secs(59)));
    let [NewPiece::Reference(reference)] = arrived.pieces[..] else { panic!("{:?}", arrived.pieces) };
    assert_eq!((reference.reference, reference.len), (rename.rename, 17));
    eventually("the other shard may forget", async || client.world.other().may_forget(rename.rename)).await;
    // The bytes stay for as long as the other shard holds them, and it is not asked any more.
    client.world.advance(Duration::from_secs(120));
    assert!(!client.was_any_freed(&extents) && !client.world.other().was_asked(rename.rename));
    client.tell(ShardRequest::ReleaseReferences(vec![(client.job.job, rename.rename)])).await;
    client.freed_soon(&extents).await;
    all_memory_comes_back(&client).await;
}

pub(super) async fn an_object_that_does_not_arrive_is_where_it_was(client: Client) {
    let extents = put(&client, "k", Some(1)).await;
    let (reading, _) = client.get("k").await.unwrap();
    let busy = send(&client, &to(&client, "k", "there", OTHER)).await;
    assert_eq!(busy, Err(MetadataError::Busy), "somebody has its last read");
    client.release(reading.lease, Delivery::Failed).await;
    let before = client.head("k").await.unwrap().meta;
    for welcome in [Welcome::Refused, Welcome::NotHeard] {
        client.world.other().welcome(welcome);
        let outcome = send(&client, &to(&client, "k", "there", OTHER)).await;
        match welcome {
            Welcome::Refused => assert_eq!(outcome, Err(MetadataError::PreconditionFailed)),
            _ => assert!(matches!(outcome, Err(MetadataError::Unavailable(_))), "{outcome:?}"),
        }
        assert_eq!(client.head("k").await.unwrap().meta, before, "{welcome:?}");
    }
    // An answer that was lost is asked for.
    client.world.other().welcome(Welcome::TakenUnheard);
    let rename = to(&client, "k", "there", OTHER);
    assert_eq!(send(&client, &rename).await.map(|done| done.etag), Ok(before.etag));
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey));
    client.tell(ShardRequest::ReleaseReferences(vec![(client.job.job, rename.rename)])).await;
    client.freed_soon(&extents).await;
    all_memory_comes_back(&client).await;
}

pub(super) async fn an_object_whose_new_shard_dies_is_where_it_was(client: Client) {
    client.put("k", b"x").await;
    client.world.other().welcome(Welcome::Silence);
    let (asking, rename) = (client.clone(), to(&client, "k", "there", OTHER));
    let renaming = tokio::spawn(async move { send(&asking, &rename).await });
    // Nobody knows where it is: who asks waits for a while, and is then told to come again.
    let closed = async || client.head("k").await.err() == Some(MetadataError::Moving);
    let clock = client.world.clone();
    let passing = tokio::spawn(async move {
        loop {
            clock.advance(Duration::from_millis(100));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    eventually("the key is closed", closed).await;
    passing.abort();
    let reader = client.clone();
    let reading = tokio::spawn(async move { reader.get("k").await });
    client.world.kill(OTHER);
    let outcome = renaming.await.expect("a rename ends");
    assert!(matches!(outcome, Err(MetadataError::Unavailable(_))), "{outcome:?}");
    let found = reading.await.expect("a reader is answered").map(|(_, bytes)| bytes);
    assert_eq!(found.as_deref(), Ok(&b"x"[..]));
}
