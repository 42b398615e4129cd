//! The promises of [`crate::chunks::Chunks`].
//!
//! The suite plays the gateways, and the shard that knows which writes were committed. What a server does by itself,
//! after the suite has moved the clock, is awaited and not slept for.

use crate::chunks::{Allocate, ChunkError, Chunks};
use crate::clock::{Clock, ManualClock, Timestamp};
use crate::cluster::{ClusterView, Directory};
use crate::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use crate::limits::{
    ALLOCATE_MAX_CHUNKS, CHUNK_GAPS_MAX, CHUNK_MAX_BYTES, WRITE_IDLE_BEFORE_ASKING, WRITE_TOUCH_EVERY,
};
use crate::metadata::{Answer, Fate, JobRef, Metadata, MetadataError, Request, ShardReply, ShardRequest};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Capacity of the servers that the suite is given.
pub const CAPACITY_BYTES: u64 = 16 << 20;

/// How long the suite waits for what a server does by itself.
const PATIENCE: Duration = Duration::from_secs(20);
const SHARD: NodeId = NodeId(5);
const JOB: JobId = JobId(1);

/// Runs every case on a server of its own. `make` builds one of [`CAPACITY_BYTES`] over the given directory and clock,
/// or the same seen over the wire. Panics with the promise that does not hold.
pub async fn suite<F, Made>(make: F)
where
    F: Fn(Arc<dyn Directory>, Arc<dyn Clock>) -> Made,
    Made: Future<Output = Arc<dyn Chunks>>,
{
    let fresh = async || {
        let ledger = Arc::new(Ledger::default());
        let clock = Arc::new(ManualClock::at(Timestamp(1_800_000_000_000)));
        let chunks = make(Arc::new(OneShard(ledger.clone())), clock.clone()).await;
        Seen { chunks, ledger, clock, writes: AtomicU64::new(0) }
    };
    chunks_come_back_as_they_were_written(fresh().await).await;
    parts_may_come_in_any_order(fresh().await).await;
    parts_may_come_side_by_side(fresh().await).await;
    gaps_are_bounded(fresh().await).await;
    bad_sizes_are_refused(fresh().await).await;
    bytes_outside_of_a_chunk_are_refused(fresh().await).await;
    a_byte_is_written_once(fresh().await).await;
    an_incomplete_chunk_is_not_read(fresh().await).await;
    unknown_chunks_are_not_found_and_freed_without_complaint(fresh().await).await;
    allocation_is_all_or_none_and_freed_space_is_used_again(fresh().await).await;
    chunk_ids_are_never_reused(fresh().await).await;
    bytes_that_were_read_outlive_their_chunk(fresh().await).await;
    the_end_of_a_job_takes_its_chunks_and_no_others(fresh().await).await;
    a_write_that_its_shard_does_not_know_is_given_back(fresh().await).await;
    a_write_that_is_touched_is_let_alone(fresh().await).await;
}

async fn chunks_come_back_as_they_were_written(s: Seen) {
    let sizes = [1, 63, 64, 65, 4_096, 65_535, 65_536, 700_001, CHUNK_MAX_BYTES];
    let chunks = s.allocate(JOB, &sizes).await.expect("there is room");
    assert_eq!(chunks.len(), sizes.len(), "a chunk for each size");
    for (seed, (&chunk, &size)) in chunks.iter().zip(&sizes).enumerate() {
        s.chunks.write(chunk, 0, content(seed, 0, size)).await.unwrap();
    }
    for (seed, (&chunk, &size)) in chunks.iter().zip(&sizes).enumerate() {
        let whole = s.chunks.read(chunk, 0, size).await.unwrap();
        assert!(whole == content(seed, 0, size), "a chunk of {size} bytes, whole");
        let (offset, len) = (size / 3, size - size / 3 - size / 4);
        let part = s.chunks.read(chunk, offset, len).await.unwrap();
        assert!(part == content(seed, offset, len), "{len} bytes at {offset} of {size}");
        assert_eq!(s.chunks.read(chunk, size, 0).await, Ok(Bytes::new()), "nothing at the end");
    }
}

