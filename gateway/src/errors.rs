//! One table from the errors of the seams to S3's codes, and the few constructors that operations share. Nothing
//! else in the gateway decides which S3 error a seam's error becomes.

use pocket_access::refusal::{ErrorCode, HeadNote, Refusal};
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::chunks::ChunkError;
use pocket_api::control::ControlError;
use pocket_api::ids::NodeId;
use pocket_api::limits::APPEND_PIECES_MAX;
use pocket_api::metadata::MetadataError;
pub(crate) use pocket_edge::errors::{
    buffers_are_full, from_hint, from_name, not_implemented, s3, slow_down,
};
use std::borrow::Cow;

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
    /// The bucket's rules do not let the request be.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Denied | Self::OwnersAlone | Self::Refused(_))
    }

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

/// Clients back off and come again.
pub(crate) fn unavailable(message: impl Into<Cow<'static, str>>) -> Refusal {
    s3(ErrorCode::ServiceUnavailable, message)
}

pub(crate) fn from_call(error: CallError) -> Refusal {
    match error {
        CallError::Metadata(error) => from_metadata(error),
        CallError::Control(error) => from_control(error),
        CallError::Unreachable(node) => unavailable(format!("metadata shard {node} is not reachable")),
        CallError::Moved => unavailable("the bucket's placement changed during the write"),
        CallError::Denied => access_denied("Access Denied"),
        CallError::Refused(refusal) => refusal,
        CallError::OwnersAlone => {
            s3(ErrorCode::MethodNotAllowed, "The specified method is not allowed against this resource.")
        }
    }
}

pub(crate) fn from_metadata(error: MetadataError) -> Refusal {
    use ErrorCode as Code;
    match error {
        // Reached only when the controller still vouches for the job: it will say otherwise soon, or the shard will.
        MetadataError::NoSuchJob | MetadataError::StaleEpoch(_) => {
            unavailable(format!("the bucket is not served at the moment: {error}"))
        }
        MetadataError::NoSuchKey => s3(Code::NoSuchKey, "The specified key does not exist."),
        MetadataError::Lost => {
            s3(Code::NoSuchKey, "The object was lost with the storage server that held it.")
                .saying(HeadNote::Lost)
        }
        MetadataError::NotModified(meta) => {
            s3(Code::NotModified, "Not Modified").saying(HeadNote::NotModified(meta))
        }
        MetadataError::PreconditionFailed => precondition_failed(),
        MetadataError::RangeNotSatisfiable { size } => {
            let error =
                s3(Code::InvalidRange, format!("The range is not satisfiable: the object has {size} bytes."));
            error.with("ActualObjectSize", size).saying(HeadNote::Size(size))
        }
        MetadataError::NoSuchPart { parts } => {
            let error = s3(
                ErrorCode::InvalidPartNumber,
                format!("The part number is not satisfiable: the object has {parts} parts."),
            );
            error.with("ActualPartCount", parts)
        }
        MetadataError::Changed { .. } => s3(
            Code::OperationAborted,
            "A conflicting operation is in progress against this object. Please try again.",
        ),
        MetadataError::TokenTaken => {
            s3(ErrorCode::IdempotencyParameterMismatch, "The client token was used for another rename.")
        }
        MetadataError::TooManyPieces => s3(
            ErrorCode::TooManyParts,
            format!("The object has {APPEND_PIECES_MAX} parts already: no more can be appended."),
        ),
        MetadataError::NoSuchUpload => no_such_upload(),
        MetadataError::OtherChecksum(announced, _) => other_checksum(announced, None),
        MetadataError::InvalidPart(number) => invalid_part(number.into(), None),
        MetadataError::WriteBurned
        | MetadataError::TooLate
        | MetadataError::Moving
        | MetadataError::Busy
        | MetadataError::Full(_)
        | MetadataError::Crowded => slow_down(error.to_string()),
        // Orders are not given by gateways.
        MetadataError::StaleTerm(_) | MetadataError::LeaseEnded | MetadataError::Unavailable(_) => {
            unavailable(error.to_string())
        }
        MetadataError::BadRequest(_) => {
            tracing::error!(%error, "a shard refused a request of this gateway as malformed");
            s3(Code::InternalError, error.to_string())
        }
    }
}

pub(crate) fn from_control(error: ControlError) -> Refusal {
    use ErrorCode as Code;
    match error {
        ControlError::NoSuchBucket => s3(Code::NoSuchBucket, "The specified bucket does not exist."),
        ControlError::BucketExists { .. } => s3(Code::BucketAlreadyExists, "The bucket name is taken."),
        ControlError::WrongTenant => access_denied("The bucket belongs to another tenant."),
        ControlError::NotEmpty => s3(Code::BucketNotEmpty, "The bucket you tried to delete is not empty."),
        ControlError::Stale | ControlError::Conflict => s3(
            Code::OperationAborted,
            "A conflicting conditional operation is currently in progress against this resource. Please try again.",
        ),
        ControlError::NotAMember | ControlError::Refused(_) | ControlError::Unavailable(_) => {
            unavailable(error.to_string())
        }
    }
}

