//! Writes that nobody has confirmed yet: whom to ask about them, and when. Pure.
//!
//! A committed write is not announced to its servers: that would cost every PUT a message. So each write is asked
//! about once, [`WRITE_IDLE_BEFORE_ASKING`] after it was last heard of, in batches, unless its chunks are gone by then.

use pocket_api::clock::Timestamp;
use pocket_api::ids::{JobId, NodeId, WriteId};
use pocket_api::limits::WRITE_IDLE_BEFORE_ASKING;
use smallvec::SmallVec;
use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};

/// Entries beyond twice the chunks that exist before the table is cleaned of chunks that were freed: enough that
/// cleaning is rare, 16 Ki times some 100 bytes.
const STALE_ENTRIES_MAX: usize = 16 << 10;

#[derive(Default)]
pub(crate) struct Writes {
    open: HashMap<WriteId, OpenWrite>,
    /// When to look at a write again. May name writes that are gone, or were touched since.
    due: BinaryHeap<Reverse<(Timestamp, WriteId)>>,
    /// Chunks in all open writes, freed ones included until they are found out.
    recorded_chunks: usize,
}

struct OpenWrite {
    job: JobId,
    shard: NodeId,
    heard: Timestamp,
    chunks: SmallVec<[u64; 1]>,
}

/// Was this write committed at its shard?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Question {
    pub(crate) shard: NodeId,
    pub(crate) job: JobId,
    pub(crate) write: WriteId,
}

impl Writes {
    /// Chunks were allocated for a write.
    pub(crate) fn record(&mut self, question: Question, chunks: &[u64], now: Timestamp) {
        if chunks.is_empty() {
            return;
        }
        self.recorded_chunks += chunks.len();
        match self.open.entry(question.write) {
            Entry::Occupied(mut entry) => {
                let open = entry.get_mut();
                open.heard = now;
                open.chunks.extend_from_slice(chunks);
            }
            Entry::Vacant(entry) => {
                let Question { shard, job, write } = question;
                entry.insert(OpenWrite { job, shard, heard: now, chunks: SmallVec::from_slice(chunks) });
                self.due.push(Reverse((now + WRITE_IDLE_BEFORE_ASKING, write)));
            }
        }
    }

    /// A write is still going on.
    pub(crate) fn touch(&mut self, write: WriteId, now: Timestamp) {
        if let Some(open) = self.open.get_mut(&write) {
            open.heard = now;
        }
    }

    /// Looks at up to `max` writes whose time has come and answers those to ask about. A write all of whose chunks are
    /// gone, as `exists` says, is forgotten. What is answered comes back by one of [`Writes::confirm`],
    /// [`Writes::burn`] and [`Writes::put_off`].
    pub(crate) fn due(
        &mut self,
        now: Timestamp,
        max: usize,
        mut exists: impl FnMut(u64) -> bool,
    ) -> Vec<Question> {
        let mut questions = Vec::new();
        for _ in 0..max {
            let Some(&Reverse((_, write))) = self.due.peek().filter(|Reverse((at, _))| *at <= now) else {
                break;
            };
            self.due.pop();
            let Some(open) = self.open.get_mut(&write) else { continue };
            if open.forget_freed(&mut self.recorded_chunks, &mut exists) {
                self.open.remove(&write);
                continue;
            }
            let ask_at = open.heard + WRITE_IDLE_BEFORE_ASKING;
            if ask_at > now {
                self.due.push(Reverse((ask_at, write)));
            } else {
                questions.push(Question { shard: open.shard, job: open.job, write });
            }
        }
        questions
    }

