//! What the bucket operations promise: a bucket is a job, and it belongs to a tenant.

use crate::cluster::{CAPACITY_BYTES, Cluster, FORCE, eventually, pattern};
use crate::in_process::ask::Ask;
use http::{HeaderMap, Method};
use std::time::Duration;

/// What a bucket was granted.
fn granted(headers: &HeaderMap) -> HeaderMap {
    let ours = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
        name.as_str().starts_with("x-pocket-").then(|| (name.clone(), value.clone()))
    };
    headers.iter().filter_map(ours).collect()
}

#[tokio::test]
async fn granted_hints_are_shown_and_bad_ones_make_no_bucket() {
    let cluster = Cluster::start().await;
    let hints = [("x-pocket-object-ttl", "90s"), ("x-pocket-workers", "2")];
    let made = cluster.create_bucket("hints").headers(&hints).await.ok();
    assert_eq!(made.header("x-pocket-object-ttl"), Some("1m30s"));
    let seen = cluster.head_bucket("hints").await.ok();
    assert_eq!(granted(&seen.headers), granted(&made.headers));
    assert!(seen.headers.contains_key("x-pocket-job"));
    assert_eq!(seen.header("x-amz-bucket-region"), Some("us-east-1"));

    for (header, value, expected) in [
        ("x-pocket-ttl", "soon", "InvalidArgument"),
        ("x-pocket-colour", "blue", "InvalidArgument"),
        ("x-pocket-replicas", "3", "NotImplemented"),
    ] {
        assert_eq!(cluster.create_bucket("refused").header(header, value).await.code(), expected);
    }
    assert_eq!(cluster.head_bucket("refused").await.status, 404);
    assert_eq!(cluster.create_bucket("Bad_Name").await.code(), "InvalidBucketName");
}

#[tokio::test]
async fn what_was_asked_what_follows_and_what_there_is_are_told_apart() {
    let cluster = Cluster::start().await;
    let shown = async |bucket: &'static str, hints: &'static [(&'static str, &'static str)]| {
        cluster.create_bucket(bucket).headers(hints).await.ok();
        let seen = cluster.head_bucket(bucket).await.ok();
        ["capacity", "derived-capacity", "derived-throughput", "servers-capacity"]
            .map(|name| seen.header(&format!("x-pocket-{name}")).map(str::to_owned))
    };
    let there_is = Some((2 * CAPACITY_BYTES).to_string());
    let number = |n: u64| Some(n.to_string());
    assert_eq!(shown("silent", &[]).await, [None, None, None, None], "nothing is made up");
    let of_workers = shown("workers", &[("x-pocket-workers", "8")]).await;
    assert_eq!(of_workers, [None, number(1_176_000_000_000), number(600_000_000), there_is.clone()]);
    let more_than_there_is = shown("much", &[("x-pocket-capacity", "100TB")]).await;
    assert_eq!(more_than_there_is, [number(100_000_000_000_000), None, number(51_020_408_163), there_is]);
}

#[tokio::test]
async fn a_bucket_that_one_owns_is_made_again_only_in_the_first_region() {
    let first = Cluster::start().await;
    first.bucket("again").await;
    assert_eq!(first.create_bucket("again").await.code(), "no error");
    assert_eq!(first.create_bucket("again").by("bob").await.code(), "BucketAlreadyExists");

    let other = Cluster::in_region("local").await;
    other.bucket("again").await;
    assert_eq!(other.create_bucket("again").await.code(), "BucketAlreadyOwnedByYou");
    let region = async |cluster: &Cluster| {
        let shown = cluster.get_bucket("again").query("location", "").await.ok();
        let text = std::str::from_utf8(&shown.body).unwrap();
        let document = roxmltree::Document::parse(text).unwrap();
        assert_eq!(document.root_element().tag_name().name(), "LocationConstraint");
        document.root_element().text().map(str::to_owned)
    };
    assert_eq!(region(&other).await.as_deref(), Some("local"));
    assert_eq!(region(&first).await, None);
}

