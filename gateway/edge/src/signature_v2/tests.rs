//! Verification against S3's documented example, and against URLs that boto3 1.43.11 made at the moment of the examples.

use super::super::arrived::Arrived;
use super::super::proof::Signed;
use super::super::signature::verify;
use super::*;
use crate::credentials::Credentials;
use http::{HeaderValue, Method};
use pocket_access::refusal::ErrorCode;
use pocket_api::names::TenantName;
use proptest::prelude::*;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// When boto3 made its URLs, for a minute.
const MOMENT_SECS: u64 = 1_369_353_600;

/// Method, target without the access key, signature.
const BOTO3: [(&str, &str, &str); 10] = [
    ("GET", "/bucket/dir/a%20b%2Bc~%C3%BC.bin?", "mJvK93%2Bi6CBDyhvvOuDz%2FhLUojQ%3D"),
    (
        "GET",
        "/bucket/k?response-content-disposition=attachment%3B%20filename%3D%22a%2Bb%20c.txt%22&response-content-type=text%2Fplain&",
        "8tQ1WbWs2SOYYAFxRTdCqc9qOqM%3D",
    ),
    (
        "PUT",
        "/bucket/k?content-type=text%2Fplain&x-amz-meta-colour=light%20blue&x-amz-acl=private&",
        "TTXNfglPI1ppS%2BnEKhi%2Fuu3e8CY%3D",
    ),
    ("POST", "/bucket/k?uploads&", "420rou1sSst7sL9j2ZGCflz%2BGeA%3D"),
    ("PUT", "/bucket/k?uploadId=u%2F1%2B&partNumber=2&", "q8Ri0q1pjXB%2BYizyGu3Pgi5TAlc%3D"),
    ("GET", "/bucket?list-type=2&prefix=a%2F&encoding-type=url&", "l5sxVPXuifRafH7aZSU8h09%2F2SU%3D"),
    ("DELETE", "/bucket/k?", "wQicD09i3T1CABslLiiNPhT06dk%3D"),
    ("HEAD", "/bucket/k?", "w6xib%2FGEb1CGUA8j4%2BXVuXDRz5g%3D"),
    ("PUT", "/bucket/k?x-amz-sdk-checksum-algorithm=CRC32&", "XmP4NCSFctQ9DeookFzWKkNqQHU%3D"),
    ("PUT", "/bucket/k?x-amz-checksum-crc32=AAAAAA%3D%3D&", "6eaLgBPo1bIjRJYVe9XabJ2Hirs%3D"),
];

fn target((_, target, signature): (&str, &str, &str)) -> String {
    format!("{target}AWSAccessKeyId={KEY}&Signature={signature}&Expires={}", MOMENT_SECS + 60)
}

struct Sent<'a> {
    method: &'a str,
    host_bucket: Option<&'a str>,
    target: &'a str,
    headers: &'a [(&'static str, &'static str)],
}

fn check(sent: Sent<'_>, now_secs: u64) -> Result<Proof, ErrorCode> {
    let mut credentials = Credentials::default();
    assert!(credentials.add(KEY, SECRET, TenantName::parse("tenant").unwrap()));
    let keys = SigningKeys::new(credentials);
    let (raw_path, query) = sent.target.split_once('?').unwrap();
    let method = Method::from_bytes(sent.method.as_bytes()).unwrap();
    let query = Query::parse(query).map_err(|refusal| refusal.code)?;
    let pair =
        |&(name, value): &(&'static str, _)| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let headers: HeaderMap = sent.headers.iter().map(pair).collect();
    let request =
        Signed { method: &method, host_bucket: sent.host_bucket, raw_path, query: &query, headers: &headers };
    verify(request, &Arrived::of(&headers), &keys, Timestamp(now_secs * 1_000))
        .map_err(|refusal| refusal.code)
}

fn sent<'a>(method: &'a str, target: &'a str, headers: &'a [(&'static str, &'static str)]) -> Sent<'a> {
    Sent { method, host_bucket: None, target, headers }
}

#[test]
fn the_example_of_s3_verifies() {
    let target = "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE\
                  &Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620";
    let example = |host_bucket| Sent { method: "GET", host_bucket, target, headers: &[] };
    let proof = check(example(Some("johnsmith")), 1_175_139_620).unwrap();
    assert_eq!((proof.presigned, proof.payload), (Some(Presigned::V2), PayloadForm::Unsigned));
    assert_eq!(&*proof.caller.principal().unwrap().access_key_id, KEY);
    let late = check(example(Some("johnsmith")), 1_175_139_621).unwrap_err();
    assert_eq!(late, ErrorCode::AccessDenied);
    let other = check(example(Some("janesmith")), 1_175_139_620).unwrap_err();
    assert_eq!(other, ErrorCode::SignatureDoesNotMatch);
}

