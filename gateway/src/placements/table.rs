//! What [`super::known`] keeps: placements up to a weight, the questions that are on their way, and for a moment the names
//! that there was no bucket for. Pure but for the flags by which threads see what is current and what is used.

use super::placed::{ABSENT_PAUSE, Answer, Placed, Question};
use pocket_api::clock::Timestamp;
use pocket_api::control::ControlError;
use pocket_api::names::{BucketName, TenantName};
use slab::Slab;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// Memory for the buckets that are remembered: some 30,000 that say nothing but hints, and 30 with the longest settings.
const PLACEMENTS_MAX_BYTES: usize = 16 << 20;
/// Names without a bucket that are remembered. Each is for [`ABSENT_PAUSE`] at most, so these are more than a controller
/// answers in that time.
const ABSENT_MAX: usize = 4_096;

/// Questions on their way at a time. A controller that answers has a handful; of one that does not, each waits for the
/// deadline, and whoever asks for new names all the time gets no more memory than this.
pub(super) const ASKED_MAX: usize = 4_096;
/// Questions that sleep out [`ABSENT_PAUSE`] before they are asked. They take none of the room of those that are on their way,
/// or whoever asks twice for names that are not there would keep everybody from the controller.
const PAUSING_MAX: usize = ABSENT_MAX;

/// A question that was not answered yet.
struct Asked {
    number: u64,
    question: Question,
    /// It has not left.
    is_pausing: bool,
}

#[derive(Default)]
pub(super) struct Table {
    places: HashMap<BucketName, usize>,
    placed: Slab<Arc<Placed>>,
    bytes: usize,
    /// What each tenant has of them. In order, so that the same one of several that have as much makes room.
    bytes_of: BTreeMap<TenantName, usize>,
    /// Who may have to make room next.
    hand: usize,
    asked: HashMap<BucketName, Asked>,
    /// How many of them have not left.
    pausing: usize,
    /// Of the last question.
    number: u64,
    /// When the controller said so.
    absent: HashMap<BucketName, Timestamp>,
    /// In that order.
    absences: VecDeque<(BucketName, Timestamp)>,
}

