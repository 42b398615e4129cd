//! A state with shards and a disk that do what they are told, one effect at a time, so that a test can stop between any two.

use crate::fixture::{START, spec};
use crate::state::State;
use crate::state::event::{Answer, AskId, CallId, Effect, Event, Note, Reply, Request};
use crate::state::record::{Key, Records};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::ids::{Epoch, JobId, NodeId, OperationId};
use pocket_api::limits::{FREEZE_LEASE, NODE_TIMEOUT};
use pocket_api::metadata::{MetadataError, ShardReply, ShardRequest};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// A job at a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) epoch: Epoch,
    pub(super) objects: u64,
    pub(super) frozen: Option<(OperationId, Timestamp)>,
    pub(super) fenced: Option<OperationId>,
    undone: OperationId,
}

#[derive(Clone, Debug, Default)]
pub(super) struct ShardModel {
    pub(super) jobs: BTreeMap<JobId, Open>,
    ended: BTreeSet<JobId>,
    /// Nothing reaches it.
    pub(super) is_away: bool,
    /// Requests reach it, answers do not come back.
    pub(super) is_mute: bool,
}

impl ShardModel {
    fn ask(&mut self, request: &ShardRequest, now: Timestamp) -> Result<ShardReply, MetadataError> {
        let operation = request.order().expect("controllers order").operation;
        match request {
            ShardRequest::Open(_, spec) => {
                if self.ended.contains(&spec.job) {
                    return Err(MetadataError::NoSuchJob);
                }
                self.jobs.entry(spec.job).or_insert(Open {
                    epoch: spec.epoch,
                    objects: 0,
                    frozen: None,
                    fenced: None,
                    undone: OperationId(0),
                });
            }
            ShardRequest::Update(_, spec) => {
                let job = self.jobs.get_mut(&spec.job).ok_or(MetadataError::NoSuchJob)?;
                job.epoch = job.epoch.max(spec.epoch);
            }
            ShardRequest::Freeze { job, .. } => {
                let job = self.jobs.get_mut(job).ok_or(MetadataError::NoSuchJob)?;
                let again = job.frozen.is_some_and(|(by, until)| by == operation && until <= now);
                if operation <= job.undone || job.fenced.is_some_and(|by| by != operation) || again {
                    return Err(MetadataError::Busy);
                }
                job.frozen = Some((operation, now + FREEZE_LEASE));
                return Ok(ShardReply::Frozen { objects: Some(job.objects) });
            }
            ShardRequest::Fence { job, .. } => {
                let job = self.jobs.get_mut(job).ok_or(MetadataError::NoSuchJob)?;
                let is_frozen = job.frozen.is_some_and(|(by, until)| by == operation && until > now);
                if job.fenced != Some(operation) && !is_frozen {
                    return Err(MetadataError::Busy);
                }
                job.fenced = Some(operation);
            }
            ShardRequest::Thaw { job, .. } => {
                let job = self.jobs.get_mut(job).ok_or(MetadataError::NoSuchJob)?;
                job.undone = job.undone.max(operation);
                job.frozen = job.frozen.filter(|(by, _)| *by > job.undone);
                job.fenced = job.fenced.filter(|by| *by > job.undone);
            }
            ShardRequest::End { job, .. } => {
                self.jobs.remove(job);
                self.ended.insert(*job);
            }
            other => panic!("{other:?}"),
        }
        Ok(ShardReply::Done)
    }

    /// A client writes, if it may: an acknowledged write that nobody may lose.
    fn write(&mut self, job: JobId, now: Timestamp) -> bool {
        let Some(open) = self.jobs.get_mut(&job) else { return false };
        let is_held = open.fenced.is_some() || open.frozen.is_some_and(|(_, until)| until > now);
        open.objects += u64::from(!is_held);
        !is_held
    }
}

/// What is on its way, and where.
#[derive(Clone, Debug)]
enum Way {
    Disk(u64, Vec<(Key, Option<Vec<u8>>)>),
    Shard(CallId, ShardRequest),
    Servers(OperationId),
}

pub(super) struct Bench {
    pub(super) state: State,
    pub(super) now: Timestamp,
    pub(super) shards: BTreeMap<NodeId, ShardModel>,
    pub(super) disk: BTreeMap<Key, Vec<u8>>,
    pub(super) disk_fails: bool,
    ways: VecDeque<Way>,
    pub(super) answers: BTreeMap<AskId, Answer>,
    pub(super) notes: Vec<Note>,
    asked: u64,
    /// Effects that were carried out.
    pub(super) steps: usize,
}

