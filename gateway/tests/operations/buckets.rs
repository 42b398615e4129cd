//! What the bucket operations promise: a bucket is a job, and it belongs to a tenant.

use crate::cluster::{Call, Cluster, blob, code, eventually, pattern};
use s3s::S3;
use s3s::dto::*;

fn create(name: &str) -> CreateBucketInput {
    CreateBucketInput { bucket: name.into(), ..Default::default() }
}

fn head(name: &str, owner: Option<&str>) -> HeadBucketInput {
    HeadBucketInput { bucket: name.into(), expected_bucket_owner: owner.map(str::to_owned) }
}

fn delete(name: &str) -> DeleteBucketInput {
    DeleteBucketInput { bucket: name.into(), expected_bucket_owner: None }
}

fn force() -> Call {
    Call::new().header("x-pocket-force-delete", "true")
}

#[tokio::test]
async fn granted_hints_are_shown_and_bad_ones_make_no_bucket() {
    let cluster = Cluster::start().await;
    let call = Call::new().header("x-pocket-object-ttl", "90s").header("x-pocket-workers", "2");
    let made = cluster.ops.create_bucket(call.with(create("hints"))).await.unwrap();
    assert_eq!(made.headers["x-pocket-object-ttl"], "1m 30s");
    let seen = cluster.ops.head_bucket(Call::new().with(head("hints", None))).await.unwrap();
    assert_eq!(seen.headers, made.headers);
    assert!(seen.headers.contains_key("x-pocket-job") && seen.headers.contains_key("x-pocket-capacity"));
    assert_eq!(seen.output.bucket_region.as_deref(), Some("us-east-1"));

    for (header, value, expected) in [
        ("x-pocket-ttl", "soon", "InvalidArgument"),
        ("x-pocket-colour", "blue", "InvalidArgument"),
        ("x-pocket-replicas", "3", "NotImplemented"),
    ] {
        let call = Call::new().header(header, value);
        assert_eq!(code(cluster.ops.create_bucket(call.with(create("refused"))).await), expected);
    }
    assert_eq!(code(cluster.ops.head_bucket(Call::new().with(head("refused", None))).await), "NoSuchBucket");
    assert_eq!(
        code(cluster.ops.create_bucket(Call::new().with(create("Bad_Name"))).await),
        "InvalidBucketName"
    );
}

#[tokio::test]
async fn a_bucket_that_one_owns_is_made_again_only_in_the_first_region() {
    let first = Cluster::start().await;
    first.bucket("again").await;
    assert_eq!(code(first.ops.create_bucket(Call::new().with(create("again"))).await), "no error");
    let taken = first.ops.create_bucket(Call::new().of("bob").with(create("again"))).await;
    assert_eq!(code(taken), "BucketAlreadyExists");

    let other = Cluster::in_region("local").await;
    other.bucket("again").await;
    let again = other.ops.create_bucket(Call::new().with(create("again"))).await;
    assert_eq!(code(again), "BucketAlreadyOwnedByYou");
    let location =
        |bucket: &str| GetBucketLocationInput { bucket: bucket.into(), expected_bucket_owner: None };
    let shown = other.ops.get_bucket_location(Call::new().with(location("again"))).await.unwrap().output;
    assert_eq!(shown.location_constraint.unwrap().as_str(), "local");
    let shown = first.ops.get_bucket_location(Call::new().with(location("again"))).await.unwrap().output;
    assert!(shown.location_constraint.is_none());
}

#[tokio::test]
async fn other_tenants_are_refused_and_so_is_an_owner_that_is_not_expected() {
    let cluster = Cluster::start().await;
    cluster.bucket("mine").await;
    cluster.put("mine", "a", "x").await;
    let input = || GetObjectInput { bucket: "mine".into(), key: "a".into(), ..Default::default() };
    assert_eq!(code(cluster.ops.get_object(Call::new().of("bob").with(input())).await), "AccessDenied");
    assert_eq!(code(cluster.ops.delete_bucket(force().of("bob").with(delete("mine"))).await), "AccessDenied");
    assert_eq!(
        code(cluster.ops.head_bucket(Call::new().with(head("mine", Some("alice")))).await),
        "no error"
    );
    assert_eq!(
        code(cluster.ops.head_bucket(Call::new().with(head("mine", Some("bob")))).await),
        "AccessDenied"
    );
    let wrong = DeleteBucketInput { expected_bucket_owner: Some("bob".into()), ..delete("mine") };
    assert_eq!(code(cluster.ops.delete_bucket(force().with(wrong)).await), "AccessDenied");
    assert_eq!(cluster.get("mine", "a").await.unwrap(), "x");
}

#[tokio::test]
async fn anonymous_callers_are_refused_whatever_they_ask_for() {
    let cluster = Cluster::start().await;
    cluster.bucket("mine").await;
    cluster.put("mine", "a", "x").await;
    let (ops, call) = (&cluster.ops, || Call::new().anonymous());
    let read = GetObjectInput { bucket: "mine".into(), key: "a".into(), ..Default::default() };
    let list = ListObjectsV2Input { bucket: "mine".into(), ..Default::default() };
    let write = PutObjectInput {
        bucket: "mine".into(),
        key: "b".into(),
        body: Some(blob(vec!["y".into()])),
        content_length: Some(1),
        ..Default::default()
    };
    for code in [
        code(ops.list_buckets(call().with(ListBucketsInput::default())).await),
        code(ops.create_bucket(call().with(create("new"))).await),
        code(ops.head_bucket(call().with(head("mine", None))).await),
        code(ops.head_bucket(call().with(head("mine", Some("alice")))).await),
        code(ops.delete_bucket(force().anonymous().with(delete("mine"))).await),
        code(ops.get_object(call().with(read)).await),
        code(ops.list_objects_v2(call().with(list)).await),
        code(ops.put_object(call().with(write)).await),
    ] {
        assert_eq!(code, "AccessDenied");
    }
    assert_eq!(code(ops.head_bucket(Call::new().with(head("new", None))).await), "NoSuchBucket");
    assert_eq!((cluster.get("mine", "a").await.unwrap(), cluster.keys("mine").await.len()), ("x".into(), 1));
}

