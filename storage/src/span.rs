//! A span: one block of the arena, owned by one job and divided into equal slots, each of which holds one chunk. Pure.
//!
//! A slot is vacant, or taken by a chunk that is being filled or full, or freed but still pinned: somebody copies into
//! it or holds its bytes. Only a slot without pins becomes vacant again. That is what the memory's safety rests on.

use crate::buddy::Block;
use crate::filling::{Filling, Refused};
use crate::size_class::SizeClass;
use pocket_api::chunks::ChunkError;
use pocket_api::ids::JobId;
use pocket_api::limits::CHUNK_GAPS_MAX;

/// Bits of a chunk's number that tell the chunks of one span apart: over a million of them, so that taking a new span
/// when they are used up costs nothing, and 44 bits are left to number the spans.
pub(crate) const STAMP_BITS: u32 = 20;
/// Ends the list of vacant slots.
const NONE: u32 = u32::MAX;

pub(crate) struct Span {
    job: JobId,
    class: SizeClass,
    block: Block,
    slot_count: u32,
    /// Slots that were ever taken; the others are vacant.
    slots: Vec<Slot>,
    /// First of the list of slots that were taken and are vacant again.
    vacant: u32,
    /// Slots that are not vacant.
    taken: u32,
    /// Of all slots.
    pins: u32,
}

struct Slot {
    /// How many chunks it has held before.
    generation: u32,
    /// Copies under way and answers that are not dropped yet.
    pins: u32,
    state: SlotState,
}

enum SlotState {
    Vacant { next: u32 },
    Filling(Filling),
    Full { len: u32 },
    Freed,
}

/// What became of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Left {
    /// It is still taken, or pinned.
    Held,
    Vacant,
}

impl Span {
    pub(crate) fn new(job: JobId, class: SizeClass, block: Block) -> Self {
        let slot_count = (block.len_bytes() / u64::from(class.slot_bytes())) as u32;
        Self { job, class, block, slot_count, slots: Vec::new(), vacant: NONE, taken: 0, pins: 0 }
    }

    pub(crate) fn job(&self) -> JobId {
        self.job
    }

    pub(crate) fn class(&self) -> SizeClass {
        self.class
    }

    pub(crate) fn block(&self) -> Block {
        self.block
    }

    /// What its slots leave over.
    pub(crate) fn rest_bytes(&self) -> u64 {
        self.block.len_bytes() - u64::from(self.slot_count) * u64::from(self.class.slot_bytes())
    }

    pub(crate) fn taken(&self) -> u32 {
        self.taken
    }

    pub(crate) fn pins(&self) -> u32 {
        self.pins
    }

    pub(crate) fn has_room(&self) -> bool {
        self.vacant != NONE || (self.slots.len() as u32) < self.slot_count
    }

    /// Begins a chunk of `len` bytes and answers its stamp. `None` without room.
    pub(crate) fn take(&mut self, len: u32) -> Option<u64> {
        let state = SlotState::Filling(Filling::new(len));
        let index = self.vacant;
        let (index, generation) = if let Some(slot) = self.slots.get_mut(index as usize) {
            if let SlotState::Vacant { next } = std::mem::replace(&mut slot.state, state) {
                self.vacant = next;
            }
            (index, slot.generation)
        } else if self.has_room() {
            self.slots.push(Slot { generation: 0, pins: 0, state });
            (self.slots.len() as u32 - 1, 0)
        } else {
            return None;
        };
        self.taken += 1;
        Some(u64::from(generation) * u64::from(self.slot_count) + u64::from(index))
    }

    /// Claims bytes of a chunk for a copy, pins its slot and answers which it is.
    pub(crate) fn claim(&mut self, stamp: u64, offset: u32, len: u32) -> Result<u32, ChunkError> {
        let (index, slot) = self.live(stamp)?;
        let claimed = match &mut slot.state {
            SlotState::Filling(filling) => filling.claim(offset, len),
            SlotState::Full { len: all } if offset.checked_add(len).is_none_or(|end| end > *all) => {
                Err(Refused::OutOfChunk)
            }
            _ => Err(Refused::WrittenTwice),
        };
        claimed.map_err(|refused| {
            let bytes = format!("{len} bytes at {offset}");
            ChunkError::BadRequest(match refused {
                Refused::OutOfChunk => format!("{bytes} reach outside of the chunk"),
                Refused::WrittenTwice => format!("{bytes} were written before"),
                Refused::TooManyGaps => format!("{bytes} leave more than {CHUNK_GAPS_MAX} gaps"),
            })
        })?;
        slot.pins += 1;
        self.pins += 1;
        Ok(index)
    }

    /// The copy of `len` claimed bytes has ended.
    pub(crate) fn done(&mut self, index: u32, len: u32) -> Left {
        let state = &mut self.slots[index as usize].state;
        if let SlotState::Filling(filling) = state
            && filling.done(len)
        {
            *state = SlotState::Full { len: filling.len() };
        }
        self.unpin(index)
    }

    /// Pins a full chunk so that its bytes can be read, and answers its slot.
    pub(crate) fn pin(&mut self, stamp: u64, offset: u32, len: u32) -> Result<u32, ChunkError> {
        let (index, slot) = self.live(stamp)?;
        match &slot.state {
            SlotState::Full { len: all } if offset.checked_add(len).is_some_and(|end| end <= *all) => {}
            SlotState::Filling(filling) => {
                let (done, all) = (filling.done_bytes(), filling.len());
                return Err(ChunkError::BadRequest(format!("{done} of {all} bytes are written")));
            }
            _ => {
                let why = format!("{len} bytes at {offset} reach outside of the chunk");
                return Err(ChunkError::BadRequest(why));
            }
        }
        slot.pins += 1;
        self.pins += 1;
        Ok(index)
    }

