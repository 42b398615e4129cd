//! Watches the memory that objects may take: reports how full it is, shows it as metrics, and says in the log when writes
//! begin to be refused for lack of room, and when that is over. Once each, however many are refused.

use async_trait::async_trait;
use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use parking_lot::Mutex;
use pocket_api::budget::ByteBudget;
use pocket_api::usage::{SpaceLimit, UsageReport, UsageSource};
use tracing::{info, warn};

const USED: &str = "pocket_space_used_bytes";
const VACANT: &str = "pocket_space_vacant_bytes";
const LIMIT: &str = "pocket_space_limit_bytes";
const REFUSALS: &str = "pocket_space_refusals_total";

/// Looks, a second apart, without a refusal before there can be room again: clients that were refused come back within that.
const QUIET_LOOKS: u32 = 5;
/// And at most so much may be taken: around the limit every object that goes makes room for one that comes.
const ROOMY_PERCENT: u64 = 95;

/// Tells the recorder what the metrics mean.
pub(crate) fn describe_metrics() {
    describe_gauge!(
        USED,
        Unit::Bytes,
        "What objects take in this process: metadata and inline bytes of shards, and chunks"
    );
    describe_gauge!(VACANT, Unit::Bytes, "Vacant slots of chunks, each for one job and size alone");
    describe_gauge!(LIMIT, Unit::Bytes, "What both may be together before writes are refused with SlowDown");
    describe_counter!(REFUSALS, Unit::Count, "Writes refused for lack of room");
}

/// One budget's. The last source of the reports of one of the nodes that share the budget: of the storage server, where there
/// is one, because it tells what is vacant.
pub(crate) struct SpaceWatch {
    budget: ByteBudget,
    fullness: Mutex<Fullness>,
    used: Gauge,
    vacant: Gauge,
    limit: Gauge,
    refusals: Counter,
}

impl SpaceWatch {
    pub(crate) fn new(budget: ByteBudget) -> Self {
        Self {
            budget,
            fullness: Mutex::default(),
            used: gauge!(USED),
            vacant: gauge!(VACANT),
            limit: gauge!(LIMIT),
            refusals: counter!(REFUSALS),
        }
    }
}

#[async_trait]
impl UsageSource for SpaceWatch {
    async fn fill(&self, report: &mut UsageReport) {
        let (taken_bytes, limit_bytes) = (self.budget.used_bytes(), self.budget.limit_bytes());
        report.limit = Some(SpaceLimit { limit_bytes, taken_bytes });
        let vacant_bytes = report.space.vacant_bytes;
        self.used.set(taken_bytes.saturating_sub(vacant_bytes) as f64);
        self.vacant.set(vacant_bytes as f64);
        self.limit.set(limit_bytes as f64);
        let mut fullness = self.fullness.lock();
        let refusals = self.budget.refusals();
        self.refusals.increment(refusals - fullness.refusals);
        match fullness.look(refusals, taken_bytes, limit_bytes) {
            Some(Change::Full) => warn!("writes are refused for lack of room: {}", self.budget.shortage()),
            Some(Change::Roomy) => info!("there is room for writes again: {}", self.budget.shortage()),
            None => {}
        }
    }
}

/// Whether writes are refused, as seen once a second. Pure.
#[derive(Debug, Default)]
struct Fullness {
    refusals: u64,
    is_full: bool,
    quiet_looks: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Change {
    Full,
    Roomy,
}

impl Fullness {
    /// `refusals`: so far.
    fn look(&mut self, refusals: u64, taken_bytes: u64, limit_bytes: u64) -> Option<Change> {
        let is_refused = std::mem::replace(&mut self.refusals, refusals) != refusals;
        self.quiet_looks = if is_refused { 0 } else { self.quiet_looks.saturating_add(1) };
        let is_roomy = u128::from(taken_bytes) * 100 <= u128::from(limit_bytes) * u128::from(ROOMY_PERCENT);
        match self.is_full {
            false if is_refused => {
                self.is_full = true;
                Some(Change::Full)
            }
            true if is_roomy && self.quiet_looks >= QUIET_LOOKS => {
                self.is_full = false;
                Some(Change::Roomy)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_is_said_once_however_many_are_refused_and_room_only_when_it_is_quiet() {
        let mut fullness = Fullness::default();
        assert_eq!(fullness.look(0, 100, 100), None, "full to the brim, and nobody was refused");
        assert_eq!(fullness.look(1, 100, 100), Some(Change::Full));
        for refusals in 2..1_000 {
            assert_eq!(fullness.look(refusals, 90 + refusals % 10, 100), None);
        }
        for _ in 0..2 * QUIET_LOOKS {
            assert_eq!(fullness.look(999, 96, 100), None, "nearly full is not roomy");
        }
        assert_eq!(fullness.look(1_000, 50, 100), None, "somebody wants more than there is");
        for _ in 1..QUIET_LOOKS {
            assert_eq!(fullness.look(1_000, 50, 100), None);
        }
        assert_eq!(fullness.look(1_000, 50, 100), Some(Change::Roomy));
        assert_eq!(fullness.look(1_000, 50, 100), None);
        assert_eq!(fullness.look(1_001, 100, 100), Some(Change::Full), "and again");
    }
}
