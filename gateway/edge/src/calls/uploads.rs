//! Multipart uploads: their beginnings, ends and lists.

use super::call::Input;
use crate::checksums::NamedChecksum;
use crate::listing::Page;
use crate::payload_stream::Document;
use pocket_access::acl::Said;
use pocket_api::checksum::{ChecksumAlgorithm, ChecksumKind};
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::ObjectHints;
use pocket_api::lifecycle::RuleEnd;
use pocket_api::metadata::{Committed, UploadId, UploadPage, UploadsItem, UploadsStart};
use pocket_api::names::{BucketName, ObjectKey, TenantName};
use pocket_api::object::ObjectHeaders;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct CreateMultipartUpload {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub headers: Option<Arc<ObjectHeaders>>,
    /// As of a [`super::PutObject`].
    pub says_tags: bool,
    pub acl: Said,
    pub hints: ObjectHints,
    /// What the object and its parts are to have, where the request names it.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

#[derive(Clone, Debug)]
pub struct UploadCreated {
    pub upload: UploadId,
    /// When a rule of the bucket aborts it.
    pub rule_end: Option<RuleEnd>,
}

pub struct CompleteMultipartUpload {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload: UploadId,
    pub condition: WriteCondition,
    pub promised: PromisedWhole,
    pub parts: Document<Vec<ListedPart>>,
}

/// What a request says of the whole object, which it is held to.
#[derive(Clone, Debug, Default)]
pub struct PromisedWhole {
    pub checksum: Option<NamedChecksum>,
    pub kind: Option<ChecksumKind>,
    /// In bytes; of either sign, as it came.
    pub size: Option<i64>,
}

/// A part as a client's list names it.
#[derive(Clone, Debug, Default)]
pub struct ListedPart {
    /// As it came; 0 where it names none.
    pub number: i32,
    /// Without quotes.
    pub etag: Option<String>,
    pub checksum: Option<NamedChecksum>,
}

#[derive(Clone, Debug)]
pub struct AbortMultipartUpload {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload: UploadId,
}

#[derive(Clone, Debug)]
pub struct ListParts {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload: UploadId,
    /// The number after which the page begins.
    pub after: u16,
    /// At most [`pocket_api::limits::LIST_MAX_KEYS`].
    pub max: usize,
}

#[derive(Clone, Debug)]
pub struct ListedParts {
    pub page: UploadPage,
    /// Of the bucket, and so of the upload.
    pub owner: TenantName,
}

#[derive(Clone, Debug)]
pub struct ListMultipartUploads {
    pub bucket: BucketName,
    pub prefix: String,
    /// Never empty.
    pub delimiter: Option<String>,
    pub start: UploadsStart,
    /// At most [`pocket_api::limits::LIST_MAX_KEYS`].
    pub max: usize,
}

#[derive(Debug)]
pub struct ListedUploads {
    pub page: Page<UploadsItem>,
    pub owner: TenantName,
}

impl Input for CreateMultipartUpload {
    type Answer = UploadCreated;
}

impl Input for CompleteMultipartUpload {
    type Answer = Committed;
}

impl Input for AbortMultipartUpload {
    type Answer = ();
}

impl Input for ListParts {
    type Answer = ListedParts;
}

impl Input for ListMultipartUploads {
    type Answer = ListedUploads;
}
