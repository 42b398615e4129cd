//! One table from the errors of the seams to S3's codes, and the few constructors that operations share. Nothing
//! else in the gateway decides which S3 error a seam's error becomes.

use crate::context::Refusal;
use crate::details;
use crate::edge::target::key_too_long;
use crate::headers;
use http::{HeaderName, HeaderValue, StatusCode};
use pocket_api::chunks::ChunkError;
use pocket_api::control::ControlError;
use pocket_api::hints::HintError;
use pocket_api::ids::NodeId;
use pocket_api::limits::APPEND_PIECES_MAX;
use pocket_api::metadata::MetadataError;
use pocket_api::names::NameError;
use s3s::{S3Error, S3ErrorCode};
use std::borrow::Cow;
use std::fmt::Display;

/// What came of a call to a shard, when it was not an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CallError {
    Metadata(MetadataError),
    /// The placement could not be fetched again.
    Control(ControlError),
    /// No way to this shard is known here: nothing was sent.
    Unreachable(NodeId),
    /// The key belongs to another shard or job than the one that its bytes were written for: nothing was sent there.
    Moved,
    /// The bucket's rules do not let this caller do this, or let nobody know whether the key is there.
    Denied,
    /// The bucket's rules would, but it is its owner's business alone.
    OwnersAlone,
    /// The bucket's rules do not let it be as it was asked for.
    Refused(Refusal),
}

impl CallError {
    /// The request may have taken effect, or may do so yet.
    pub(crate) fn outcome_is_unknown(&self) -> bool {
        matches!(self, Self::Metadata(MetadataError::Unavailable(_)))
    }
}

impl From<MetadataError> for CallError {
    fn from(error: MetadataError) -> Self {
        Self::Metadata(error)
    }
}

impl From<ControlError> for CallError {
    fn from(error: ControlError) -> Self {
        Self::Control(error)
    }
}

pub(crate) fn s3(code: S3ErrorCode, message: impl Into<Cow<'static, str>>) -> S3Error {
    S3Error::with_message(code, message)
}

pub(crate) fn invalid_argument(message: impl Into<Cow<'static, str>>) -> S3Error {
    s3(S3ErrorCode::InvalidArgument, message)
}

/// As [`invalid_argument`], with the name and the value of the header, parameter or element.
pub(crate) fn bad_argument(
    name: &str,
    value: impl Display,
    message: impl Into<Cow<'static, str>>,
) -> S3Error {
    let named = details::with(invalid_argument(message), "ArgumentName", name);
    details::with(named, "ArgumentValue", value)
}

pub(crate) fn not_implemented(message: impl Into<Cow<'static, str>>) -> S3Error {
    s3(S3ErrorCode::NotImplemented, message)
}

/// Clients back off and come again.
pub(crate) fn unavailable(message: impl Into<Cow<'static, str>>) -> S3Error {
    s3(S3ErrorCode::ServiceUnavailable, message)
}

pub(crate) fn slow_down(message: impl Into<Cow<'static, str>>) -> S3Error {
    s3(S3ErrorCode::SlowDown, message)
}

/// A code that s3s does not know.
pub(crate) fn custom(
    code: &'static str,
    status: StatusCode,
    message: impl Into<Cow<'static, str>>,
) -> S3Error {
    let mut error = s3(S3ErrorCode::Custom(code.into()), message);
    error.set_status_code(status);
    error
}

fn with_header(mut error: S3Error, name: &'static str, value: HeaderValue) -> S3Error {
    let mut headers = error.headers().cloned().unwrap_or_default();
    headers.insert(HeaderName::from_static(name), value);
    error.set_headers(headers);
    error
}

pub(crate) fn refused(refusal: Refusal) -> S3Error {
    refusal.into()
}

pub(crate) fn from_call(error: CallError) -> S3Error {
    match error {
        CallError::Metadata(error) => from_metadata(error),
        CallError::Control(error) => from_control(error),
        CallError::Unreachable(node) => unavailable(format!("metadata shard {node} is not reachable")),
        CallError::Moved => unavailable("the bucket's placement changed during the write"),
        CallError::Denied => access_denied("Access Denied"),
        CallError::Refused(refusal) => refusal.into(),
        CallError::OwnersAlone => {
            s3(S3ErrorCode::MethodNotAllowed, "The specified method is not allowed against this resource.")
        }
    }
}

