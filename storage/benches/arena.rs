//! What a chunk costs: allocate, write, read and free through the seam, beside the plain copy that no store can avoid.
//!
//! `cargo bench -p pocket-storage`

#[path = "../tests/lonely/mod.rs"]
mod lonely;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lonely::{allocate, server};
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::Chunks;
use pocket_storage::StorageServer;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

const CAPACITY: u64 = 64 << 20;

/// The life of a chunk.
async fn cycle(server: &StorageServer, job: u64, write: u64, data: &Bytes) {
    let chunks = allocate(server, job, write, &[data.len() as u32]).await.unwrap();
    server.write(chunks[0], 0, data.clone()).await.unwrap();
    black_box(server.read(chunks[0], 0, data.len() as u32).await.unwrap());
    server.free(chunks).await.unwrap();
}

fn chunks(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async { server(CAPACITY, &ByteBudget::new(CAPACITY)) });
    // A neighbour of each size keeps the span: what is measured is a job at work, not its first byte.
    let sizes = [(64, "64 B"), (64 << 10, "64 KiB"), (1 << 20, "1 MiB")];
    for (size, _) in sizes {
        runtime.block_on(allocate(&server, 1, 0, &[size as u32; 3])).unwrap();
    }
    for (size, name) in sizes {
        let data = Bytes::from(vec![7; size]);
        let mut group = c.benchmark_group(name);
        group.throughput(Throughput::Bytes(size as u64));
        let mut to = vec![0; size];
        group.bench_function("plain copy", |b| {
            b.iter(|| black_box(&mut to).copy_from_slice(black_box(&data)))
        });
        let mut write = 0;
        group.bench_function("allocate, write, read, free", |b| {
            b.iter(|| {
                write += 1;
                runtime.block_on(cycle(&server, 1, write, &data));
            });
        });
        group.bench_function("the same, as a job's only chunk", |b| {
            b.iter(|| {
                write += 1;
                runtime.block_on(cycle(&server, 2, write, &data));
            });
        });
        group.finish();
    }
}

/// Time of a cycle of 64 bytes, all bookkeeping, on one thread and on two at once.
fn threads(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(async { server(CAPACITY, &ByteBudget::new(CAPACITY)) });
    runtime.block_on(allocate(&server, 1, 0, &[64; 3])).unwrap();
    for threads in [1, 2] {
        c.bench_function(&format!("64 B on threads: {threads}"), |b| {
            b.iter_custom(|rounds| side_by_side(&server, &runtime, threads, rounds));
        });
    }
}

fn side_by_side(server: &Arc<StorageServer>, runtime: &Runtime, threads: u64, rounds: u64) -> Duration {
    let started = Instant::now();
    std::thread::scope(|scope| {
        for thread in 1..=threads {
            scope.spawn(move || {
                let data = Bytes::from_static(&[7; 64]);
                runtime.block_on(async {
                    for round in 0..rounds {
                        cycle(server, 1, thread << 40 | round, &data).await;
                    }
                });
            });
        }
    });
    started.elapsed()
}

criterion_group!(benches, chunks, threads);
criterion_main!(benches);
