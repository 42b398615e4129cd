//! Counted reads of one object: who holds a read, which bytes of the next one were sent in ranges. Inside the state machine.
//!
//! A whole read holds a reservation from its lookup to its end. Ranged reads that are in flight together and do not
//! overlap share one, so that a client which fetches an object in parallel ranges is one reader; one that overlaps
//! another in flight needs its own. A read is used up when a whole one was sent, or when ranges have sent every byte:
//! the bytes that complete the cover are in flight for one reader only, so no second one can have all of them.

/// Most separate runs that a cover remembers for one object (4 KiB). A run that does not fit is forgotten: its bytes
/// must then be sent again before they count, and no object goes too early.
const SPANS_MAX: usize = 256;

/// Bytes `.0..self.1`.
pub(crate) type Span = (u64, u64);

/// What a lease holds of a counted object, to be settled once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reservation {
    /// One whole read.
    Whole,
    /// The only reader; the object goes when it was sent.
    Exclusive,
    /// A range under the reservation that such ranges share.
    Shared { span: Span, delete: bool },
    /// A range under a reservation of its own.
    Alone { span: Span, delete: bool },
}

/// What becomes of the object when a reservation is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// A read was used up; there are more.
    Used,
    /// Nothing was used up: somebody else may read now.
    GivenBack,
    /// That was the last read.
    Gone,
}

/// What a read is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    ReadAndDelete,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reads {
    /// Those going on included; `None` is unlimited (only while somebody reads to delete).
    left: Option<u32>,
    /// Reservations held one by one.
    held: u32,
    /// An exclusive read is going on.
    exclusive: bool,
    /// Ranges in flight under the shared reservation; they do not overlap.
    sharing: Vec<Span>,
    covered: Cover,
}

impl Reads {
    pub(crate) fn new(left: Option<u32>) -> Self {
        Self { left, ..Self::default() }
    }

    pub(crate) fn left(&self) -> Option<u32> {
        self.left
    }

    /// From now on; reads that are going on are among them where they were counted before.
    pub(crate) fn set_left(&mut self, left: Option<u32>) {
        self.left = left;
    }

    /// Whether a plain read has to reserve.
    pub(crate) fn counted(&self) -> bool {
        self.left.is_some()
    }

    /// Whether nothing would be lost with this value.
    pub(crate) fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// Whether somebody reads now.
    pub(crate) fn is_held(&self) -> bool {
        self.held > 0 || !self.sharing.is_empty()
    }

    /// Whether somebody could read now.
    pub(crate) fn available(&self) -> bool {
        let reserved = self.held + u32::from(!self.sharing.is_empty());
        !self.exclusive && self.left.is_none_or(|left| left > reserved)
    }

    /// Reserves for `span` of an object of `size` bytes; `None` while all reads are taken.
    pub(crate) fn reserve(&mut self, purpose: Purpose, span: Span, size: u64) -> Option<Reservation> {
        let delete = purpose == Purpose::ReadAndDelete;
        let whole = span == (0, size);
        let overlaps = self.sharing.iter().any(|s| s.0 < span.1 && span.0 < s.1);
        if !whole && !self.exclusive && !self.sharing.is_empty() && !overlaps {
            self.sharing.push(span);
            return Some(Reservation::Shared { span, delete });
        }
        if !self.available() {
            return None;
        }
        if !whole && !overlaps {
            self.sharing.push(span);
            return Some(Reservation::Shared { span, delete });
        }
        self.held += 1;
        Some(match (whole, delete) {
            (true, true) => {
                self.exclusive = true;
                Reservation::Exclusive
            }
            (true, false) => Reservation::Whole,
            (false, _) => Reservation::Alone { span, delete },
        })
    }

    /// Ends a reservation. `sent`: all its bytes are in the client's socket.
    pub(crate) fn settle(&mut self, reservation: Reservation, sent: bool, size: u64) -> Settled {
        match reservation {
            Reservation::Shared { span, .. } => {
                if let Some(i) = self.sharing.iter().position(|s| *s == span) {
                    self.sharing.swap_remove(i);
                }
            }
            Reservation::Exclusive => {
                self.held -= 1;
                self.exclusive = false;
            }
            Reservation::Whole | Reservation::Alone { .. } => self.held -= 1,
        }
        match reservation {
            _ if !sent => Settled::GivenBack,
            Reservation::Exclusive => Settled::Gone,
            Reservation::Whole => self.use_up(),
            Reservation::Shared { span, delete } | Reservation::Alone { span, delete } => {
                self.covered.add(span);
                if !self.covered.is_whole(size) {
                    return Settled::GivenBack;
                }
                self.covered = Cover::default();
                if delete { Settled::Gone } else { self.use_up() }
            }
        }
    }

