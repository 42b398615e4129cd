//! Pages of a shard's keys, in the order of their bytes.

use crate::checksum::{ChecksumAlgorithm, ChecksumKind};
use crate::clock::Timestamp;
use crate::names::ObjectKey;
use crate::object::ETag;
use crate::storage_class::StorageClass;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    pub prefix: String,
    pub start: ListStart,
    /// Not empty.
    pub delimiter: Option<String>,
    /// 1 to [`crate::limits::LIST_MAX_KEYS`], keys and prefixes together.
    pub max: u32,
}

/// Where a list goes on. Bounds are any text, not only keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListStart {
    Beginning,
    /// After this key.
    After(String),
    /// After every key that starts with this: the last item was a common prefix.
    AfterPrefix(String),
}

/// In the order of keys and prefixes as bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    pub items: Vec<ListItem>,
    /// There is at least one more item after the last.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ListItem {
    Object(ListedObject),
    Prefix(String),
}

impl ListItem {
    /// What the page is ordered by.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedObject {
    pub key: ObjectKey,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub storage_class: Option<StorageClass>,
}
