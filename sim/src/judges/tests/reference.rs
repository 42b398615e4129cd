//! A store that is right, and what several clients at once would see of it: every operation happens at moments that were drawn before,
//! each in the order of the moments. Written without a look at the judges' own model.

use crate::client::content::slice;
use crate::history::{
    Answer, Asked, Body, Bounds, BucketHints, ByteRange, Condition, Event, History, Item, ListAsked,
    ObjectShown, Outcome, Piece, Refusal, Run, Text,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a store does wrong, once it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    /// An acknowledged write is forgotten.
    LostWrite,
    /// A read gives what was there before the last write.
    StaleRead,
    /// What a condition refuses is written all the same.
    DirtyRefusal,
    /// What was deleted is there again a moment later.
    DeleteComesBack,
    DoubleAppend,
    /// A condition is not looked at.
    BothWin,
    /// A counted read is not counted.
    ReadTwice,
    /// A TTL is forgotten.
    OutlivesTtl,
    /// A list leaves a key out.
    ListMisses,
    /// A rename leaves its source behind.
    RenameCopies,
    /// A new life of a bucket has what was in the last one.
    OldLife,
}

#[derive(Clone)]
struct Object {
    pieces: Vec<Piece>,
    etag: Text,
    expires: Option<Duration>,
    reads: Option<u32>,
}

#[derive(Default)]
struct Bucket {
    job: u32,
    hints: BucketHints,
    ends: Option<Duration>,
    objects: BTreeMap<Text, Object>,
    /// What each key had before its last change.
    before: BTreeMap<Text, Object>,
}

struct Store {
    buckets: BTreeMap<Text, Bucket>,
    graves: BTreeMap<Text, BTreeMap<Text, Object>>,
    next: u32,
    fault: Fault,
    /// How often the fault's occasion came.
    occasions: u32,
}

/// What a copy has taken from its source, until it is written.
type Taken = Option<Object>;

const CLIENTS: u32 = 3;
const KEYS: [&str; 4] = ["a/0", "a/1", "b", "c"];

/// A history of so many operations. One in `lost_one_in` is not answered, and has happened, will happen, or never does.
pub(super) fn history(seed: u64, operations: u32, lost_one_in: u32, fault: Fault) -> History {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut events = plan(&mut rng, operations);
    // When something happens, to whom, and whether it is the first or the second half of a copy.
    let mut moments = Vec::new();
    for (i, event) in events.iter_mut().enumerate() {
        let mut at = || event.begin + (event.end - event.begin).mul_f64(rng.random());
        let mut both = [at(), at()];
        both.sort();
        if rng.random_ratio(1, lost_one_in) {
            event.outcome = Outcome::Unknown("no answer".into());
            match rng.random_range(0..3) {
                0 => continue,
                1 => both = both.map(|at| at + Duration::from_millis(rng.random_range(0..3_000))),
                _ => {}
            }
        }
        moments.extend([(both[0], i, false), (both[1], i, true)]);
    }
    moments.sort();
    let mut store = Store { buckets: BTreeMap::new(), graves: BTreeMap::new(), next: 0, fault, occasions: 0 };
    let mut taken: BTreeMap<usize, Taken> = BTreeMap::new();
    for (at, i, is_second) in moments {
        let event = &events[i];
        let outcome = match (&event.asked, is_second) {
            (Asked::Copy { .. }, _) => store.copy(event, at, taken.entry(i).or_default(), is_second),
            (_, true) => Some(store.apply(event, at)),
            (_, false) => None,
        };
        if let (Some(outcome), false) = (outcome, matches!(event.outcome, Outcome::Unknown(_))) {
            events[i].outcome = outcome;
        }
    }
    History { events }
}

/// What clients ask, each one thing after the other. Nothing is answered yet.
fn plan(rng: &mut SmallRng, operations: u32) -> Vec<Event> {
    let mut free = [Duration::ZERO; CLIENTS as usize];
    let mut events: Vec<Event> = Vec::new();
    for number in 0..operations {
        let client = number % CLIENTS;
        let begin = free[client as usize] + Duration::from_micros(rng.random_range(0..20_000));
        let end = begin + Duration::from_micros(rng.random_range(1..30_000));
        free[client as usize] = end;
        let piece = Piece { writer: client, number, blocks: rng.random_range(0..4) };
        let asked =
            if number < CLIENTS { Asked::CreateBucket(BucketHints::default()) } else { asked(rng, piece) };
        let outcome = Outcome::Refused(Refusal::Other("nothing yet".into()));
        events.push(Event { number, client, begin, end, bucket: "b".into(), asked, outcome });
    }
    events.sort_by_key(|event| event.begin);
    events
}

