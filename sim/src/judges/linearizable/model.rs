//! What is true of a bucket and a few of its keys, and what one operation makes of it. A step says all that a correct store may
//! have done so that the client saw what it saw: nothing where that cannot be. Pure, and without a clock: an operation happens at
//! some moment between its begin and its end, so whatever ends by itself has ended for certain, has not, or may have.

use super::steps::{Kind, Step};
use crate::client::content::slice;
use crate::history::{Bounds, BucketHints, ByteRange, Condition, Run, Text};
use crate::judges::declared::Declared;
use crate::judges::origins::{Content, content};
use pocket_api::limits::INLINE_MAX_BYTES;
use smallvec::{SmallVec, smallvec};
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct State {
    life: Option<Life>,
    /// As many as the group has keys; all empty while there is no bucket.
    slots: SmallVec<[Option<Object>; 2]>,
}

/// One life of the bucket's name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Life {
    /// Unknown while nobody was told.
    job: Option<Text>,
    objects: Bounds,
    made: Duration,
    ends: Option<Span>,
}

/// The first and the last moment at which something may end.
type Span = (Duration, Duration);

const NOBODY_KNOWS: Span = (Duration::ZERO, Duration::MAX);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Object {
    /// Unknown of a copy of something that nobody saw.
    content: Option<Content>,
    /// Unknown until somebody was told.
    etag: Option<Text>,
    expires: Option<Span>,
    /// Fewest and most complete reads that are left.
    reads: Option<(u32, u32)>,
    /// No byte of it is older.
    written: Duration,
    is_lost: bool,
}

/// What may be true after a step.
pub(super) type Next = SmallVec<[State; 1]>;

/// What a client saw of an object.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) etag: Text,
    pub(super) size_bytes: Option<u64>,
    /// With its range, where it was asked for one.
    pub(super) runs: Option<(Option<ByteRange>, Vec<Run>)>,
    pub(super) uses: Uses,
}

/// What a look does to an object whose reads are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uses {
    Nothing,
    /// A range, which may complete a read together with others.
    APart,
    ARead,
}

impl State {
    pub(super) fn new(slots: usize) -> Self {
        Self { life: None, slots: smallvec![None; slots] }
    }

    pub(super) fn after(&self, step: &Step, declared: &Declared) -> Next {
        let look = Look { state: self, step, declared };
        match &step.kind {
            Kind::CreateBucket { hints, job } => look.create(hints, job.as_ref()),
            Kind::EndBucket { force } => look.end(*force),
            Kind::SeeNoBucket => look.see_no_bucket(),
            Kind::SeeNeither { slot } => look.see_neither(*slot),
            _ if !look.may_have_bucket() => Next::new(),
            Kind::SeeBucket => smallvec![self.clone()],
            Kind::Write { slot, content, bounds, condition } => {
                look.write(*slot, content.as_ref(), bounds.as_ref(), condition)
            }
            Kind::Append { slot, offset_bytes, piece } => look.append(*slot, *offset_bytes, *piece),
            Kind::Remove { slot, condition } => look.remove(*slot, condition),
            Kind::Rename { from, to, condition } => look.rename(*from, *to, condition),
            Kind::UseRead { slot } => look.use_read(*slot),
            Kind::See { slot, seen } => look.see(*slot, seen),
            Kind::SeeNothing { slot, held } => look.see_nothing(*slot, *held),
            Kind::SeeLost { slot } => look.see_lost(*slot),
            Kind::SeeConditionFail { slot, condition } => look.see_condition_fail(*slot, condition),
            Kind::SeeOtherSize { slot, offset_bytes } => look.see_other_size(*slot, *offset_bytes),
        }
    }

    fn with(&self, slot: usize, object: Option<Object>) -> Self {
        let mut next = self.clone();
        next.slots[slot] = object;
        next
    }
}

impl Object {
    fn size_bytes(&self) -> Option<u64> {
        self.content.as_ref().map(|pieces| pieces.iter().map(|piece| piece.size_bytes()).sum())
    }

    fn may_have_tag(&self, etag: &Text) -> bool {
        self.etag.as_ref().is_none_or(|known| known == etag)
    }
}

/// One step in one state.
struct Look<'a> {
    state: &'a State,
    step: &'a Step,
    declared: &'a Declared,
}

