//! All that the controller knows, and all that it decides: [`State::step`] takes an event and the time, changes the state, and
//! says what is to be done. Nothing in this folder talks to anyone, or imports what does.
//!
//! [`event`] says what goes in and comes out, [`record`] what survives a restart, [`operation`] what is carried through at
//! the shards of a job and in which stages. [`stages`] moves operations from one to the next; [`registering`],
//! [`configuring`] and [`ending`] begin them and see to their ends; [`nodes`] is the membership's part, over
//! [`members`]; [`time`] what happens by itself. [`demand`], [`weights`] and [`maps`] say where chunks go.

mod configuring;
mod demand;
mod ending;
pub(crate) mod event;
pub(crate) mod job;
pub(crate) mod maps;
pub(crate) mod members;
mod nodes;
pub(crate) mod operation;
pub(crate) mod record;
mod registering;
pub(crate) mod shown;
pub(crate) mod stages;
mod time;
mod weights;

#[cfg(test)]
pub(crate) mod tests;

use event::{AskId, DeathCause, Effect, Event, Note, Reply, Request};
use job::Job;
use maps::Maps;
use members::Members;
use operation::{Operation, Stage};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::NodeSpec;
use pocket_api::control::ControlError;
use pocket_api::ids::{IdSource, JobId, NodeId, OperationId, Term};
use pocket_api::names::BucketName;
use pocket_api::usage::UsageReport;
use record::{About, Key, Records, written};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Most jobs at a time, as S3 bounds an account's buckets.
pub(crate) const JOBS_MAX: usize = 10_000;
/// Most bytes of what owners say of all jobs together: their documents and tags are kept in memory and on disk.
pub(crate) const SETTINGS_MAX_BYTES: usize = 32 << 20;
/// Most requests that wait for an operation on one name.
const WAITING_MAX: usize = 64;
/// How long one waits: longer than a stage takes whose shards answer.
pub(crate) const WAIT_MAX: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) term: Term,
    /// Another controller has followed: this one decides nothing any more.
    deposed: bool,
    node_timeout: Duration,
    pub(crate) members: Members,
    ids: IdSource,
    highest_id: u64,
    /// Jobs and nodes of lower ids are strangers: of a controller whose records this one does not have.
    born: u64,
    are_strangers_noted: bool,
    reports: BTreeMap<NodeId, Report>,

    jobs: BTreeMap<JobId, Job>,
    names: BTreeMap<BucketName, JobId>,
    maps: Maps,
    /// Jobs by their shards, those that are over left out.
    placed: BTreeMap<NodeId, BTreeSet<JobId>>,
    settings_bytes: usize,
    /// What ended lately, by numbers that grow: told to every node once.
    ended: BTreeMap<u64, JobId>,
    operations: BTreeMap<OperationId, Operation>,
    /// Requests that wait for an operation on their name, with the time until which they do.
    waiting: BTreeMap<BucketName, VecDeque<(AskId, Request, Timestamp)>>,

    /// When TTLs and lifecycles end jobs.
    ends: BTreeSet<(Timestamp, JobId)>,
    /// When operations ask again those who have not answered.
    retries: BTreeSet<(Timestamp, OperationId)>,
    probing: usize,
    /// Before these no death of silence, and nothing that is stuck, is tried to be written down again.
    bury_at: Timestamp,
    keep_at: Timestamp,

    /// Records that have changed in this step, and what follows once they are on disk.
    changed: BTreeSet<Key>,
    follows: Vec<Follow>,
    /// Of what was given out to be kept.
    number: u64,
    unkept: BTreeMap<u64, Vec<Follow>>,
    /// Stages that could not be written down and have no way back: tried again with time.
    stuck: BTreeSet<OperationId>,
    joining: BTreeMap<NodeId, NodeSpec>,
    shown_version: u64,
    effects: Vec<Effect>,
}

/// A node's latest report; its jobs are in the order of their ids.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) at: Timestamp,
    pub(crate) report: UsageReport,
}

/// What follows once something is on disk, or is found not to be.
#[derive(Debug)]
enum Follow {
    /// The calls of this stage of an operation.
    Enter(OperationId, u32),
    /// The end of an operation that has opened or updated its job.
    Finish(OperationId),
    Deaths {
        nodes: Vec<(NodeId, NodeSpec)>,
        cause: DeathCause,
        told: Option<(AskId, Box<Reply>)>,
    },
    Join {
        ask: AskId,
        node: NodeId,
        spec: NodeSpec,
        replaced: Vec<(NodeId, NodeSpec)>,
    },
}

