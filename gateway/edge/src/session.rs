//! Sessions, as SDKs open them for what they take for an Express zone: credentials that are good for one bucket, for
//! reading or for writing too, and for minutes. A token says all of that and carries a MAC made with the secret of the
//! access key that it was given to; the session's own secret follows from both. So every gateway can verify one, and none
//! remembers any. Pure; the time is an argument.

use super::operation::Operation;
use super::percent::{self, Part};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::clock::Timestamp;
use sha2::Sha256;

/// Where requests carry their token, also in the query of a presigned URL.
pub(crate) const TOKEN_HEADER: &str = "x-amz-s3session-token";
pub(crate) const MODE_HEADER: &str = "x-amz-create-session-mode";
/// S3's life of a session.
const LIFE_SECS: u64 = 300;
/// The form of the tokens that are made here.
const VERSION: u8 = 1;
const MAC_BYTES: usize = 32;
/// Before the bucket's name: the version, the mode, the end.
const FIXED_BYTES: usize = 10;

/// What a session may do to its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mode {
    ReadOnly,
    ReadWrite,
}

/// What a token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    bucket: String,
    mode: Mode,
    expires_at_secs: u64,
}

/// What whoever opened a session goes on with.
#[derive(Clone)]
pub struct SessionCredentials {
    pub access_key_id: String,
    pub secret: String,
    pub token: String,
    pub expires_at: Timestamp,
}

impl Session {
    /// A new one, as `headers` ask for it.
    pub(crate) fn begin(bucket: &str, headers: &HeaderMap, now: Timestamp) -> Result<Self, Refusal> {
        let mode = match headers.get(MODE_HEADER).map(|value| value.as_bytes()) {
            None | Some(b"ReadWrite") => Mode::ReadWrite,
            Some(b"ReadOnly") => Mode::ReadOnly,
            Some(other) => {
                let other = String::from_utf8_lossy(other);
                let message = format!("{MODE_HEADER} must be ReadOnly or ReadWrite: {:?}", shortened(&other));
                return Err(Refusal::invalid(MODE_HEADER, &other, message));
            }
        };
        Ok(Self { bucket: bucket.to_owned(), mode, expires_at_secs: now.as_secs() + LIFE_SECS })
    }

    /// Its credentials, made with the key that asked for them.
    pub(crate) fn issue(&self, access_key_id: &str, secret: &str) -> SessionCredentials {
        let payload = self.payload();
        let mac = keyed(secret, b"pocket session token", &payload);
        SessionCredentials {
            access_key_id: access_key_id.to_owned(),
            secret: self.secret(secret),
            token: BASE64_STANDARD.encode([&payload[..], &mac].concat()),
            expires_at: Timestamp(self.expires_at_secs * 1_000),
        }
    }

    /// Reads a token that was given to the key with this secret.
    pub(crate) fn open(token: &str, secret: &str, now: Timestamp) -> Result<Self, Refusal> {
        let invalid = || {
            let message = "The provided token is malformed or otherwise not valid";
            Refusal::new(ErrorCode::InvalidToken, message)
        };
        let bytes = BASE64_STANDARD.decode(token).map_err(|_| invalid())?;
        let split = bytes.len().checked_sub(MAC_BYTES).filter(|&at| at > FIXED_BYTES).ok_or_else(invalid)?;
        let (payload, mac) = bytes.split_at(split);
        hmac(secret, b"pocket session token", payload).verify_slice(mac).map_err(|_| invalid())?;
        // From here on it is one of ours, unless another version of Pocket made it.
        let (fixed, bucket) = payload.split_at(FIXED_BYTES);
        let mode = match fixed[..2] {
            [VERSION, 0] => Mode::ReadOnly,
            [VERSION, 1] => Mode::ReadWrite,
            _ => return Err(invalid()),
        };
        let expires_at_secs = fixed[2..].iter().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
        let bucket = String::from_utf8(bucket.to_vec()).map_err(|_| invalid())?;
        if now.as_secs() >= expires_at_secs {
            return Err(Refusal::new(ErrorCode::ExpiredToken, "The provided token has expired."));
        }
        Ok(Self { bucket, mode, expires_at_secs })
    }

