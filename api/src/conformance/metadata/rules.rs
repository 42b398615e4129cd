//! A job's lifecycle rules: judged at every look, and what they end gives its space back.

use super::client::{Client, key};
use super::uploads::{Upload, create};
use super::world::eventually;
use crate::hints::{JobHints, Limit, ObjectHints};
use crate::ids::Epoch;
use crate::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule, LifecycleUnit, RuleEnd};
use crate::metadata::{
    CreateUpload, JobRef, ListUploads, MetadataError, Reply, Request, ShardReply, ShardRequest, UploadsItem,
    UploadsStart,
};
use crate::object::NewContent;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn rule(id: &str, prefix: &str) -> LifecycleRule {
    let filter = LifecycleFilter { prefix: prefix.into(), ..LifecycleFilter::default() };
    LifecycleRule { id: id.into(), filter, expires: None, aborts_uploads_after: None }
}

fn expiring(id: &str, prefix: &str, seconds: u32) -> LifecycleRule {
    LifecycleRule { expires: Some(LifecycleEnd::After(seconds)), ..rule(id, prefix) }
}

/// The same job with these rules, counted in seconds.
async fn with_rules(client: &Client, rules: Vec<LifecycleRule>) -> Client {
    let job = JobRef { epoch: Epoch(client.job.epoch.0 + 1), ..client.job };
    let mut spec = client.spec(job, JobHints::default());
    spec.lifecycle = Lifecycle { rules, unit: LifecycleUnit::Of(SECOND), job_ends: None };
    assert_eq!(client.tell(ShardRequest::Update(client.order(), spec)).await, ShardReply::Done);
    Client { job, ..client.clone() }
}

pub(super) async fn rules_end_what_is_there_and_what_comes(client: Client) {
    let (_, there) = client.put_chunks("logs/old", &[10]).await;
    client.put("data/old", b"x").await;
    client.world.advance(3 * SECOND);
    let client = with_rules(&client, vec![expiring("logs", "logs/", 5)]).await;
    let committed = client.put("logs/new", b"x").await;
    let created = committed.last_modified;
    let end = Some(RuleEnd { at: created + 5 * SECOND, rule: "logs".into() });
    assert_eq!((committed.expires_at, &committed.rule_end), (None, &end), "told at the commit");
    let meta = client.head("logs/new").await.unwrap().meta;
    assert_eq!((meta.expires_at, &meta.rule_end), (None, &end), "and at each look");
    assert_eq!(client.head("data/old").await.unwrap().meta.rule_end, None);

    client.world.advance(2 * SECOND - Duration::from_millis(1));
    assert!(client.head("logs/old").await.is_ok(), "not a millisecond too early");
    client.world.advance(Duration::from_millis(1));
    assert_eq!(client.get_error("logs/old").await, Some(MetadataError::NoSuchKey), "and none too late");
    assert_eq!(client.names("", None).await, ["data/old", "logs/new"]);
    client.freed_soon(&there).await;
    client.world.advance(3 * SECOND);
    assert_eq!(client.get_error("logs/new").await, Some(MetadataError::NoSuchKey));
    let frozen = client
        .tell(ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None })
        .await;
    assert_eq!(frozen, ShardReply::Frozen { objects: Some(1) }, "what has ended does not keep a bucket");
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    client.delete("data/old").await;
    eventually("memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn rules_that_are_gone_stop_but_what_ended_stays_so(client: Client) {
    client.put("young", b"x").await;
    let client = with_rules(&client, vec![expiring("all", "", 5)]).await;
    client.world.advance(4 * SECOND);
    client.put("younger", b"x").await;
    client.world.advance(SECOND);
    assert_eq!(client.get_error("young").await, Some(MetadataError::NoSuchKey));
    let client = with_rules(&client, Vec::new()).await;
    assert_eq!(client.get_error("young").await, Some(MetadataError::NoSuchKey), "it does not come back");
    client.world.advance(100 * SECOND);
    assert_eq!(client.head("younger").await.unwrap().meta.rule_end, None);
    let client = with_rules(&client, vec![expiring("later", "", 200)]).await;
    client.world.advance(95 * SECOND);
    assert!(client.get("younger").await.is_ok(), "now it lives for 200 seconds");
    client.world.advance(5 * SECOND);
    assert_eq!(client.get_error("younger").await, Some(MetadataError::NoSuchKey));
}

