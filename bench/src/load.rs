//! One load: what all its workers share. Says which request is next and when it is due, and which are counted.

use crate::content::Content;
use crate::mix::{DELETE_MANY_KEYS, Mix, Operation};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Where a load stands. Only requests that begin and end while it is [`Phase::Counted`] are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    WarmUp,
    Counted,
    Over,
}

/// What is sent and how fast.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) mix: Mix,
    pub(crate) keys: u64,
    pub(crate) content: Content,
    /// `/bucket`, percent-encoded.
    pub(crate) bucket_path: String,
    pub(crate) timeout: Duration,
    pub(crate) verify: bool,
    /// Counted requests after which the load is over.
    limit: u64,
    /// Time between two starts in an open loop.
    interval: Option<Duration>,
    pace: Pace,
}

#[derive(Debug)]
struct Pace {
    phase: AtomicU8,
    /// Requests begun while counted.
    begun: AtomicU64,
    /// Requests ended while counted.
    ended: AtomicU64,
    /// Writes so far: the next one takes the key of that number.
    writes: AtomicU64,
    /// Starts so far, warm-up included.
    starts: AtomicU64,
    origin: Instant,
}

/// Leave to send one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) counted: bool,
    /// When an open loop wants it to start.
    pub(crate) due: Option<Instant>,
}

impl Load {
    pub(crate) fn new(
        mix: Mix,
        keys: u64,
        content: Content,
        bucket_path: String,
        timeout: Duration,
        verify: bool,
    ) -> Self {
        let pace = Pace {
            phase: AtomicU8::new(Phase::WarmUp as u8),
            begun: 0.into(),
            ended: 0.into(),
            writes: 0.into(),
            starts: 0.into(),
            origin: Instant::now(),
        };
        Self { mix, keys, content, bucket_path, timeout, verify, limit: u64::MAX, interval: None, pace }
    }

    /// Over after so many counted requests.
    pub(crate) fn limited(mut self, requests: Option<u64>) -> Self {
        self.limit = requests.unwrap_or(u64::MAX);
        self
    }

    /// Open loop with so many starts a second.
    pub(crate) fn paced(mut self, rate: Option<f64>) -> Self {
        self.interval = rate.map(|r| Duration::from_secs_f64(1.0 / r));
        self
    }

    /// `None` when nothing is left to send.
    pub(crate) fn next(&self) -> Option<Ticket> {
        let counted = match self.phase() {
            Phase::WarmUp => false,
            Phase::Counted => self.pace.begun.fetch_add(1, Ordering::Relaxed) < self.limit,
            Phase::Over => return None,
        };
        if !counted && self.phase() != Phase::WarmUp {
            return None;
        }
        let due = self.interval.map(|interval| {
            let start = self.pace.starts.fetch_add(1, Ordering::Relaxed);
            self.pace.origin + interval.mul_f64(start as f64)
        });
        Some(Ticket { counted, due })
    }

    /// The key that an operation acts on: writes and deletes walk over all keys, reads draw one.
    pub(crate) fn key_for(&self, operation: Operation, draw: u64) -> u64 {
        match operation {
            Operation::Put | Operation::Delete => self.walk(1),
            Operation::DeleteMany => self.walk(DELETE_MANY_KEYS),
            Operation::Get | Operation::Head | Operation::List | Operation::Copy => draw % self.keys,
        }
    }

    fn walk(&self, steps: u64) -> u64 {
        self.pace.writes.fetch_add(steps, Ordering::Relaxed) % self.keys
    }

    pub(crate) fn ended_one(&self) {
        self.pace.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ended(&self) -> u64 {
        self.pace.ended.load(Ordering::Relaxed)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.pace.phase.load(Ordering::Relaxed) {
            0 => Phase::WarmUp,
            1 => Phase::Counted,
            _ => Phase::Over,
        }
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.pace.phase.store(phase as u8, Ordering::Relaxed);
    }
}

/// Name of a key. Names sort as their numbers.
pub(crate) fn key_name(key: u64) -> String {
    format!("k{key:09}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::ChecksumForm;
    use crate::mix::Sizes;

    fn load(mix: &str) -> Load {
        let content = Content::new(&Sizes::only(1), ChecksumForm::None);
        Load::new(mix.parse().unwrap(), 10, content, "/b".into(), Duration::from_secs(1), false)
    }

    #[tokio::test]
    async fn a_limit_counts_requests_after_the_warm_up_only() {
        let load = load("put").limited(Some(2));
        assert!((0..5).all(|_| load.next().is_some_and(|t| !t.counted)));
        load.enter(Phase::Counted);
        assert!((0..2).all(|_| load.next().is_some_and(|t| t.counted)));
        assert!(load.next().is_none());
    }

    #[tokio::test]
    async fn writes_walk_over_every_key_and_reads_draw_one() {
        let load = load("put");
        let walked: Vec<u64> = (0..12).map(|_| load.key_for(Operation::Put, 99)).collect();
        assert_eq!(walked, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
        assert_eq!(load.key_for(Operation::Get, 99), 9);
        assert_eq!((load.key_for(Operation::DeleteMany, 0), load.key_for(Operation::Put, 0)), (2, 2));
    }

    #[tokio::test]
    async fn an_open_loop_has_a_start_for_each_request_whatever_the_answers_do() {
        let load = load("get").paced(Some(1_000.0));
        let due: Vec<Instant> = (0..3).map(|_| load.next().unwrap().due.unwrap()).collect();
        assert_eq!(due[2] - due[0], Duration::from_millis(2));
    }
}
