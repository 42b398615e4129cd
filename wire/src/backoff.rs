//! How long a link waits before it tries to connect again. Pure.

use std::time::Duration;

/// After the first failure.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Never longer: a peer that is back is found within a second or so.
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// The pause after so many failures in a row; none after none. `draw` (0 to 1) spreads it over the upper half, so
/// that the processes of a cluster do not all come back at once.
pub(crate) fn backoff(failures: u32, draw: f64) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doubled = BACKOFF_FIRST.saturating_mul(1 << (failures - 1).min(16));
    doubled.min(BACKOFF_MAX).mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_second_and_spread_over_their_upper_half() {
        let most: Vec<u128> = (0..8).map(|n| backoff(n, 1.0).as_millis()).collect();
        assert_eq!(most, [0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(backoff(3, 0.0), Duration::from_millis(100));
        assert_eq!(backoff(u32::MAX, 1.0), BACKOFF_MAX);
    }
}