impl State {
    /// Goes on from what was kept, with a new term. Its nodes count as heard of at `now`; ids and versions are above all
    /// earlier ones, also where the wall clock was set back.
    pub(crate) fn restored(records: Records, node_timeout: Duration, now: Timestamp) -> Self {
        let Records { about, nodes, jobs, operations, weights } = records;
        let is_first = about.is_none();
        let about = about.unwrap_or_default();
        let named = nodes.iter().map(|(id, _)| id.0).chain(jobs.iter().map(|job| job.epoch.0.max(job.job.0)));
        let named = named.chain(operations.iter().map(|operation| operation.id.0));
        let named = named.chain(weights.iter().map(|(id, map)| id.0.max(map.version)));
        let highest_id = named.fold(about.highest_id.max(about.view_version), u64::max);
        let ids = IdSource::starting_at(now.0.max((highest_id >> 20) + 1));
        let born = if is_first { ids.issue() } else { about.born };
        let version = ids.issue();
        let newest = NodeId(nodes.iter().map(|(id, _)| id.0).fold(about.highest_id, u64::max));
        let mut state = Self {
            term: Term(about.term.0 + 1),
            deposed: false,
            node_timeout,
            members: Members::starting_at(Term(about.term.0 + 1), version, newest, nodes, now),
            ids,
            highest_id,
            born,
            are_strangers_noted: false,
            reports: BTreeMap::new(),
            jobs: BTreeMap::new(),
            names: BTreeMap::new(),
            maps: Maps::restored(weights),
            placed: BTreeMap::new(),
            settings_bytes: 0,
            ended: BTreeMap::new(),
            operations: BTreeMap::new(),
            waiting: BTreeMap::new(),
            ends: BTreeSet::new(),
            retries: BTreeSet::new(),
            probing: 0,
            bury_at: now,
            keep_at: now,
            changed: BTreeSet::new(),
            follows: Vec::new(),
            number: 0,
            unkept: BTreeMap::new(),
            stuck: BTreeSet::new(),
            joining: BTreeMap::new(),
            shown_version: 0,
            effects: Vec::new(),
        };
        jobs.into_iter().for_each(|job| state.adopt(job));
        state.resume(operations, now);
        state
    }

    /// Nothing is kept, so what this one does not know is not to be had any more: there are no strangers.
    pub(crate) fn without_strangers(self) -> Self {
        Self { born: 0, ..self }
    }

