//! The metadata seam: gateway -> shard, and the housekeeping between shards, storage servers and the controller.
//!
//! A shard answers two kinds of call. A *job request* concerns one job and carries the epoch that its caller believes
//! in; requests for one key are linearizable. A *shard request* is a batch about many jobs (leases, references,
//! writes) or about a job's life.
//!
//! A call is one value and raw bytes beside it: small objects travel as payload and are never encoded.

use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::clock::Timestamp;
use crate::conditions::{ReadConditions, WriteCondition};
use crate::hints::{JobHints, ObjectHints, StorageClass};
use crate::ids::{Epoch, JobId, LeaseId, NodeId, WriteId};
use crate::lifecycle::{Lifecycle, RuleEnd};
use crate::names::ObjectKey;
use crate::object::{ETag, NewContent, NewPiece, ObjectHeaders, ObjectMeta, Segment, Tags};
use crate::parts::Parts;
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A shard of the metadata plane. Calls may come from any thread and in any number; a call that is dropped may still
/// have taken effect.
#[async_trait]
pub trait Metadata: Send + Sync + 'static {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError>;

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError>;
}

/// A job as its caller knows it. An older epoch than the shard's is refused with [`MetadataError::StaleEpoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct JobRef {
    pub job: JobId,
    pub epoch: Epoch,
}

/// What a caller of the metadata seam can meet.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum MetadataError {
    /// The job has ended here, or never was: ask the controller for the bucket's placement again.
    #[error("no such job")]
    NoSuchJob,
    /// The placement has changed: ask the controller again.
    #[error("stale epoch; the shard is at {0:?}")]
    StaleEpoch(Epoch),
    /// Missing, expired, or all its reads are taken.
    #[error("no such key")]
    NoSuchKey,
    /// The key is there, its bytes died with a storage server.
    #[error("object was lost with its storage server")]
    Lost,
    #[error("not modified")]
    NotModified(Box<ObjectMeta>),
    #[error("precondition failed")]
    PreconditionFailed,
    #[error("range not satisfiable; the object has {size} bytes")]
    RangeNotSatisfiable { size: u64 },
    #[error("part number out of range; the object has {parts} parts")]
    NoSuchPart { parts: u16 },
    #[error("no such upload")]
    NoSuchUpload,
    /// A part that Complete names is missing or another one.
    #[error("invalid part {0}")]
    InvalidPart(u16),
    /// The object is not the one that the caller saw: there is another, of so many bytes, or none (0).
    #[error("object has changed; it has {size} bytes now")]
    Changed { size: u64 },
    /// The object consists of [`crate::limits::APPEND_PIECES_MAX`] pieces.
    #[error("object has too many pieces to be appended to")]
    TooManyPieces,
    /// The object is on its way to another key, or just arriving: ask again.
    #[error("object is being renamed")]
    Moving,
    /// The token of a rename names another one.
    #[error("token of another rename")]
    TokenTaken,
    /// The write was given up by the shard before it was committed: its bytes are gone.
    #[error("write came too late")]
    WriteBurned,
    /// The lease has ended; the bytes that it held may be gone.
    #[error("read lease has ended")]
    LeaseEnded,
    /// Writes are held up while the job may be ending; or the job is in use and so not idle.
    #[error("job is busy")]
    Busy,
    /// The shard's memory, or one of its tables, is full.
    #[error("metadata shard is full")]
    Full,
    /// The caller broke the contract.
    #[error("bad metadata request: {0}")]
    BadRequest(String),
    /// The shard cannot be reached, is another incarnation, or did not answer in time. The request may have happened.
    #[error("metadata shard unavailable: {0}")]
    Unavailable(String),
}

/// An answer with its bytes.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub reply: Reply,
    pub payload: Bytes,
}

/// Without payload.
impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, payload: Bytes::new() }
    }
}

