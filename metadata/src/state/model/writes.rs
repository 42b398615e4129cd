//! How the model's world writes: new objects, longer ones, other tags and ACLs, other keys, copies and uploads, each asked of the
//! state machine and done in the reference.

use super::acts::{after, ttl};
use super::{NODE, Plain, Reading, World, byte_of, key};
use pocket_api::acl::{Acl, Grant, Grantee, Permission};
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::ids::{ChunkId, NodeId, WriteId};
use pocket_api::metadata::*;
use pocket_api::object::{ETag, Extent, NewContent, Tags};
use std::time::Duration;

impl World {
    /// Content of these chunk sizes, or inline bytes for none.
    pub(super) fn content(
        &mut self,
        sizes: &[u32],
    ) -> (WriteId, NewContent, Vec<u8>, Vec<u8>, Vec<Option<ChunkId>>) {
        let write = WriteId { gateway: NodeId(9), number: self.number() };
        if sizes.is_empty() {
            let bytes: Vec<u8> = (0..write.number % 7).map(|i| (write.number + i) as u8).collect();
            let places = vec![None; bytes.len()];
            return (write, NewContent::Inline, bytes.clone(), bytes, places);
        }
        let (mut bytes, mut extents, mut places) = (Vec::new(), Vec::new(), Vec::new());
        for &len in sizes {
            let chunk = ChunkId { server: NodeId(3), number: self.number() };
            extents.push(Extent { chunk, len });
            bytes.extend((0..len).map(|offset| byte_of(chunk, offset)));
            places.extend((0..len).map(|_| Some(chunk)));
        }
        (write, NewContent::Chunks { extents }, Vec::new(), bytes, places)
    }

    pub(super) fn set(
        &mut self,
        name: &'static str,
        bytes: Vec<u8>,
        places: Vec<Option<ChunkId>>,
        hints: &ObjectHints,
    ) {
        let expires_at = hints.ttl.and_then(Limit::value).map(|ttl| self.now + ttl);
        let version = self.number();
        let (left, reserved, exclusive, tags) = (hints.reads.and_then(Limit::value), 0, false, Tags::new());
        self.objects.insert(
            name,
            Plain {
                created: self.now,
                tags,
                acl: None,
                bytes,
                places,
                expires_at,
                left,
                reserved,
                exclusive,
                version,
            },
        );
    }

