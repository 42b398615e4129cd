//! Searches for an order of steps that explains them all, as Wing and Gong do, and remembers where it has been, as Lowe does. A step
//! may be next when no other that must come has ended before it began. What a client only saw is taken as soon as it fits: it
//! changes nothing for the others wherever it stands, so there is no need to try it later too.

use super::model::{Next, State};
use super::steps::Step;
use crate::judges::declared::Declared;
use std::collections::HashSet;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Order {
    /// There is one.
    Found,
    /// There is none. Of the orders that go furthest: the events that could not follow.
    None { stuck_at: Vec<u32> },
    /// None was found among so many places.
    GaveUp,
}

/// What a search has cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Pairs of steps done and state that were looked at.
    pub places: usize,
}

/// Which steps are done: a bit each.
type Done = Box<[u64]>;

struct Place {
    done: Done,
    state: State,
    /// Steps before it are done, or are in `open`.
    low: usize,
    /// Steps before `low` that are not done, for they may never have happened.
    open: Vec<usize>,
    count_known: usize,
}

/// `steps` in the order of their begins. At most `places_max` places are looked at: some 300 bytes each.
pub(super) fn search(steps: &[Step], start: State, declared: &Declared, places_max: usize) -> (Order, Cost) {
    let all_known = steps.iter().filter(|step| step.is_known).count();
    let done: Done = vec![0; steps.len().div_ceil(64)].into();
    let mut been: HashSet<(Done, State)> = HashSet::new();
    let mut to_go = vec![Place { done, state: start, low: 0, open: Vec::new(), count_known: 0 }];
    to_go[0].pass_what_may_never_happen(steps);
    let mut furthest = (0, Vec::new());
    while let Some(mut place) = to_go.pop() {
        place.take_what_was_only_seen(steps, declared);
        if place.count_known == all_known {
            return (Order::Found, Cost { places: been.len() });
        }
        if !been.insert((place.done.clone(), place.state.clone())) {
            continue;
        }
        if been.len() == places_max {
            return (Order::GaveUp, Cost { places: been.len() });
        }
        let mut candidates = place.candidates(steps);
        if place.count_known >= furthest.0 {
            let known = candidates.iter().filter(|&&i| steps[i].is_known);
            furthest = (place.count_known, known.map(|&i| steps[i].event).collect());
        }
        place.leave_out_what_helps_nobody(&mut candidates, steps, declared);
        // The last one that is pushed is tried first: what must come before what may, the earliest end first.
        candidates.sort_by_key(|&i| (steps[i].is_known, std::cmp::Reverse(steps[i].end)));
        for i in candidates {
            for state in place.state.after(&steps[i], declared) {
                if steps[i].is_known || state != place.state {
                    to_go.push(place.with(i, state, steps));
                }
            }
        }
    }
    (Order::None { stuck_at: furthest.1 }, Cost { places: been.len() })
}

impl Place {
    fn is_done(&self, i: usize) -> bool {
        self.done[i / 64] & (1 << (i % 64)) != 0
    }

    fn mark(&mut self, i: usize, steps: &[Step]) {
        self.done[i / 64] |= 1 << (i % 64);
        self.count_known += usize::from(steps[i].is_known);
        self.open.retain(|&open| open != i);
        self.pass_what_may_never_happen(steps);
    }

    fn pass_what_may_never_happen(&mut self, steps: &[Step]) {
        while self.low < steps.len() && (self.is_done(self.low) || !steps[self.low].is_known) {
            if !self.is_done(self.low) {
                self.open.push(self.low);
            }
            self.low += 1;
        }
    }

    fn with(&self, i: usize, state: State, steps: &[Step]) -> Self {
        let Self { done, low, open, count_known, .. } = self;
        let (done, open) = (done.clone(), open.clone());
        let mut next = Self { done, state, low: *low, open, count_known: *count_known };
        next.mark(i, steps);
        next
    }

    /// The steps that may be next.
    fn candidates(&self, steps: &[Step]) -> Vec<usize> {
        let mut first_end = Duration::MAX;
        let mut found = self.open.clone();
        for (i, step) in steps.iter().enumerate().skip(self.low) {
            if step.begin > first_end {
                break;
            }
            if self.is_done(i) {
                continue;
            }
            found.push(i);
            if step.is_known {
                first_end = first_end.min(step.end);
            }
        }
        found.retain(|&i| steps[i].begin <= first_end);
        found
    }

    /// What may never have happened is next only if something can follow it that could not without it, or that carries what it did
    /// further. In any other place it might as well come later.
    fn leave_out_what_helps_nobody(&self, candidates: &mut Vec<usize>, steps: &[Step], declared: &Declared) {
        let is_possible = |state: &State, i: usize| !state.after(&steps[i], declared).is_empty();
        let stuck: Vec<usize> =
            candidates.iter().copied().filter(|&i| !is_possible(&self.state, i)).collect();
        // A look that decides what was open till then might have decided otherwise.
        let decides = |i: usize| {
            let is_other = |state: &State| *state != self.state;
            steps[i].kind.is_look() && self.state.after(&steps[i], declared).iter().any(is_other)
        };
        let carries = |i: &usize| steps[*i].kind.carries_further() || decides(*i);
        let carriers: Vec<usize> = candidates.iter().copied().filter(carries).collect();
        candidates.retain(|&i| {
            let helps = || {
                let after = self.state.after(&steps[i], declared);
                after.iter().any(|state| stuck.iter().any(|&other| is_possible(state, other)))
            };
            let is_carried = |&other: &usize| other != i && steps[i].kind.touches(&steps[other].kind);
            steps[i].is_known
                || !steps[i].kind.is_all_gone_when_overwritten()
                || carriers.iter().any(is_carried)
                || helps()
        });
    }

    /// Takes all steps that fit and after which nothing is otherwise.
    fn take_what_was_only_seen(&mut self, steps: &[Step], declared: &Declared) {
        loop {
            let fits = |i: &usize| {
                let next: Next = self.state.after(&steps[*i], declared);
                next.len() == 1 && next[0] == self.state
            };
            let seen = self.candidates(steps).into_iter().filter(|&i| steps[i].only_sees);
            let fitting: Vec<usize> = seen.filter(fits).collect();
            if fitting.is_empty() {
                return;
            }
            fitting.into_iter().for_each(|i| self.mark(i, steps));
        }
    }
}
