//! SigV4: is a request signed by whom it says, now, with all that changes its meaning? Pure: the time is an argument.
//!
//! The canonical request follows S3's variant: the path is encoded once and never normalised.

use super::arrived::{Arrived, is_ours};
use super::authorization::{self, Authorization};
use super::payload::{PayloadForm, UNSIGNED_PAYLOAD};
use super::percent::{self, Part};
use super::presigned::Presigned;
use super::proof::{
    CLOCK_SKEW_MAX_SECS, ChunkSeed, PAYLOAD_HEADER, Proof, Signed, declared_form, does_not_match, expired,
    hex_sha256, is_same, iso_time, not_signed, payload_is_not_ascii,
};
use super::session::TOKEN_HEADER;
use super::signature_v2;
use super::signing_keys::{Signature, SigningKey, SigningKeys};
use http::HeaderMap;
use pocket_access::caller::{Caller, SignatureVersion, SignedIn, Signing};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::clock::Timestamp;
use std::cell::RefCell;

/// Verifies a request, down to the last `x-amz-*` and `x-pocket-*` header being signed. One without any signature is
/// anonymous.
///
/// `arrived`: the headers of the request.
pub(crate) fn verify<'a>(
    request: Signed<'a, '_>,
    arrived: &Arrived<'a>,
    keys: &SigningKeys,
    now: Timestamp,
) -> Result<Proof, Refusal> {
    let token = session_token(&request, arrived)?;
    let by_v2 = signature_v2::is_claimed(request.query);
    let claim = if by_v2 { None } else { authorization::read(arrived, request.query)? };
    match claim {
        Some(claim) => verify_claim(request, arrived, &claim, token, keys, now),
        None if token.is_some() => {
            let message = format!("the header {TOKEN_HEADER} belongs to a signature of SigV4");
            Err(Refusal::new(ErrorCode::InvalidToken, message))
        }
        None if by_v2 => signature_v2::verify(request, keys, now),
        None => anonymous(request.headers),
    }
}

fn session_token<'a>(request: &Signed<'a, '_>, arrived: &Arrived<'a>) -> Result<Option<&'a str>, Refusal> {
    let in_query = || {
        let mut pairs = request.query.iter();
        pairs.find(|pair| pair.name.eq_ignore_ascii_case(TOKEN_HEADER)).map(|pair| &*pair.value)
    };
    match arrived.get(TOKEN_HEADER).filter(|_| arrived.came.session_token) {
        None => Ok(in_query()),
        Some(value) => value.to_str().map(Some).map_err(|_| {
            Refusal::new(ErrorCode::InvalidToken, format!("the header {TOKEN_HEADER} is not ASCII"))
        }),
    }
}

/// Headers that must be signed elsewhere pass here, as in S3: where nothing is signed there is no signer whose words
/// somebody else could add to. What they ask for is judged as the anonymous caller's own wish.
fn anonymous(headers: &HeaderMap) -> Result<Proof, Refusal> {
    let payload = declared_form(headers)?.unwrap_or(PayloadForm::Unsigned);
    Proof::without_seed(Caller::Anonymous, None, payload, None)
}

fn verify_claim<'a>(
    request: Signed<'a, '_>,
    arrived: &Arrived<'a>,
    claim: &Authorization<'_>,
    token: Option<&str>,
    keys: &SigningKeys,
    now: Timestamp,
) -> Result<Proof, Refusal> {
    check_time(claim, now)?;
    let payload = declared_payload(&request, arrived, claim)?;
    let (key, session) = match token {
        None => (keys.find(claim)?, None),
        Some(token) => {
            let (key, session) = keys.of_session(claim, token, now)?;
            (key, Some(session))
        }
    };
    let Some(signature) = matching_signature(&request, arrived, claim, payload, &key)? else {
        return Err(mismatch(&request, arrived, claim, payload, &key));
    };
    check_all_signed(arrived, claim)?;
    if session.is_none() {
        keys.keep(claim, &key);
    }
    let payload = PayloadForm::parse(payload)?;
    let caller = Caller::Key(key.principal.clone());
    let seed = Some(ChunkSeed { key, stamp: claim.stamp, signature });
    let presigned = claim.is_presigned().then_some(Presigned::V4);
    let signed_in = if claim.is_presigned() { SignedIn::Query } else { SignedIn::Header };
    let signing = Signing { signed_in, version: SignatureVersion::V4, at_secs: Some(claim.stamp.secs) };
    Ok(Proof { caller, signing: Some(signing), payload, presigned, session, seed })
}