/// A request that concerns one job. Each names its reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Is the job alive? [`Reply::Done`]
    Ping,
    /// Is the caller's epoch still the job's? As [`Request::Ping`], but no use of the job: for callers that are about to be
    /// refused. [`Reply::Done`]
    CheckEpoch,
    /// [`Reply::Found`]
    Lookup(Lookup),
    /// The next page of an answer's segments, or the segments of a reference's bytes. [`Reply::Segments`]
    Segments(SegmentsOf),
    /// An object with a page of the parts that it was uploaded in, numbers above `after`, at most `max`.
    /// [`Reply::Parts`]
    Parts { key: ObjectKey, after: u16, max: u32 },
    /// Makes an object visible, whole, in one step. [`Reply::Committed`]
    Commit(Commit),
    /// Adds bytes behind those of an object, in one step. [`Reply::Committed`], of the whole object.
    Append(Append),
    /// Gives an object another key, in one step. It stays the same one, with its ETag, its time and its bounds.
    /// [`Reply::Committed`]
    Rename(Box<Rename>),
    /// From the shard that a renamed object leaves to that of its new key. [`Reply::Committed`]
    Arrive(Box<Arrive>),
    /// From the shard that a renamed object leaves: did it arrive? If not, it never will: an arrival that comes late is
    /// [`MetadataError::WriteBurned`]. [`Reply::Arrived`]
    AskArrival { rename: WriteId },
    /// Deleting what is not there succeeds, unless there is a condition. [`Reply::Deleted`]
    Delete { key: ObjectKey, condition: WriteCondition },
    /// At most [`crate::limits::LIST_MAX_KEYS`] keys. [`Reply::Done`]
    DeleteMany { keys: Vec<ObjectKey> },
    /// Replaces an object's tags, and its bounds as far as the hints name them: a TTL counts from now, reads are those
    /// that are left. The object stays the same one, with its ETag and its time. [`Reply::Done`]
    SetTags { key: ObjectKey, tags: Tags, hints: ObjectHints },
    /// [`Reply::Listed`]
    List(List),
    /// Pins the bytes of an object, or a range of them, for a copy. [`Reply::Referenced`]
    AddReference(AddReference),
    /// Counts one more reference to a manifest that another shard's object refers to. [`Reply::Done`]
    ForkReference { manifest: WriteId, reference: WriteId, holder: NodeId },
    /// [`Reply::UploadCreated`]
    CreateUpload(CreateUpload),
    /// Replaces the part of that number. [`Reply::Done`]
    PutPart(PutPart),
    /// An upload with a page of its parts, numbers above `after`, at most `max`. [`Reply::Upload`]
    Upload { key: ObjectKey, upload: UploadId, after: u16, max: u32 },
    /// [`Reply::Committed`], the same one when it is repeated.
    Complete(Complete),
    /// Succeeds when repeated; an id that was never issued is [`MetadataError::NoSuchUpload`]. [`Reply::Done`]
    Abort { key: ObjectKey, upload: UploadId },
    /// [`Reply::Uploads`]
    ListUploads(ListUploads),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    Done,
    Found(Box<Found>),
    Segments(SegmentPage),
    Parts(Box<PartsPage>),
    Committed(Committed),
    Arrived(Option<Box<Committed>>),
    Deleted {
        existed: bool,
    },
    Listed(ListPage),
    Referenced(Box<Referenced>),
    UploadCreated {
        upload: UploadId,
        /// When the job's lifecycle aborts it.
        rule_end: Option<RuleEnd>,
    },
    Upload(Box<UploadPage>),
    Uploads(UploadsPage),
}

// ---- reading ----

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
    /// Offset and length within an object of `size` bytes; `None` where it cannot be satisfied.
    pub fn resolve(self, size: u64) -> Option<(u64, u64)> {
        match self {
            Self::FromTo(a, b) if a <= b && a < size => Some((a, b.min(size - 1) - a + 1)),
            Self::From(a) if a < size => Some((a, size - a)),
            Self::Last(n) if n > 0 && size > 0 => Some((size - n.min(size), n.min(size))),
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
    pub segments: Vec<Segment>,
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

// ---- writing ----

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commit {
    pub key: ObjectKey,
    /// This act of writing; names the manifest where there are chunks.
    pub write: WriteId,
    pub size: u64,
    pub content: NewContent,
    pub meta: NewMeta,
    pub condition: WriteCondition,
}

/// What a writer says of a new object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMeta {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub headers: Option<Arc<ObjectHeaders>>,
    /// The job's hold where these are silent.
    pub hints: ObjectHints,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Committed {
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub size: u64,
    pub last_modified: Timestamp,
    /// As in [`ObjectMeta`].
    pub expires_at: Option<Timestamp>,
    /// See [`ObjectMeta::rule_end`].
    pub rule_end: Option<RuleEnd>,
}

/// Adds bytes to the object that the caller has looked up, if it is still the same: else [`MetadataError::Changed`], and
/// nothing is added. Headers, life time and reads stay as they are; what is there is not moved. The object is of one part
/// afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Append {
    pub key: ObjectKey,
    /// This act of writing, as of a [`Commit`].
    pub write: WriteId,
    /// The object as it was seen. Equal tags mean equal bytes, so that a checksum which was made of what was seen holds.
    pub to: ETag,
    /// Its size: where the new bytes begin.
    pub offset: u64,
    /// Bytes to add, not 0.
    pub size: u64,
    /// Inline or chunks.
    pub content: NewContent,
    /// Of the whole object.
    pub etag: ETag,
    /// Of the whole object.
    pub checksum: Option<Checksum>,
}

/// See [`Request::Rename`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rename {
    /// This act of renaming. References that it takes have the same id.
    pub rename: WriteId,
    pub from: ObjectKey,
    /// On what is there now.
    pub conditions: ReadConditions,
    /// Not `from`.
    pub to: ObjectKey,
    /// The shard of `to`.
    pub at: NodeId,
    /// On what `to` names now.
    pub condition: WriteCondition,
    /// The client's own name for this act: as long as the shard remembers it, the same rename is answered and not done
    /// again, and another one is [`MetadataError::TokenTaken`].
    pub token: Option<Arc<str>>,
}

