//! Suites that every implementation of a seam passes: the plane itself, and the same plane seen over the wire. Each
//! promise in the documentation of a seam has its case here.
//!
//! A suite takes a factory that makes a fresh value, runs its cases one after the other and panics with the name of
//! the promise that does not hold.

pub mod chunks;
pub mod control;
pub mod metadata;

use crate::clock::Timestamp;
use crate::object::{ETag, ObjectMeta};

/// An object of `size` bytes of which nothing else is said: for tests to answer with, or to make others of.
pub fn plain_object(size: u64) -> ObjectMeta {
    ObjectMeta {
        size,
        etag: ETag::md5([1; 16]),
        last_modified: Timestamp(0),
        expires_at: None,
        rule_end: None,
        reads_left: None,
        checksum: None,
        headers: None,
        parts: 0,
    }
}