impl Bench {
    /// With so many shards and servers, as members.
    pub(super) fn new(shards: usize, servers: usize) -> Self {
        let state = State::restored(Records::default(), NODE_TIMEOUT, START);
        let mut bench = Self {
            state,
            now: START,
            shards: BTreeMap::new(),
            disk: BTreeMap::new(),
            disk_fails: false,
            ways: VecDeque::new(),
            answers: BTreeMap::new(),
            notes: Vec::new(),
            asked: 0,
            steps: 0,
        };
        for role in [Role::Metadata].repeat(shards).into_iter().chain([Role::Storage].repeat(servers)) {
            match bench.ask_to_the_end(Request::Join(spec(role))) {
                Ok(Reply::Joined(joined)) if role == Role::Metadata => {
                    bench.shards.insert(joined.node, ShardModel::default());
                }
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        bench.steps = 0;
        bench
    }

    pub(super) fn shard(&mut self, index: usize) -> &mut ShardModel {
        self.shards.values_mut().nth(index).expect("there are so many")
    }

    pub(super) fn event(&mut self, event: Event) {
        for effect in self.state.step(event, self.now) {
            match effect {
                Effect::Keep { number, changes } => self.ways.push_back(Way::Disk(number, changes)),
                Effect::Call { call, request, .. } => self.ways.push_back(Way::Shard(call, request)),
                Effect::TellEnded { operation, .. } => self.ways.push_back(Way::Servers(operation)),
                Effect::Answer(ask, answer) => {
                    let earlier = self.answers.insert(ask, answer);
                    assert_eq!(earlier, None, "answered twice");
                }
                Effect::Note(note) => self.notes.push(note),
                Effect::Probe(..) | Effect::Show(_) => {}
            }
        }
    }

    pub(super) fn ask(&mut self, request: Request) -> AskId {
        self.asked += 1;
        let ask = AskId(self.asked);
        self.event(Event::Asked(ask, Box::new(request)));
        ask
    }

    pub(super) fn ask_to_the_end(&mut self, request: Request) -> Answer {
        let ask = self.ask(request);
        self.settle();
        self.answers.remove(&ask).expect("an answer")
    }

    /// A client writes to each shard of the job, where it may.
    pub(super) fn write_everywhere(&mut self, job: Option<JobId>) -> Vec<bool> {
        let now = self.now;
        let shards = self.shards.values_mut();
        job.map(|job| shards.map(|shard| shard.write(job, now)).collect()).unwrap_or_default()
    }

    /// Carries out the next effect. False where there is none.
    pub(super) fn step(&mut self) -> bool {
        let Some(way) = self.ways.pop_front() else { return false };
        self.steps += 1;
        match way {
            Way::Disk(number, _) if self.disk_fails => {
                self.event(Event::Unkept(number, "full".into()));
            }
            Way::Disk(number, changes) => {
                self.write(changes);
                self.event(Event::Kept(number));
            }
            Way::Servers(operation) => self.event(Event::Told(operation)),
            Way::Shard(call, request) => {
                let now = self.now;
                let gone = || Err(MetadataError::Unavailable("no answer".into()));
                let answer = match self.shards.get_mut(&call.shard) {
                    Some(shard) if !shard.is_away => {
                        let answer = shard.ask(&request, now);
                        if shard.is_mute { gone() } else { answer }
                    }
                    _ => gone(),
                };
                self.event(Event::Answered(call, answer));
            }
        }
        true
    }

    fn write(&mut self, changes: Vec<(Key, Option<Vec<u8>>)>) {
        for (key, value) in changes {
            match value {
                Some(value) => drop(self.disk.insert(key, value)),
                None => drop(self.disk.remove(&key)),
            }
        }
    }

    pub(super) fn settle(&mut self) {
        while self.step() {}
    }

    /// The controller is killed. What was on its way to the disk has arrived or not, and what was on its way to shards has
    /// been done or not, in both cases unheard. Then another one begins.
    pub(super) fn crash(&mut self, written: bool, done: bool) {
        for way in std::mem::take(&mut self.ways) {
            match way {
                Way::Disk(_, changes) if written => self.write(changes),
                Way::Shard(call, request) if done => {
                    if let Some(shard) = self.shards.get_mut(&call.shard).filter(|shard| !shard.is_away) {
                        let _unheard = shard.ask(&request, self.now);
                    }
                }
                _ => {}
            }
        }
        self.begin_again();
    }

    pub(super) fn begin_again(&mut self) {
        let records = Records::of(&self.disk).unwrap();
        self.ways.clear();
        self.state = State::restored(records, NODE_TIMEOUT, self.now);
        let (_, snapshot) = self.state.snapshot();
        self.disk = snapshot.into_iter().collect();
    }

    /// Time passes, with everybody beating.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        for node in self.state.members.view().nodes {
            self.state.members.heard(node.id, self.now).unwrap();
        }
        self.event(Event::Tick { after: Duration::ZERO });
        self.settle();
    }

    /// Everybody can be reached, and enough time passes for all that is repeated.
    pub(super) fn heal(&mut self) {
        self.disk_fails = false;
        for shard in self.shards.values_mut() {
            (shard.is_away, shard.is_mute) = (false, false);
        }
        for _ in 0..8 {
            self.pass(Duration::from_millis(500));
        }
    }
}