/// An object as one shard hands it to another. Inline bytes are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrive {
    pub rename: WriteId,
    /// The shard that it leaves.
    pub from: NodeId,
    pub key: ObjectKey,
    pub size: u64,
    /// Counted at their homes under the id `rename`.
    pub pieces: Vec<NewPiece>,
    pub parts: Parts,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub headers: Option<Arc<ObjectHeaders>>,
    pub last_modified: Timestamp,
    /// What is left of its life.
    pub ttl: Option<Duration>,
    /// Those that are left.
    pub reads: Option<u32>,
    pub condition: WriteCondition,
}

/// Takes one reference under the id `reference` to everything that the selected bytes of an object are made of, on
/// behalf of shard `holder`. Unless `holder` commits it, it is given back (see [`ShardRequest::AskReferences`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddReference {
    pub key: ObjectKey,
    pub conditions: ReadConditions,
    pub select: Select,
    pub reference: WriteId,
    pub holder: NodeId,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Referenced {
    pub meta: ObjectMeta,
    pub now: Timestamp,
    /// Selected bytes.
    pub len: u64,
    /// Inline bytes are the answer's payload. A piece whose home is another shard is *not* counted yet: the caller
    /// forks it there first ([`Request::ForkReference`]).
    pub pieces: Vec<NewPiece>,
}

// ---- listing ----

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    pub prefix: String,
    pub start: ListStart,
    /// Not empty.
    pub delimiter: Option<String>,
    /// 1 to [`crate::limits::LIST_MAX_KEYS`], keys and prefixes together.
    pub max: u32,
}

/// Where a list goes on. Bounds are any text, not only keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ListStart {
    Beginning,
    /// After this key.
    After(String),
    /// After every key that starts with this: the last item was a common prefix.
    AfterPrefix(String),
}

/// In the order of keys and prefixes as bytes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ListPage {
    pub items: Vec<ListItem>,
    /// There is at least one more item after the last.
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ListItem {
    Object(ListedObject),
    Prefix(String),
}

