//! Requests that nobody signed, or that somebody else did, or something else of.

use super::{expect_refusal, fixture};
use pocket_compat_tests::http::Connection;
use pocket_compat_tests::s3::Client;
use std::time::{Duration, SystemTime};

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
