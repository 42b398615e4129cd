//! Everything that is under way: reads that hold a lease, writes that hold space. Keeps leases and reservations alive
//! while bytes move, cuts connections on which they do not, and gives leases back in batches.
//!
//! Losing this table loses nothing: leases lapse and storage servers ask about silent writes by themselves.

use crate::context::Connection;
use bytes::Bytes;
use parking_lot::Mutex;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::cluster::Directory;
use pocket_api::control::Placement;
use pocket_api::ids::{JobId, LeaseId, NodeId, WriteId};
use pocket_api::limits::{READ_LEASE, TRANSFER_STALL, WRITE_TOUCH_EVERY};
use pocket_api::metadata::{Delivery, JobRef, Request, ShardReply, ShardRequest};
use slab::Slab;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::MissedTickBehavior;

/// How often stalled transfers are looked for: small against [`TRANSFER_STALL`].
const SWEEP_EVERY: Duration = Duration::from_secs(1);
/// Two renewals of a lease may be lost.
const RENEW_EVERY: Duration = Duration::from_secs(READ_LEASE.as_secs() / 3);
/// How often is looked which jobs have to hear that they are in use. Small against every idle TTL that makes sense:
/// shards say only once a second how long a job was idle.
const PING_TICK: Duration = Duration::from_millis(250);
/// A shard that does not answer a ping must not keep others from hearing theirs.
const PING_DEADLINE: Duration = Duration::from_millis(250);
/// How long ended reads wait for others to be released with. Long enough to make batches under load, short enough
/// that nobody notices; counted reads do not wait.
const RELEASE_DELAY: Duration = Duration::from_millis(2);
/// A batch whose shard has not answered by then is over: what it was to release lapses with its leases.
const RELEASE_DEADLINE: Duration = Duration::from_secs(2);
/// A confirmed read is said again this often before its lease is left to lapse, which would give the read back.
const RELEASE_TRIES: u8 = 4;
/// Most leases or writes in one call: some 32 KiB on the wire.
const BATCH_MAX: usize = 1_024;

pub(crate) struct Transfers {
    directory: Arc<dyn Directory>,
    clock: Arc<dyn Clock>,
    /// Where work that outlives a request runs: connections may live on other event loops.
    handle: Handle,
    open: Mutex<Slab<Open>>,
    ended: Mutex<Ended>,
    ended_some: Notify,
    /// How many of the counted reads that ended their shards have been told of, in the order of their ends.
    told: watch::Sender<u64>,
}

/// One transfer.
struct Open {
    job: JobId,
    holds: Holds,
    /// Weak, because the connection may itself own the end of the transfer.
    connection: Weak<Connection>,
    /// When bytes last moved, in milliseconds of the gateway's clock.
    moved: Arc<AtomicU64>,
}

/// What has to be kept alive elsewhere.
enum Holds {
    Lease(Lease),
    Space { write: WriteId, servers: Vec<NodeId>, used: Option<Used> },
}

/// A job that ends by idleness and is written to. Its shards see leases and requests, but no body that is on its way.
struct Used {
    /// Where the write will be committed.
    shard: NodeId,
    job: JobRef,
    every: Duration,
    ping_at: Timestamp,
}

/// A read lease and the shard that granted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) shard: NodeId,
    pub(crate) id: LeaseId,
}

/// Reads that are over and not yet released.
#[derive(Default)]
struct Ended {
    by_shard: HashMap<NodeId, Vec<EndedRead>>,
    /// A counted read is among them.
    urgent: bool,
    /// Counted reads that have ended since the start.
    counted: u64,
}

#[derive(Clone, Copy)]
struct EndedRead {
    job: JobId,
    lease: LeaseId,
    delivery: Delivery,
    tries: u8,
}

