//! Time as a value. Logic takes [`Timestamp`]s; only the outermost loop of a plane reads a [`Clock`].

use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC by the clock of whoever made it. Comparable only with stamps of the same clock:
/// between planes, TTLs and deadlines travel as remaining durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// Seconds since 1970, as HTTP dates and S3's stamps count.
    pub fn as_secs(self) -> u64 {
        self.0 / 1_000
    }

    /// Zero when `earlier` is later.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, d: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Where a plane gets the time from: the system in production, a hand in tests.
pub trait Clock: Send + Sync + 'static {
    /// Never less than an earlier answer of the same clock.
    fn now(&self) -> Timestamp;
}

/// The wall clock as it stood at the start, moved on by the monotone clock: setting the machine's clock neither ends
/// jobs early nor lets them live longer.
#[derive(Debug)]
pub struct SystemClock {
    wall_at_start_ms: u64,
    started: Instant,
}

impl SystemClock {
    pub fn start() -> Self {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { wall_at_start_ms: wall.as_millis() as u64, started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.wall_at_start_ms + self.started.elapsed().as_millis() as u64)
    }
}

/// A clock moved by hand.
#[derive(Debug)]
pub struct ManualClock(std::sync::atomic::AtomicU64);

impl ManualClock {
    pub fn at(now: Timestamp) -> Self {
        Self(now.0.into())
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, std::sync::atomic::Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }
}
