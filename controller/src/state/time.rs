//! What happens by itself as time passes: silence, ends of TTLs, second tries. It costs what is due, and a look at each node.

use super::event::{DeathCause, Note};
use super::members::Aged;
use super::stages::RETRY_EVERY;
use super::{State, has_waited};
use pocket_api::clock::Timestamp;
use pocket_api::names::BucketName;
use std::collections::VecDeque;
use std::time::Duration;

/// A tick that is later than this was no busy machine but a process that stood still (stopped, or its machine asleep),
/// with all of its in-process nodes. What others could not tell it meanwhile is not held against them.
const STANDSTILL: Duration = Duration::from_secs(1);
/// Most jobs that are begun to end in one tick: each is a call to each of its shards.
const ENDS_A_TICK: usize = 256;

impl State {
    pub(super) fn tick(&mut self, after: Duration, now: Timestamp) {
        self.let_go_of_the_waiting(now);
        if self.deposed {
            return;
        }
        if after > STANDSTILL {
            self.note(Note::StoodStill(after));
            self.members.forgive(after, now);
        }
        self.age(now);
        self.probe(now);
        if self.keep_at <= now {
            // Each try writes everything.
            self.keep_at = now + RETRY_EVERY;
            self.keep_the_stuck();
        }
        for _ in 0..ENDS_A_TICK {
            let Some((_, job)) = self.ends.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.ends.pop_first();
            self.look_after(job, now);
        }
        while let Some((at, operation)) = self.retries.first().copied().filter(|(at, _)| *at <= now) {
            self.retries.pop_first();
            self.retry(at, operation, now);
        }
    }

    fn age(&mut self, now: Timestamp) {
        let Aged { suspected, overdue, hold } = self.members.age(now, self.node_timeout);
        for (node, spec) in suspected {
            self.note(Note::Suspected(node, spec));
        }
        if let Some(hold) = hold {
            self.note(Note::Hold(hold));
        }
        if !overdue.is_empty() && self.bury_at <= now {
            // Where it cannot be written down it is tried again.
            self.bury_at = now + RETRY_EVERY;
            self.declare_dead(&overdue, DeathCause::Silent, None);
        }
    }

    fn let_go_of_the_waiting(&mut self, now: Timestamp) {
        let late: Vec<BucketName> = self
            .waiting
            .iter()
            .filter(|(_, queue)| queue.iter().any(|(_, _, until)| *until <= now))
            .map(|(bucket, _)| bucket.clone())
            .collect();
        for bucket in late {
            let queue = self.waiting.remove(&bucket).unwrap_or_default();
            let (late, rest): (VecDeque<_>, VecDeque<_>) =
                queue.into_iter().partition(|(_, _, until)| *until <= now);
            for (ask, request, _) in late {
                self.answer(ask, Err(has_waited(&request)));
            }
            if !rest.is_empty() {
                self.waiting.insert(bucket, rest);
            }
        }
    }
}
