//! Room for a write: its size cut into chunks, a server drawn by weight for each, all of it reserved before the first
//! byte of a body is read. Room that nobody committed is given back when it is dropped.

use crate::placements::Bucket;
use bytes::Bytes;
use futures::future::join_all;
use pocket_api::budget::Shortage;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::cluster::{ClusterView, Directory, NodeState, Role};
use pocket_api::control::Weight;
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, NodeId, WriteId};
use pocket_api::limits::CHUNK_MAX_BYTES;
use pocket_api::object::Extent;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Why there is no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SpaceError {
    /// More than all servers together can hold.
    NeverFits { capacity_bytes: u64 },
    /// Not now. How full the servers are that were asked; `None` where none could be.
    Full(Option<Shortage>),
}

/// Lengths of the chunks of an object; all but the last are [`CHUNK_MAX_BYTES`].
fn chunk_sizes(size: u64) -> Vec<u32> {
    let whole = (size / u64::from(CHUNK_MAX_BYTES)) as usize;
    let rest = (size % u64::from(CHUNK_MAX_BYTES)) as u32;
    let mut sizes = vec![CHUNK_MAX_BYTES; whole];
    sizes.extend((rest > 0).then_some(rest));
    sizes
}

/// From 0 up to 1, of a number that is uniform over all: as many bits of it as there is room for.
fn share_of_one(draw: u64) -> f64 {
    const BITS: u32 = f64::MANTISSA_DIGITS;
    (draw >> (u64::BITS - BITS)) as f64 / (1_u64 << BITS) as f64
}

/// The server that a draw between 0 and 1 falls on. `weights` is not empty.
fn pick(weights: &[Weight], draw: f64) -> NodeId {
    let mut left = draw * weights.iter().map(|w| w.weight).sum::<f64>();
    for weight in weights {
        left -= weight.weight;
        if left < 0.0 {
            return weight.server;
        }
    }
    weights[weights.len() - 1].server
}

/// What these servers together can hold.
pub(crate) fn capacity_of(weights: &[Weight], view: &ClusterView) -> u64 {
    let nodes = weights.iter().filter_map(|weight| view.node(weight.server));
    nodes.map(|node| node.spec.capacity_bytes).fold(0, u64::saturating_add)
}

/// What all servers together can hold.
fn capacity_bytes(view: &ClusterView) -> u64 {
    view.with_role(Role::Storage).map(|node| node.spec.capacity_bytes).fold(0, u64::saturating_add)
}

/// Those servers of a job that may get new chunks: silent ones get none.
fn live(weights: &[Weight], view: &ClusterView) -> Vec<Weight> {
    let is_live = |w: &&Weight| view.node(w.server).is_some_and(|node| node.state == NodeState::Live);
    weights.iter().filter(is_live).copied().collect()
}

/// Reserves room for `size` bytes of a bucket, all or none, and names the act of writing that it is for. `shard` is
/// where it will be committed.
pub(crate) async fn reserve(
    directory: &Arc<dyn Directory>,
    env: &Env,
    bucket: &Bucket<'_>,
    shard: NodeId,
    mint: impl Fn() -> WriteId,
    size: u64,
) -> Result<(WriteId, Room), SpaceError> {
    let view = directory.view();
    let capacity_bytes = capacity_bytes(&view);
    if size > capacity_bytes {
        return Err(SpaceError::NeverFits { capacity_bytes });
    }
    let sizes = chunk_sizes(size);
    let mut servers = live(&bucket.placement.weights(), &view);
    let mut shortages = BTreeMap::new();
    loop {
        let (job, write) = (bucket.placement.job, mint());
        let request = Allocate { job, write, shard, sizes: Vec::new(), is_last: false };
        let mut room = Room {
            directory: directory.clone(),
            env: env.clone(),
            extents: vec![None; sizes.len()],
            given_back: true,
        };
        match room.allocate(&sizes, &mut servers, &mut shortages, &request).await {
            Ok(()) => return Ok((request.write, room)),
            Err(AllocateError::Full(shortage)) => return Err(SpaceError::Full(shortage)),
            // The server is out of the draw, so this ends. What it may have allocated it takes back by itself, because
            // this write id will never be committed.
            Err(AllocateError::Unsure) => {}
        }
    }
}

/// Why not all chunks of a room were allocated.
enum AllocateError {
    /// All servers that could be asked are full, see [`SpaceError::Full`].
    Full(Option<Shortage>),
    /// A server may or may not have allocated chunks that nobody here knows.
    Unsure,
}

async fn allocate(server: Option<Arc<dyn Chunks>>, request: Allocate) -> Result<Vec<ChunkId>, AllocateError> {
    let wanted = request.sizes.len();
    let Some(server) = server else { return Err(AllocateError::Full(None)) };
    match server.allocate(request).await {
        Ok(chunks) if chunks.len() == wanted => Ok(chunks),
        Err(ChunkError::Full(shortage)) => Err(AllocateError::Full(Some(shortage))),
        Err(ChunkError::NoSuchChunk) => Err(AllocateError::Full(None)),
        Err(ChunkError::Unavailable(_)) => Err(AllocateError::Unsure),
        outcome => {
            tracing::error!(wanted, ?outcome, "a storage server did not keep to the contract of allocations");
            Err(AllocateError::Unsure)
        }
    }
}

/// Reserved chunks in the order of their bytes. Gives them back when dropped, unless [`Room::keep`] was called.
pub(crate) struct Room {
    directory: Arc<dyn Directory>,
    env: Env,
    /// `None` only while reserving.
    extents: Vec<Option<Extent>>,
    given_back: bool,
}

