//! What is asked and answered for one key: a lookup with its conditions and range, its segments, its parts.

#[cfg(doc)]
use super::{Delivery, MetadataError, Request};
use crate::checksum::Checksum;
use crate::clock::Timestamp;
use crate::conditions::ReadConditions;
use crate::ids::{LeaseId, WriteId};
use crate::names::ObjectKey;
use crate::object::{ObjectMeta, Segment};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::time::Duration;

/// Looks one key up. Without `wait`, a missing key is [`MetadataError::NoSuchKey`] at once; with it, the call sleeps
/// until the key appears, the time is up, or the job or its epoch ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    pub key: ObjectKey,
    pub conditions: ReadConditions,
    pub select: Select,
    pub want: Want,
    pub wait: Duration,
}

/// Which bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Select {
    Whole,
    Range(ByteRange),
    /// From 1. An object that did not come by multipart upload is its own part 1.
    Part(u16),
}

/// A range as HTTP says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByteRange {
    /// `a-b`, both included.
    FromTo(u64, u64),
    /// `a-`
    From(u64),
    /// `-n`
    Last(u64),
}

impl ByteRange {
    /// Offset and length within an object of `size` bytes; `None` where it cannot be satisfied. The last bytes of an empty
    /// object are all of it (RFC 9110, 14.1.2).
    pub fn resolve(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::FromTo(a, b) if a <= b && a < size => Some((a, b.min(size - 1) - a + 1)),
            Self::From(a) if a < size => Some((a, size - a)),
            Self::Last(n) if n > 0 => Some((size - n.min(size), n.min(size))),
            _ => None,
        }
    }
}

/// What the caller will do with the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Want {
    /// HEAD: no segments, no lease, no read used up.
    Meta,
    /// GET: a read is reserved where reads are counted.
    Data,
    /// GET that deletes the object once its bytes were sent: while it runs nobody else gets them.
    DataAndDelete,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub meta: ObjectMeta,
    /// The shard's time, to turn its stamps into durations.
    pub now: Timestamp,
    /// First selected byte.
    pub offset: u64,
    /// Selected bytes.
    pub len: u64,
    /// Of the part that was selected, where it is known.
    pub part_checksum: Option<Checksum>,
    /// First page; empty for [`Want::Meta`]. Inline bytes are the answer's payload.
    pub page: SegmentPage,
    /// Keeps the bytes until it is released or [`crate::limits::READ_LEASE`] passes without renewal. Absent where
    /// nothing needs keeping: all bytes are in the payload and reads are not counted.
    pub lease: Option<LeaseId>,
    /// Reads are counted: release the lease with [`Delivery::Sent`] only when the last byte is in the socket.
    pub counted: bool,
}

/// Segments in the order of their bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentPage {
    /// Most reads find a single one, which is in place.
    pub segments: SmallVec<[Segment; 1]>,
    /// Set when the page ends before the selected bytes do: how many bytes from `Found::offset` it covers.
    pub next: Option<u64>,
}

/// See [`Request::Parts`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PartsPage {
    pub meta: ObjectMeta,
    /// In the order of their numbers; none of an object that did not come by multipart upload.
    pub parts: Vec<ObjectPart>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPart {
    /// From 1, without gaps.
    pub number: u16,
    pub size: u64,
    /// Where all parts came with one of the same algorithm.
    pub checksum: Option<Checksum>,
}

/// Which segments, at most [`crate::limits::SEGMENTS_PER_PAGE`] an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SegmentsOf {
    /// What a lease holds, from `skip` bytes after its first.
    Lease { lease: LeaseId, skip: u64 },
    /// Bytes of a manifest kept here, for an object of another shard. `next` counts from `offset`.
    Manifest { manifest: WriteId, offset: u64, len: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_resolve_as_http_says() {
        use ByteRange::*;
        for (range, size, expected) in [
            (FromTo(0, 0), 10, Some((0, 1))),
            (FromTo(2, 5), 10, Some((2, 4))),
            (FromTo(2, 99), 10, Some((2, 8))),
            (FromTo(0, u64::MAX), 10, Some((0, 10))),
            (FromTo(5, 2), 10, None),
            (FromTo(10, 11), 10, None),
            (From(9), 10, Some((9, 1))),
            (From(10), 10, None),
            (Last(3), 10, Some((7, 3))),
            (Last(30), 10, Some((0, 10))),
            (Last(0), 10, None),
            (Last(1), 0, Some((0, 0))),
            (Last(0), 0, None),
            (From(0), 0, None),
        ] {
            assert_eq!(range.resolve(size), expected, "{range:?} of {size}");
        }
    }
}
