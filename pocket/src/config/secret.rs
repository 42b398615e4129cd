//! Text that must never be shown: not in logs, not in errors, not by `pocket config`.

use serde::{Deserialize, Serialize, Serializer};
use std::fmt;

/// What stands where a secret would.
pub(crate) const REDACTED: &str = "<redacted>";

#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Written")]
pub(crate) struct Secret(String);

/// In a file. Of anything else the error must not repeat what it is, as it does by itself.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a text in quotes")]
enum Written {
    Text(String),
}

impl Secret {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself. Every call is a place to check.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<Written> for Secret {
    fn from(Written::Text(text): Written) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(REDACTED)
    }
}
