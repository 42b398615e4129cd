//! Divides a region into blocks of a power of two, 64 KiB to 4 MiB, and joins neighbours again when they come back.
//! Pure: it deals in block numbers, never in memory.
//!
//! Of the blocks that fit best it gives the one with the lowest address, so that memory which has been used before,
//! and is therefore faulted in, is used again before fresh memory is.

use std::collections::BTreeSet;

/// The smallest block. Below it the bookkeeping of a block would outweigh what a finer cut saves.
pub(crate) const BLOCK_MIN_BYTES: u64 = 64 << 10;
/// The largest block: four full chunks, and two huge pages.
pub(crate) const BLOCK_MAX_BYTES: u64 = 4 << 20;
/// Blocks of order `n` have `BLOCK_MIN_BYTES << n` bytes.
pub(crate) const ORDERS: usize = (BLOCK_MAX_BYTES / BLOCK_MIN_BYTES).trailing_zeros() as usize + 1;

/// A block that was taken. It is given back whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where it begins, in multiples of [`BLOCK_MIN_BYTES`]; a multiple of its own size.
    unit: u32,
    order: u8,
}

impl Block {
    pub(crate) fn offset_bytes(self) -> u64 {
        u64::from(self.unit) * BLOCK_MIN_BYTES
    }

    pub(crate) fn len_bytes(self) -> u64 {
        BLOCK_MIN_BYTES << self.order
    }
}

/// Smallest order whose blocks hold `bytes`; at most [`BLOCK_MAX_BYTES`] are asked for.
pub(crate) fn order_holding(bytes: u64) -> u8 {
    debug_assert!(bytes <= BLOCK_MAX_BYTES, "no block holds {bytes} bytes");
    bytes.div_ceil(BLOCK_MIN_BYTES).max(1).next_power_of_two().trailing_zeros() as u8
}

pub(crate) struct Buddy {
    /// First units of the free blocks of each order. No two of them are buddies below the highest order.
    free: [BTreeSet<u32>; ORDERS],
    /// One past the highest unit that was ever taken.
    high_water: u32,
}

impl Buddy {
    /// A region of `units` times [`BLOCK_MIN_BYTES`], all free.
    pub(crate) fn new(units: u32) -> Self {
        let mut free = [const { BTreeSet::new() }; ORDERS];
        let mut unit = 0;
        while unit < units {
            // The largest block that is aligned here and does not reach over the end.
            let aligned = if unit == 0 { ORDERS as u32 - 1 } else { unit.trailing_zeros() };
            let order = aligned.min((units - unit).ilog2()).min(ORDERS as u32 - 1);
            free[order as usize].insert(unit);
            unit += 1 << order;
        }
        Self { free, high_water: 0 }
    }

    /// `None` when no block of this size is left in one piece.
    pub(crate) fn take(&mut self, order: u8) -> Option<Block> {
        let found = (order..ORDERS as u8).find(|&o| !self.free[usize::from(o)].is_empty())?;
        let unit = self.free[usize::from(found)].pop_first()?;
        // The upper half of every cut stays free.
        for o in order..found {
            self.free[usize::from(o)].insert(unit + (1 << o));
        }
        self.high_water = self.high_water.max(unit + (1 << order));
        Some(Block { unit, order })
    }

    /// Takes a block back and joins it with its buddy as long as that is free too.
    pub(crate) fn give_back(&mut self, block: Block) {
        let Block { mut unit, mut order } = block;
        while usize::from(order) < ORDERS - 1 && self.free[usize::from(order)].remove(&(unit ^ (1 << order)))
        {
            unit &= !(1 << order);
            order += 1;
        }
        let fresh = self.free[usize::from(order)].insert(unit);
        debug_assert!(fresh, "block {block:?} was given back twice");
    }

    /// Everything above this offset has never been taken.
    pub(crate) fn high_water_bytes(&self) -> u64 {
        u64::from(self.high_water) * BLOCK_MIN_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn free_bytes(buddy: &Buddy) -> u64 {
        let blocks = buddy.free.iter().enumerate();
        blocks.map(|(order, free)| free.len() as u64 * (BLOCK_MIN_BYTES << order)).sum()
    }

    #[test]
    fn orders_hold_what_is_asked_for() {
        let orders = [1, 65_536, 65_537, 1 << 20, (1 << 20) + 1, 4 << 20].map(order_holding);
        assert_eq!(orders, [0, 0, 1, 4, 5, 6]);
    }

    #[test]
    fn a_region_that_is_no_multiple_of_the_largest_block_is_used_to_its_end() {
        let mut buddy = Buddy::new(64 + 37);
        assert_eq!(free_bytes(&buddy), 101 * BLOCK_MIN_BYTES);
        let mut units: Vec<u32> = std::iter::from_fn(|| buddy.take(0)).map(|b| b.unit).collect();
        units.sort_unstable();
        assert_eq!(units, (0..101).collect::<Vec<u32>>());
        assert_eq!(buddy.high_water_bytes(), 101 * BLOCK_MIN_BYTES);
    }

    #[test]
    fn memory_that_was_used_is_used_again_before_fresh_memory() {
        let mut buddy = Buddy::new(256);
        let blocks = [6, 6, 6].map(|order| buddy.take(order).unwrap());
        buddy.give_back(blocks[0]);
        buddy.give_back(blocks[1]);
        let high_water = buddy.high_water_bytes();
        assert_eq!(buddy.take(2).unwrap().offset_bytes(), 0);
        assert_eq!(buddy.take(6).unwrap(), blocks[1]);
        assert_eq!(buddy.high_water_bytes(), high_water);
    }

    proptest! {
        #[test]
        fn blocks_never_overlap_and_come_together_again(
            units in 1_u32..300,
            steps in prop::collection::vec((any::<bool>(), 0_u8..ORDERS as u8, any::<prop::sample::Index>()), 1..200),
        ) {
            let whole = Buddy::new(units).free;
            let mut buddy = Buddy::new(units);
            let mut taken: Vec<Block> = Vec::new();
            for (take, order, pick) in steps {
                if take {
                    if let Some(block) = buddy.take(order) {
                        let range = |b: &Block| (b.offset_bytes(), b.offset_bytes() + b.len_bytes());
                        let (from, to) = range(&block);
                        prop_assert!(to <= u64::from(units) * BLOCK_MIN_BYTES && from % block.len_bytes() == 0);
                        prop_assert!(taken.iter().map(range).all(|(f, t)| to <= f || t <= from));
                        taken.push(block);
                    }
                } else if !taken.is_empty() {
                    buddy.give_back(taken.swap_remove(pick.index(taken.len())));
                }
                let held: u64 = taken.iter().map(|b| b.len_bytes()).sum();
                prop_assert_eq!(held + free_bytes(&buddy), u64::from(units) * BLOCK_MIN_BYTES);
            }
            taken.into_iter().for_each(|block| buddy.give_back(block));
            prop_assert_eq!(buddy.free, whole);
        }
    }
}