async fn parts_may_come_in_any_order(s: Seen) {
    let chunk = s.allocate_one(JOB, 1_000).await;
    for (offset, len) in [(900, 100), (0, 1), (400, 300), (1, 399), (800, 100), (700, 100)] {
        s.chunks.write(chunk, offset, content(1, offset, len)).await.unwrap();
    }
    assert_eq!(s.chunks.read(chunk, 0, 1_000).await, Ok(content(1, 0, 1_000)));
}

async fn parts_may_come_side_by_side(s: Seen) {
    let (parts, len) = (64, CHUNK_MAX_BYTES / 64);
    let chunk = s.allocate_one(JOB, CHUNK_MAX_BYTES).await;
    let writers: Vec<_> = (0..parts)
        .map(|part| {
            let chunks = s.chunks.clone();
            tokio::spawn(async move { chunks.write(chunk, part * len, content(2, part * len, len)).await })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.expect("a writer does not panic"), Ok(()));
    }
    let whole = s.chunks.read(chunk, 0, CHUNK_MAX_BYTES).await.unwrap();
    assert!(whole == content(2, 0, CHUNK_MAX_BYTES), "every part is in its place");
}

async fn gaps_are_bounded(s: Seen) {
    let most = CHUNK_GAPS_MAX as u32;
    let len = 2 * most + 4;
    let chunk = s.allocate_one(JOB, len).await;
    let write = async |offset, len| s.chunks.write(chunk, offset, content(3, offset, len)).await;
    for i in 1..=most {
        assert_eq!(write(2 * i, 1).await, Ok(()), "run {i} of {most}");
    }
    let refused = write(len - 1, 1).await;
    assert!(matches!(refused, Err(ChunkError::BadRequest(_))), "one run too many: {refused:?}");
    assert_eq!(write(2 * most + 1, 1).await, Ok(()), "it joins the last run");
    write(0, 2).await.unwrap();
    assert_eq!(write(len - 1, 1).await, Ok(()), "the beginning has taken up a run");
    write(len - 2, 1).await.unwrap();
    for i in 1..most {
        write(2 * i + 1, 1).await.unwrap();
    }
    assert_eq!(s.chunks.read(chunk, 0, len).await, Ok(content(3, 0, len)));
}

async fn bad_sizes_are_refused(s: Seen) {
    let too_many = vec![1; ALLOCATE_MAX_CHUNKS + 1];
    for sizes in [vec![0], vec![10, 0], vec![CHUNK_MAX_BYTES + 1], vec![u32::MAX], too_many] {
        let answer = s.allocate(JOB, &sizes).await;
        let (first, count) = (sizes[0], sizes.len());
        assert!(matches!(answer, Err(ChunkError::BadRequest(_))), "{count} of {first}: {answer:?}");
    }
    assert_eq!(s.allocate(JOB, &[]).await, Ok(Vec::new()), "nothing asked, nothing given");
}

async fn bytes_outside_of_a_chunk_are_refused(s: Seen) {
    let chunk = s.allocate_one(JOB, 100).await;
    for (offset, len) in [(0, 101), (100, 1), (99, 2), (u32::MAX, 1), (u32::MAX - 1, 100)] {
        let written = s.chunks.write(chunk, offset, content(0, 0, len)).await;
        assert!(matches!(written, Err(ChunkError::BadRequest(_))), "write of {len} at {offset}: {written:?}");
    }
    s.chunks.write(chunk, 0, content(4, 0, 100)).await.expect("what was refused changed nothing");
    for (offset, len) in [(0, 101), (100, 1), (99, 2), (u32::MAX, 1), (1, u32::MAX), (101, 0)] {
        let read = s.chunks.read(chunk, offset, len).await;
        assert!(matches!(read, Err(ChunkError::BadRequest(_))), "read of {len} at {offset}: {read:?}");
        let written = s.chunks.write(chunk, 100, content(0, 0, 1)).await;
        assert!(matches!(written, Err(ChunkError::BadRequest(_))), "write to a full chunk: {written:?}");
    }
    assert_eq!(s.chunks.read(chunk, 0, 100).await, Ok(content(4, 0, 100)));
}

