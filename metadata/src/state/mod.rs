//! The state of one job at one shard, and the commands that change it. A pure state machine: no clock, no randomness, no
//! I/O, no await; the same commands in the same order leave the same state. What is to be done elsewhere comes out
//! as [`Effects`]. The commands themselves stand in the files of their subjects.

pub(crate) mod account;
pub(crate) mod admission;
pub(crate) mod append;
pub(crate) mod commit;
pub(crate) mod copy;
pub(crate) mod effects;
pub(crate) mod entry;
pub(crate) mod expiry;
#[cfg(test)]
pub(crate) mod fuzz;
pub(crate) mod headers;
pub(crate) mod hold;
pub(crate) mod key;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod lookup;
pub(crate) mod losses;
pub(crate) mod manifest;
#[cfg(test)]
pub(crate) mod model;
pub(crate) mod multipart;
pub(crate) mod pieces;
pub(crate) mod reads;
pub(crate) mod redescribe;
pub(crate) mod references;
pub(crate) mod rename;
pub(crate) mod rules;
pub(crate) mod sweep;
pub(crate) mod upload_id;
pub(crate) mod uploads;
pub(crate) mod walk;

use crate::state::account::Account;
use crate::state::effects::{Effects, Outcome, Output};
use crate::state::entry::Entry;
use crate::state::expiry::Expiry;
use crate::state::headers::HeaderPool;
use crate::state::hold::Hold;
use crate::state::key::Key;
use crate::state::lease::Leases;
use crate::state::losses::Losses;
use crate::state::manifest::Manifests;
use crate::state::pieces::{Content, Piece};
use crate::state::references::{Burned, Held, References};
use crate::state::rename::{Arrivals, Departures, Tokens};
use crate::state::rules::Rules;
use crate::state::upload_id::UploadIds;
use crate::state::uploads::Uploads;
use bytes::Bytes;
use pocket_api::budget::ByteBudget;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::hints::{JobHints, Limit, ObjectHints};
use pocket_api::ids::{Epoch, JobId, LeaseId, NodeId, OperationId, WriteId};
use pocket_api::metadata::{Answer, Committed, Delivery, Fate, JobSpec, MetadataError, Reply, Request};
use pocket_api::names::ObjectKey;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything that changes a job, except its end.
#[derive(Debug)]
pub(crate) enum Command {
    Request {
        epoch: Epoch,
        /// See [`JobRef::until`](pocket_api::metadata::JobRef::until).
        until: Timestamp,
        request: Request,
        payload: Bytes,
    },
    Renew(LeaseId),
    Release(LeaseId, Delivery),
    AskWrite(WriteId),
    AskReference(WriteId),
    /// A holder's answer, or a gateway's word.
    ReferenceHeld {
        reference: WriteId,
        held: bool,
    },
    /// Its home's word: bytes of a manifest that it names died.
    ReferenceLost {
        reference: WriteId,
        manifest: WriteId,
    },
    /// It is known what became of an object that left: where it arrived, and as what.
    SettleDeparture {
        from: Key,
        rename: WriteId,
        arrived: Option<(NodeId, Committed)>,
    },
    ForgetArrival(WriteId),
    /// [`Output::Swept`] where the job's old rules have something to end before the new ones hold: a part of that was done, and
    /// the command is to be given again.
    Update(Arc<JobSpec>),
    Freeze(OperationId),
    Fence(OperationId),
    Thaw(OperationId),
    /// Nodes have come, gone or died.
    View(Arc<ClusterView>),
    /// Whatever is due by now, as much as one hold of the lock should do.
    Sweep,
}

/// The shard that a job's state lives at.
#[derive(Clone)]
pub(crate) struct Home {
    pub(crate) node: NodeId,
    pub(crate) upload_ids: UploadIds,
    pub(crate) budget: ByteBudget,
}

/// Most objects, and most extents and pieces of them, that are looked at to count: some 0.5 ms under the lock.
const COUNT_MAX: usize = 4_096;

