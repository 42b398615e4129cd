//! What a storage server promises beyond the chunk seam: reads without a copy, exact accounting, a budget that is
//! held, and content that stays what it was under concurrent writers, readers, frees and ends of jobs.

mod lonely;

use bytes::Bytes;
use futures::FutureExt;
use lonely::{allocate, server};
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::control::JobHolder;
use pocket_api::env::Env;
use pocket_api::ids::{ChunkId, JobId, NodeId, Term, WriteId};
use pocket_api::tier::Tier;
use pocket_api::usage::{Served, SpaceUse, TierUse, UsageReport, UsageSource};
use pocket_storage::{StorageConfig, StorageError, StorageServer};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const CAPACITY: u64 = 16 << 20;
const CHUNK: u32 = 1 << 20;

fn used_bytes(server: &StorageServer) -> u64 {
    let mut report = UsageReport::default();
    server.fill(&mut report).now_or_never().unwrap();
    report.tiers[0].used_bytes
}

#[tokio::test]
async fn reads_are_the_arenas_own_memory() {
    let server = server(CAPACITY, &ByteBudget::new(CAPACITY));
    let chunk = allocate(&server, 1, 1, &[CHUNK]).await.unwrap()[0];
    server.write(chunk, 0, Bytes::from(vec![7; CHUNK as usize])).await.unwrap();
    let whole = server.read(chunk, 0, CHUNK).await.unwrap();
    let part = server.read(chunk, 5, 100).await.unwrap();
    assert_eq!(part.as_ptr(), whole[5..].as_ptr());
}

#[tokio::test]
async fn bytes_that_are_being_read_count_as_used_until_they_are_dropped() {
    let budget = ByteBudget::new(CAPACITY);
    let server = server(CAPACITY, &budget);
    let mut readers = Vec::new();
    for job in [1, 2] {
        let chunk = allocate(&server, job, job, &[CHUNK]).await.unwrap()[0];
        server.write(chunk, 0, Bytes::from(vec![1; CHUNK as usize])).await.unwrap();
        readers.push(server.read(chunk, 10, 10).await.unwrap());
        server.free(if job == 1 { vec![chunk] } else { vec![] }).await.unwrap();
    }
    server.drop_jobs(&[JobId(2)]);
    let slot = u64::from(CHUNK);
    assert_eq!((used_bytes(&server), budget.used_bytes()), (2 * slot, 2 * slot));
    let clone = readers[0].clone();
    drop(readers);
    assert_eq!((used_bytes(&server), budget.used_bytes()), (slot, slot), "a clone still reads");
    drop(clone);
    assert_eq!((used_bytes(&server), budget.used_bytes()), (0, 0));
}

#[tokio::test]
async fn bytes_outlive_the_server() {
    let server = server(CAPACITY, &ByteBudget::new(CAPACITY));
    let chunk = allocate(&server, 1, 1, &[1_000]).await.unwrap()[0];
    server.write(chunk, 0, Bytes::from(vec![9; 1_000])).await.unwrap();
    let bytes = server.read(chunk, 0, 1_000).await.unwrap();
    drop(server);
    assert_eq!(bytes, vec![9; 1_000]);
}

#[tokio::test]
async fn only_the_last_that_is_asked_counts_what_it_refuses() {
    let budget = ByteBudget::new(CAPACITY);
    let server = server(CAPACITY, &budget);
    assert!(budget.take(CAPACITY));
    let mut counted = Vec::new();
    for is_last in [false, true, false] {
        let write = WriteId { gateway: NodeId(9), number: 1 };
        let request = Allocate { job: JobId(1), write, shard: NodeId(5), sizes: vec![CHUNK], is_last };
        let Err(ChunkError::Full(shortage)) = server.allocate(request).await else {
            panic!("there is no room")
        };
        assert_eq!(shortage.limit_bytes, CAPACITY);
        counted.push(budget.refusals());
    }
    assert_eq!(counted, [0, 1, 1]);
}

#[tokio::test]
async fn a_budget_shared_with_others_is_held() {
    let budget = ByteBudget::new(CAPACITY);
    let server = server(CAPACITY, &budget);
    assert!(budget.take(CAPACITY - 2 * u64::from(CHUNK)), "somebody else's");
    let chunks = allocate(&server, 1, 1, &[CHUNK; 2]).await.unwrap();
    assert!(matches!(allocate(&server, 1, 2, &[1]).await, Err(ChunkError::Full(_))));
    server.free(chunks).await.unwrap();
    assert_eq!(budget.used_bytes(), CAPACITY - 2 * u64::from(CHUNK));
}

