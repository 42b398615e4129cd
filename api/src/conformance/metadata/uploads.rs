//! Multipart uploads.

use super::client::{Client, key, tag};
use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use crate::conditions::WriteCondition;
use crate::hints::{JobHints, ObjectHints};
use crate::ids::{JobId, WriteId};
use crate::metadata::{
    Committed, Complete, CreateUpload, ListUploads, Lookup, MetadataError, ObjectPart, PutPart, Reply,
    Request, Select, UploadId, UploadPage, UploadsItem, UploadsPage, UploadsStart, Want,
};
use crate::object::{Extent, NewContent, ObjectHeaders, Segment};
use crate::storage_class::StorageClass;
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;

/// One upload of a client.
pub(super) struct Upload<'a> {
    pub(super) client: &'a Client,
    pub(super) name: String,
    pub(super) id: UploadId,
}

pub(super) async fn create<'a>(client: &'a Client, name: &str) -> Upload<'a> {
    create_with(client, name, None).await
}

async fn create_with<'a>(
    client: &'a Client,
    name: &str,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
) -> Upload<'a> {
    let headers = ObjectHeaders { storage_class: Some(StorageClass::Standard), ..ObjectHeaders::default() };
    let create = CreateUpload {
        key: key(name),
        headers: Some(Arc::new(headers)),
        hints: ObjectHints::default(),
        checksum,
    };
    match client.ask(Request::CreateUpload(create)).await {
        Ok(Reply::UploadCreated { upload, .. }) => Upload { client, name: name.into(), id: upload },
        other => panic!("an upload was answered with {other:?}"),
    }
}

impl Upload<'_> {
    /// A part to be put.
    fn part(&self, number: u16, content: NewContent, size: u64) -> PutPart {
        let write = self.client.write_id();
        let (key, upload, etag, checksum) = (key(&self.name), self.id.clone(), tag(write), None);
        PutPart { key, upload, number, write, size, etag, checksum, content }
    }

    pub(super) async fn put(
        &self,
        number: u16,
        content: NewContent,
        bytes: &[u8],
    ) -> Result<WriteId, MetadataError> {
        let size = match &content {
            NewContent::Chunks { extents } => extents.iter().map(|e| u64::from(e.len)).sum(),
            _ => bytes.len() as u64,
        };
        let part = self.part(number, content, size);
        let write = part.write;
        let reply = self.client.request(Request::PutPart(part), Bytes::copy_from_slice(bytes)).await?.reply;
        assert_eq!(reply, Reply::Done);
        Ok(write)
    }

    pub(super) async fn put_inline(&self, number: u16, bytes: &[u8]) -> WriteId {
        self.put(number, NewContent::Inline, bytes).await.expect("a part is stored")
    }

    pub(super) async fn put_chunks(&self, number: u16, sizes: &[u32]) -> (WriteId, Vec<Extent>) {
        let extents = self.client.chunks(sizes);
        let content = NewContent::Chunks { extents: extents.clone() };
        (self.put(number, content, b"").await.expect("a part is stored"), extents)
    }

    async fn complete(
        &self,
        parts: &[(u16, WriteId)],
        condition: WriteCondition,
    ) -> Result<Committed, MetadataError> {
        let complete = Complete {
            key: key(&self.name),
            upload: self.id.clone(),
            parts: parts.to_vec(),
            etag: tag(parts.first().map_or(self.client.write_id(), |part| part.1)),
            checksum: None,
            condition,
        };
        match self.client.ask(Request::Complete(complete)).await? {
            Reply::Committed(committed) => Ok(committed),
            other => panic!("a completion was answered with {other:?}"),
        }
    }

    pub(super) async fn abort(&self) -> Result<Reply, MetadataError> {
        self.client.ask(Request::Abort { key: key(&self.name), upload: self.id.clone() }).await
    }

    pub(super) async fn page(&self, after: u16, max: u32) -> Result<UploadPage, MetadataError> {
        let upload = self.id.clone();
        match self.client.ask(Request::Upload { key: key(&self.name), upload, after, max }).await? {
            Reply::Upload(page) => Ok(*page),
            other => panic!("an upload's page was answered with {other:?}"),
        }
    }
}