async fn a_byte_is_written_once(s: Seen) {
    let chunk = s.allocate_one(JOB, 100).await;
    s.chunks.write(chunk, 0, content(5, 0, 10)).await.unwrap();
    s.chunks.write(chunk, 50, content(5, 50, 10)).await.unwrap();
    for (offset, len) in [(0, 10), (9, 1), (5, 20), (49, 2), (59, 1), (10, 90)] {
        let again = s.chunks.write(chunk, offset, content(99, offset, len)).await;
        assert!(matches!(again, Err(ChunkError::BadRequest(_))), "{len} at {offset} again: {again:?}");
    }
    s.chunks.write(chunk, 10, content(5, 10, 40)).await.unwrap();
    s.chunks.write(chunk, 60, content(5, 60, 40)).await.unwrap();
    let again = s.chunks.write(chunk, 0, content(99, 0, 100)).await;
    assert!(matches!(again, Err(ChunkError::BadRequest(_))), "a full chunk again: {again:?}");
    assert_eq!(s.chunks.read(chunk, 0, 100).await, Ok(content(5, 0, 100)));
}

async fn an_incomplete_chunk_is_not_read(s: Seen) {
    let chunk = s.allocate_one(JOB, 100).await;
    for offset in [1, 2, 0] {
        let read = s.chunks.read(chunk, 1, 1).await;
        assert!(matches!(read, Err(ChunkError::BadRequest(_))), "{read:?}");
        let len = if offset == 2 { 98 } else { 1 };
        s.chunks.write(chunk, offset, content(6, offset, len)).await.unwrap();
    }
    assert_eq!(s.chunks.read(chunk, 1, 1).await, Ok(content(6, 1, 1)));
}

async fn unknown_chunks_are_not_found_and_freed_without_complaint(s: Seen) {
    let (known, freed) = (s.full(JOB, 100).await, s.full(JOB, 100).await);
    s.chunks.free(vec![freed]).await.unwrap();
    let never = ChunkId { number: known.number ^ (1 << 40), ..known };
    let elsewhere = ChunkId { server: NodeId(known.server.0 + 1), ..known };
    for chunk in [freed, never, elsewhere, ChunkId { number: u64::MAX, ..known }] {
        assert_eq!(s.chunks.read(chunk, 0, 1).await, Err(ChunkError::NoSuchChunk), "{chunk:?}");
        let written = s.chunks.write(chunk, 0, content(0, 0, 1)).await;
        assert_eq!(written, Err(ChunkError::NoSuchChunk), "{chunk:?}");
        assert_eq!(s.chunks.free(vec![chunk, chunk]).await, Ok(()), "{chunk:?}");
    }
    assert_eq!(s.chunks.read(known, 0, 100).await, Ok(content(0, 0, 100)), "the known one is untouched");
}

async fn allocation_is_all_or_none_and_freed_space_is_used_again(s: Seen) {
    let room = s.fill_up(JOB).await;
    assert!(room.len() as u64 * u64::from(CHUNK_MAX_BYTES) >= CAPACITY_BYTES / 2, "{} chunks", room.len());
    s.chunks.free(room[1..].to_vec()).await.unwrap();
    let too_many = vec![CHUNK_MAX_BYTES; room.len() + 1];
    for _ in 0..3 {
        assert!(matches!(s.allocate(JOB, &too_many).await, Err(ChunkError::Full(_))));
    }
    let again = s.allocate(JOB, &too_many[..room.len() - 1]).await;
    assert!(again.is_ok(), "a refused allocation takes nothing: {again:?}");
    assert!(matches!(s.allocate(JOB, &[CHUNK_MAX_BYTES]).await, Err(ChunkError::Full(_))));
}

async fn chunk_ids_are_never_reused(s: Seen) {
    let mut seen = HashSet::new();
    for _ in 0..50 {
        let chunks = s.allocate(JOB, &[CHUNK_MAX_BYTES, 1_000]).await.unwrap();
        assert!(chunks.iter().all(|&chunk| seen.insert(chunk)), "{chunks:?} again");
        s.chunks.free(chunks).await.unwrap();
    }
}

