//! Random commands against a simple reference: a map of keys to plain bytes. Whatever the order of writes, copies,
//! uploads, reads, deletes and time, the state machine serves the same bytes, lists the same keys, frees every chunk
//! exactly once and none that somebody may read, and gives every byte of memory back.

mod acts;
mod writes;

use self::acts::{Act, PlainRule, acts, after, ttl};
use crate::state::effects::Output;
use crate::state::list::UploadsListing;
use crate::state::pieces::{Content, Piece};
use crate::state::upload_id::UploadIds;
use crate::state::walk::{Found as Walked, Pause, Start, Walk};
use crate::state::{Command, Home, JobState, apply};
use bytes::Bytes;
use pocket_api::acl::Acl;
use pocket_api::budget::ByteBudget;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::{JobHints, Limit, ObjectHints};
use pocket_api::ids::{ChunkId, Epoch, JobId, LeaseId, NodeId};
use pocket_api::lifecycle::{Lifecycle, LifecycleRule, LifecycleUnit};
use pocket_api::limits::READ_LEASE;
use pocket_api::metadata::*;
use pocket_api::names::ObjectKey;
use pocket_api::object::{Segment, Tags};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

const NODE: NodeId = NodeId(1);
const KEYS: [&str; 5] = ["a", "a/b", "a/c", "b", "c/d/e"];
const DAYS: Duration = Duration::from_secs(3 * 86_400);

/// An object as the reference keeps it.
#[derive(Clone)]
struct Plain {
    created: Timestamp,
    tags: Tags,
    acl: Option<Box<Acl>>,
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

fn spec(epoch: Epoch, rules: &[LifecycleRule]) -> Arc<JobSpec> {
    let unit = LifecycleUnit::Of(Duration::from_secs(1));
    Arc::new(JobSpec {
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

/// Without objects and without rules.
pub(crate) fn empty_job(budget: ByteBudget, now: Timestamp) -> JobState {
    let home = Home { node: NODE, upload_ids: UploadIds::new([1; 32]), budget };
    JobState::open(&spec(Epoch(1), &[]), home, ClusterView::default().into(), now)
}

impl World {
    fn new() -> Self {
        let budget = ByteBudget::new(1 << 30);
        let now = Timestamp(1_000_000);
        let state = empty_job(budget.clone(), now);
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
        match self.apply(Command::Request { epoch, until: Timestamp(u64::MAX), request, payload })? {
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
            Act::Grant { key: k, grants, late } => self.grant(KEYS[k], grants, late),
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
        let acl = found.meta.headers.as_ref().and_then(|headers| headers.acl.clone());
        assert_eq!(acl, plain.acl, "ACL of {name}");
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

    /// What has ended by the old rules has ended for good.
    fn change_rules(&mut self, rules: Vec<PlainRule>) {
        self.epoch = Epoch(self.epoch.0 + 1);
        let ruled_by = |rule: &PlainRule| rule.rule();
        let spec = spec(self.epoch, &rules.iter().map(ruled_by).collect::<Vec<_>>());
        while self.apply(Command::Update(spec.clone())).unwrap() != Output::Done {}
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
        assert_eq!(self.state.count_visible(self.now), Some(expected.len() as u64));
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
        let (inline, of_readers) = (self.inline_bytes(), !self.readings.is_empty());
        let counted = self.state.account.inline_bytes();
        assert!(counted == inline || (of_readers && counted > inline), "{counted} of {inline} inline bytes");
    }

    /// Of all objects and parts.
    fn inline_bytes(&self) -> u64 {
        let of_piece = |piece: &Piece| if matches!(piece, Piece::Inline(_)) { piece.len() } else { 0 };
        let of_objects = self.state.objects.values().map(|entry| match &entry.content {
            Content::Inline(bytes) => bytes.len() as u64,
            Content::Body(body) => body.pieces.iter().map(of_piece).sum(),
        });
        let parts = self
            .state
            .uploads
            .open
            .values()
            .flat_map(|of_key| of_key.values())
            .flat_map(|upload| upload.parts.values());
        of_objects.sum::<u64>() + parts.flat_map(|part| &part.pieces).map(of_piece).sum::<u64>()
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
