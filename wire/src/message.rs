//! What frames carry: the requests and replies of the metadata and the chunk seam, as postcard reads them. The only
//! file that knows which message belongs to which kind of frame.

use crate::frame::{FrameError, FrameHeader, FrameKind};
use crate::queue::FrameQueue;
use crate::reader::Message;
use bytes::Bytes;
use pocket_api::chunks::{Allocate, ChunkError};
use pocket_api::ids::{ChunkId, JobId, Term, WriteId};
use pocket_api::metadata::{JobRef, MetadataError, Reply, Request, ShardReply, ShardRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A call of [`pocket_api::chunks::Chunks`]; written bytes are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChunkRequest {
    Allocate(Allocate),
    Write { chunk: ChunkId, offset: u32 },
    Read { chunk: ChunkId, offset: u32, len: u32 },
    Free(Vec<ChunkId>),
    Touch(Vec<WriteId>),
    EndJobs(Term, Vec<JobId>),
}

/// Read bytes are the payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChunkReply {
    Allocated(Vec<ChunkId>),
    Done,
}

/// What a client sends.
#[derive(Debug)]
pub(crate) enum Call {
    Job(JobRef, Request),
    Shard(ShardRequest),
    Chunk(ChunkRequest),
    /// The id of the frame names the call.
    Cancel,
}

impl Call {
    /// May sleep at the server for as long as its caller likes, and so does not count as in flight.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Job(_, Request::Lookup(lookup)) if !lookup.wait.is_zero())
    }

    pub(crate) fn push(
        &self,
        queue: &mut FrameQueue,
        id: u64,
        deadline_ms: u32,
        payload: Bytes,
    ) -> Result<(), FrameError> {
        match self {
            Self::Job(job, request) => {
                queue.push(FrameKind::JobRequest, id, deadline_ms, &(job, request), payload)
            }
            Self::Shard(request) => queue.push(FrameKind::ShardRequest, id, deadline_ms, request, payload),
            Self::Chunk(request) => queue.push(FrameKind::ChunkRequest, id, deadline_ms, request, payload),
            Self::Cancel => queue.push(FrameKind::Cancel, id, deadline_ms, &(), payload),
        }
    }
}

impl Message for Call {
    fn decode(header: &FrameHeader, part: &[u8]) -> Result<Self, FrameError> {
        match header.kind {
            FrameKind::JobRequest => decode(header.kind, part).map(|(job, request)| Self::Job(job, request)),
            FrameKind::ShardRequest => decode(header.kind, part).map(Self::Shard),
            FrameKind::ChunkRequest => decode(header.kind, part).map(Self::Chunk),
            FrameKind::Cancel => decode(header.kind, part).map(|()| Self::Cancel),
            kind => Err(FrameError::Unexpected(kind)),
        }
    }
}

/// What a server sends: exactly one for each call, cancelled ones included.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Response {
    Job(Result<Reply, MetadataError>),
    Shard(Result<ShardReply, MetadataError>),
    Chunk(Result<ChunkReply, ChunkError>),
}

impl Response {
    pub(crate) fn push(&self, queue: &mut FrameQueue, id: u64, payload: Bytes) -> Result<(), FrameError> {
        match self {
            Self::Job(reply) => queue.push(FrameKind::JobReply, id, 0, reply, payload),
            Self::Shard(reply) => queue.push(FrameKind::ShardReply, id, 0, reply, payload),
            Self::Chunk(reply) => queue.push(FrameKind::ChunkReply, id, 0, reply, payload),
        }
    }
}

impl Message for Response {
    fn decode(header: &FrameHeader, part: &[u8]) -> Result<Self, FrameError> {
        match header.kind {
            FrameKind::JobReply => decode(header.kind, part).map(Self::Job),
            FrameKind::ShardReply => decode(header.kind, part).map(Self::Shard),
            FrameKind::ChunkReply => decode(header.kind, part).map(Self::Chunk),
            kind => Err(FrameError::Unexpected(kind)),
        }
    }
}

