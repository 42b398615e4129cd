//! A bucket as one request sees it: where it is, what its rules are, and what was asked of it.

use super::recent::PlacementRef;
use crate::errors::CallError;
use pocket_access::action::{Action, Actions};
use pocket_access::caller::Caller;
use pocket_access::rules::Rules;
use pocket_access::{Ask, SideEffect, Verdict};
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::control::{Placement, shard_of};
use pocket_api::ids::NodeId;
use pocket_api::metadata::{JobRef, MetadataError};
use pocket_api::names::ObjectKey;
use pocket_api::object::ObjectHeaders;
use smallvec::{SmallVec, smallvec};

/// A bucket as one request sees it, which has been admitted to it. Its placement is replaced when a shard finds it stale,
/// and then the request has to be admitted again: what the bucket's owner changes counts from the change's answer on.
#[derive(Clone, Debug)]
pub(crate) struct Bucket<'r> {
    pub(crate) placement: PlacementRef,
    pub(super) asks: SmallVec<[Ask<'r>; 1]>,
    /// Changes that reach a shard later are refused there, see [`JobRef::until`].
    pub(crate) until: Timestamp,
}

/// A bucket of a request that has more to say before it is known what it asks for.
#[derive(Debug)]
pub(crate) struct Unasked {
    placement: PlacementRef,
    until: Timestamp,
}

impl Unasked {
    /// Asks it for something, which has not been admitted yet.
    pub(crate) fn asking<'s>(self, ask: Ask<'s>) -> Bucket<'s> {
        Bucket { placement: self.placement, asks: smallvec![ask], until: self.until }
    }
}

impl<'r> Bucket<'r> {
    pub(crate) fn job(&self) -> JobRef {
        JobRef::new(self.placement.job, self.placement.epoch).until(self.until)
    }

    /// The shard that a key lives at.
    pub(crate) fn shard(&self, key: &ObjectKey) -> NodeId {
        self.placement.shards[shard_of(key.as_str(), self.placement.shards.len())]
    }

    pub(crate) fn rules(&self) -> &Rules {
        self.placement.rules().unwrap_or(&Rules::DEFAULT)
    }

    /// The same bucket for another wish, which has not been admitted yet.
    pub(crate) fn asking<'s>(self, ask: Ask<'s>) -> Bucket<'s> {
        Bucket { placement: self.placement, asks: smallvec![ask], until: self.until }
    }

    /// The same bucket, whatever it was asked for.
    pub(crate) fn unasked(self) -> Unasked {
        Unasked { placement: self.placement, until: self.until }
    }

    /// From now on asks for what `other` asks for too, because both are the same bucket.
    pub(crate) fn ask_also(&mut self, other: &Bucket<'r>) {
        self.asks.extend_from_slice(&other.asks);
    }

    /// Goes by what is known of `other`, where both are the same bucket.
    pub(crate) fn catch_up(&mut self, other: &Bucket<'_>) {
        if self.placement.job == other.placement.job {
            self.placement = other.placement.clone();
        }
    }

    /// Whether the tags or the ACL of an object have a say in what was asked.
    pub(super) fn asks_for_object(&self, ask: &Ask<'_>, clock: &dyn Clock) -> bool {
        let Some(rules) = self.placement.rules() else { return false };
        rules.asks_for_tags(ask.actions)
            || self.asks_for_acl(ask)
            || ask.for_tags().is_some_and(|for_tags| {
                rules.asks_for_tags(for_tags.actions) || self.decide(&for_tags, None, clock).is_err()
            })
    }

    /// Whether the ACL of an object has one.
    pub(super) fn asks_for_acl(&self, ask: &Ask<'_>) -> bool {
        self.placement.rules().is_some_and(|rules| ask.asks_for_acl(rules, &self.placement.tenant))
    }

    /// `existing`: of the one object that is asked for, where it has a say and is there.
    pub(super) fn decide(
        &self,
        ask: &Ask<'_>,
        existing: Option<&ObjectHeaders>,
        clock: &dyn Clock,
    ) -> Result<(), CallError> {
        let Placement { bucket, tenant, .. } = &*self.placement;
        match ask.decide(self.placement.rules(), bucket, tenant, existing, clock) {
            Verdict::Allowed => {
                ask.check_effect(self.rules(), &self.placement.tenant).map_err(CallError::Refused)
            }
            Verdict::Denied => Err(CallError::Denied),
            Verdict::OwnersAlone => Err(CallError::OwnersAlone),
        }
    }

    /// What its caller may know of an error: who may not list a bucket may not find out either that a key is not there.
    pub(super) fn shown(&self, error: CallError, clock: &dyn Clock) -> CallError {
        let is_missing = matches!(error, CallError::Metadata(MetadataError::NoSuchKey | MetadataError::Lost));
        let is_hidden =
            is_missing && self.placement.rules().is_some() && !self.may(Action::ListBucket, clock);
        if is_hidden { CallError::Denied } else { error }
    }

    /// Whether a caller who was denied might be allowed one of `actions` once it is known to what.
    pub(crate) fn may_yet(&self, caller: &Caller, actions: Actions) -> bool {
        self.rules().may_yet_allow(actions, caller.principal(), &self.placement.tenant)
    }

    /// Whether the request could ask for `action` as well.
    pub(super) fn may(&self, action: Action, clock: &dyn Clock) -> bool {
        self.asks.iter().all(|ask| {
            let other = Ask { actions: action.into(), effect: SideEffect::Other, ..*ask };
            self.decide(&other, None, clock).is_ok()
        })
    }
}
