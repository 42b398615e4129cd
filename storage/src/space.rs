//! Who has which part of the arena: spans of jobs, chunks in their slots, what is used and what is reserved. Pure:
//! it hands out the right to touch memory ([`Claim`], [`Pin`]) and never touches any.
//!
//! A span belongs to one job, so a job's end gives back spans, not chunks. An empty span goes back at once. A job's
//! next span is as large as all it has of that size (64 KiB to 4 MiB): small jobs waste little, large jobs have few
//! spans. Where no such block is left, smaller ones do.
//!
//! Lock time is the only shared cost of the data path: a call takes 50 to 200 ns and copies nothing.

use crate::buddy::{BLOCK_MAX_BYTES, BLOCK_MIN_BYTES, Buddy, order_holding};
use crate::ended::EndedJobs;
use crate::size_class::SizeClass;
use crate::span::{Left, STAMP_BITS, Span};
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::ChunkError;
use pocket_api::ids::{IdMap, JobId};
use smallvec::SmallVec;
use std::collections::BTreeSet;

/// Spans of ended jobs that are given back in one step: some 50 us of the lock.
const GIVEN_BACK_AT_ONCE: usize = 256;

/// Spans that can ever be numbered: at 100 k new ones a second, five years of them.
const SERIALS: u64 = 1 << (u64::BITS - STAMP_BITS);

pub(crate) struct Space {
    capacity_bytes: u64,
    /// Charged for spans: what is really taken from the memory that this process may use.
    budget: ByteBudget,
    buddy: Buddy,
    /// By serial number.
    spans: IdMap<u64, Span>,
    next_serial: u64,
    /// Jobs that have a span.
    jobs: IdMap<JobId, JobSpans>,
    ended: EndedJobs,
    /// Serials of the spans that ended jobs had, a set for each class of size of each job; some may be gone.
    ending: Vec<BTreeSet<u64>>,
    /// Slots that are not vacant; also those that were freed and are still being read.
    slots_bytes: u64,
    reserved_bytes: u64,
    /// What the slots of spans leave over: nobody can use it.
    rest_bytes: u64,
    chunks: usize,
}

#[derive(Default)]
struct JobSpans {
    /// Few: most jobs write full chunks and some tails.
    classes: SmallVec<[ClassSpans; 2]>,
}

struct ClassSpans {
    class: SizeClass,
    held_bytes: u64,
    /// Serials of all spans of the class.
    spans: BTreeSet<u64>,
    /// Those that have room. The oldest is used first, so that young ones can drain.
    open: BTreeSet<u64>,
}

/// The right to write one range of one chunk. While it exists nobody else reads or writes that range, and the slot is
/// not given to another chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Claim {
    serial: u64,
    slot: u32,
    address_bytes: u64,
    len: u32,
}

/// The right to read one range of one full chunk. While it exists nobody writes to that range, and the slot is not
/// given to another chunk.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    serial: u64,
    slot: u32,
    address_bytes: u64,
    len: u32,
}

impl Claim {
    /// Offset and length in the arena.
    pub(crate) fn range(&self) -> (u64, u32) {
        (self.address_bytes, self.len)
    }
}

impl Pin {
    /// Offset and length in the arena.
    pub(crate) fn range(&self) -> (u64, u32) {
        (self.address_bytes, self.len)
    }
}

impl Space {
    /// `capacity_bytes` is rounded down to [`BLOCK_MIN_BYTES`].
    pub(crate) fn new(capacity_bytes: u64, budget: ByteBudget) -> Self {
        let units = u32::try_from(capacity_bytes / BLOCK_MIN_BYTES).unwrap_or(u32::MAX);
        Self {
            capacity_bytes: u64::from(units) * BLOCK_MIN_BYTES,
            budget,
            buddy: Buddy::new(units),
            spans: IdMap::default(),
            next_serial: 0,
            jobs: IdMap::default(),
            ended: EndedJobs::default(),
            ending: Vec::new(),
            slots_bytes: 0,
            reserved_bytes: 0,
            rest_bytes: 0,
            chunks: 0,
        }
    }

    pub(crate) fn capacity_bytes(&self) -> u64 {
        self.capacity_bytes
    }

    /// What chunks take of the spans: their slots, and what slots leave over.
    pub(crate) fn used_bytes(&self) -> u64 {
        self.slots_bytes + self.rest_bytes
    }

    /// Spans, the vacant slots in them included.
    pub(crate) fn reserved_bytes(&self) -> u64 {
        self.reserved_bytes
    }

    /// Slots in spans that only chunks of the same job and size can get.
    pub(crate) fn vacant_bytes(&self) -> u64 {
        self.reserved_bytes - self.used_bytes()
    }