#[test]
fn what_boto3_signs_verifies_in_both_styles_and_for_nothing_else() {
    for vector in BOTO3 {
        let (method, target) = (vector.0, target(vector));
        assert!(check(sent(method, &target, &[]), MOMENT_SECS).is_ok(), "{method} {target}");
        let rest = target.strip_prefix("/bucket").unwrap();
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        let host = Sent { method, host_bucket: Some("bucket"), target: &rest, headers: &[] };
        assert!(check(host, MOMENT_SECS).is_ok(), "{method} {rest}");

        let mismatch = Err(ErrorCode::SignatureDoesNotMatch);
        let code =
            |method, target: &str, headers| check(sent(method, target, headers), MOMENT_SECS).map(|_| ());
        assert_eq!(code("OPTIONS", &target, &[]), mismatch);
        assert_eq!(code(method, &target.replace("/bucket", "/basket"), &[]), mismatch);
        assert_eq!(code(method, &target.replace("660", "661"), &[]), mismatch);
        assert_eq!(code(method, &format!("{target}&versionId=null"), &[]), mismatch);
        assert_eq!(code(method, &format!("{target}&x-amz-copy-source=a"), &[]), mismatch);
        assert_eq!(code(method, &target, &[("x-amz-copy-source", "/b/k")]), mismatch);
        assert_eq!(code(method, &target, &[("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==")]), mismatch);
    }
}

#[test]
fn headers_that_were_moved_into_the_query_may_come_as_headers_too() {
    let target = target(BOTO3[2]);
    let same =
        [("content-type", "text/plain"), ("x-amz-meta-colour", "light blue"), ("x-amz-acl", "private")];
    assert!(check(sent("PUT", &target, &same), MOMENT_SECS).is_ok());
    let other = [("content-type", "text/html")];
    assert_eq!(
        check(sent("PUT", &target, &other), MOMENT_SECS).unwrap_err(),
        ErrorCode::SignatureDoesNotMatch
    );
}

#[test]
fn what_sigv2_does_not_sign_never_turns_a_url_into_another_request() {
    let target = target(BOTO3[0]);
    for added in
        ["attributes", "session", "renameObject", "encryption", "x-pocket-ttl=5s", "X-Pocket-Wait=5s", "a"]
    {
        let code = check(sent("GET", &format!("{target}&{added}"), &[]), MOMENT_SECS).unwrap_err();
        assert_eq!(code, ErrorCode::AccessDenied, "{added}");
    }
    let hint = [("x-pocket-delete-after-read", "true")];
    assert_eq!(check(sent("GET", &target, &hint), MOMENT_SECS).unwrap_err(), ErrorCode::AccessDenied);
}

#[test]
fn malformed_urls_are_refused_with_their_codes() {
    let good = target(BOTO3[0]);
    for (from, to, code) in [
        ("&Expires=1369353660", "", ErrorCode::AccessDenied),
        ("1369353660", "", ErrorCode::AccessDenied),
        ("1369353660", "soon", ErrorCode::AccessDenied),
        ("1369353660", "-1", ErrorCode::AccessDenied),
        ("1369353660", "99999999999999999999", ErrorCode::AccessDenied),
        ("1369353660", "1369353599", ErrorCode::AccessDenied),
        ("AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&", "", ErrorCode::AccessDenied),
        ("&Signature=mJvK93%2Bi6CBDyhvvOuDz%2FhLUojQ%3D", "", ErrorCode::AccessDenied),
        ("AKIAIOSFODNN7EXAMPLE", "STRANGER", ErrorCode::InvalidAccessKeyId),
        ("mJvK93", "mJvK94", ErrorCode::SignatureDoesNotMatch),
    ] {
        let bad = good.replace(from, to);
        assert_ne!(bad, good);
        assert_eq!(check(sent("GET", &bad, &[]), MOMENT_SECS).unwrap_err(), code, "{bad}");
    }
    let by_header = [("authorization", "AWS a:b")];
    let code = check(sent("GET", &good, &by_header), MOMENT_SECS).unwrap_err();
    assert_eq!(code, ErrorCode::InvalidArgument);
    for both in ["X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Date=20130524T000000Z"] {
        let code = check(sent("GET", &format!("{good}&{both}"), &[]), MOMENT_SECS).unwrap_err();
        assert_eq!(code, ErrorCode::InvalidArgument, "{both}");
    }
}

#[test]
fn a_url_is_good_for_a_week_at_most() {
    let code = |ahead: u64| {
        let target = format!("/bucket/k?AWSAccessKeyId={KEY}&Signature=x&Expires={}", MOMENT_SECS + ahead);
        check(sent("GET", &target, &[]), MOMENT_SECS).unwrap_err()
    };
    assert_eq!(code(604_800 + 900), ErrorCode::SignatureDoesNotMatch);
    assert_eq!(code(604_800 + 901), ErrorCode::AccessDenied);
}

proptest! {
    #[test]
    fn no_query_makes_the_verifier_panic(
        query in "(AWSAccessKeyId|Signature|Expires|uploads|[a-z%0-9]{0,4}|=|&){0,9}", now in 0_u64..2_000_000_000
    ) {
        let _ = check(sent("GET", &format!("/b/k?Signature=a&{query}"), &[]), now);
    }
}
