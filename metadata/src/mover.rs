//! What a rename to another shard needs of that shard and others. Around the state machine; runs by itself once an object
//! has departed, so that it comes to an end whatever becomes of the gateway that asked.

use crate::job::Job;
use crate::shard::Shard;
use crate::state::Command;
use crate::state::effects::{Effects, Output};
use crate::state::rename::Departing;
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use pocket_api::cluster::Directory;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::metadata::{
    Answer, Committed, JobRef, Metadata, MetadataError, Rename, Reply, Request, ShardRequest,
};
use pocket_api::names::ObjectKey;
use std::sync::Arc;
use std::time::Duration;

/// Pause before a shard is asked again whether an object has arrived, until it answers or is declared dead.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// A call to another shard that takes longer is given up, and its outcome asked for.
const CALL_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a request waits for an object that is on its way: far longer than two calls between shards take, and short
/// enough to be answered before clients give up.
const SETTLED_WITHIN: Duration = Duration::from_secs(2);

impl Shard {
    pub(crate) async fn rename(
        &self,
        job: Arc<Job>,
        by: JobRef,
        rename: Box<Rename>,
    ) -> Result<Answer, MetadataError> {
        let id = rename.rename;
        let request = Request::Rename(rename);
        let command = Command::Request { epoch: by.epoch, until: by.until, request, payload: Bytes::new() };
        let departing = match self.apply(&job, command)? {
            Output::Answer(answer) => return Ok(answer),
            Output::Departing(departing) => departing,
            other => unreachable!("a rename was answered with {other:?}"),
        };
        let mover = Mover { directory: self.directory.clone(), job: by, rename: id };
        let outbox = self.outbox.clone();
        let moved = self.env.spawn(async move {
            let (from, at) = (departing.from.clone(), departing.to);
            let outcome = mover.bring(*departing).await;
            let arrived = outcome.as_ref().ok().map(|committed| (at, committed.clone()));
            let (settled, effects): (_, Effects) =
                job.apply(Command::SettleDeparture { from, rename: id, arrived });
            outbox.post(job.id, &effects);
            settled.and(outcome)
        });
        let outcome = moved.await.map_err(|error| MetadataError::Unavailable(format!("rename: {error}")))?;
        Ok(Reply::Committed(outcome?).into())
    }

    /// Waits, but not for long, until the object that a request is about is either here or gone.
    pub(crate) async fn until_settled(&self, job: &Job, request: &Request) {
        let Some(key) = key_of(request) else { return };
        let is_moving = || job.state.read().departures.contains(key);
        if !is_moving() {
            return;
        }
        let deadline = self.env.now() + SETTLED_WITHIN;
        let Ok(subscription) = job.waiters.subscribe(key.as_str(), deadline) else { return };
        while is_moving() && self.env.now() < deadline {
            subscription.woken().await;
        }
    }
}

/// The key that a request reads or changes. An arrival never waits: two objects could wait for each other.
fn key_of(request: &Request) -> Option<&ObjectKey> {
    match request {
        Request::Lookup(lookup) => Some(&lookup.key),
        Request::Commit(commit) => Some(&commit.key),
        Request::Append(append) => Some(&append.key),
        Request::AddReference(add) => Some(&add.key),
        Request::Complete(complete) => Some(&complete.key),
        Request::Rename(rename) => Some(&rename.from),
        Request::Parts { key, .. }
        | Request::Delete { key, .. }
        | Request::Describe { key }
        | Request::SetTags { key, .. }
        | Request::SetAcl { key, .. } => Some(key),
        _ => None,
    }
}

/// One rename, as the other shards see it.
struct Mover {
    directory: Arc<dyn Directory>,
    job: JobRef,
    rename: WriteId,
}

impl Mover {
    /// Brings an object to its new shard. An error means that it never arrives there.
    async fn bring(mut self, departing: Departing) -> Result<Committed, MetadataError> {
        let Departing { to, forks, arrive, payload, .. } = departing;
        let homes: Vec<NodeId> = forks.iter().map(|(home, _)| *home).collect();
        let forked = try_join_all(forks.iter().map(|&(home, manifest)| {
            let request = Request::ForkReference { manifest, reference: self.rename, holder: to };
            self.call(home, request, Bytes::new())
        }));
        let outcome = match forked.await {
            Ok(_) => self.call(to, Request::Arrive(arrive), payload).await,
            Err(error) => Err(error),
        };
        let outcome = match outcome {
            Ok(Answer { reply: Reply::Committed(committed), .. }) => Ok(committed),
            Ok(other) => {
                Err(MetadataError::Unavailable(format!("an arrival was answered with {:?}", other.reply)))
            }
            Err(MetadataError::Unavailable(reason)) => self.ask(to, reason).await,
            Err(refused) => Err(refused),
        };
        let told = match &outcome {
            // With the arrival the new shard's own references became counts of its object.
            Ok(_) => ShardRequest::ConfirmReferences(vec![(self.job.job, self.rename)]),
            Err(_) => ShardRequest::ReleaseReferences(vec![(self.job.job, self.rename)]),
        };
        let is_told = |home: &NodeId| *home != to || outcome.is_err();
        // A home that does not hear it asks the holder later.
        join_all(homes.into_iter().filter(is_told).map(|home| {
            let (shard, told) = (self.directory.shard(home), told.clone());
            async move {
                if let Some(shard) = shard {
                    let _ = tokio::time::timeout(CALL_TIMEOUT, shard.shard(told)).await;
                }
            }
        }))
        .await;
        outcome
    }

    /// Whether the object arrived, asked until there is an answer: "no" is for good.
    async fn ask(&mut self, at: NodeId, reason: String) -> Result<Committed, MetadataError> {
        loop {
            match self.call(at, Request::AskArrival { rename: self.rename }, Bytes::new()).await {
                Ok(Answer { reply: Reply::Arrived(Some(committed)), .. }) => return Ok(*committed),
                Ok(Answer { reply: Reply::Arrived(None), .. }) => {
                    return Err(MetadataError::Unavailable(reason));
                }
                // With its last shard gone, or the job, nothing has arrived that anybody can see.
                Err(MetadataError::NoSuchJob) => return Err(MetadataError::NoSuchJob),
                Err(MetadataError::StaleEpoch(epoch)) => self.job.epoch = epoch,
                Err(_) if self.directory.view().is_dead(at) => {
                    return Err(MetadataError::Unavailable(reason));
                }
                _ => {}
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    async fn call(&self, at: NodeId, request: Request, payload: Bytes) -> Result<Answer, MetadataError> {
        let unavailable = |what: &str| MetadataError::Unavailable(format!("shard {at} {what}"));
        let shard: Arc<dyn Metadata> =
            self.directory.shard(at).ok_or_else(|| unavailable("is not reachable"))?;
        let answer = shard.job(self.job, request, payload);
        tokio::time::timeout(CALL_TIMEOUT, answer).await.map_err(|_| unavailable("did not answer in time"))?
    }
}