impl Look<'_> {
    fn is_over(&self, ends: Option<Span>) -> bool {
        ends.is_some_and(|(_, latest)| latest.saturating_add(self.declared.clock_error) <= self.step.begin)
    }

    fn may_be_over(&self, ends: Option<Span>) -> bool {
        ends.is_some_and(|(earliest, _)| earliest <= self.step.end.saturating_add(self.declared.clock_error))
    }

    fn in_span(&self, after: Option<Duration>) -> Option<Span> {
        after.map(|after| (self.step.begin.saturating_add(after), self.step.end.saturating_add(after)))
    }

    fn may_have_bucket(&self) -> bool {
        self.state.life.as_ref().is_some_and(|life| !self.is_over(life.ends))
    }

    fn may_have_none(&self) -> bool {
        self.state.life.as_ref().is_none_or(|life| self.may_be_over(life.ends) || self.is_lost(life))
    }

    /// A shard of the bucket has died since it was made.
    fn is_lost(&self, life: &Life) -> bool {
        self.declared.loses_bucket(&self.step.bucket, life.made, self.step.end)
    }

    fn object(&self, slot: usize) -> Option<&Object> {
        self.state.slots[slot].as_ref()
    }

    fn may_be_there(&self, object: &Object) -> bool {
        !object.is_lost && !self.is_over(object.expires) && object.reads.is_none_or(|(_, most)| most > 0)
    }

    /// Expired, or read for the last time.
    fn may_be_gone(&self, object: &Object) -> bool {
        self.may_be_over(object.expires) || object.reads.is_some_and(|(fewest, _)| fewest == 0)
    }

    fn may_be_lost(&self, object: &Object) -> bool {
        let has_chunks = object.size_bytes().is_none_or(|size| size > INLINE_MAX_BYTES as u64);
        object.is_lost || has_chunks && self.declared.loses_chunks(object.written, self.step.end)
    }

    fn may_be_missing(&self, slot: usize) -> bool {
        self.object(slot).is_none_or(|object| self.may_be_gone(object) || self.may_be_lost(object))
    }

    fn may_hold(&self, slot: usize, condition: &Condition) -> bool {
        match condition {
            Condition::None => true,
            Condition::Absent => self.may_be_missing(slot),
            Condition::Matches(etag) => {
                self.object(slot).is_some_and(|object| self.may_be_there(object) && object.may_have_tag(etag))
            }
        }
    }

    fn nothing_changes(&self) -> Next {
        smallvec![self.state.clone()]
    }

    fn create(&self, hints: &BucketHints, job: Option<&Text>) -> Next {
        let mut next = Next::new();
        if self.may_have_none() {
            let ends = self.in_span(hints.ttl).map(|(earliest, latest)| {
                (earliest, latest.saturating_add(self.declared.buckets_end_within))
            });
            let life = Life { job: job.cloned(), objects: hints.objects, made: self.step.begin, ends };
            next.push(State { life: Some(life), ..State::new(self.state.slots.len()) });
        }
        if let Some(life) = &self.state.life
            && self.may_have_bucket()
            && let Some(job) = job
            && life.job.as_ref().is_none_or(|known| known == job)
        {
            let life = Life { job: Some(job.clone()), ..life.clone() };
            next.push(State { life: Some(life), ..self.state.clone() });
        }
        next
    }

    fn end(&self, force: bool) -> Next {
        let is_empty = || (0..self.state.slots.len()).all(|slot| self.may_be_missing(slot));
        match self.may_have_bucket() && (force || is_empty()) {
            true => smallvec![State::new(self.state.slots.len())],
            false => Next::new(),
        }
    }

    fn see_no_bucket(&self) -> Next {
        if !self.may_have_none() {
            return Next::new();
        }
        let mut next = smallvec![State::new(self.state.slots.len())];
        // With one copy an island of a gateway and a shard may go on with what the rest has declared lost, until it hears of it.
        let may_be_seen_again = self.step.end < self.declared.at_rest;
        if may_be_seen_again && self.state.life.as_ref().is_some_and(|life| self.is_lost(life)) {
            next.push(self.state.clone());
        }
        next
    }

    /// `bounds`: `None` where nobody can know what a copy has inherited.
    fn new_object(&self, content: Option<&Content>, bounds: Option<&Bounds>) -> Object {
        let default = self.state.life.as_ref().map(|life| life.objects).unwrap_or_default();
        let (expires, reads) = match bounds {
            Some(said) => {
                let reads = said.reads.or(default.reads).map(|reads| (reads, reads));
                (self.in_span(said.ttl.or(default.ttl)), reads)
            }
            None => (Some(NOBODY_KNOWS), Some((0, u32::MAX))),
        };
        // They may be in chunks that are older than it.
        let written = if self.step.copies { Duration::ZERO } else { self.step.begin };
        let etag = self.step.etag.clone();
        Object { content: content.cloned(), etag, expires, reads, written, is_lost: false }
    }

    fn write(
        &self,
        slot: usize,
        content: Option<&Content>,
        bounds: Option<&Bounds>,
        condition: &Condition,
    ) -> Next {
        match self.may_hold(slot, condition) {
            true => smallvec![self.state.with(slot, Some(self.new_object(content, bounds)))],
            false => Next::new(),
        }
    }

    fn append(&self, slot: usize, offset_bytes: u64, piece: crate::history::Piece) -> Next {
        let mut next = Next::new();
        if offset_bytes == 0 && self.may_be_missing(slot) {
            let object = self.new_object(Some(&content([piece])), Some(&Bounds::default()));
            next.push(self.state.with(slot, Some(object)));
        }
        if let Some(object) = self.object(slot)
            && self.may_be_there(object)
            && object.size_bytes().is_none_or(|size| size == offset_bytes)
        {
            let longer = |pieces: &Content| content(pieces.iter().copied().chain([piece]));
            let content = object.content.as_ref().map(longer);
            let object = Object { content, etag: self.step.etag.clone(), ..object.clone() };
            next.push(self.state.with(slot, Some(object)));
        }
        next
    }

    fn remove(&self, slot: usize, condition: &Condition) -> Next {
        match self.may_hold(slot, condition) {
            true => smallvec![self.state.with(slot, None)],
            false => Next::new(),
        }
    }

    fn rename(&self, from: usize, to: usize, condition: &Condition) -> Next {
        let object = self.object(from).filter(|object| self.may_be_there(object));
        match object {
            Some(object) if self.may_hold(to, condition) => {
                smallvec![self.state.with(from, None).with(to, Some(object.clone()))]
            }
            _ => Next::new(),
        }
    }

    /// Of a client that has not got all of it, so that the read may have been given back.
    fn use_read(&self, slot: usize) -> Next {
        match self.object(slot) {
            Some(object @ Object { reads: Some((fewest, most)), .. }) if *fewest > 0 => {
                let reads = Some((fewest - 1, *most));
                smallvec![self.state.with(slot, Some(Object { reads, ..object.clone() }))]
            }
            _ => Next::new(),
        }
    }

    fn see(&self, slot: usize, seen: &Seen) -> Next {
        let Some(object) = self.object(slot).filter(|object| self.may_be_there(object)) else {
            return Next::new();
        };
        if !object.may_have_tag(&seen.etag) {
            return Next::new();
        }
        let mut after = Object { etag: Some(seen.etag.clone()), ..object.clone() };
        match (&object.content, &seen.runs) {
            (Some(_), _) if seen.size_bytes.is_some() && object.size_bytes() != seen.size_bytes => {
                return Next::new();
            }
            (Some(known), Some((Some(range), runs))) if slice(known, *range) != *runs => return Next::new(),
            (Some(known), Some((None, runs))) if !is_all_of(known, runs) => return Next::new(),
            (None, Some((None, runs))) => after.content = Some(content(runs.iter().map(|run| run.piece))),
            _ => {}
        }
        if let Some((fewest, most)) = object.reads {
            match seen.uses {
                Uses::Nothing => {}
                Uses::APart => after.reads = Some((fewest.saturating_sub(1), most)),
                Uses::ARead if most == 1 => return smallvec![self.state.with(slot, None)],
                Uses::ARead => after.reads = Some((fewest.saturating_sub(1), most.saturating_sub(1))),
            }
        }
        smallvec![self.state.with(slot, Some(after))]
    }

    /// `held`: most reads that others may hold meanwhile.
    fn see_nothing(&self, slot: usize, held: u32) -> Next {
        let Some(object) = self.object(slot) else { return self.nothing_changes() };
        let mut next = Next::new();
        if self.may_be_gone(object) {
            next.push(self.state.with(slot, None));
        }
        if self.may_be_lost(object) {
            next.push(self.state.with(slot, Some(Object { is_lost: true, ..object.clone() })));
        }
        if object.reads.is_some_and(|(fewest, _)| fewest > 0 && fewest <= held) {
            next.push(self.state.clone());
        }
        next
    }

    fn see_neither(&self, slot: usize) -> Next {
        let mut next = self.see_no_bucket();
        if self.may_have_bucket() {
            next.extend(self.see_nothing(slot, 0));
        }
        next
    }

    fn see_lost(&self, slot: usize) -> Next {
        match self.object(slot) {
            Some(object) if self.may_be_lost(object) => {
                smallvec![self.state.with(slot, Some(Object { is_lost: true, ..object.clone() }))]
            }
            _ => Next::new(),
        }
    }

    fn see_condition_fail(&self, slot: usize, condition: &Condition) -> Next {
        let there = self.object(slot).filter(|object| self.may_be_there(object));
        let fails = there.is_some_and(|object| match condition {
            Condition::None => false,
            Condition::Absent => true,
            Condition::Matches(etag) => object.etag.as_ref() != Some(etag),
        });
        if fails { self.nothing_changes() } else { Next::new() }
    }

    fn see_other_size(&self, slot: usize, offset_bytes: u64) -> Next {
        let there = self.object(slot).filter(|object| self.may_be_there(object));
        // Of who wanted to make the object and found that somebody else just had, whatever its size.
        let is_other = |object: &Object| {
            offset_bytes == 0 || object.size_bytes().is_none_or(|size| size != offset_bytes)
        };
        let is_missing = self.may_be_missing(slot) && offset_bytes != 0;
        if is_missing || there.is_some_and(is_other) { self.nothing_changes() } else { Next::new() }
    }
}

fn is_all_of(known: &Content, runs: &[Run]) -> bool {
    known.len() == runs.len() && known.iter().zip(runs).all(|(piece, run)| piece.whole() == *run)
}
