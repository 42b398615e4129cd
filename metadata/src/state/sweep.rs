//! What time and deaths do to a job: expired objects go, leases end, references are asked about, what died is noted.
//! Commands of the state machine.

use crate::state::JobState;
use crate::state::effects::Output;
use crate::state::rules::Orders;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::metadata::Delivery;
use std::sync::Arc;
use std::time::Duration;

/// Most of each kind of thing that one sweep handles: some 0.2 ms under the lock.
pub(crate) const SWEEP_MAX: usize = 512;
/// Most extents and pieces, which are many to an object, that one sweep looks at for losses, and most that what ends frees:
/// likewise 0.2 ms. More only in a single object, for which a read of it takes as long.
const SWEEP_MAX_EXTENTS: usize = 4_096;
/// How often leases and old memories are looked through. Leases live for 15 s, so a second more is little.
const HOUSEKEEPING_EVERY: Duration = Duration::from_secs(1);

impl JobState {
    pub(crate) fn is_sweep_due(&self, now: Timestamp) -> bool {
        self.next_housekeeping <= now || self.is_more_due(now)
    }

    fn is_more_due(&self, now: Timestamp) -> bool {
        let rules_are_due = self.rules.as_deref().is_some_and(|rules| rules.are_due(now));
        rules_are_due || self.losses.is_due() || self.expiry.is_due(now) || self.references.is_due(now)
    }

    pub(crate) fn sweep(&mut self, now: Timestamp) -> Output {
        let mut expired = 0;
        while expired < SWEEP_MAX as u64
            && !self.has_freed_enough()
            && let Some((_, key)) = self.expiry.pop_due(now)
        {
            self.remove(&key);
            expired += 1;
        }
        expired += self.end_by_rules(SWEEP_MAX - expired as usize, Orders::Made, now);
        self.search_losses(SWEEP_MAX, SWEEP_MAX_EXTENTS);
        self.search_references(SWEEP_MAX, SWEEP_MAX_EXTENTS);
        for _ in 0..SWEEP_MAX {
            let Some((holder, reference)) = self.references.next_to_ask(now) else { break };
            if holder == self.home.node || self.view.is_dead(holder) {
                // A commit here would have spent it; a dead holder's objects are gone.
                self.end_reference(reference);
            } else {
                self.effects.asked.push((holder, reference));
            }
        }
        if self.next_housekeeping <= now && self.keep_house(now) {
            self.next_housekeeping = now + HOUSEKEEPING_EVERY;
        }
        Output::Swept { expired, more: self.is_sweep_due(now) }
    }

    /// Whether what has ended leaves no more to free to this hold of the lock.
    pub(crate) fn has_freed_enough(&self) -> bool {
        self.effects.freed.len() >= SWEEP_MAX_EXTENTS
    }

    /// Whether all is done for now.
    fn keep_house(&mut self, now: Timestamp) -> bool {
        let ended = self.leases.ended(now, SWEEP_MAX);
        ended.iter().for_each(|&lease| self.end_lease(lease, Delivery::Failed));
        self.burned.forget_old(now, SWEEP_MAX);
        let forgotten_bytes = self.uploads.forget_old(now, SWEEP_MAX) + self.tokens.forget_old(now);
        self.account.give_back(forgotten_bytes);
        ended.len() < SWEEP_MAX && !self.burned.any_old(now) && !self.uploads.any_old(now)
    }

    pub(crate) fn see(&mut self, view: Arc<ClusterView>) {
        if self.manifests.bury(&view) | self.held.bury(&view) {
            self.losses.search_bytes_anew();
            self.losses.search_references_anew();
        }
        if self.references.any_orphaned(&view) {
            self.losses.search_references_anew();
        }
        self.view = view;
        self.forget_arrivals_of_the_dead();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::lease::Lease;
    use crate::state::model::empty_job;
    use crate::state::{Command, apply};
    use bytes::Bytes;
    use pocket_api::budget::ByteBudget;
    use pocket_api::conditions::WriteCondition;
    use pocket_api::hints::{Limit, ObjectHints};
    use pocket_api::ids::{ChunkId, Epoch, NodeId, WriteId};
    use pocket_api::metadata::{Commit, NewMeta, Request};
    use pocket_api::names::ObjectKey;
    use pocket_api::object::{ETag, Extent, NewContent};

    #[test]
    fn large_objects_that_expire_together_are_dropped_by_how_much_they_free() {
        let start = Timestamp(1_000_000);
        let mut state = empty_job(ByteBudget::new(1 << 24), start);
        const EXTENTS: u64 = SWEEP_MAX_EXTENTS as u64 / 2;
        for object in 0..3 {
            let write = WriteId { gateway: NodeId(9), number: object };
            let chunk = |number| ChunkId { server: NodeId(7), number: object * EXTENTS + number };
            let hints =
                ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(1))), ..ObjectHints::default() };
            let request = Request::Commit(Commit {
                key: ObjectKey::parse(&format!("k{object}")).unwrap(),
                write,
                size: EXTENTS,
                content: NewContent::Chunks {
                    extents: (0..EXTENTS).map(|number| Extent { chunk: chunk(number), len: 1 }).collect(),
                },
                meta: NewMeta { etag: ETag::opaque(write), checksum: None, headers: None, hints },
                condition: WriteCondition::None,
            });
            let command = Command::Request {
                epoch: Epoch(1),
                until: Timestamp(u64::MAX),
                request,
                payload: Bytes::new(),
            };
            apply(&mut state, command, start).output.unwrap();
        }
        let later = start + Duration::from_secs(2);
        for (expired, more) in [(2, true), (1, false)] {
            let outcome = apply(&mut state, Command::Sweep, later);
            assert_eq!(outcome.output.unwrap(), Output::Swept { expired, more });
            assert_eq!(outcome.effects.freed.len() as u64, expired * EXTENTS);
        }
    }

    #[test]
    fn leases_that_end_together_are_swept_in_steps() {
        let start = Timestamp(1_000_000);
        let mut state = empty_job(ByteBudget::new(0), start);
        let many = 2 * SWEEP_MAX + 1;
        for _ in 0..many {
            state.leases.grant(Lease { expires_at: start, body: None, selection: (0, 1), counted: None });
        }
        for left in [many - SWEEP_MAX, many - 2 * SWEEP_MAX] {
            assert_eq!(state.sweep(start), Output::Swept { expired: 0, more: true });
            assert_eq!(state.leases.len(), left);
        }
        assert_eq!(state.sweep(start), Output::Swept { expired: 0, more: false });
        assert_eq!((state.leases.len(), state.is_sweep_due(start)), (0, false));
    }
}