    pub(crate) fn unpin(&mut self, index: u32) -> Left {
        self.pins -= 1;
        let slot = &mut self.slots[index as usize];
        slot.pins -= 1;
        if slot.pins > 0 || !matches!(slot.state, SlotState::Freed) {
            return Left::Held;
        }
        self.vacate(index);
        Left::Vacant
    }

    /// From here on the chunk is not found any more; its slot is vacant when the last pin is gone.
    pub(crate) fn free(&mut self, stamp: u64) -> Result<Left, ChunkError> {
        let (index, slot) = self.live(stamp)?;
        slot.state = SlotState::Freed;
        if slot.pins > 0 {
            return Ok(Left::Held);
        }
        self.vacate(index);
        Ok(Left::Vacant)
    }

    /// Frees all chunks and answers how many slots became vacant by it.
    pub(crate) fn free_all(&mut self) -> u32 {
        let before = self.taken;
        for index in 0..self.slots.len() as u32 {
            let slot = &mut self.slots[index as usize];
            if matches!(slot.state, SlotState::Filling(_) | SlotState::Full { .. }) {
                slot.state = SlotState::Freed;
                if slot.pins == 0 {
                    self.vacate(index);
                }
            }
        }
        before - self.taken
    }

    pub(crate) fn holds(&self, stamp: u64) -> bool {
        let (index, generation) = self.split(stamp);
        self.slots.get(index as usize).is_some_and(|slot| slot.is_live(generation))
    }

    /// Where a slot's byte `offset` is in the arena.
    pub(crate) fn address_bytes(&self, index: u32, offset: u32) -> u64 {
        let slot = u64::from(index) * u64::from(self.class.slot_bytes());
        self.block.offset_bytes() + slot + u64::from(offset)
    }

    fn split(&self, stamp: u64) -> (u32, u64) {
        let slots = u64::from(self.slot_count);
        ((stamp % slots) as u32, stamp / slots)
    }

    fn live(&mut self, stamp: u64) -> Result<(u32, &mut Slot), ChunkError> {
        let (index, generation) = self.split(stamp);
        let slot = self.slots.get_mut(index as usize).filter(|slot| slot.is_live(generation));
        Ok((index, slot.ok_or(ChunkError::NoSuchChunk)?))
    }

    /// A slot that has used up its stamps is not listed again: it rests until the span is empty and goes as a whole.
    fn vacate(&mut self, index: u32) {
        let generations = (1 << STAMP_BITS) / self.slot_count;
        let slot = &mut self.slots[index as usize];
        slot.generation += 1;
        slot.state = SlotState::Vacant { next: self.vacant };
        if slot.generation < generations {
            self.vacant = index;
        }
        self.taken -= 1;
    }
}

impl Slot {
    fn is_live(&self, generation: u64) -> bool {
        u64::from(self.generation) == generation
            && matches!(self.state, SlotState::Filling(_) | SlotState::Full { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::buddy::Buddy;
    use std::collections::HashSet;

    fn span() -> Span {
        let block = Buddy::new(64).take(4).unwrap();
        Span::new(JobId(1), SizeClass::holding(512 << 10), block)
    }

    #[test]
    fn stamps_are_never_reused_and_end_before_they_overflow() {
        let mut span = span();
        let keeper = span.take(1).unwrap();
        let mut seen = HashSet::from([keeper]);
        while let Some(stamp) = span.take(1) {
            assert!(seen.insert(stamp) && stamp < 1 << STAMP_BITS, "stamp {stamp}");
            assert_eq!(span.free(stamp), Ok(Left::Vacant));
            assert_eq!(span.free(stamp), Err(ChunkError::NoSuchChunk));
        }
        // Two slots; one was held all the time.
        assert_eq!((seen.len(), span.taken(), span.has_room()), (1 + (1 << STAMP_BITS) / 2, 1, false));
    }

    #[test]
    fn a_freed_slot_is_vacant_only_without_pins() {
        let mut span = span();
        let stamp = span.take(8).unwrap();
        let slot = span.claim(stamp, 0, 8).unwrap();
        assert_eq!(span.done(slot, 8), Left::Held);
        for _ in 0..2 {
            span.pin(stamp, 0, 8).unwrap();
        }
        assert_eq!(span.free(stamp), Ok(Left::Held));
        assert_eq!(span.pin(stamp, 0, 8), Err(ChunkError::NoSuchChunk));
        assert_eq!((span.unpin(slot), span.taken()), (Left::Held, 1));
        assert_eq!((span.unpin(slot), span.taken(), span.pins()), (Left::Vacant, 0, 0));
    }

    #[test]
    fn a_copy_that_outlives_its_chunk_frees_the_slot_at_its_end() {
        let mut span = span();
        let (written, other) = (span.take(8).unwrap(), span.take(8).unwrap());
        let slot = span.claim(written, 2, 3).unwrap();
        assert_eq!((span.free_all(), span.taken()), (1, 1));
        assert!(!span.holds(written) && !span.holds(other));
        assert_eq!((span.done(slot, 3), span.taken()), (Left::Vacant, 0));
    }
}
