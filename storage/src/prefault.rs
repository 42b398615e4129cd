//! Faults fresh memory in before it is written, on a thread of its own: zeroing pages costs as much as writing them,
//! and inside of a request the client would wait for it. Allocation tells how far memory is in use and never waits.
//!
//! Memory is taken from the lowest address up and never returned to the system, so one offset, the frontier, tells
//! what is faulted in: all below it, by this thread or by those who wrote there first.

use crate::memory::{self, Memory};
use crate::metrics::PrefaultMetrics;
use parking_lot::{Condvar, Mutex};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Faulted in at once: a multiple of the huge page, some milliseconds of work, after which the thread looks anew.
const STEP_BYTES: u64 = 4 << 20;

/// Ends its thread when dropped; a step that is under way is finished first, without anyone waiting for it.
pub(crate) struct Prefault {
    shared: Arc<Shared>,
    /// Copy of what was last told, to spare the lock.
    told_bytes: AtomicU64,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    high_water_bytes: u64,
    stopped: bool,
}

impl Prefault {
    /// Keeps `ahead_bytes` ready above what is in use.
    pub(crate) fn start(memory: Arc<Memory>, ahead_bytes: u64, metrics: PrefaultMetrics) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("pocket-prefault".to_owned());
        let theirs = shared.clone();
        thread.spawn(move || {
            memory::lower_thread_priority();
            run(&theirs, Frontier { memory, metrics, ahead_bytes, offset: 0 });
        })?;
        Ok(Self { shared, told_bytes: AtomicU64::new(0) })
    }

    /// Memory below `high_water_bytes` is or was in use. Called for every allocation.
    pub(crate) fn advance(&self, high_water_bytes: u64) {
        if self.told_bytes.fetch_max(high_water_bytes, Ordering::Relaxed) < high_water_bytes {
            let mut state = self.shared.state.lock();
            state.high_water_bytes = state.high_water_bytes.max(high_water_bytes);
            self.shared.changed.notify_one();
        }
    }
}

impl Drop for Prefault {
    fn drop(&mut self) {
        self.shared.state.lock().stopped = true;
        self.shared.changed.notify_one();
    }
}

fn run(shared: &Shared, mut frontier: Frontier) {
    let mut state = shared.state.lock();
    while !state.stopped {
        let Some((offset, len)) = frontier.next_step(state.high_water_bytes) else {
            shared.changed.wait(&mut state);
            continue;
        };
        drop(state);
        if let Err(error) = frontier.advance(offset, len) {
            tracing::warn!(%error, offset, "pre-faulting ends: first writes to fresh memory will be slower");
            return;
        }
        state = shared.state.lock();
    }
}

/// Offset and length of what to fault in next: nothing before the first use. Memory that came into use faster than the
/// thread could follow is left to those who write there, and so is the step in which use begins.
fn next_step(
    frontier: u64,
    high_water_bytes: u64,
    ahead_bytes: u64,
    capacity_bytes: u64,
) -> Option<(u64, u32)> {
    if high_water_bytes == 0 {
        return None;
    }
    let from = frontier.max(high_water_bytes.next_multiple_of(STEP_BYTES));
    let until = high_water_bytes.saturating_add(ahead_bytes).min(capacity_bytes);
    (from < until).then(|| (from, STEP_BYTES.min(capacity_bytes - from) as u32))
}

struct Frontier {
    memory: Arc<Memory>,
    metrics: PrefaultMetrics,
    ahead_bytes: u64,
    offset: u64,
}

impl Frontier {
    fn next_step(&self, high_water_bytes: u64) -> Option<(u64, u32)> {
        next_step(self.offset, high_water_bytes, self.ahead_bytes, self.memory.len_bytes())
    }

    fn advance(&mut self, offset: u64, len: u32) -> io::Result<()> {
        self.memory.populate(offset, len)?;
        self.offset = offset + u64::from(len);
        self.metrics.faulted(self.offset, len, memory::thread_cpu_time());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const AHEAD: u64 = 256 * MIB;

    #[test]
    fn nothing_is_faulted_in_before_anything_is_used() {
        assert_eq!(next_step(0, 0, AHEAD, 1 << 40), None);
        assert_eq!(next_step(0, 65_536, AHEAD, 1 << 40), Some((STEP_BYTES, STEP_BYTES as u32)));
    }

    #[test]
    fn a_small_arena_is_faulted_in_to_its_end_once_it_is_used() {
        let mut frontier = STEP_BYTES;
        while let Some((offset, len)) = next_step(frontier, 65_536, AHEAD, 9 * MIB + 65_536) {
            assert_eq!(offset, frontier);
            frontier += u64::from(len);
        }
        assert_eq!(frontier, 9 * MIB + 65_536);
    }

    #[test]
    fn a_large_arena_is_faulted_in_ahead_of_what_is_used() {
        assert_eq!(next_step(AHEAD, 65_536, AHEAD, 1 << 40), Some((AHEAD, STEP_BYTES as u32)));
        assert_eq!(next_step(AHEAD + STEP_BYTES, 65_536, AHEAD, 1 << 40), None);
    }

    #[test]
    fn memory_that_overtook_the_thread_is_left_to_its_writers() {
        assert_eq!(next_step(0, 21 * MIB, AHEAD, 1 << 40), Some((24 * MIB, STEP_BYTES as u32)));
        assert_eq!(next_step(0, 21 * MIB, AHEAD, 22 * MIB), None);
    }

    #[test]
    fn the_thread_ends_when_its_owner_does() {
        let memory = Arc::new(Memory::map(8 * MIB).unwrap());
        let prefault = Prefault::start(memory.clone(), AHEAD, PrefaultMetrics::new()).unwrap();
        prefault.advance(4 * MIB);
        drop(prefault);
        // The thread holds the only other reference. Were it never to end, neither would this test.
        while Arc::strong_count(&memory) > 1 {
            std::thread::yield_now();
        }
    }
}
