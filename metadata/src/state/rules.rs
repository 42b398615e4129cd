//! The lifecycle rules of a job as its shard applies them. Inside the state machine.
//!
//! What a rule ends is judged by the rules at every look, so a change of rules holds at once, for everything that is there.
//! Beside that, whatever a rule will end stands in the order of its end, so that its space comes back. After a change
//! of rules that order is made anew in a *review*, some hundred keys at a time. A job without rules has none of this.

use crate::state::account::{Account, EXPIRY_BYTES};
use crate::state::effects::Output;
use crate::state::entry::Entry;
use crate::state::expiry::Expiry;
use crate::state::key::Key;
use crate::state::sweep::SWEEP_MAX;
use crate::state::uploads::{OfKey, Upload};
use crate::state::{JobState, bytes_of};
use pocket_api::clock::Timestamp;
use pocket_api::lifecycle::{Lifecycle, LifecycleRule, RuleEnd, RulesByPrefix};
use pocket_api::object::ObjectHeaders;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

/// Most keys that one step of a review visits: some 0.2 ms under the lock.
const REVIEW_MAX: usize = 512;
/// Most uploads that one step aborts: each may have as many parts as a sweep has objects, and more.
const ABORTS_MAX: usize = 4;
/// How long after a review that had to leave something out, because the shard's memory was full, another one follows.
/// It visits every key, so not often; what ended meanwhile is not served, it only holds its space so much longer.
const REVIEW_AGAIN: Duration = Duration::from_secs(5);

/// Rules, and what they will end.
#[derive(Debug)]
pub(crate) struct Rules {
    rules: RulesByPrefix,
    /// Objects that a rule ends before their TTL does, by their versions.
    objects: Ends,
    /// By their numbers.
    uploads: Ends,
    review: Review,
    /// The earliest end of what the review has left out of the orders.
    left_out: Option<Timestamp>,
}

/// What becomes of the orders of ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Orders {
    /// They are needed: what is missing is put in its place.
    Made,
    /// They will be thrown away: nothing more is put into them.
    Dropped,
}

/// How far the orders of ends are made.
#[derive(Debug)]
enum Review {
    /// Objects are looked at, from after this key on.
    Objects(Option<Key>),
    /// Uploads are, from after this one on.
    Uploads(Option<(Key, u64)>),
    /// Nothing is missing.
    Done,
    /// Something was left out and is looked for again at this time.
    Again(Timestamp),
}

/// Things in the order of their ends, paid for one by one.
#[derive(Debug, Default)]
struct Ends {
    order: Expiry,
    charge_bytes: u64,
}

/// What rules look at in an object.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    pub(crate) size: u64,
    pub(crate) headers: Option<&'a ObjectHeaders>,
    pub(crate) created: Timestamp,
    pub(crate) ttl_end: Option<Timestamp>,
}

/// What a place in the order costs.
fn charge(key: &Key) -> u64 {
    EXPIRY_BYTES + key.as_str().len() as u64
}

impl Ends {
    /// Already paid for.
    fn insert(&mut self, at: Timestamp, id: u64, key: &Key) {
        self.order.insert(at, id, key.clone());
        self.charge_bytes += charge(key);
    }

    /// What is to be given back: nothing where it was not in the order.
    fn remove(&mut self, at: Timestamp, id: u64, key: &Key) -> u64 {
        if !self.order.remove(at, id) {
            return 0;
        }
        self.charge_bytes -= charge(key);
        charge(key)
    }

    /// Takes out one that has ended, with what is to be given back.
    fn pop_due(&mut self, now: Timestamp) -> Option<(u64, Key, u64)> {
        let (id, key) = self.order.pop_due(now)?;
        let charge = charge(&key);
        self.charge_bytes -= charge;
        Some((id, key, charge))
    }
}

impl Rules {
    /// `None` where there are none.
    pub(crate) fn of(lifecycle: &Lifecycle) -> Option<Box<Self>> {
        (!lifecycle.rules.is_empty()).then(|| {
            Box::new(Self {
                rules: RulesByPrefix::new(lifecycle.clone()),
                objects: Ends::default(),
                uploads: Ends::default(),
                review: Review::Objects(None),
                left_out: None,
            })
        })
    }

    fn are(&self, lifecycle: &Lifecycle) -> bool {
        let own = self.rules.lifecycle();
        own.rules == lifecycle.rules && own.unit == lifecycle.unit
    }

