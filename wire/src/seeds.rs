//! One of each message that crosses the framed seam: what fuzzing starts from, and what `tests/format.txt` shows the
//! encoding of. An enum within a message is at its last variant somewhere, which moves when one is put before it.

mod responses;

pub(crate) use responses::{chunk_errors, chunk_replies, metadata_errors, replies, responses, shard_replies};

use crate::control::{full_hints, full_settings};
use crate::message::{Call, ChunkRequest};
use pocket_api::acl::{Acl, Grant, Grantee, Permission};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::chunks::Allocate;
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, LeaseId, NodeId, OperationId, Term, WriteId};
use pocket_api::lifecycle::RuleEnd;
use pocket_api::metadata::*;
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent, NewPiece, ObjectHeaders, Reference};
use pocket_api::parts::Parts;
use pocket_api::storage_class::StorageClass;
use std::time::Duration;

const WRITE: WriteId = WriteId { gateway: NodeId(3), number: 300 };
const CHUNK: ChunkId = ChunkId { server: NodeId(1), number: 2 };
const TAG: ETag = ETag { digest: [7; 16], parts: 2 };
const SUMMED: (ChecksumAlgorithm, ChecksumKind) = (ChecksumAlgorithm::Sha256, ChecksumKind::Composite);

fn key() -> ObjectKey {
    ObjectKey::parse("dir/key").unwrap()
}

fn upload() -> UploadId {
    UploadId("00".repeat(24).as_str().into())
}

fn checksum() -> Checksum {
    Checksum { algorithm: SUMMED.0, kind: SUMMED.1, value: std::iter::repeat_n(8, 32).collect() }
}

fn parts() -> Parts {
    let sum = checksum();
    Parts::new([(5, Some(&sum)), (6, Some(&sum))].into_iter())
}

fn reads() -> ReadConditions {
    ReadConditions {
        if_match: Some(ETagMatch::Any),
        if_none_match: Some(ETagMatch::Tags(vec![TAG])),
        if_modified_since: Some(1),
        if_unmodified_since: Some(2),
    }
}

fn headers() -> ObjectHeaders {
    let text = |text: &str| Some(text.to_owned());
    let grant = Grant { grantee: Grantee::EveryTenant, permission: Permission::FullControl };
    ObjectHeaders {
        content_type: text("a/b"),
        content_encoding: text("c"),
        content_disposition: text("d"),
        content_language: text("e"),
        cache_control: text("f"),
        expires: text("g"),
        user: vec![("h".into(), "i".into())],
        tags: vec![("j".into(), "k".into())],
        storage_class: Some(StorageClass::ExpressOnezone),
        acl: Some(Box::new(Acl { grants: vec![grant] })),
    }
}

fn object_hints() -> ObjectHints {
    ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(60))), reads: Some(Limit::None) }
}

fn rule_end() -> RuleEnd {
    RuleEnd { at: Timestamp(9), rule: "rule".into() }
}

fn reference() -> Reference {
    Reference { home: NodeId(4), manifest: WRITE, reference: WRITE, offset: 1, len: 2 }
}