    /// The secret that requests of this session are signed with.
    pub(crate) fn secret(&self, secret: &str) -> String {
        BASE64_STANDARD.encode(keyed(secret, b"pocket session secret", &self.payload()))
    }

    /// Whether a request stays within the session.
    pub(crate) fn check(
        &self,
        operation: Operation,
        bucket: &str,
        headers: &HeaderMap,
    ) -> Result<(), Refusal> {
        let of_source = |value: &str| {
            let source = percent::decode(value, Part::Path).ok()?;
            let path = source.strip_prefix('/').unwrap_or(&source);
            path.split_once('/').map(|(bucket, _)| bucket == self.bucket)
        };
        let source = headers.get("x-amz-copy-source");
        let is_source_ours = source.is_none_or(|value| value.to_str().ok().and_then(of_source) == Some(true));
        let is_allowed = needed(operation).is_some_and(|mode| mode <= self.mode);
        if bucket == self.bucket && is_source_ours && is_allowed {
            return Ok(());
        }
        let message = format!(
            "the session is for {:?} requests to the bucket {}, and this is {} of {bucket:.63}",
            self.mode,
            self.bucket,
            operation.name()
        );
        Err(Refusal::new(ErrorCode::AccessDenied, message))
    }

    fn payload(&self) -> Vec<u8> {
        let mut payload = vec![VERSION, u8::from(self.mode == Mode::ReadWrite)];
        payload.extend_from_slice(&self.expires_at_secs.to_be_bytes());
        payload.extend_from_slice(self.bucket.as_bytes());
        payload
    }
}

/// What sessions are for: objects. `None` for all that is done to a bucket itself.
fn needed(operation: Operation) -> Option<Mode> {
    use Operation as O;
    match operation {
        O::HeadBucket
        | O::ListObjects
        | O::ListMultipartUploads
        | O::GetObject
        | O::HeadObject
        | O::GetObjectAttributes
        | O::GetObjectTagging
        | O::ListParts => Some(Mode::ReadOnly),
        O::PutObject
        | O::CopyObject
        | O::DeleteObject
        | O::DeleteObjects
        | O::RenameObject
        | O::PutObjectTagging
        | O::DeleteObjectTagging
        | O::CreateMultipartUpload
        | O::UploadPart
        | O::UploadPartCopy
        | O::CompleteMultipartUpload
        | O::AbortMultipartUpload => Some(Mode::ReadWrite),
        _ => None,
    }
}

fn hmac(secret: &str, purpose: &[u8], payload: &[u8]) -> Hmac<Sha256> {
    let hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    hmac.chain_update(purpose).chain_update(payload)
}

