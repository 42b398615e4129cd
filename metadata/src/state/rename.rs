//! Renaming: an object gets another key, in one step. At this shard it is moved from one key to the other. To a key of
//! another shard it departs and arrives: until it is known whether it arrived, its old key answers nobody, so that at every
//! moment exactly one of both keys names it. Commands of the state machine; the talk between the shards is in
//! [`crate::mover`].

use crate::state::account::{ARRIVAL_BYTES, BODY_BYTES, TOKEN_BYTES};
use crate::state::commit::entry_charge;
use crate::state::effects::Output;
use crate::state::entry::Description;
use crate::state::key::Key;
use crate::state::pieces::Content;
use crate::state::{JobState, bytes_of};
use bytes::Bytes;
use pocket_api::clock::Timestamp;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::metadata::{Answer, Arrive, Committed, MetadataError, Rename, Reply};
use pocket_api::names::ObjectKey;
use pocket_api::object::{NewContent, NewPiece};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// Most objects of a job that are on their way from this shard at once: each is a call in flight.
const DEPARTURES_MAX: usize = 1_024;
/// Most arrivals of a job that the other shard has not confirmed yet: a confirmation takes milliseconds.
const ARRIVALS_MAX: usize = 1 << 14;
/// How long a client may repeat a rename under its token: longer than SDKs retry.
const TOKEN_FOR: Duration = Duration::from_secs(600);
/// Most tokens that a job remembers at this shard: 10 MiB where all keys are long. The oldest go first.
const TOKENS_MAX: usize = 4_096;

/// Objects that are on their way to another shard, by the keys that they leave.
#[derive(Debug, Default)]
pub(crate) struct Departures(BTreeMap<Key, Departure>);

#[derive(Debug)]
struct Departure {
    /// Of the object.
    version: u64,
    token: Option<(Arc<str>, Key, u64)>,
}

impl Departures {
    fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, key: &ObjectKey) -> bool {
        !self.0.is_empty() && self.0.contains_key(bytes_of(key))
    }
}

/// What came from other shards, until they know that it did.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(BTreeMap<WriteId, (NodeId, Committed)>);

/// Renames that clients gave a token, so that a repeated one is answered and not done again.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    by_token: HashMap<Arc<str>, Named>,
    order: VecDeque<(Timestamp, Arc<str>)>,
}

#[derive(Debug)]
struct Named {
    from: Key,
    to: Key,
    committed: Committed,
    charge_bytes: u64,
}

impl Tokens {
    /// The outcome of a rename that was done before.
    fn find(&self, rename: &Rename) -> Result<Option<Committed>, MetadataError> {
        match rename.token.as_ref().and_then(|token| self.by_token.get(token)) {
            None => Ok(None),
            Some(named) if (&named.from.0, &named.to.0) == (&rename.from, &rename.to) => {
                Ok(Some(named.committed.clone()))
            }
            Some(_) => Err(MetadataError::TokenTaken),
        }
    }

    /// Already paid for. The charges of those that are forgotten for it. Of several objects that departed under one token
    /// the last counts, in the place of the first.
    fn remember(&mut self, token: Arc<str>, named: Named, now: Timestamp) -> u64 {
        if let Some(old) = self.by_token.insert(token.clone(), named) {
            return old.charge_bytes;
        }
        self.order.push_back((now + TOKEN_FOR, token));
        if self.by_token.len() > TOKENS_MAX { self.forget_first() } else { 0 }
    }

    /// The charges of those whose time is over.
    pub(crate) fn forget_old(&mut self, now: Timestamp) -> u64 {
        let mut charge = 0;
        while self.order.front().is_some_and(|(until, _)| *until <= now) {
            charge += self.forget_first();
        }
        charge
    }

    fn forget_first(&mut self) -> u64 {
        let first = self.order.pop_front().and_then(|(_, token)| self.by_token.remove(&token));
        first.map_or(0, |named| named.charge_bytes)
    }
}

/// An object as it leaves: what is to be done at other shards, in this order.
#[derive(Debug, PartialEq)]
pub(crate) struct Departing {
    pub(crate) from: Key,
    /// The shard that it goes to.
    pub(crate) to: NodeId,
    /// Manifests of other shards to be counted for it there.
    pub(crate) forks: Vec<(NodeId, WriteId)>,
    pub(crate) arrive: Box<Arrive>,
    /// Its inline bytes.
    pub(crate) payload: Bytes,
}

impl JobState {
    /// Whether its key can be answered for: not while the object may be here or there.
    pub(crate) fn check_settled(&self, key: &ObjectKey) -> Result<(), MetadataError> {
        if self.departures.contains(key) { Err(MetadataError::Moving) } else { Ok(()) }
    }