#[tokio::test]
async fn a_bucket_that_is_made_again_has_the_hints_that_are_asked_or_is_refused() {
    let cluster = Cluster::start().await;
    let ask = |ttl: &'static str| cluster.create_bucket("again").header("x-pocket-object-ttl", ttl);
    ask("1m").await.ok();
    assert_eq!(ask("60s").await.header("x-pocket-object-ttl"), Some("1m"), "the same in other words");
    assert_eq!(cluster.create_bucket("again").await.status, 200, "nothing is asked");
    let other = ask("2m").await;
    assert_eq!((other.status, other.code().as_str()), (409, "BucketAlreadyOwnedByYou"));
    let message = other.text("Message").unwrap();
    assert!(message.contains("\"object-ttl\" is 1m, not 2m"), "{message}");
    let also =
        cluster.create_bucket("again").headers(&[("x-pocket-object-ttl", "1m"), ("x-pocket-wait", "1s")]);
    assert_eq!(also.await.code(), "BucketAlreadyOwnedByYou");

    let tags = "<Tagging><TagSet><Tag><Key>pocket:object-ttl</Key><Value>2m</Value></Tag></TagSet></Tagging>";
    cluster.ask(Method::PUT, "/again").query("tagging", "").body(tags).await.ok();
    for ttl in ["1m", "2m"] {
        assert_eq!(ask(ttl).await.header("x-pocket-object-ttl"), Some("2m"), "as it was made, and as it is");
    }
    assert_eq!(ask("3m").await.code(), "BucketAlreadyOwnedByYou");
}

#[tokio::test]
async fn other_tenants_are_refused_and_so_is_an_owner_that_is_not_expected() {
    let cluster = Cluster::start().await;
    cluster.bucket("mine").await;
    cluster.stored("mine", "a", "x").await;
    let of = |ask: Ask, owner: &str| ask.header("x-amz-expected-bucket-owner", owner);
    assert_eq!(cluster.get("mine", "a").by("bob").await.code(), "AccessDenied");
    let forced = || cluster.delete_bucket("mine").headers(&[FORCE]);
    assert_eq!(forced().by("bob").await.code(), "AccessDenied");
    assert_eq!(of(cluster.head_bucket("mine"), "alice").await.status, 200);
    assert_eq!(of(cluster.head_bucket("mine"), "bob").await.status, 403);
    assert_eq!(of(forced(), "bob").await.code(), "AccessDenied");
    assert_eq!(cluster.get("mine", "a").await.ok().body, "x");
}

#[tokio::test]
async fn anonymous_callers_are_refused_whatever_they_ask_for() {
    let cluster = Cluster::start().await;
    cluster.bucket("mine").await;
    cluster.stored("mine", "a", "x").await;
    for ask in [
        cluster.ask(Method::GET, "/"),
        cluster.create_bucket("new"),
        cluster.delete_bucket("mine").headers(&[FORCE]),
        cluster.get("mine", "a"),
        cluster.get_bucket("mine").query("list-type", 2),
        cluster.put("mine", "b", "y"),
    ] {
        assert_eq!(ask.anonymous().await.code(), "AccessDenied");
    }
    // Answers to these have no document.
    for ask in [
        cluster.head_bucket("mine"),
        cluster.head_bucket("mine").header("x-amz-expected-bucket-owner", "alice"),
    ] {
        assert_eq!(ask.anonymous().await.status, 403);
    }
    assert_eq!(cluster.head_bucket("new").await.status, 404);
    assert_eq!(cluster.get("mine", "a").await.ok().body, "x");
    assert_eq!(cluster.keys("mine").await.len(), 1);
}

#[tokio::test]
async fn a_bucket_that_holds_something_is_deleted_only_by_force_and_takes_all_its_bytes() {
    let cluster = Cluster::start().await;
    cluster.bucket("full").await;
    for i in 0..5 {
        cluster.stored("full", &format!("k{i}"), pattern(1_000_000)).await;
    }
    let delete = || cluster.delete_bucket("full");
    assert_eq!(delete().await.code(), "BucketNotEmpty");
    assert_eq!(delete().header("x-pocket-force-delete", "yes").await.code(), "InvalidArgument");
    assert!(cluster.used_bytes() > 0);
    delete().headers(&[FORCE]).await.ok();
    assert_eq!(cluster.get("full", "k0").await.code(), "NoSuchBucket");
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
    cluster.bucket("full").await;
    assert!(cluster.keys("full").await.is_empty(), "a new life of a name never sees the old one's data");
    delete().await.ok();
    assert_eq!(delete().await.code(), "NoSuchBucket");
}

