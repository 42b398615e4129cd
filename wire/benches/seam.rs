//! The framed seam over loopback against planes that do nothing: calls a second, and CPU of the server's thread for
//! each call. What is left is the cost of the wire itself. One server thread, one client thread, one connection.
//!
//! `cargo bench -p pocket-wire --bench seam`

#[path = "../tests/ready/mod.rs"]
mod ready;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::chunks::Chunks;
use pocket_api::clock::Timestamp;
use pocket_api::conditions::ReadConditions;
use pocket_api::conformance::plain_object;
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId};
use pocket_api::metadata::{
    Answer, Found, JobRef, Lookup, Metadata, MetadataError, Reply, Request, SegmentPage, Select, ShardReply,
    ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::Segment;
use pocket_wire::{PlaneClient, ServedPlanes, serve_planes};
use ready::ReadyChunks;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

/// The allocator of the `pocket` binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const SERVER: NodeId = NodeId(1);
const JOB: JobRef = JobRef::new(JobId(1 << 60), Epoch(1));
const CHUNK: ChunkId = ChunkId { server: SERVER, number: 1 };
const WARM_UP: Duration = Duration::from_millis(300);
const MEASURED: Duration = Duration::from_secs(2);

/// Answers everything at once, from memory.
struct Ready {
    found: Found,
    inline: Bytes,
}

impl Ready {
    fn new() -> Self {
        let page = SegmentPage { segments: [Segment::Inline { len: 1 << 10 }].into(), next: None };
        let found = Found {
            meta: plain_object(1 << 10),
            now: Timestamp(1_800_000_000_001),
            offset: 0,
            len: 1 << 10,
            part_checksum: None,
            page,
            lease: None,
            counted: false,
        };
        Self { found, inline: vec![7; 1 << 10].into() }
    }
}

#[async_trait]
impl Metadata for Ready {
    async fn job(&self, _: JobRef, request: Request, _: Bytes) -> Result<Answer, MetadataError> {
        let payload = match request {
            Request::Lookup(Lookup { want: Want::Data, .. }) => self.inline.clone(),
            _ => Bytes::new(),
        };
        Ok(Answer { reply: Reply::Found(Box::new(self.found.clone())), payload })
    }

    async fn shard(&self, _: ShardRequest) -> Result<ShardReply, MetadataError> {
        Ok(ShardReply::Done)
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Starts the server on a thread of its own; answers its address and where the kernel accounts that thread.
fn serve() -> (String, PathBuf) {
    let (started, address) = mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("bound").to_string();
            let thread = std::fs::read_link("/proc/thread-self").expect("procfs");
            started.send((address, Path::new("/proc").join(thread).join("schedstat"))).expect("main waits");
            let chunks = Arc::new(ReadyChunks(vec![7; 1 << 20].into()));
            let planes = ServedPlanes { metadata: Some(Arc::new(Ready::new())), chunks: Some(chunks) };
            serve_planes(listener, SERVER, planes, None, CancellationToken::new()).await.expect("loopback");
        });
    });
    address.recv().expect("the server starts")
}

/// Nanoseconds that a thread has been on a CPU.
fn cpu_ns(schedstat: &Path) -> u64 {
    let text = std::fs::read_to_string(schedstat).expect("a kernel with schedstats");
    text.split_whitespace().next().and_then(|n| n.parse().ok()).expect("schedstat begins with a number")
}

#[derive(Clone, Copy)]
enum Operation {
    Head,
    LookupInline,
    Read(u32),
    Write(u32),
}

async fn run_one(client: &PlaneClient, operation: Operation, content: &Bytes) {
    match operation {
        Operation::Head | Operation::LookupInline => {
            let want = if matches!(operation, Operation::Head) { Want::Meta } else { Want::Data };
            let lookup = Lookup {
                key: ObjectKey::parse("stage-3/shuffle/part-00017-of-02048").expect("a good key"),
                conditions: ReadConditions::default(),
                select: Select::Whole,
                want,
                wait: Duration::ZERO,
            };
            client.job(JOB, Request::Lookup(lookup), Bytes::new()).await.expect("found");
        }
        Operation::Read(len) => drop(client.read(CHUNK, 0, len).await.expect("read")),
        Operation::Write(len) => {
            client.write(CHUNK, 0, content.slice(..len as usize)).await.expect("written")
        }
    }
}

/// Keeps `in_flight` calls going for some time; answers how many ended.
async fn drive(
    client: &PlaneClient,
    operation: Operation,
    in_flight: usize,
    time: Duration,
    content: &Bytes,
) -> u64 {
    let mut calls: FuturesUnordered<_> =
        (0..in_flight).map(|_| run_one(client, operation, content)).collect();
    let start = Instant::now();
    let mut ended = 0;
    while start.elapsed() < time {
        calls.next().await;
        ended += 1;
        calls.push(run_one(client, operation, content));
    }
    while calls.next().await.is_some() {
        ended += 1;
    }
    ended
}

fn main() {
    let (address, schedstat) = serve();
    let content = Bytes::from(vec![7; 1 << 20]);
    println!(
        "{:<24}{:>10}{:>14}{:>12}{:>22}",
        "operation", "in flight", "calls/s", "GB/s", "server CPU us/call"
    );
    runtime().block_on(async {
        let client = PlaneClient::new(NodeId(2), None, SERVER, &address);
        let kib = |len: u32| f64::from(len) / 1e9;
        for (name, operation, bytes) in [
            ("lookup, no bytes", Operation::Head, 0.0),
            ("lookup, 1 KiB inline", Operation::LookupInline, kib(1 << 10)),
            ("read 4 KiB", Operation::Read(4 << 10), kib(4 << 10)),
            ("read 64 KiB", Operation::Read(64 << 10), kib(64 << 10)),
            ("read 1 MiB", Operation::Read(1 << 20), kib(1 << 20)),
            ("write 64 KiB", Operation::Write(64 << 10), kib(64 << 10)),
            ("write 1 MiB", Operation::Write(1 << 20), kib(1 << 20)),
        ] {
            for in_flight in [1, 16, 64] {
                drive(&client, operation, in_flight, WARM_UP, &content).await;
                let (cpu, start) = (cpu_ns(&schedstat), Instant::now());
                let calls = drive(&client, operation, in_flight, MEASURED, &content).await as f64;
                let (cpu, time) = (cpu_ns(&schedstat) - cpu, start.elapsed().as_secs_f64());
                println!(
                    "{name:<24}{in_flight:>10}{:>14.0}{:>12.2}{:>22.2}",
                    calls / time,
                    calls * bytes / time,
                    cpu as f64 / 1e3 / calls
                );
            }
        }
    });
}
