//! Everything that is under way: reads that hold a lease, writes that hold space. Keeps leases and reservations alive
//! while bytes move, cuts connections on which they do not, and gives leases back in batches. Each shard and each server is
//! called by itself, and given up by its next turn: one that hangs delays nobody else.
//!
//! Losing this table loses nothing: leases lapse and storage servers ask about silent writes by themselves.

mod open;
mod releases;

pub(crate) use open::Lease;

use bytes::Bytes;
use open::{Heard, Holds, Open, OpenTransfers, Place, Used};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Directory;
use pocket_api::control::Placement;
use pocket_api::env::Env;
use pocket_api::ids::{JobId, LeaseId, NodeId, WriteId};
use pocket_api::limits::{READ_LEASE, TRANSFER_STALL, WRITE_TOUCH_EVERY};
use pocket_api::metadata::{Delivery, JobRef, Request, ShardReply, ShardRequest};
use pocket_edge::context::Connection;
use releases::{BATCH_MAX, EndedRead, Lane, Releases};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::MissedTickBehavior;

/// How often stalled transfers are looked for: small against [`TRANSFER_STALL`].
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Two renewals of a lease may be lost. One that is not answered by the next is given up.
const RENEW_EVERY: Duration = Duration::from_secs(READ_LEASE.as_secs() / 3);
/// How often is looked which jobs have to hear that they are in use. Small against every idle TTL that makes sense:
/// shards say only once a second how long a job was idle.
const PING_TICK: Duration = Duration::from_millis(250);
/// A shard that does not answer a ping must not keep others from hearing theirs.
const PING_DEADLINE: Duration = Duration::from_millis(250);

pub(crate) struct Transfers {
    directory: Arc<dyn Directory>,
    env: Env,
    open: OpenTransfers,
    releases: Arc<Releases>,
}

impl Transfers {
    /// Its tasks end when the value is dropped.
    pub(crate) fn start(directory: Arc<dyn Directory>, env: Env) -> Arc<Self> {
        let releases = Releases::new(directory.clone(), env.clone());
        let open = OpenTransfers::default();
        let transfers = Arc::new(Self { directory, env: env.clone(), open, releases });
        let weak = Arc::downgrade(&transfers);
        env.spawn(every(SWEEP_EVERY, weak.clone(), |t| t.cut_stalled(t.env.now())));
        env.spawn(every(RENEW_EVERY, weak.clone(), Self::renew));
        env.spawn(every(WRITE_TOUCH_EVERY, weak.clone(), Self::touch));
        env.spawn(every(PING_TICK, weak, |t| t.ping(t.env.now())));
        transfers
    }

    fn add(self: &Arc<Self>, job: JobId, holds: Holds, connection: &Arc<Connection>) -> Ticket {
        let moved = Arc::new(AtomicU64::new(self.env.now().0));
        let (moved_at, seen_bytes) = (moved.clone(), connection.sent_bytes());
        let connection = Arc::downgrade(connection);
        let open = Open { job, holds, connection, moved: moved_at, seen_bytes };
        let place = self.open.insert(open);
        Ticket { transfers: self.clone(), place, moved }
    }

    /// A GET has got a lease. `counted` as in [`pocket_api::metadata::Found`].
    pub(crate) fn read(
        self: &Arc<Self>,
        job: JobId,
        lease: Lease,
        counted: bool,
        connection: &Arc<Connection>,
    ) -> OpenRead {
        let ticket = self.add(job, Holds::Lease(lease), connection);
        let lane = self.releases.lane(lease.shard);
        OpenRead { ticket, lane, job, lease: lease.id, counted, delivery: Delivery::Failed }
    }

    /// A lookup has got a lease for whom it is not: it goes back at once, and a counted read with it. `counted` as in
    /// [`Self::read`].
    pub(crate) fn give_back(&self, job: JobId, lease: Lease, counted: bool) {
        let read = EndedRead { job, lease: lease.id, delivery: Delivery::Failed, tries: 0 };
        self.releases.end(&self.releases.lane(lease.shard), read, counted);
    }

