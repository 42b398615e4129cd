//! Reading one object.

use super::call::Input;
use crate::content::Content;
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Found, PartsPage, Select};
use pocket_api::names::{BucketName, ObjectKey};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct GetObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub conditions: ReadConditions,
    pub select: Select,
    /// What must hold for a range to be sent, and the whole object otherwise.
    pub range_holds_if: Option<ReadConditions>,
    /// How long a missing key is waited for; `None` leaves it to the bucket.
    pub wait: Option<Duration>,
    /// The object goes when its bytes were sent.
    pub deletes: bool,
    /// The request names the version.
    pub of_version: bool,
}

#[derive(Clone, Debug)]
pub struct HeadObject {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub conditions: ReadConditions,
    pub select: Select,
    pub wait: Option<Duration>,
    pub of_version: bool,
}

#[derive(Clone, Debug)]
pub struct GetObjectAttributes {
    pub bucket: BucketName,
    pub key: ObjectKey,
    /// The number after which the page of its parts begins.
    pub after: u16,
    /// So many parts at most; none where nobody wants to see them.
    pub max_parts: usize,
    pub of_version: bool,
}

pub struct GotObject {
    pub found: Box<Found>,
    pub select: Select,
    pub content: Content,
}

impl Input for GetObject {
    type Answer = GotObject;
}

impl Input for GetObjectAttributes {
    type Answer = PartsPage;
}

impl Input for HeadObject {
    type Answer = Box<Found>;
}