impl Room {
    /// Draws a server for each chunk and asks all that were drawn at once. One that cannot give all that was drawn for it leaves
    /// `servers`, so there are at most as many rounds as servers. Where all were asked, one that was full is asked for the rest
    /// once more and knows that it is the last: it counts what it refuses, so that whatever a client is refused is counted
    /// once.
    async fn allocate(
        &mut self,
        sizes: &[u32],
        servers: &mut Vec<Weight>,
        shortages: &mut BTreeMap<NodeId, Shortage>,
        request: &Allocate,
    ) -> Result<(), AllocateError> {
        let mut missing: Vec<usize> = (0..sizes.len()).collect();
        while !missing.is_empty() && !servers.is_empty() {
            let mut drawn: BTreeMap<NodeId, Vec<usize>> = BTreeMap::new();
            for index in missing.drain(..) {
                let draw = if servers.len() == 1 { 0.0 } else { share_of_one(self.env.draw()) };
                drawn.entry(pick(servers, draw)).or_default().push(index);
            }
            missing = self.ask(drawn, sizes, servers, shortages, request).await?;
        }
        if missing.is_empty() {
            return Ok(());
        }
        let Some((&last, _)) = shortages.last_key_value() else { return Err(AllocateError::Full(None)) };
        let request = Allocate { is_last: true, ..request.clone() };
        let missing = self.ask([(last, missing)].into(), sizes, servers, shortages, &request).await?;
        if missing.is_empty() {
            return Ok(());
        }
        Err(AllocateError::Full(shortages.values().cloned().reduce(Shortage::and)))
    }

    /// Asks servers for these chunks; which of them are missing then. Those that had no room leave `servers` and say how full
    /// they are; those of which nothing is known leave both.
    async fn ask(
        &mut self,
        drawn: BTreeMap<NodeId, Vec<usize>>,
        sizes: &[u32],
        servers: &mut Vec<Weight>,
        shortages: &mut BTreeMap<NodeId, Shortage>,
        request: &Allocate,
    ) -> Result<Vec<usize>, AllocateError> {
        let asked = drawn.into_iter().map(|(server, indexes)| {
            let sizes = indexes.iter().map(|&i| sizes[i]).collect();
            let request = Allocate { sizes, ..request.clone() };
            let chunks = self.directory.server(server);
            async move { (server, indexes, allocate(chunks, request).await) }
        });
        let (mut missing, mut is_unsure) = (Vec::new(), false);
        for (server, indexes, answer) in join_all(asked).await {
            let error = match answer {
                Ok(chunks) => {
                    for (&i, chunk) in indexes.iter().zip(chunks) {
                        self.extents[i] = Some(Extent { chunk, len: sizes[i] });
                    }
                    continue;
                }
                Err(error) => error,
            };
            missing.extend(indexes);
            servers.retain(|w| w.server != server);
            match error {
                AllocateError::Full(Some(shortage)) => drop(shortages.insert(server, shortage)),
                AllocateError::Full(None) => {}
                AllocateError::Unsure => {
                    is_unsure = true;
                    shortages.remove(&server);
                }
            }
        }
        if is_unsure { Err(AllocateError::Unsure) } else { Ok(missing) }
    }

    pub(crate) fn extents(&self) -> impl Iterator<Item = Extent> {
        self.extents.iter().copied().flatten()
    }

    /// The servers that hold it.
    pub(crate) fn servers(&self) -> Vec<NodeId> {
        let mut servers: Vec<NodeId> = self.extents().map(|e| e.chunk.server).collect();
        servers.sort_unstable();
        servers.dedup();
        servers
    }

    /// Keeps room for the first `size` bytes, which are written. The chunk in which they end is filled up, because only
    /// a whole chunk can be read; the chunks behind it are given back.
    pub(crate) async fn shorten(&mut self, size: u64) -> Result<(), ChunkError> {
        let mut begins_at = 0;
        let mut kept = self.extents.len();
        for (i, slot) in self.extents.iter_mut().enumerate() {
            let Some(extent) = slot else { continue };
            let used = u32::try_from(size - begins_at).unwrap_or(u32::MAX).min(extent.len);
            begins_at += u64::from(used);
            if used == 0 {
                kept = kept.min(i);
            } else if used < extent.len {
                let node = extent.chunk.server;
                let gone = || ChunkError::Unavailable(format!("storage server {node} is not reachable"));
                let server = self.directory.server(node).ok_or_else(gone)?;
                let rest = Bytes::from(vec![0; (extent.len - used) as usize]);
                server.write(extent.chunk, used, rest).await?;
                extent.len = used;
            }
        }
        let unused = self.extents.split_off(kept);
        drop(Self { extents: unused, directory: self.directory.clone(), env: self.env.clone(), ..*self });
        Ok(())
    }

    /// A commit is on its way: from now on only the shard may say that these chunks are free.
    pub(crate) fn keep(&mut self) {
        self.given_back = false;
    }

    /// The commit was refused and had no effect.
    pub(crate) fn give_back(mut self) {
        self.given_back = true;
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.given_back {
            return;
        }
        let mut by_server: BTreeMap<NodeId, Vec<ChunkId>> = BTreeMap::new();
        self.extents().for_each(|e| by_server.entry(e.chunk.server).or_default().push(e.chunk));
        for (server, chunks) in by_server {
            // A server that cannot be reached now asks the shard about the write by itself, and is told to drop it.
            let Some(server) = self.directory.server(server) else { continue };
            self.env.spawn(async move {
                let _ = server.free(chunks).await;
            });
        }
    }
}

#[cfg(test)]
mod tests;
