//! Random commands against a simple reference: a map of keys to plain bytes. Whatever the order of writes, copies,
//! uploads, reads, deletes and time, the state machine serves the same bytes, lists the same keys, frees every chunk
//! exactly once and none that somebody may read, and gives every byte of memory back.

use crate::effects::Output;
use crate::list::UploadsListing;
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
use pocket_api::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule, LifecycleUnit};
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
    Append {
        key: usize,
        sizes: Vec<u32>,
        /// As if the object had been replaced since it was looked up.
        late: bool,
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
    Rename {
        from: usize,
        to: usize,
        absent: bool,
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
    /// Leaves an upload open, for a rule to abort.
    Leave {
        key: usize,
        parts: Vec<Vec<u32>>,
    },
    /// Other lifecycle rules from now on.
    Rules(Vec<PlainRule>),
    Advance {
        ms: u16,
    },
    /// Time passes and nobody looks what is due.
    Pass {
        ms: u16,
    },
    Sweep,
}

/// A lifecycle rule as the reference reads it.
#[derive(Clone, Debug, PartialEq)]
struct PlainRule {
    prefix: String,
    /// Only objects with the tag `1`.
    tagged: bool,
    larger_than: Option<u64>,
    /// In seconds after the creation.
    expires: Option<u8>,
    aborts: Option<u8>,
}

impl PlainRule {
    fn matches(&self, name: &str, object: &Plain) -> bool {
        name.starts_with(&self.prefix)
            && (!self.tagged || object.tags.iter().any(|(key, _)| key == "1"))
            && self.larger_than.is_none_or(|than| object.bytes.len() as u64 > than)
    }

    fn aborts(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && !self.tagged && self.larger_than.is_none()
    }

    fn rule(&self) -> LifecycleRule {
        let tags = if self.tagged { vec![("1".into(), "x".into())] } else { Vec::new() };
        LifecycleRule {
            id: "rule".into(),
            filter: LifecycleFilter {
                prefix: self.prefix.as_str().into(),
                tags,
                larger_than: self.larger_than,
                smaller_than: None,
            },
            expires: self.expires.map(|seconds| LifecycleEnd::After(seconds.into())),
            aborts_uploads_after: self.aborts.map(Into::into),
        }
    }
}

fn after(time: Timestamp, seconds: u8) -> Timestamp {
    time + Duration::from_secs(seconds.into())
}

fn rules() -> impl Strategy<Value = Vec<PlainRule>> {
    let seconds = || prop::option::weighted(0.7, 0..20_u8);
    let rule = ("[abc]?", any::<bool>(), prop::option::weighted(0.3, 0..20_u64), seconds(), seconds());
    prop::collection::vec(rule, 0..3).prop_map(|rules| {
        let rule = |(prefix, tagged, larger_than, expires, aborts)| PlainRule {
            prefix,
            tagged,
            larger_than,
            expires,
            aborts,
        };
        rules.into_iter().map(rule).collect()
    })
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
        3 => (key.clone(), sizes.clone(), prop::bool::weighted(0.1))
            .prop_map(|(key, sizes, late)| Act::Append { key, sizes, late }),
        2 => key.clone().prop_map(|key| Act::Delete { key }),
        2 => (key.clone(), 0..3_u8, prop::option::of(limit(any::<u8>())), prop::option::of(limit(1..3_u32)))
            .prop_map(|(key, tags, ttl, reads)| Act::Tag { key, tags, ttl, reads }),
        4 => (key.clone(), prop::bool::weighted(0.2)).prop_map(|(key, delete)| Act::Open { key, delete }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, sent)| Act::Close { which, sent }),
        3 => (key.clone(), key.clone(), any::<bool>())
            .prop_map(|(from, to, absent)| Act::Rename { from, to, absent }),
        3 => (key.clone(), key.clone(), any::<(u8, u8)>())
            .prop_map(|(from, to, range)| Act::Copy { from, to, range }),
        2 => (key.clone(), prop::collection::vec(sizes.clone(), 1..4), any::<bool>())
            .prop_map(|(key, parts, complete)| Act::Upload { key, parts, complete }),
        1 => (key, prop::collection::vec(sizes, 1..4)).prop_map(|(key, parts)| Act::Leave { key, parts }),
        2 => rules().prop_map(Act::Rules),
        2 => (0..20_000_u16).prop_map(|ms| Act::Advance { ms }),
        2 => (0..9_000_u16).prop_map(|ms| Act::Pass { ms }),
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
    created: Timestamp,
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

/// An upload that is left open.
struct Left {
    id: UploadId,
    key: &'static str,
    initiated: Timestamp,
    places: Vec<Option<ChunkId>>,
}

struct World {
    state: JobState,
    epoch: Epoch,
    rules: Vec<PlainRule>,
    left: Vec<Left>,
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

fn spec(epoch: Epoch, rules: &[LifecycleRule]) -> Box<JobSpec> {
    let unit = LifecycleUnit::Of(Duration::from_secs(1));
    Box::new(JobSpec {
        job: JobId(1),
        epoch,
        hints: JobHints::default(),
        lifecycle: Lifecycle { rules: rules.to_vec(), unit, job_ends: None },
        shards: vec![NODE],
        ends_in: None,
    })
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::parse(name).unwrap()
}

impl World {
    fn new() -> Self {
        let budget = ByteBudget::new(1 << 30);
        let home = Home { node: NODE, upload_ids: UploadIds::new([1; 32]), budget: budget.clone() };
        let now = Timestamp(1_000_000);
        let state = JobState::open(&spec(Epoch(1), &[]), home, ClusterView::default().into(), now);
        let (objects, readings) = (BTreeMap::new(), Vec::new());
        let (written, freed) = (BTreeSet::new(), BTreeSet::new());
        let (epoch, rules, left) = (Epoch(1), Vec::new(), Vec::new());
        Self { state, epoch, rules, left, budget, now, objects, readings, written, freed, numbers: 0 }
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
        let epoch = self.epoch;
        if let Some(answer) = self.state.query(epoch, &request, self.now) {
            return answer;
        }
        let payload = Bytes::copy_from_slice(payload);
        match self.apply(Command::Request { epoch, request, payload })? {
            Output::Answer(answer) => Ok(answer),
            other => panic!("a request was answered with {other:?}"),
        }
    }

    fn visible(&self, name: &str) -> Option<&Plain> {
        let ended = |o: &&Plain| o.expires_at.is_some_and(|at| at <= self.now) || self.is_ruled_out(name, o);
        self.objects.get(name).filter(|o| !ended(o))
    }

    fn is_ruled_out(&self, name: &str, object: &Plain) -> bool {
        self.rule_end(name, object).is_some_and(|at| at <= self.now)
    }

    /// Where a rule ends it before its TTL does.
    fn rule_end(&self, name: &str, object: &Plain) -> Option<Timestamp> {
        let matching = self.rules.iter().filter(|rule| rule.matches(name, object));
        let end = matching.filter_map(|rule| rule.expires).map(|s| after(object.created, s)).min();
        end.filter(|&at| object.expires_at.is_none_or(|ttl_end| at < ttl_end))
    }

    fn is_aborted(&self, left: &Left) -> bool {
        let matching = self.rules.iter().filter(|rule| rule.aborts(left.key));
        matching.filter_map(|rule| rule.aborts).any(|seconds| after(left.initiated, seconds) <= self.now)
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
        self.objects.insert(
            name,
            Plain { created: self.now, tags, bytes, places, expires_at, left, reserved, exclusive, version },
        );
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
            Act::Append { key: k, sizes, late } => self.append(KEYS[k], &sizes, late),
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
            Act::Rename { from, to, absent } => self.rename(KEYS[from], KEYS[to], absent),
            Act::Copy { from, to, range } => self.copy(KEYS[from], KEYS[to], range),
            Act::Upload { key: k, parts, complete } => self.upload(KEYS[k], parts, complete),
            Act::Leave { key: k, parts } => {
                let (id, _, _, places) = self.start_upload(KEYS[k], &parts);
                self.left.push(Left { id, key: KEYS[k], initiated: self.now, places });
            }
            Act::Rules(rules) => self.change_rules(rules),
            Act::Pass { ms } => self.now = self.now + Duration::from_millis(ms.into()),
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

    fn append(&mut self, name: &'static str, sizes: &[u32], late: bool) {
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

    fn rename(&mut self, from: &'static str, to: &'static str, absent: bool) {
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
        let ends = (found.meta.expires_at, found.meta.rule_end.map(|end| end.at));
        assert_eq!(ends, (plain.expires_at, self.rule_end(name, &plain)), "ends of {name}");
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

    /// What has ended by the old rules has ended for good.
    fn change_rules(&mut self, rules: Vec<PlainRule>) {
        self.epoch = Epoch(self.epoch.0 + 1);
        let ruled_by = |rule: &PlainRule| rule.rule();
        let spec = spec(self.epoch, &rules.iter().map(ruled_by).collect::<Vec<_>>());
        self.apply(Command::Update(spec)).unwrap();
        if rules != self.rules {
            self.drop_what_rules_ended();
        }
        self.rules = rules;
    }

    fn drop_what_rules_ended(&mut self) {
        let mut objects = std::mem::take(&mut self.objects);
        objects.retain(|name, o| !self.is_ruled_out(name, o));
        self.objects = objects;
        let mut left = std::mem::take(&mut self.left);
        left.retain(|left| !self.is_aborted(left));
        self.left = left;
    }

    /// Its id, the parts but for the second with the bytes that they make, and where all bytes are.
    #[expect(clippy::type_complexity)]
    fn start_upload(
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

    fn upload(&mut self, name: &'static str, parts: Vec<Vec<u32>>, complete: bool) {
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

    fn advance(&mut self, by: Duration) {
        self.now = self.now + by;
        self.sweep();
    }

    fn sweep(&mut self) {
        let now = self.now;
        // A review of the rules takes a step for objects and one for uploads.
        let more = (0..3).map(|_| self.apply(Command::Sweep)).last();
        assert!(matches!(more, Some(Ok(Output::Swept { more: false, .. }))), "{more:?}");
        self.objects.retain(|_, o| o.expires_at.is_none_or(|at| at > now));
        self.drop_what_rules_ended();
        // Sweeps run often: what ends without word ends now.
        let (over, open) =
            std::mem::take(&mut self.readings).into_iter().partition(|r| r.ends_at <= self.now);
        self.readings = open;
        for reading in over {
            self.close(reading, false);
        }
    }

    fn check(&self) {
        let mut walk = Walk::new(String::new(), None, Start::Beginning);
        let mut listed = Vec::new();
        let pause = walk.step(
            &self.state.objects,
            100,
            |key, e| self.state.is_visible(key.as_str(), e, self.now),
            |found| {
                if let Walked::Key(key, _) = found {
                    listed.push(key.as_str().to_owned());
                }
                ControlFlow::Continue(())
            },
        );
        let expected: Vec<&str> = KEYS.into_iter().filter(|name| self.visible(name).is_some()).collect();
        let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        assert_eq!((pause, &listed), (Pause::End, &expected));
        assert_eq!(self.state.count_visible(self.now), expected.len() as u64);
        let (prefix, delimiter, start) = (String::new(), None, UploadsStart::Beginning);
        let mut uploads = UploadsListing::new(ListUploads { prefix, start, delimiter, max: 1_000 }).unwrap();
        assert_eq!(uploads.step(&self.state, self.epoch, self.now), Ok(true));
        let ids = uploads.into_page().items.into_iter().map(|item| match item {
            UploadsItem::Upload(info) => info.upload,
            UploadsItem::Prefix(prefix) => panic!("a prefix without a delimiter: {prefix}"),
        });
        let open = self.left.iter().filter(|left| !self.is_aborted(left)).map(|left| left.id.clone());
        assert_eq!(ids.collect::<BTreeSet<_>>(), open.collect());
        let of_objects = self.objects.values().map(|o| &o.places);
        let stored = of_objects.chain(self.left.iter().map(|left| &left.places));
        assert_eq!(self.state.logical_bytes, stored.clone().map(|places| places.len() as u64).sum::<u64>());
        let in_use = stored.chain(self.readings.iter().map(|r| &r.places));
        for chunk in in_use.flatten().flatten() {
            assert!(!self.freed.contains(chunk), "{chunk:?} was freed while it is in use");
        }
        assert_eq!(self.budget.used_bytes(), self.state.account.used_bytes());
    }

    fn finish(&mut self) {
        for name in KEYS {
            self.act(Act::Delete { key: KEYS.iter().position(|k| *k == name).unwrap() });
        }
        self.advance(Duration::ZERO);
        for Left { id, key: name, .. } in std::mem::take(&mut self.left) {
            self.request(Request::Abort { key: key(name), upload: id }, b"").unwrap();
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
