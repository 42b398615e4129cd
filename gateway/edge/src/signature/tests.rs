//! Verification against the examples that AWS publishes, and against aws-sigv4 as a signer that shares no code with us.

use super::super::query::Query;
use super::*;
use crate::credentials::Credentials;
use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use http::HeaderName;
use http::{HeaderValue, Method};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::names::TenantName;
use proptest::prelude::*;
use std::time::{Duration, UNIX_EPOCH};

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// 2013-05-24, midnight: the moment of all published examples.
const MOMENT_SECS: u64 = 1_369_353_600;
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn keys() -> SigningKeys {
    let mut credentials = Credentials::default();
    assert!(credentials.add(KEY, SECRET, TenantName::parse("tenant").unwrap()));
    SigningKeys::new(credentials)
}

fn header_map(headers: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    headers.iter().map(pair).collect()
}

fn check(
    method: &str,
    target: &str,
    headers: &HeaderMap,
    now_secs: u64,
    keys: &SigningKeys,
) -> Result<Proof, Refusal> {
    let (raw_path, query) = target.split_once('?').unwrap_or((target, ""));
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let query = Query::parse(query).unwrap();
    let request = Signed { method: &method, host_bucket: None, raw_path, query: &query, headers };
    verify(request, &Arrived::of(headers), keys, Timestamp(now_secs * 1_000))
}