    /// When a rule ends an object, where it does so before its TTL.
    fn object_end(&self, key: &str, seen: Seen<'_>) -> Option<(Timestamp, &LifecycleRule)> {
        let tags = seen.headers.map_or(&[][..], |headers| &headers.tags);
        let end = self.rules.object_end(key, seen.size, tags, seen.created)?;
        seen.ttl_end.is_none_or(|ttl_end| end.0 < ttl_end).then_some(end)
    }

    fn upload_end(&self, key: &str, initiated: Timestamp) -> Option<(Timestamp, &LifecycleRule)> {
        self.rules.upload_end(key, initiated)
    }

    fn place(&self, key: &Key, entry: &Entry) -> Option<Timestamp> {
        self.object_end(key.as_str(), entry.seen()).map(|(at, _)| at)
    }

    /// Puts an object in its place. Already paid for.
    pub(crate) fn enter(&mut self, key: &Key, entry: &Entry) {
        if let Some(at) = self.place(key, entry) {
            self.objects.insert(at, entry.version, key);
        }
    }

    fn upload_place(&self, key: &Key, initiated: Timestamp) -> Option<Timestamp> {
        self.upload_end(key.as_str(), initiated).map(|(at, _)| at)
    }

    fn charge_bytes(&self) -> u64 {
        self.objects.charge_bytes + self.uploads.charge_bytes
    }

    /// Whether there is something to do at `now`.
    pub(crate) fn are_due(&self, now: Timestamp) -> bool {
        let review_is_due = match self.review {
            Review::Objects(_) | Review::Uploads(_) => true,
            Review::Done => false,
            Review::Again(at) => at <= now,
        };
        review_is_due || self.objects.order.is_due(now) || self.uploads.order.is_due(now)
    }

    fn is_left_out_due(&self, now: Timestamp) -> bool {
        self.left_out.is_some_and(|at| at <= now)
    }

    /// Puts the next objects in order. Those that have ended come out.
    fn review_objects(
        &mut self,
        after: Option<Key>,
        objects: &BTreeMap<Key, Box<Entry>>,
        account: &mut Account,
        orders: Orders,
        now: Timestamp,
    ) -> Vec<Key> {
        let from = after.as_ref().map_or(Bound::Unbounded, |key| Bound::Excluded(bytes_of(&key.0)));
        let mut rest = objects.range::<[u8], _>((from, Bound::Unbounded));
        let (mut ended, mut last) = (Vec::new(), None);
        for (key, entry) in rest.by_ref().take(REVIEW_MAX) {
            last = Some(key);
            match self.place(key, entry) {
                None => {}
                Some(at) if at <= now => ended.push(key.clone()),
                Some(at) if self.objects.order.contains(at, entry.version) => {}
                Some(at) if orders == Orders::Made && account.has_taken(charge(key)) => {
                    self.objects.insert(at, entry.version, key);
                }
                Some(at) => self.leave_out(at),
            }
        }
        let more = rest.next().is_some();
        self.review = if more { Review::Objects(last.cloned()) } else { Review::Uploads(None) };
        ended
    }

    /// Puts the next uploads in order. Those that are to be aborted come out.
    fn review_uploads(
        &mut self,
        after: Option<(Key, u64)>,
        uploads: &BTreeMap<Key, OfKey>,
        account: &mut Account,
        orders: Orders,
        now: Timestamp,
    ) -> Vec<(Key, u64)> {
        let from = after.as_ref().map_or(Bound::Unbounded, |(key, _)| Bound::Included(bytes_of(&key.0)));
        let seen = |key: &Key| after.as_ref().filter(|(k, _)| k == key).map_or(0, |(_, number)| *number);
        let rest = uploads.range::<[u8], _>((from, Bound::Unbounded)).flat_map(|(key, of_key)| {
            of_key
                .range((Bound::Excluded(seen(key)), Bound::Unbounded))
                .map(move |(&number, upload)| (key, number, upload))
        });
        let (mut ended, mut visited) = (Vec::new(), 0);
        for (key, number, upload) in rest {
            match self.upload_place(key, upload.initiated) {
                None => {}
                Some(at) if at <= now => ended.push((key.clone(), number)),
                Some(at) if self.uploads.order.contains(at, number) => {}
                Some(at) if orders == Orders::Made && account.has_taken(charge(key)) => {
                    self.uploads.insert(at, number, key);
                }
                Some(at) => self.leave_out(at),
            }
            visited += 1;
            if visited == REVIEW_MAX || ended.len() == ABORTS_MAX {
                self.review = Review::Uploads(Some((key.clone(), number)));
                return ended;
            }
        }
        self.review = self.left_out.map_or(Review::Done, |end| Review::Again(end.max(now + REVIEW_AGAIN)));
        ended
    }