pub(crate) fn requests() -> Vec<Request> {
    let lookup = Lookup {
        key: key(),
        conditions: reads(),
        select: Select::Range(ByteRange::FromTo(1, 1 << 33)),
        want: Want::DataAndDelete,
        wait: Duration::from_millis(1_500),
    };
    let new = NewMeta {
        etag: TAG,
        checksum: Some(checksum()),
        headers: Some(headers().into()),
        hints: object_hints(),
    };
    let commit = Commit {
        key: key(),
        write: WRITE,
        size: 11,
        content: NewContent::Pieces { pieces: vec![NewPiece::Inline { len: 1 }] },
        meta: new,
        condition: WriteCondition::Meets(Box::new(reads())),
    };
    let chunks = || NewContent::Chunks { extents: vec![Extent { chunk: CHUNK, len: 9 }] };
    let append = Append {
        key: key(),
        write: WRITE,
        to: TAG,
        offset: 2,
        size: 9,
        content: chunks(),
        etag: TAG,
        checksum: Some(checksum()),
    };
    let rename = Rename {
        rename: WRITE,
        from: key(),
        conditions: reads(),
        to: key(),
        at: NodeId(5),
        condition: WriteCondition::Matches(ETagMatch::Any),
        token: Some("token".into()),
    };
    let arrive = Arrive {
        rename: WRITE,
        from: NodeId(5),
        key: key(),
        size: 11,
        pieces: vec![NewPiece::Reference(reference())],
        parts: parts(),
        etag: TAG,
        checksum: Some(checksum()),
        headers: Some(headers().into()),
        last_modified: Timestamp(1),
        ttl: Some(Duration::from_secs(1)),
        reads: Some(2),
        condition: WriteCondition::None,
    };
    let add = AddReference {
        key: key(),
        conditions: reads(),
        select: Select::Range(ByteRange::Last(7)),
        reference: WRITE,
        holder: NodeId(4),
    };
    let create = CreateUpload {
        key: key(),
        headers: Some(headers().into()),
        hints: object_hints(),
        checksum: Some(SUMMED),
    };
    let part = PutPart {
        key: key(),
        upload: upload(),
        number: 8,
        write: WRITE,
        size: 9,
        etag: TAG,
        checksum: Some(checksum()),
        content: NewContent::Inline,
    };
    let complete = Complete {
        key: key(),
        upload: upload(),
        parts: vec![(1, WRITE), (10_000, WRITE)],
        etag: TAG,
        checksum: None,
        condition: WriteCondition::Absent,
    };
    let list = List {
        prefix: "dir/".into(),
        start: ListStart::AfterPrefix("dir/a/".into()),
        delimiter: Some("/".into()),
        max: 1_000,
    };
    let uploads = |start| ListUploads { prefix: String::new(), start, delimiter: None, max: 1 };
    vec![
        Request::Ping,
        Request::CheckEpoch,
        Request::Describe { key: key() },
        Request::Lookup(Lookup { select: Select::Part(7), ..lookup.clone() }),
        Request::Lookup(lookup),
        Request::Segments(SegmentsOf::Lease { lease: LeaseId(9), skip: 1 << 20 }),
        Request::Segments(SegmentsOf::Manifest { manifest: WRITE, offset: 1, len: 2 }),
        Request::Parts { key: key(), after: 1, max: 2 },
        Request::Commit(commit),
        Request::Append(append),
        Request::Rename(Box::new(rename)),
        Request::Arrive(Box::new(arrive)),
        Request::AskArrival { rename: WRITE },
        Request::Delete { key: key(), condition: WriteCondition::None },
        Request::DeleteMany { keys: vec![key(), key(), key()] },
        Request::SetTags { key: key(), tags: headers().tags, hints: object_hints() },
        Request::SetAcl { key: key(), seen: headers().acl, acl: None },
        Request::List(list),
        Request::AddReference(add),
        Request::ForkReference { manifest: WRITE, reference: WRITE, holder: NodeId(4) },
        Request::CreateUpload(create),
        Request::PutPart(part),
        Request::Upload { key: key(), upload: upload(), after: 1, max: 2 },
        Request::Complete(complete),
        Request::Abort { key: key(), upload: upload() },
        Request::ListUploads(uploads(UploadsStart::AfterUpload("a".into(), "b".into()))),
        Request::ListUploads(uploads(UploadsStart::AfterPrefix("a/".into()))),
    ]
}

pub(crate) fn shard_requests() -> Vec<ShardRequest> {
    let spec = JobSpec {
        job: JobId(5),
        epoch: Epoch(2),
        hints: full_hints(),
        lifecycle: full_settings().lifecycle,
        shards: vec![NodeId(4), NodeId(2)],
        ends_in: Some(Duration::from_secs(4)),
    };
    let writes = || vec![(JobId(5), WRITE); 3];
    let (job, order) = (JobId(5), Order { term: Term(3), operation: OperationId(7) });
    vec![
        ShardRequest::Open(order, Box::new(spec.clone())),
        ShardRequest::Update(order, Box::new(spec)),
        ShardRequest::Freeze { order, job, idle_for: Some(Duration::from_secs(3)) },
        ShardRequest::Fence { order, job },
        ShardRequest::Thaw { order, job },
        ShardRequest::End { order, job },
        ShardRequest::Renew(vec![(JobId(5), LeaseId(6))]),
        ShardRequest::Release(vec![(JobId(5), LeaseId(6), Delivery::Failed)]),
        ShardRequest::AskWrites(writes()),
        ShardRequest::AskReferences(writes()),
        ShardRequest::ConfirmReferences(writes()),
        ShardRequest::ReleaseReferences(writes()),
        ShardRequest::ReferencesLost(vec![(JobId(5), WRITE, WRITE)]),
        ShardRequest::ForgetArrivals(writes()),
    ]
}

pub(crate) fn chunk_requests() -> Vec<ChunkRequest> {
    let allocate =
        Allocate { job: JobId(5), write: WRITE, shard: NodeId(4), sizes: vec![1 << 20, 9], is_last: true };
    vec![
        ChunkRequest::Allocate(allocate),
        ChunkRequest::Write { chunk: CHUNK, offset: 4_096 },
        ChunkRequest::Read { chunk: CHUNK, offset: 4_096, len: 9 },
        ChunkRequest::Free(vec![CHUNK; 4]),
        ChunkRequest::Touch(vec![WRITE; 2]),
        ChunkRequest::EndJobs(Term(4), vec![JobId(1), JobId(2)]),
    ]
}

pub(crate) fn calls() -> Vec<Call> {
    let job = JobRef::new(JobId(1 << 40), Epoch(2));
    let requests = requests().into_iter().map(|request| Call::Job(job, request));
    requests
        .chain(shard_requests().into_iter().map(Call::Shard))
        .chain(chunk_requests().into_iter().map(Call::Chunk))
        .chain([Call::Cancel])
        .collect()
}
