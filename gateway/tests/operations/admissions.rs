//! What a request may is decided with everything that the decision needs, and anew when that has changed.

use crate::cluster::{Cluster, FORCE, WIDE, deletion, eventually, pattern};
use crate::in_process::ask::{Ask, TENANTS};
use crate::in_process::reply::Reply;
use bytes::Bytes;
use http::Method;
use pocket_api::budget::ByteBudget;
use pocket_api::names::TenantName;
use pocket_edge::credentials::Credentials;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::profiles::Profiles;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Makes `statements` the policy of a bucket, through the cluster's first gateway.
async fn policy(cluster: &Cluster, bucket: &str, statements: &str) {
    let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    cluster.ask(Method::PUT, format!("/{bucket}")).body(policy).query("policy", "").await.ok();
}

/// Nobody may do `action` to what has the tag `keep=yes`.
fn denying(bucket: &str, action: &str) -> String {
    format!(
        r#"{{"Effect": "Deny", "Principal": "*", "Action": "{action}", "Resource": "arn:aws:s3:::{bucket}/*",
            "Condition": {{"StringEquals": {{"s3:ExistingObjectTag/keep": "yes"}}}}}}"#
    )
}

fn put_tagged(cluster: &Cluster, bucket: &str, key: &str, tags: &str) -> Ask {
    cluster.put(bucket, key, "x").header("x-amz-tagging", tags)
}

/// Through this gateway, and saying only what was not deleted.
async fn delete_all(cluster: &Cluster, gateway: &Arc<Gateway>, bucket: &str, keys: &[String]) -> Reply {
    let keys: Vec<_> = keys.iter().map(|key| (&**key, None)).collect();
    cluster.delete_many(bucket, deletion(&keys, true)).to(gateway).await.ok()
}

