//! What makes an object, lengthens it, or gives it another key, and the references that a copy takes.

use super::reads::Select;
#[cfg(doc)]
use super::{MetadataError, Request, ShardRequest};
use crate::checksum::Checksum;
use crate::clock::Timestamp;
use crate::conditions::{ReadConditions, WriteCondition};
use crate::hints::ObjectHints;
use crate::ids::{NodeId, WriteId};
use crate::lifecycle::RuleEnd;
use crate::names::ObjectKey;
use crate::object::{ETag, NewContent, NewPiece, ObjectHeaders, ObjectMeta};
use crate::parts::Parts;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub key: ObjectKey,
    /// This act of writing; names the manifest where there are chunks.
    pub write: WriteId,
    pub size: u64,
    pub content: NewContent,
    pub meta: NewMeta,
    pub condition: WriteCondition,
}

/// What a writer says of a new object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMeta {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub headers: Option<Arc<ObjectHeaders>>,
    /// The job's hold where these are silent.
    pub hints: ObjectHints,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub size: u64,
    pub last_modified: Timestamp,
    /// As in [`ObjectMeta`].
    pub expires_at: Option<Timestamp>,
    /// See [`ObjectMeta::rule_end`].
    pub rule_end: Option<RuleEnd>,
}

/// Adds bytes to the object that the caller has looked up, if it is still the same: else [`MetadataError::Changed`], and
/// nothing is added. Headers, life time and reads stay as they are; what is there is not moved. The object is of one part
/// afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    pub key: ObjectKey,
    /// This act of writing, as of a [`Commit`].
    pub write: WriteId,
    /// The object as it was seen. Equal tags mean equal bytes, so that a checksum which was made of what was seen holds.
    pub to: ETag,
    /// Its size: where the new bytes begin.
    pub offset: u64,
    /// Bytes to add, not 0.
    pub size: u64,
    /// Inline or chunks.
    pub content: NewContent,
    /// Of the whole object.
    pub etag: ETag,
    /// Of the whole object.
    pub checksum: Option<Checksum>,
}

/// See [`Request::Rename`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// This act of renaming. References that it takes have the same id.
    pub rename: WriteId,
    pub from: ObjectKey,
    /// On what is there now.
    pub conditions: ReadConditions,
    /// Not `from`.
    pub to: ObjectKey,
    /// The shard of `to`.
    pub at: NodeId,
    /// On what `to` names now.
    pub condition: WriteCondition,
    /// The client's own name for this act: as long as the shard remembers it, the same rename is answered and not done
    /// again, and another one is [`MetadataError::TokenTaken`].
    pub token: Option<Arc<str>>,
}

/// An object as one shard hands it to another. Inline bytes are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrive {
    pub rename: WriteId,
    /// The shard that it leaves.
    pub from: NodeId,
    pub key: ObjectKey,
    pub size: u64,
    /// Counted at their homes under the id `rename`.
    pub pieces: Vec<NewPiece>,
    pub parts: Parts,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub headers: Option<Arc<ObjectHeaders>>,
    pub last_modified: Timestamp,
    /// What is left of its life.
    pub ttl: Option<Duration>,
    /// Those that are left.
    pub reads: Option<u32>,
    pub condition: WriteCondition,
}

/// Takes one reference under the id `reference` to everything that the selected bytes of an object are made of, on
/// behalf of shard `holder`. Unless `holder` commits it, it is given back (see [`ShardRequest::AskReferences`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddReference {
    pub key: ObjectKey,
    pub conditions: ReadConditions,
    pub select: Select,
    pub reference: WriteId,
    pub holder: NodeId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Referenced {
    pub meta: ObjectMeta,
    pub now: Timestamp,
    /// Selected bytes.
    pub len: u64,
    /// Inline bytes are the answer's payload. A piece whose home is another shard is *not* counted yet: the caller
    /// forks it there first ([`Request::ForkReference`]).
    pub pieces: Vec<NewPiece>,
}