    fn leave_out(&mut self, end: Timestamp) {
        self.left_out = Some(self.left_out.map_or(end, |earliest| earliest.min(end)));
    }

    fn review_anew(&mut self) {
        (self.review, self.left_out) = (Review::Objects(None), None);
    }
}

/// When a rule ends an object, where it does so before its TTL; as it is shown.
pub(crate) fn shown_end(rules: Option<&Rules>, key: &str, seen: Seen<'_>) -> Option<RuleEnd> {
    let (at, rule) = rules?.object_end(key, seen)?;
    Some(RuleEnd { at, rule: rule.id.clone() })
}

impl JobState {
    /// Whether its TTL or a rule has ended it.
    pub(crate) fn has_ended(&self, key: &str, entry: &Entry, now: Timestamp) -> bool {
        let by_rule = |rules: &Rules| rules.object_end(key, entry.seen()).is_some_and(|(at, _)| at <= now);
        entry.is_expired(now) || self.rules.as_deref().is_some_and(by_rule)
    }

    pub(crate) fn upload_has_ended(&self, key: &str, upload: &Upload, now: Timestamp) -> bool {
        let by_rule =
            |rules: &Rules| rules.upload_end(key, upload.initiated).is_some_and(|(at, _)| at <= now);
        self.rules.as_deref().is_some_and(by_rule)
    }

    pub(crate) fn shown_upload_end(&self, key: &str, initiated: Timestamp) -> Option<RuleEnd> {
        let (at, rule) = self.rules.as_deref()?.upload_end(key, initiated)?;
        Some(RuleEnd { at, rule: rule.id.clone() })
    }

    /// What the place of an object in the order costs, to be paid before it is put there.
    pub(crate) fn order_charge(&self, key: &Key, seen: Seen<'_>) -> u64 {
        let end = self.rules.as_deref().and_then(|rules| rules.object_end(key.as_str(), seen));
        end.map_or(0, |_| charge(key))
    }

    /// As [`Self::order_charge`], of an upload.
    pub(crate) fn upload_order_charge(&self, key: &Key, initiated: Timestamp) -> u64 {
        let end = self.rules.as_deref().and_then(|rules| rules.upload_end(key.as_str(), initiated));
        end.map_or(0, |_| charge(key))
    }

    /// Puts an object in its place. Already paid for.
    pub(crate) fn enter_order(&mut self, key: &Key) {
        let Some(rules) = self.rules.as_deref_mut() else { return };
        if let Some(entry) = self.objects.get(key) {
            rules.enter(key, entry);
        }
    }

    /// Takes an object out of the order: what is to be given back for it.
    pub(crate) fn leave_order(&mut self, key: &Key) -> u64 {
        let Some(rules) = self.rules.as_deref_mut() else { return 0 };
        let Some(entry) = self.objects.get(key) else { return 0 };
        rules.place(key, entry).map_or(0, |at| rules.objects.remove(at, entry.version, key))
    }

    /// What [`Self::leave_order`] would give back.
    pub(crate) fn paid_for_order(&self, key: &Key) -> u64 {
        let Some(rules) = self.rules.as_deref() else { return 0 };
        let Some(entry) = self.objects.get(key) else { return 0 };
        let place = rules.place(key, entry).filter(|&at| rules.objects.order.contains(at, entry.version));
        place.map_or(0, |_| charge(key))
    }

    /// As [`Self::enter_order`], of an upload.
    pub(crate) fn enter_upload_order(&mut self, key: &Key, number: u64, initiated: Timestamp) {
        let Some(rules) = self.rules.as_deref_mut() else { return };
        if let Some(at) = rules.upload_place(key, initiated) {
            rules.uploads.insert(at, number, key);
        }
    }

    /// As [`Self::leave_order`], of an upload.
    pub(crate) fn leave_upload_order(&mut self, key: &Key, number: u64, initiated: Timestamp) -> u64 {
        let Some(rules) = self.rules.as_deref_mut() else { return 0 };
        rules.upload_place(key, initiated).map_or(0, |at| rules.uploads.remove(at, number, key))
    }

