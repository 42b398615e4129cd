//! Random commands against a simple reference: a map of keys to plain bytes. Whatever the order of writes, copies,
//! uploads, reads, deletes and time, the state machine serves the same bytes, lists the same keys, frees every chunk
//! exactly once and none that somebody may read, and gives every byte of memory back.

use crate::effects::Output;
use crate::state::{Command, Home, JobState, apply};
use crate::upload_id::UploadIds;
use crate::walk::{Found as Walked, Pause, Start, Walk};
use bytes::Bytes;
use pocket_api::budget::ByteBudget;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::{JobHints, Limit, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, LeaseId, NodeId, WriteId};
use pocket_api::lifecycle::Lifecycle;
use pocket_api::limits::READ_LEASE;
use pocket_api::metadata::*;
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, Extent, NewContent, Segment, Tags};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::time::Duration;

const NODE: NodeId = NodeId(1);
const KEYS: [&str; 5] = ["a", "a/b", "a/c", "b", "c/d/e"];
const DAYS: Duration = Duration::from_secs(3 * 86_400);

#[derive(Clone, Debug)]
enum Act {
    Put {
        key: usize,
        sizes: Vec<u32>,
        ttl: Option<u8>,
        reads: Option<u32>,
        absent: bool,
    },
    Delete {
        key: usize,
    },
    Tag {
        key: usize,
        tags: u8,
        ttl: Option<Limit<u8>>,
        reads: Option<Limit<u32>>,
    },
    /// Opens a read and leaves it open.
    Open {
        key: usize,
        delete: bool,
    },
    /// Ends the so-manieth open read.
    Close {
        which: usize,
        sent: bool,
    },
    Copy {
        from: usize,
        to: usize,
        range: (u8, u8),
    },
    Upload {
        key: usize,
        parts: Vec<Vec<u32>>,
        complete: bool,
    },
    Advance {
        ms: u16,
    },
    Sweep,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0..KEYS.len();
    let sizes = prop_oneof![Just(vec![]), prop::collection::vec(1..20_u32, 1..4)];
    let put = (
        key.clone(),
        sizes.clone(),
        prop::option::of(any::<u8>()),
        prop::option::of(1..3_u32),
        any::<bool>(),
    );
    let act = prop_oneof![
        4 => put.prop_map(|(key, sizes, ttl, reads, absent)| Act::Put { key, sizes, ttl, reads, absent }),
        2 => key.clone().prop_map(|key| Act::Delete { key }),
        2 => (key.clone(), 0..3_u8, prop::option::of(limit(any::<u8>())), prop::option::of(limit(1..3_u32)))
            .prop_map(|(key, tags, ttl, reads)| Act::Tag { key, tags, ttl, reads }),
        4 => (key.clone(), prop::bool::weighted(0.2)).prop_map(|(key, delete)| Act::Open { key, delete }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, sent)| Act::Close { which, sent }),
        3 => (key.clone(), key.clone(), any::<(u8, u8)>())
            .prop_map(|(from, to, range)| Act::Copy { from, to, range }),
        2 => (key, prop::collection::vec(sizes, 1..4), any::<bool>())
            .prop_map(|(key, parts, complete)| Act::Upload { key, parts, complete }),
        2 => (0..20_000_u16).prop_map(|ms| Act::Advance { ms }),
        1 => Just(Act::Sweep),
    ];
    prop::collection::vec(act, 1..60)
}

fn limit<T: std::fmt::Debug + Clone>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Limit<T>> {
    prop_oneof![1 => Just(Limit::None), 3 => of.prop_map(Limit::Of)]
}

fn ttl(of: u8) -> Duration {
    Duration::from_millis(u64::from(of) * 40 + 1)
}

/// An object as the reference keeps it.
#[derive(Clone)]
struct Plain {
    tags: Tags,
    bytes: Vec<u8>,
    /// The chunk that each byte is in.
    places: Vec<Option<ChunkId>>,
    expires_at: Option<Timestamp>,
    left: Option<u32>,
    reserved: u32,
    exclusive: bool,
    version: u64,
}

