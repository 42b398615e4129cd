//! Claims of who signed: presigned URLs of SigV2 and tokens of sessions. What passes says what its signer said, and
//! nothing passes that was not issued.

use super::{Head, assert_refusal};
use crate::arrived::Arrived;
use crate::credentials::Credentials;
use crate::percent::{self, Part};
use crate::presigned::put_back;
use crate::proof::Signed;
use crate::query::Query;
use crate::session::Session;
use crate::signature::verify;
use crate::signature_v2::{NOT_SIGNED, is_claimed};
use crate::signing_keys::SigningKeys;
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_api::clock::Timestamp;
use pocket_api::names::TenantName;
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, within_memory};
use std::sync::atomic::{AtomicU64, Ordering};

/// Names and values decoded, and the text that is signed.
const MEMORY_FACTOR: usize = 24;
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
const NOW: Timestamp = Timestamp(1_369_353_600_000);

/// What boto3 1.43.11 made at [`NOW`] for a minute.
const PRESIGNED: [&str; 6] = [
    "GET /bucket/dir/a%20b%2Bc~%C3%BC.bin?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=mJvK93%2Bi6CBDyhvvOuDz%2FhLUojQ%3D&Expires=1369353660",
    "PUT /bucket/k?content-type=text%2Fplain&x-amz-meta-colour=light%20blue&x-amz-acl=private&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=TTXNfglPI1ppS%2BnEKhi%2Fuu3e8CY%3D&Expires=1369353660\ncontent-type: text/plain\nx-amz-acl: private",
    "POST /bucket/k?uploads&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=420rou1sSst7sL9j2ZGCflz%2BGeA%3D&Expires=1369353660",
    "PUT /bucket/k?uploadId=u%2F1%2B&partNumber=2&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=q8Ri0q1pjXB%2BYizyGu3Pgi5TAlc%3D&Expires=1369353660",
    "GET /bucket?list-type=2&prefix=a%2F&encoding-type=url&AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=l5sxVPXuifRafH7aZSU8h09%2F2SU%3D&Expires=1369353660",
    "DELETE /bucket/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=wQicD09i3T1CABslLiiNPhT06dk%3D&Expires=1369353660\nuser-agent: x",
];

fn keys() -> SigningKeys {
    let mut credentials = Credentials::default();
    assert!(credentials.add(KEY, SECRET, TenantName::parse("tenant").unwrap()));
    SigningKeys::new(credentials)
}

/// What a presigned request asks for, as far as SigV2 covers it: method, path, and what parameters and headers say.
fn meaning(head: &Head, query: &Query<'_>) -> (String, String, Vec<(String, String)>) {
    let path = percent::decode(head.uri.path(), Part::Path).unwrap_or_default();
    let is_covered = |name: &str| !NOT_SIGNED.contains(&name);
    let parameters = query
        .iter()
        .filter(|pair| is_covered(&pair.name))
        .map(|pair| (pair.name.to_ascii_lowercase(), pair.value.to_string()));
    let is_signed =
        |name: &str| name.starts_with("x-amz-") || ["content-type", "content-md5"].contains(&name);
    let headers = head.headers.iter().filter(|(name, _)| is_signed(name.as_str()));
    let headers = headers
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned()));
    let mut said: Vec<(String, String)> = parameters.chain(headers).collect();
    said.sort_unstable();
    said.dedup();
    (head.method.to_string(), path.trim_end_matches('/').to_owned(), said)
}

#[test]
fn presigned_urls_of_sigv2_say_what_was_signed_or_are_refused() {
    let of_seed = |seed: &str| {
        let head = Head::parse(seed).unwrap();
        let query = head.uri.query().unwrap_or("").to_owned();
        meaning(&head, &Query::parse(&query).unwrap())
    };
    let signed: Vec<_> = PRESIGNED.iter().map(|seed| of_seed(seed)).collect();
    let passed = AtomicU64::new(0);
    check!(20_000, Mutants::of(PRESIGNED), |mutant: &Mutant| {
        let Some(head) = Head::parse(&mutant.text()) else { return };
        let Ok(query) = Query::parse(head.uri.query().unwrap_or("")) else { return };
        if !is_claimed(&query) {
            return;
        }
        let request = Signed {
            method: &head.method,
            host_bucket: None,
            raw_path: head.uri.path(),
            query: &query,
            headers: &head.headers,
        };
        let (keys, arrived) = (keys(), Arrived::of(&head.headers));
        match within_memory(mutant.len(), MEMORY_FACTOR, || verify(request, &arrived, &keys, NOW)) {
            Err(refusal) => assert_refusal(&refusal),
            Ok(proof) => {
                assert!(proof.caller.principal().is_some(), "a claim that is none");
                // That headers and parameters say the same is checked when they are put together.
                let moved = proof.presigned.map(|presigned| presigned.headers(&query)).transpose().unwrap();
                if let Err(refusal) = put_back(&moved.unwrap_or_default(), &mut head.headers.clone()) {
                    return assert_refusal(&refusal);
                }
                let meant = meaning(&head, &query);
                assert!(signed.contains(&meant), "nobody signed {meant:?}");
                passed.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(GUIDED || passed.into_inner() > 1_000);
}

#[test]
fn no_token_of_a_session_is_taken_that_was_not_issued() {
    let sessions = [("bucket", "ReadOnly"), ("bucket", "ReadWrite"), ("another.bucket", "ReadOnly")];
    let begun = sessions.map(|(bucket, mode)| {
        let mode = (HeaderName::from_static("x-amz-create-session-mode"), HeaderValue::from_static(mode));
        Session::begin(bucket, &HeaderMap::from_iter([mode]), NOW).unwrap()
    });
    let issued: Vec<(String, &Session)> =
        begun.iter().map(|session| (session.issue(KEY, SECRET).token, session)).collect();
    let other = begun[0].issue(KEY, "another secret").token;
    let seeds = issued.iter().map(|(token, _)| token.clone()).chain([other]);
    check!(20_000, Mutants::of(seeds), |mutant: &Mutant| {
        let token = mutant.text();
        let known = issued.iter().find(|(known, _)| *known == token).map(|(_, session)| *session);
        match within_memory(token.len(), MEMORY_FACTOR, || Session::open(&token, SECRET, NOW)) {
            Err(refusal) => {
                assert_refusal(&refusal);
                assert!(known.is_none(), "{token}");
            }
            Ok(session) => assert_eq!(Some(&session), known, "{token}"),
        }
    });
}

#[test]
fn modes_of_sessions_are_known_or_refused() {
    check!(5_000, Mutants::of(["ReadOnly", "ReadWrite"]), |mutant: &Mutant| {
        let Ok(value) = HeaderValue::from_bytes(mutant) else { return };
        let name = HeaderName::from_static("x-amz-create-session-mode");
        let outcome = Session::begin("bucket", &HeaderMap::from_iter([(name, value)]), NOW);
        match outcome {
            Err(refusal) => assert_refusal(&refusal),
            Ok(_) => assert!([&b"ReadOnly"[..], b"ReadWrite"].contains(&&**mutant)),
        }
    });
}
