//! SigV2 by query, for presigned URLs: boto3 and aws-cli make them by default in us-east-1. Pure: the time is an
//! argument. Forms are signed with it too (`form`); SigV2 by header stays refused.
//!
//! SigV2 covers the method, the path, `Content-MD5`, `Content-Type`, every `x-amz-*` header and a fixed list of
//! parameters, and nothing else. So anything else that would change what a request does is refused here, or whoever
//! holds a URL could turn it into another one.

use super::arrived::Arrived;
use super::authorization::{refuse_token, two_mechanisms};
use super::payload::PayloadForm;
use super::presigned::Presigned;
use super::proof::{CLOCK_SKEW_MAX_SECS, Proof, Signed, declared_form, does_not_match, expired, not_signed};
use super::query::{Pair, Query};
use super::signing_keys::SigningKeys;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use pocket_access::caller::{Caller, Principal, SignatureVersion, SignedIn, Signing};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::clock::Timestamp;
use sha1::Sha1;
use std::sync::Arc;
use subtle::ConstantTimeEq;

/// How far ahead `Expires` may be: SigV4's longest life of a URL. SigV2 has no date of signing, so this is all that can
/// be bounded.
const EXPIRES_AHEAD_MAX_SECS: u64 = 604_800 + CLOCK_SKEW_MAX_SECS;

/// The parameters that the signature covers.
const SIGNED: [&str; 33] = [
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
];

/// Those that it does not cover and S3 takes with it: they say which part of a listing is wanted, or nothing.
pub(crate) const NOT_SIGNED: [&str; 16] = [
    "continuation-token",
    "delimiter",
    "encoding-type",
    "fetch-owner",
    "key-marker",
    "list-type",
    "marker",
    "max-keys",
    "max-parts",
    "max-uploads",
    "part-number-marker",
    "prefix",
    "start-after",
    "upload-id-marker",
    "version-id-marker",
    "x-id",
];

/// Whether a query says that it is signed this way.
pub(crate) fn is_claimed(query: &Query<'_>) -> bool {
    query.has("AWSAccessKeyId") || query.has("Signature")
}

/// Verifies a request that [`is_claimed`].
pub(crate) fn verify(request: Signed<'_, '_>, keys: &SigningKeys, now: Timestamp) -> Result<Proof, Refusal> {
    let query = request.query;
    let by_v4 = query.iter().any(|pair| Presigned::V4.is_signature(&pair.name));
    if by_v4 || request.headers.contains_key(AUTHORIZATION) {
        return Err(two_mechanisms(&Arrived::of(request.headers)));
    }
    refuse_token(query)?;
    let get = |name| query.get(name).filter(|value| !value.is_empty());
    let (Some(access_key_id), Some(claimed), Some(expires)) =
        (get("AWSAccessKeyId"), get("Signature"), get("Expires"))
    else {
        // S3's own words, here and below.
        return Err(denied(
            "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters",
        ));
    };
    check_expires(expires, now)?;
    if let Some(pair) = query.iter().find(|pair| !is_covered(&pair.name)) {
        let message =
            format!("the query parameter {:?} cannot be signed with SigV2: use SigV4", shortened(&pair.name));
        return Err(denied(message));
    }
    let ours = |name: &&HeaderName| name.as_str().starts_with("x-pocket-");
    if let Some(name) = request.headers.keys().find(ours) {
        return Err(not_signed(name.as_str()));
    }
    let payload = declared_form(request.headers)?.unwrap_or(PayloadForm::Unsigned);
    let credential = keys.credential(access_key_id)?;
    let moved = Presigned::V2.signed_headers(query)?;
    let is_right = |tail| {
        let text = string_to_sign(&request, &moved, expires, tail);
        let signature = signature(&text, &credential.secret);
        bool::from(signature.as_bytes().ct_eq(claimed.as_bytes()))
    };
    // boto3 signs `/bucket/` also where it sends `/bucket`. Both name the bucket.
    let is_bare_bucket = request.host_bucket.is_none() && request.raw_path.rfind('/') == Some(0);
    if !(is_right("") || is_bare_bucket && is_right("/")) {
        return Err(does_not_match(access_key_id, claimed, &string_to_sign(&request, &moved, expires, "")));
    }
    let principal = Principal { tenant: credential.tenant.clone(), access_key_id: access_key_id.into() };
    let caller = Caller::Key(Arc::new(principal));
    let signing = Signing { signed_in: SignedIn::Query, version: SignatureVersion::V2, at_secs: None };
    Proof::without_seed(caller, Some(signing), payload, Some(Presigned::V2))
}

