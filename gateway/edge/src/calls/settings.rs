//! Settings of buckets, and the lists of objects that are made like one of them.

use super::call::Input;
use crate::documents::lifecycle::{LifecycleDocument, LifecycleRules, LifecycleTerms};
use crate::payload_stream::Document;
use pocket_access::acl::{OwnedAcl, Ownership, Said, SentAcl};
use pocket_access::cors::Cors;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::Tags;
use std::sync::Arc;

/// What buckets have in S3. Most of it nobody can make here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    Accelerate,
    Acl,
    Cors,
    Encryption,
    Lifecycle,
    Logging,
    Many(Many, Which),
    Notification,
    ObjectLock,
    OwnershipControls,
    Policy,
    PolicyStatus,
    PublicAccessBlock,
    Replication,
    RequestPayment,
    Tagging,
    Versioning,
    Website,
}

/// Of these a bucket may have many in S3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Many {
    Analytics,
    IntelligentTiering,
    Inventory,
    Metrics,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    All,
    /// By its id.
    One,
}

#[derive(Clone, Debug)]
pub struct GetBucketSetting {
    pub bucket: BucketName,
    pub setting: Setting,
}

/// A setting that is there, or that S3 shows in any case.
#[derive(Clone, Debug)]
pub enum BucketSetting {
    Acl(OwnedAcl),
    Cors(Arc<Cors>),
    Lifecycle(LifecycleDocument),
    OwnershipControls(Ownership),
    /// As it was sent.
    Policy(Arc<str>),
    PolicyStatus {
        is_public: bool,
    },
    PublicAccessBlock(PublicAccessBlock),
    /// With all hints, however they were asked for.
    Tagging(Tags),
    Unmade(Unmade),
}

/// What S3 shows of a setting that nobody has made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmade {
    Accelerate,
    Logging,
    NoneOf(Many),
    Notification,
    RequestPayment,
    Versioning,
}

#[derive(Clone, Debug)]
pub struct DeleteBucketSetting {
    pub bucket: BucketName,
    pub setting: Removable,
}

/// What can be taken away. To take away what is not there succeeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removable {
    Cors,
    Lifecycle,
    OwnershipControls,
    Policy,
    PublicAccessBlock,
    Tagging,
}

pub struct PutBucketAcl {
    pub bucket: BucketName,
    /// Either this or the document says it.
    pub said: Said,
    pub sent: Document<Option<SentAcl>>,
}

pub struct PutBucketCors {
    pub bucket: BucketName,
    pub cors: Document<Cors>,
}

pub struct PutBucketLifecycle {
    pub bucket: BucketName,
    pub terms: LifecycleTerms,
    pub rules: Document<LifecycleRules>,
}

pub struct PutBucketOwnershipControls {
    pub bucket: BucketName,
    pub ownership: Document<Ownership>,
}

pub struct PutBucketPolicy {
    pub bucket: BucketName,
    /// Not understood yet.
    pub policy: Document<String>,
}

pub struct PutBucketTagging {
    pub bucket: BucketName,
    pub tags: Document<Tags>,
}

pub struct PutPublicAccessBlock {
    pub bucket: BucketName,
    pub block: Document<PublicAccessBlock>,
}

#[derive(Clone, Debug)]
pub struct GetObjectAcl {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub of_version: bool,
}

pub struct PutObjectAcl {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub of_version: bool,
    /// Either this or the document says it.
    pub said: Said,
    pub sent: Document<Option<SentAcl>>,
}

impl Input for GetBucketSetting {
    type Answer = BucketSetting;
}

impl Input for DeleteBucketSetting {
    type Answer = ();
}

impl Input for PutBucketAcl {
    type Answer = ();
}

impl Input for PutBucketCors {
    type Answer = ();
}

impl Input for PutBucketLifecycle {
    type Answer = ();
}

impl Input for PutBucketOwnershipControls {
    type Answer = ();
}

impl Input for PutBucketPolicy {
    type Answer = ();
}

impl Input for PutBucketTagging {
    type Answer = ();
}

impl Input for PutPublicAccessBlock {
    type Answer = ();
}

impl Input for GetObjectAcl {
    type Answer = OwnedAcl;
}

impl Input for PutObjectAcl {
    type Answer = ();
}
