//! The tags of an object that stays the same one.

use super::call::Input;
use crate::payload_stream::Document;
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::Tags;

#[derive(Clone, Debug)]
pub struct GetObjectTagging {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub of_version: bool,
}

pub struct PutObjectTagging {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub of_version: bool,
    pub tags: Document<Tags>,
}

#[derive(Clone, Debug)]
pub struct DeleteObjectTagging {
    pub bucket: BucketName,
    pub key: ObjectKey,
    pub of_version: bool,
}

impl Input for GetObjectTagging {
    type Answer = Tags;
}

impl Input for PutObjectTagging {
    type Answer = ();
}

impl Input for DeleteObjectTagging {
    type Answer = ();
}
