//! Buckets themselves: making, finding and ending them, and sessions with one.

use super::call::Input;
use crate::payload_stream::Document;
use crate::session::SessionCredentials;
use pocket_access::acl::{Ownership, Said};
use pocket_api::clock::Timestamp;
use pocket_api::control::Derived;
use pocket_api::hints::JobHints;
use pocket_api::ids::JobId;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::object::Tags;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct ListBuckets {
    pub prefix: String,
    /// Begins behind this name.
    pub after: Option<String>,
    /// At most so many, and at least one.
    pub max: usize,
    /// Those of this region alone.
    pub region: Option<String>,
}

#[derive(Debug)]
pub struct ListedBuckets {
    pub buckets: Vec<ListedBucket>,
    /// There are others behind the last one.
    pub more: bool,
    /// Of all of them.
    pub owner: TenantName,
    /// Likewise.
    pub region: Arc<str>,
}

#[derive(Clone, Debug)]
pub struct ListedBucket {
    pub name: BucketName,
    pub created_at: Timestamp,
}

pub struct CreateBucket {
    pub bucket: BucketName,
    /// Names and values of the hints that do not stand in tags.
    pub hints: Vec<(String, String)>,
    pub ownership: Option<Ownership>,
    pub acl: Said,
    pub configuration: Document<BucketConfiguration>,
}

/// What the document of a new bucket says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketConfiguration {
    /// A region, or a profile; empty for neither.
    pub location: String,
    /// It asks for a kind of bucket that S3 has in single zones.
    pub is_directory: bool,
    pub tags: Tags,
}

/// A bucket as its job is.
#[derive(Clone, Debug)]
pub struct Granted {
    pub job: JobId,
    /// As asked.
    pub hints: JobHints,
    pub derived: Derived,
    /// What the servers of the job can hold together.
    pub servers_capacity_bytes: u64,
}

#[derive(Clone, Debug)]
pub struct HeadBucket {
    pub bucket: BucketName,
}

#[derive(Debug)]
pub struct SeenBucket {
    pub granted: Granted,
    pub region: Arc<str>,
}

#[derive(Clone, Debug)]
pub struct DeleteBucket {
    pub bucket: BucketName,
    /// With all that is in it.
    pub force: bool,
}

#[derive(Clone, Debug)]
pub struct GetBucketLocation {
    pub bucket: BucketName,
}

#[derive(Clone)]
pub struct CreateSession {
    pub bucket: BucketName,
    /// To be handed out when the caller may have them. Nobody in particular has no key that they could follow from.
    pub credentials: Option<Box<SessionCredentials>>,
}

impl Input for ListBuckets {
    type Answer = ListedBuckets;
}

impl Input for CreateBucket {
    type Answer = Granted;
}

impl Input for HeadBucket {
    type Answer = SeenBucket;
}

impl Input for DeleteBucket {
    type Answer = ();
}

impl Input for GetBucketLocation {
    /// The region.
    type Answer = Arc<str>;
}

impl Input for CreateSession {
    type Answer = Box<SessionCredentials>;
}