impl Table {
    pub(super) fn get(&self, name: &BucketName) -> Option<Arc<Placed>> {
        let placed = &self.placed[*self.places.get(name)?];
        placed.use_now();
        Some(placed.clone())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Placed>> {
        self.placed.iter().map(|(_, placed)| placed)
    }

    pub(super) fn insert(&mut self, placed: Arc<Placed>) {
        let name = placed.placement.bucket.clone();
        self.remove(&name);
        self.bytes += placed.weight_bytes();
        *self.bytes_of.entry(placed.placement.tenant.clone()).or_default() += placed.weight_bytes();
        self.places.insert(name, self.placed.insert(placed));
        self.make_room();
    }

    pub(super) fn remove(&mut self, name: &BucketName) {
        if let Some(place) = self.places.remove(name) {
            let placed = self.placed.remove(place);
            placed.outdate();
            self.bytes -= placed.weight_bytes();
            let tenant = &placed.placement.tenant;
            if let Some(bytes) = self.bytes_of.get_mut(tenant) {
                *bytes -= placed.weight_bytes();
                if *bytes == 0 {
                    self.bytes_of.remove(tenant);
                }
            }
        }
    }

    /// Goes round among those of the tenant that has most, so that whoever makes many buckets pushes out his own and nobody
    /// else's; which of them was used since the last round stays.
    fn make_room(&mut self) {
        let mut steps = 0..2 * self.placed.capacity();
        while self.bytes > PLACEMENTS_MAX_BYTES {
            let Some((most, _)) = self.bytes_of.iter().max_by_key(|(_, bytes)| **bytes) else { return };
            let name = loop {
                self.hand = (self.hand + 1) % self.placed.capacity();
                let Some(placed) = self.placed.get(self.hand) else { continue };
                let is_spared = placed.placement.tenant != *most;
                if !(is_spared || placed.was_used() && steps.next().is_some()) {
                    break placed.placement.bucket.clone();
                }
            };
            self.remove(&name);
        }
    }

    pub(super) fn asked(&self, name: &BucketName) -> Option<&Question> {
        self.asked.get(name).map(|asked| &asked.question)
    }

    /// Whether there is room for one more, to be asked at once or after a pause.
    pub(super) fn has_room(&self, is_pausing: bool) -> bool {
        let leaving = self.asked.len() - self.pausing;
        if is_pausing { self.pausing < PAUSING_MAX } else { leaving < ASKED_MAX }
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    /// Where [`Self::has_room`].
    pub(super) fn ask(&mut self, name: BucketName, number: u64, question: Question, is_pausing: bool) {
        self.drop_question(&name);
        self.pausing += usize::from(is_pausing);
        self.asked.insert(name, Asked { number, question, is_pausing });
    }

    /// The pause of a question is over: whether it may leave.
    pub(super) fn leave(&mut self, name: &BucketName, number: u64) -> bool {
        let has_room = self.has_room(false);
        match self.asked.get_mut(name).filter(|asked| asked.number == number) {
            Some(asked) if has_room => {
                self.pausing -= usize::from(std::mem::take(&mut asked.is_pausing));
                true
            }
            Some(_) => false,
            // Forgotten meanwhile, but waited for.
            None => has_room,
        }
    }

    fn drop_question(&mut self, name: &BucketName) {
        if let Some(dropped) = self.asked.remove(name) {
            self.pausing -= usize::from(dropped.is_pausing);
        }
    }

    /// Takes the answer to a question, unless it was forgotten meanwhile. What whoever asked goes by.
    pub(super) fn answered(
        &mut self,
        name: &BucketName,
        number: u64,
        answer: Answer,
        now: Timestamp,
    ) -> Answer {
        let is_awaited = self.asked.get(name).is_some_and(|asked| asked.number == number);
        if is_awaited {
            self.drop_question(name);
        }
        match answer {
            Ok(placed) if !is_awaited => {
                placed.outdate();
                Ok(placed)
            }
            Ok(placed) => {
                self.absent.remove(name);
                let life = |placed: &Placed| (placed.placement.job, placed.placement.epoch);
                let known = self.places.get(name).map(|place| &self.placed[*place]);
                if let Some(known) = known.filter(|known| life(known) == life(&placed)) {
                    known.asked_at(now);
                    return Ok(known.clone());
                }
                self.insert(placed.clone());
                Ok(placed)
            }
            Err(ControlError::NoSuchBucket) if is_awaited => {
                self.remove(name);
                self.is_absent(name, now);
                Err(ControlError::NoSuchBucket)
            }
            Err(error) => Err(error),
        }
    }

    fn is_absent(&mut self, name: &BucketName, now: Timestamp) {
        self.absent.insert(name.clone(), now);
        self.absences.push_back((name.clone(), now));
        let is_over = |at: Timestamp| now.since(at) >= ABSENT_PAUSE;
        while self.absences.len() > ABSENT_MAX || self.absences.front().is_some_and(|(_, at)| is_over(*at)) {
            let Some((name, at)) = self.absences.pop_front() else { break };
            if self.absent.get(&name) == Some(&at) {
                self.absent.remove(&name);
            }
        }
    }

    pub(super) fn absent_since(&self, name: &BucketName) -> Option<Timestamp> {
        self.absent.get(name).copied()
    }

    /// All that was heard of a name, and what is still to be heard.
    pub(super) fn forget(&mut self, name: &BucketName) {
        self.remove(name);
        self.drop_question(name);
        self.absent.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::super::weights::Maps;
    use super::*;
    use pocket_api::control::{Placement, WeightMap};
    use pocket_api::hints::JobHints;
    use pocket_api::ids::{Epoch, JobId, NodeId};

    fn name(number: u64) -> BucketName {
        BucketName::parse(&format!("bucket-{number}")).unwrap()
    }

    fn placed(number: u64) -> Arc<Placed> {
        placed_for("alice", number)
    }

    fn placed_for(tenant: &str, number: u64) -> Arc<Placed> {
        let placement = Placement {
            job: JobId(number),
            epoch: Epoch(1),
            bucket: name(number),
            tenant: TenantName::parse(tenant).unwrap(),
            created_at_ms: 0,
            hints: JobHints::default(),
            settings: Arc::default(),
            shards: vec![NodeId(1)],
            weights: WeightMap::default(),
        };
        Placed::read(placement, &Maps::default(), Timestamp(0)).unwrap()
    }

    #[test]
    fn what_is_remembered_has_a_bound_and_what_is_used_stays_longest() {
        let mut table = Table::default();
        let used = placed(0);
        table.insert(used.clone());
        for number in 1..100_000 {
            used.use_now();
            table.insert(placed(number));
            assert!(table.bytes <= PLACEMENTS_MAX_BYTES);
        }
        let kept = table.iter().count();
        assert!((10_000..100_000).contains(&kept), "{kept}");
        assert!(table.get(&name(0)).is_some() && used.is_current());
        assert!(table.get(&name(1)).is_none());
        for number in 0..100_000 {
            table.remove(&name(number));
        }
        assert_eq!((table.bytes, table.iter().count(), used.is_current()), (0, 0, false));
    }

    #[test]
    fn whoever_has_most_makes_room_for_everybody() {
        let mut table = Table::default();
        let of_bob = || (0..50).map(name);
        for number in 0..50 {
            table.insert(placed_for("bob", number));
        }
        for number in 50..100_000 {
            table.insert(placed(number));
        }
        assert!(of_bob().all(|name| table.get(&name).is_some()));
        assert!(table.bytes <= PLACEMENTS_MAX_BYTES);
        of_bob().for_each(|name| table.remove(&name));
        assert_eq!(table.bytes_of.len(), 1);
    }

    #[test]
    fn names_without_a_bucket_are_remembered_for_a_moment_and_within_a_bound() {
        let mut table = Table::default();
        for number in 0..2 * ABSENT_MAX as u64 {
            table.is_absent(&name(number), Timestamp(1));
        }
        assert_eq!((table.absent.len(), table.absences.len()), (ABSENT_MAX, ABSENT_MAX));
        let later = Timestamp(1) + ABSENT_PAUSE;
        table.is_absent(&name(0), later);
        assert_eq!((table.absent.len(), table.absences.len()), (1, 1));
        assert_eq!(table.absent_since(&name(0)), Some(later));
    }
}