fn check_expires(expires: &str, now: Timestamp) -> Result<(), Refusal> {
    let digits = Some(expires).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
    let Some(secs) = digits.and_then(|digits| digits.parse::<u64>().ok()) else {
        return Err(denied(format!("Invalid date (should be seconds since epoch): {expires:.40}")));
    };
    if now.as_secs() > secs {
        return Err(expired(now.as_secs(), secs));
    }
    if secs > now.as_secs() + EXPIRES_AHEAD_MAX_SECS {
        return Err(denied("Expires must be less than a week in the future"));
    }
    Ok(())
}

/// Whether a parameter is signed, or S3 takes it although it is not. `x-pocket-*` is neither.
fn is_covered(name: &str) -> bool {
    let is_ours = name.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("x-pocket-"));
    (Presigned::V2.takes(name) && !is_ours) || SIGNED.contains(&name) || NOT_SIGNED.contains(&name)
}

/// `tail` is what stands behind the path.
fn string_to_sign(request: &Signed<'_, '_>, moved: &HeaderMap, expires: &str, tail: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let headers = request.headers;
    let value = |name: &HeaderName| headers.get(name).or_else(|| moved.get(name));
    let mut line = |text: &[u8]| {
        out.extend_from_slice(text);
        out.push(b'\n');
    };
    line(request.method.as_str().as_bytes());
    for name in [HeaderName::from_static("content-md5"), CONTENT_TYPE] {
        line(value(&name).map_or(b"", |value| value.as_bytes().trim_ascii()));
    }
    line(expires.as_bytes());
    let is_amz = |name: &&HeaderName| name.as_str().starts_with("x-amz-");
    let mut names: Vec<&HeaderName> = headers.keys().chain(moved.keys()).filter(is_amz).collect();
    names.sort_unstable_by_key(|name| name.as_str());
    // In both places: that they say the same is checked when they are put together.
    names.dedup();
    for name in names {
        let source = if headers.contains_key(name) { headers } else { moved };
        let values: Vec<&[u8]> = source.get_all(name).iter().map(|v| v.as_bytes().trim_ascii()).collect();
        line(&[name.as_str().as_bytes(), b":", &values.join(&b","[..])].concat());
    }
    write_resource(request, tail, &mut out);
    out
}

/// The path as it came, with the bucket before it where the host named it, and the signed parameters, decoded.
fn write_resource(request: &Signed<'_, '_>, tail: &str, out: &mut Vec<u8>) {
    if let Some(bucket) = request.host_bucket {
        out.push(b'/');
        out.extend_from_slice(bucket.as_bytes());
    }
    out.extend_from_slice(request.raw_path.as_bytes());
    out.extend_from_slice(tail.as_bytes());
    let mut signed: Vec<&Pair<'_>> =
        request.query.iter().filter(|pair| SIGNED.contains(&&*pair.name)).collect();
    signed.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    for (i, pair) in signed.into_iter().enumerate() {
        out.push(if i == 0 { b'?' } else { b'&' });
        out.extend_from_slice(pair.name.as_bytes());
        if !pair.value.is_empty() {
            out.push(b'=');
            out.extend_from_slice(pair.value.as_bytes());
        }
    }
}

/// Base64 of the HMAC-SHA1.
pub(crate) fn signature(text: &[u8], secret: &str) -> String {
    let mut hmac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    hmac.update(text);
    BASE64_STANDARD.encode(hmac.finalize().into_bytes())
}

fn denied(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, message)
}

#[cfg(test)]
mod tests;