    pub(crate) fn rename(&mut self, rename: Rename, now: Timestamp) -> Result<Output, MetadataError> {
        if rename.from == rename.to {
            return Err(MetadataError::BadRequest("an object renamed to its own key".into()));
        }
        self.check_writable(now)?;
        self.check_settled(&rename.from)?;
        if let Some(committed) = self.tokens.find(&rename)? {
            return Ok(Answer::from(Reply::Committed(committed)).into());
        }
        let entry = self.find(&rename.from, &rename.conditions, now)?;
        if rename.at == self.home.node {
            let committed = self.move_here(rename, now)?;
            return Ok(Answer::from(Reply::Committed(committed)).into());
        }
        if entry.reads.as_ref().is_some_and(|reads| reads.is_held()) {
            // Whoever reads it now settles with the entry that it has found.
            return Err(MetadataError::Busy);
        }
        self.depart(rename, now).map(|departing| Output::Departing(Box::new(departing)))
    }

    /// From one key of this shard to another.
    fn move_here(&mut self, rename: Rename, now: Timestamp) -> Result<Committed, MetadataError> {
        let Rename { from, to, condition, token, .. } = rename;
        self.check_settled(&to)?;
        self.check_condition(&to, &condition, now)?;
        let (from, to) = (Key(from), Key(to));
        let entry = self.objects.get(&from).ok_or(MetadataError::NoSuchKey)?;
        let copies_of_key = if entry.expires_at().is_some() { 2 } else { 1 };
        let (old, new) =
            (from.as_str().len() as u64 * copies_of_key, to.as_str().len() as u64 * copies_of_key);
        let (old_order, new_order) = (self.paid_for_order(&from), self.order_charge(&to, entry.seen()));
        let token_bytes = token_charge(token.as_ref(), &from, &to);
        let (charge_bytes, version) = (entry.charge_bytes, entry.version);
        self.account.exchange(old + old_order, new + new_order + token_bytes)?;

        self.remove(&to);
        self.leave_order(&from);
        let Some(mut entry) = self.objects.remove(&from) else { return Err(MetadataError::NoSuchKey) };
        // As bounded as before.
        entry.charge_bytes = u32::try_from(u64::from(charge_bytes) + new - old).unwrap_or(u32::MAX);
        if let Some(at) = entry.expires_at() {
            self.expiry.remove(at, version);
            self.expiry.insert(at, version, to.clone());
        }
        if entry.reads.is_some() {
            self.leases.follow(&from, version, &to);
        }
        let committed = entry.committed(self.rule_end(&to.0, &entry));
        self.objects.insert(to.clone(), entry);
        self.enter_order(&to);
        self.wake(&to);
        self.remember(token, from, to, &committed, token_bytes, now);
        Ok(committed)
    }

    /// Closes the old key and says what is to arrive at the new one.
    fn depart(&mut self, rename: Rename, now: Timestamp) -> Result<Departing, MetadataError> {
        let Rename { rename, from, to, at, condition, token, .. } = rename;
        if self.departures.len() >= DEPARTURES_MAX {
            return Err(MetadataError::Busy);
        }
        let entry = self.objects.get(bytes_of(&from)).ok_or(MetadataError::NoSuchKey)?;
        let (version, reference) = (entry.version, rename);
        let (mut pieces, manifests, payload) = self.refer(entry, (0, entry.size), reference);
        let mut forks = Vec::new();
        for piece in &mut pieces {
            if let NewPiece::Reference(piece) = piece
                && piece.home != self.home.node
            {
                piece.reference = reference;
                forks.push((piece.home, piece.manifest));
            }
        }
        forks.sort_unstable();
        forks.dedup();
        let arrive = Box::new(Arrive {
            rename,
            from: self.home.node,
            key: to.clone(),
            size: entry.size,
            pieces,
            parts: entry.uploaded_parts().cloned().unwrap_or_default(),
            etag: entry.etag,
            checksum: entry.checksum.clone(),
            headers: entry.headers.clone(),
            last_modified: entry.modified,
            ttl: entry.expires_at().map(|at| at.since(now)),
            reads: entry.reads_left(),
            condition,
        });
        let (from, to) = (Key(from), Key(to));
        let token_bytes = token_charge(token.as_ref(), &from, &to);
        self.account.take(token_bytes)?;
        if let Err(full) = self.take_reference(reference, manifests, at, now) {
            self.account.give_back(token_bytes);
            return Err(full);
        }
        let token = token.map(|token| (token, to, token_bytes));
        self.departures.0.insert(from.clone(), Departure { version, token });
        Ok(Departing { from, to: at, forks, arrive, payload })
    }

    /// It is known what became of a departure: where it arrived, the old key ends, else it is as before.
    pub(crate) fn settle_departure(
        &mut self,
        from: Key,
        rename: WriteId,
        arrived: Option<(NodeId, Committed)>,
        now: Timestamp,
    ) {
        let Some(departure) = self.departures.0.remove(&from) else { return };
        match arrived {
            Some((at, committed)) => {
                self.confirm_reference(rename);
                if self.objects.get(&from).is_some_and(|entry| entry.version == departure.version) {
                    self.remove(&from);
                }
                if let Some((token, to, token_bytes)) = departure.token {
                    self.remember(Some(token), from.clone(), to, &committed, token_bytes, now);
                }
                self.effects.received.push((at, rename));
            }
            None => {
                self.account.give_back(departure.token.map_or(0, |(_, _, token_bytes)| token_bytes));
                self.end_reference(rename);
            }
        }
        self.wake(&from);
    }

