//! Tags: replaced in one step, with the bounds that come with them, of an object that stays the same one.

use super::client::{Client, key};
use crate::hints::{JobHints, Limit, ObjectHints};
use crate::ids::JobId;
use crate::metadata::{MetadataError, Reply, Request, ShardReply, ShardRequest};
use crate::object::{NewContent, ObjectHeaders, Tags};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn tags(pairs: &[(&str, &str)]) -> Tags {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

async fn set_tags(
    client: &Client,
    name: &str,
    tags: Tags,
    hints: ObjectHints,
) -> Result<Reply, MetadataError> {
    client.ask(Request::SetTags { key: key(name), tags, hints }).await
}

pub(super) async fn tags_are_replaced_and_the_object_stays_the_same(client: Client) {
    let headers = ObjectHeaders {
        content_type: Some("text/plain".into()),
        tags: tags(&[("a", "1"), ("b", "")]),
        ..ObjectHeaders::default()
    };
    // Two objects that share their headers.
    for name in ["k", "other"] {
        let mut commit = client.new_commit(name, 5, NewContent::Inline);
        commit.meta.headers = Some(Arc::new(headers.clone()));
        client.commit(commit, b"hello").await.unwrap();
    }
    let (_, extents) = client.put_chunks("bare", &[10]).await;
    let before = [client.head("k").await.unwrap().meta, client.head("bare").await.unwrap().meta];
    client.world.advance(MINUTE);
    let new = tags(&[("c", "ü")]);
    for (name, before) in ["k", "bare"].into_iter().zip(before) {
        for wanted in [new.clone(), Tags::new()] {
            assert_eq!(
                set_tags(&client, name, wanted.clone(), ObjectHints::default()).await,
                Ok(Reply::Done)
            );
            let mut after = client.head(name).await.unwrap().meta;
            let found = after.headers.as_ref().map(|headers| headers.tags.clone()).unwrap_or_default();
            assert_eq!(found, wanted);
            let untagged =
                |headers: &Arc<ObjectHeaders>| ObjectHeaders { tags: Tags::new(), ..(**headers).clone() };
            assert_eq!(
                after.headers.as_ref().map(untagged).unwrap_or_default(),
                before.headers.as_ref().map(untagged).unwrap_or_default()
            );
            after.headers = before.headers.clone();
            assert_eq!(after, before, "nothing but the tags has changed");
        }
    }
    assert_eq!(client.head("other").await.unwrap().meta.headers.as_deref(), Some(&headers));
    for name in ["k", "other", "bare"] {
        client.delete(name).await;
    }
    client.freed_soon(&extents).await;
    assert_eq!(client.world.budget().used_bytes(), 0, "tags give their memory back");
}

pub(super) async fn tags_carry_new_bounds(client: Client) {
    let defaults = JobHints { object_ttl: Some(MINUTE), reads: Some(3), ..JobHints::default() };
    let job = client.open_job(JobId(102), defaults).await;
    job.put("k", b"x").await;
    job.world.advance(MINUTE / 2);
    let bounds = async |hints| {
        assert_eq!(set_tags(&job, "k", Tags::new(), hints).await, Ok(Reply::Done));
        let found = job.head("k").await.unwrap();
        (found.meta.expires_at.map(|at| at.since(found.now)), found.meta.reads_left)
    };
    let hints = |ttl, reads| ObjectHints { ttl, reads };
    assert_eq!(bounds(hints(None, None)).await, (Some(MINUTE / 2), Some(3)), "what is not named stays");
    assert_eq!(bounds(hints(Some(Limit::Of(2 * MINUTE)), None)).await, (Some(2 * MINUTE), Some(3)));
    assert_eq!(bounds(hints(None, Some(Limit::Of(1)))).await, (Some(2 * MINUTE), Some(1)));
    assert_eq!(bounds(hints(Some(Limit::None), Some(Limit::None))).await, (None, None));
    for _ in 0..5 {
        job.get("k").await.expect("nobody counts any more");
    }
    assert_eq!(bounds(hints(Some(Limit::Of(MINUTE)), Some(Limit::Of(2)))).await, (Some(MINUTE), Some(2)));
    job.world.advance(MINUTE);
    assert_eq!(job.get_error("k").await, Some(MetadataError::NoSuchKey));
    let late = set_tags(&job, "k", Tags::new(), hints(Some(Limit::None), None)).await;
    assert_eq!(late, Err(MetadataError::NoSuchKey), "what is over does not come back");
}

pub(super) async fn tags_need_an_object_and_a_job_that_may_be_written(client: Client) {
    let set = || set_tags(&client, "k", tags(&[("a", "b")]), ObjectHints::default());
    assert_eq!(set().await, Err(MetadataError::NoSuchKey));
    client.put("k", b"x").await;
    let no_reads = ObjectHints { ttl: None, reads: Some(Limit::Of(0)) };
    let refused = set_tags(&client, "k", Tags::new(), no_reads).await;
    assert!(matches!(refused, Err(MetadataError::BadRequest(_))), "{refused:?}");
    let frozen = client
        .tell(ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None })
        .await;
    assert_eq!(frozen, ShardReply::Frozen { objects: Some(1) });
    assert_eq!(set().await, Err(MetadataError::Busy));
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    assert_eq!(set().await, Ok(Reply::Done));
}