impl ListItem {
    /// What the page is ordered by.
    pub fn name(&self) -> &str {
        match self {
            Self::Object(object) => object.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ListedObject {
    pub key: ObjectKey,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub storage_class: Option<StorageClass>,
}

// ---- multipart uploads ----

/// An upload's id. Carries a code that only its shard can make, so that an id that was never issued is told from one
/// that was forgotten. Text of letters and digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UploadId(pub Arc<str>);

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateUpload {
    pub key: ObjectKey,
    pub headers: Option<Arc<ObjectHeaders>>,
    pub hints: ObjectHints,
    /// As the client announced it.
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PutPart {
    pub key: ObjectKey,
    pub upload: UploadId,
    /// 1 to [`crate::limits::PART_NUMBER_MAX`].
    pub number: u16,
    pub write: WriteId,
    pub size: u64,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub content: NewContent,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadPage {
    pub info: UploadInfo,
    /// In the order of their numbers.
    pub parts: Vec<UploadedPart>,
    pub more: bool,
    /// The upload was completed with this outcome; there are no parts any more.
    pub completed: Option<Committed>,
    /// When the job's lifecycle aborts it.
    pub rule_end: Option<RuleEnd>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UploadInfo {
    pub key: ObjectKey,
    pub upload: UploadId,
    pub initiated: Timestamp,
    pub checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub storage_class: Option<StorageClass>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadedPart {
    pub number: u16,
    /// Tells this part from one uploaded earlier or later under the same number.
    pub write: WriteId,
    pub size: u64,
    pub etag: ETag,
    pub last_modified: Timestamp,
    pub checksum: Option<Checksum>,
}

/// Makes an object of parts. `etag` and `checksum` are computed by the caller from the parts as it saw them; a part
/// that has been replaced since is [`MetadataError::InvalidPart`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Complete {
    pub key: ObjectKey,
    pub upload: UploadId,
    /// Ascending numbers, not empty.
    pub parts: Vec<(u16, WriteId)>,
    pub etag: ETag,
    pub checksum: Option<Checksum>,
    pub condition: WriteCondition,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListUploads {
    pub prefix: String,
    pub start: UploadsStart,
    pub delimiter: Option<String>,
    /// 1 to [`crate::limits::LIST_MAX_KEYS`].
    pub max: u32,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum UploadsStart {
    Beginning,
    /// After all uploads of this key.
    AfterKey(String),
    /// After this upload of this key.
    AfterUpload(String, String),
    /// After every key that starts with this.
    AfterPrefix(String),
}

/// In the order of keys, then of initiation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UploadsPage {
    pub items: Vec<UploadsItem>,
    pub more: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum UploadsItem {
    Upload(UploadInfo),
    Prefix(String),
}

// ---- shard requests ----

/// Batches, and a job's life at a shard. All can be repeated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardRequest {
    /// From the controller: serve this job. [`ShardReply::Done`]
    Open(Box<JobSpec>),
    /// From the controller: this is the job from now on, and older epochs are refused. An older one than the shard's
    /// changes nothing. [`ShardReply::Done`]
    Update(Box<JobSpec>),
    /// From the controller: refuse writes for [`crate::limits::FREEZE_LEASE`], because the job may end. With
    /// `idle_for`, only if no request came for that long and no transfer or wait is open, else
    /// [`MetadataError::Busy`]. [`ShardReply::Frozen`]
    Freeze { job: JobId, idle_for: Option<Duration> },
    /// From the controller: it does not end. [`ShardReply::Done`]
    Thaw { job: JobId },
    /// From the controller: drop the job and everything in it, and never serve it again. With `only_frozen`,
    /// [`MetadataError::Busy`] where the freeze has lapsed. [`ShardReply::Done`]
    End { job: JobId, only_frozen: bool },
    /// From gateways. [`ShardReply::LeasesEnded`]: those that could not be renewed.
    Renew(Vec<(JobId, LeaseId)>),
    /// From gateways: these reads are over. [`ShardReply::Done`]
    Release(Vec<(JobId, LeaseId, Delivery)>),
    /// From storage servers: were these writes committed here? Those that were not are burned: a later commit fails
    /// with [`MetadataError::WriteBurned`]. [`ShardReply::Known`], one answer each.
    AskWrites(Vec<(JobId, WriteId)>),
    /// From a manifest's home to the shard that a reference was taken for, as above. [`ShardReply::Known`]
    AskReferences(Vec<(JobId, WriteId)>),
    /// From gateways to a manifest's home: the references were committed. [`ShardReply::Done`]
    ConfirmReferences(Vec<(JobId, WriteId)>),
    /// To a manifest's home: the references are not held any more. [`ShardReply::Done`]
    ReleaseReferences(Vec<(JobId, WriteId)>),
    /// From the shards that renamed objects left: they know that these have arrived. [`ShardReply::Done`]
    ForgetArrivals(Vec<(JobId, WriteId)>),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ShardReply {
    Done,
    Frozen { objects: u64 },
    LeasesEnded(Vec<(JobId, LeaseId)>),
    Known(Vec<bool>),
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delivery {
    /// All selected bytes are in the client's socket.
    Sent,
    /// Anything else: a counted read is given back.
    Failed,
}

/// A job as a shard serves it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobSpec {
    pub job: JobId,
    pub epoch: Epoch,
    /// As granted.
    pub hints: JobHints,
    pub lifecycle: Lifecycle,
    /// All shards of the job; this one is among them.
    pub shards: Vec<NodeId>,
    /// Until its TTL ends it.
    pub ends_in: Option<Duration>,
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
            (Last(1), 0, None),
            (From(0), 0, None),
        ] {
            assert_eq!(range.resolve(size), expected, "{range:?} of {size}");
        }
    }
}
