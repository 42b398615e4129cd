//! The arena's memory: one anonymous mapping, and the system calls that prepare it. The only file of this crate with
//! `unsafe`.
//!
//! Bytes are touched only through the rights that [`Space`](crate::space::Space) hands out. A [`Claim`] is exclusive
//! for its range and a [`Pin`] excludes writers from its own; neither can be made or copied elsewhere in the crate,
//! and the slot below them is not given to another chunk while they exist. So no byte is ever written while another
//! thread reads or writes it.

use crate::space::{Claim, Pin};
use std::io;
use std::ptr::{self, NonNull};
use std::time::Duration;

/// Where the arena begins is a multiple of this: the largest block, so that blocks lie on whole huge pages.
const ALIGN_BYTES: usize = crate::buddy::BLOCK_MAX_BYTES as usize;
/// Niceness of the pre-faulting thread, of 19: requests come first on a busy machine.
const BACKGROUND_NICENESS: libc::c_int = 10;

pub(crate) struct Memory {
    /// As mapped, to be unmapped.
    mapping: NonNull<libc::c_void>,
    mapping_bytes: usize,
    /// First aligned byte of the mapping.
    base: NonNull<u8>,
    len_bytes: usize,
}

// SAFETY: the mapping belongs to this value alone and stays where it is until it is dropped. Access from several
// threads is kept apart by claims and pins, as the head of this file says.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// Reserves addresses; pages come with their first use, or with [`Memory::populate`].
    pub(crate) fn map(len_bytes: u64) -> io::Result<Self> {
        let too_large = || io::Error::from(io::ErrorKind::OutOfMemory);
        let len_bytes = usize::try_from(len_bytes).map_err(|_| too_large())?;
        let mapping_bytes = len_bytes.checked_add(ALIGN_BYTES).ok_or_else(too_large)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches no memory that is in use.
        let mapping = unsafe { libc::mmap(ptr::null_mut(), mapping_bytes, protection, flags, -1, 0) };
        if mapping == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let mapping = NonNull::new(mapping).ok_or_else(too_large)?;
        let start = mapping.cast::<u8>();
        let base = start.map_addr(|addr| addr.saturating_add(addr.get().wrapping_neg() % ALIGN_BYTES));
        let memory = Self { mapping, mapping_bytes, base, len_bytes };
        // Advice: without huge pages everything works, with more page faults.
        // SAFETY: the range lies in the mapping that was just made, and the advice does not change its content.
        if unsafe { libc::madvise(base.as_ptr().cast(), len_bytes, libc::MADV_HUGEPAGE) } != 0 {
            tracing::debug!(error = %io::Error::last_os_error(), "no huge pages for the arena");
        }
        Ok(memory)
    }

    pub(crate) fn len_bytes(&self) -> u64 {
        self.len_bytes as u64
    }

    /// Copies `data` to where the claim says. As many bytes as were claimed.
    pub(crate) fn fill(&self, claim: &Claim, data: &[u8]) {
        let (address, len) = claim.range();
        assert!(data.len() == len as usize, "{} bytes for a claim of {len}", data.len());
        let to = self.at(address, len);
        // SAFETY: `to` is valid for `len` bytes (`at` checks), `data` is as long, and they cannot overlap: whoever
        // holds a slice of this range has a pin, and a range that is claimed is not pinned. The claim excludes others.
        unsafe { ptr::copy_nonoverlapping(data.as_ptr(), to.as_ptr(), data.len()) }
    }

    /// The bytes of a full chunk, for as long as they are pinned.
    pub(crate) fn bytes<'a>(&'a self, pin: &'a Pin) -> &'a [u8] {
        let (address, len) = pin.range();
        let from = self.at(address, len);
        // SAFETY: `from` is valid for `len` bytes (`at` checks), and mapped for as long as `self` is borrowed. They are
        // initialised: anonymous pages are zeros until written. Nobody writes them while the pin is borrowed, and the
        // last write happened before the pin was made: both go through the lock of the space.
        unsafe { std::slice::from_raw_parts(from.as_ptr(), len as usize) }
    }

    /// Faults pages in, for writing; their content stays. May be called while they are in use.
    pub(crate) fn populate(&self, offset: u64, len: u32) -> io::Result<()> {
        let from = self.at(offset, len).as_ptr().cast::<libc::c_void>();
        // SAFETY: the range lies in the mapping (`at` checks) and populating does not change what it holds.
        if unsafe { libc::madvise(from, len as usize, libc::MADV_POPULATE_WRITE) } == 0 {
            return Ok(());
        }
        self.populate_by_locking(offset, len)
    }

    /// Kernels before 5.14 do not know the advice; locking pages faults them in as well.
    fn populate_by_locking(&self, offset: u64, len: u32) -> io::Result<()> {
        let from = self.at(offset, len).as_ptr().cast::<libc::c_void>();
        // SAFETY: the range lies in the mapping (`at` checks) and locking does not change what it holds.
        if unsafe { libc::mlock(from, len as usize) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above, of unlocking.
        if unsafe { libc::munlock(from, len as usize) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }

    fn at(&self, offset: u64, len: u32) -> NonNull<u8> {
        let end = offset.checked_add(u64::from(len)).filter(|&end| end <= self.len_bytes as u64);
        assert!(end.is_some(), "{len} bytes at {offset} of an arena of {} bytes", self.len_bytes);
        // SAFETY: `offset` is at most `len_bytes`, and base to base + len_bytes lies inside of the mapping.
        unsafe { self.base.add(offset as usize) }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `map` with this length, and whoever could use it borrows this value.
        let failed = unsafe { libc::munmap(self.mapping.as_ptr(), self.mapping_bytes) } != 0;
        debug_assert!(!failed, "munmap: {}", io::Error::last_os_error());
    }
}

/// Makes the calling thread step back behind others. Where that is not allowed it stays as it was.
pub(crate) fn lower_thread_priority() {
    // SAFETY: takes no memory. Linux applies it to the calling thread alone when the id is 0.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, BACKGROUND_NICENESS) };
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writing for the length of the call.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) } != 0 {
        return Duration::ZERO;
    }
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::space::Space;
    use pocket_api::budget::ByteBudget;
    use pocket_api::ids::JobId;

    const STEP: u32 = 4 << 20;

    fn resident_pages(memory: &Memory, offset: u64, len: u32) -> (usize, usize) {
        // SAFETY: asks for a constant of the system.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        let mut pages = vec![0_u8; len as usize / page];
        let from = memory.at(offset, len).as_ptr().cast();
        // SAFETY: the range lies in the mapping, and `pages` has a byte for each page of it.
        assert_eq!(unsafe { libc::mincore(from, len as usize, pages.as_mut_ptr()) }, 0);
        (pages.iter().filter(|&&page| page & 1 == 1).count(), pages.len())
    }

    #[test]
    fn populating_makes_pages_resident_and_keeps_what_is_written() {
        let memory = Memory::map(2 * u64::from(STEP)).unwrap();
        let mut space = Space::new(memory.len_bytes(), ByteBudget::new(u64::MAX));
        let chunk = space.allocate(JobId(1), &[100_000]).unwrap()[0];
        let claim = space.claim(chunk, 0, 100_000).unwrap();
        memory.fill(&claim, &[7; 100_000]);
        space.done(claim);
        let (before, pages) = resident_pages(&memory, u64::from(STEP), STEP);
        assert!(before < pages);
        memory.populate(0, STEP).unwrap();
        memory.populate(u64::from(STEP), STEP).unwrap();
        assert_eq!(resident_pages(&memory, u64::from(STEP), STEP), (pages, pages));
        let pin = space.pin(chunk, 0, 100_000).unwrap();
        assert_eq!(memory.bytes(&pin), [7; 100_000]);
    }

    #[test]
    fn kernels_without_the_advice_populate_by_locking() {
        let memory = Memory::map(u64::from(STEP)).unwrap();
        // As much as may be locked anywhere.
        let len = 16 << 10;
        memory.populate_by_locking(0, len).unwrap();
        let (resident, pages) = resident_pages(&memory, 0, len);
        assert_eq!(resident, pages);
    }

    #[test]
    fn the_arena_begins_at_whole_huge_pages() {
        let memory = Memory::map(u64::from(STEP)).unwrap();
        assert_eq!(memory.base.addr().get() % ALIGN_BYTES, 0);
    }

    #[test]
    #[should_panic(expected = "bytes at")]
    fn an_address_outside_of_the_arena_is_caught() {
        let memory = Memory::map(u64::from(STEP)).unwrap();
        memory.at(u64::from(STEP), 1);
    }

    #[test]
    fn more_than_the_machine_can_address_is_an_error() {
        assert!(Memory::map(u64::MAX).is_err() && Memory::map(1 << 60).is_err());
    }

    #[test]
    fn the_thread_knows_its_cpu_time() {
        let before = thread_cpu_time();
        lower_thread_priority();
        while thread_cpu_time() == before {
            std::hint::spin_loop();
        }
    }
}