/// A published example of signing by header: (method, target, further headers, SignedHeaders, payload, signature).
type Example =
    (&'static str, &'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

fn by_header((method, target, more, signed, payload): Example, signature: &str) -> Result<Proof, Refusal> {
    let authorization = format!(
        "AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request,SignedHeaders={signed},Signature={signature}"
    );
    let mut headers = vec![
        ("x-amz-date", "20130524T000000Z"),
        ("x-amz-content-sha256", payload),
        ("authorization", &*authorization),
    ];
    headers.extend_from_slice(more);
    check(method, target, &header_map(&headers), MOMENT_SECS, &keys())
}

const HOST: (&str, &str) = ("host", "examplebucket.s3.amazonaws.com");
const PLAIN: &str = "host;x-amz-content-sha256;x-amz-date";

#[test]
fn the_examples_of_aws_verify() {
    for (example, signature) in [
        (
            (
                "GET",
                "/test.txt",
                &[HOST, ("range", "bytes=0-9")][..],
                "host;range;x-amz-content-sha256;x-amz-date",
                EMPTY,
            ),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            (
                "PUT",
                "/test$file.text",
                &[
                    HOST,
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
                "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            ("GET", "/?lifecycle", &[HOST], PLAIN, EMPTY),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            ("GET", "/?max-keys=2&prefix=J", &[HOST], PLAIN, EMPTY),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ] {
        let proof = by_header(example, signature).unwrap();
        let seed = proof.seed.unwrap();
        assert_eq!((seed.signature.as_slice(), proof.presigned), (signature.as_bytes(), None));
        assert_eq!(&*proof.caller.principal().unwrap().access_key_id, KEY);
        let wrong = signature.replace('b', "c");
        assert_eq!(by_header(example, &wrong).unwrap_err().code, ErrorCode::SignatureDoesNotMatch);
    }
}

const PRESIGNED: &str = "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256\
    &X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z\
    &X-Amz-Expires=86400&X-Amz-SignedHeaders=host\
    &X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

fn presigned_code(target: &str, headers: &[(&str, &str)], now_secs: u64) -> Option<ErrorCode> {
    check("GET", target, &header_map(headers), now_secs, &keys()).err().map(|refusal| refusal.code)
}

#[test]
fn the_presigned_example_of_aws_verifies_for_its_day() {
    for (now, code) in [
        (MOMENT_SECS, None),
        (MOMENT_SECS + 86_400, None),
        (MOMENT_SECS + 86_401, Some(ErrorCode::AccessDenied)),
        (MOMENT_SECS - 900, None),
        (MOMENT_SECS - 901, Some(ErrorCode::AccessDenied)),
    ] {
        assert_eq!(presigned_code(PRESIGNED, &[HOST], now), code, "{now}");
    }
    let longer = PRESIGNED.replace("86400", "86401");
    assert_eq!(presigned_code(&longer, &[HOST], MOMENT_SECS), Some(ErrorCode::SignatureDoesNotMatch));
}

#[test]
fn headers_of_ours_that_are_not_signed_are_refused_by_name() {
    for name in ["x-amz-copy-source", "x-amz-meta-a", "x-pocket-ttl", "x-amz-content-sha256"] {
        let headers = header_map(&[HOST, (name, "UNSIGNED-PAYLOAD")]);
        let refusal = check("GET", PRESIGNED, &headers, MOMENT_SECS, &keys()).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::AccessDenied);
        assert!(refusal.message.contains(name), "{}", refusal.message);
    }
    let harmless =
        [HOST, ("user-agent", "x"), ("amz-sdk-invocation-id", "1"), ("accept-encoding", "identity")];
    assert_eq!(presigned_code(PRESIGNED, &harmless, MOMENT_SECS), None);
}

#[test]
fn strangers_old_requests_and_missing_headers_have_their_own_codes() {
    let example = ("GET", "/", &[HOST][..], PLAIN, EMPTY);
    let signature = "0".repeat(64);
    let headers = |credential: &str| {
        let value =
            format!("AWS4-HMAC-SHA256 Credential={credential},SignedHeaders={PLAIN},Signature={signature}");
        header_map(&[
            HOST,
            ("authorization", &value),
            ("x-amz-date", "20130524T000000Z"),
            ("x-amz-content-sha256", EMPTY),
        ])
    };
    let code = |headers: &HeaderMap, now| check("GET", "/", headers, now, &keys()).unwrap_err().code;
    let stranger = headers("STRANGER/20130524/us-east-1/s3/aws4_request");
    assert_eq!(code(&stranger, MOMENT_SECS), ErrorCode::InvalidAccessKeyId);
    let mut known = headers(&format!("{KEY}/20130524/us-east-1/s3/aws4_request"));
    assert_eq!(code(&known, MOMENT_SECS + 900), ErrorCode::SignatureDoesNotMatch);
    assert_eq!(code(&known, MOMENT_SECS + 901), ErrorCode::RequestTimeTooSkewed);
    assert_eq!(code(&known, MOMENT_SECS - 901), ErrorCode::RequestTimeTooSkewed);
    known.remove("x-amz-content-sha256");
    assert_eq!(code(&known, MOMENT_SECS), ErrorCode::InvalidRequest);
    let no_host = ("GET", "/", &[][..], PLAIN, EMPTY);
    assert_eq!(by_header(no_host, &signature).unwrap_err().code, ErrorCode::SignatureDoesNotMatch);
    assert_eq!(by_header(example, "").unwrap_err().code, ErrorCode::SignatureDoesNotMatch);
}

/// Signs with aws-sigv4 as the SDKs do for S3 and hands back what would travel: target and headers.
fn sign_independently(
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    region: &str,
    location: SignatureLocation,
) -> (String, HeaderMap) {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings.signature_location = location;
    if location == SignatureLocation::QueryParams {
        settings.expires_in = Some(Duration::from_secs(60));
    } else {
        settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
    }
    let identity = AwsCredentials::from_keys(KEY, SECRET, None).into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("s3")
        .time(UNIX_EPOCH + Duration::from_secs(MOMENT_SECS))
        .settings(settings)
        .build()
        .unwrap()
        .into();
    let uri = format!("http://localhost:9000{target}");
    let all: Vec<_> = std::iter::once(("host", "localhost:9000")).chain(headers.iter().copied()).collect();
    let body = SignableBody::UnsignedPayload;
    let signable = SignableRequest::new(method, &uri, all.iter().copied(), body).unwrap();
    let (instructions, _) = sign(signable, &params).unwrap().into_parts();
    let mut request = http::Request::builder().method(method).uri(&uri).body(()).unwrap();
    *request.headers_mut() = header_map(&all);
    instructions.apply_to_request_http1x(&mut request);
    (request.uri().path_and_query().unwrap().to_string(), request.headers().clone())
}

#[test]
fn what_an_independent_signer_signs_verifies() {
    let keys = keys();
    let odd = [
        ("x-amz-meta-a", "  two   blanks "),
        ("content-type", "text/plain;  charset=utf-8"),
        ("x-pocket-ttl", "5s"),
    ];
    for location in [SignatureLocation::Headers, SignatureLocation::QueryParams] {
        for (method, target, headers, region) in [
            ("GET", "/bucket/key", &[][..], "us-east-1"),
            ("GET", "/bucket//a//b/../c/./", &[], "eu-central-1"),
            ("PUT", "/bucket/a%20b%2Bc%25d~%C3%BC", &odd[..], "any where"),
            ("PUT", "/bucket/%21%27%28%29%2A%3A%40%26%3D%24%2C%3B", &odd[..2], "garage"),
            ("GET", "/bucket?list-type=2&prefix=a%2Fb%20c&delimiter=%2F&max-keys=5000", &[], "us-east-1"),
            ("GET", "/bucket?uploads", &[], "us-east-1"),
            ("GET", "/bucket?uploads=", &[], "us-east-1"),
            ("DELETE", "/bucket/k?versionId=null&x-id=DeleteObject", &[], "us-east-1"),
            ("HEAD", "/", &[], "x"),
        ] {
            let (signed_target, headers) = sign_independently(method, target, headers, region, location);
            let proof = check(method, &signed_target, &headers, MOMENT_SECS, &keys);
            let presigned = (location == SignatureLocation::QueryParams).then_some(Presigned::V4);
            let outcome = proof.map(|proof| proof.presigned).map_err(|refusal| refusal.message);
            assert_eq!(outcome, Ok(presigned), "{method} {signed_target}");
        }
    }
}

#[test]
fn a_kept_key_verifies_like_a_fresh_one_and_refuses_like_one() {
    let keys = keys();
    let (target, headers) =
        sign_independently("GET", "/bucket/key", &[], "us-east-1", SignatureLocation::Headers);
    for _ in 0..3 {
        assert!(check("GET", &target, &headers, MOMENT_SECS, &keys).is_ok());
        let refusal = check("PUT", &target, &headers, MOMENT_SECS, &keys).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::SignatureDoesNotMatch);
    }
}

#[test]
fn a_tab_in_a_value_may_be_signed_as_it_is_or_as_a_space() {
    let signed = |value| {
        let headers = [("x-amz-meta-a", value)];
        sign_independently("PUT", "/bucket/k", &headers, "us-east-1", SignatureLocation::Headers)
    };
    for (value, sent) in [("1 2", "1\t2"), ("1 2", "1 \t\t2"), ("1\t2", "1\t2"), ("1 2", "1   2")] {
        let (target, mut headers) = signed(value);
        headers.insert("x-amz-meta-a", HeaderValue::from_static(sent));
        assert!(check("PUT", &target, &headers, MOMENT_SECS, &keys()).is_ok(), "{value:?} {sent:?}");
    }
    for sent in ["12", "1\t3", "1\u{b}2"] {
        let (target, mut headers) = signed("1 2");
        if let Ok(sent) = HeaderValue::from_str(sent) {
            headers.insert("x-amz-meta-a", sent);
            assert!(check("PUT", &target, &headers, MOMENT_SECS, &keys()).is_err());
        }
    }
}

#[test]
fn a_path_may_be_signed_as_it_is_sent() {
    // `+` is sent raw by some clients, which then sign it raw; others sign what S3 documents.
    for path in ["/bucket/a+b", "/bucket/a%2Fb", "/bucket/%c3%bc"] {
        let (target, headers) = sign_independently("GET", path, &[], "us-east-1", SignatureLocation::Headers);
        assert!(check("GET", &target, &headers, MOMENT_SECS, &keys()).is_ok(), "{path}");
    }
    let (_, headers) =
        sign_independently("GET", "/bucket/a%2Bb", &[], "us-east-1", SignatureLocation::Headers);
    assert!(check("GET", "/bucket/a+b", &headers, MOMENT_SECS, &keys()).is_ok());
    assert!(check("GET", "/bucket/a%20b", &headers, MOMENT_SECS, &keys()).is_err());
}

proptest! {
    #[test]
    fn any_key_signed_independently_verifies(key in "[ -~äß€]{1,20}", region in "[a-z]{1,8}") {
        let mut path = b"/bucket/".to_vec();
        // The client's own encoding: everything but letters and digits.
        for byte in key.bytes() {
            match byte {
                b if b.is_ascii_alphanumeric() => path.push(b),
                b => path.extend(format!("%{b:02X}").bytes()),
            }
        }
        let path = String::from_utf8(path).unwrap();
        let (target, headers) = sign_independently("GET", &path, &[], &region, SignatureLocation::Headers);
        prop_assert!(check("GET", &target, &headers, MOMENT_SECS, &keys()).is_ok());
    }
}
