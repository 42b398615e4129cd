//! What must be refused: never ignored, never half done. Each case says what S3 says and leaves every object as it was.

mod documents;
mod signing;
mod wire;

use pocket_compat_tests::http::{Connection, Response};
use pocket_compat_tests::s3::{Client, Request};
use pocket_compat_tests::server::Server;
use pocket_compat_tests::unique_bucket;
use pocket_compat_tests::xml::text;
use std::sync::Arc;

struct Fixture {
    client: Client,
    bucket: String,
    server: Arc<Server>,
}

/// A bucket with one object, `k`, that holds `kept`.
fn fixture() -> Fixture {
    let server = Server::embedded();
    let (client, bucket) = (server.client(), unique_bucket("refuse"));
    client.create_bucket(&bucket, &[]);
    client.put(&format!("/{bucket}/k"), b"kept").expect(200);
    Fixture { client, bucket, server }
}

impl Fixture {
    fn on_bucket(&self, method: &'static str) -> Request {
        self.client.request(method, &format!("/{}", self.bucket))
    }

    fn on_key(&self, method: &'static str, key: &str) -> Request {
        self.client.request(method, &format!("/{}/{key}", self.bucket))
    }

    /// Only `k` is there and holds what it held.
    #[track_caller]
    fn expect_untouched(&self) {
        assert_eq!(self.on_key("GET", "k").send().expect(200).text(), "kept");
        assert_eq!(self.client.list_all(&self.bucket, 1_000), ["k"]);
    }

    /// Sends bytes as they are and takes the answer.
    fn raw(&self, bytes: &str) -> std::io::Result<Response> {
        let mut connection = Connection::open(&self.client.address)?;
        connection.send(bytes.as_bytes())?;
        connection.receive(false)
    }
}

impl Drop for Fixture {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.client.end_bucket(&self.bucket);
        }
    }
}

/// A refusal: a client error or "not implemented", with S3's XML where the method lets it.
#[track_caller]
fn expect_refusal(what: &str, response: &Response) {
    assert!(matches!(response.status, 400..=499 | 501), "{what}: {} {}", response.status, response.text());
    assert!(!response.code().is_empty(), "{what}: no S3 error in {:?}", response.text());
    assert!(
        text(&response.text(), "RequestId").is_some_and(|id| !id.is_empty()),
        "{what}: {}",
        response.text()
    );
}

#[test]
fn sub_resources_that_nobody_knows_touch_nothing() {
    let f = fixture();
    for name in ["unknown", "anythingUnknown", "x", "uploadsx", "Delete"] {
        for method in ["PUT", "POST", "DELETE"] {
            expect_refusal(
                &format!("{method} ?{name} on a bucket"),
                &f.on_bucket(method).query(name, "").send(),
            );
            let on_key = f.on_key(method, "k").query(name, "").send();
            expect_refusal(&format!("{method} ?{name} on an object"), &on_key);
        }
    }
    // What only reads passes over what means nothing, and never what means something elsewhere.
    f.on_key("GET", "k").query("unknown", "").send().expect(200);
    f.on_bucket("GET").query("unknown", "").query("list-type", "1").send().expect(200);
    expect_refusal("GET ?Delete", &f.on_key("GET", "k").query("Delete", "").send());
    f.expect_untouched();
}

#[test]
fn sub_resources_that_are_not_built_are_501_and_touch_nothing() {
    let f = fixture();
    for name in ["website", "versioning", "encryption", "replication", "policyStatus"] {
        f.on_bucket("PUT").query(name, "").body(b"<x/>").send().expect_error(501, "NotImplemented");
    }
    for name in ["acl", "website", "encryption", "replication"] {
        f.on_bucket("DELETE").query(name, "").send().expect_error(501, "NotImplemented");
    }
    f.on_key("PUT", "k")
        .query("renameObject", "")
        .body(b"<x/>")
        .send()
        .expect_error(400, "UnexpectedContent");
    f.on_key("PUT", "k").query("renameObject", "").send().expect_error(400, "InvalidRequest");
    for name in ["retention", "legal-hold"] {
        f.on_key("PUT", "k").query(name, "").body(b"<x/>").send().expect_error(501, "NotImplemented");
    }
    for (name, value) in [("restore", ""), ("select", ""), ("torrent", "")] {
        let method = if name == "torrent" { "GET" } else { "POST" };
        f.on_key(method, "k").query(name, value).send().expect_error(501, "NotImplemented");
    }
    // A verb that the sub-resource does not go with.
    expect_refusal("PUT ?restore", &f.on_key("PUT", "k").query("restore", "").send());
    f.expect_untouched();
}

#[test]
fn a_version_that_is_not_there_is_refused() {
    let f = fixture();
    for method in ["GET", "DELETE"] {
        let answer = f.on_key(method, "k").query("versionId", "3sL4kqtJlcpXroDTDmJ").send();
        expect_refusal(&format!("{method} ?versionId"), &answer);
    }
    f.expect_untouched();
}

