//! ACLs of objects: kept with them, changed where the caller knows what it changes, gone with a new object.

use super::client::{Client, key};
use crate::acl::{Acl, Grant, Grantee, Permission};
use crate::metadata::{MetadataError, Reply, Request, ShardReply, ShardRequest};
use crate::names::TenantName;
use crate::object::{NewContent, ObjectHeaders};
use std::sync::Arc;
use std::time::Duration;

fn readable_for(grantee: Grantee) -> Option<Box<Acl>> {
    let mut acl = Acl::private();
    acl.grants.push(Grant { grantee, permission: Permission::Read });
    Some(Box::new(acl))
}

async fn set(
    client: &Client,
    name: &str,
    seen: &Option<Box<Acl>>,
    acl: &Option<Box<Acl>>,
) -> Result<Reply, MetadataError> {
    client.ask(Request::SetAcl { key: key(name), seen: seen.clone(), acl: acl.clone() }).await
}

pub(super) async fn an_acl_is_replaced_and_the_object_stays_the_same(client: Client) {
    let tagged = ObjectHeaders { tags: vec![("a".into(), "1".into())], ..ObjectHeaders::default() };
    let mut commit = client.new_commit("k", 5, NewContent::Inline);
    commit.meta.headers = Some(Arc::new(tagged));
    client.commit(commit, b"hello").await.unwrap();
    let (_, extents) = client.put_chunks("bare", &[10]).await;
    client.world.advance(Duration::from_secs(60));
    let public = readable_for(Grantee::Everybody);
    let named = readable_for(Grantee::Tenant(TenantName::parse("team-a").unwrap()));
    for name in ["k", "bare"] {
        let before = client.head(name).await.unwrap().meta;
        for (seen, acl) in [(&None, &public), (&public, &named), (&named, &named), (&named, &None)] {
            assert_eq!(set(&client, name, seen, acl).await, Ok(Reply::Done));
            let mut after = client.head(name).await.unwrap().meta;
            let headers = after.headers.as_deref().cloned().unwrap_or_default();
            assert_eq!(headers.acl, *acl);
            let without = ObjectHeaders { acl: None, ..headers };
            assert_eq!(without, before.headers.as_deref().cloned().unwrap_or_default());
            after.headers = before.headers.clone();
            assert_eq!(after, before, "nothing but the ACL has changed");
        }
        assert_eq!(client.head(name).await.unwrap().meta, before);
        set(&client, name, &None, &public).await.unwrap();
        client.delete(name).await;
    }
    client.freed_soon(&extents).await;
    assert_eq!(client.world.budget().used_bytes(), 0, "ACLs give their memory back");
}

pub(super) async fn an_acl_is_only_changed_where_the_caller_knows_it(client: Client) {
    let (public, private) = (readable_for(Grantee::EveryTenant), None);
    assert_eq!(set(&client, "k", &private, &public).await, Err(MetadataError::NoSuchKey));
    client.put("k", b"first").await;
    let changed = Err(MetadataError::Changed { size: 5 });
    assert_eq!(set(&client, "k", &public, &private).await, changed);
    assert_eq!(set(&client, "k", &private, &public).await, Ok(Reply::Done));
    assert_eq!(set(&client, "k", &private, &public).await, changed);
    client.put("k", b"again").await;
    assert_eq!(client.head("k").await.unwrap().meta.headers, None, "a new object has its own");
    assert_eq!(set(&client, "k", &public, &public).await, changed);
    let frozen = client
        .tell(ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: None })
        .await;
    assert_eq!(frozen, ShardReply::Frozen { objects: Some(1) });
    assert_eq!(set(&client, "k", &private, &public).await, Err(MetadataError::Busy));
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
    assert_eq!(set(&client, "k", &private, &public).await, Ok(Reply::Done));
}

pub(super) async fn who_is_not_admitted_yet_keeps_no_job_alive(client: Client) {
    client.put("k", b"hello").await;
    let describe = |name: &str| client.ask(Request::Describe { key: key(name) });
    let found = client.head("k").await.unwrap();
    assert_eq!(describe("k").await, Ok(Reply::Found(Box::new(found))));
    assert_eq!(describe("missing").await, Err(MetadataError::NoSuchKey));
    let minute = Duration::from_secs(60);
    client.world.advance(2 * minute);
    describe("k").await.unwrap();
    let idle = ShardRequest::Freeze { order: client.order(), job: client.job.job, idle_for: Some(minute) };
    assert_eq!(client.tell(idle).await, ShardReply::Frozen { objects: Some(1) });
    client.tell(ShardRequest::Thaw { order: client.order(), job: client.job.job }).await;
}