/// Of a read or a write of chunks.
pub(crate) fn from_chunks(error: ChunkError) -> Refusal {
    match error {
        ChunkError::Full(_) => slow_down(error.to_string()),
        // The bytes went away under a lease or a reservation: the server restarted, or the job has just ended.
        ChunkError::NoSuchChunk | ChunkError::Unavailable(_) | ChunkError::StaleTerm(_) => {
            unavailable(error.to_string())
        }
        ChunkError::BadRequest(_) => {
            tracing::error!(%error, "a storage server refused a request of this gateway as malformed");
            s3(ErrorCode::InternalError, error.to_string())
        }
    }
}

pub(crate) fn precondition_failed() -> Refusal {
    let text = "At least one of the pre-conditions you specified did not hold";
    s3(ErrorCode::PreconditionFailed, text)
}

/// Of a part, or of bytes to append, with another checksum than that which is wanted, or with none.
pub(crate) fn other_checksum(wanted: ChecksumAlgorithm, found: Option<ChecksumAlgorithm>) -> Refusal {
    let found = found.map_or("null", ChecksumAlgorithm::as_str);
    let text = format!(
        "Checksum Type mismatch occurred, expected checksum Type: {wanted}, actual checksum Type: {found}"
    );
    s3(ErrorCode::InvalidRequest, text)
}

pub(crate) fn no_such_upload() -> Refusal {
    s3(
        ErrorCode::NoSuchUpload,
        "The specified multipart upload does not exist, was completed or was aborted.",
    )
}

/// `etag`: that the list names.
pub(crate) fn invalid_part(number: i64, etag: Option<&str>) -> Refusal {
    let message = format!("Part {number} is missing, or is another one than the list names.");
    let error = s3(ErrorCode::InvalidPart, message).with("PartNumber", number);
    match etag {
        Some(etag) => error.with("ETag", etag),
        None => error,
    }
}

pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> Refusal {
    s3(ErrorCode::AccessDenied, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::budget::ByteBudget;
    use pocket_api::checksum::ChecksumKind;
    use pocket_api::conformance::plain_object;
    use pocket_api::ids::Epoch;

    #[test]
    fn every_error_of_a_shard_has_its_status() {
        for (error, status, code) in [
            (MetadataError::NoSuchJob, 503, "ServiceUnavailable"),
            (MetadataError::StaleEpoch(Epoch(3)), 503, "ServiceUnavailable"),
            (MetadataError::NoSuchKey, 404, "NoSuchKey"),
            (MetadataError::Lost, 404, "NoSuchKey"),
            (MetadataError::NotModified(Box::new(plain_object(1))), 304, "NotModified"),
            (MetadataError::PreconditionFailed, 412, "PreconditionFailed"),
            (MetadataError::RangeNotSatisfiable { size: 9 }, 416, "InvalidRange"),
            (MetadataError::NoSuchPart { parts: 2 }, 416, "InvalidPartNumber"),
            (MetadataError::Changed { size: 7 }, 409, "OperationAborted"),
            (MetadataError::TooManyPieces, 400, "TooManyParts"),
            (MetadataError::Moving, 503, "SlowDown"),
            (
                MetadataError::OtherChecksum(ChecksumAlgorithm::Crc32, ChecksumKind::Composite),
                400,
                "InvalidRequest",
            ),
            (MetadataError::TokenTaken, 400, "IdempotencyParameterMismatch"),
            (MetadataError::NoSuchUpload, 404, "NoSuchUpload"),
            (MetadataError::InvalidPart(2), 400, "InvalidPart"),
            (MetadataError::WriteBurned, 503, "SlowDown"),
            (MetadataError::TooLate, 503, "SlowDown"),
            (MetadataError::LeaseEnded, 503, "ServiceUnavailable"),
            (MetadataError::Busy, 503, "SlowDown"),
            (MetadataError::Full(ByteBudget::new(0).shortage()), 503, "SlowDown"),
            (MetadataError::Crowded, 503, "SlowDown"),
            (MetadataError::BadRequest("x".into()), 500, "InternalError"),
            (MetadataError::Unavailable("x".into()), 503, "ServiceUnavailable"),
        ] {
            let found = from_metadata(error.clone());
            assert_eq!((found.code.as_str(), found.code.status()), (code, status), "{error}");
        }
    }

    #[test]
    fn a_lost_object_and_a_bad_range_say_more_in_their_heads() {
        assert_eq!(from_metadata(MetadataError::Lost).said(), Some(&HeadNote::Lost));
        let range = from_metadata(MetadataError::RangeNotSatisfiable { size: 9 });
        assert_eq!(range.said(), Some(&HeadNote::Size(9)));
    }
}
