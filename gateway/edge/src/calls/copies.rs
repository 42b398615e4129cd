//! Objects and parts made of other objects, and objects that get another key.

use super::call::{ExpectedOwner, Input};
use pocket_access::acl::Said;
use pocket_api::checksum::{Checksum, ChecksumAlgorithm};
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::ObjectHints;
use pocket_api::metadata::{Committed, Select, UploadId};
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::{ETag, ObjectHeaders};
use std::sync::Arc;

/// What a copy is made of.
#[derive(Clone, Debug)]
pub struct SourceObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The request names its version.
    pub of_version: bool,
    pub conditions: ReadConditions,
    /// Of its bucket.
    pub expected_owner: ExpectedOwner,
}

/// Where something that is said of a copy comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directive {
    /// The source.
    Copy,
    /// The request.
    Replace,
}

#[derive(Clone, Copy, Debug)]
pub struct Directives {
    /// Of all that is said of an object but the storage class and the ACL, which are always the request's.
    pub metadata: Directive,
    pub tags: Directive,
}

#[derive(Clone, Debug)]
pub struct CopyObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub condition: WriteCondition,
    pub source: SourceObject,
    pub directives: Directives,
    /// What the request says of the copy, without what comes from the source whatever the request says.
    pub headers: Option<Arc<ObjectHeaders>>,
    /// As of a [`super::PutObject`].
    pub says_tags: bool,
    pub acl: Said,
    pub hints: ObjectHints,
    /// Which checksum the copy is to have; else that of its source.
    pub checksum: Option<ChecksumAlgorithm>,
}

#[derive(Clone, Debug)]
pub struct UploadPartCopy {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload: UploadId,
    pub number: u16,
    pub source: SourceObject,
    /// Which bytes of the source.
    pub select: Select,
}

#[derive(Clone, Debug)]
pub struct PartCopied {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    /// By the source's shard.
    pub copied_at: Timestamp,
}

/// Inside of one bucket.
#[derive(Clone, Debug)]
pub struct RenameObject {
    pub bucket: BucketName,
    pub from: ObjectKey,
    pub conditions: ReadConditions,
    pub to: ObjectKey,
    pub condition: WriteCondition,
    /// Repeated with it, a rename is answered and not done again.
    pub token: Option<Arc<str>>,
}

impl Input for CopyObject {
    type Answer = Committed;
}

impl Input for UploadPartCopy {
    type Answer = PartCopied;
}

impl Input for RenameObject {
    type Answer = ();
}
