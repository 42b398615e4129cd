//! Deleting many objects of a bucket, each with an outcome of its own.

use super::call::Input;
use crate::payload_stream::Document;
use pocket_access::refusal::Refusal;
use pocket_api::conditions::ETagMatch;
use pocket_api::names::BucketName;

pub struct DeleteObjects {
    pub bucket: BucketName,
    pub list: Document<DeleteList>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct DeleteList {
    pub objects: Vec<ObjectToDelete>,
    /// What went well is not told.
    pub quiet: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ObjectToDelete {
    pub named: NamedObject,
    pub if_match: Option<ETagMatch>,
}

/// An object by the names that the client gave it, which may be no good ones: its answer repeats them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedObject {
    pub key: String,
    pub version: Option<String>,
}

/// Both in the order of the list.
#[derive(Debug, Default)]
pub struct DeletedObjects {
    pub deleted: Vec<NamedObject>,
    pub failed: Vec<(NamedObject, Refusal)>,
}

impl Input for DeleteObjects {
    type Answer = DeletedObjects;
}