    #[expect(clippy::too_many_arguments)]
    pub(super) fn commit(
        &mut self,
        name: &str,
        write: WriteId,
        bytes: &[u8],
        content: NewContent,
        payload: &[u8],
        hints: ObjectHints,
        condition: WriteCondition,
    ) -> Result<Answer, MetadataError> {
        let meta = NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints };
        let size = bytes.len() as u64;
        let commit = Commit { key: key(name), write, size, content, meta, condition };
        self.request(Request::Commit(commit), payload)
    }

    pub(super) fn tag(
        &mut self,
        name: &'static str,
        tags: u8,
        lifetime: Option<Limit<u8>>,
        reads: Option<Limit<u32>>,
    ) {
        let tags: Tags = (0..tags).map(|i| (i.to_string(), "x".repeat(i.into()))).collect();
        let lifetime = lifetime.map(|limit| limit.value().map(ttl));
        let hints = ObjectHints { ttl: lifetime.map(|ttl| ttl.map_or(Limit::None, Limit::Of)), reads };
        let set = Request::SetTags { key: key(name), tags: tags.clone(), hints };
        let done = self.request(set, b"");
        if self.visible(name).is_none() {
            assert_eq!(done, Err(MetadataError::NoSuchKey));
            return;
        }
        assert_eq!(done, Ok(Reply::Done.into()));
        let now = self.now;
        if let Some(object) = self.objects.get_mut(name) {
            object.tags = tags;
            object.expires_at = lifetime.map_or(object.expires_at, |ttl| ttl.map(|ttl| now + ttl));
            object.left = reads.map_or(object.left, Limit::value);
        }
    }

    pub(super) fn grant(&mut self, name: &'static str, grants: u8, late: bool) {
        let list = |grants: u8| {
            let grant = Grant { grantee: Grantee::Everybody, permission: Permission::Read };
            (grants > 0).then(|| Box::new(Acl { grants: vec![grant; grants.into()] }))
        };
        let there = self.visible(name).cloned();
        let seen = if late { list(9) } else { there.as_ref().and_then(|plain| plain.acl.clone()) };
        let done = self.request(Request::SetAcl { key: key(name), seen, acl: list(grants) }, b"");
        let Some(plain) = there else { return assert_eq!(done, Err(MetadataError::NoSuchKey)) };
        if late {
            let size = plain.bytes.len() as u64;
            return assert_eq!(done, Err(MetadataError::Changed { size }));
        }
        assert_eq!(done, Ok(Reply::Done.into()));
        if let Some(object) = self.objects.get_mut(name) {
            object.acl = list(grants);
        }
    }

    pub(super) fn append(&mut self, name: &'static str, sizes: &[u32], late: bool) {
        let Some(seen) = self.visible(name).cloned() else { return };
        let (write, content, payload, bytes, places) = self.content(sizes);
        let to = if late { ETag::opaque(WriteId { gateway: NODE, number: 0 }) } else { self.etag(name) };
        let (offset, size) = (seen.bytes.len() as u64, bytes.len() as u64);
        let etag = ETag::opaque(write);
        let append = Append { key: key(name), write, to, offset, size, content, etag, checksum: None };
        let done = self.request(Request::Append(append), &payload);
        let is_taken = seen.exclusive || seen.left.is_some_and(|left| left <= seen.reserved);
        match done {
            Err(MetadataError::BadRequest(_)) if bytes.is_empty() => return,
            Err(error) if late => return assert_eq!(error, MetadataError::Changed { size: offset }),
            Err(error) => return assert!(is_taken && error == MetadataError::Busy, "{error}"),
            Ok(_) => assert!(!late && !is_taken && !bytes.is_empty()),
        }
        self.written.extend(places.iter().flatten());
        if let Some(object) = self.objects.get_mut(name) {
            object.bytes.extend(bytes);
            object.places.extend(places);
            object.created = self.now;
        }
    }

    pub(super) fn rename(&mut self, from: &'static str, to: &'static str, absent: bool) {
        let id = WriteId { gateway: NodeId(9), number: self.number() };
        let rename = Box::new(Rename {
            rename: id,
            from: key(from),
            conditions: ReadConditions::default(),
            to: key(to),
            at: NODE,
            condition: if absent { WriteCondition::Absent } else { WriteCondition::None },
            token: id.number.is_multiple_of(2).then(|| id.number.to_string().into()),
        });
        let done = self.request(Request::Rename(rename.clone()), b"");
        if from == to {
            return assert!(matches!(done, Err(MetadataError::BadRequest(_))));
        }
        let Some(plain) = self.visible(from).cloned() else {
            return assert_eq!(done, Err(MetadataError::NoSuchKey));
        };
        if absent && self.visible(to).is_some() {
            return assert_eq!(done, Err(MetadataError::PreconditionFailed));
        }
        assert!(done.is_ok(), "{done:?}");
        if rename.token.is_some() {
            assert_eq!(self.request(Request::Rename(rename.clone()), b""), done, "answered, not done again");
            let other = Box::new(Rename { to: key("other"), ..*rename });
            assert_eq!(self.request(Request::Rename(other), b""), Err(MetadataError::TokenTaken));
        }
        self.objects.remove(from);
        let follows = |reading: &&mut Reading| reading.key == from && reading.version == plain.version;
        self.readings.iter_mut().filter(follows).for_each(|reading| reading.key = to);
        self.objects.insert(to, plain);
    }

    fn etag(&mut self, name: &str) -> ETag {
        let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
        let lookup = Lookup { key: key(name), conditions, select, want, wait: Duration::ZERO };
        match self.request(Request::Lookup(lookup), b"").unwrap().reply {
            Reply::Found(found) => found.meta.etag,
            other => panic!("a lookup was answered with {other:?}"),
        }
    }

    pub(super) fn copy(&mut self, from: &'static str, to: &'static str, range: (u8, u8)) {
        let reference = WriteId { gateway: NodeId(9), number: self.number() };
        let select = Select::Range(ByteRange::FromTo(u64::from(range.0) % 30, u64::from(range.1) % 60));
        let conditions = ReadConditions::default();
        let add = AddReference { key: key(from), conditions, select, reference, holder: NODE };
        let Ok(answer) = self.request(Request::AddReference(add), b"") else { return };
        let Reply::Referenced(referenced) = answer.reply else { panic!("not referenced: {from}") };
        let source = self.visible(from).cloned().expect("only what is there can be referred to");
        let start = (u64::from(range.0) % 30) as usize;
        let bytes = source.bytes[start..start + referenced.len as usize].to_vec();
        let write = WriteId { gateway: NodeId(9), number: self.number() };
        let places = source.places[start..start + bytes.len()].to_vec();
        let content = NewContent::Pieces { pieces: referenced.pieces };
        let hints = ObjectHints::default();
        let payload = answer.payload;
        self.commit(to, write, &bytes, content, &payload, hints.clone(), WriteCondition::None).unwrap();
        self.set(to, bytes, places, &hints);
    }

    /// Its id, the parts but for the second with the bytes that they make, and where all bytes are.
    #[expect(clippy::type_complexity)]
    pub(super) fn start_upload(
        &mut self,
        name: &'static str,
        parts: &[Vec<u32>],
    ) -> (UploadId, Vec<(u16, WriteId)>, (Vec<u8>, Vec<Option<ChunkId>>), Vec<Option<ChunkId>>) {
        let create =
            CreateUpload { key: key(name), headers: None, hints: ObjectHints::default(), checksum: None };
        let Reply::UploadCreated { upload, rule_end } =
            self.request(Request::CreateUpload(create), b"").unwrap().reply
        else {
            panic!("no upload")
        };
        let ends = self.rules.iter().filter(|rule| rule.aborts(name)).filter_map(|rule| rule.aborts);
        assert_eq!(rule_end.map(|end| end.at), ends.min().map(|seconds| after(self.now, seconds)));
        let (mut named, mut all, mut of_all, mut places_of_all) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for (i, sizes) in parts.iter().enumerate() {
            let number = i as u16 + 1;
            let (write, content, payload, bytes, places) = self.content(sizes);
            let etag = ETag::opaque(write);
            let part = PutPart {
                key: key(name),
                upload: upload.clone(),
                number,
                write,
                size: bytes.len() as u64,
                etag,
                checksum: None,
                content,
            };
            let done = self.request(Request::PutPart(part), &payload);
            if self.is_aborted_at_once(name) {
                assert_eq!(done, Err(MetadataError::NoSuchUpload));
                continue;
            }
            done.unwrap();
            self.written.extend(places.iter().flatten());
            places_of_all.extend(places.clone());
            // The second part is never named.
            if number != 2 {
                named.push((number, write));
                all.extend(bytes);
                of_all.extend(places);
            }
        }
        (upload, named, (all, of_all), places_of_all)
    }

    fn is_aborted_at_once(&self, name: &str) -> bool {
        self.rules.iter().any(|rule| rule.aborts(name) && rule.aborts == Some(0))
    }

    pub(super) fn upload(&mut self, name: &'static str, parts: Vec<Vec<u32>>, complete: bool) {
        let (upload, named, (all, of_all), _) = self.start_upload(name, &parts);
        if complete && !self.is_aborted_at_once(name) {
            let etag = ETag::opaque(named[0].1);
            let condition = WriteCondition::None;
            let complete = Complete { key: key(name), upload, parts: named, etag, checksum: None, condition };
            self.request(Request::Complete(complete), b"").unwrap();
            self.set(name, all, of_all, &ObjectHints::default());
        } else {
            self.request(Request::Abort { key: key(name), upload }, b"").unwrap();
        }
    }
}