/// How a request is spelled in its canonical form, where clients differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spelling {
    path: Path,
    blanks: Blanks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Path {
    Canonical,
    /// Some clients sign the path as they send it (`+`, `%2F`, lower-case digits).
    AsSent,
}

/// Which blanks within the value of a header a run of becomes one space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Blanks {
    /// As S3 documents it, and the SDK for Go has it.
    Spaces,
    /// The SDKs for Python and Java take tabs for spaces.
    SpacesAndTabs,
}

impl Spelling {
    const DOCUMENTED: Self = Self { path: Path::Canonical, blanks: Blanks::Spaces };
}

/// The signature, if it is that of the request in one of its spellings. What S3 documents comes first. All name the same key, and
/// the same values but for their blanks, so none lets anything through that another would not.
fn matching_signature(
    request: &Signed<'_, '_>,
    arrived: &Arrived<'_>,
    claim: &Authorization<'_>,
    payload: &str,
    key: &SigningKey,
) -> Result<Option<Signature>, Refusal> {
    let has_tab = || arrived.has_tab();
    for blanks in [Blanks::Spaces, Blanks::SpacesAndTabs] {
        if blanks == Blanks::SpacesAndTabs && !has_tab() {
            break;
        }
        for path in [Path::Canonical, Path::AsSent] {
            let spelling = Spelling { path, blanks };
            let digest = with_canonical(request, arrived, claim, payload, spelling, hex_sha256)?;
            let signature = key.sign(&signed_text(claim, key, &digest));
            if is_same(&signature, claim.signature.as_bytes()) {
                return Ok(Some(signature));
            }
        }
    }
    Ok(None)
}

/// What is signed, in pieces. `digest`: of the canonical request.
fn signed_text<'a>(claim: &'a Authorization<'_>, key: &'a SigningKey, digest: &'a [u8; 64]) -> [&'a [u8]; 6] {
    [b"AWS4-HMAC-SHA256\n", claim.stamp.as_bytes(), b"\n", key.scope.as_bytes(), b"\n", digest]
}

/// What `read` makes of the canonical request.
fn with_canonical<T>(
    request: &Signed<'_, '_>,
    arrived: &Arrived<'_>,
    claim: &Authorization<'_>,
    payload: &str,
    spelling: Spelling,
    read: impl FnOnce(&[u8]) -> T,
) -> Result<T, Refusal> {
    thread_local! {
        static CANONICAL: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    }
    CANONICAL.with_borrow_mut(|out| {
        out.clear();
        out.extend_from_slice(request.method.as_str().as_bytes());
        out.push(b'\n');
        match spelling.path {
            Path::Canonical => percent::canonicalize(request.raw_path, Part::Path, out)?,
            Path::AsSent => out.extend_from_slice(request.raw_path.as_bytes()),
        }
        out.push(b'\n');
        request.query.canonicalize("X-Amz-Signature", out)?;
        out.push(b'\n');
        for name in claim.signed_names() {
            write_header(name, arrived, spelling.blanks, out)?;
        }
        out.push(b'\n');
        out.extend_from_slice(claim.signed_headers.as_bytes());
        out.push(b'\n');
        out.extend_from_slice(payload.as_bytes());
        Ok(read(out))
    })
}

