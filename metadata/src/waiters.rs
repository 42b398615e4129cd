//! Reads that wait for a key. Around the state machine: a waiter subscribes first and looks then, so that no wake-up is
//! lost; it is woken by its key, its deadline, or the end of the job or its epoch, and polls nothing.

use crate::state::key::Key;
use parking_lot::Mutex;
use pocket_api::clock::Timestamp;
use pocket_api::metadata::MetadataError;
use slab::Slab;
use std::collections::{BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Most waiting reads of one shard, over all jobs: a waiter costs some 1 KiB with its call, so 64 MiB. A job may have as many as
/// there is room for beside its own: one alone takes half of it, two a third each, and there is always some for another.
const WAITERS_MAX: usize = 1 << 16;
/// Waiters that are woken in one turn: some 0.1 ms.
const WOKEN_AT_ONCE: usize = 256;

/// How many wait at this shard.
#[derive(Clone, Default)]
pub(crate) struct WaiterCount(Arc<AtomicUsize>);

impl WaiterCount {
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Who waits in one job.
pub(crate) struct Waiters {
    table: Mutex<Table>,
    /// Size of the table. Read without its lock after every change of the state: a waiter is counted before it looks,
    /// so whoever changed the state after that look sees the count.
    here: AtomicUsize,
    at_shard: WaiterCount,
}

#[derive(Default)]
struct Table {
    waiters: Slab<Waiter>,
    /// Those of a key, in no order.
    by_key: HashMap<Box<str>, Vec<usize>>,
    by_deadline: BTreeSet<(Timestamp, usize)>,
}

struct Waiter {
    notify: Arc<Notify>,
    key: Box<str>,
    /// Where it stands among those of its key.
    place: usize,
    deadline: Timestamp,
}

/// Whom to wake, and how far that has come. Whoever comes meanwhile has yet to look.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    /// From the end, of which so many are left: whoever goes meanwhile has the last one take its place, which is one that was
    /// woken.
    OfKey(Key, usize),
    /// Those whose time is up, after this one.
    Due(Timestamp, Option<(Timestamp, usize)>),
    /// From this one on.
    All(usize),
}

impl Call {
    pub(crate) fn of_key(key: Key) -> Self {
        Self::OfKey(key, usize::MAX)
    }

    pub(crate) fn due(now: Timestamp) -> Self {
        Self::Due(now, None)
    }

    pub(crate) fn all() -> Self {
        Self::All(0)
    }
}

/// One subscription; ends when it is dropped.
pub(crate) struct Subscription<'a> {
    waiters: &'a Waiters,
    id: usize,
    notify: Arc<Notify>,
}

impl Waiters {
    pub(crate) fn new(at_shard: WaiterCount) -> Self {
        Self { table: Mutex::default(), here: AtomicUsize::new(0), at_shard }
    }

    pub(crate) fn subscribe(
        &self,
        key: &str,
        deadline: Timestamp,
    ) -> Result<Subscription<'_>, MetadataError> {
        let before = self.at_shard.0.fetch_add(1, Ordering::Relaxed);
        if self.here.load(Ordering::Relaxed) >= WAITERS_MAX.saturating_sub(before) {
            self.at_shard.0.fetch_sub(1, Ordering::Relaxed);
            return Err(MetadataError::Crowded);
        }
        let notify = Arc::new(Notify::new());
        let mut table = self.table.lock();
        let Table { waiters, by_key, by_deadline } = &mut *table;
        let of_key = by_key.entry(key.into()).or_default();
        let waiter = Waiter { notify: notify.clone(), key: key.into(), place: of_key.len(), deadline };
        let id = waiters.insert(waiter);
        of_key.push(id);
        by_deadline.insert((deadline, id));
        self.here.fetch_add(1, Ordering::SeqCst);
        Ok(Subscription { waiters: self, id, notify })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.here.load(Ordering::SeqCst) == 0
    }

    /// Wakes the first of them, at most [`WOKEN_AT_ONCE`]; the rest comes back, for another turn.
    pub(crate) fn wake(&self, call: Call) -> Option<Call> {
        let table = self.table.lock();
        let wake = |id: &usize| table.waiters[*id].notify.notify_one();
        match call {
            Call::OfKey(key, left) => {
                let of_key = table.by_key.get(key.as_str())?;
                let left = left.min(of_key.len());
                let next = left.saturating_sub(WOKEN_AT_ONCE);
                of_key[next..left].iter().for_each(wake);
                (next > 0).then_some(Call::OfKey(key, next))
            }
            Call::Due(now, after) => {
                let from = after.map_or(Bound::Unbounded, Bound::Excluded);
                let mut due = table.by_deadline.range((from, Bound::Included((now, usize::MAX))));
                let mut last = None;
                for place in due.by_ref().take(WOKEN_AT_ONCE) {
                    wake(&place.1);
                    last = Some(*place);
                }
                due.next().and(last).map(|last| Call::Due(now, Some(last)))
            }
            Call::All(from) => {
                let to = from + WOKEN_AT_ONCE;
                (from..to).filter_map(|id| table.waiters.get(id)).for_each(|w| w.notify.notify_one());
                (to < table.waiters.capacity()).then_some(Call::All(to))
            }
        }
    }
}

