//! What is answered: all replies and errors.

use super::{CHUNK, SUMMED, TAG, WRITE, checksum, headers, key, reference, rule_end, upload};
use crate::message::{ChunkReply, Response};
use pocket_api::budget::{ByteBudget, Shortage};
use pocket_api::chunks::ChunkError;
use pocket_api::clock::Timestamp;
use pocket_api::ids::{Epoch, JobId, LeaseId, Term};
use pocket_api::metadata::*;
use pocket_api::object::{NewPiece, ObjectMeta, Segment};
use pocket_api::storage_class::StorageClass;

fn meta() -> ObjectMeta {
    ObjectMeta {
        size: 11,
        etag: TAG,
        last_modified: Timestamp(1),
        expires_at: Some(Timestamp(2)),
        rule_end: Some(rule_end()),
        reads_left: Some(3),
        checksum: Some(checksum()),
        headers: Some(headers().into()),
        parts: 2,
    }
}

fn committed() -> Committed {
    Committed {
        etag: TAG,
        checksum: Some(checksum()),
        size: 11,
        last_modified: Timestamp(1),
        expires_at: Some(Timestamp(2)),
        rule_end: Some(rule_end()),
    }
}

fn shortage() -> Shortage {
    ByteBudget::set_by(7, "--capacity").shortage()
}

pub(crate) fn replies() -> Vec<Reply> {
    let segments = [
        Segment::Inline { len: 1 },
        Segment::Chunk { chunk: CHUNK, offset: 2, len: 3 },
        Segment::Remote(reference()),
    ];
    let page = || SegmentPage { segments: segments.into_iter().collect(), next: Some(4) };
    let found = Found {
        meta: meta(),
        now: Timestamp(3),
        offset: 1,
        len: 2,
        part_checksum: Some(checksum()),
        page: page(),
        lease: Some(LeaseId(9)),
        counted: true,
    };
    let part = ObjectPart { number: 1, size: 5, checksum: Some(checksum()) };
    let listed = ListedObject {
        key: key(),
        size: 11,
        etag: TAG,
        last_modified: Timestamp(1),
        checksum: Some(SUMMED),
        storage_class: Some(StorageClass::ExpressOnezone),
    };
    let items = vec![ListItem::Object(listed), ListItem::Prefix("\u{fc}/".into())];
    let referenced = Referenced {
        meta: meta(),
        now: Timestamp(3),
        len: 2,
        pieces: vec![NewPiece::Reference(reference())],
    };
    let info = || UploadInfo {
        key: key(),
        upload: upload(),
        initiated: Timestamp(1),
        checksum: Some(SUMMED),
        storage_class: Some(StorageClass::ExpressOnezone),
    };
    let uploaded = UploadedPart {
        number: 8,
        write: WRITE,
        size: 9,
        etag: TAG,
        last_modified: Timestamp(1),
        checksum: Some(checksum()),
    };
    let upload_page = UploadPage {
        info: info(),
        parts: vec![uploaded],
        more: true,
        completed: Some(committed()),
        rule_end: Some(rule_end()),
    };
    let uploads = vec![UploadsItem::Upload(info()), UploadsItem::Prefix("a/".into())];
    vec![
        Reply::Done,
        Reply::Found(Box::new(found)),
        Reply::Segments(page()),
        Reply::Parts(Box::new(PartsPage { meta: meta(), parts: vec![part], more: true })),
        Reply::Committed(committed()),
        Reply::Arrived(Some(Box::new(committed()))),
        Reply::Deleted { existed: true },
        Reply::Listed(ListPage { items, more: true }),
        Reply::Referenced(Box::new(referenced)),
        Reply::UploadCreated { upload: upload(), rule_end: Some(rule_end()) },
        Reply::Upload(Box::new(upload_page)),
        Reply::Uploads(UploadsPage { items: uploads, more: false }),
    ]
}

pub(crate) fn metadata_errors() -> Vec<MetadataError> {
    vec![
        MetadataError::NoSuchJob,
        MetadataError::StaleEpoch(Epoch(9)),
        MetadataError::StaleTerm(Term(9)),
        MetadataError::NoSuchKey,
        MetadataError::Lost,
        MetadataError::NotModified(Box::new(meta())),
        MetadataError::PreconditionFailed,
        MetadataError::RangeNotSatisfiable { size: 9 },
        MetadataError::NoSuchPart { parts: 3 },
        MetadataError::NoSuchUpload,
        MetadataError::InvalidPart(4),
        MetadataError::OtherChecksum(SUMMED.0, SUMMED.1),
        MetadataError::Changed { size: 9 },
        MetadataError::TooManyPieces,
        MetadataError::Moving,
        MetadataError::TokenTaken,
        MetadataError::WriteBurned,
        MetadataError::TooLate,
        MetadataError::LeaseEnded,
        MetadataError::Busy,
        MetadataError::Full(shortage()),
        MetadataError::Crowded,
        MetadataError::BadRequest("why".into()),
        MetadataError::Unavailable("why".into()),
    ]
}

pub(crate) fn shard_replies() -> Vec<ShardReply> {
    vec![
        ShardReply::Done,
        ShardReply::Frozen { objects: Some(3) },
        ShardReply::LeasesEnded(vec![(JobId(1), LeaseId(2))]),
        ShardReply::Known(vec![Fate::Held, Fate::Never]),
    ]
}

pub(crate) fn chunk_replies() -> Vec<ChunkReply> {
    vec![ChunkReply::Allocated(vec![CHUNK; 3]), ChunkReply::Done]
}

pub(crate) fn chunk_errors() -> Vec<ChunkError> {
    vec![
        ChunkError::Full(shortage()),
        ChunkError::NoSuchChunk,
        ChunkError::BadRequest("why".into()),
        ChunkError::StaleTerm(Term(9)),
        ChunkError::Unavailable("why".into()),
    ]
}

pub(crate) fn responses() -> Vec<Response> {
    let jobs = replies().into_iter().map(Ok).chain(metadata_errors().into_iter().map(Err));
    let shards = shard_replies().into_iter().map(Ok).chain([Err(MetadataError::NoSuchJob)]);
    let chunks = chunk_replies().into_iter().map(Ok).chain(chunk_errors().into_iter().map(Err));
    jobs.map(Response::Job).chain(shards.map(Response::Shard)).chain(chunks.map(Response::Chunk)).collect()
}