    /// An object comes from another shard.
    pub(crate) fn arrive(
        &mut self,
        arrive: Arrive,
        payload: Bytes,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let Arrive { rename, from, key, size, pieces, parts, etag, checksum, .. } = arrive;
        self.check_writable(now)?;
        if self.arrivals.0.len() >= ARRIVALS_MAX {
            return Err(MetadataError::Busy);
        }
        self.check_settled(&key)?;
        self.check_condition(&key, &arrive.condition, now)?;
        let admission = self.admit(rename, size, NewContent::Pieces { pieces }, payload)?;
        let headers = arrive.headers.map(|headers| self.header_pool.pooled(headers));
        let expires_at = arrive.ttl.map(|ttl| now + ttl);
        let description = Description { etag, size, checksum, headers, expires_at, reads: arrive.reads };
        let key = Key(key);
        let inline = admission.inline_bytes().filter(|_| parts.is_empty());
        let entry_bytes = entry_charge(&key, &description, inline.unwrap_or(0));
        let body_bytes = match inline {
            Some(_) => 0,
            None => BODY_BYTES + admission.pieces_bytes + parts.len_bytes(),
        };
        let order_bytes = self.order_charge(&key, description.seen(arrive.last_modified));
        let shared_bytes = self.header_pool.charge(description.headers.as_ref());
        let beside_bytes = order_bytes + shared_bytes + ARRIVAL_BYTES;
        self.account.take(u64::from(entry_bytes) + body_bytes + beside_bytes)?;
        let content = Content::new(self.take_in(admission), parts);
        let committed = self.put(key, description, content, entry_bytes, arrive.last_modified);
        self.arrivals.0.insert(rename, (from, committed.clone()));
        Ok(Reply::Committed(committed).into())
    }

    /// Whether it arrived. If not, it never will.
    pub(crate) fn ask_arrival(&mut self, rename: WriteId, now: Timestamp) -> Result<Answer, MetadataError> {
        let arrived = self.arrivals.0.get(&rename).map(|(_, committed)| committed.clone());
        if arrived.is_none() && !self.burned.burn(rename, now) {
            return Err(MetadataError::Busy);
        }
        Ok(Reply::Arrived(arrived.map(Box::new)).into())
    }

    /// The shard that it came from knows.
    pub(crate) fn forget_arrival(&mut self, rename: WriteId) {
        if self.arrivals.0.remove(&rename).is_some() {
            self.account.give_back(ARRIVAL_BYTES);
        }
    }

    /// Shards that are dead ask no more.
    pub(crate) fn forget_arrivals_of_the_dead(&mut self) {
        let view = self.view.clone();
        let dead: Vec<WriteId> =
            self.arrivals.0.iter().filter(|(_, (from, _))| view.is_dead(*from)).map(|(id, _)| *id).collect();
        dead.into_iter().for_each(|rename| self.forget_arrival(rename));
    }

    fn remember(
        &mut self,
        token: Option<Arc<str>>,
        from: Key,
        to: Key,
        committed: &Committed,
        charge_bytes: u64,
        now: Timestamp,
    ) {
        if let Some(token) = token {
            let named = Named { from, to, committed: committed.clone(), charge_bytes };
            let forgotten_bytes = self.tokens.remember(token, named, now);
            self.account.give_back(forgotten_bytes);
        }
    }
}

fn token_charge(token: Option<&Arc<str>>, from: &Key, to: &Key) -> u64 {
    token.map_or(0, |token| TOKEN_BYTES + (token.len() + from.as_str().len() + to.as_str().len()) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::object::ETag;

    const NOW: Timestamp = Timestamp(1_000);

    fn named(charge_bytes: u64) -> Named {
        let key = |name| Key(ObjectKey::parse(name).unwrap());
        let etag = ETag::opaque(WriteId { gateway: NodeId(1), number: 1 });
        let committed =
            Committed { etag, checksum: None, size: 1, last_modified: NOW, expires_at: None, rule_end: None };
        Named { from: key("a"), to: key("b"), committed, charge_bytes }
    }

    #[test]
    fn tokens_are_bounded_however_often_one_is_given_and_give_back_what_they_cost() {
        let mut tokens = Tokens::default();
        let mut given_back = 0;
        for _ in 0..10 {
            given_back += tokens.remember("same".into(), named(5), NOW);
        }
        assert_eq!((tokens.by_token.len(), tokens.order.len(), given_back), (1, 1, 45));
        for number in 0..TOKENS_MAX {
            given_back += tokens.remember(number.to_string().into(), named(1), NOW);
        }
        assert_eq!((tokens.by_token.len(), tokens.order.len(), given_back), (TOKENS_MAX, TOKENS_MAX, 50));
        assert!(!tokens.by_token.contains_key("same"), "the oldest goes first");
        assert_eq!(tokens.forget_old(NOW + TOKEN_FOR), TOKENS_MAX as u64);
        assert!(tokens.by_token.is_empty() && tokens.order.is_empty());
    }
}