pub(crate) fn from_metadata(error: MetadataError) -> S3Error {
    use S3ErrorCode as Code;
    match error {
        // Reached only when the controller still vouches for the job: it will say otherwise soon, or the shard will.
        MetadataError::NoSuchJob | MetadataError::StaleEpoch(_) => {
            unavailable(format!("the bucket is not served at the moment: {error}"))
        }
        MetadataError::NoSuchKey => s3(Code::NoSuchKey, "The specified key does not exist."),
        MetadataError::Lost => {
            let error = s3(Code::NoSuchKey, "The object was lost with the storage server that held it.");
            with_header(error, "x-pocket-lost", HeaderValue::from_static("true"))
        }
        MetadataError::NotModified(meta) => {
            let mut error = S3Error::new(Code::NotModified);
            error.set_headers(headers::not_modified(&meta));
            error
        }
        MetadataError::PreconditionFailed => precondition_failed(),
        MetadataError::RangeNotSatisfiable { size } => {
            let error =
                s3(Code::InvalidRange, format!("The range is not satisfiable: the object has {size} bytes."));
            let error = details::with(error, "ActualObjectSize", size);
            match HeaderValue::try_from(format!("bytes */{size}")) {
                Ok(value) => with_header(error, "content-range", value),
                Err(_) => error,
            }
        }
        MetadataError::NoSuchPart { parts } => {
            let error = custom(
                "InvalidPartNumber",
                StatusCode::RANGE_NOT_SATISFIABLE,
                format!("The part number is not satisfiable: the object has {parts} parts."),
            );
            details::with(error, "ActualPartCount", parts)
        }
        MetadataError::Changed { .. } => s3(
            Code::OperationAborted,
            "A conflicting operation is in progress against this object. Please try again.",
        ),
        MetadataError::TokenTaken => custom(
            "IdempotencyParameterMismatch",
            StatusCode::BAD_REQUEST,
            "The client token was used for another rename.",
        ),
        MetadataError::TooManyPieces => custom(
            "TooManyParts",
            StatusCode::BAD_REQUEST,
            format!("The object has {APPEND_PIECES_MAX} parts already: no more can be appended."),
        ),
        MetadataError::NoSuchUpload => no_such_upload(),
        MetadataError::InvalidPart(number) => invalid_part(number.into(), None),
        MetadataError::WriteBurned | MetadataError::Moving | MetadataError::Busy | MetadataError::Full => {
            slow_down(error.to_string())
        }
        MetadataError::LeaseEnded | MetadataError::Unavailable(_) => unavailable(error.to_string()),
        MetadataError::BadRequest(_) => {
            tracing::error!(%error, "a shard refused a request of this gateway as malformed");
            s3(Code::InternalError, error.to_string())
        }
    }
}

pub(crate) fn from_control(error: ControlError) -> S3Error {
    use S3ErrorCode as Code;
    match error {
        ControlError::NoSuchBucket => s3(Code::NoSuchBucket, "The specified bucket does not exist."),
        ControlError::BucketExists { .. } => s3(Code::BucketAlreadyExists, "The bucket name is taken."),
        ControlError::WrongTenant => access_denied("The bucket belongs to another tenant."),
        ControlError::NotEmpty => s3(Code::BucketNotEmpty, "The bucket you tried to delete is not empty."),
        ControlError::Stale => s3(
            Code::OperationAborted,
            "A conflicting conditional operation is currently in progress against this resource. Please try again.",
        ),
        ControlError::NotAMember | ControlError::Unavailable(_) => unavailable(error.to_string()),
    }
}

/// Of a read or a write of chunks.
pub(crate) fn from_chunks(error: ChunkError) -> S3Error {
    match error {
        ChunkError::Full => slow_down(error.to_string()),
        // The bytes went away under a lease or a reservation: the server restarted, or the job has just ended.
        ChunkError::NoSuchChunk | ChunkError::Unavailable(_) => unavailable(error.to_string()),
        ChunkError::BadRequest(_) => {
            tracing::error!(%error, "a storage server refused a request of this gateway as malformed");
            s3(S3ErrorCode::InternalError, error.to_string())
        }
    }
}

pub(crate) fn from_hint(error: HintError) -> S3Error {
    match error {
        HintError::Unknown { ref name, .. } | HintError::Twice { ref name } => {
            details::with(invalid_argument(error.to_string()), "ArgumentName", name)
        }
        HintError::Bad { name, ref value, .. } => bad_argument(name, value, error.to_string()),
        HintError::NotBuilt { .. } => not_implemented(error.to_string()),
    }
}

