//! What the controller said of one bucket, and a question to it that is on its way.

use super::weights::{Maps, Weights};
use futures::future::{BoxFuture, Shared};
use pocket_access::rules::Rules;
use pocket_api::clock::Timestamp;
use pocket_api::control::{ControlError, Placement};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What a bucket takes by itself, without its settings, and without its weights, which it shares.
const PLACEMENT_BYTES: usize = 500;
/// After the controller said that there is no such bucket, it is asked for that name again no sooner than this, however
/// many ask: who comes meanwhile waits for that answer. So nobody is told of an absence that may be over, as it is for a
/// client that makes the bucket through one gateway and comes with it to another; and it is short enough to wait for.
pub(super) const ABSENT_PAUSE: Duration = Duration::from_millis(100);

/// A bucket as everybody sees it.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(super) placement: Placement,
    /// What its new chunks go by; the placement's own may be older.
    pub(super) weights: Arc<Weights>,
    pub(super) rules: Option<Arc<Rules>>,
    /// False once another placement, or none, took its place.
    is_current: AtomicBool,
    /// Somebody has gone by it since it was last asked whether it is in use.
    is_used: AtomicBool,
    /// When the controller was last asked for it, by this gateway's clock.
    asked_at_ms: AtomicU64,
}

impl Placed {
    pub(super) fn read(
        mut placement: Placement,
        maps: &Maps,
        now: Timestamp,
    ) -> Result<Arc<Self>, ControlError> {
        let name = &placement.bucket;
        if placement.shards.is_empty() {
            return Err(ControlError::Unavailable(format!("bucket {name} has no shards")));
        }
        let rules = Rules::read(&placement.settings, name).map_err(ControlError::Unavailable)?;
        let weights = maps.share(&mut placement.weights);
        Ok(Arc::new(Self {
            placement,
            weights,
            rules,
            is_current: AtomicBool::new(true),
            is_used: AtomicBool::new(false),
            asked_at_ms: AtomicU64::new(now.0),
        }))
    }

    /// What is read out of the documents is about as long as they are.
    pub(super) fn weight_bytes(&self) -> usize {
        PLACEMENT_BYTES + 2 * self.placement.settings.size_bytes()
    }

    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    pub(super) fn outdate(&self) {
        self.is_current.store(false, Ordering::Release);
    }

    /// Written once in a while, and else only read: all threads look at it.
    pub(super) fn use_now(&self) {
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was used since the last time that this was asked.
    pub(super) fn was_used(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }

    pub(super) fn asked_at(&self, now: Timestamp) {
        self.asked_at_ms.store(now.0, Ordering::Relaxed);
    }

    pub(super) fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp(self.asked_at_ms.load(Ordering::Relaxed)))
    }
}

/// To a question: one that is current stands in the table.
pub(super) type Answer = Result<Arc<Placed>, ControlError>;

/// A question to the controller that was not answered yet.
#[derive(Clone)]
pub(super) struct Question {
    /// Has left: the answer may be older than who comes now.
    pub(super) is_asked: Arc<AtomicBool>,
    pub(super) answer: Shared<BoxFuture<'static, Answer>>,
}
