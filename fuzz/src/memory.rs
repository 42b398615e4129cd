//! How much memory reading an input took: more than in proportion to the input is an attack on the reader.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Beside what is proportional to the input: tables and buffers of a fixed size.
const FIXED_BYTES: usize = 64 << 10;

/// Runs `read` over an input of `input_bytes` and panics when it held more than `factor` times as much at once, and
/// [`FIXED_BYTES`]. Counts what this thread allocates.
#[track_caller]
pub fn within_memory<T>(input_bytes: usize, factor: usize, read: impl FnOnce() -> T) -> T {
    let mut outcome = None;
    // A panic must not pass through the measurement, which would then never end.
    let used = allocation_counter::measure(|| outcome = Some(catch_unwind(AssertUnwindSafe(read))));
    let value = match outcome {
        Some(Ok(value)) => value,
        Some(Err(panic)) => resume_unwind(panic),
        None => unreachable!("it was measured"),
    };
    let allowed = FIXED_BYTES + factor * input_bytes;
    assert!(
        used.bytes_max as usize <= allowed,
        "{} bytes held for {input_bytes}, {allowed} allowed",
        used.bytes_max
    );
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_at_once_counts_and_what_was_given_back_does_not() {
        let reuse = || (0..10).map(|_| vec![1_u8; 40 << 10].len()).sum::<usize>();
        assert_eq!(within_memory(0, 1, reuse), 400 << 10);
        let hold = || (0..10).map(|_| vec![1_u8; 40 << 10]).collect::<Vec<_>>().len();
        assert_eq!(within_memory(400 << 10, 1, hold), 10);
        assert!(catch_unwind(|| within_memory(100 << 10, 1, hold)).is_err());
    }
}