/// A read that is going on.
struct Reading {
    lease: Option<LeaseId>,
    key: &'static str,
    version: u64,
    ends_at: Timestamp,
    places: Vec<Option<ChunkId>>,
    delete: bool,
    counted: bool,
}

struct World {
    state: JobState,
    budget: ByteBudget,
    now: Timestamp,
    objects: BTreeMap<&'static str, Plain>,
    readings: Vec<Reading>,
    written: BTreeSet<ChunkId>,
    freed: BTreeSet<ChunkId>,
    numbers: u64,
}

/// What is at a place of a chunk, as if it had been written there.
fn byte_of(chunk: ChunkId, offset: u32) -> u8 {
    (chunk.number as u8).wrapping_mul(31).wrapping_add(offset as u8)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

impl World {
    fn new() -> Self {
        let budget = ByteBudget::new(1 << 30);
        let home = Home { node: NODE, upload_ids: UploadIds::new([1; 32]), budget: budget.clone() };
        let spec = JobSpec {
            job: JobId(1),
            epoch: Epoch(1),
            hints: JobHints::default(),
            lifecycle: Lifecycle::default(),
            shards: vec![NODE],
            ends_in: None,
        };
        let now = Timestamp(1_000_000);
        let state = JobState::open(&spec, home, ClusterView::default().into(), now);
        let (objects, readings) = (BTreeMap::new(), Vec::new());
        let (written, freed) = (BTreeSet::new(), BTreeSet::new());
        Self { state, budget, now, objects, readings, written, freed, numbers: 0 }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn apply(&mut self, command: Command) -> Result<Output, MetadataError> {
        let outcome = apply(&mut self.state, command, self.now);
        for chunk in outcome.effects.freed {
            assert!(self.freed.insert(chunk), "{chunk:?} was freed twice");
        }
        outcome.output
    }

    fn request(&mut self, request: Request, payload: &[u8]) -> Result<Answer, MetadataError> {
        if let Some(answer) = self.state.query(Epoch(1), &request, self.now) {
            return answer;
        }
        let payload = Bytes::copy_from_slice(payload);
        match self.apply(Command::Request { epoch: Epoch(1), request, payload })? {
            Output::Answer(answer) => Ok(answer),
            other => panic!("a request was answered with {other:?}"),
        }
    }

    fn visible(&self, name: &str) -> Option<&Plain> {
        self.objects.get(name).filter(|o| o.expires_at.is_none_or(|at| at > self.now))
    }

    /// Content of these chunk sizes, or inline bytes for none.
    fn content(&mut self, sizes: &[u32]) -> (WriteId, NewContent, Vec<u8>, Vec<u8>, Vec<Option<ChunkId>>) {
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

    fn set(&mut self, name: &'static str, bytes: Vec<u8>, places: Vec<Option<ChunkId>>, hints: &ObjectHints) {
        let expires_at = hints.ttl.and_then(Limit::value).map(|ttl| self.now + ttl);
        let version = self.number();
        let (left, reserved, exclusive, tags) = (hints.reads.and_then(Limit::value), 0, false, Tags::new());
        self.objects
            .insert(name, Plain { tags, bytes, places, expires_at, left, reserved, exclusive, version });
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Put { key: k, sizes, ttl: lifetime, reads, absent } => {
                let (write, content, payload, bytes, places) = self.content(&sizes);
                let hints =
                    ObjectHints { ttl: lifetime.map(|of| Limit::Of(ttl(of))), reads: reads.map(Limit::Of) };
                let condition = if absent { WriteCondition::Absent } else { WriteCondition::None };
                let done = self.commit(KEYS[k], write, &bytes, content, &payload, hints.clone(), condition);
                if absent && self.visible(KEYS[k]).is_some() {
                    assert_eq!(done, Err(MetadataError::PreconditionFailed));
                    return;
                }
                done.unwrap();
                self.written.extend(places.iter().flatten());
                self.set(KEYS[k], bytes, places, &hints);
            }
            Act::Delete { key: k } => {
                let there = self.visible(KEYS[k]).is_some();
                let delete = Request::Delete { key: key(KEYS[k]), condition: WriteCondition::None };
                assert_eq!(self.request(delete, b""), Ok(Reply::Deleted { existed: there }.into()));
                self.objects.remove(KEYS[k]);
            }
            Act::Tag { key: k, tags, ttl: lifetime, reads } => self.tag(KEYS[k], tags, lifetime, reads),
            Act::Open { key: k, delete } => self.open(KEYS[k], delete),
            Act::Close { which, sent } => {
                if !self.readings.is_empty() {
                    let reading = self.readings.swap_remove(which % self.readings.len());
                    self.close(reading, sent);
                }
            }
            Act::Copy { from, to, range } => self.copy(KEYS[from], KEYS[to], range),
            Act::Upload { key: k, parts, complete } => self.upload(KEYS[k], parts, complete),
            Act::Advance { ms } => self.advance(Duration::from_millis(ms.into())),
            Act::Sweep => self.sweep(),
        }
    }

    #[expect(clippy::too_many_arguments)]
    fn commit(
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

    fn tag(&mut self, name: &'static str, tags: u8, lifetime: Option<Limit<u8>>, reads: Option<Limit<u32>>) {
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

    fn open(&mut self, name: &'static str, delete: bool) {
        let want = if delete { Want::DataAndDelete } else { Want::Data };
        let lookup = Lookup {
            key: key(name),
            conditions: ReadConditions::default(),
            select: Select::Whole,
            want,
            wait: Duration::ZERO,
        };
        let answer = self.request(Request::Lookup(lookup), b"");
        let there =
            self.visible(name).filter(|o| !o.exclusive && o.left.is_none_or(|left| left > o.reserved));
        let Some(plain) = there.cloned() else {
            assert_eq!(answer, Err(MetadataError::NoSuchKey));
            return;
        };
        let answer = answer.unwrap();
        let Reply::Found(found) = answer.reply else { panic!("not found: {name}") };
        let mut payload = answer.payload;
        let mut bytes = Vec::new();
        for segment in &found.page.segments {
            match *segment {
                Segment::Inline { len } => bytes.extend(payload.split_to(len as usize)),
                Segment::Chunk { chunk, offset, len } => {
                    bytes.extend((offset..offset + len).map(|at| byte_of(chunk, at)));
                }
                Segment::Remote(_) => panic!("there is one shard"),
            }
        }
        assert_eq!(bytes, plain.bytes, "bytes of {name}");
        let tags = found.meta.headers.as_ref().map(|headers| headers.tags.clone());
        assert_eq!(tags.unwrap_or_default(), plain.tags, "tags of {name}");
        assert_eq!((found.counted, found.meta.reads_left), (delete || plain.left.is_some(), plain.left));
        assert_eq!(found.lease.is_some(), found.counted || plain.places.iter().any(Option::is_some));
        if let Some(object) = self.objects.get_mut(name).filter(|_| found.counted) {
            object.reserved += 1;
            object.exclusive = delete;
        }
        let (lease, version) = (found.lease, plain.version);
        let ends_at = self.now + READ_LEASE;
        let (places, counted) = (plain.places, found.counted);
        self.readings.push(Reading { lease, key: name, version, ends_at, places, delete, counted });
    }

    fn close(&mut self, reading: Reading, sent: bool) {
        let Some(lease) = reading.lease else { return };
        let delivery = if sent { Delivery::Sent } else { Delivery::Failed };
        self.apply(Command::Release(lease, delivery)).unwrap();
        let Some(object) = self.objects.get_mut(reading.key).filter(|o| o.version == reading.version) else {
            return;
        };
        if !reading.counted {
            return;
        }
        object.reserved -= 1;
        object.exclusive &= !reading.delete;
        if sent {
            object.left = object.left.map(|left| left - 1);
            if reading.delete || object.left == Some(0) {
                self.objects.remove(reading.key);
            }
        }
    }

    fn copy(&mut self, from: &'static str, to: &'static str, range: (u8, u8)) {
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

    fn upload(&mut self, name: &'static str, parts: Vec<Vec<u32>>, complete: bool) {
        let create =
            CreateUpload { key: key(name), headers: None, hints: ObjectHints::default(), checksum: None };
        let Reply::UploadCreated { upload } = self.request(Request::CreateUpload(create), b"").unwrap().reply
        else {
            panic!("no upload")
        };
        let (mut named, mut all, mut of_all) = (Vec::new(), Vec::new(), Vec::new());
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
            self.request(Request::PutPart(part), &payload).unwrap();
            self.written.extend(places.iter().flatten());
            // The second part is never named.
            if number != 2 {
                named.push((number, write));
                all.extend(bytes);
                of_all.extend(places);
            }
        }
        if complete {
            let etag = ETag::opaque(named[0].1);
            let condition = WriteCondition::None;
            let complete = Complete { key: key(name), upload, parts: named, etag, checksum: None, condition };
            self.request(Request::Complete(complete), b"").unwrap();
            self.set(name, all, of_all, &ObjectHints::default());
        } else {
            self.request(Request::Abort { key: key(name), upload }, b"").unwrap();
        }
    }

    fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        // Sweeps run often: what ends without word ends now.
        self.sweep();
        let (over, open) =
            std::mem::take(&mut self.readings).into_iter().partition(|r| r.ends_at <= self.now);
        self.readings = open;
        for reading in over {
            self.close(reading, false);
        }
    }

    fn sweep(&mut self) {
        let now = self.now;
        assert!(matches!(self.apply(Command::Sweep), Ok(Output::Swept { more: false, .. })));
        self.objects.retain(|_, o| o.expires_at.is_none_or(|at| at > now));
    }

    fn check(&self) {
        let mut walk = Walk::new(String::new(), None, Start::Beginning);
        let mut listed = Vec::new();
        let pause = walk.step(
            &self.state.objects,
            100,
            |e| self.state.is_visible(e, self.now),
            |found| {
                if let Walked::Key(key, _) = found {
                    listed.push(key.as_str().to_owned());
                }
                ControlFlow::Continue(())
            },
        );
        let expected: Vec<&str> = KEYS.into_iter().filter(|name| self.visible(name).is_some()).collect();
        assert_eq!((pause, listed.iter().map(String::as_str).collect::<Vec<_>>()), (Pause::End, expected));
        let logical: u64 = self.objects.values().map(|o| o.bytes.len() as u64).sum();
        assert_eq!(self.state.logical_bytes, logical);
        let in_use = self.objects.values().map(|o| &o.places).chain(self.readings.iter().map(|r| &r.places));
        for chunk in in_use.flatten().flatten() {
            assert!(!self.freed.contains(chunk), "{chunk:?} was freed while it is in use");
        }
        assert_eq!(self.budget.used_bytes(), self.state.account.used_bytes());
    }

    fn finish(&mut self) {
        for name in KEYS {
            self.act(Act::Delete { key: KEYS.iter().position(|k| *k == name).unwrap() });
        }
        self.advance(DAYS);
        assert_eq!(self.freed, self.written, "every chunk is freed, once");
        assert_eq!(self.budget.used_bytes(), 0, "every byte of memory comes back");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]
    #[test]
    fn any_order_of_commands_agrees_with_a_plain_map(acts in acts()) {
        let mut world = World::new();
        for act in acts {
            world.act(act);
            world.check();
        }
        world.finish();
    }
}
