//! The sizes that slots come in. Pure.
//!
//! A class is a power of two divided by 7, 6, 5 or 4, so that a span of that power holds 7, 6, 5 or 4 of its slots and
//! nothing is left over. Classes are 12 to 25 % apart: a chunk takes a tenth more than its bytes on average, and a full
//! chunk exactly its own.

use crate::buddy::BLOCK_MAX_BYTES;
use pocket_api::limits::CHUNK_MAX_BYTES;

/// The smallest slot. The state of a slot takes some 60 bytes beside it: smaller slots would be mostly state, and
/// only the tails of objects are that short.
pub(crate) const SLOT_MIN_BYTES: u32 = 256;
/// Slots begin at cache lines.
const SLOT_ALIGN_BYTES: u32 = 64;

const DIVISORS: [u32; 4] = [7, 6, 5, 4];
const CLASSES: usize = count();
const SLOT_BYTES: [u32; CLASSES] = table();

/// Largest slot = 4 MiB / 4: the largest chunk fills its slot, and its slots fill the largest block.
const _: () = assert!(SLOT_BYTES[CLASSES - 1] == CHUNK_MAX_BYTES);

/// An index into the table of sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SizeClass(u8);

impl SizeClass {
    /// The class of the smallest slots that hold `bytes`, 1 to [`CHUNK_MAX_BYTES`].
    pub(crate) fn holding(bytes: u32) -> Self {
        debug_assert!(bytes <= CHUNK_MAX_BYTES, "no slot holds {bytes} bytes");
        Self(SLOT_BYTES.partition_point(|&slot| slot < bytes) as u8)
    }

    pub(crate) fn slot_bytes(self) -> u32 {
        SLOT_BYTES[usize::from(self.0)]
    }
}

/// The size after `last` in ascending order; 0 after the largest.
const fn next_size(last: u32) -> u32 {
    let mut power: u32 = SLOT_MIN_BYTES * 4;
    while power as u64 <= BLOCK_MAX_BYTES {
        let mut i = 0;
        while i < DIVISORS.len() {
            let slot = power / DIVISORS[i] / SLOT_ALIGN_BYTES * SLOT_ALIGN_BYTES;
            // Rounding to cache lines makes some of the smallest sizes meet.
            if slot >= SLOT_MIN_BYTES && slot > last {
                return slot;
            }
            i += 1;
        }
        power *= 2;
    }
    0
}

const fn count() -> usize {
    let (mut last, mut n) = (next_size(0), 0);
    while last != 0 {
        n += 1;
        last = next_size(last);
    }
    n
}

const fn table() -> [u32; CLASSES] {
    let (mut sizes, mut last, mut n) = ([0; CLASSES], 0, 0);
    while n < CLASSES {
        last = next_size(last);
        sizes[n] = last;
        n += 1;
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_has_the_smallest_slot_that_holds_it() {
        for bytes in (1..=CHUNK_MAX_BYTES).step_by(37).chain([CHUNK_MAX_BYTES]) {
            let class = SizeClass::holding(bytes);
            let below = usize::from(class.0).checked_sub(1).map_or(0, |i| SLOT_BYTES[i]);
            assert!(below < bytes && bytes <= class.slot_bytes(), "{bytes} in {}", class.slot_bytes());
        }
    }

    #[test]
    fn neighbouring_sizes_are_at_most_a_quarter_apart() {
        for pair in SLOT_BYTES.windows(2).filter(|pair| pair[0] >= 4 << 10) {
            assert!(pair[0] < pair[1] && f64::from(pair[1]) <= 1.26 * f64::from(pair[0]), "{pair:?}");
        }
    }

    #[test]
    fn slots_fill_the_largest_block_but_for_a_cache_line_each() {
        for &slot in SLOT_BYTES.iter().filter(|&&slot| slot >= 64 << 10) {
            let slots = BLOCK_MAX_BYTES / u64::from(slot);
            let left = BLOCK_MAX_BYTES - slots * u64::from(slot);
            assert!(left < slots * u64::from(SLOT_ALIGN_BYTES), "{left} bytes left by slots of {slot}");
        }
    }
}
