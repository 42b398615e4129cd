//! What a request may is decided with everything that the decision needs, and anew when that has changed.

use crate::cluster::{Call, Cluster, blob, code, eventually, get_input, pattern};
use pocket_gateway::ops::Operations;
use s3s::dto::*;
use s3s::route::S3Route;
use s3s::{Body, S3, S3Result};
use std::time::{Duration, Instant};

/// Makes `statements` the policy of a bucket, through the cluster's first gateway.
async fn policy(cluster: &Cluster, bucket: &str, statements: &str) {
    let policy = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    let input = PutBucketPolicyInput { policy, ..put_policy_of(bucket) };
    cluster.ops.put_bucket_policy(Call::new().with(input)).await.unwrap();
}

fn put_policy_of(bucket: &str) -> PutBucketPolicyInput {
    PutBucketPolicyInput {
        bucket: bucket.into(),
        checksum_algorithm: None,
        confirm_remove_self_bucket_access: None,
        content_md5: None,
        expected_bucket_owner: None,
        policy: String::new(),
    }
}

/// Nobody may do `action` to what has the tag `keep=yes`.
fn denying(bucket: &str, action: &str) -> String {
    format!(
        r#"{{"Effect": "Deny", "Principal": "*", "Action": "{action}", "Resource": "arn:aws:s3:::{bucket}/*",
            "Condition": {{"StringEquals": {{"s3:ExistingObjectTag/keep": "yes"}}}}}}"#
    )
}

async fn put_tagged(ops: &Operations, bucket: &str, key: &str, body: bytes::Bytes, tags: &str) {
    let input = PutObjectInput {
        bucket: bucket.into(),
        key: key.into(),
        content_length: Some(body.len() as i64),
        body: Some(blob(vec![body])),
        tagging: Some(tags.into()),
        ..Default::default()
    };
    ops.put_object(Call::new().header("x-amz-tagging", tags).with(input)).await.unwrap();
}

fn delete_all(bucket: &str, keys: &[String]) -> DeleteObjectsInput {
    let named = |key: &String| ObjectIdentifier { key: key.clone(), ..Default::default() };
    let delete = Delete { objects: keys.iter().map(named).collect(), quiet: Some(true) };
    DeleteObjectsInput {
        bucket: bucket.into(),
        bypass_governance_retention: None,
        checksum_algorithm: None,
        delete,
        expected_bucket_owner: None,
        mfa: None,
        request_payer: None,
    }
}

#[tokio::test]
async fn a_bulk_delete_through_a_gateway_with_an_old_placement_spares_what_a_tag_protects_and_nothing_else() {
    let cluster = Cluster::start().await;
    cluster.bucket_with("guarded", &[("x-pocket-workers", "100")]).await;
    let keys: Vec<String> = (0..40).map(|i| format!("k{i:02}")).collect();
    for (i, key) in keys.iter().enumerate() {
        match i % 4 {
            0 => put_tagged(&cluster.ops, "guarded", key, "x".into(), "keep=yes").await,
            _ => drop(cluster.put("guarded", key, "x").await),
        }
    }
    let old = cluster.another_gateway().await;
    old.get_object(Call::new().with(get_input("guarded", "k00"))).await.unwrap();
    policy(&cluster, "guarded", &denying("guarded", "s3:DeleteObject")).await;
    let answer = old.delete_objects(Call::new().with(delete_all("guarded", &keys))).await.unwrap().output;
    let refused: Vec<(String, String)> =
        answer.errors.unwrap().into_iter().map(|error| (error.key.unwrap(), error.code.unwrap())).collect();
    let kept: Vec<(String, String)> =
        keys.iter().step_by(4).map(|key| (key.clone(), "AccessDenied".into())).collect();
    assert_eq!(refused, kept);
    assert_eq!(cluster.keys("guarded").await, keys.iter().step_by(4).cloned().collect::<Vec<_>>());
}

#[tokio::test]
async fn a_bulk_delete_by_a_rule_that_was_taken_away_meanwhile_is_not_refused_by_it() {
    let cluster = Cluster::start().await;
    cluster.bucket("freed").await;
    put_tagged(&cluster.ops, "freed", "a", "x".into(), "keep=yes").await;
    cluster.put("freed", "b", "x").await;
    policy(&cluster, "freed", &denying("freed", "s3:DeleteObject")).await;
    let old = cluster.another_gateway().await;
    old.get_object(Call::new().with(get_input("freed", "a"))).await.unwrap();
    let all = delete_all("freed", &["a".into(), "b".into()]);
    policy(&cluster, "freed", &denying("freed", "s3:PutObjectTagging")).await;
    let answer = old.delete_objects(Call::new().with(all)).await.unwrap().output;
    assert_eq!(answer.errors.unwrap().len(), 0);
    assert!(cluster.keys("freed").await.is_empty());
}

async fn copy(ops: &Operations, from: &str, to: &str, tags: Option<&'static str>) -> String {
    let (bucket, key) = to.split_once('/').unwrap();
    let mut input = CopyObjectInput::builder();
    input.set_bucket(bucket.into());
    input.set_key(key.into());
    input.set_copy_source(CopySource::parse(from).unwrap());
    input.set_tagging_directive(tags.map(TaggingDirective::from_static));
    code(ops.copy_object(Call::new().with(input.build().unwrap())).await)
}

