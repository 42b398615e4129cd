//! Clocks of machines: the runtime's time, off by something that stays, and too fast or too slow.

use super::EPOCH;
use pocket_api::clock::{Clock, Timestamp};
use rand::RngExt;
use rand::rngs::SmallRng;
use std::time::Duration;
use tokio::time::Instant;

/// How far clocks may be from the right one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drift {
    pub offset_max: Duration,
    /// Milliseconds a thousand seconds.
    pub rate_max: u32,
}

impl Drift {
    pub(super) fn draw(self, chance: &mut SmallRng, started: Instant) -> MachineClock {
        let offset_max = self.offset_max.as_millis() as i64;
        let offset_ms = chance.random_range(-offset_max..=offset_max);
        let rate = chance.random_range(-i64::from(self.rate_max)..=i64::from(self.rate_max));
        MachineClock { started, offset_ms, rate }
    }
}

pub(super) struct MachineClock {
    started: Instant,
    offset_ms: i64,
    /// Milliseconds a thousand seconds: a millionth of what has passed.
    rate: i64,
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        let passed_ms = self.started.elapsed().as_millis() as i64;
        let shown = EPOCH.0 as i64 + self.offset_ms + passed_ms + passed_ms * self.rate / 1_000_000;
        Timestamp(shown.max(0) as u64)
    }
}