pub(super) async fn parts_become_an_object(client: Client) {
    let upload = create(&client, "k").await;
    let (first, extents) = upload.put_chunks(1, &[10, 4]).await;
    let (_, replaced) = upload.put_chunks(7, &[8]).await;
    let second = upload.put_inline(7, b"seven").await;
    let (_, unnamed) = upload.put_chunks(9, &[8]).await;
    client.freed_soon(&replaced).await;
    assert_eq!(client.get_error("k").await, Some(MetadataError::NoSuchKey), "nothing is visible yet");
    let committed = upload.complete(&[(1, first), (7, second)], WriteCondition::Absent).await.unwrap();
    client.freed_soon(&unnamed).await;
    let (found, payload) = client.get("k").await.unwrap();
    assert_eq!((found.meta.parts, found.len, committed.size), (2, 19, 19));
    assert_eq!(found.meta.headers.and_then(|h| h.storage_class), Some(StorageClass::Standard));
    let chunk = |i: usize, len| Segment::Chunk { chunk: extents[i].chunk, offset: 0, len };
    assert_eq!(found.page.segments[..], [chunk(0, 10), chunk(1, 4), Segment::Inline { len: 5 }]);
    assert_eq!(&payload[..], b"seven");
    let part = async |number| {
        let lookup = Lookup { select: Select::Part(number), ..super::client::lookup("k", Want::Meta) };
        client.look(lookup).await.map(|(found, _)| (found.offset, found.len))
    };
    assert_eq!((part(1).await, part(2).await), (Ok((0, 14)), Ok((14, 5))));
    assert_eq!(part(3).await, Err(MetadataError::NoSuchPart { parts: 2 }));
    client.release(found.lease, crate::metadata::Delivery::Sent).await;
    assert!(!client.was_any_freed(&extents));
    client.delete("k").await;
    client.freed_soon(&extents).await;
}

pub(super) async fn wrong_parts_are_refused(client: Client) {
    let upload = create(&client, "k").await;
    let old = upload.put_inline(1, b"old").await;
    let new = upload.put_inline(1, b"new").await;
    let two = upload.put_inline(2, b"two").await;
    let complete = async |parts: &[(u16, WriteId)]| upload.complete(parts, WriteCondition::None).await;
    assert_eq!(complete(&[(1, old)]).await, Err(MetadataError::InvalidPart(1)), "a part that was replaced");
    assert_eq!(complete(&[(1, new), (3, two)]).await, Err(MetadataError::InvalidPart(3)));
    for bad in [&[][..], &[(2, two), (1, new)], &[(1, new), (1, new)]] {
        let refused = complete(bad).await;
        assert!(matches!(refused, Err(MetadataError::BadRequest(_))), "{bad:?}: {refused:?}");
    }
    for number in [0, 10_001] {
        let refused = upload.put(number, NewContent::Inline, b"x").await;
        assert!(matches!(refused, Err(MetadataError::BadRequest(_))), "part {number}: {refused:?}");
    }
    client.put("k", b"there").await;
    let absent = upload.complete(&[(1, new)], WriteCondition::Absent).await;
    assert_eq!(absent, Err(MetadataError::PreconditionFailed));
    assert_eq!(&client.get("k").await.unwrap().1[..], b"there");
    assert!(complete(&[(1, new), (2, two)]).await.is_ok(), "what was refused left the upload as it was");
    assert_eq!(&client.get("k").await.unwrap().1[..], b"newtwo");
}