async fn rename(ops: &Operations, from: &str, to: &str) -> String {
    let mut request = Call::new().header("x-amz-rename-source", from).with(Body::empty());
    request.uri = to.parse().unwrap();
    let answer: S3Result<_> = S3Route::call(ops, request).await;
    code(answer)
}

#[tokio::test]
async fn tags_that_may_not_be_read_go_along_with_no_copy_and_no_rename() {
    let cluster = Cluster::start().await;
    cluster.bucket("tags").await;
    cluster.bucket("other").await;
    let ops = &*cluster.ops;
    put_tagged(ops, "tags", "secret", "x".into(), "keep=yes").await;
    put_tagged(ops, "tags", "open", "x".into(), "keep=no").await;
    cluster.put("tags", "plain", "x").await;
    // Also through a gateway that has not heard of the rule.
    let old = cluster.another_gateway().await;
    old.get_object(Call::new().with(get_input("tags", "plain"))).await.unwrap();
    policy(&cluster, "tags", &denying("tags", "s3:GetObjectTagging")).await;
    for ops in [&*old, ops] {
        for to in ["tags/copy", "other/copy"] {
            assert_eq!(copy(ops, "tags/secret", to, None).await, "AccessDenied", "{to}");
            assert_eq!(copy(ops, "tags/secret", to, Some("COPY")).await, "AccessDenied", "{to}");
            assert_eq!(copy(ops, "tags/secret", to, Some("REPLACE")).await, "no error", "{to}");
            assert_eq!(copy(ops, "tags/open", to, None).await, "no error", "{to}");
            assert_eq!(copy(ops, "tags/plain", to, None).await, "no error", "{to}");
        }
        assert_eq!(rename(ops, "secret", "/tags/renamed").await, "AccessDenied");
    }
    assert_eq!(rename(ops, "open", "/tags/renamed").await, "no error");
    assert_eq!(rename(ops, "plain", "/tags/renamed").await, "no error");
    assert_eq!(cluster.keys("tags").await, ["copy", "renamed", "secret"]);
}

#[tokio::test]
async fn a_lease_of_a_read_that_is_refused_by_what_it_finds_goes_back_at_once() {
    let cluster = Cluster::start().await;
    cluster.bucket("leases").await;
    cluster.put("leases", "big", pattern(3 << 20)).await;
    let once = Call::new().header("x-pocket-reads", "1");
    cluster.put_with(once, "leases", "once", pattern(3 << 20)).await.unwrap();
    policy(&cluster, "leases", &denying("leases", "s3:GetObject")).await;
    for key in ["big", "once"] {
        cluster.directory.tag_before_lookups(key, &[("keep", "yes")]);
    }
    let started = Instant::now();
    for key in ["big", "once"] {
        assert_eq!(code(cluster.get("leases", key).await), "AccessDenied", "{key}");
    }
    assert_eq!(copy(&cluster.ops, "leases/once", "leases/again", Some("REPLACE")).await, "AccessDenied");
    // The read is still there to be had.
    policy(&cluster, "leases", &denying("leases", "s3:PutObjectTagging")).await;
    assert_eq!(cluster.get("leases", "once").await.unwrap().len(), 3 << 20);
    cluster.delete("leases", "big").await;
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    assert!(started.elapsed() < Duration::from_secs(10), "before a lease could have lapsed");
}

#[tokio::test]
async fn whoever_may_write_may_say_that_the_object_is_its_buckets_owners() {
    let cluster = Cluster::start().await;
    let call = Call::new()
        .header("x-amz-object-ownership", "BucketOwnerPreferred")
        .header("x-amz-grant-write", "id=\"bob\"")
        .header("x-amz-grant-read", "id=\"bob\"");
    let input = CreateBucketInput { bucket: "shared".into(), ..Default::default() };
    cluster.ops.create_bucket(call.with(input)).await.unwrap();
    let put = |key: &'static str, acl: Option<&'static str>| {
        let call = Call::new().of("bob");
        let call = acl.into_iter().fold(call, |call, acl| call.header("x-amz-acl", acl));
        cluster.put_with(call, "shared", key, "x".into())
    };
    // Of an object that is not there yet, and of one that is.
    assert_eq!(code(put("new", Some("bucket-owner-full-control")).await), "no error");
    assert_eq!(code(put("new", Some("bucket-owner-full-control")).await), "no error");
    cluster.put("shared", "alices", "y").await;
    assert_eq!(code(put("alices", Some("bucket-owner-full-control")).await), "no error");
    assert_eq!(code(put("new", None).await), "NotImplemented", "it would be bob's");
    // Allowed by a policy that says nothing of ACLs, it is refused and not missing.
    policy(
        &cluster,
        "shared",
        r#"{"Effect": "Deny", "Principal": {"AWS": "bob"}, "Action": "s3:PutObjectAcl", "Resource": "arn:aws:s3:::shared/*"}"#,
    )
    .await;
    assert_eq!(code(put("other", Some("bucket-owner-full-control")).await), "AccessDenied");
}