fn decode<T: DeserializeOwned>(kind: FrameKind, part: &[u8]) -> Result<T, FrameError> {
    let (message, rest) =
        postcard::take_from_bytes(part).map_err(|e| FrameError::Message(kind, e.to_string()))?;
    if !rest.is_empty() {
        return Err(FrameError::Message(kind, format!("{} bytes are left over", rest.len())));
    }
    Ok(message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::HEADER_PART_MAX_BYTES;
    use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
    use pocket_api::clock::Timestamp;
    use pocket_api::conditions::{ETagMatch, WriteCondition};
    use pocket_api::ids::{Epoch, NodeId};
    use pocket_api::limits::{KEY_MAX_BYTES, LIST_MAX_KEYS, PART_NUMBER_MAX};
    use pocket_api::metadata::{
        Complete, ListItem, ListPage, ListedObject, UploadId, UploadInfo, UploadPage, UploadedPart,
    };
    use pocket_api::names::ObjectKey;
    use pocket_api::object::{ETag, Extent, NewContent};
    use pocket_api::storage_class::StorageClass;

    fn longest_key() -> ObjectKey {
        ObjectKey::parse(&"\u{7f}".repeat(KEY_MAX_BYTES)).unwrap()
    }

    fn largest_write() -> WriteId {
        WriteId { gateway: NodeId(u64::MAX), number: u64::MAX }
    }

    fn largest_checksum() -> Checksum {
        let value = std::iter::repeat_n(0xff, ChecksumAlgorithm::Sha256.len_bytes()).collect();
        Checksum { algorithm: ChecksumAlgorithm::Sha256, kind: ChecksumKind::Composite, value }
    }

    fn upload() -> UploadId {
        UploadId("u".repeat(200).into())
    }

    fn header_part(message: &impl Serialize) -> usize {
        postcard::to_stdvec(message).unwrap().len()
    }

    #[test]
    fn the_longest_messages_that_clients_cause_fit_a_frame() {
        let job = JobRef::new(JobId(u64::MAX), Epoch(u64::MAX));
        let etag = ETag { digest: [0xff; 16], parts: PART_NUMBER_MAX };
        let complete = Request::Complete(Complete {
            key: longest_key(),
            upload: upload(),
            parts: (1..=PART_NUMBER_MAX).map(|n| (n, largest_write())).collect(),
            etag,
            checksum: Some(largest_checksum()),
            condition: WriteCondition::Matches(ETagMatch::Tags(vec![etag; 100])),
        });
        let delete = Request::DeleteMany { keys: vec![longest_key(); LIST_MAX_KEYS as usize] };
        let chunk = ChunkId { server: NodeId(u64::MAX), number: u64::MAX };
        let extents = vec![Extent { chunk, len: u32::MAX }; 5 << 10];
        let listed = ListItem::Object(ListedObject {
            key: longest_key(),
            size: u64::MAX,
            etag,
            last_modified: Timestamp(u64::MAX),
            checksum: Some((ChecksumAlgorithm::Sha256, ChecksumKind::Composite)),
            storage_class: Some(StorageClass::ExpressOnezone),
        });
        let page = ListPage { items: vec![listed; LIST_MAX_KEYS as usize], more: true };
        let part = UploadedPart {
            number: PART_NUMBER_MAX,
            write: largest_write(),
            size: u64::MAX,
            etag,
            last_modified: Timestamp(u64::MAX),
            checksum: Some(largest_checksum()),
        };
        let info = UploadInfo {
            key: longest_key(),
            upload: upload(),
            initiated: Timestamp(u64::MAX),
            checksum: None,
            storage_class: None,
        };
        let parts = vec![part; PART_NUMBER_MAX.into()];
        let upload = UploadPage { info, parts, more: false, completed: None, rule_end: None };
        for (name, length) in [
            ("complete", header_part(&(job, complete))),
            ("delete many", header_part(&(job, delete))),
            ("a put of 5 GiB", header_part(&NewContent::Chunks { extents })),
            ("list", header_part(&Ok::<_, MetadataError>(Reply::Listed(page)))),
            ("all parts", header_part(&Ok::<_, MetadataError>(Reply::Upload(Box::new(upload))))),
        ] {
            assert!(length * 3 / 2 <= HEADER_PART_MAX_BYTES, "{name}: {length} bytes");
        }
    }

    #[test]
    fn bytes_behind_a_message_are_an_error() {
        let header =
            FrameHeader { kind: FrameKind::Cancel, header_bytes: 1, payload_bytes: 0, id: 1, deadline_ms: 0 };
        assert!(Call::decode(&header, &[]).is_ok());
        assert!(matches!(Call::decode(&header, &[0]), Err(FrameError::Message(..))));
    }

    #[test]
    fn each_side_takes_the_other_sides_frames_only() {
        let header = |kind| FrameHeader { kind, header_bytes: 0, payload_bytes: 0, id: 1, deadline_ms: 0 };
        for kind in [FrameKind::JobReply, FrameKind::ShardReply, FrameKind::ChunkReply] {
            assert_eq!(Call::decode(&header(kind), &[]).unwrap_err(), FrameError::Unexpected(kind));
        }
        for kind in [FrameKind::JobRequest, FrameKind::Cancel] {
            assert_eq!(Response::decode(&header(kind), &[]).unwrap_err(), FrameError::Unexpected(kind));
        }
    }
}
