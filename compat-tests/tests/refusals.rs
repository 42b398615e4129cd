//! What must be refused: never ignored, never half done. Each case says what S3 says and leaves every object as it was.

use pocket_compat_tests::checksums::{checksum, sha256_hex};
use pocket_compat_tests::http::{Connection, Response};
use pocket_compat_tests::s3::{Client, Request};
use pocket_compat_tests::server::Server;
use pocket_compat_tests::unique_bucket;
use pocket_compat_tests::xml::{escape, text, texts};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

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
        for method in ["GET", "PUT", "POST", "DELETE"] {
            expect_refusal(
                &format!("{method} ?{name} on a bucket"),
                &f.on_bucket(method).query(name, "").send(),
            );
            let on_key = f.on_key(method, "k").query(name, "").send();
            expect_refusal(&format!("{method} ?{name} on an object"), &on_key);
        }
    }
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
fn headers_that_are_not_signed_are_refused() {
    let f = fixture();
    f.client.put(&format!("/{}/secret", f.bucket), b"of another").expect(200);
    let source = format!("{}/secret", f.bucket);
    for (name, value) in [
        ("x-amz-copy-source", source.as_str()),
        ("x-amz-meta-added", "1"),
        ("x-amz-storage-class", "STANDARD"),
        ("x-amz-metadata-directive", "REPLACE"),
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-pocket-ttl", "1s"),
        ("x-pocket-reads", "1"),
    ] {
        let by_header = f.on_key("PUT", "k").body(b"bent").unsigned_header(name, value).send();
        by_header.expect_error(403, "AccessDenied");
        let presigned = f.on_key("PUT", "k").body(b"bent").presigned(Duration::from_secs(60));
        presigned.unsigned_header(name, value).send().expect_error(403, "AccessDenied");
    }
    let read = f.on_key("GET", "k").unsigned_header("x-pocket-delete-after-read", "true").send();
    read.expect_error(403, "AccessDenied");
    f.on_bucket("DELETE")
        .unsigned_header("x-pocket-force-delete", "true")
        .send()
        .expect_error(403, "AccessDenied");
    f.on_key("DELETE", "secret").send().expect(204);
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
        ("x-amz-no-such-header", "1"),
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
fn signatures_that_are_wrong_are_told_apart() {
    let f = fixture();
    let with = |change: &dyn Fn(&mut Client)| {
        let mut client = f.client.clone();
        change(&mut client);
        client
    };
    let path = format!("/{}/k", f.bucket);
    with(&|c| c.secret_key.push('x')).get(&path).expect_error(403, "SignatureDoesNotMatch");
    with(&|c| c.access_key = "NOBODY".into()).get(&path).expect_error(403, "InvalidAccessKeyId");
    with(&|c| c.region = "mars-north-7".into()).get(&path).expect(200);
    let past = SystemTime::now() - Duration::from_secs(20 * 60);
    let future = SystemTime::now() + Duration::from_secs(20 * 60);
    f.on_key("GET", "k").at(past).send().expect_error(403, "RequestTimeTooSkewed");
    f.on_key("GET", "k").at(future).send().expect_error(403, "RequestTimeTooSkewed");
    f.on_key("GET", "k").at(SystemTime::now() - Duration::from_secs(10 * 60)).send().expect(200);
    f.on_key("GET", "k").presigned(Duration::from_secs(60)).at(past).send().expect_error(403, "AccessDenied");
    f.on_key("GET", "k").presigned(Duration::from_secs(3_600)).at(past).send().expect(200);
    let week = Duration::from_secs(8 * 86_400);
    expect_refusal("a week and a day", &f.on_key("GET", "k").presigned(week).send());
    let host = &f.client.address;
    let anonymous = f.raw(&format!("GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n")).unwrap();
    anonymous.expect_error(403, "AccessDenied");
    for authorization in
        ["AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=a, Signature=b", "Basic dTpw", "", "\u{1}"]
    {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: {authorization}\r\n\r\n");
        let answer = f.raw(&request).unwrap();
        assert!(matches!(answer.status, 400 | 403), "{authorization:?}: {}", answer.status);
    }
    f.expect_untouched();
}

#[test]
fn a_request_that_was_signed_for_something_else_is_refused() {
    let f = fixture();
    let (head, _) = f.on_key("GET", "k").into_parts();
    let head = String::from_utf8(head).unwrap();
    for (from, to) in [
        ("GET ", "HEAD "),
        ("/k HTTP", "/l HTTP"),
        ("/k HTTP", "/k?versionId=null HTTP"),
        ("x-amz-content-sha256: e3b0", "x-amz-content-sha256: e3b1"),
    ] {
        assert!(head.contains(from), "{from:?} in {head}");
        let mut connection = Connection::open(&f.client.address).unwrap();
        connection.send(head.replacen(from, to, 1).as_bytes()).unwrap();
        let answer = connection.receive(to == "HEAD ").unwrap();
        assert_eq!(answer.status, 403, "{from:?} -> {to:?}: {}", answer.text());
    }
    f.expect_untouched();
}

#[test]
fn deleting_many_with_a_wrong_digest_deletes_nothing() {
    let f = fixture();
    let xml = b"<Delete><Object><Key>k</Key></Object></Delete>";
    let post = || f.on_bucket("POST").query("delete", "").body(xml);
    post().header("content-md5", &checksum("md5", b"another")).send().expect_error(400, "BadDigest");
    post().header("x-amz-checksum-crc32", "AAAAAA==").send().expect_error(400, "BadDigest");
    post().payload(&sha256_hex(b"another")).send().expect_error(400, "XAmzContentSHA256Mismatch");
    f.expect_untouched();
    for body in [&b"not xml"[..], b"", b"<Delete>", b"<Delete></Delete>", b"<Other/>", b"\xff\xfe"] {
        let answer = f.on_bucket("POST").query("delete", "").body(body).send();
        assert_eq!(answer.status, 400, "{body:?}: {}", answer.text());
    }
    let many: String = (0..1_001).map(|n| format!("<Object><Key>k{n}</Key></Object>")).collect();
    let too_many = format!("<Delete><Object><Key>k</Key></Object>{many}</Delete>");
    let answer = f.on_bucket("POST").query("delete", "").body(too_many.as_bytes()).send();
    answer.expect_error(400, "MalformedXML");
    f.expect_untouched();
    // With and without a namespace, with either digest, and with none.
    for digest in ["content-md5", "x-amz-checksum-sha256", ""] {
        f.client.put(&format!("/{}/gone & <x>", f.bucket), b"x").expect(200);
        let key = escape("gone & <x>");
        let xml = format!(
            "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Object><Key>{key}</Key></Object></Delete>"
        );
        let mut request = f.on_bucket("POST").query("delete", "").body(xml.as_bytes());
        if !digest.is_empty() {
            let algorithm = if digest == "content-md5" { "md5" } else { "sha256" };
            request = request.header(digest, &checksum(algorithm, xml.as_bytes()));
        }
        let answer = request.send().expect(200).text();
        assert_eq!(texts(&answer, "Key"), ["gone & <x>"], "{answer}");
    }
    f.expect_untouched();
}

#[test]
fn keys_in_a_document_are_what_xml_says_and_nothing_in_it_is_passed_over() {
    let f = fixture();
    let keys = ["a<&>b", "dir/x", "two\nlines", "\u{1f600}"];
    keys.iter().for_each(|key| drop(f.on_key("PUT", key).body(b"x").send().expect(200)));
    let delete = |xml: &str| f.on_bucket("POST").query("delete", "").body(xml.as_bytes()).send();
    for xml in [
        "<Delete><Object><Key>k</Key></Object><Objects/></Delete>",
        "<Delete><Object><Key>k</Key><Colour/></Object></Delete>",
        "<Delete><Object><Key>k</Key></Object>and more</Delete>",
        "<Delete><Object><Key>k</Key></Object></Delete><Delete/>",
        "<!DOCTYPE d [<!ENTITY e \"k\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
        "<!DOCTYPE d SYSTEM \"file:///etc/passwd\"><Delete><Object><Key>k</Key></Object></Delete>",
        "<?xml version=\"1.0\" encoding=\"UTF-16\"?><Delete><Object><Key>\u{fc}</Key></Object></Delete>",
        "<Tagging><TagSet/></Tagging>",
        &"<Delete>".repeat(100_000),
    ] {
        delete(xml).expect_error(400, "MalformedXML");
    }
    let tagging = "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag><Colour/></TagSet></Tagging>";
    let tag = f.on_key("PUT", "k").query("tagging", "").body(tagging.as_bytes());
    tag.send().expect_error(400, "MalformedXML");
    // The key is not "k", though that is all of it that stands outside.
    let xml = "<Delete><Object><Key>k<![CDATA[x]]></Key></Object><Object><Key><![CDATA[a<&>b]]></Key></Object>\
               <Object><Key>dir/&#120;</Key></Object><Object><Key>two\r\nlines</Key></Object>\
               <Object><Key>&#128512;</Key></Object></Delete>";
    let answer = delete(xml).expect(200).text();
    assert_eq!(texts(&answer, "Key"), ["kx", "a<&>b", "dir/x", "two\nlines", "\u{1f600}"], "{answer}");
    f.expect_untouched();
    for key in keys {
        f.on_key("HEAD", key).send().expect(404);
    }
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
    for (name, value) in
        [("max-keys", "abc"), ("max-keys", "-1"), ("list-type", "7"), ("encoding-type", "rot13")]
    {
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
fn a_smuggled_request_is_not_answered() {
    let f = fixture();
    let (head, _) = f.on_key("PUT", "smuggled").body(b"").into_parts();
    let inner = String::from_utf8(head).unwrap();
    let host = &f.client.address;
    let outer = format!(
        "GET / HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
        inner.len() + 5
    );
    let mut connection = Connection::open(host).unwrap();
    connection.send(outer.as_bytes()).unwrap();
    if let Ok(first) = connection.receive(false) {
        assert!(first.status >= 400, "{} {}", first.status, first.text());
        assert!(connection.receive(false).is_err(), "the second request was answered");
    }
    f.expect_untouched();
}

#[test]
fn nonsense_on_the_wire_ends_its_connection_and_nothing_else() {
    let f = fixture();
    let host = &f.client.address;
    let long_line = format!("GET /{} HTTP/1.1\r\nhost: {host}\r\n\r\n", "x".repeat(100_000));
    let many_headers: String = (0..1_000).map(|n| format!("x-{n}: y\r\n")).collect();
    let many_headers = format!("GET / HTTP/1.1\r\nhost: {host}\r\n{many_headers}\r\n");
    for bytes in [
        "\0\0\0\0\0\0\0\0\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "NOT HTTP AT ALL\r\n\r\n",
        "GET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        "GET /%ff%fe/k HTTP/1.1\r\nhost: x\r\n\r\n",
        "PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: -5\r\n\r\n",
        "PUT /b/k HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n",
        &long_line,
        &many_headers,
    ] {
        if let Ok(answer) = f.raw(bytes) {
            assert!(
                (400..500).contains(&answer.status),
                "{:?}: {}",
                &bytes[..bytes.len().min(40)],
                answer.status
            );
        }
    }
    f.expect_untouched();
    assert_eq!(pocket_compat_tests::http::get(&f.server.admin, "/livez").unwrap().status, 200);
}

#[test]
fn a_bucket_in_the_host_header_is_none_without_a_domain() {
    let f = fixture();
    let mut elsewhere = f.client.clone();
    // The name resolves nowhere: the request goes to the same socket with another Host.
    elsewhere.address = format!("{}.s3.example.com", f.bucket);
    let (head, _) = elsewhere.request("GET", &format!("/{}/k", f.bucket)).into_parts();
    let mut connection = Connection::open(&f.client.address).unwrap();
    connection.send(&head).unwrap();
    assert_eq!(connection.receive(false).unwrap().expect(200).text(), "kept");
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
