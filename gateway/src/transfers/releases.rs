//! Reads that are over, on their way back to the shards that granted their leases: a lane for each shard, so that one that
//! hangs holds up its own and no others. Counted reads go at once, the rest in batches.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pocket_api::cluster::Directory;
use pocket_api::env::Env;
use pocket_api::ids::{JobId, LeaseId, NodeId};
use pocket_api::metadata::{Delivery, ShardRequest};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// Most leases or writes in one call: some 32 KiB on the wire.
pub(super) const BATCH_MAX: usize = 1_024;

/// How long ended reads wait for others to be released with. Long enough to make batches under load, short enough
/// that nobody notices; counted reads do not wait.
const RELEASE_DELAY: Duration = Duration::from_millis(2);
/// A batch whose shard has not answered by then is over: what it was to release lapses with its leases.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);
/// A confirmed read is said again this often before its lease is left to lapse, which would give the read back.
const RELEASE_TRIES: u8 = 4;
/// What a shard did not take is said again after this: together with [`RELEASE_TRIES`] well within a lease's life, and long
/// enough for a connection that broke to come back. What ends meanwhile does not wait for that.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

pub(super) struct Releases {
    directory: Arc<dyn Directory>,
    env: Env,
    /// One for every shard that granted a lease since the start and is not known to be dead.
    lanes: ArcSwap<HashMap<NodeId, Arc<Lane>>>,
    /// How often shards were told of counted reads.
    told: AtomicU64,
}

/// Of one shard.
pub(super) struct Lane {
    shard: NodeId,
    state: Mutex<State>,
    /// A counted read has come.
    hurry: Notify,
    /// [`State::told`] has grown.
    told: Notify,
}

#[derive(Default)]
struct State {
    waiting: Vec<EndedRead>,
    /// A counted read is among them.
    urgent: bool,
    /// A task empties it.
    busy: bool,
    /// Counted reads that have ended since the start.
    counted: u64,
    /// How many of them the shard was told of, in the order of their ends.
    told: u64,
    /// What [`Releases::told`] was afterwards.
    told_at: u64,
}

#[derive(Clone, Copy)]
pub(super) struct EndedRead {
    pub(super) job: JobId,
    pub(super) lease: LeaseId,
    pub(super) delivery: Delivery,
    /// How often it was said already.
    pub(super) tries: u8,
}

impl Releases {
    pub(super) fn new(directory: Arc<dyn Directory>, env: Env) -> Arc<Self> {
        Arc::new(Self { directory, env, lanes: ArcSwap::default(), told: AtomicU64::new(0) })
    }

    pub(super) fn lane(&self, shard: NodeId) -> Arc<Lane> {
        if let Some(lane) = self.lanes.load().get(&shard) {
            return lane.clone();
        }
        let own =
            Arc::new(Lane { shard, state: Mutex::default(), hurry: Notify::new(), told: Notify::new() });
        let view = self.directory.view();
        self.lanes.rcu(|lanes| {
            let mut lanes = HashMap::clone(lanes);
            lanes.retain(|shard, _| !view.is_dead(*shard));
            lanes.entry(shard).or_insert_with(|| own.clone());
            lanes
        });
        self.lanes.load().get(&shard).cloned().unwrap_or(own)
    }

    /// A read is over. `counted` as in [`pocket_api::metadata::Found`].
    pub(super) fn end(self: &Arc<Self>, lane: &Arc<Lane>, read: EndedRead, counted: bool) {
        self.say(lane, [read], counted);
    }

    /// `counted`: one of them is told of for the first time, and waited for.
    fn say(self: &Arc<Self>, lane: &Arc<Lane>, reads: impl IntoIterator<Item = EndedRead>, counted: bool) {
        let mut state = lane.state.lock();
        state.waiting.extend(reads);
        state.urgent |= counted;
        state.counted += u64::from(counted);
        let is_first = !std::mem::replace(&mut state.busy, true);
        drop(state);
        if is_first {
            self.env.spawn(self.clone().empty(lane.clone()));
        } else if counted {
            lane.hurry.notify_one();
        }
    }

    async fn say_again(self: Arc<Self>, lane: Arc<Lane>, reads: Vec<EndedRead>) {
        tokio::time::sleep(RETRY_PAUSE).await;
        self.say(&lane, reads, false);
    }

    /// Until nothing is left.
    async fn empty(self: Arc<Self>, lane: Arc<Lane>) {
        loop {
            if !lane.state.lock().urgent {
                let _ = tokio::time::timeout(RELEASE_DELAY, lane.hurry.notified()).await;
            }
            let (reads, counted) = {
                let mut state = lane.state.lock();
                state.urgent = false;
                if state.waiting.is_empty() {
                    state.busy = false;
                    return;
                }
                (std::mem::take(&mut state.waiting), state.counted)
            };
            let mut unheard = Vec::new();
            for batch in reads.chunks(BATCH_MAX) {
                unheard.extend(self.release(lane.shard, batch).await);
            }
            self.tell(&lane, counted);
            if !unheard.is_empty() {
                self.env.spawn(self.clone().say_again(lane.clone(), unheard));
            }
        }
    }

    /// What has to be said again.
    async fn release(&self, shard: NodeId, batch: &[EndedRead]) -> Vec<EndedRead> {
        let Some(metadata) = self.directory.shard(shard) else { return Vec::new() };
        let release = batch.iter().map(|r| (r.job, r.lease, r.delivery)).collect();
        let call = metadata.shard(ShardRequest::Release(release));
        if let Ok(Ok(_)) = tokio::time::timeout(RELEASE_DEADLINE, call).await {
            return Vec::new();
        }
        let again = batch.iter().filter(|r| r.delivery == Delivery::Sent && r.tries < RELEASE_TRIES);
        again.map(|read| EndedRead { tries: read.tries + 1, ..*read }).collect()
    }

    fn tell(&self, lane: &Lane, counted: u64) {
        let mut state = lane.state.lock();
        if counted > state.told {
            state.told = counted;
            state.told_at = self.told.fetch_add(1, Ordering::AcqRel) + 1;
            lane.told.notify_waiters();
        }
    }

    pub(super) fn told(&self) -> u64 {
        self.told.load(Ordering::Acquire)
    }

    /// See [`super::Transfers::settle`]. No longer than two rounds of [`RELEASE_DEADLINE`].
    pub(super) async fn settle(&self, shard: NodeId, since: u64) -> bool {
        let Some(lane) = self.lanes.load().get(&shard).cloned() else { return false };
        let ended = {
            let state = lane.state.lock();
            if state.told == state.counted {
                return state.told_at > since;
            }
            state.counted
        };
        let until_told = async {
            loop {
                let mut told = std::pin::pin!(lane.told.notified());
                // Before the look, so that what comes between it and the wait is not missed.
                told.as_mut().enable();
                if lane.state.lock().told >= ended {
                    return;
                }
                told.await;
            }
        };
        let _ = tokio::time::timeout(2 * RELEASE_DEADLINE, until_told).await;
        true
    }
}