pub(crate) fn from_name(error: NameError) -> S3Error {
    match error {
        NameError::Bucket(ref name, _) => {
            details::with(s3(S3ErrorCode::InvalidBucketName, error.to_string()), "BucketName", name)
        }
        NameError::KeyTooLong(bytes) => key_too_long(bytes).into(),
        NameError::KeyEmpty | NameError::Tenant(_) => s3(S3ErrorCode::InvalidArgument, error.to_string()),
    }
}

pub(crate) fn precondition_failed() -> S3Error {
    let text = "At least one of the pre-conditions you specified did not hold";
    s3(S3ErrorCode::PreconditionFailed, text)
}

pub(crate) fn no_such_upload() -> S3Error {
    s3(
        S3ErrorCode::NoSuchUpload,
        "The specified multipart upload does not exist, was completed or was aborted.",
    )
}

/// `etag`: that the list names.
pub(crate) fn invalid_part(number: i64, etag: Option<&str>) -> S3Error {
    let message = format!("Part {number} is missing, or is another one than the list names.");
    let error = details::with(s3(S3ErrorCode::InvalidPart, message), "PartNumber", number);
    match etag {
        Some(etag) => details::with(error, "ETag", etag),
        None => error,
    }
}

/// S3's text for a document that is not what it has to be.
pub(crate) const MALFORMED_XML: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

pub(crate) fn malformed_xml() -> S3Error {
    s3(S3ErrorCode::MalformedXML, MALFORMED_XML)
}

pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> S3Error {
    s3(S3ErrorCode::AccessDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::clock::Timestamp;
    use pocket_api::ids::Epoch;
    use pocket_api::object::{ETag, ObjectMeta};

    #[test]
    fn every_error_of_a_shard_has_its_status() {
        let meta = ObjectMeta {
            size: 1,
            etag: ETag::md5([7; 16]),
            last_modified: Timestamp(1_000),
            expires_at: None,
            rule_end: None,
            reads_left: None,
            checksum: None,
            headers: None,
            parts: 0,
        };
        for (error, status, code) in [
            (MetadataError::NoSuchJob, 503, "ServiceUnavailable"),
            (MetadataError::StaleEpoch(Epoch(3)), 503, "ServiceUnavailable"),
            (MetadataError::NoSuchKey, 404, "NoSuchKey"),
            (MetadataError::Lost, 404, "NoSuchKey"),
            (MetadataError::NotModified(Box::new(meta)), 304, "NotModified"),
            (MetadataError::PreconditionFailed, 412, "PreconditionFailed"),
            (MetadataError::RangeNotSatisfiable { size: 9 }, 416, "InvalidRange"),
            (MetadataError::NoSuchPart { parts: 2 }, 416, "InvalidPartNumber"),
            (MetadataError::Changed { size: 7 }, 409, "OperationAborted"),
            (MetadataError::TooManyPieces, 400, "TooManyParts"),
            (MetadataError::Moving, 503, "SlowDown"),
            (MetadataError::TokenTaken, 400, "IdempotencyParameterMismatch"),
            (MetadataError::NoSuchUpload, 404, "NoSuchUpload"),
            (MetadataError::InvalidPart(2), 400, "InvalidPart"),
            (MetadataError::WriteBurned, 503, "SlowDown"),
            (MetadataError::LeaseEnded, 503, "ServiceUnavailable"),
            (MetadataError::Busy, 503, "SlowDown"),
            (MetadataError::Full, 503, "SlowDown"),
            (MetadataError::BadRequest("x".into()), 500, "InternalError"),
            (MetadataError::Unavailable("x".into()), 503, "ServiceUnavailable"),
        ] {
            let found = from_metadata(error.clone());
            assert_eq!(found.code().as_str(), code, "{error}");
            assert_eq!(found.status_code().map(|s| s.as_u16()), Some(status), "{error}");
        }
    }

    #[test]
    fn a_lost_object_and_a_bad_range_say_more_in_their_headers() {
        let lost = from_metadata(MetadataError::Lost);
        assert_eq!(lost.headers().unwrap()["x-pocket-lost"], "true");
        let range = from_metadata(MetadataError::RangeNotSatisfiable { size: 9 });
        assert_eq!(range.headers().unwrap()["content-range"], "bytes */9");
    }
}