fn keyed(secret: &str, purpose: &[u8], payload: &[u8]) -> [u8; MAC_BYTES] {
    hmac(secret, purpose, payload).finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_369_353_600_000);

    fn session(mode: &'static str) -> Session {
        let header = (HeaderName::from_static(MODE_HEADER), HeaderValue::from_static(mode));
        Session::begin("bucket", &HeaderMap::from_iter([header]), NOW).unwrap()
    }

    #[test]
    fn a_token_says_what_it_was_made_for_to_whoever_has_the_secret() {
        for mode in ["ReadOnly", "ReadWrite"] {
            let session = session(mode);
            let issued = session.issue("AKID", "secret");
            let opened = Session::open(&issued.token, "secret", NOW).unwrap();
            assert_eq!((&opened, opened.secret("secret")), (&session, issued.secret.clone()));
            assert_eq!(issued.expires_at, Timestamp(NOW.0 + 300_000));
            assert_ne!(issued.secret, session.issue("AKID", "other").secret);
            let other = Session::open(&issued.token, "other", NOW).unwrap_err();
            assert_eq!(other.code, ErrorCode::InvalidToken);
        }
        assert_ne!(session("ReadOnly").secret("s"), session("ReadWrite").secret("s"));
        assert_eq!(Session::begin("b", &HeaderMap::new(), NOW).unwrap().mode, Mode::ReadWrite);
    }

    #[test]
    fn a_token_ends_to_the_second() {
        let token = session("ReadOnly").issue("AKID", "secret").token;
        assert!(Session::open(&token, "secret", Timestamp(NOW.0 + 299_999)).is_ok());
        let ended = Session::open(&token, "secret", Timestamp(NOW.0 + 300_000)).unwrap_err();
        assert_eq!(ended.code, ErrorCode::ExpiredToken);
    }

    #[test]
    fn a_session_stays_within_its_bucket_and_its_mode() {
        use Operation::*;
        let denied = |mode, operation, bucket: &str, source: Option<&'static str>| {
            let source = source.map(|source| {
                (HeaderName::from_static("x-amz-copy-source"), HeaderValue::from_static(source))
            });
            let headers = HeaderMap::from_iter(source);
            session(mode).check(operation, bucket, &headers).err().map(|refusal| refusal.code)
        };
        for (mode, operation) in [
            ("ReadOnly", GetObject),
            ("ReadOnly", ListObjects),
            ("ReadWrite", HeadObject),
            ("ReadWrite", PutObject),
            ("ReadWrite", DeleteObjects),
        ] {
            assert_eq!(denied(mode, operation, "bucket", None), None, "{mode} {operation:?}");
            let elsewhere = denied(mode, operation, "bucket2", None);
            assert_eq!(elsewhere, Some(ErrorCode::AccessDenied), "{mode} {operation:?}");
        }
        for (mode, operation) in [
            ("ReadOnly", PutObject),
            ("ReadOnly", AbortMultipartUpload),
            ("ReadWrite", DeleteBucket),
            ("ReadWrite", CreateBucket),
            ("ReadWrite", ListBuckets),
            ("ReadWrite", CreateSession),
            ("ReadWrite", GetBucketSetting),
        ] {
            let refused = denied(mode, operation, "bucket", None);
            assert_eq!(refused, Some(ErrorCode::AccessDenied), "{mode} {operation:?}");
        }
        for (source, allowed) in [
            ("/bucket/k", true),
            ("bucket/k", true),
            ("%2Fbucket%2Fk", true),
            ("/other/k", false),
            ("bucket", false),
            ("%zz", false),
        ] {
            assert_eq!(
                denied("ReadWrite", CopyObject, "bucket", Some(source)).is_none(),
                allowed,
                "{source}"
            );
        }
    }

    #[test]
    fn unknown_modes_are_refused() {
        for bad in ["readonly", "", "Write"] {
            let header = (HeaderName::from_static(MODE_HEADER), HeaderValue::from_static(bad));
            let refusal = Session::begin("b", &HeaderMap::from_iter([header]), NOW).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidArgument, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_token_that_was_bent_is_taken(at in 0_usize..48, bit in 0_u8..8, cut in 0_usize..48) {
            let token = session("ReadOnly").issue("AKID", "secret").token;
            let mut bytes = BASE64_STANDARD.decode(&token).unwrap();
            bytes[at] ^= 1 << bit;
            prop_assert!(Session::open(&BASE64_STANDARD.encode(&bytes), "secret", NOW).is_err());
            bytes[at] ^= 1 << bit;
            bytes.truncate(cut);
            prop_assert!(Session::open(&BASE64_STANDARD.encode(&bytes), "secret", NOW).is_err());
        }

        #[test]
        fn no_text_makes_the_reader_panic(token in "[A-Za-z0-9+/=é]{0,80}") {
            prop_assert!(Session::open(&token, "secret", NOW).is_err());
        }
    }
}