pub(crate) struct JobState {
    pub(crate) home: Home,
    pub(crate) job: JobId,
    epoch: Epoch,
    ends_at: Option<Timestamp>,
    /// Nothing is served any more; what a caller still holds of this value is a husk.
    ended: bool,
    hold: Hold,
    /// For objects that say nothing.
    pub(crate) defaults: ObjectHints,
    pub(crate) objects: BTreeMap<Key, Box<Entry>>,
    /// Logical bytes of objects and parts, without what was found lost.
    pub(crate) logical_bytes: u64,
    pub(crate) losses: Losses,
    pub(crate) newest_version: u64,
    pub(crate) expiry: Expiry,
    /// `None` where the job has none, which then cost nothing.
    pub(crate) rules: Option<Box<Rules>>,
    pub(crate) header_pool: HeaderPool,
    pub(crate) manifests: Manifests,
    pub(crate) references: References,
    pub(crate) held: Held,
    pub(crate) burned: Burned,
    pub(crate) leases: Leases,
    pub(crate) uploads: Uploads,
    pub(crate) departures: Departures,
    pub(crate) arrivals: Arrivals,
    pub(crate) tokens: Tokens,
    pub(crate) account: Account,
    pub(crate) view: Arc<ClusterView>,
    pub(crate) next_housekeeping: Timestamp,
    /// Somebody waits for a key, so whoever may have made one readable says which.
    pub(crate) is_awaited: bool,
    /// Of the command that is being applied.
    pub(crate) effects: Effects,
}

impl JobState {
    pub(crate) fn open(spec: &JobSpec, home: Home, view: Arc<ClusterView>, now: Timestamp) -> Self {
        Self {
            account: Account::new(home.budget.clone()),
            home,
            job: spec.job,
            epoch: spec.epoch,
            ends_at: spec.ends_in.map(|left| now + left),
            ended: false,
            hold: Hold::default(),
            defaults: defaults(&spec.hints),
            objects: BTreeMap::new(),
            logical_bytes: 0,
            losses: Losses::default(),
            newest_version: 0,
            expiry: Expiry::default(),
            rules: Rules::of(&spec.lifecycle),
            header_pool: HeaderPool::default(),
            manifests: Manifests::default(),
            references: References::default(),
            held: Held::default(),
            burned: Burned::default(),
            leases: Leases::default(),
            uploads: Uploads::default(),
            departures: Departures::default(),
            arrivals: Arrivals::default(),
            tokens: Tokens::default(),
            view,
            next_housekeeping: now,
            is_awaited: false,
            effects: Effects::default(),
        }
    }

    /// Makes the job what `spec` says, unless it is older than what is known here.
    fn update(&mut self, spec: &JobSpec, now: Timestamp) -> Output {
        if spec.epoch <= self.epoch {
            return Output::Done;
        }
        if self.must_settle(&spec.lifecycle, now) {
            return self.settle_rules(now);
        }
        self.epoch = spec.epoch;
        self.ends_at = spec.ends_in.map(|left| now + left);
        self.defaults = defaults(&spec.hints);
        self.change_rules(&spec.lifecycle);
        Output::Done
    }

    /// Ends the job in one step, whatever its size: all that it held comes out, with its share of the budget, to be dropped
    /// where that may take its time. Every later command is [`MetadataError::NoSuchJob`].
    pub(crate) fn end(&mut self) -> Remains {
        self.ended = true;
        self.logical_bytes = 0;
        self.losses = Losses::default();
        let empty = self.account.another();
        Remains {
            objects: std::mem::take(&mut self.objects),
            _others: Others {
                _expiry: std::mem::take(&mut self.expiry),
                _rules: self.rules.take(),
                _header_pool: std::mem::take(&mut self.header_pool),
                _manifests: std::mem::take(&mut self.manifests),
                _references: std::mem::take(&mut self.references),
                _held: std::mem::take(&mut self.held),
                _burned: std::mem::take(&mut self.burned),
                _leases: std::mem::take(&mut self.leases),
                _uploads: std::mem::take(&mut self.uploads),
                _departures: std::mem::take(&mut self.departures),
                _arrivals: std::mem::take(&mut self.arrivals),
                _tokens: std::mem::take(&mut self.tokens),
            },
            account: std::mem::replace(&mut self.account, empty),
        }
    }

    pub(crate) fn ends_at(&self) -> Option<Timestamp> {
        self.ends_at
    }

