//! What the controller said of buckets, bounded: a cache, and the questions that fill it. It never waits for the controller
//! with what it knows: a placement counts until the controller says another, whatever becomes of the controller, because the
//! shards refuse a stale one.

use super::placed::{ABSENT_PAUSE, Answer, Placed, Question};
use super::recent::{self, PlacementRef};
use super::table::Table;
use super::weights::Maps;
use futures::FutureExt;
use futures::future::ready;
use parking_lot::Mutex;
use pocket_api::control::{Control, ControlError, Placement, WeightMap};
use pocket_api::env::Env;
use pocket_api::ids::JobId;
use pocket_api::names::BucketName;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// A placement in use that is older than this is asked for again beside the requests that go by it. A safety net only:
/// staleness is noticed by the shards.
pub(super) const PLACEMENT_TTL: Duration = Duration::from_secs(60);
/// How often placements of that age are looked for.
const REFRESH_EVERY: Duration = Duration::from_secs(PLACEMENT_TTL.as_secs() / 4);
pub(super) struct Known {
    control: Arc<dyn Control>,
    env: Env,
    /// What [`recent`] knows it by.
    id: usize,
    table: Mutex<Table>,
    maps: Arc<Maps>,
}

impl Known {
    /// Background work ends when the value is dropped.
    pub(super) fn start(control: Arc<dyn Control>, env: Env) -> Arc<Self> {
        static IDS: AtomicUsize = AtomicUsize::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let known = Arc::new(Self { control, env, id, table: Mutex::default(), maps: Arc::default() });
        known.env.spawn(keep_fresh(Arc::downgrade(&known)));
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
        let placed = Placed::read(placement, &self.maps, self.env.now())?;
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

    pub(super) fn learn_weights(&self, maps: &[WeightMap]) {
        self.maps.learn(maps);
    }

    pub(super) fn drop_jobs(&self, ended: &[JobId]) {
        if ended.is_empty() {
            return;
        }
        let ended: BTreeSet<JobId> = ended.iter().copied().collect();
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
        let pause = table.absent_since(name).map(|at| (at + ABSENT_PAUSE).since(self.env.now()));
        let pause = pause.filter(|pause| !pause.is_zero());
        let is_asked = Arc::new(AtomicBool::new(false));
        if !table.has_room(pause.is_some()) {
            return Question { is_asked, answer: ready(Err(too_many())).boxed().shared() };
        }
        let number = table.next_number();
        let (known, control, clock) = (Arc::downgrade(self), self.control.clone(), self.env.clock());
        let maps = self.maps.clone();
        let (asked, of) = (is_asked.clone(), name.clone());
        let answer = async move {
            let mut may_leave = true;
            if let Some(pause) = pause {
                tokio::time::sleep(pause).await;
                may_leave = known.upgrade().is_some_and(|known| known.table.lock().leave(&of, number));
            }
            asked.store(true, Ordering::Release);
            let placement = if may_leave { control.placement(&of).await } else { Err(too_many()) };
            let answer = placement.and_then(|placement| Placed::read(placement, &maps, clock.now()));
            match known.upgrade() {
                Some(known) => known.table.lock().answered(&of, number, answer, clock.now()),
                None => answer,
            }
        };
        // The answer is for everybody, also when who asked first has gone.
        let task = self.env.spawn(answer);
        let answer = task.map(|ended| {
            ended.unwrap_or_else(|error| Err(ControlError::Unavailable(format!("nobody asked: {error}"))))
        });
        let question = Question { is_asked, answer: answer.boxed().shared() };
        table.ask(name.clone(), number, question.clone(), pause.is_some());
        question
    }

    /// Asks for what is in use and was not asked for in a long time. Nobody waits for it.
    async fn refresh(self: &Arc<Self>) {
        let now = self.env.now();
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
