//! Writing objects and parts, and deleting them.

use super::call::Input;
use crate::payload_stream::Payload;
use pocket_access::acl::Said;
use pocket_api::checksum::{Checksum, ChecksumAlgorithm};
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::ObjectHints;
use pocket_api::metadata::{Committed, UploadId};
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::{ETag, ObjectHeaders};
use std::sync::Arc;

/// How long a body is, framing taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodySize {
    Exactly(u64),
    /// The file of a form: its length is known when it has ended.
    AtMost(u64),
}

pub struct PutObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub size: BodySize,
    /// From Content-MD5, which the body is held to.
    pub md5: Option<[u8; 16]>,
    pub condition: WriteCondition,
    pub headers: Option<Arc<ObjectHeaders>>,
    /// The request says what the object's tags are, be it that it has none.
    pub says_tags: bool,
    pub acl: Said,
    pub hints: ObjectHints,
    /// Where an object that is there is to be appended to.
    pub append_at: Option<u64>,
    pub body: Payload,
}

pub struct UploadPart {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub upload: UploadId,
    pub number: u16,
    pub size: u64,
    pub md5: Option<[u8; 16]>,
    /// Of which algorithm the client sends a checksum of the body, which is held to it.
    pub named: Option<ChecksumAlgorithm>,
    pub body: Payload,
}

#[derive(Clone, Debug)]
pub struct PartWritten {
    pub etag: ETag,
    /// The client's, or one that was computed because the object is to have one.
    pub checksum: Option<Checksum>,
}

#[derive(Clone, Debug)]
pub struct DeleteObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub condition: WriteCondition,
    pub of_version: bool,
}

impl Input for PutObject {
    type Answer = Committed;
}

impl Input for UploadPart {
    type Answer = PartWritten;
}

impl Input for DeleteObject {
    type Answer = ();
}
