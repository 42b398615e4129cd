//! The metadata seam: gateway -> shard, and the housekeeping between shards, storage servers and the controller.
//!
//! A shard answers two kinds of call. A *job request* concerns one job and carries the epoch that its caller believes
//! in; requests for one key are linearizable. A *shard request* is a batch about many jobs (leases, references,
//! writes) or about a job's life.
//!
//! A call is one value and raw bytes beside it: small objects travel as payload and are never encoded.

mod housekeeping;
mod lists;
mod reads;
mod uploads;
mod writes;

use crate::clock::Timestamp;
pub use housekeeping::{Delivery, Fate, JobSpec, Order, ShardReply, ShardRequest};
pub use lists::{List, ListItem, ListPage, ListStart, ListedObject};
pub use reads::{ByteRange, Found, Lookup, ObjectPart, PartsPage, SegmentPage, SegmentsOf, Select, Want};
pub use uploads::{
    Complete, CreateUpload, ListUploads, PutPart, UploadId, UploadInfo, UploadPage, UploadedPart,
    UploadsItem, UploadsPage, UploadsStart,
};
pub use writes::{AddReference, Append, Arrive, Commit, Committed, NewMeta, Referenced, Rename};

use crate::acl::Acl;
use crate::budget::Shortage;
use crate::checksum::{ChecksumAlgorithm, ChecksumKind};
use crate::conditions::WriteCondition;
use crate::hints::ObjectHints;
use crate::ids::{Epoch, JobId, NodeId, Term, WriteId};
use crate::lifecycle::RuleEnd;
use crate::names::ObjectKey;
use crate::object::{ObjectMeta, Tags};
use async_trait::async_trait;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A shard of the metadata plane. Calls may come from any thread and in any number; a call that is dropped may still
/// have taken effect.
#[async_trait]
pub trait Metadata: Send + Sync + 'static {
    async fn job(&self, job: JobRef, request: Request, payload: Bytes) -> Result<Answer, MetadataError>;

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError>;
}

/// A job as its caller knows it. An older epoch than the shard's is refused with [`MetadataError::StaleEpoch`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobRef {
    pub job: JobId,
    pub epoch: Epoch,
    /// A change that comes later, by the shard's clock, is refused with [`MetadataError::TooLate`], so that a caller that stood
    /// still changes nothing when it goes on. See [`crate::limits::CHANGE_WITHIN`]. Looking does not come too late.
    pub until: Timestamp,
}

impl JobRef {
    /// Whenever it comes.
    pub const fn new(job: JobId, epoch: Epoch) -> Self {
        Self { job, epoch, until: Timestamp(u64::MAX) }
    }

    pub const fn until(self, until: Timestamp) -> Self {
        Self { until, ..self }
    }
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
    /// The order is of a controller that another one has followed, which the shard has heard of.
    #[error("order of an older controller; the shard has heard of {0}")]
    StaleTerm(Term),
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
    /// A part comes without the checksum that its upload announced, and has to come again with one of this algorithm.
    #[error("part without the {0} that its upload announced")]
    OtherChecksum(ChecksumAlgorithm, ChecksumKind),
    /// The object, or its ACL, is not the one that the caller saw: there is another, of so many bytes, or none (0).
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
    /// The change was meant to be made earlier. It was not, and will not be.
    #[error("the change came too late: its gateway stood still, or its clock is behind")]
    TooLate,
    /// The lease has ended; the bytes that it held may be gone.
    #[error("read lease has ended")]
    LeaseEnded,
    /// Writes, or all requests, are held up while the job may be ending; the job is in use and so not idle; or what an order
    /// builds on is undone.
    #[error("job is busy")]
    Busy,
    /// The shard's memory is full.
    #[error("metadata shard has no room: {0}")]
    Full(Shortage),
    /// As many reads are open, or wait, as may at a time.
    #[error("too many reads are open or wait at the metadata shard")]
    Crowded,
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
    /// What is said of an object. As a [`Request::Lookup`] of [`Want::Meta`], but no use of the job: for callers that are
    /// not admitted yet. [`Reply::Found`]
    Describe { key: ObjectKey },
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
    /// Replaces an object's ACL if it is still the one that the caller has seen, by which it was let in: else
    /// [`MetadataError::Changed`]. The object stays the same one, with its ETag and its time. [`Reply::Done`]
    SetAcl { key: ObjectKey, seen: Option<Box<Acl>>, acl: Option<Box<Acl>> },
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
