//! What the controller said of buckets, bounded: a cache, and the questions that fill it. It never waits for the controller
//! with what it knows: a placement counts until the controller says another, whatever becomes of the controller, because the
//! shards refuse a stale one.

use super::recent::{self, PlacementRef};
use super::table::Table;
use crate::access::rules::Rules;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared, ready};
use parking_lot::Mutex;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::control::{Control, ControlError, Placement};
use pocket_api::ids::JobId;
use pocket_api::names::BucketName;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::MissedTickBehavior;

/// What a bucket takes by itself, without its settings.
const PLACEMENT_BYTES: usize = 500;
/// A placement in use that is older than this is asked for again beside the requests that go by it. A safety net only:
/// staleness is noticed by the shards.
pub(super) const PLACEMENT_TTL: Duration = Duration::from_secs(60);
/// How often placements of that age are looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(PLACEMENT_TTL.as_secs() / 4);
/// After the controller said that there is no such bucket, it is asked for that name again no sooner than this, however
/// many ask: who comes meanwhile waits for that answer. So nobody is told of an absence that may be over, as it is for a
/// client that makes the bucket through one gateway and comes with it to another; and it is short enough to wait for.
pub(super) const ABSENT_PAUSE: Duration = Duration::from_millis(100);

/// A bucket as everybody sees it.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(super) placement: Placement,
    pub(super) rules: Option<Arc<Rules>>,
    /// False once another placement, or none, took its place.
    is_current: AtomicBool,
    /// Somebody has gone by it since it was last asked whether it is in use.
    is_used: AtomicBool,
    /// When the controller was last asked for it, by this gateway's clock.
    asked_at_ms: AtomicU64,
}