impl Subscription<'_> {
    /// Returns after the next wake-up, or at once when there was one since the last return.
    pub(crate) async fn woken(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Subscription<'_> {
    fn drop(&mut self) {
        let mut table = self.waiters.table.lock();
        let Table { waiters, by_key, by_deadline } = &mut *table;
        let waiter = waiters.remove(self.id);
        by_deadline.remove(&(waiter.deadline, self.id));
        if let Some(of_key) = by_key.get_mut(&waiter.key) {
            of_key.swap_remove(waiter.place);
            match of_key.get(waiter.place) {
                Some(moved) => waiters[*moved].place = waiter.place,
                None if of_key.is_empty() => drop(by_key.remove(&waiter.key)),
                None => {}
            }
        }
        self.waiters.here.fetch_sub(1, Ordering::SeqCst);
        self.waiters.at_shard.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::names::ObjectKey;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn is_woken(subscription: &Subscription<'_>) -> bool {
        let woken = pin!(subscription.woken());
        woken.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
    }

    fn key(name: &str) -> Key {
        Key(ObjectKey::parse(name).unwrap())
    }

    /// In how many turns all are called.
    fn call(waiters: &Waiters, call: Call) -> usize {
        std::iter::successors(Some(call), |call| waiters.wake(call.clone())).count()
    }

    #[test]
    fn a_waiter_is_woken_by_its_key_and_by_its_deadline_and_leaves_nothing() {
        let count = WaiterCount::default();
        let waiters = Waiters::new(count.clone());
        let a = waiters.subscribe("a", Timestamp(10)).unwrap();
        let b = waiters.subscribe("b", Timestamp(20)).unwrap();
        call(&waiters, Call::of_key(key("a")));
        assert!(is_woken(&a) && !is_woken(&a) && !is_woken(&b));
        call(&waiters, Call::due(Timestamp(19)));
        assert!(is_woken(&a) && !is_woken(&b));
        call(&waiters, Call::all());
        assert!(is_woken(&b));
        assert_eq!(count.get(), 2);
        drop((a, b));
        let table = waiters.table.lock();
        assert!(table.waiters.is_empty() && table.by_key.is_empty() && table.by_deadline.is_empty());
        assert_eq!(count.get(), 0);
    }

    #[test]
    fn waiters_of_a_key_come_and_go_in_any_order_and_all_who_are_there_are_woken() {
        let waiters = Waiters::new(WaiterCount::default());
        let mut there: Vec<_> = (0..1_000).map(|_| waiters.subscribe("a", Timestamp(10)).unwrap()).collect();
        for gone in [999, 0, 500, 3, 700, 0] {
            drop(there.swap_remove(gone));
        }
        there.extend((0..10).map(|_| waiters.subscribe("a", Timestamp(10)).unwrap()));
        call(&waiters, Call::of_key(key("a")));
        assert!(there.iter().all(is_woken));
        drop(there);
        assert!(waiters.is_empty() && waiters.table.lock().by_key.is_empty());
    }

    #[test]
    fn many_are_woken_in_turns_and_nobody_is_left_out() {
        let waiters = Waiters::new(WaiterCount::default());
        let there: Vec<_> = (0..1_000).map(|_| waiters.subscribe("a", Timestamp(10)).unwrap()).collect();
        for whom in [Call::of_key(key("a")), Call::due(Timestamp(10)), Call::all()] {
            assert_eq!(call(&waiters, whom), 4);
            assert!(there.iter().all(is_woken));
        }
        assert_eq!(call(&waiters, Call::due(Timestamp(9))), 1);
        assert!(!there.iter().any(is_woken));
    }

    #[test]
    fn a_job_that_waits_as_much_as_it_may_leaves_room_for_others() {
        let count = WaiterCount::default();
        let [greedy, other] = [0; 2].map(|_| Waiters::new(count.clone()));
        let as_many_as_it_may = |waiters: &'_ Waiters| {
            let more = std::iter::from_fn(|| waiters.subscribe("a", Timestamp(1)).ok().map(std::mem::forget));
            more.count()
        };
        assert_eq!(as_many_as_it_may(&greedy), WAITERS_MAX / 2);
        assert_eq!(as_many_as_it_may(&other), WAITERS_MAX / 4);
        assert_eq!(other.subscribe("a", Timestamp(1)).err(), Some(MetadataError::Crowded));
        assert_eq!(count.get(), WAITERS_MAX / 4 * 3);
    }
}
