//! Multipart uploads: their ids, parts, ends and pages.

#[cfg(doc)]
use super::MetadataError;
use super::writes::Committed;
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::clock::Timestamp;
use crate::conditions::WriteCondition;
use crate::hints::ObjectHints;
use crate::ids::WriteId;
use crate::lifecycle::RuleEnd;
use crate::names::ObjectKey;
use crate::object::{ETag, NewContent, ObjectHeaders};
use crate::storage_class::StorageClass;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;

/// An upload's id. Carries a code that only its shard can make, so that an id that was never issued is told from one
/// that was forgotten. Text of letters and digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UploadId(pub Arc<str>);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateUpload {
    pub key: ObjectKey,
    pub headers: Option<Arc<ObjectHeaders>>,
    pub hints: ObjectHints,
    /// As the client announced it: every part needs a sum of this algorithm.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPart {
    pub key: ObjectKey,
    pub upload: UploadId,
    /// 1 to [`crate::limits::PART_NUMBER_MAX`].
    pub number: u16,
    pub write: WriteId,
    pub size: u64,
    pub etag: ETag,
    /// Of its bytes. Another algorithm than its upload announced, or none, is [`MetadataError::OtherChecksum`].
    pub checksum: Option<Checksum>,
    pub content: NewContent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadPage {
    pub info: UploadInfo,
    /// In the order of their numbers.
    pub parts: Vec<UploadedPart>,
    pub more: bool,
    /// The upload was completed with this outcome; there are no parts any more.
    pub completed: Option<Committed>,
    /// When the job's lifecycle aborts it.
    pub rule_end: Option<RuleEnd>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadInfo {
    pub key: ObjectKey,
    pub upload: UploadId,
    pub initiated: Timestamp,
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub storage_class: Option<StorageClass>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    pub number: u16,
    /// Tells this part from one uploaded earlier or later under the same number.
    pub write: WriteId,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<Checksum>,
}

/// Makes an object of parts. `etag` and `checksum` are computed by the caller from the parts as it saw them; a part
/// that has been replaced since is [`MetadataError::InvalidPart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    pub key: ObjectKey,
    pub upload: UploadId,
    /// Ascending numbers, not empty.
    pub parts: Vec<(u16, WriteId)>,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub condition: WriteCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListUploads {
    pub prefix: String,
    pub start: UploadsStart,
    pub delimiter: Option<String>,
    /// 1 to [`crate::limits::LIST_MAX_KEYS`].
    pub max: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadsStart {
    Beginning,
    /// After all uploads of this key.
    AfterKey(String),
    /// After this upload of this key.
    AfterUpload(String, String),
    /// After every key that starts with this.
    AfterPrefix(String),
}

/// In the order of keys, then of initiation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UploadsPage {
    pub items: Vec<UploadsItem>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UploadsItem {
    Upload(UploadInfo),
    Prefix(String),
}
