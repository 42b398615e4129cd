//! What the standard library and tokio draw from the machine without being asked (the seeds of hash maps, the branch of a `select!`
//! that is looked at first) comes from here, so that one seed is one history. Linked into the binary of the world and into
//! nothing else; the symbol stands before libc's.
#![expect(unsafe_code)]

use libc::{c_uint, c_void, size_t, ssize_t};
use std::sync::atomic::{AtomicU64, Ordering};

/// Of splitmix64.
static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

fn next() -> u64 {
    let seen = STATE.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
    let mixed = (seen ^ (seen >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// As getrandom(2), without chance.
///
/// # Safety
/// `buffer` is valid for writes of `length` bytes, as the system call demands.
// SAFETY: the name is libc's, and so are signature and contract: whoever calls it gets `length` bytes or an error.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, _flags: c_uint) -> ssize_t {
    // SAFETY: the caller promises so many bytes to write to; none are read.
    let bytes = unsafe { std::slice::from_raw_parts_mut(buffer.cast::<u8>(), length) };
    for part in bytes.chunks_mut(8) {
        part.copy_from_slice(&next().to_le_bytes()[..part.len()]);
    }
    length as ssize_t
}