/// `name:value` with the values of repeated headers joined, blanks around them dropped and runs of blanks made one space.
fn write_header(name: &str, arrived: &Arrived<'_>, blanks: Blanks, out: &mut Vec<u8>) -> Result<(), Refusal> {
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let mut values = arrived.values(name).peekable();
    if values.peek().is_none() {
        let message = format!("the header {name} is signed, but it did not arrive");
        return Err(Refusal::new(ErrorCode::SignatureDoesNotMatch, message));
    }
    for (i, value) in values.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let value = value.as_bytes().trim_ascii();
        // Most have no blank to fold.
        if !value.iter().any(|b| matches!(b, b' ' | b'\t')) {
            out.extend_from_slice(value);
            continue;
        }
        let mut before = b' ';
        for &byte in value {
            let byte = if byte == b'\t' && blanks == Blanks::SpacesAndTabs { b' ' } else { byte };
            if byte != b' ' || before != b' ' {
                out.push(byte);
            }
            before = byte;
        }
    }
    out.push(b'\n');
    Ok(())
}

fn check_time(claim: &Authorization<'_>, now: Timestamp) -> Result<(), Refusal> {
    let (now, signed) = (now.as_secs(), claim.stamp.secs);
    let denied = |message| Err(Refusal::new(ErrorCode::AccessDenied, message));
    match claim.expires_secs {
        Some(_) if signed > now + CLOCK_SKEW_MAX_SECS => denied("Request is not valid yet"),
        Some(expires) if now > signed + expires => {
            Err(expired(now, signed + expires).with("X-Amz-Expires", expires))
        }
        None if signed.abs_diff(now) > CLOCK_SKEW_MAX_SECS => {
            let message = "the difference between the request time and the current time is too large";
            Err(Refusal::new(ErrorCode::RequestTimeTooSkewed, message)
                .with("RequestTime", String::from_utf8_lossy(claim.stamp.as_bytes()))
                .with("ServerTime", iso_time(now))
                .with("MaxAllowedSkewMilliseconds", CLOCK_SKEW_MAX_SECS * 1_000))
        }
        _ => Ok(()),
    }
}

/// What the client says of the body, as it stands in the canonical request.
fn declared_payload<'a>(
    request: &Signed<'a, '_>,
    arrived: &Arrived<'a>,
    claim: &Authorization<'_>,
) -> Result<&'a str, Refusal> {
    match arrived.get(PAYLOAD_HEADER) {
        Some(value) => value.to_str().map_err(|_| payload_is_not_ascii(value)),
        None if claim.is_presigned() => {
            Ok(request.query.get("X-Amz-Content-Sha256").unwrap_or(UNSIGNED_PAYLOAD))
        }
        None => {
            let message = "missing required header for this request: x-amz-content-sha256";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

/// All signed headers are known to be there and to be different, so equal numbers mean equal sets.
fn check_all_signed(arrived: &Arrived<'_>, claim: &Authorization<'_>) -> Result<(), Refusal> {
    if arrived.ours == claim.signed_names().filter(|name| is_ours(name)).count() {
        return Ok(());
    }
    let is_signed = |name: &str| claim.signed_names().any(|signed| signed == name);
    let unsigned = arrived.names().find(|name| is_ours(name) && !is_signed(name));
    Err(not_signed(unsigned.unwrap_or("?")))
}

/// The same of a request, with its canonical form as S3 documents it.
fn mismatch(
    request: &Signed<'_, '_>,
    arrived: &Arrived<'_>,
    claim: &Authorization<'_>,
    payload: &str,
    key: &SigningKey,
) -> Refusal {
    let text = |canonical: &[u8]| {
        let signed = signed_text(claim, key, &hex_sha256(canonical)).concat();
        does_not_match(claim.access_key_id(), &claim.signature, &signed)
            .with("CanonicalRequest", String::from_utf8_lossy(canonical))
    };
    with_canonical(request, arrived, claim, payload, Spelling::DOCUMENTED, text)
        .unwrap_or_else(|refusal| refusal)
}

#[cfg(test)]
mod tests;
