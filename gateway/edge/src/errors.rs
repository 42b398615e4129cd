//! The few refusals that the edge and the operations share: of what a request says, and of what is not built.

use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::hints::HintError;
use pocket_api::limits::KEY_MAX_BYTES;
use pocket_api::names::NameError;
use std::borrow::Cow;

pub fn s3(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(code, message)
}

pub fn not_implemented(message: impl Into<Cow<'static, str>>) -> Refusal {
    s3(ErrorCode::NotImplemented, message)
}

pub fn slow_down(message: impl Into<Cow<'static, str>>) -> Refusal {
    s3(ErrorCode::SlowDown, message)
}

/// See [`crate::config::EdgeConfig::buffers`].
pub fn buffers_are_full() -> Refusal {
    slow_down("the gateway's memory for bodies is full at the moment: reduce your rate")
}

pub fn from_hint(error: HintError) -> Refusal {
    match error {
        // Their values are nobody's: it is the name that is wrong.
        HintError::Unknown { ref name, .. } | HintError::Twice { ref name } => {
            Refusal::invalid(name, "", error.to_string())
        }
        HintError::Bad { name, ref value, .. } => Refusal::invalid(name, value, error.to_string()),
        HintError::NotBuilt { .. } => not_implemented(error.to_string()),
    }
}

pub fn from_name(error: NameError) -> Refusal {
    match error {
        NameError::Bucket(ref name, _) => {
            s3(ErrorCode::InvalidBucketName, error.to_string()).with("BucketName", name)
        }
        NameError::KeyTooLong(bytes) => key_too_long(bytes),
        NameError::KeyEmpty => Refusal::invalid("Key", "", error.to_string()),
        NameError::Tenant(ref name) => Refusal::invalid("ID", name, error.to_string()),
    }
}

pub(crate) fn key_too_long(bytes: usize) -> Refusal {
    Refusal::new(ErrorCode::KeyTooLongError, NameError::KeyTooLong(bytes).to_string())
        .with("Size", bytes)
        .with("MaxSizeAllowed", KEY_MAX_BYTES)
}

/// S3's text for a document that is not what it has to be.
pub(crate) const MALFORMED_XML: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

pub(crate) fn malformed_xml() -> Refusal {
    s3(ErrorCode::MalformedXML, MALFORMED_XML)
}

/// Of a request for an ACL that says none.
pub fn no_acl_said() -> Refusal {
    let text = "Your request was missing a required header: x-amz-acl, x-amz-grant-*, or an AccessControlPolicy as body";
    s3(ErrorCode::MissingSecurityHeader, text)
}

/// Of one that says it in headers and in a document.
pub fn two_acls_said() -> Refusal {
    let text = "This request does not support content beside x-amz-acl or x-amz-grant-*";
    s3(ErrorCode::UnexpectedContent, text)
}

/// Of a copy of bytes from `first` to `last` of a source that has `size`: S3 reads less than a range asks for, and copies it not at
/// all.
pub fn copied_range(first: u64, last: u64, size: u64) -> Refusal {
    let text = format!("Range specified is not valid for source object of size: {size}");
    Refusal::invalid("x-amz-copy-source-range", format!("bytes={first}-{last}"), text)
}

/// Of an upload whose parts have `size` bytes, where another number was promised.
pub fn other_size(size: u64) -> Refusal {
    let text = format!("The provided x-amz-mp-object-size does not match: the parts have {size} bytes");
    s3(ErrorCode::InvalidRequest, text)
}
