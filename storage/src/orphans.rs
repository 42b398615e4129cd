//! Finds writes that nobody finished: asks the shards about those that were silent for too long, and frees what no
//! shard knows. Nothing is freed for its age alone.

use crate::server::StorageServer;
use crate::writes::Question;
use futures::StreamExt;
use pocket_api::clock::Timestamp;
use pocket_api::ids::NodeId;
use pocket_api::metadata::{Fate, MetadataError, ShardReply, ShardRequest};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often the table of open writes is looked at: space comes back this much later at most.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Writes looked at in one sweep: more PUTs a second than this wait longer for their confirmation, and nothing else.
const WRITES_PER_SWEEP: usize = 65_536;
/// Writes looked at while the table is held: some 0.1 ms, after which others have their turn.
const WRITES_AT_ONCE: usize = 1_024;
/// Questions in one request, some 20 KiB of it; their answers are followed while the table is held.
const QUESTIONS_PER_REQUEST: usize = WRITES_AT_ONCE;
/// Requests under way at once: one slow shard does not hold up the others.
const REQUESTS_AT_ONCE: usize = 8;
/// A shard that does not answer is asked again; whoever does not within this time did not.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// When a shard that could not be asked, or does not know yet, is asked again. If it is dead its jobs will end, and their space with them.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(10);

/// Sweeps once a second until the server is dropped.
pub(crate) fn spawn_sweeps(server: &Arc<StorageServer>) {
    let (env, server) = (server.env.clone(), Arc::downgrade(server));
    env.spawn(async move {
        let mut tick = tokio::time::interval(SWEEP_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            let Some(server) = server.upgrade() else { return };
            server.traffic.show();
            server.give_back_ended().await;
            sweep(&server, server.env.now()).await;
        }
    });
}

/// One look at the open writes, with its questions and what follows from the answers.
pub(crate) async fn sweep(server: &StorageServer, now: Timestamp) {
    // Asked one by one, so that readers and writers of chunks get their turn in between.
    let exists = |number| server.arena.look(|space| space.holds(number));
    {
        let mut writes = server.writes.lock();
        writes.stay_bounded(server.arena.look(|space| space.chunks()), exists);
        server.traffic.open_writes.set(writes.len() as f64);
    }
    let mut by_shard: BTreeMap<NodeId, Vec<Question>> = BTreeMap::new();
    for _ in 0..WRITES_PER_SWEEP / WRITES_AT_ONCE {
        let (due, is_last) = {
            let mut writes = server.writes.lock();
            (writes.due(now, WRITES_AT_ONCE, exists), !writes.is_due(now))
        };
        due.into_iter().for_each(|question| by_shard.entry(question.shard).or_default().push(question));
        if is_last {
            break;
        }
        tokio::task::yield_now().await;
    }
    let requests: Vec<(NodeId, &[Question])> = by_shard
        .iter()
        .flat_map(|(&shard, questions)| {
            questions.chunks(QUESTIONS_PER_REQUEST).map(move |questions| (shard, questions))
        })
        .collect();
    futures::stream::iter(requests)
        .for_each_concurrent(REQUESTS_AT_ONCE, |(shard, questions)| async move {
            match ask(server, shard, questions).await {
                Ok(known) => settle(server, questions, &known, now),
                Err(error) => {
                    tracing::debug!(%shard, writes = questions.len(), %error, "could not ask about writes");
                    let mut writes = server.writes.lock();
                    questions.iter().for_each(|q| writes.put_off(q.write, now + ASK_AGAIN_AFTER));
                }
            }
        })
        .await;
}

/// One answer for each question.
async fn ask(
    server: &StorageServer,
    shard: NodeId,
    questions: &[Question],
) -> Result<Vec<Fate>, MetadataError> {
    let unavailable = |why: &str| MetadataError::Unavailable(why.to_owned());
    let Some(target) = server.directory.shard(shard) else { return Err(unavailable("not in the directory")) };
    let request = ShardRequest::AskWrites(questions.iter().map(|q| (q.job, q.write)).collect());
    let reply = tokio::time::timeout(ANSWER_WITHIN, target.shard(request)).await;
    match reply.map_err(|_| unavailable("no answer in time"))?? {
        ShardReply::Known(known) if known.len() == questions.len() => Ok(known),
        other => {
            Err(MetadataError::BadRequest(format!("{} questions answered by {other:?}", questions.len())))
        }
    }
}

fn settle(server: &StorageServer, questions: &[Question], known: &[Fate], now: Timestamp) {
    let mut writes = server.writes.lock();
    let mut orphaned = 0;
    let mut chunks = Vec::new();
    for (question, fate) in questions.iter().zip(known) {
        match fate {
            Fate::Held => writes.confirm(question.write),
            Fate::Never => {
                chunks.extend(writes.burn(question.write));
                orphaned += 1;
            }
            Fate::Open => writes.put_off(question.write, now + ASK_AGAIN_AFTER),
        }
    }
    drop(writes);
    if orphaned > 0 {
        tracing::debug!(writes = orphaned, chunks = chunks.len(), "freed writes that were never committed");
        server.traffic.orphans.increment(orphaned);
        server.arena.free(chunks);
    }
}

#[cfg(test)]
mod tests;