#[tokio::test]
async fn a_bucket_that_holds_something_is_deleted_only_by_force_and_takes_all_its_bytes() {
    let cluster = Cluster::start().await;
    cluster.bucket("full").await;
    for i in 0..5 {
        cluster.put("full", &format!("k{i}"), pattern(1_000_000)).await;
    }
    assert_eq!(code(cluster.ops.delete_bucket(Call::new().with(delete("full"))).await), "BucketNotEmpty");
    let unclear = Call::new().header("x-pocket-force-delete", "yes");
    assert_eq!(code(cluster.ops.delete_bucket(unclear.with(delete("full"))).await), "InvalidArgument");
    assert!(cluster.used_bytes() > 0);
    cluster.ops.delete_bucket(force().with(delete("full"))).await.unwrap();
    assert_eq!(code(cluster.get("full", "k0").await), "NoSuchBucket");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    cluster.bucket("full").await;
    assert!(cluster.keys("full").await.is_empty(), "a new life of a name never sees the old one's data");
    cluster.ops.delete_bucket(Call::new().with(delete("full"))).await.unwrap();
    assert_eq!(code(cluster.ops.delete_bucket(Call::new().with(delete("full"))).await), "NoSuchBucket");
}

#[tokio::test]
async fn a_transfer_of_a_bucket_that_ends_is_cut() {
    let cluster = Cluster::start().await;
    cluster.bucket("cut").await;
    cluster.put("cut", "big", pattern(6 << 20)).await;
    let call = Call::new();
    let connection = call.connection.clone();
    let input = GetObjectInput { bucket: "cut".into(), key: "big".into(), ..Default::default() };
    let answer = cluster.ops.get_object(call.with(input)).await.unwrap();
    cluster.ops.delete_bucket(force().with(delete("cut"))).await.unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(20), connection.until_cut()).await.unwrap();
    drop(answer);
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_tenants_buckets_are_listed_in_pages_and_nobody_elses() {
    let cluster = Cluster::start().await;
    for name in ["ccc", "aaa", "abb"] {
        cluster.bucket(name).await;
    }
    cluster.ops.create_bucket(Call::new().of("bob").with(create("bbb"))).await.unwrap();
    let list = async |input: ListBucketsInput| {
        let output = cluster.ops.list_buckets(Call::new().with(input)).await?.output;
        let names: Vec<_> = output.buckets.unwrap().into_iter().filter_map(|b| b.name).collect();
        Ok::<_, s3s::S3Error>((names, output.continuation_token))
    };
    assert_eq!(list(ListBucketsInput::default()).await.unwrap().0, ["aaa", "abb", "ccc"]);
    let page = ListBucketsInput { max_buckets: Some(2), ..Default::default() };
    let (names, token) = list(page.clone()).await.unwrap();
    assert_eq!(names, ["aaa", "abb"]);
    let rest = list(ListBucketsInput { continuation_token: token, ..page }).await.unwrap();
    assert_eq!(rest, (vec!["ccc".to_owned()], None));
    let prefixed = ListBucketsInput { prefix: Some("a".into()), ..Default::default() };
    assert_eq!(list(prefixed).await.unwrap(), (vec!["aaa".to_owned(), "abb".to_owned()], None));
    let elsewhere = ListBucketsInput { bucket_region: Some("mars-1".into()), ..Default::default() };
    assert!(list(elsewhere).await.unwrap().0.is_empty());
    assert_eq!(
        code(list(ListBucketsInput { max_buckets: Some(0), ..Default::default() }).await),
        "InvalidArgument"
    );
}

#[tokio::test]
async fn settings_that_are_not_there_answer_as_s3_does() {
    let cluster = Cluster::start().await;
    cluster.bucket("settings").await;
    let cors = |bucket: &str| GetBucketCorsInput { bucket: bucket.into(), expected_bucket_owner: None };
    let found = cluster.ops.get_bucket_cors(Call::new().with(cors("settings"))).await;
    assert_eq!(code(found), "NoSuchCORSConfiguration");
    assert_eq!(code(cluster.ops.get_bucket_cors(Call::new().with(cors("nowhere"))).await), "NoSuchBucket");
    let input = GetBucketEncryptionInput { bucket: "settings".into(), expected_bucket_owner: None };
    let error = cluster.ops.get_bucket_encryption(Call::new().with(input)).await.unwrap_err();
    assert_eq!(
        (error.code().as_str(), error.status_code().unwrap().as_u16()),
        ("ServerSideEncryptionConfigurationNotFoundError", 404)
    );
    let input = GetBucketVersioningInput { bucket: "settings".into(), expected_bucket_owner: None };
    let output = cluster.ops.get_bucket_versioning(Call::new().with(input)).await.unwrap().output;
    assert!(output.status.is_none());
}
