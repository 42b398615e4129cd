//! Counts of what happens with every request, without a place in memory that all threads write to: a line that moves from
//! core to core with each request costs more than many instructions.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Lanes of a tally. As many threads count without meeting each other; more of them share.
const LANES: usize = 16;

/// `N` sums that threads add to, each in a lane of its own.
#[derive(Debug)]
pub struct Tally<const N: usize> {
    lanes: Box<[Lane<N>]>,
    told: Mutex<[u64; N]>,
}

/// On lines of its own: two, because processors fetch them in pairs.
#[derive(Debug)]
#[repr(align(128))]
struct Lane<const N: usize>([AtomicU64; N]);

impl<const N: usize> Default for Tally<N> {
    fn default() -> Self {
        Self {
            lanes: (0..LANES).map(|_| Lane([const { AtomicU64::new(0) }; N])).collect(),
            told: Mutex::new([0; N]),
        }
    }
}

impl<const N: usize> Tally<N> {
    pub fn add(&self, which: usize, by: u64) {
        self.lanes[lane()].0[which].fetch_add(by, Ordering::Relaxed);
    }

    /// Never less than what was added before the call began.
    pub fn sum(&self, which: usize) -> u64 {
        self.lanes.iter().map(|lane| lane.0[which].load(Ordering::Relaxed)).sum()
    }

    pub fn sums(&self) -> [u64; N] {
        std::array::from_fn(|which| self.sum(which))
    }

    /// What was added since the last call of this: for counters that outlive the tally, as those of a process do that comes
    /// back as another node.
    pub fn news(&self) -> [u64; N] {
        // What panics here panicked between two numbers: they are whole.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let sums = self.sums();
        let before = std::mem::replace(&mut *told, sums);
        std::array::from_fn(|which| sums[which] - before[which])
    }
}

/// The calling thread's. Threads take lanes in turn.
fn lane() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(LANES) };
    }
    LANE.with(|own| {
        if own.get() == LANES {
            own.set(NEXT.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        own.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_more_threads_than_lanes_add_is_summed_up() {
        let tally = Tally::<3>::default();
        std::thread::scope(|scope| {
            for thread in 0..2 * LANES as u64 {
                let tally = &tally;
                scope.spawn(move || (0..100).for_each(|_| tally.add(1, thread)));
            }
        });
        let threads = 2 * LANES as u64;
        let sums = [0, 100 * threads * (threads - 1) / 2, 0];
        assert_eq!((tally.sums(), tally.news(), tally.news()), (sums, sums, [0; 3]));
    }
}
