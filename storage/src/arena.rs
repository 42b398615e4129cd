//! The DRAM tier: the space that decides joined to the memory that holds. Copies happen outside of the lock.

use crate::memory::Memory;
use crate::metrics::{PrefaultMetrics, SpaceMetrics};
use crate::prefault::Prefault;
use crate::space::{Pin, Space};
use crate::span::Left;
use bytes::Bytes;
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::ChunkError;
use pocket_api::ids::JobId;
use std::io;
use std::sync::Arc;

pub(crate) struct Arena {
    memory: Arc<Memory>,
    space: Mutex<Space>,
    /// `None`: memory is faulted in by whoever writes it.
    prefault: Option<Prefault>,
    metrics: SpaceMetrics,
}

impl Arena {
    /// `ready_bytes` as in [`crate::StorageConfig`].
    pub(crate) fn new(capacity_bytes: u64, budget: ByteBudget, ready_bytes: u64) -> io::Result<Arc<Self>> {
        let space = Space::new(capacity_bytes, budget);
        let memory = Arc::new(Memory::map(space.capacity_bytes())?);
        let prefault = match ready_bytes {
            0 => None,
            ahead_bytes => Some(Prefault::start(memory.clone(), ahead_bytes, PrefaultMetrics::new())?),
        };
        let metrics = SpaceMetrics::new(space.capacity_bytes());
        Ok(Arc::new(Self { memory, space: Mutex::new(space), prefault, metrics }))
    }

    pub(crate) fn allocate(&self, job: JobId, sizes: &[u32]) -> Result<Vec<u64>, ChunkError> {
        let mut space = self.space.lock();
        let numbers = space.allocate(job, sizes)?;
        self.changed(&space);
        if let Some(prefault) = &self.prefault {
            prefault.advance(space.high_water_bytes());
        }
        Ok(numbers)
    }

    pub(crate) fn write(&self, number: u64, offset: u32, data: &[u8]) -> Result<(), ChunkError> {
        let len = u32::try_from(data.len()).map_err(|_| {
            ChunkError::BadRequest(format!("{} bytes are more than any chunk has", data.len()))
        })?;
        if len == 0 {
            let held = self.space.lock().holds(number);
            return if held { Ok(()) } else { Err(ChunkError::NoSuchChunk) };
        }
        let claim = self.space.lock().claim(number, offset, len)?;
        self.memory.fill(&claim, data);
        let mut space = self.space.lock();
        if space.done(claim) == Left::Vacant {
            self.changed(&space);
        }
        Ok(())
    }

    /// The arena's own memory, pinned until the last clone of the answer is dropped.
    pub(crate) fn read(self: &Arc<Self>, number: u64, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        let pin = self.space.lock().pin(number, offset, len)?;
        Ok(Bytes::from_owner(PinnedBytes { arena: self.clone(), pin: Some(pin) }))
    }

    pub(crate) fn free(&self, numbers: impl IntoIterator<Item = u64>) {
        let mut space = self.space.lock();
        numbers.into_iter().for_each(|number| space.free(number));
        self.changed(&space);
    }

    /// These get nothing from now on. What they have comes back by [`Self::give_back_ended`].
    pub(crate) fn end(&self, jobs: &[JobId]) {
        let mut space = self.space.lock();
        jobs.iter().for_each(|&job| space.end(job));
    }

    /// Gives back some of what ended jobs had; false when nothing is left. Others get the lock between two such steps.
    pub(crate) fn give_back_ended(&self) -> bool {
        let mut space = self.space.lock();
        let is_more_left = space.give_back_ended();
        self.changed(&space);
        is_more_left
    }

    /// Asks the space, which must not be kept busy for long.
    pub(crate) fn look<T>(&self, ask: impl FnOnce(&Space) -> T) -> T {
        ask(&self.space.lock())
    }

    fn changed(&self, space: &Space) {
        self.metrics.set(space.used_bytes(), space.reserved_bytes(), space.chunks());
    }
}

/// Bytes of a chunk outside of the arena's hands.
struct PinnedBytes {
    arena: Arc<Arena>,
    /// Always there until it is dropped.
    pin: Option<Pin>,
}

impl AsRef<[u8]> for PinnedBytes {
    fn as_ref(&self) -> &[u8] {
        self.pin.as_ref().map_or(&[], |pin| self.arena.memory.bytes(pin))
    }
}

impl Drop for PinnedBytes {
    fn drop(&mut self) {
        if let Some(pin) = self.pin.take() {
            let mut space = self.arena.space.lock();
            if space.unpin(pin) == Left::Vacant {
                self.arena.changed(&space);
            }
        }
    }
}