    /// Whether its own TTL is over, or somebody ended it.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.ended || self.ends_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn check(&self, epoch: Epoch, now: Timestamp) -> Result<(), MetadataError> {
        if self.is_over(now) {
            return Err(MetadataError::NoSuchJob);
        }
        if epoch < self.epoch {
            return Err(MetadataError::StaleEpoch(self.epoch));
        }
        if self.hold.is_fenced() { Err(MetadataError::Busy) } else { Ok(()) }
    }

    pub(crate) fn check_writable(&self, now: Timestamp) -> Result<(), MetadataError> {
        if self.hold.is_held(now) { Err(MetadataError::Busy) } else { Ok(()) }
    }

    /// Whether bytes of it died with a server or another shard.
    pub(crate) fn is_lost(&self, entry: &Entry) -> bool {
        match &entry.content {
            Content::Inline(_) => entry.is_lost,
            Content::Body(body) => self.are_lost(&body.pieces),
        }
    }

    /// Whether bytes of some piece died.
    pub(crate) fn are_lost(&self, pieces: &[Piece]) -> bool {
        let any_lost = self.manifests.any_dead() || self.held.any_lost();
        any_lost
            && pieces.iter().any(|piece| match piece {
                Piece::Inline(_) => false,
                Piece::Local { manifest, .. } => self.manifests.is_lost(*manifest),
                Piece::Remote(reference) => self.held.is_lost(reference),
            })
    }

    /// Whether it is there for lists and conditions.
    pub(crate) fn is_visible(&self, key: &str, entry: &Entry, now: Timestamp) -> bool {
        !self.has_ended(key, entry, now) && !self.is_lost(entry)
    }

    /// Objects that are there, or as many of them as one hold of the lock may look at; `None` where it saw none of them and
    /// has not seen all.
    pub(crate) fn count_visible(&self, now: Timestamp) -> Option<u64> {
        let is_present = |key: &Key| self.objects.get(key).is_some_and(|entry| !entry.is_lost);
        // Until all that was lost is found, what is present is not known either.
        if !self.losses.is_searching()
            && let Some(ended) = self.count_ended(COUNT_MAX, now, is_present)
        {
            return Some(self.present_objects() - ended as u64);
        }
        let (mut visible, mut extents) = (0, 0);
        for (looked_at, (key, entry)) in self.objects.iter().enumerate() {
            extents += self.extents_and_pieces(entry);
            if looked_at == COUNT_MAX || (looked_at > 0 && extents > COUNT_MAX) {
                return (visible > 0).then_some(visible);
            }
            visible += u64::from(self.is_visible(key.as_str(), entry, now));
        }
        Some(visible)
    }

    /// Of a write or a reference that somebody asks about. What is not held is burned.
    fn fate(&mut self, is_held: bool, id: WriteId, now: Timestamp) -> Output {
        Output::Fate(match is_held {
            true => Fate::Held,
            false if self.burned.burn(id, now) => Fate::Never,
            // No room to burn it: it may still be committed, and is not ours to give up.
            false => Fate::Open,
        })
    }

    /// A key may be readable now that was not before.
    pub(crate) fn wake(&mut self, key: &Key) {
        if self.is_awaited {
            self.effects.woken.push(key.clone());
        }
    }

    /// Requests that change nothing; `None` for one that has to be applied. Cheap enough to be tried first.
    pub(crate) fn query(
        &self,
        epoch: Epoch,
        request: &Request,
        now: Timestamp,
    ) -> Option<Result<Answer, MetadataError>> {
        if let Err(refused) = self.check(epoch, now) {
            return Some(Err(refused));
        }
        match request {
            Request::Ping | Request::CheckEpoch => Some(Ok(Reply::Done.into())),
            Request::Describe { key } => Some(self.describe(key, now)),
            Request::Lookup(lookup) => self.lookup_shared(lookup, now),
            Request::Segments(of) => Some(self.segments(*of, now)),
            Request::Parts { key, after, max } => Some(self.parts(key, *after, *max, now)),
            Request::Upload { key, upload, after, max } => Some(self.upload(key, upload, *after, *max, now)),
            _ => None,
        }
    }

    fn request(&mut self, request: Request, payload: Bytes, now: Timestamp) -> Result<Output, MetadataError> {
        let answer = match request {
            Request::Rename(rename) => return self.rename(*rename, now),
            Request::Arrive(arrive) => self.arrive(*arrive, payload, now),
            Request::AskArrival { rename } => self.ask_arrival(rename, now),
            Request::Lookup(lookup) => self.lookup(lookup, now),
            Request::Commit(commit) => self.commit(commit, payload, now),
            Request::Append(append) => self.append(append, payload, now),
            Request::Delete { key, condition } => self.delete(key, &condition, now),
            Request::DeleteMany { keys } => self.delete_many(keys, now),
            Request::SetTags { key, tags, hints } => self.set_tags(key, tags, &hints, now),
            Request::SetAcl { key, seen, acl } => self.set_acl(key, seen.as_deref(), acl, now),
            Request::AddReference(add) => self.add_reference(add, now),
            Request::ForkReference { manifest, reference, holder } => {
                self.fork_reference(manifest, reference, holder, now)
            }
            Request::CreateUpload(create) => self.create_upload(create, now),
            Request::PutPart(part) => self.put_part(part, payload, now),
            Request::Complete(complete) => self.complete(complete, now),
            Request::Abort { key, upload } => self.abort(key, &upload, now),
            Request::Ping
            | Request::CheckEpoch
            | Request::Describe { .. }
            | Request::Segments(_)
            | Request::Parts { .. }
            | Request::Upload { .. }
            | Request::List(_)
            | Request::ListUploads(_) => {
                Err(MetadataError::BadRequest("a request that changes nothing was applied".into()))
            }
        };
        answer.map(Output::Answer)
    }
}