fn asked(rng: &mut SmallRng, piece: Piece) -> Asked {
    let at = rng.random_range(0..KEYS.len());
    let key = Text::from(KEYS[at]);
    let ttl = Some(Duration::from_millis(rng.random_range(20..200)));
    let none = Condition::None;
    match rng.random_range(0..100) {
        0..1 => Asked::CreateBucket(BucketHints::default()),
        1..2 => {
            Asked::CreateBucket(BucketHints { objects: Bounds { ttl, reads: None }, ..Default::default() })
        }
        2..4 => Asked::DeleteBucket { force: rng.random() },
        4..24 => Asked::Put { key, piece, bounds: Bounds::default(), condition: none },
        24..30 => Asked::Put { key, piece, bounds: Bounds { ttl, reads: None }, condition: none },
        30..36 => {
            let reads = Some(rng.random_range(1..3));
            Asked::Put { key, piece, bounds: Bounds { ttl: None, reads }, condition: none }
        }
        36..44 => Asked::Put { key, piece, bounds: Bounds::default(), condition: Condition::Absent },
        44..50 => {
            let piece = Piece { blocks: piece.blocks + 1, ..piece };
            Asked::Append { key, offset_bytes: 16 * rng.random_range(0..4), piece }
        }
        50..72 => Asked::Get { key, range: None },
        72..75 => Asked::Get { key, range: Some(ByteRange { offset_bytes: 0, len_bytes: 32 }) },
        75..79 => Asked::Head { key },
        79..86 => Asked::Delete { key, condition: none },
        86..93 => Asked::Rename { from: key, to: KEYS[at ^ 1].into(), condition: none },
        93..95 => Asked::Copy { from_bucket: "b".into(), from: KEYS[at ^ 2].into(), to: key },
        95..96 => Asked::Complete { key, pieces: vec![piece], bounds: Bounds::default() },
        _ => Asked::List(ListAsked { max_keys: 10, ..ListAsked::default() }),
    }
}

impl Store {
    /// Whether the fault happens now: at every second occasion.
    fn fails(&mut self, fault: Fault) -> bool {
        let is_it = self.fault == fault;
        self.occasions += u32::from(is_it);
        is_it && self.occasions.is_multiple_of(2)
    }

    fn new_etag(&mut self) -> Text {
        self.next += 1;
        format!("tag-{}", self.next).into()
    }

    fn end_what_is_over(&mut self, bucket: &Text, at: Duration) {
        if self.buckets.get(bucket).is_some_and(|b| b.ends.is_some_and(|ends| ends <= at)) {
            self.buckets.remove(bucket);
        }
        if let Some(bucket) = self.buckets.get_mut(bucket) {
            bucket.objects.retain(|_, object| object.expires.is_none_or(|expires| expires > at));
        }
    }

    fn object(&self, bucket: &Text, key: &Text) -> Option<Object> {
        self.buckets.get(bucket)?.objects.get(key).cloned()
    }

    fn set(&mut self, bucket: &Text, key: &Text, object: Option<Object>) {
        let Some(bucket) = self.buckets.get_mut(bucket) else { return };
        let old = match object {
            Some(object) => bucket.objects.insert(key.clone(), object),
            None => bucket.objects.remove(key),
        };
        bucket.before.extend(old.map(|old| (key.clone(), old)));
    }

    fn copy(&mut self, event: &Event, at: Duration, taken: &mut Taken, is_second: bool) -> Option<Outcome> {
        let Asked::Copy { from_bucket, from, to } = &event.asked else { return None };
        self.end_what_is_over(&event.bucket, at);
        if !self.buckets.contains_key(&event.bucket) {
            *taken = None;
            return Some(Outcome::Refused(Refusal::NoSuchBucket));
        }
        if !is_second {
            *taken = self.object(from_bucket, from);
            return taken.is_none().then_some(Outcome::Refused(Refusal::NoSuchKey));
        }
        let object = taken.take()?;
        let etag = object.etag.clone();
        self.set(&event.bucket, to, Some(object));
        Some(Outcome::Done(Answer::Wrote { etag }))
    }