async fn bytes_that_were_read_outlive_their_chunk(s: Seen) {
    let freed = s.full(JOB, CHUNK_MAX_BYTES).await;
    let ended = s.full(JobId(2), CHUNK_MAX_BYTES).await;
    let mut bytes = Vec::new();
    for chunk in [freed, ended] {
        bytes.push(s.chunks.read(chunk, 0, CHUNK_MAX_BYTES).await.unwrap());
    }
    s.chunks.free(vec![freed]).await.unwrap();
    s.chunks.end_jobs(Term(1), vec![JobId(2)]).await.unwrap();
    for chunk in s.fill_up(JobId(3)).await {
        s.chunks.write(chunk, 0, content(77, 0, CHUNK_MAX_BYTES)).await.unwrap();
    }
    assert!(bytes.iter().all(|b| *b == content(0, 0, CHUNK_MAX_BYTES)), "their memory was used again");
}

async fn the_end_of_a_job_takes_its_chunks_and_no_others(s: Seen) {
    let (other, small) = (s.full(JobId(2), 1_000).await, s.full(JOB, 1_000).await);
    let room = s.fill_up(JOB).await;
    for _ in 0..2 {
        s.chunks.end_jobs(Term(3), vec![JOB, JobId(99)]).await.expect("an end can be repeated");
        let late = s.chunks.end_jobs(Term(2), vec![JobId(98)]).await;
        assert_eq!(late, Err(ChunkError::StaleTerm(Term(3))), "of an older controller");
        assert_eq!(s.allocate(JOB, &[1]).await, Err(ChunkError::NoSuchChunk), "the job is refused");
    }
    for chunk in [small, room[0]] {
        assert_eq!(s.chunks.read(chunk, 0, 1).await, Err(ChunkError::NoSuchChunk));
        assert_eq!(s.chunks.write(chunk, 0, content(0, 0, 1)).await, Err(ChunkError::NoSuchChunk));
    }
    assert_eq!(s.chunks.read(other, 0, 1_000).await, Ok(content(0, 0, 1_000)));
    let again = s.allocate(JobId(2), &vec![CHUNK_MAX_BYTES; room.len()]).await;
    assert!(again.is_ok(), "all of its space is back: {again:?}");
}

async fn a_write_that_its_shard_does_not_know_is_given_back(s: Seen) {
    let (committed, lost) = (s.write_id(), s.write_id());
    let kept = s.allocate_for(committed, JOB, &[1_000]).await.unwrap()[0];
    let orphan = s.allocate_for(lost, JOB, &[1_000]).await.unwrap()[0];
    s.ledger.with(|l| l.committed.insert(committed));
    s.clock.advance(WRITE_IDLE_BEFORE_ASKING - Duration::from_millis(1));
    s.chunks
        .write(orphan, 0, content(0, 0, 999))
        .await
        .expect("it is not given back before it was asked about");
    s.clock.advance(Duration::from_millis(1));
    let gone = async || s.chunks.write(orphan, 0, Bytes::new()).await == Err(ChunkError::NoSuchChunk);
    eventually("a write that the shard does not know is given back", gone).await;
    assert!(s.ledger.with(|l| l.asked.contains(&lost)), "only its shard's word gives a write back");
    assert_eq!(s.chunks.write(kept, 0, content(0, 0, 1_000)).await, Ok(()), "what was committed stays");
}

async fn a_write_that_is_touched_is_let_alone(s: Seen) {
    let (touched, silent) = (s.write_id(), s.write_id());
    let kept = s.allocate_for(touched, JOB, &[1_000]).await.unwrap()[0];
    s.allocate_for(silent, JOB, &[1_000]).await.unwrap();
    let mut passed = Duration::ZERO;
    while passed < WRITE_IDLE_BEFORE_ASKING {
        s.clock.advance(WRITE_TOUCH_EVERY);
        passed += WRITE_TOUCH_EVERY;
        s.chunks.touch(vec![touched, s.write_id()]).await.expect("unknown writes are passed over");
    }
    eventually("a silent write is asked about", async || s.ledger.with(|l| l.asked.contains(&silent))).await;
    assert!(!s.ledger.with(|l| l.asked.contains(&touched)), "nobody asks about a write that goes on");
    assert_eq!(s.chunks.write(kept, 0, content(0, 0, 1_000)).await, Ok(()));
}

