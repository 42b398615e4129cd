//! What a signature proves and what it covers, whichever version it is of, and how one that proves nothing is refused.

use super::payload::PayloadForm;
use super::presigned::Presigned;
use super::query::Query;
use super::session::Session;
use super::signing_keys::{Signature, SigningKey};
use super::stamp::Stamp;
use http::{HeaderMap, HeaderValue, Method};
use pocket_access::caller::{Caller, Signing};
use pocket_access::refusal::{ErrorCode, Refusal};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::sync::Arc;
use subtle::ConstantTimeEq;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// S3's bound on the difference between the client's clock and ours.
pub(crate) const CLOCK_SKEW_MAX_SECS: u64 = 15 * 60;
pub(crate) const PAYLOAD_HEADER: &str = "x-amz-content-sha256";

/// The parts of a request that its signature covers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a, 'q> {
    pub(crate) method: &'a Method,
    /// The bucket that the host named: SigV2 signs it, SigV4 has the host itself.
    pub(crate) host_bucket: Option<&'a str>,
    /// As it came.
    pub(crate) raw_path: &'a str,
    pub(crate) query: &'a Query<'q>,
    pub(crate) headers: &'a HeaderMap,
}

/// What is known of a request's sender, and of the body that the sender answers for.
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) caller: Caller,
    /// There whenever the caller has a key.
    pub(crate) signing: Option<Signing>,
    pub(crate) payload: PayloadForm,
    pub(crate) presigned: Option<Presigned>,
    /// What it has to stay within.
    pub(crate) session: Option<Session>,
    /// There whenever `payload` says that chunks are signed.
    pub(crate) seed: Option<ChunkSeed>,
}

/// What the signatures of a body's chunks begin from.
#[derive(Debug)]
pub(crate) struct ChunkSeed {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) stamp: Stamp,
    /// Of the request.
    pub(crate) signature: Signature,
}

impl Proof {
    /// For a request without a signature that those of chunks could begin from.
    pub(crate) fn without_seed(
        caller: Caller,
        signing: Option<Signing>,
        payload: PayloadForm,
        presigned: Option<Presigned>,
    ) -> Result<Self, Refusal> {
        if matches!(payload, PayloadForm::SignedChunks(_)) {
            let message =
                "x-amz-content-sha256 says that the chunks are signed, but the request is not, by SigV4";
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        }
        Ok(Self { caller, signing, payload, presigned, session: None, seed: None })
    }
}

/// The header that says what the body is.
pub(crate) fn declared_form(headers: &HeaderMap) -> Result<Option<PayloadForm>, Refusal> {
    let Some(value) = headers.get(PAYLOAD_HEADER) else { return Ok(None) };
    PayloadForm::parse(value.to_str().map_err(|_| payload_is_not_ascii(value))?).map(Some)
}

/// Whether a signature is the one that was claimed; in constant time, eight digits at a time.
pub(crate) fn is_same(signature: &Signature, claimed: &[u8]) -> bool {
    let words = |digits: &Signature| -> [u64; 8] {
        let (words, _) = digits.as_chunks();
        std::array::from_fn(|i| u64::from_ne_bytes(words[i]))
    };
    let claimed: Result<&Signature, _> = claimed.try_into();
    claimed.is_ok_and(|claimed| words(signature)[..].ct_eq(&words(claimed)[..]).into())
}

/// Hex digits of the SHA-256 of `bytes`.
pub(crate) fn hex_sha256(bytes: &[u8]) -> [u8; 64] {
    let mut digits = [0; 64];
    let encoded = hex::encode_to_slice(Sha256::digest(bytes), &mut digits);
    debug_assert!(encoded.is_ok(), "32 bytes are 64 digits");
    digits
}

/// Of a presigned request that came after its time.
pub(crate) fn expired(now_secs: u64, end_secs: u64) -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, "Request has expired")
        .with("Expires", iso_time(end_secs))
        .with("ServerTime", iso_time(now_secs))
}

/// `2013-05-24T00:00:00Z`.
pub(crate) fn iso_time(secs: u64) -> String {
    let at = i64::try_from(secs).ok().and_then(|secs| OffsetDateTime::from_unix_timestamp(secs).ok());
    at.and_then(|at| at.format(&Rfc3339).ok()).unwrap_or_default()
}

pub(crate) fn payload_is_not_ascii(value: &HeaderValue) -> Refusal {
    let value = String::from_utf8_lossy(value.as_bytes());
    Refusal::invalid(PAYLOAD_HEADER, value, "x-amz-content-sha256 is not ASCII")
}

pub(crate) fn not_signed(name: &str) -> Refusal {
    let message = format!("there were headers present in the request which were not signed: {name}");
    Refusal::new(ErrorCode::AccessDenied, message)
}

/// Says what would have had to be signed, with which a client finds out where it differs.
pub(crate) fn does_not_match(access_key_id: &str, signature: &str, text: &[u8]) -> Refusal {
    let message = "the request signature we calculated does not match the signature you provided: \
                   check your secret access key and signing method";
    let mut bytes = String::with_capacity(3 * text.len());
    for byte in text {
        // Writing to a string cannot fail.
        let _ = write!(bytes, "{byte:02x} ");
    }
    Refusal::new(ErrorCode::SignatureDoesNotMatch, message)
        .with("AWSAccessKeyId", access_key_id)
        .with("StringToSign", String::from_utf8_lossy(text))
        .with("SignatureProvided", signature)
        .with("StringToSignBytes", bytes.trim_end())
}