/// Whoever looks may take as long as it likes: a lease begins now.
fn check_time(request: &Request, until: Timestamp, now: Timestamp) -> Result<(), MetadataError> {
    let is_change = !matches!(request, Request::Lookup(_) | Request::AskArrival { .. });
    if is_change && now > until { Err(MetadataError::TooLate) } else { Ok(()) }
}

/// What holds for objects that say nothing.
fn defaults(hints: &JobHints) -> ObjectHints {
    ObjectHints { ttl: hints.object_ttl.map(Limit::Of), reads: hints.reads.map(Limit::Of) }
}

/// Applies one command. The time never goes back from one command to the next.
pub(crate) fn apply(state: &mut JobState, command: Command, now: Timestamp) -> Outcome {
    debug_assert!(state.effects.freed.is_empty() && state.effects.woken.is_empty());
    let output = match command {
        Command::Request { epoch, until, request, payload } => {
            let in_time = state.check(epoch, now).and_then(|()| check_time(&request, until, now));
            in_time.and_then(|()| state.request(request, payload, now))
        }
        _ if state.ended => Err(MetadataError::NoSuchJob),
        Command::Renew(lease) => Ok(Output::Held(state.leases.renew(lease, now))),
        Command::Release(lease, delivery) => {
            state.end_lease(lease, delivery);
            Ok(Output::Done)
        }
        Command::AskWrite(write) => Ok(state.fate(state.manifests.contains(write), write, now)),
        Command::AskReference(reference) => Ok(state.fate(state.held.contains(reference), reference, now)),
        Command::ReferenceHeld { reference, held: true } => {
            state.confirm_reference(reference);
            Ok(Output::Done)
        }
        Command::ReferenceHeld { reference, held: false } => {
            state.end_reference(reference);
            Ok(Output::Done)
        }
        Command::ReferenceLost { reference, manifest } => {
            if state.held.lose(reference, manifest) {
                state.losses.search_bytes_anew();
            }
            Ok(Output::Done)
        }
        Command::SettleDeparture { from, rename, arrived } => {
            state.settle_departure(from, rename, arrived, now);
            Ok(Output::Done)
        }
        Command::ForgetArrival(rename) => {
            state.forget_arrival(rename);
            Ok(Output::Done)
        }
        Command::Update(spec) => Ok(state.update(&spec, now)),
        Command::Freeze(by) => {
            let frozen = state.hold.freeze(by, now);
            frozen.map(|()| Output::Frozen { objects: state.count_visible(now) })
        }
        Command::Fence(by) => state.hold.fence(by, now).map(|()| Output::Done),
        Command::Thaw(by) => {
            state.hold.undo(by);
            Ok(Output::Done)
        }
        Command::View(view) => {
            state.see(view);
            Ok(Output::Done)
        }
        Command::Sweep => Ok(state.sweep(now)),
    };
    Outcome { output, effects: std::mem::take(&mut state.effects) }
}

/// What a job held when it ended. Dropping it takes as long as it was large, and what it was charged is given back as it goes: never
/// before the memory, or who takes its place would have more than there is.
pub(crate) struct Remains {
    objects: BTreeMap<Key, Box<Entry>>,
    // Fields are dropped in this order: the account with the rest of the charges last.
    _others: Others,
    account: Account,
}

struct Others {
    _expiry: Expiry,
    _rules: Option<Box<Rules>>,
    _header_pool: HeaderPool,
    _manifests: Manifests,
    _references: References,
    _held: Held,
    _burned: Burned,
    _leases: Leases,
    _uploads: Uploads,
    _departures: Departures,
    _arrivals: Arrivals,
    _tokens: Tokens,
}

/// Objects that go before their charges are given back together.
const DROPPED_AT_ONCE: usize = 1_024;
/// Of metadata: a thousand small objects.
const FEW_BYTES: u64 = 256 << 10;

impl Remains {
    /// Whether it is dropped within some 0.3 ms: everything in it is charged.
    pub(crate) fn are_few(&self) -> bool {
        self.account.used_bytes() <= FEW_BYTES
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        let mut objects = std::mem::take(&mut self.objects).into_values();
        while objects.len() > 0 {
            let charges = objects.by_ref().take(DROPPED_AT_ONCE).map(|entry| u64::from(entry.charge_bytes));
            let gone_bytes = charges.sum();
            self.account.give_back(gone_bytes);
        }
    }
}

pub(crate) fn bytes_of(key: &ObjectKey) -> &[u8] {
    key.as_str().as_bytes()
}