#[tokio::test]
async fn a_bulk_delete_through_a_gateway_with_an_old_placement_spares_what_a_tag_protects_and_nothing_else() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("guarded", &[WIDE]).await;
    let keys: Vec<String> = (0..40).map(|i| format!("k{i:02}")).collect();
    for (i, key) in keys.iter().enumerate() {
        match i % 4 {
            0 => put_tagged(&cluster, "guarded", key, "keep=yes").await.ok(),
            _ => cluster.put("guarded", key, "x").await.ok(),
        };
    }
    let old = cluster.another_gateway().await;
    cluster.get("guarded", "k00").to(&old).await.ok();
    policy(&cluster, "guarded", &denying("guarded", "s3:DeleteObject")).await;
    let answer = delete_all(&cluster, &old, "guarded", &keys).await;
    let refused: Vec<(String, String)> =
        answer.texts("Error/Key").into_iter().zip(answer.texts("Error/Code")).collect();
    let kept: Vec<(String, String)> =
        keys.iter().step_by(4).map(|key| (key.clone(), "AccessDenied".into())).collect();
    assert_eq!(refused, kept);
    assert_eq!(cluster.keys("guarded").await, keys.iter().step_by(4).cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bulk_delete_by_a_rule_that_was_taken_away_meanwhile_is_not_refused_by_it() {
    let cluster = Cluster::start().await;
    cluster.bucket("freed").await;
    put_tagged(&cluster, "freed", "a", "keep=yes").await.ok();
    cluster.stored("freed", "b", "x").await;
    policy(&cluster, "freed", &denying("freed", "s3:DeleteObject")).await;
    let old = cluster.another_gateway().await;
    cluster.get("freed", "a").to(&old).await.ok();
    policy(&cluster, "freed", &denying("freed", "s3:PutObjectTagging")).await;
    let answer = delete_all(&cluster, &old, "freed", &["a".into(), "b".into()]).await;
    assert!(answer.texts("Error").is_empty());
    assert!(cluster.keys("freed").await.is_empty());
}

/// With what is to become of the tags, if that is said.
fn copy(cluster: &Cluster, from: &str, to: &str, tags: Option<&str>) -> Ask {
    let copy = cluster.copy(from, to);
    tags.into_iter().fold(copy, |copy, tags| copy.header("x-amz-tagging-directive", tags))
}

#[tokio::test]
async fn tags_that_may_not_be_read_go_along_with_no_copy_and_no_rename() {
    let cluster = Cluster::start().await;
    cluster.bucket("tags").await;
    cluster.bucket("other").await;
    put_tagged(&cluster, "tags", "secret", "keep=yes").await.ok();
    put_tagged(&cluster, "tags", "open", "keep=no").await.ok();
    cluster.stored("tags", "plain", "x").await;
    // Also through a gateway that has not heard of the rule.
    let old = cluster.another_gateway().await;
    cluster.get("tags", "plain").to(&old).await.ok();
    policy(&cluster, "tags", &denying("tags", "s3:GetObjectTagging")).await;
    for gateway in [&old, &cluster.gateway] {
        let copy = async |from: &str, to: &str, tags: Option<&str>| {
            copy(&cluster, from, to, tags).to(gateway).await.code()
        };
        for to in ["tags/copy", "other/copy"] {
            assert_eq!(copy("tags/secret", to, None).await, "AccessDenied", "{to}");
            assert_eq!(copy("tags/secret", to, Some("COPY")).await, "AccessDenied", "{to}");
            assert_eq!(copy("tags/secret", to, Some("REPLACE")).await, "no error", "{to}");
            assert_eq!(copy("tags/open", to, None).await, "no error", "{to}");
            assert_eq!(copy("tags/plain", to, None).await, "no error", "{to}");
        }
        let renamed = cluster.rename("tags", "secret", "renamed").to(gateway).await;
        assert_eq!(renamed.code(), "AccessDenied");
    }
    assert_eq!(cluster.rename("tags", "open", "renamed").await.code(), "no error");
    assert_eq!(cluster.rename("tags", "plain", "renamed").await.code(), "no error");
    assert_eq!(cluster.keys("tags").await, ["copy", "renamed", "secret"]);
}

#[tokio::test]
async fn a_lease_of_a_read_that_is_refused_by_what_it_finds_goes_back_at_once() {
    let cluster = Cluster::start().await;
    cluster.bucket("leases").await;
    cluster.stored("leases", "big", pattern(3 << 20)).await;
    cluster.put("leases", "once", pattern(3 << 20)).header("x-pocket-reads", 1).await.ok();
    policy(&cluster, "leases", &denying("leases", "s3:GetObject")).await;
    for key in ["big", "once"] {
        cluster.directory.tag_before_lookups(key, &[("keep", "yes")]);
    }
    let started = Instant::now();
    for key in ["big", "once"] {
        assert_eq!(cluster.get("leases", key).await.code(), "AccessDenied", "{key}");
    }
    let copied = copy(&cluster, "leases/once", "leases/again", Some("REPLACE")).await;
    assert_eq!(copied.code(), "AccessDenied");
    // The read is still there to be had.
    policy(&cluster, "leases", &denying("leases", "s3:PutObjectTagging")).await;
    assert_eq!(cluster.get("leases", "once").await.ok().body.len(), 3 << 20);
    cluster.delete("leases", "big").await.ok();
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    assert!(started.elapsed() < Duration::from_secs(10), "before a lease could have lapsed");
}

#[tokio::test]
async fn a_copy_that_is_refused_by_what_it_finds_holds_on_to_nothing() {
    let cluster = Cluster::start().await;
    cluster.bucket("found").await;
    cluster.bucket("other").await;
    let keys = ["here", "there"];
    for key in keys {
        cluster.stored("found", key, pattern(3 << 20)).await;
        cluster.directory.tag_before_lookups(key, &[("keep", "yes")]);
    }
    policy(&cluster, "found", &denying("found", "s3:GetObject")).await;
    let started = Instant::now();
    for (from, to) in [("found/here", "found/copy"), ("found/there", "other/copy")] {
        assert_eq!(copy(&cluster, from, to, Some("REPLACE")).await.code(), "AccessDenied", "{to}");
    }
    assert_eq!(cluster.keys("found").await, keys);
    for key in keys {
        cluster.delete("found", key).await.ok();
    }
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    assert!(started.elapsed() < Duration::from_secs(10), "before what was held could have lapsed");
}

#[tokio::test]
async fn whoever_may_write_may_say_that_the_object_is_its_buckets_owners() {
    let cluster = Cluster::start().await;
    let granted = [
        ("x-amz-object-ownership", "BucketOwnerPreferred"),
        ("x-amz-grant-write", "id=\"bob\""),
        ("x-amz-grant-read", "id=\"bob\""),
    ];
    cluster.bucket_with("shared", &granted).await;
    let put = async |key: &str, acl: Option<&str>| {
        let put = cluster.put("shared", key, "x").by("bob");
        acl.into_iter().fold(put, |put, acl| put.header("x-amz-acl", acl)).await.code()
    };
    // Of an object that is not there yet, and of one that is.
    assert_eq!(put("new", Some("bucket-owner-full-control")).await, "no error");
    assert_eq!(put("new", Some("bucket-owner-full-control")).await, "no error");
    cluster.stored("shared", "alices", "y").await;
    assert_eq!(put("alices", Some("bucket-owner-full-control")).await, "no error");
    assert_eq!(put("new", None).await, "NotImplemented", "it would be bob's");
    // Allowed by a policy that says nothing of ACLs, it is refused and not missing.
    policy(
        &cluster,
        "shared",
        r#"{"Effect": "Deny", "Principal": {"AWS": "bob"}, "Action": "s3:PutObjectAcl", "Resource": "arn:aws:s3:::shared/*"}"#,
    )
    .await;
    assert_eq!(put("other", Some("bucket-owner-full-control")).await, "AccessDenied");
}

#[tokio::test]
async fn a_document_for_a_bucket_of_another_owner_than_expected_is_not_read_whatever_its_policy_may_say_of_it()
 {
    let cluster = Cluster::start().await;
    cluster.bucket("owned").await;
    cluster.put("owned", "k", "x").await.ok();
    policy(&cluster, "owned", &denying("owned", "s3:DeleteObject")).await;
    let unread = || futures::stream::poll_fn(|_| panic!("somebody reads it"));
    for (method, target) in [(Method::POST, "/owned?delete"), (Method::PUT, "/owned/k?tagging")] {
        let ask = cluster.ask(method, target).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
        let refused = ask.header("x-amz-expected-bucket-owner", "bob").stream(10, unread()).await;
        assert_eq!(refused.code(), "AccessDenied", "{target}");
    }
}

#[tokio::test]
async fn a_document_of_somebody_whom_no_statement_of_the_policy_lets_in_is_not_read() {
    let cluster = Cluster::start().await;
    cluster.bucket("ruled").await;
    cluster.stored("ruled", "logs/a", "x").await;
    cluster.stored("ruled", "other", "x").await;
    let allowing = |action: &str| {
        format!(
            r#"{{"Effect": "Allow", "Principal": {{"AWS": "bob"}}, "Action": "{action}", "Resource": "arn:aws:s3:::ruled/logs/*"}}"#
        )
    };
    let unread = || futures::stream::poll_fn(|_| panic!("somebody reads it"));
    let refused = async |caller: Option<&str>| {
        for (method, target) in [(Method::POST, "/ruled?delete"), (Method::PUT, "/ruled/k?tagging")] {
            let ask = cluster.ask(method, target).header("content-md5", "AAAAAAAAAAAAAAAAAAAAAA==");
            let ask = match caller {
                Some(name) => ask.by(name),
                None => ask.anonymous(),
            };
            assert_eq!(ask.stream(10, unread()).await.code(), "AccessDenied", "{target} {caller:?}");
        }
    };
    policy(&cluster, "ruled", &denying("ruled", "s3:GetObject")).await;
    refused(None).await;
    policy(&cluster, "ruled", &allowing("s3:GetObject")).await;
    refused(None).await;
    refused(Some("bob")).await;
    policy(&cluster, "ruled", &allowing("s3:DeleteObject")).await;
    refused(None).await;
    let listed = deletion(&[("logs/a", None), ("other", None)], false);
    let answer = cluster.delete_many("ruled", listed).by("bob").await.ok();
    assert_eq!(
        (answer.texts("Deleted/Key"), answer.texts("Error/Key")),
        (vec!["logs/a".into()], vec!["other".into()])
    );
}

#[tokio::test]
async fn tags_that_came_while_the_bucket_went_to_another_owner_are_not_put_there() {
    let buffers = ByteBudget::new(1 << 20);
    let cluster = Cluster::with_buffers(&buffers).await;
    cluster.bucket("sold").await;
    // What it allows might be what the document turns out to ask for, so the document is waited for.
    let allowing = r#"{"Effect": "Allow", "Principal": {"AWS": "bob"}, "Action": "s3:PutObjectTagging", "Resource": "arn:aws:s3:::sold/other"}"#;
    policy(&cluster, "sold", allowing).await;
    let other = cluster.another_gateway().await;
    let document = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>";
    let (send, frames) = futures::channel::mpsc::unbounded::<Bytes>();
    let put = cluster.ask(Method::PUT, "/sold/key").query("tagging", "").by("bob");
    let put = put.header("x-amz-expected-bucket-owner", "alice").stream(document.len() as u64, frames);
    let sell = async {
        eventually("the document is waited for", async || buffers.used_bytes() > 0).await;
        cluster.delete_bucket("sold").headers(&[FORCE]).to(&other).await.ok();
        cluster.create_bucket("sold").by("bob").to(&other).await.ok();
        cluster.put("sold", "key", "x").by("bob").to(&other).await.ok();
        send.unbounded_send(Bytes::from_static(document.as_bytes())).unwrap();
        drop(send);
    };
    let (put, ()) = futures::future::join(put.send(), sell).await;
    assert_eq!(put.code(), "AccessDenied");
    let head = cluster.head("sold", "key").by("bob").to(&other).await.ok();
    assert_eq!(head.header("x-amz-tagging-count"), None);
}

#[tokio::test]
async fn a_policy_names_tenants_that_there_are_also_after_the_keys_have_changed() {
    let cluster = Cluster::start().await;
    cluster.bucket("named").await;
    let put = async |who: &str| {
        let (action, resource) = ("s3:GetObject", "arn:aws:s3:::named/*");
        let policy = format!(
            r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {{"AWS": "{who}"}},
                "Action": "{action}", "Resource": "{resource}"}}]}}"#
        );
        cluster.ask(Method::PUT, "/named").body(policy).query("policy", "").await
    };
    for stranger in ["carol", "arn:aws:iam::carol:root", "arn:aws:iam::carol:user/KEY"] {
        let refused = put(stranger).await;
        assert_eq!(refused.code(), "MalformedPolicy", "{stranger}");
        let said = "Invalid principal in policy: there is no tenant \"carol\"";
        assert_eq!(refused.text("Message").as_deref(), Some(said), "{stranger}");
    }
    put("bob").await.ok();
    let mut credentials = Credentials::default();
    for tenant in TENANTS {
        let name = TenantName::parse(tenant.name).unwrap();
        assert!(credentials.add(tenant.access_key_id, tenant.secret, name));
    }
    assert!(credentials.add("AKIACAROL", "of carol", TenantName::parse("carol").unwrap()));
    cluster.gateway.reload(credentials, Profiles::default());
    put("carol").await.ok();
}