    /// Drops what rules have ended by now, `most` objects and a few uploads: how many objects that were.
    pub(crate) fn end_by_rules(&mut self, most: usize, orders: Orders, now: Timestamp) -> u64 {
        let mut expired = 0;
        while expired < most
            && !self.has_freed_enough()
            && let Some((_, key, charge)) = self.rules.as_deref_mut().and_then(|r| r.objects.pop_due(now))
        {
            self.account.give_back(charge);
            self.remove(&key);
            expired += 1;
        }
        for _ in 0..ABORTS_MAX {
            let due = self.rules.as_deref_mut().and_then(|rules| rules.uploads.pop_due(now));
            let Some((number, key, charge)) = due else { break };
            self.account.give_back(charge);
            self.drop_upload(&key, number);
        }
        if expired < most { expired as u64 + self.review(orders, now) } else { expired as u64 }
    }

    /// One step of a review. What it finds to have ended goes at once: how many objects that were.
    fn review(&mut self, orders: Orders, now: Timestamp) -> u64 {
        let Self { objects, uploads, rules, account, .. } = self;
        let Some(rules) = rules.as_deref_mut() else { return 0 };
        if matches!(rules.review, Review::Again(at) if at <= now) {
            rules.review_anew();
        }
        match &mut rules.review {
            Review::Objects(after) => {
                let after = after.take();
                let ended = rules.review_objects(after, objects, account, orders, now);
                ended.iter().filter(|key| self.remove(key)).count() as u64
            }
            Review::Uploads(after) => {
                let after = after.take();
                let ended = rules.review_uploads(after, &uploads.open, account, orders, now);
                ended.iter().for_each(|(key, number)| self.drop_upload(key, *number));
                0
            }
            Review::Done | Review::Again(_) => 0,
        }
    }

    /// How many of those objects that count have ended and are not dropped yet; `None` where the orders do not tell,
    /// or are more than `most`.
    pub(crate) fn count_ended(
        &self,
        most: usize,
        now: Timestamp,
        counts: impl Fn(&Key) -> bool,
    ) -> Option<usize> {
        if self.expiry.due(now).nth(most).is_some() {
            return None;
        }
        let by_ttl = self.expiry.due(now).filter(|key| counts(key));
        let Some(rules) = self.rules.as_deref() else { return Some(by_ttl.count()) };
        if !matches!(rules.review, Review::Done) || rules.objects.order.due(now).nth(most).is_some() {
            return None;
        }
        // What a rule ended first is due in both orders by now.
        let place = |key: &Key| self.objects.get(key).and_then(|entry| rules.place(key, entry));
        let by_ttl_alone = by_ttl.filter(|key| place(key).is_none());
        Some(by_ttl_alone.count() + rules.objects.order.due(now).filter(|key| counts(key)).count())
    }

    /// Whether the rules are others than `next` and may have something to end now, which is then to be dropped, in steps, before
    /// they change: what they have ended has ended for good.
    pub(crate) fn must_settle(&self, next: &Lifecycle, now: Timestamp) -> bool {
        let may_end = |rules: &Rules| rules.are_due(now) || rules.is_left_out_due(now);
        self.rules.as_deref().is_some_and(|rules| !rules.are(next) && may_end(rules))
    }

    /// One step of what is to be done before rules change.
    pub(crate) fn settle_rules(&mut self, now: Timestamp) -> Output {
        self.review_what_was_left_out(now);
        let expired = self.end_by_rules(SWEEP_MAX, Orders::Dropped, now);
        Output::Swept { expired, more: true }
    }

    /// What no order has room for is found by a review alone. It comes by itself, but not at once.
    fn review_what_was_left_out(&mut self, now: Timestamp) {
        if let Some(rules) = self.rules.as_deref_mut().filter(|rules| rules.is_left_out_due(now)) {
            rules.review_anew();
        }
    }

    /// Other rules, from now on. The old ones have nothing left to end.
    pub(crate) fn change_rules(&mut self, next: &Lifecycle) {
        let is_same = match self.rules.as_deref() {
            None => next.rules.is_empty(),
            Some(rules) => rules.are(next),
        };
        if is_same {
            return;
        }
        if let Some(old) = std::mem::replace(&mut self.rules, Rules::of(next)) {
            self.account.give_back(old.charge_bytes());
            self.effects.retired = Some(old);
        }
    }
}

#[cfg(test)]
mod tests;