#[test]
fn headers_that_nobody_acts_on_are_refused() {
    let f = fixture();
    for (name, value) in [
        ("x-amz-server-side-encryption", "aws:kms"),
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-object-lock-mode", "GOVERNANCE"),
        ("x-amz-tagging", "a=b*c"),
        ("x-amz-tagging-directive", "REPLACE"),
        ("x-amz-grant-read", "id=1"),
        ("x-amz-acl", "public-read"),
        ("x-amz-website-redirect-location", "/x"),
        ("x-amz-checksum-no-such", "1"),
    ] {
        let answer = f.on_key("PUT", "k").body(b"bent").header(name, value).send();
        expect_refusal(name, &answer);
    }
    for (method, name, value) in [
        ("PUT", "x-pocket-tll", "5s"),
        ("PUT", "x-pocket-force-delete", "true"),
        ("GET", "x-pocket-ttl", "5s"),
        ("DELETE", "x-pocket-reads", "1"),
    ] {
        expect_refusal(name, &f.on_key(method, "k").body(b"").header(name, value).send());
    }
    f.expect_untouched();
}

#[test]
fn the_expected_owner_is_held_by_every_verb() {
    let f = fixture();
    let owner = ("x-amz-expected-bucket-owner", "999988887777");
    f.on_key("PUT", "k").body(b"bent").header(owner.0, owner.1).send().expect_error(403, "AccessDenied");
    f.on_key("GET", "k").header(owner.0, owner.1).send().expect_error(403, "AccessDenied");
    f.on_key("DELETE", "k").header(owner.0, owner.1).send().expect_error(403, "AccessDenied");
    f.on_bucket("DELETE").header(owner.0, owner.1).header("x-pocket-force-delete", "true").send().expect(403);
    f.on_bucket("GET").query("list-type", "2").header(owner.0, owner.1).send().expect(403);
    f.expect_untouched();
}

#[test]
fn bad_numbers_are_400_and_never_500() {
    let f = fixture();
    for (name, value) in
        [("partNumber", "abc"), ("partNumber", "0"), ("partNumber", "10001"), ("partNumber", "-1")]
    {
        let answer = f.on_key("GET", "k").query(name, value).send();
        assert!(matches!(answer.status, 400 | 416), "{name}={value}: {}", answer.text());
    }
    for (name, value) in [("max-keys", "abc"), ("max-keys", "-1"), ("encoding-type", "rot13")] {
        let answer = f.on_bucket("GET").query(name, value).send();
        answer.expect_error(400, "InvalidArgument");
    }
    f.on_key("PUT", "k")
        .body(b"x")
        .header("x-pocket-ttl", "soon")
        .send()
        .expect_error(400, "InvalidArgument");
    f.expect_untouched();
}

#[test]
fn conditions_that_cannot_be_held_are_not_ignored() {
    let f = fixture();
    let etag = f.client.head(&format!("/{}/k", f.bucket)).expect(200).header("etag").unwrap().to_owned();
    let other = format!("\"{}\"", "0".repeat(32));
    f.on_key("PUT", "k")
        .body(b"bent")
        .header("if-none-match", "*")
        .send()
        .expect_error(412, "PreconditionFailed");
    f.on_key("PUT", "k")
        .body(b"bent")
        .header("if-match", &other)
        .send()
        .expect_error(412, "PreconditionFailed");
    f.on_key("DELETE", "k").header("if-match", &other).send().expect_error(412, "PreconditionFailed");
    // S3 knows no such condition on a PUT: never a 304, never a write.
    let answer = f.on_key("PUT", "k").body(b"bent").header("if-none-match", &etag).send();
    expect_refusal("PUT with If-None-Match of a tag", &answer);
    let dated = f
        .on_key("PUT", "k")
        .body(b"bent")
        .header("if-unmodified-since", "Thu, 01 Jan 1970 00:00:00 GMT")
        .send();
    expect_refusal("PUT with If-Unmodified-Since", &dated);
    f.expect_untouched();
}

#[test]
fn names_that_cannot_be_are_refused() {
    let f = fixture();
    for bucket in ["ab", "Upper", "under_score", "-dash", "a..b", "10.0.0.1"] {
        let answer = f.client.request("PUT", &format!("/{bucket}")).send();
        answer.expect_error(400, "InvalidBucketName");
    }
    let long = "k".repeat(1_025);
    f.on_key("PUT", &long).body(b"x").send().expect_error(400, "KeyTooLongError");
    f.on_key("PUT", &"k".repeat(1_024)).body(b"x").send().expect(200);
    f.on_key("DELETE", &"k".repeat(1_024)).send().expect(204);
    f.expect_untouched();
}

#[test]
fn hints_that_cannot_be_granted_register_nothing() {
    let f = fixture();
    for (name, value, status) in [
        ("ttl", "5 fortnights", 400),
        ("ttl", "0s", 400),
        ("workers", "many", 400),
        ("wait", "6m", 400),
        ("latency-sensitive", "rather", 400),
        ("tier", "tape", 400),
        ("tier", "nvme", 501),
        ("replicas", "2", 501),
        ("seal", "on", 501),
        ("persist", "on", 501),
        ("on-full", "evict", 501),
        ("backing", "s3://x", 501),
        ("class", "nightly", 501),
        ("colour", "blue", 400),
    ] {
        let bucket = unique_bucket("hint");
        let request =
            f.client.request("PUT", &format!("/{bucket}")).header(&format!("x-pocket-{name}"), value);
        let answer = request.send();
        assert_eq!(answer.status, status, "{name}={value}: {}", answer.text());
        assert!(
            text(&answer.text(), "Message").is_some_and(|m| m.contains(name)),
            "{name}: {}",
            answer.text()
        );
        f.client.head(&format!("/{bucket}")).expect(404);
    }
}