    /// Lets something happen. What comes out is to be done in its order, and [`Effect::Keep`] in the order of its numbers.
    pub(crate) fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Asked(ask, _) if self.deposed => self.answer(ask, Err(deposed())),
            Event::Asked(ask, request) => self.asked(ask, *request, now + WAIT_MAX, now),
            Event::Kept(number) => {
                let kept = self.unkept.split_off(&(number + 1));
                for follow in std::mem::replace(&mut self.unkept, kept).into_values().flatten() {
                    self.kept(follow, now);
                }
            }
            Event::Unkept(number, why) => {
                let kept = self.unkept.split_off(&(number + 1));
                let why = ControlError::Unavailable(format!("cannot write the state file: {why}"));
                for follow in std::mem::replace(&mut self.unkept, kept).into_values().flatten() {
                    self.not_kept(follow, &why, now);
                }
            }
            Event::Answered(call, answer) => self.answered(call, answer, now),
            Event::Told(operation) => self.told(operation, now),
            Event::Reported(node, report) => self.reported(node, *report, now),
            Event::HungUp(node) => self.hung_up(node, now),
            Event::Probed { node, refuses } => self.probed(node, refuses, now),
            Event::Tick { after } => self.tick(after, now),
        }
        self.what_is_to_be_done()
    }

    fn asked(&mut self, ask: AskId, request: Request, until: Timestamp, now: Timestamp) {
        if let Request::Register(registration) = &request
            && let Some(&earlier) = self.names.get(&registration.bucket)
        {
            // Its TTL may be over since a moment ago.
            self.look_after(earlier, now);
        }
        if let Some((bucket, may_pass)) = self.must_wait(&request) {
            let queue = self.waiting.entry(bucket).or_default();
            if may_pass && queue.len() < WAITING_MAX && now < until {
                queue.push_back((ask, request, until));
            } else {
                self.answer(ask, Err(has_waited(&request)));
            }
            return;
        }
        match request {
            Request::Register(registration) => self.register(ask, registration, now),
            Request::Configure(configuration) => self.configure(ask, configuration, now),
            Request::End(end) => self.end(ask, end),
            Request::Placement(bucket) => {
                let shown = self.placement(&bucket, now);
                self.answer(ask, shown.map(Reply::Placement));
            }
            Request::Join(spec) => self.join(ask, spec),
            Request::Leave(node) => self.leave(ask, node),
            Request::Forget(node) => self.forget(ask, node),
            Request::Beat(heartbeat) => {
                let reply = self.beat(heartbeat, now);
                self.answer(ask, reply.map(Reply::Beat));
            }
        }
    }

    /// The name whose operation a request has to wait for, and whether that may be over soon.
    fn must_wait(&self, request: &Request) -> Option<(BucketName, bool)> {
        let bucket = match request {
            Request::Register(registration) => &registration.bucket,
            Request::Configure(configuration) => &configuration.bucket,
            Request::End(end) => &end.bucket,
            Request::Placement(bucket) => bucket,
            _ => return None,
        };
        let running = self.running(self.named(bucket)?)?;
        let stage = &running.stage;
        let waits = match request {
            // In the middle of these shards refuse what is still shown here: whoever asks because of that is told the outcome.
            Request::Placement(_) => {
                matches!(stage, Stage::Fencing(_) | Stage::Updating(_) | Stage::Updated)
            }
            _ => true,
        };
        // Shards that did not answer once may take their time.
        waits.then(|| (bucket.clone(), !running.run.is_told))
    }

    /// Whoever waits for the name has another turn.
    fn wake(&mut self, bucket: &BucketName, now: Timestamp) {
        for (ask, request, until) in self.waiting.remove(bucket).unwrap_or_default() {
            self.asked(ask, request, until, now);
        }
    }

    fn answer(&mut self, ask: AskId, answer: event::Answer) {
        self.effects.push(Effect::Answer(ask, answer));
    }

    fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }

    fn issue(&mut self) -> u64 {
        self.highest_id = self.ids.issue();
        self.highest_id
    }

    // ---- what is kept ----

    fn what_is_to_be_done(&mut self) -> Vec<Effect> {
        if self.members.version() != self.shown_version {
            self.shown_version = self.members.version();
            self.effects.push(Effect::Show(self.members.view()));
        }
        if !self.changed.is_empty() {
            self.number += 1;
            self.unkept.insert(self.number, std::mem::take(&mut self.follows));
            let mut changed = std::mem::take(&mut self.changed);
            changed.insert(Key::Controller);
            let changes = changed.into_iter().map(|key| (key, self.record(key))).collect();
            self.effects.push(Effect::Keep { number: self.number, changes });
        }
        std::mem::take(&mut self.effects)
    }

    /// Everything, with the number that it stands for.
    pub(crate) fn snapshot(&self) -> (u64, Vec<(Key, Vec<u8>)>) {
        let keys = [Key::Controller].into_iter();
        let keys =
            keys.chain(self.members.ids().map(Key::Node)).chain(self.joining.keys().copied().map(Key::Node));
        let keys = keys.chain(self.jobs.keys().copied().map(Key::Job));
        let keys = keys.chain(self.operations.keys().copied().map(Key::Operation));
        let keys = keys.chain(self.maps.ids().map(Key::Weights));
        (self.number, keys.filter_map(|key| Some((key, self.record(key)?))).collect())
    }

    fn record(&self, key: Key) -> Option<Vec<u8>> {
        match key {
            Key::Controller => Some(written(&About {
                term: self.term,
                highest_id: self.highest_id,
                view_version: self.members.version(),
                born: self.born,
            })),
            Key::Node(id) => {
                let joining = self.joining.get(&id);
                joining.or_else(|| self.members.kept(id)).map(written)
            }
            Key::Job(id) => self.jobs.get(&id).map(written),
            Key::Operation(id) => {
                let operation = self.operations.get(&id)?;
                (!matches!(operation.stage, Stage::Opened | Stage::Updated)).then(|| written(operation))
            }
            Key::Weights(id) => self.maps.get(id).map(written),
        }
    }

    /// What follows once all that has changed in this step is on disk.
    fn when_kept(&mut self, follow: Follow) {
        self.follows.push(follow);
    }

    fn kept(&mut self, follow: Follow, now: Timestamp) {
        match follow {
            Follow::Enter(operation, round) => self.enter(operation, round, now),
            Follow::Finish(operation) => self.finish(operation, Ok(()), now),
            Follow::Deaths { nodes, cause, told } => {
                self.bury(nodes, cause, now);
                if let Some((ask, reply)) = told {
                    self.answer(ask, Ok(*reply));
                }
            }
            Follow::Join { ask, node, spec, replaced } => self.joined(ask, node, spec, replaced, now),
        }
    }

    fn not_kept(&mut self, follow: Follow, why: &ControlError, now: Timestamp) {
        match follow {
            Follow::Enter(operation, round) => self.not_entered(operation, round, why, now),
            Follow::Finish(operation) => self.finish(operation, Err(why.clone()), now),
            Follow::Deaths { nodes, told, .. } => {
                self.spare(&nodes);
                if let Some((ask, _)) = told {
                    self.answer(ask, Err(why.clone()));
                }
            }
            Follow::Join { ask, node, replaced, .. } => {
                // Nobody was told its id: it asks again and gets another one.
                self.joining.remove(&node);
                self.spare(&replaced);
                self.answer(ask, Err(why.clone()));
            }
        }
    }
}

fn deposed() -> ControlError {
    ControlError::Unavailable("another controller has taken over".into())
}

/// What a request is told that has waited for too long.
fn has_waited(request: &Request) -> ControlError {
    match request {
        Request::Placement(bucket) => {
            ControlError::Unavailable(format!("an operation on bucket {bucket} is in progress"))
        }
        _ => ControlError::Conflict,
    }
}