impl Transfers {
    /// Must be called within a runtime; its tasks end when the value is dropped.
    pub(crate) fn start(directory: Arc<dyn Directory>, clock: Arc<dyn Clock>) -> Arc<Self> {
        let transfers = Arc::new(Self {
            directory,
            clock,
            handle: Handle::current(),
            open: Mutex::default(),
            ended: Mutex::default(),
            ended_some: Notify::new(),
            told: watch::Sender::new(0),
        });
        let weak = Arc::downgrade(&transfers);
        tokio::spawn(every(SWEEP_EVERY, weak.clone(), |t| async move { t.cut_stalled(t.clock.now()) }));
        tokio::spawn(every(RENEW_EVERY, weak.clone(), |t| async move { t.renew().await }));
        tokio::spawn(every(WRITE_TOUCH_EVERY, weak.clone(), |t| async move { t.touch().await }));
        tokio::spawn(every(PING_TICK, weak.clone(), |t| async move { t.ping(t.clock.now()).await }));
        tokio::spawn(release_ended(weak));
        transfers
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    fn add(self: &Arc<Self>, job: JobId, holds: Holds, connection: &Arc<Connection>) -> Ticket {
        let moved = Arc::new(AtomicU64::new(self.clock.now().0));
        let open = Open { job, holds, connection: Arc::downgrade(connection), moved: moved.clone() };
        let slot = self.open.lock().insert(open);
        Ticket { transfers: self.clone(), slot, moved }
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
        OpenRead { ticket, job, lease, counted, delivery: Delivery::Failed }
    }

    /// A PUT that will be committed at `shard` has got space on these servers, or needs none.
    pub(crate) fn write(
        self: &Arc<Self>,
        placement: &Placement,
        shard: NodeId,
        write: WriteId,
        servers: Vec<NodeId>,
        connection: &Arc<Connection>,
    ) -> Ticket {
        let used = placement.hints.idle_ttl.map(|idle_ttl| Used {
            shard,
            job: JobRef { job: placement.job, epoch: placement.epoch },
            // Two pings may be lost.
            every: WRITE_TOUCH_EVERY.min(idle_ttl / 3),
            ping_at: self.clock.now(),
        });
        self.add(placement.job, Holds::Space { write, servers, used }, connection)
    }

    /// Jobs that have transfers.
    pub(crate) fn jobs(&self) -> Vec<JobId> {
        self.open.lock().iter().map(|(_, open)| open.job).collect()
    }

    /// Cuts what is still going on for jobs that have ended.
    pub(crate) fn drop_jobs(&self, ended: &[JobId]) {
        self.cut(|open| ended.contains(&open.job));
    }

    fn cut(&self, condemned: impl Fn(&Open) -> bool) {
        // Cut outside of the lock: the end of a connection takes its transfers out of the table.
        let connections: Vec<_> = {
            let open = self.open.lock();
            open.iter().filter(|(_, o)| condemned(o)).filter_map(|(_, o)| o.connection.upgrade()).collect()
        };
        connections.iter().for_each(|connection| connection.cut());
    }

    fn cut_stalled(&self, now: Timestamp) {
        self.cut(|open| now.since(Timestamp(open.moved.load(Ordering::Relaxed))) > TRANSFER_STALL);
    }

    async fn renew(&self) {
        let mut by_shard: HashMap<NodeId, Vec<(JobId, LeaseId)>> = HashMap::new();
        for (_, open) in self.open.lock().iter() {
            if let Holds::Lease(lease) = &open.holds {
                by_shard.entry(lease.shard).or_default().push((open.job, lease.id));
            }
        }
        let calls = by_shard
            .into_iter()
            .filter_map(|(shard, leases)| Some((self.directory.shard(shard)?, shard, leases)));
        let calls = calls.map(|(metadata, shard, leases)| async move {
            for batch in leases.chunks(BATCH_MAX) {
                // A shard that does not answer is asked again in time; until then its leases live on.
                if let Ok(ShardReply::LeasesEnded(ended)) =
                    metadata.shard(ShardRequest::Renew(batch.to_vec())).await
                {
                    self.cut(|open| {
                        matches!(open.holds, Holds::Lease(l)
                        if l.shard == shard && ended.contains(&(open.job, l.id)))
                    });
                }
            }
        });
        futures::future::join_all(calls).await;
    }

    async fn touch(&self) {
        let mut by_server: HashMap<NodeId, Vec<WriteId>> = HashMap::new();
        for (_, open) in self.open.lock().iter() {
            if let Holds::Space { write, servers, .. } = &open.holds {
                servers.iter().for_each(|&server| by_server.entry(server).or_default().push(*write));
            }
        }
        let calls = by_server
            .into_iter()
            .filter_map(|(server, writes)| Some((self.directory.server(server)?, writes)));
        let calls = calls.map(|(chunks, writes)| async move {
            for batch in writes.chunks(BATCH_MAX) {
                // Two more touches come before the server would ask about these writes.
                let _ = chunks.touch(batch.to_vec()).await;
            }
        });
        futures::future::join_all(calls).await;
    }

    /// Tells the shards of jobs that end by idleness that they are being written to.
    async fn ping(&self, now: Timestamp) {
        let calls = self.pings_due(now).into_iter().filter_map(|(shard, job)| {
            let metadata = self.directory.shard(shard)?;
            Some(async move {
                // It counts as use whatever the answer, a stale epoch included.
                let ping = metadata.job(job, Request::Ping, Bytes::new());
                let _ = tokio::time::timeout(PING_DEADLINE, ping).await;
            })
        });
        futures::future::join_all(calls).await;
    }

    fn pings_due(&self, now: Timestamp) -> HashSet<(NodeId, JobRef)> {
        let mut due = HashSet::new();
        for (_, open) in self.open.lock().iter_mut() {
            if let Holds::Space { used: Some(used), .. } = &mut open.holds
                && used.ping_at <= now
            {
                used.ping_at = now + used.every;
                due.insert((used.shard, used.job));
            }
        }
        due
    }

    fn end_read(&self, shard: NodeId, read: EndedRead, counted: bool) {
        let mut ended = self.ended.lock();
        ended.by_shard.entry(shard).or_default().push(read);
        ended.urgent |= counted;
        ended.counted += u64::from(counted);
        drop(ended);
        self.ended_some.notify_one();
    }

    async fn release(&self) {
        let (by_shard, counted) = {
            let mut ended = self.ended.lock();
            ended.urgent = false;
            (std::mem::take(&mut ended.by_shard), ended.counted)
        };
        let calls = by_shard.into_iter().map(|(shard, reads)| async move {
            for batch in reads.chunks(BATCH_MAX) {
                self.release_batch(shard, batch).await;
            }
        });
        futures::future::join_all(calls).await;
        self.told.send_replace(counted);
    }

    /// How many counted reads have ended so far of which the shards have been told, to be asked for before a lookup.
    pub(crate) fn settled(&self) -> u64 {
        *self.told.borrow()
    }

    /// Waits until the shards have been told of all counted reads that have ended by now; whether a lookup since
    /// [`Self::settled`] may have been answered before they were. No longer than two rounds of [`RELEASE_DEADLINE`].
    pub(crate) async fn settle(&self, settled: u64) -> bool {
        let ended = self.ended.lock().counted;
        if settled >= ended {
            return false;
        }
        let mut told = self.told.subscribe();
        // The sender lives as long as the table.
        let _ = tokio::time::timeout(2 * RELEASE_DEADLINE, told.wait_for(|&told| told >= ended)).await;
        true
    }

    async fn release_batch(&self, shard: NodeId, batch: &[EndedRead]) {
        let Some(metadata) = self.directory.shard(shard) else { return };
        let release = batch.iter().map(|r| (r.job, r.lease, r.delivery)).collect();
        let call = metadata.shard(ShardRequest::Release(release));
        if let Ok(Ok(_)) = tokio::time::timeout(RELEASE_DEADLINE, call).await {
            return;
        }
        for read in batch.iter().filter(|r| r.delivery == Delivery::Sent && r.tries < RELEASE_TRIES) {
            self.end_read(shard, EndedRead { tries: read.tries + 1, ..*read }, false);
        }
    }
}

/// Runs `work` every `period` for as long as the table is in use.
async fn every<F: Future<Output = ()>>(
    period: Duration,
    table: Weak<Transfers>,
    work: impl Fn(Arc<Transfers>) -> F,
) {
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(transfers) = table.upgrade() else { return };
        work(transfers).await;
    }
}

