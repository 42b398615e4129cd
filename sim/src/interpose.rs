//! What the standard library and tokio draw from the machine without being asked (the seeds of hash maps, the branch of a `select!`
//! that is looked at first) comes from here, so that one seed is one history. The machine's clocks pass here too: in a world
//! nobody has a calendar of the machine, and its stopwatch may run as fast as it is told, because nobody's doing follows from it.
//! Linked into the binary of the world and into nothing else; the symbols stand before libc's.
#![expect(unsafe_code)]

use libc::{CLOCK_REALTIME, SYS_clock_gettime, c_int, c_uint, c_void, clockid_t, size_t, ssize_t, timespec};
use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Of splitmix64.
static STATE: AtomicU64 = AtomicU64::new(0x9e37_79b9_7f4a_7c15);

/// How many times as fast as in truth the machine's clock runs; 0 outside of a world.
static PACE: AtomicI64 = AtomicI64::new(0);

/// What follows is a world: whoever asks the machine for the date ends the process and is named, and its stopwatch (which tokio
/// reads for metrics alone) shows `pace` times what it would. Two runs with different paces differ where somebody decides by it.
pub(crate) fn enter_world(pace: i64) {
    PACE.store(pace, Ordering::Relaxed);
}

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

/// As clock_gettime(2), but for what [`enter_world`] says.
///
/// # Safety
/// `time` is null or valid for a write, as the system call demands.
// SAFETY: the name is libc's, and so are signature and contract: whoever calls it gets a time or an error.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let pace = PACE.load(Ordering::Relaxed);
    if pace != 0 && clock == CLOCK_REALTIME {
        eprintln!("the machine was asked for the date in a world, by\n{}", Backtrace::force_capture());
        std::process::abort();
    }
    // SAFETY: the arguments are the caller's, who promises what the system call demands.
    let said = unsafe { libc::syscall(SYS_clock_gettime, clock, time) } as c_int;
    // SAFETY: the system call has just written there, or has failed.
    if let (0, 1.., Some(time)) = (said, pace, unsafe { time.as_mut() }) {
        let nanos = (i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)) * i128::from(pace);
        (time.tv_sec, time.tv_nsec) = ((nanos / 1_000_000_000) as i64, (nanos % 1_000_000_000) as i64);
    }
    said
}

#[cfg(test)]
mod tests {
    use super::enter_world;
    use std::process::Command;
    use std::time::{Duration, Instant, SystemTime};

    const ASKS: &str = "interpose::tests::asks_for_the_date";

    #[test]
    #[ignore = "ends its process: run by the test below"]
    fn asks_for_the_date() {
        enter_world(1);
        let _date = SystemTime::now();
    }

    #[test]
    fn who_asks_for_the_date_in_a_world_is_named() {
        let own = std::env::current_exe().unwrap();
        let ended = Command::new(own).args(["--ignored", "--exact", "--nocapture", ASKS]).output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success() && said.contains(ASKS), "{said}");
    }

    #[test]
    fn the_stopwatch_runs_as_fast_as_it_is_told() {
        enter_world(1_000);
        let began = Instant::now();
        std::thread::sleep(Duration::from_millis(5));
        assert!(began.elapsed() >= Duration::from_secs(5));
        enter_world(0);
    }
}