pub(super) async fn rules_and_ttls_end_what_they_name_whichever_is_first(client: Client) {
    let mut large = expiring("large", "", 5);
    large.filter.larger_than = Some(3);
    let mut tagged = expiring("tagged", "", 7);
    tagged.filter.tags = vec![("keep".into(), "no".into())];
    let client = with_rules(&client, vec![tagged, large]).await;
    client.put("small", b"123").await;
    client.put("large", b"1234").await;
    let ttl = |seconds| ObjectHints { ttl: Some(Limit::Of(seconds * SECOND)), reads: None };
    client.put_with("large and short", b"1234", ttl(4)).await;
    client.put_with("large and long", b"1234", ttl(6)).await;
    let ends = async |name| {
        let found = client.head(name).await.unwrap();
        let since = |at: crate::clock::Timestamp| at.since(found.meta.last_modified).as_secs();
        (
            found.meta.expires_at.map(since),
            found.meta.rule_end.map(|end| (since(end.at), end.rule.to_string())),
        )
    };
    assert_eq!(ends("small").await, (None, None));
    assert_eq!(ends("large").await, (None, Some((5, "large".into()))));
    assert_eq!(ends("large and short").await, (Some(4), None), "its TTL is first");
    assert_eq!(ends("large and long").await, (Some(6), Some((5, "large".into()))));
    let tag = |tags| Request::SetTags { key: key("small"), tags, hints: ObjectHints::default() };
    assert_eq!(client.ask(tag(vec![("keep".into(), "no".into())])).await, Ok(Reply::Done));
    assert_eq!(ends("small").await, (None, Some((7, "tagged".into()))));
    client.world.advance(5 * SECOND);
    assert_eq!(client.names("", None).await, ["small"]);
    assert_eq!(client.ask(tag(Vec::new())).await, Ok(Reply::Done));
    client.world.advance(5 * SECOND);
    assert!(client.get("small").await.is_ok(), "a rule that does not name it any more does not end it");
    client.delete("small").await;
    eventually("memory comes back", async || client.world.budget().used_bytes() == 0).await;
}

pub(super) async fn rules_abort_uploads(client: Client) {
    let before = create(&client, "up/before").await.id;
    let aborting = LifecycleRule { aborts_uploads_after: Some(5), ..rule("abort", "up/") };
    let client = with_rules(&client, vec![aborting]).await;
    let before = Upload { client: &client, name: "up/before".into(), id: before };
    let (_, parts) = before.put_chunks(1, &[10]).await;
    let request =
        CreateUpload { key: key("up/after"), headers: None, hints: ObjectHints::default(), checksum: None };
    let after = match client.ask(Request::CreateUpload(request)).await {
        Ok(Reply::UploadCreated { upload, rule_end }) => {
            let at = client.world.now() + 5 * SECOND;
            assert_eq!(rule_end, Some(RuleEnd { at, rule: "abort".into() }));
            Upload { client: &client, name: "up/after".into(), id: upload }
        }
        other => panic!("an upload was answered with {other:?}"),
    };
    let shown = after.page(0, 1).await.unwrap();
    assert_eq!(shown.rule_end.map(|end| end.at), Some(shown.info.initiated + 5 * SECOND));
    let elsewhere = create(&client, "elsewhere").await;

    client.world.advance(5 * SECOND - Duration::from_millis(1));
    assert!(before.page(0, 1).await.is_ok() && after.page(0, 1).await.is_ok());
    client.world.advance(Duration::from_millis(1));
    for ended in [&before, &after] {
        assert_eq!(ended.page(0, 1).await.err(), Some(MetadataError::NoSuchUpload));
        let late = ended.put(1, NewContent::Inline, b"x").await;
        assert_eq!(late, Err(MetadataError::NoSuchUpload));
        assert_eq!(ended.abort().await, Ok(Reply::Done), "as of one that its owner has aborted");
    }
    let (prefix, delimiter, start) = (String::new(), Some("/".into()), UploadsStart::Beginning);
    let listed = client.ask(Request::ListUploads(ListUploads { prefix, delimiter, start, max: 10 })).await;
    let Ok(Reply::Uploads(page)) = listed else { panic!("no list of uploads: {listed:?}") };
    let is_elsewhere =
        |item: &UploadsItem| matches!(item, UploadsItem::Upload(info) if info.key == key("elsewhere"));
    assert!(page.items.len() == 1 && page.items.iter().all(is_elsewhere), "{page:?}");
    client.freed_soon(&parts).await;
    assert_eq!(elsewhere.abort().await, Ok(Reply::Done));
    eventually("memory comes back", async || client.world.budget().used_bytes() == 0).await;
}