async fn release_ended(table: Weak<Transfers>) {
    loop {
        // Woken by the end of a read, or now and then to see whether the table is still in use.
        let Some(transfers) = table.upgrade() else { return };
        if tokio::time::timeout(SWEEP_EVERY, transfers.ended_some.notified()).await.is_err() {
            continue;
        }
        if !transfers.ended.lock().urgent {
            tokio::time::sleep(RELEASE_DELAY).await;
        }
        transfers.release().await;
    }
}

/// A transfer's place in the table; leaves it when dropped.
pub(crate) struct Ticket {
    transfers: Arc<Transfers>,
    slot: usize,
    moved: Arc<AtomicU64>,
}

impl Ticket {
    /// Bytes have moved.
    pub(crate) fn progress(&self) {
        self.moved.store(self.transfers.clock.now().0, Ordering::Relaxed);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.transfers.open.lock().try_remove(self.slot);
    }
}

/// A read under a lease. Dropping it gives the lease back, as failed unless the last byte was seen to be sent.
pub(crate) struct OpenRead {
    ticket: Ticket,
    job: JobId,
    lease: Lease,
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
        let read = EndedRead { job: self.job, lease: self.lease.id, delivery: self.delivery, tries: 0 };
        self.ticket.transfers.end_read(self.lease.shard, read, self.counted);
    }
}