    fn use_up(&mut self) -> Settled {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) { Settled::Gone } else { Settled::Used }
    }
}

/// Bytes sent so far: sorted runs that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cover(Vec<Span>);

impl Cover {
    fn add(&mut self, (start, end): Span) {
        let first = self.0.partition_point(|s| s.1 < start);
        let after = self.0.partition_point(|s| s.0 <= end);
        if first < after {
            let merged = (start.min(self.0[first].0), end.max(self.0[after - 1].1));
            self.0.splice(first..after, [merged]);
        } else if self.0.len() < SPANS_MAX {
            self.0.insert(first, (start, end));
        }
    }

    fn is_whole(&self, size: u64) -> bool {
        self.0 == [(0, size)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SIZE: u64 = 100;
    const ALL: Span = (0, SIZE);

    #[test]
    fn whole_reads_reserve_and_only_what_was_sent_is_used_up() {
        let mut reads = Reads::new(Some(2));
        let a = reads.reserve(Purpose::Read, ALL, SIZE).unwrap();
        let b = reads.reserve(Purpose::Read, ALL, SIZE).unwrap();
        assert_eq!(reads.reserve(Purpose::Read, ALL, SIZE), None);
        assert_eq!(reads.settle(a, false, SIZE), Settled::GivenBack);
        let c = reads.reserve(Purpose::Read, ALL, SIZE).unwrap();
        assert_eq!(reads.settle(c, true, SIZE), Settled::Used);
        assert_eq!(reads.reserve(Purpose::Read, ALL, SIZE), None);
        assert_eq!(reads.settle(b, true, SIZE), Settled::Gone);
    }

    #[test]
    fn parallel_ranges_of_one_reader_share_a_read_and_use_it_up_together() {
        let mut reads = Reads::new(Some(1));
        let a = reads.reserve(Purpose::Read, (0, 50), SIZE).unwrap();
        let b = reads.reserve(Purpose::Read, (50, 100), SIZE).unwrap();
        assert_eq!(reads.reserve(Purpose::Read, (40, 60), SIZE), None, "a second reader of the same bytes");
        assert_eq!(reads.reserve(Purpose::Read, ALL, SIZE), None);
        assert_eq!(reads.settle(b, true, SIZE), Settled::GivenBack);
        assert_eq!(reads.settle(a, true, SIZE), Settled::Gone);
    }

    #[test]
    fn a_failed_range_must_be_sent_again() {
        let mut reads = Reads::new(Some(1));
        for (span, sent, expected) in [
            ((0, 60), true, Settled::GivenBack),
            ((60, 100), false, Settled::GivenBack),
            ((10, 70), true, Settled::GivenBack),
            ((70, 99), true, Settled::GivenBack),
            ((99, 100), true, Settled::Gone),
        ] {
            let held = reads.reserve(Purpose::Read, span, SIZE).unwrap();
            assert_eq!(reads.settle(held, sent, SIZE), expected, "{span:?}");
        }
    }

    #[test]
    fn a_read_that_deletes_is_alone_and_leaves_the_object_if_it_fails() {
        let mut reads = Reads::new(None);
        let alone = reads.reserve(Purpose::ReadAndDelete, ALL, SIZE).unwrap();
        assert_eq!(reads.reserve(Purpose::ReadAndDelete, ALL, SIZE), None);
        assert!(!reads.available());
        assert_eq!(reads.settle(alone, false, SIZE), Settled::GivenBack);
        assert!(reads.is_idle());
        let again = reads.reserve(Purpose::ReadAndDelete, ALL, SIZE).unwrap();
        assert_eq!(reads.settle(again, true, SIZE), Settled::Gone);
    }

    #[test]
    fn a_cover_with_too_many_holes_forgets_and_never_completes_early() {
        let mut cover = Cover::default();
        let size = 4 * SPANS_MAX as u64;
        for start in (0..size).step_by(2) {
            cover.add((start, start + 1));
        }
        assert_eq!(cover.0.len(), SPANS_MAX);
        cover.add((0, size / 2));
        assert!(!cover.is_whole(size));
        cover.add((size / 2, size));
        assert!(cover.is_whole(size));
    }

    proptest! {
        #[test]
        fn covers_agree_with_a_bitmap(spans in prop::collection::vec((0..64_u64, 1..20_u64), 0..40)) {
            let mut cover = Cover::default();
            let mut bits = [false; 84];
            for (start, len) in spans {
                cover.add((start, start + len));
                bits[start as usize..(start + len) as usize].fill(true);
                for (i, &bit) in bits.iter().enumerate() {
                    let i = i as u64;
                    prop_assert_eq!(cover.0.iter().any(|s| s.0 <= i && i < s.1), bit);
                }
                prop_assert!(cover.0.windows(2).all(|w| w[0].1 < w[1].0));
            }
        }
    }
}