    /// Whether another look would find something.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.due.peek().is_some_and(|Reverse((at, _))| *at <= now)
    }

    /// The write was committed: from now on its chunks stay until its shard frees them.
    pub(crate) fn confirm(&mut self, write: WriteId) {
        self.burn(write);
    }

    /// The write will never be committed. Answers its chunks, to be freed.
    pub(crate) fn burn(&mut self, write: WriteId) -> SmallVec<[u64; 1]> {
        let chunks = self.open.remove(&write).map(|open| open.chunks).unwrap_or_default();
        self.recorded_chunks -= chunks.len();
        chunks
    }

    /// No answer was to be had: ask again at `at`.
    pub(crate) fn put_off(&mut self, write: WriteId, at: Timestamp) {
        if self.open.contains_key(&write) {
            self.due.push(Reverse((at, write)));
        }
    }

    /// Keeps the table bounded by the chunks that exist: their number is `chunks`, and `exists` tells which they are.
    /// Called with every look, so that the table never has more than twice the chunks, the slack, and what was
    /// recorded since. Costs nothing but for one call in many.
    pub(crate) fn stay_bounded(&mut self, chunks: usize, mut exists: impl FnMut(u64) -> bool) {
        let bound = 2 * chunks + STALE_ENTRIES_MAX;
        if self.recorded_chunks > bound {
            let recorded = &mut self.recorded_chunks;
            self.open.retain(|_, open| !open.forget_freed(recorded, &mut exists));
        }
        if self.due.len() > bound {
            let open = &self.open;
            self.due.retain(|Reverse((_, write))| open.contains_key(write));
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

impl OpenWrite {
    /// True when no chunk is left.
    fn forget_freed(&mut self, recorded: &mut usize, exists: &mut impl FnMut(u64) -> bool) -> bool {
        *recorded -= self.chunks.len();
        self.chunks.retain(|chunk| exists(*chunk));
        *recorded += self.chunks.len();
        self.chunks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const IDLE: Duration = WRITE_IDLE_BEFORE_ASKING;

    fn question(number: u64) -> Question {
        Question { shard: NodeId(1), job: JobId(2), write: WriteId { gateway: NodeId(3), number } }
    }

    fn at(secs: u64) -> Timestamp {
        Timestamp(1_000_000) + Duration::from_secs(secs)
    }

    #[test]
    fn a_write_is_asked_about_when_it_was_idle_long_enough() {
        let mut writes = Writes::default();
        writes.record(question(1), &[10], at(0));
        writes.record(question(2), &[20], at(5));
        writes.touch(question(1).write, at(8));
        let just_before = Timestamp((at(5) + IDLE).0 - 1);
        assert_eq!(writes.due(just_before, 9, |_| true), []);
        assert_eq!(writes.due(at(5) + IDLE, 9, |_| true), [question(2)]);
        assert_eq!(writes.due(at(8) + IDLE, 9, |_| true), [question(1)]);
        assert_eq!(writes.due(at(99), 9, |_| true), [], "asked, not answered");
    }

    #[test]
    fn answers_end_a_write_and_silence_puts_it_off() {
        let mut writes = Writes::default();
        for (number, chunks) in [(1, [10, 11]), (2, [20, 21]), (3, [30, 31])] {
            writes.record(question(number), &chunks, at(0));
        }
        assert_eq!(writes.due(at(0) + IDLE, 9, |_| true).len(), 3);
        writes.confirm(question(1).write);
        assert_eq!(writes.burn(question(2).write).as_slice(), [20, 21]);
        writes.put_off(question(3).write, at(5) + IDLE);
        assert_eq!(writes.due(at(4) + IDLE, 9, |_| true), []);
        assert_eq!(writes.due(at(5) + IDLE, 9, |_| true), [question(3)]);
        assert_eq!((writes.len(), writes.recorded_chunks), (1, 2));
    }

    #[test]
    fn chunks_of_a_second_allocation_belong_to_the_same_write() {
        let mut writes = Writes::default();
        writes.record(question(1), &[10], at(0));
        writes.record(question(1), &[11, 12], at(9));
        assert_eq!(writes.due(at(0) + IDLE, 9, |_| true), []);
        assert_eq!(writes.due(at(9) + IDLE, 9, |_| true), [question(1)]);
        assert_eq!(writes.burn(question(1).write).as_slice(), [10, 11, 12]);
    }

    #[test]
    fn a_write_whose_chunks_are_gone_is_not_asked_about() {
        let mut writes = Writes::default();
        writes.record(question(1), &[10, 11], at(0));
        writes.record(question(2), &[20, 21], at(0));
        assert_eq!(writes.due(at(0) + IDLE, 9, |chunk| chunk == 21), [question(2)]);
        assert_eq!((writes.len(), writes.recorded_chunks), (1, 1));
    }

    #[test]
    fn one_look_is_bounded() {
        let mut writes = Writes::default();
        (0..10).for_each(|n| writes.record(question(n), &[n], at(0)));
        assert_eq!(writes.due(at(99), 4, |_| true).len(), 4);
        assert_eq!(writes.due(at(99), 99, |_| true).len(), 6);
    }

    #[test]
    fn the_table_is_bounded_by_the_chunks_that_exist() {
        let mut writes = Writes::default();
        let kept = 100;
        for n in 0..10 * STALE_ENTRIES_MAX as u64 {
            writes.record(question(n), &[n], at(0));
            writes.stay_bounded(kept, |chunk| chunk < kept as u64);
            let bound = 2 * kept + STALE_ENTRIES_MAX;
            assert!(writes.len() <= bound && writes.due.len() <= bound);
        }
        assert!((0..kept as u64).all(|n| writes.open.contains_key(&question(n).write)));
    }
}