/// A server as the suite sees it, with the world around it.
struct Seen {
    chunks: Arc<dyn Chunks>,
    ledger: Arc<Ledger>,
    clock: Arc<ManualClock>,
    writes: AtomicU64,
}

impl Seen {
    fn write_id(&self) -> WriteId {
        WriteId { gateway: NodeId(3), number: self.writes.fetch_add(1, Ordering::Relaxed) }
    }

    async fn allocate_for(
        &self,
        write: WriteId,
        job: JobId,
        sizes: &[u32],
    ) -> Result<Vec<ChunkId>, ChunkError> {
        self.chunks
            .allocate(Allocate { job, write, shard: SHARD, sizes: sizes.to_vec(), is_last: true })
            .await
    }

    async fn allocate(&self, job: JobId, sizes: &[u32]) -> Result<Vec<ChunkId>, ChunkError> {
        self.allocate_for(self.write_id(), job, sizes).await
    }

    async fn allocate_one(&self, job: JobId, size: u32) -> ChunkId {
        self.allocate(job, &[size]).await.expect("there is room")[0]
    }

    /// A chunk with the content of seed 0.
    async fn full(&self, job: JobId, size: u32) -> ChunkId {
        let chunk = self.allocate_one(job, size).await;
        self.chunks.write(chunk, 0, content(0, 0, size)).await.expect("a fresh chunk can be written");
        chunk
    }

    /// As many of the largest chunks as there is room for.
    async fn fill_up(&self, job: JobId) -> Vec<ChunkId> {
        let mut chunks = Vec::new();
        loop {
            match self.allocate(job, &[CHUNK_MAX_BYTES]).await {
                Ok(more) => chunks.extend(more),
                Err(error) => {
                    assert!(matches!(error, ChunkError::Full(_)), "{error:?}");
                    return chunks;
                }
            }
        }
    }
}

/// Bytes that tell where they belong: `len` of them from `offset` of the content that `seed` names.
fn content(seed: usize, offset: u32, len: u32) -> Bytes {
    let byte = |i: u32| (i.wrapping_mul(0x9e37_79b9) >> 24) as u8 ^ seed as u8;
    (offset..offset + len).map(byte).collect()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, wait).await.is_ok(), "never came true: {what}");
}

/// What the shard knows, and what it was asked.
#[derive(Default)]
struct Ledger(Mutex<Entries>);

#[derive(Default)]
struct Entries {
    committed: HashSet<WriteId>,
    asked: HashSet<WriteId>,
}

impl Ledger {
    fn with<R>(&self, f: impl FnOnce(&mut Entries) -> R) -> R {
        f(&mut self.0.lock().expect("no panic while locked"))
    }
}

#[async_trait]
impl Metadata for Ledger {
    async fn job(&self, _: JobRef, _: Request, _: Bytes) -> Result<Answer, MetadataError> {
        Err(MetadataError::NoSuchJob)
    }

    async fn shard(&self, request: ShardRequest) -> Result<ShardReply, MetadataError> {
        let ShardRequest::AskWrites(writes) = request else {
            return Err(MetadataError::BadRequest(format!("not from a storage server: {request:?}")));
        };
        let known = |l: &mut Entries, write| {
            l.asked.insert(write);
            if l.committed.contains(&write) { Fate::Held } else { Fate::Never }
        };
        Ok(ShardReply::Known(self.with(|l| writes.iter().map(|&(_, write)| known(l, write)).collect())))
    }
}

/// A cluster of one shard.
struct OneShard(Arc<Ledger>);

impl Directory for OneShard {
    fn shard(&self, node: NodeId) -> Option<Arc<dyn Metadata>> {
        (node == SHARD).then(|| self.0.clone() as Arc<dyn Metadata>)
    }

    fn server(&self, _: NodeId) -> Option<Arc<dyn Chunks>> {
        None
    }

    fn view(&self) -> Arc<ClusterView> {
        Arc::default()
    }

    fn update(&self, _: ClusterView) {}
}
