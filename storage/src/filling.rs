//! Which bytes of a chunk are written, while it is being filled. Pure.
//!
//! A range is *claimed* before its bytes are copied and *done* afterwards. A byte is claimed once: that is what makes
//! it safe to copy without a lock.

use pocket_api::limits::CHUNK_GAPS_MAX;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filling {
    len: u32,
    done_bytes: u32,
    /// All bytes below are claimed. A body that arrives in order moves this along and needs nothing else.
    front: u32,
    /// Claimed ranges above the front, ascending, apart from each other and from the front.
    ahead: Vec<(u32, u32)>,
}

/// Why a range cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    OutOfChunk,
    WrittenTwice,
    TooManyGaps,
}

impl Filling {
    pub(crate) fn new(len: u32) -> Self {
        Self { len, done_bytes: 0, front: 0, ahead: Vec::new() }
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn done_bytes(&self) -> u32 {
        self.done_bytes
    }

    /// Claims `len` bytes, at least one, from `offset`. What is refused changes nothing.
    pub(crate) fn claim(&mut self, offset: u32, len: u32) -> Result<(), Refused> {
        let end = offset.checked_add(len).filter(|&end| end <= self.len).ok_or(Refused::OutOfChunk)?;
        if offset < self.front {
            return Err(Refused::WrittenTwice);
        }
        // Those before `at` end at or before `offset`.
        let at = self.ahead.partition_point(|&(_, to)| to <= offset);
        if self.ahead.get(at).is_some_and(|&(from, _)| from < end) {
            return Err(Refused::WrittenTwice);
        }
        let joins_next = self.ahead.get(at).is_some_and(|&(from, _)| from == end);
        if offset == self.front {
            self.front = if joins_next { self.ahead.remove(at).1 } else { end };
            return Ok(());
        }
        let joins_previous = at > 0 && self.ahead[at - 1].1 == offset;
        match (joins_previous, joins_next) {
            (true, true) => self.ahead[at - 1].1 = self.ahead.remove(at).1,
            (true, false) => self.ahead[at - 1].1 = end,
            (false, true) => self.ahead[at].0 = offset,
            (false, false) if self.ahead.len() == CHUNK_GAPS_MAX => return Err(Refused::TooManyGaps),
            (false, false) => self.ahead.insert(at, (offset, end)),
        }
        Ok(())
    }

    /// `len` claimed bytes have been copied. True when that were the last of the chunk.
    pub(crate) fn done(&mut self, len: u32) -> bool {
        self.done_bytes += len;
        debug_assert!(self.done_bytes <= self.len, "{} of {} bytes done", self.done_bytes, self.len);
        self.done_bytes == self.len
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_body_in_order_keeps_no_ranges() {
        let mut filling = Filling::new(1_000);
        for offset in (0..1_000).step_by(100) {
            filling.claim(offset, 100).unwrap();
            assert_eq!((filling.front, filling.ahead.len()), (offset + 100, 0));
            assert_eq!(filling.done(100), offset == 900);
        }
    }

    #[test]
    fn ranges_outside_of_the_chunk_are_refused() {
        let mut filling = Filling::new(10);
        for (offset, len) in [(0, 11), (10, 1), (9, 2), (u32::MAX, 1), (1, u32::MAX)] {
            assert_eq!(filling.claim(offset, len), Err(Refused::OutOfChunk), "{len} at {offset}");
        }
        assert_eq!(filling, Filling::new(10));
    }

    #[test]
    fn gaps_are_bounded_and_can_be_filled_when_there_are_most() {
        let most = CHUNK_GAPS_MAX as u32;
        let mut filling = Filling::new(4 * most);
        for i in 0..most {
            filling.claim(2 * i + 1, 1).unwrap();
        }
        assert_eq!(filling.claim(3 * most, 1), Err(Refused::TooManyGaps));
        for i in 0..most {
            filling.claim(2 * i, 1).unwrap();
        }
        assert_eq!((filling.front, filling.ahead.len()), (2 * most, 0));
    }

    proptest! {
        #[test]
        fn a_byte_is_claimed_once(ranges in prop::collection::vec((0_u32..40, 1_u32..8), 1..60)) {
            let mut filling = Filling::new(40);
            let mut claimed = [false; 40];
            for (offset, len) in ranges {
                let end = offset + len;
                let expected = if end > 40 {
                    Err(Refused::OutOfChunk)
                } else if claimed[offset as usize..end as usize].contains(&true) {
                    Err(Refused::WrittenTwice)
                } else {
                    claimed[offset as usize..end as usize].fill(true);
                    Ok(())
                };
                prop_assert_eq!(filling.claim(offset, len), expected);
            }
            let mut model = Vec::new();
            for (i, _) in claimed.iter().enumerate().filter(|(_, c)| **c) {
                match model.last_mut() {
                    Some((_, to)) if *to == i as u32 => *to += 1,
                    _ => model.push((i as u32, i as u32 + 1)),
                }
            }
            if filling.front > 0 {
                prop_assert_eq!(model.remove(0), (0, filling.front));
            }
            prop_assert_eq!(&filling.ahead, &model);
        }
    }
}
