//! Calls from the controller to the other planes, each with a deadline. Does not decide what an answer means.

use futures::future::join_all;
use pocket_api::cluster::Directory;
use pocket_api::ids::{JobId, NodeId, Term};
use pocket_api::metadata::{MetadataError, ShardReply, ShardRequest};
use std::time::Duration;
use tokio::time::timeout;

/// For telling a storage server that a job has ended. Short, because a client waits and a heartbeat makes up for it.
const END_JOBS_DEADLINE: Duration = Duration::from_millis(800);

/// Asks a shard. One that is not known or does not answer in time is [`MetadataError::Unavailable`], and may have done what was
/// asked.
pub(crate) async fn ask_shard(
    directory: &dyn Directory,
    node: NodeId,
    request: ShardRequest,
    deadline: Duration,
) -> Result<ShardReply, MetadataError> {
    let shard = directory
        .shard(node)
        .ok_or_else(|| MetadataError::Unavailable(format!("shard {node} is not known")))?;
    let answer = timeout(deadline, shard.shard(request)).await;
    let late = |_| MetadataError::Unavailable(format!("no answer from shard {node} in {deadline:?}"));
    answer.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

/// Tells storage servers that a job has ended. Those that do not hear it now learn it from the answer to their next
/// heartbeat.
pub(crate) async fn tell_ended(directory: &dyn Directory, servers: &[NodeId], term: Term, job: JobId) {
    join_all(servers.iter().map(|&node| async move {
        let Some(server) = directory.server(node) else {
            return;
        };
        match timeout(END_JOBS_DEADLINE, server.end_jobs(term, vec![job])).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%node, %job, %error, "server not told of the job's end"),
            Err(_) => tracing::debug!(%node, %job, "server too slow to be told of the job's end"),
        }
    }))
    .await;
}