pub(super) async fn complete_and_abort_can_be_repeated(client: Client) {
    let upload = create(&client, "k").await;
    let part = upload.put_inline(1, b"x").await;
    let first = upload.complete(&[(1, part)], WriteCondition::Absent).await.unwrap();
    let again = upload.complete(&[(1, part)], WriteCondition::Absent).await;
    assert_eq!(again.as_ref(), Ok(&first), "answered again, before the condition");
    let page = upload.page(0, 10).await.unwrap();
    assert_eq!((page.completed, page.parts.len()), (Some(first), 0));
    assert_eq!(upload.abort().await, Ok(Reply::Done));
    assert_eq!(&client.get("k").await.unwrap().1[..], b"x", "a late abort takes nothing away");
    let late = upload.put(2, NewContent::Inline, b"y").await;
    assert_eq!(late, Err(MetadataError::NoSuchUpload));

    let upload = create(&client, "k").await;
    let (part, extents) = upload.put_chunks(1, &[5]).await;
    assert_eq!((upload.abort().await, upload.abort().await), (Ok(Reply::Done), Ok(Reply::Done)));
    client.freed_soon(&extents).await;
    let gone = upload.complete(&[(1, part)], WriteCondition::None).await;
    assert_eq!(gone, Err(MetadataError::NoSuchUpload));
    assert_eq!(upload.page(0, 1).await.err(), Some(MetadataError::NoSuchUpload));

    let mut forged = upload.id.0.to_string();
    let last = if forged.pop() == Some('0') { '1' } else { '0' };
    forged.push(last);
    for id in ["never", "", &forged] {
        let never = Upload { id: UploadId(id.into()), name: "k".into(), client: &client };
        assert_eq!(never.abort().await, Err(MetadataError::NoSuchUpload), "{id:?} was never issued");
    }
    let elsewhere = Upload { id: upload.id.clone(), name: "other".into(), client: &client };
    assert_eq!(elsewhere.abort().await, Err(MetadataError::NoSuchUpload), "issued for another key");
    client.delete("k").await;
    let used = client.world.budget().used_bytes();
    assert!(used < 1_024, "only the memory of a completed upload is left, not {used} bytes");
}

pub(super) async fn uploads_are_listed_by_any_prefix(client: Client) {
    let hints = JobHints { object_ttl: Some(Duration::from_secs(1)), ..JobHints::default() };
    let client = client.open_job(JobId(101), hints).await;
    let mut ids = Vec::new();
    for name in ["b/2", "a", "b/1", "b/1", "c"] {
        ids.push(create(&client, name).await.id);
    }
    client.world.advance(Duration::from_secs(3_600));
    let list = async |prefix: &str, delimiter: Option<&str>, start, max| {
        let delimiter = delimiter.map(Into::into);
        let request = Request::ListUploads(ListUploads { prefix: prefix.into(), start, delimiter, max });
        match client.ask(request).await {
            Ok(Reply::Uploads(page)) => shown(page),
            other => panic!("a list of uploads was answered with {other:?}"),
        }
    };
    use UploadsStart::*;
    let name = |key: &str, i: usize| format!("{key} {}", ids[i]);
    let all = vec![name("a", 1), name("b/1", 2), name("b/1", 3), name("b/2", 0), name("c", 4)];
    assert_eq!(list("", None, Beginning, 10).await, (all.clone(), false), "no object TTL reaches an upload");
    assert_eq!(list("b/", None, Beginning, 10).await, (all[1..4].to_vec(), false));
    let grouped = (vec![all[0].clone(), "b/".into(), all[4].clone()], false);
    assert_eq!(list("", Some("/"), Beginning, 3).await, grouped);
    assert_eq!(list("", None, Beginning, 2).await, (all[..2].to_vec(), true));
    let after = AfterUpload("b/1".into(), ids[2].to_string());
    assert_eq!(list("", None, after, 2).await, (all[2..4].to_vec(), true));
    assert_eq!(list("", None, AfterKey("b/1".into()), 10).await, (all[3..].to_vec(), false));
    assert_eq!(list("", None, AfterPrefix("b/".into()), 10).await, (all[4..].to_vec(), false));
}

fn shown(page: UploadsPage) -> (Vec<String>, bool) {
    let show = |item| match item {
        UploadsItem::Upload(info) => format!("{} {}", info.key, info.upload),
        UploadsItem::Prefix(prefix) => prefix,
    };
    (page.items.into_iter().map(show).collect(), page.more)
}

pub(super) async fn parts_have_the_checksum_that_their_upload_announced(client: Client) {
    let sum = |algorithm: ChecksumAlgorithm| {
        let value = std::iter::repeat_n(7, algorithm.len_bytes()).collect();
        Checksum { algorithm, kind: ChecksumKind::FullObject, value }
    };
    let (crc32, sha256) = (ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Sha256);
    for kind in [ChecksumKind::FullObject, ChecksumKind::Composite] {
        let upload = create_with(&client, "k", Some((crc32, kind))).await;
        let part = upload.part(1, NewContent::Inline, 1);
        let put = async |checksum| {
            let part = PutPart { checksum, ..part.clone() };
            client.request(Request::PutPart(part), Bytes::from_static(b"x")).await.map(|answer| answer.reply)
        };
        let refused = Err(MetadataError::OtherChecksum(crc32, kind));
        assert_eq!((put(None).await, put(Some(sum(sha256))).await), (refused.clone(), refused));
        assert_eq!(upload.page(0, 10).await.unwrap().parts, []);
        assert_eq!(put(Some(sum(crc32))).await, Ok(Reply::Done), "the same write may come again");
        assert_eq!(upload.page(0, 10).await.unwrap().parts[0].checksum, Some(sum(crc32)));
    }
    let silent = create(&client, "k").await;
    for checksum in [None, Some(sum(sha256)), Some(sum(crc32))] {
        let part = PutPart { checksum, ..silent.part(1, NewContent::Inline, 1) };
        client.request(Request::PutPart(part), Bytes::from_static(b"x")).await.unwrap();
    }
}