    /// Slots that are not vacant.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks
    }

    /// Everything above this offset has never been used.
    pub(crate) fn high_water_bytes(&self) -> u64 {
        self.buddy.high_water_bytes()
    }

    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }

    /// Makes a chunk for each size, all or none, and answers their numbers. Sizes are those that have a class.
    /// Where there is no room it is not counted as refused: another server may have some.
    pub(crate) fn allocate(&mut self, job: JobId, sizes: &[u32]) -> Result<Vec<u64>, ChunkError> {
        if self.ended.contains(job) {
            return Err(ChunkError::NoSuchChunk);
        }
        // What cannot fit is refused without trying: clients repeat it while the arena is full.
        let slots = sizes.iter().map(|&size| u64::from(SizeClass::holding(size).slot_bytes()));
        if slots.sum::<u64>() > self.capacity_bytes - self.used_bytes() {
            return Err(ChunkError::Full(self.budget.shortage()));
        }
        let mut numbers = Vec::with_capacity(sizes.len());
        for &size in sizes {
            match self.take_slot(job, size) {
                Some(number) => numbers.push(number),
                None => {
                    numbers.into_iter().for_each(|number| self.free(number));
                    return Err(ChunkError::Full(self.budget.shortage()));
                }
            }
        }
        Ok(numbers)
    }

    /// Claims `len` bytes, at least one, of a chunk. The claim is given back with [`Space::done`].
    pub(crate) fn claim(&mut self, number: u64, offset: u32, len: u32) -> Result<Claim, ChunkError> {
        let (serial, stamp) = split(number);
        let span = self.spans.get_mut(&serial).ok_or(ChunkError::NoSuchChunk)?;
        let slot = span.claim(stamp, offset, len)?;
        Ok(Claim { serial, slot, address_bytes: span.address_bytes(slot, offset), len })
    }

    /// The claimed bytes are written. Tells what became of the slot.
    pub(crate) fn done(&mut self, claim: Claim) -> Left {
        let Some(span) = self.spans.get_mut(&claim.serial) else { return Left::Held };
        let left = span.done(claim.slot, claim.len);
        self.slot_left(claim.serial, left)
    }

    /// Pins bytes of a chunk that is completely written. The pin is given back with [`Space::unpin`].
    pub(crate) fn pin(&mut self, number: u64, offset: u32, len: u32) -> Result<Pin, ChunkError> {
        let (serial, stamp) = split(number);
        let span = self.spans.get_mut(&serial).ok_or(ChunkError::NoSuchChunk)?;
        let slot = span.pin(stamp, offset, len)?;
        Ok(Pin { serial, slot, address_bytes: span.address_bytes(slot, offset), len })
    }

    /// Tells what became of the slot.
    pub(crate) fn unpin(&mut self, pin: Pin) -> Left {
        let Some(span) = self.spans.get_mut(&pin.serial) else { return Left::Held };
        let left = span.unpin(pin.slot);
        self.slot_left(pin.serial, left)
    }

    /// Gives a chunk back; one that is not there is passed over. Its slot is used again when the last claim and pin
    /// are gone.
    pub(crate) fn free(&mut self, number: u64) {
        let (serial, stamp) = split(number);
        if let Some(span) = self.spans.get_mut(&serial)
            && let Ok(left) = span.free(stamp)
        {
            self.slot_left(serial, left);
        }
    }

    pub(crate) fn holds(&self, number: u64) -> bool {
        let (serial, stamp) = split(number);
        self.spans.get(&serial).is_some_and(|span| span.holds(stamp))
    }

    /// Gives a job nothing from now on. What it has comes back by [`Space::give_back_ended`].
    pub(crate) fn end(&mut self, job: JobId) {
        self.ended.remember(job);
        let Some(held) = self.jobs.remove(&job) else { return };
        self.ending.extend(held.classes.into_iter().map(|class| class.spans));
    }

    /// Gives back some spans of jobs that have ended; false when none is left. Costs by the span; only in spans where something
    /// is pinned, by the slot.
    pub(crate) fn give_back_ended(&mut self) -> bool {
        for _ in 0..GIVEN_BACK_AT_ONCE {
            let Some(spans) = self.ending.last_mut() else { break };
            match spans.pop_first() {
                Some(serial) => self.give_back(serial),
                None => drop(self.ending.pop()),
            }
        }
        !self.ending.is_empty()
    }

    /// A span of an ended job.
    fn give_back(&mut self, serial: u64) {
        let Some(span) = self.spans.get_mut(&serial) else { return };
        if span.pins() == 0 {
            self.drop_span(serial);
        } else {
            let vacated = span.free_all();
            self.slots_bytes -= u64::from(vacated) * u64::from(span.class().slot_bytes());
            self.chunks -= vacated as usize;
        }
    }

    fn take_slot(&mut self, job: JobId, size: u32) -> Option<u64> {
        let class = SizeClass::holding(size);
        let open = self.jobs.get(&job).and_then(|spans| spans.class(class)).and_then(|c| c.open.first());
        let serial = match open {
            Some(&serial) => serial,
            None => self.take_span(job, class)?,
        };
        let span = self.spans.get_mut(&serial)?;
        let stamp = span.take(size)?;
        if !span.has_room()
            && let Some(spans) = self.jobs.get_mut(&job)
        {
            spans.class_mut(class).open.remove(&serial);
        }
        self.slots_bytes += u64::from(class.slot_bytes());
        self.chunks += 1;
        Some(serial << STAMP_BITS | stamp)
    }

    /// Takes a block for a job; `None` when neither memory nor budget has one that holds a slot of the class.
    fn take_span(&mut self, job: JobId, class: SizeClass) -> Option<u64> {
        let serial = self.next_serial;
        if serial == SERIALS {
            return None;
        }
        let held_bytes = self.jobs.get(&job).and_then(|spans| spans.class(class)).map_or(0, |c| c.held_bytes);
        let smallest = order_holding(u64::from(class.slot_bytes()));
        // The largest power of two in what is held: together they at most double.
        let doubling = held_bytes.checked_ilog2().map_or(0, |log| 1 << log);
        let wanted = order_holding(doubling.min(BLOCK_MAX_BYTES)).max(smallest);
        let block = (smallest..=wanted).rev().find_map(|order| {
            let bytes = BLOCK_MIN_BYTES << order;
            if !self.budget.take(bytes) {
                return None;
            }
            let block = self.buddy.take(order);
            if block.is_none() {
                self.budget.give_back(bytes);
            }
            block
        })?;
        self.next_serial += 1;
        let span = Span::new(job, class, block);
        self.reserved_bytes += block.len_bytes();
        self.rest_bytes += span.rest_bytes();
        self.spans.insert(serial, span);
        let held = self.jobs.entry(job).or_default().class_mut(class);
        held.held_bytes += block.len_bytes();
        held.spans.insert(serial);
        held.open.insert(serial);
        Some(serial)
    }

    /// Follows up when a slot of this span has become vacant.
    fn slot_left(&mut self, serial: u64, left: Left) -> Left {
        let Some(span) = self.spans.get(&serial).filter(|_| left == Left::Vacant) else { return left };
        self.slots_bytes -= u64::from(span.class().slot_bytes());
        self.chunks -= 1;
        let (job, class, room) = (span.job(), span.class(), span.has_room());
        if span.taken() == 0 {
            self.drop_span(serial);
        } else if room && let Some(spans) = self.jobs.get_mut(&job) {
            spans.class_mut(class).open.insert(serial);
        }
        left
    }

    fn drop_span(&mut self, serial: u64) {
        let Some(span) = self.spans.remove(&serial) else { return };
        let (block, class) = (span.block(), span.class());
        self.slots_bytes -= u64::from(span.taken()) * u64::from(class.slot_bytes());
        self.chunks -= span.taken() as usize;
        self.reserved_bytes -= block.len_bytes();
        self.rest_bytes -= span.rest_bytes();
        self.buddy.give_back(block);
        self.budget.give_back(block.len_bytes());
        // Gone already when the job has ended.
        if let Some(spans) = self.jobs.get_mut(&span.job()) {
            spans.forget(class, serial, block.len_bytes());
            if spans.classes.is_empty() {
                self.jobs.remove(&span.job());
            }
        }
    }
}

impl JobSpans {
    fn class(&self, class: SizeClass) -> Option<&ClassSpans> {
        self.classes.iter().find(|c| c.class == class)
    }

    fn class_mut(&mut self, class: SizeClass) -> &mut ClassSpans {
        let at = self.classes.iter().position(|c| c.class == class).unwrap_or_else(|| {
            let (spans, open) = (BTreeSet::new(), BTreeSet::new());
            self.classes.push(ClassSpans { class, held_bytes: 0, spans, open });
            self.classes.len() - 1
        });
        &mut self.classes[at]
    }

    fn forget(&mut self, class: SizeClass, serial: u64, bytes: u64) {
        let Some(at) = self.classes.iter().position(|c| c.class == class) else { return };
        let held = &mut self.classes[at];
        held.held_bytes -= bytes;
        held.spans.remove(&serial);
        held.open.remove(&serial);
        if held.spans.is_empty() {
            self.classes.swap_remove(at);
        }
    }
}

/// Serial of the span, and stamp within it.
fn split(number: u64) -> (u64, u64) {
    (number >> STAMP_BITS, number & ((1 << STAMP_BITS) - 1))
}

#[cfg(test)]
mod tests;