#[tokio::test]
async fn a_gateway_that_knows_an_ended_life_of_a_bucket_finds_the_new_one() {
    let cluster = Cluster::start().await;
    let other = cluster.another_gateway().await;
    cluster.bucket("lives").await;
    cluster.stored("lives", "a", "old").await;
    let through_other = |key: &str| cluster.get("lives", key).to(&other);
    assert_eq!(through_other("a").await.ok().body, "old");
    cluster.delete_bucket("lives").headers(&[FORCE]).await.ok();
    assert_eq!(through_other("a").await.code(), "NoSuchBucket");
    cluster.bucket("lives").await;
    cluster.stored("lives", "b", "new").await;
    assert_eq!(through_other("a").await.code(), "NoSuchKey");
    assert_eq!(through_other("b").await.ok().body, "new");
    // It has the second life's placement by now; the third is another job again.
    cluster.delete_bucket("lives").headers(&[FORCE]).await.ok();
    cluster.bucket("lives").await;
    cluster.put("lives", "c", "newest").to(&other).await.ok();
    assert_eq!(cluster.get("lives", "c").await.ok().body, "newest");
}

#[tokio::test]
async fn a_transfer_of_a_bucket_that_ends_is_cut() {
    let cluster = Cluster::start().await;
    cluster.bucket("cut").await;
    cluster.stored("cut", "big", pattern(6 << 20)).await;
    let get = cluster.get("cut", "big");
    let connection = get.connection.clone();
    let answer = get.begin().await;
    assert_eq!(answer.status(), 200);
    cluster.delete_bucket("cut").headers(&[FORCE]).await.ok();
    tokio::time::timeout(Duration::from_secs(20), connection.until_cut()).await.unwrap();
    drop(answer);
    eventually("the space came back", async || cluster.used_bytes() == 0).await;
}

#[tokio::test]
async fn a_tenants_buckets_are_listed_in_pages_and_nobody_elses() {
    let cluster = Cluster::start().await;
    for name in ["ccc", "aaa", "abb"] {
        cluster.bucket(name).await;
    }
    cluster.create_bucket("bbb").by("bob").await.ok();
    let list = || cluster.ask(Method::GET, "/");
    let shown = async |ask: Ask| {
        let reply = ask.await.ok();
        (reply.texts("Buckets/Bucket/Name"), reply.text("ContinuationToken"))
    };
    assert_eq!(shown(list()).await.0, ["aaa", "abb", "ccc"]);
    let page = || list().query("max-buckets", 2);
    let (names, token) = shown(page()).await;
    assert_eq!(names, ["aaa", "abb"]);
    let rest = shown(page().query("continuation-token", token.unwrap())).await;
    assert_eq!(rest, (vec!["ccc".to_owned()], None));
    let prefixed = shown(list().query("prefix", "a")).await;
    assert_eq!(prefixed, (vec!["aaa".to_owned(), "abb".to_owned()], None));
    assert!(shown(list().query("bucket-region", "mars-1")).await.0.is_empty());
    assert_eq!(list().query("max-buckets", 0).await.code(), "InvalidArgument");
}

#[tokio::test]
async fn settings_that_are_not_there_answer_as_s3_does() {
    let cluster = Cluster::start().await;
    cluster.bucket("settings").await;
    let get = |bucket: &str, setting: &str| cluster.get_bucket(bucket).query(setting, "");
    assert_eq!(get("settings", "cors").await.code(), "NoSuchCORSConfiguration");
    assert_eq!(get("nowhere", "cors").await.code(), "NoSuchBucket");
    let encryption = get("settings", "encryption").await;
    assert_eq!(
        (&*encryption.code(), encryption.status),
        ("ServerSideEncryptionConfigurationNotFoundError", 404)
    );
    assert_eq!(get("settings", "versioning").await.ok().text("Status"), None);
}