pub(super) async fn parts_and_their_checksums_stay_with_the_object(client: Client) {
    let sum = |byte| {
        let (algorithm, kind) = (ChecksumAlgorithm::Sha256, ChecksumKind::FullObject);
        Checksum { algorithm, kind, value: std::iter::repeat_n(byte, algorithm.len_bytes()).collect() }
    };
    let upload = create(&client, "k").await;
    let mut named = Vec::new();
    for number in [2, 3, 9] {
        let part = upload.part(number, NewContent::Inline, u64::from(number));
        named.push((number, part.write));
        let part = PutPart { checksum: Some(sum(number as u8)), ..part };
        client.request(Request::PutPart(part), vec![b'x'; number.into()].into()).await.unwrap();
    }
    upload.complete(&named, WriteCondition::None).await.unwrap();
    let page = async |name: &str, after, max| match client
        .ask(Request::Parts { key: key(name), after, max })
        .await
    {
        Ok(Reply::Parts(page)) => Ok(*page),
        Ok(other) => panic!("parts were answered with {other:?}"),
        Err(error) => Err(error),
    };
    let all = page("k", 0, 10).await.unwrap();
    let part = |number, size| ObjectPart { number, size: u64::from(size), checksum: Some(sum(size)) };
    assert_eq!((all.meta.size, all.meta.parts, all.more), (14, 3, false));
    assert_eq!(all.parts, [part(1, 2), part(2, 3), part(3, 9)], "numbered without gaps");
    for (after, max, expected, more) in [(0, 2, &all.parts[..2], true), (1, 1, &all.parts[1..2], true)] {
        let page = page("k", after, max).await.unwrap();
        assert_eq!((&page.parts[..], page.more), (expected, more));
    }
    for (after, max) in [(3, 10), (u16::MAX, 1), (u16::MAX, u32::MAX)] {
        assert_eq!(page("k", after, max).await.unwrap().parts, [], "after {after}");
    }
    let lookup = |number| Lookup { select: Select::Part(number), ..super::client::lookup("k", Want::Meta) };
    assert_eq!(client.look(lookup(3)).await.unwrap().0.part_checksum, Some(sum(9)));
    assert_eq!(client.head("k").await.unwrap().part_checksum, None);
    client.put("plain", b"x").await;
    assert_eq!(page("plain", 0, 10).await.unwrap().parts, []);
    assert_eq!(page("none", 0, 10).await.err(), Some(MetadataError::NoSuchKey));
    let bytes = client.world.budget().used_bytes();
    client.delete("k").await;
    client.delete("plain").await;
    assert!(client.world.budget().used_bytes() < bytes - 14 - 3 * 40);
}

pub(super) async fn parts_are_listed_in_pages(client: Client) {
    let upload = create(&client, "k").await;
    for number in [1, 2, 5, 10_000] {
        upload.put_inline(number, &vec![b'x'; usize::from(number % 100)]).await;
    }
    let numbers = async |after, max| {
        let page = upload.page(after, max).await.unwrap();
        assert!(page.completed.is_none() && page.info.upload == upload.id);
        (page.parts.iter().map(|part| (part.number, part.size)).collect::<Vec<_>>(), page.more)
    };
    assert_eq!(numbers(0, 2).await, (vec![(1, 1), (2, 2)], true));
    assert_eq!(numbers(2, 2).await, (vec![(5, 5), (10_000, 0)], false));
    assert_eq!(numbers(10_000, 2).await, (vec![], false));
    assert_eq!(numbers(u16::MAX, 2).await, (vec![], false));
}
