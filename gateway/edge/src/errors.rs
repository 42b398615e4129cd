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

pub fn key_too_long(bytes: usize) -> Refusal {
    Refusal::new(ErrorCode::KeyTooLongError, NameError::KeyTooLong(bytes).to_string())
        .with("Size", bytes)
        .with("MaxSizeAllowed", KEY_MAX_BYTES)
}

/// S3's text for a document that is not what it has to be.
pub const MALFORMED_XML: &str =
    "The XML you provided was not well-formed or did not validate against our published schema";

pub fn malformed_xml() -> Refusal {
    s3(ErrorCode::MalformedXML, MALFORMED_XML)
}