impl Placed {
    pub(super) fn read(placement: Placement, now: Timestamp) -> Result<Arc<Self>, ControlError> {
        let name = &placement.bucket;
        if placement.shards.is_empty() {
            return Err(ControlError::Unavailable(format!("bucket {name} has no shards")));
        }
        let rules = Rules::read(&placement.settings, name).map_err(ControlError::Unavailable)?;
        Ok(Arc::new(Self {
            placement,
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

    fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp(self.asked_at_ms.load(Ordering::Relaxed)))
    }
}

/// To a question: one that is current stands in the table.
pub(super) type Answer = Result<Arc<Placed>, ControlError>;

/// A question to the controller that was not answered yet.
#[derive(Clone)]
pub(super) struct Question {
    /// Has left: the answer may be older than who comes now.
    is_asked: Arc<AtomicBool>,
    answer: Shared<BoxFuture<'static, Answer>>,
}

pub(super) struct Known {
    control: Arc<dyn Control>,
    clock: Arc<dyn Clock>,
    /// Where questions are waited for: the answer is for everybody, also when who asked first has gone.
    handle: Handle,
    /// What [`recent`] knows it by.
    id: usize,
    table: Mutex<Table>,
}

impl Known {
    /// Must be called within a runtime; background work ends when the value is dropped.
    pub(super) fn start(control: Arc<dyn Control>, clock: Arc<dyn Clock>) -> Arc<Self> {
        static IDS: AtomicUsize = AtomicUsize::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let known = Arc::new(Self { control, clock, handle: Handle::current(), id, table: Mutex::default() });
        known.handle.spawn(keep_fresh(Arc::downgrade(&known)));
        known
    }

    pub(super) async fn get(self: &Arc<Self>, name: &BucketName) -> Result<PlacementRef, ControlError> {
        match self.remembered(name) {
            Some(held) => Ok(held),
            None => self.ask(name).await.map(|placed| recent::hold(self.id, placed)),
        }
    }

    pub(super) fn remembered(&self, name: &BucketName) -> Option<PlacementRef> {
        recent::find(self.id, name).or_else(|| {
            let placed = self.table.lock().get(name)?;
            Some(recent::hold(self.id, placed))
        })
    }

    /// As [`Self::get`], but not what is remembered where `is_stale` says so. That is kept until there is an answer: for
    /// other keys it may be as good as ever.
    pub(super) async fn get_unless(
        self: &Arc<Self>,
        name: &BucketName,
        is_stale: impl Fn(&Placement) -> bool,
    ) -> Result<PlacementRef, ControlError> {
        match self.remembered(name).filter(|held| !is_stale(held)) {
            Some(held) => Ok(held),
            None => self.ask(name).await.map(|placed| recent::hold(self.id, placed)),
        }
    }

    /// What the controller answers to a question that it is asked from now on.
    pub(super) async fn get_anew(self: &Arc<Self>, name: &BucketName) -> Result<PlacementRef, ControlError> {
        let question = self.question(name);
        let is_early = question.is_asked.load(Ordering::Acquire);
        let mut answer = question.answer.await;
        if is_early {
            answer = self.question(name).answer.await;
        }
        answer.map(|placed| recent::hold(self.id, placed))
    }

    /// What the controller has just said.
    pub(super) fn learn(&self, placement: Placement) -> Result<PlacementRef, ControlError> {
        let placed = Placed::read(placement, self.clock.now())?;
        let mut table = self.table.lock();
        table.forget(&placed.placement.bucket);
        table.insert(placed.clone());
        drop(table);
        Ok(recent::hold(self.id, placed))
    }

    /// Also the answers to questions that were asked until now.
    pub(super) fn forget(&self, name: &BucketName) {
        self.table.lock().forget(name);
    }

    pub(super) fn jobs(&self) -> Vec<JobId> {
        self.table.lock().iter().map(|placed| placed.placement.job).collect()
    }

    pub(super) fn drop_jobs(&self, ended: &[JobId]) {
        if ended.is_empty() {
            return;
        }
        let ended: HashSet<JobId> = ended.iter().copied().collect();
        let mut table = self.table.lock();
        let gone = table.iter().map(|placed| &placed.placement).filter(|p| ended.contains(&p.job));
        let gone: Vec<BucketName> = gone.map(|placement| placement.bucket.clone()).collect();
        gone.iter().for_each(|name| table.remove(name));
    }

    async fn ask(self: &Arc<Self>, name: &BucketName) -> Answer {
        let question = self.question(name);
        let is_early = question.is_asked.load(Ordering::Acquire);
        match question.answer.await {
            // It may have been made between that question and this request.
            Err(ControlError::NoSuchBucket) if is_early => self.question(name).answer.await,
            answer => answer,
        }
    }

    /// The question for a bucket that is on its way, or a new one.
    fn question(self: &Arc<Self>, name: &BucketName) -> Question {
        let mut table = self.table.lock();
        if let Some(question) = table.asked(name) {
            return question.clone();
        }
        let pause = table.absent_since(name).map(|at| (at + ABSENT_PAUSE).since(self.clock.now()));
        let pause = pause.filter(|pause| !pause.is_zero());
        let is_asked = Arc::new(AtomicBool::new(false));
        if !table.has_room(pause.is_some()) {
            return Question { is_asked, answer: ready(Err(too_many())).boxed().shared() };
        }
        let number = table.next_number();
        let (known, control, clock) = (Arc::downgrade(self), self.control.clone(), self.clock.clone());
        let (asked, of) = (is_asked.clone(), name.clone());
        let answer = async move {
            let mut may_leave = true;
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
                may_leave = known.upgrade().is_some_and(|known| known.table.lock().leave(&of, number));
            }
            asked.store(true, Ordering::Release);
            let placement = if may_leave { control.placement(&of).await } else { Err(too_many()) };
            let answer = placement.and_then(|placement| Placed::read(placement, clock.now()));
            match known.upgrade() {
                Some(known) => known.table.lock().answered(&of, number, answer, clock.now()),
                None => answer,
            }
        };
        let task = self.handle.spawn(answer);
        let answer = task.map(|ended| {
            ended.unwrap_or_else(|error| Err(ControlError::Unavailable(format!("nobody asked: {error}"))))
        });
        let question = Question { is_asked, answer: answer.boxed().shared() };
        table.ask(name.clone(), number, question.clone(), pause.is_some());
        question
    }

    /// Asks for what is in use and was not asked for in a long time. Nobody waits for it.
    async fn refresh(self: &Arc<Self>) {
        let now = self.clock.now();
        let due: Vec<Arc<Placed>> = {
            let table = self.table.lock();
            let is_due = |placed: &&Arc<Placed>| placed.age(now) >= PLACEMENT_TTL && placed.was_used();
            table.iter().filter(is_due).cloned().collect()
        };
        for placed in due {
            // Whatever comes of it, others have their turn before it has another.
            placed.asked_at(now);
            let answer = self.question(&placed.placement.bucket).answer.await;
            if matches!(answer, Err(ControlError::Unavailable(_) | ControlError::NotAMember)) {
                return;
            }
        }
    }
}

fn too_many() -> ControlError {
    ControlError::Unavailable("too many buckets are asked for already".into())
}

async fn keep_fresh(known: Weak<Known>) {
    let mut ticks = tokio::time::interval(REFRESH_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(known) = known.upgrade() else { return };
        known.refresh().await;
    }
}