    /// A PUT that will be committed at `shard` has got space on these servers, or needs none. `asked`: a moment before the
    /// servers were asked for it.
    pub(crate) fn write(
        self: &Arc<Self>,
        placement: &Placement,
        shard: NodeId,
        write: WriteId,
        servers: Vec<NodeId>,
        asked: Timestamp,
        connection: &Arc<Connection>,
    ) -> Writing {
        let servers: Arc<[Heard]> = servers.into_iter().map(|server| Heard::new(server, asked)).collect();
        let used = placement.hints.idle_ttl.map(|idle_ttl| Used {
            shard,
            job: JobRef::new(placement.job, placement.epoch),
            // Two pings may be lost.
            every: WRITE_TOUCH_EVERY.min(idle_ttl / 3),
            ping_at: self.env.now(),
        });
        let holds = Holds::Space { write, servers: servers.clone(), used };
        Writing { ticket: self.add(placement.job, holds, connection), servers }
    }

    /// Jobs that have transfers.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.open.collect(|open| Some(open.job))
    }

    /// Cuts what is still going on for jobs that have ended.
    pub(crate) fn drop_jobs(&self, ended: &[JobId]) {
        let ended: BTreeSet<JobId> = ended.iter().copied().collect();
        if !ended.is_empty() {
            self.cut(|open| ended.contains(&open.job));
        }
    }

    fn cut(&self, condemned: impl Fn(&Open) -> bool) {
        // Cut outside of the lock: the end of a connection takes its transfers out of the table.
        let condemned = |open: &Open| condemned(open).then(|| open.connection.upgrade()).flatten();
        self.open.collect(condemned).iter().for_each(|connection| connection.cut());
    }

    fn cut_stalled(&self, now: Timestamp) {
        self.open.each(|open| open.look(now));
        self.cut(|open| now.since(Timestamp(open.moved.load(Ordering::Relaxed))) > TRANSFER_STALL);
    }

    fn renew(self: &Arc<Self>) {
        let mut by_shard: BTreeMap<NodeId, Vec<(JobId, LeaseId)>> = BTreeMap::new();
        self.open.each(|open| {
            if let Holds::Lease(lease) = &open.holds {
                by_shard.entry(lease.shard).or_default().push((open.job, lease.id));
            }
        });
        for (shard, leases) in by_shard {
            let transfers = self.clone();
            self.call(RENEW_EVERY, async move { transfers.renew_at(shard, leases).await });
        }
    }

    async fn renew_at(&self, shard: NodeId, leases: Vec<(JobId, LeaseId)>) {
        let Some(metadata) = self.directory.shard(shard) else { return };
        for batch in leases.chunks(BATCH_MAX) {
            // A shard that does not answer is asked again in time; until then its leases live on.
            if let Ok(ShardReply::LeasesEnded(ended)) =
                metadata.shard(ShardRequest::Renew(batch.to_vec())).await
            {
                if ended.is_empty() {
                    continue;
                }
                let ended: BTreeSet<_> = ended.into_iter().collect();
                self.cut(|open| {
                    matches!(open.holds, Holds::Lease(l) if l.shard == shard && ended.contains(&(open.job, l.id)))
                });
            }
        }
    }

    fn touch(self: &Arc<Self>) {
        let mut by_server: BTreeMap<NodeId, Vec<Touch>> = BTreeMap::new();
        self.open.each(|open| {
            if let Holds::Space { write, servers, .. } = &open.holds {
                for heard in servers.iter() {
                    let touch = Touch { write: *write, servers: servers.clone() };
                    by_server.entry(heard.server).or_default().push(touch);
                }
            }
        });
        for (server, writes) in by_server {
            let Some(chunks) = self.directory.server(server) else { continue };
            let env = self.env.clone();
            self.call(WRITE_TOUCH_EVERY, async move {
                for batch in writes.chunks(BATCH_MAX) {
                    let at = env.now();
                    // Two more touches come before the server would ask about these writes.
                    if chunks.touch(batch.iter().map(|touch| touch.write).collect()).await.is_ok() {
                        let heard = batch.iter().flat_map(|touch| touch.servers.iter());
                        heard.filter(|heard| heard.server == server).for_each(|heard| heard.at(at));
                    }
                }
            });
        }
    }

    /// Tells the shards of jobs that end by idleness that they are being written to.
    fn ping(self: &Arc<Self>, now: Timestamp) {
        for (shard, job) in self.pings_due(now) {
            let Some(metadata) = self.directory.shard(shard) else { continue };
            self.call(PING_DEADLINE, async move {
                // It counts as use whatever the answer, a stale epoch included.
                let _ = metadata.job(job, Request::Ping, Bytes::new()).await;
            });
        }
    }

    /// Does `work` beside everything else, for so long at most.
    fn call(&self, deadline: Duration, work: impl Future<Output = ()> + Send + 'static) {
        self.env.spawn(tokio::time::timeout(deadline, work));
    }

    fn pings_due(&self, now: Timestamp) -> BTreeSet<(NodeId, JobRef)> {
        let mut due = BTreeSet::new();
        self.open.each(|open| {
            if let Holds::Space { used: Some(used), .. } = &mut open.holds
                && used.ping_at <= now
            {
                used.ping_at = now + used.every;
                due.insert((used.shard, used.job));
            }
        });
        due
    }

    /// A moment before a lookup, for [`Self::settle`] after it.
    pub(crate) fn settled(&self) -> u64 {
        self.releases.told()
    }

    /// Waits until `shard` has been told of all counted reads of its that have ended by now; whether a lookup there since
    /// [`Self::settled`] may have been answered before it was.
    pub(crate) async fn settle(&self, shard: NodeId, settled: u64) -> bool {
        self.releases.settle(shard, settled).await
    }
}

