//! Why a document is no policy.

use thiserror::Error;

/// Why a document is no policy that can be held to; S3's code is MalformedPolicy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Malformed(String);

impl Malformed {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

/// S3's text, and what is wrong.
pub(crate) fn syntax(why: &str) -> Malformed {
    Malformed::new(format!("Invalid policy syntax: {why}"))
}