    fn apply(&mut self, event: &Event, at: Duration) -> Outcome {
        let name = &event.bucket;
        self.end_what_is_over(name, at);
        if let Asked::CreateBucket(hints) = &event.asked {
            return self.create(name, hints, at);
        }
        if !self.buckets.contains_key(name) {
            return Outcome::Refused(match event.asked {
                Asked::Head { .. } => Refusal::Nothing,
                _ => Refusal::NoSuchBucket,
            });
        }
        let done = Outcome::Done(Answer::Done);
        let there = event.key().and_then(|key| self.object(name, key));
        match &event.asked {
            Asked::DeleteBucket { force } if *force || self.buckets[name].objects.is_empty() => {
                let ended = self.buckets.remove(name);
                self.graves.extend(ended.map(|bucket| (name.clone(), bucket.objects)));
                done
            }
            Asked::DeleteBucket { .. } => Outcome::Refused(Refusal::NotEmpty),
            Asked::Put { key, piece, bounds, condition } => {
                let holds = *condition != Condition::Absent || there.is_none();
                if !holds && !self.fails(Fault::BothWin) {
                    if self.fails(Fault::DirtyRefusal) {
                        self.write(name, key, vec![*piece], bounds, at);
                    }
                    return Outcome::Refused(Refusal::PreconditionFailed);
                }
                if self.fails(Fault::LostWrite) {
                    return Outcome::Done(Answer::Wrote { etag: self.new_etag() });
                }
                self.write(name, key, vec![*piece], bounds, at)
            }
            Asked::Complete { key, pieces, bounds } => self.write(name, key, pieces.clone(), bounds, at),
            Asked::Append { key, offset_bytes, piece } => self.append(name, key, *offset_bytes, *piece, at),
            Asked::Get { key, range } => self.read(name, key, *range, there),
            Asked::Head { .. } => match there {
                Some(object) => Outcome::Done(Answer::Object(shown(&object, None))),
                None => Outcome::Refused(Refusal::Nothing),
            },
            Asked::Delete { key, .. } => {
                if !self.fails(Fault::DeleteComesBack) {
                    self.set(name, key, None);
                }
                done
            }
            Asked::Rename { from, to, .. } => match self.object(name, from) {
                Some(object) => {
                    if !self.fails(Fault::RenameCopies) {
                        self.set(name, from, None);
                    }
                    self.set(name, to, Some(object));
                    done
                }
                None => Outcome::Refused(Refusal::NoSuchKey),
            },
            Asked::List(_) => {
                let skipped = usize::from(self.fails(Fault::ListMisses));
                let keys = self.buckets[name].objects.keys().skip(skipped);
                let items = keys.map(|name| Item { name: name.clone(), is_prefix: false }).collect();
                Outcome::Done(Answer::Page { items, more: false })
            }
            Asked::CreateBucket(_)
            | Asked::Copy { .. }
            | Asked::CreateUpload { .. }
            | Asked::UploadPart { .. } => done,
        }
    }

    fn create(&mut self, name: &Text, hints: &BucketHints, at: Duration) -> Outcome {
        if !self.buckets.contains_key(name) {
            self.next += 1;
            let mut bucket = Bucket { job: self.next, hints: *hints, ..Bucket::default() };
            bucket.ends = hints.ttl.map(|ttl| at + ttl);
            if self.fault == Fault::OldLife {
                bucket.objects = self.graves.get(name).cloned().unwrap_or_default();
            }
            self.buckets.insert(name.clone(), bucket);
        }
        Outcome::Done(Answer::Bucket { job: self.buckets[name].job.to_string().into() })
    }

    fn write(
        &mut self,
        bucket: &Text,
        key: &Text,
        pieces: Vec<Piece>,
        bounds: &Bounds,
        at: Duration,
    ) -> Outcome {
        let default = self.buckets[bucket].hints.objects;
        let ttl = bounds.ttl.or(default.ttl).filter(|_| !self.fails(Fault::OutlivesTtl));
        let pieces: Vec<Piece> = pieces.into_iter().filter(|piece| piece.blocks > 0).collect();
        let (etag, reads) = (self.new_etag(), bounds.reads.or(default.reads));
        let object = Object { pieces, etag: etag.clone(), expires: ttl.map(|ttl| at + ttl), reads };
        self.set(bucket, key, Some(object));
        Outcome::Done(Answer::Wrote { etag })
    }

    fn append(&mut self, bucket: &Text, key: &Text, offset: u64, piece: Piece, at: Duration) -> Outcome {
        let Some(mut object) = self.object(bucket, key) else {
            return match offset {
                0 => self.write(bucket, key, vec![piece], &Bounds::default(), at),
                _ => Outcome::Refused(Refusal::WrongOffset),
            };
        };
        if size(&object) != offset {
            return Outcome::Refused(Refusal::WrongOffset);
        }
        let times = if self.fails(Fault::DoubleAppend) { 2 } else { 1 };
        object.pieces.extend(std::iter::repeat_n(piece, times));
        object.etag = self.new_etag();
        let etag = object.etag.clone();
        self.set(bucket, key, Some(object));
        Outcome::Done(Answer::Wrote { etag })
    }

    fn read(
        &mut self,
        bucket: &Text,
        key: &Text,
        range: Option<ByteRange>,
        there: Option<Object>,
    ) -> Outcome {
        let Some(object) = there else { return Outcome::Refused(Refusal::NoSuchKey) };
        if range.is_none()
            && let Some(left) = object.reads
            && !self.fails(Fault::ReadTwice)
        {
            let reads = Some(left - 1);
            self.set(bucket, key, (left > 1).then(|| Object { reads, ..object.clone() }));
        }
        let before = self.buckets[bucket].before.get(key).cloned();
        let object = before.filter(|_| self.fails(Fault::StaleRead)).unwrap_or(object);
        let runs = match range {
            None => object.pieces.iter().map(|piece| piece.whole()).collect(),
            Some(range) => slice(&object.pieces, range),
        };
        Outcome::Done(Answer::Object(shown(&object, Some(runs))))
    }
}

fn size(object: &Object) -> u64 {
    object.pieces.iter().map(|piece| piece.size_bytes()).sum()
}

fn shown(object: &Object, runs: Option<Vec<Run>>) -> ObjectShown {
    let body = runs.map(Body::Runs);
    ObjectShown { etag: object.etag.clone(), size_bytes: size(object), reads_left: object.reads, body }
}