#[tokio::test]
async fn a_report_says_what_is_used_and_what_was_served() {
    let server = server(CAPACITY, &ByteBudget::new(CAPACITY));
    let chunk = allocate(&server, 4, 1, &[100_000]).await.unwrap()[0];
    server.write(chunk, 0, Bytes::from(vec![0; 100_000])).await.unwrap();
    server.read(chunk, 0, 5).await.unwrap();
    let mut report = UsageReport::default();
    server.fill(&mut report).await;
    let TierUse { tier, capacity_bytes, used_bytes } = report.tiers[0];
    assert_eq!((tier, capacity_bytes, report.tiers.len()), (Tier::Dram, CAPACITY, 1));
    // A block of 128 KiB is the smallest that holds it, and holds nothing else.
    assert_eq!(used_bytes, 128 << 10);
    assert_eq!(report.space, SpaceUse { chunks_bytes: used_bytes, ..SpaceUse::default() });
    // Three of these fit in one of 64 KiB.
    allocate(&server, 4, 2, &[21_000]).await.unwrap();
    let mut report = UsageReport::default();
    server.fill(&mut report).await;
    assert_eq!(report.space.used_bytes() + report.space.vacant_bytes, (128 + 64) << 10);
    assert_eq!(report.space.vacant_bytes, 2 * 21_824);
    let served = Served { requests: 4, received_bytes: 100_000, sent_bytes: 5 };
    assert_eq!(report.served, Some(served));
    assert_eq!(server.jobs(), [JobId(4)]);
}

#[tokio::test]
async fn a_capacity_that_holds_no_chunk_is_refused() {
    let budget = ByteBudget::new(CAPACITY);
    let config = StorageConfig { capacity_bytes: 1_000_000, budget, ready_bytes: 0 };
    let refused = StorageServer::start(config, NodeId(1), lonely::directory(), Env::system());
    assert!(matches!(refused, Err(StorageError::TooSmall(1_000_000))));
}

/// What a task knows of a chunk it filled: every byte says whose it is.
struct Filled {
    chunk: ChunkId,
    len: u32,
    mark: u8,
}

async fn check(server: &StorageServer, filled: &Filled) -> Bytes {
    let bytes = server.read(filled.chunk, 0, filled.len).await.unwrap();
    assert!(bytes.iter().all(|&b| b == filled.mark), "{:?} holds bytes of another", filled.chunk);
    bytes
}

/// Writes a chunk in two halves from two tasks, checks it from others, and keeps bytes beyond its end.
async fn one_round(server: &Arc<StorageServer>, job: u64, write: u64, rng: &mut StdRng) -> Option<Filled> {
    let len = [rng.random_range(1..3_000), rng.random_range(16_000..200_000), CHUNK][rng.random_range(0..3)];
    let mark = rng.random_range(1..=255);
    let chunk = match allocate(server, job, write, &[len]).await {
        Ok(chunks) => chunks[0],
        Err(error) => {
            assert!(matches!(error, ChunkError::Full(_)), "{error:?}");
            return None;
        }
    };
    let half = len / 2;
    let (low, high) = (vec![mark; half as usize], vec![mark; (len - half) as usize]);
    let other = server.clone();
    let low = tokio::spawn(async move { other.write(chunk, 0, low.into()).await });
    server.write(chunk, half, high.into()).await.unwrap();
    low.await.unwrap().unwrap();
    let filled = Filled { chunk, len, mark };
    check(server, &filled).await;
    Some(filled)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn content_stays_what_it_was_while_others_write_read_free_and_end_jobs() {
    const TASKS: u64 = 4;
    const ROUNDS: u64 = 150;
    let budget = ByteBudget::new(CAPACITY);
    let server = server(CAPACITY, &budget);
    let full = Arc::new(AtomicU64::new(0));
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let (server, full) = (server.clone(), full.clone());
            tokio::spawn(async move {
                let mut rng = StdRng::seed_from_u64(task);
                let (mut kept, mut held): (Vec<Filled>, Vec<(Bytes, u8)>) = (Vec::new(), Vec::new());
                // Two lives in turn of a job of its own, and one job that all tasks share.
                for round in 0..ROUNDS {
                    let own = 100 + task * ROUNDS + round / 20;
                    let job = if round % 2 == 0 { own } else { 1 };
                    match one_round(&server, job, task << 32 | round, &mut rng).await {
                        Some(filled) if job == 1 => kept.push(filled),
                        Some(filled) => held.push((check(&server, &filled).await, filled.mark)),
                        None => {
                            full.fetch_add(1, Ordering::Relaxed);
                            held.clear();
                            let half = kept.len() / 2;
                            server.free(kept.drain(half..).map(|f| f.chunk).collect()).await.unwrap();
                        }
                    }
                    if round % 20 == 19 {
                        server.end_jobs(Term(1), vec![JobId(own)]).await.unwrap();
                    }
                    for filled in &kept {
                        check(&server, filled).await;
                    }
                    assert!(held.iter().all(|(bytes, mark)| bytes.iter().all(|b| b == mark)));
                }
                server.end_jobs(Term(1), vec![JobId(100 + task * ROUNDS + (ROUNDS - 1) / 20)]).await.unwrap();
                server.free(kept.into_iter().map(|f| f.chunk).collect()).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert!(full.load(Ordering::Relaxed) > 0, "the arena was never full: this test is too small");
    assert_eq!((used_bytes(&server), budget.used_bytes(), server.jobs()), (0, 0, vec![]));
}