/// A write that a server is told of.
struct Touch {
    write: WriteId,
    servers: Arc<[Heard]>,
}

/// Does `work`, which does not wait, every `period` for as long as the table is in use.
async fn every(period: Duration, table: Weak<Transfers>, work: impl Fn(&Arc<Transfers>)) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(transfers) = table.upgrade() else { return };
        work(&transfers);
    }
}

/// A PUT into chunks, which is kept alive at their servers.
pub(crate) struct Writing {
    ticket: Ticket,
    servers: Arc<[Heard]>,
}

impl Writing {
    pub(crate) fn ticket(&self) -> &Ticket {
        &self.ticket
    }

    /// Since when it is not certain that every server still keeps its chunks; `None` where it needs none.
    pub(crate) fn heard(&self) -> Option<Timestamp> {
        self.servers.iter().map(Heard::last).min()
    }
}

/// A transfer's place in the table; leaves it when dropped.
pub(crate) struct Ticket {
    transfers: Arc<Transfers>,
    place: Place,
    moved: Arc<AtomicU64>,
}

impl Ticket {
    /// Bytes have moved.
    pub(crate) fn progress(&self) {
        self.moved.store(self.transfers.env.now().0, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.transfers.open.remove(self.place);
    }
}

/// A read under a lease. Dropping it gives the lease back, as failed unless the last byte was seen to be sent.
pub(crate) struct OpenRead {
    ticket: Ticket,
    lane: Arc<Lane>,
    job: JobId,
    lease: LeaseId,
    counted: bool,
    delivery: Delivery,
}

impl OpenRead {
    pub(crate) fn progress(&self) {
        self.ticket.progress();
    }

    /// The last byte is in the socket, or there was none to send.
    pub(crate) fn sent(mut self) {
        self.delivery = Delivery::Sent;
    }

    /// The last frame was handed out: the read ends when the connection says what became of it.
    pub(crate) fn end_with(self, connection: &Connection) {
        connection.after_flush(Box::new(move |delivery| {
            let mut read = self;
            read.delivery = delivery;
        }));
    }
}

impl Drop for OpenRead {
    fn drop(&mut self) {
        let read = EndedRead { job: self.job, lease: self.lease, delivery: self.delivery, tries: 0 };
        self.ticket.transfers.releases.end(&self.lane, read, self.counted);
    }
}

#[cfg(test)]
mod tests;
