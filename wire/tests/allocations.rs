//! What a call over the framed seam allocates, both sides together, counted on one thread. A count is the same on every
//! machine, so each has a limit that is what it is today.

mod ready;

use allocation_counter::{AllocationInfo, measure};
use async_trait::async_trait;
use bytes::Bytes;
use pocket_api::chunks::Chunks;
use pocket_api::conditions::ReadConditions;
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId};
use pocket_api::metadata::{
    Answer, JobRef, Lookup, Metadata, MetadataError, Reply, Request, Select, ShardReply, ShardRequest, Want,
};
use pocket_api::names::ObjectKey;
use pocket_wire::{PlaneClient, ServedPlanes, serve_planes};
use ready::ReadyChunks;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

const SERVER: NodeId = NodeId(1);
const JOB: JobRef = JobRef::new(JobId(1), Epoch(1));
const CHUNK: ChunkId = ChunkId { server: SERVER, number: 1 };
const SMALL_BYTES: usize = 1 << 10;
const CHUNK_BYTES: usize = 64 << 10;
/// Calls that go before one is counted: by then the connection is there and its buffers have the size that they keep.
const WARM_UP: usize = 100;
/// Over so many the mean is taken, so that what is not there with every call counts by its share.
const COUNTED: u64 = 50;

/// Answers at once; allocates nothing but the futures that the seam demands.
struct Ready {
    content: Bytes,
}

#[async_trait]
impl Metadata for Ready {
    async fn job(&self, _: JobRef, _: Request, _: Bytes) -> Result<Answer, MetadataError> {
        Ok(Answer { reply: Reply::Done, payload: self.content.slice(..SMALL_BYTES) })
    }

    async fn shard(&self, _: ShardRequest) -> Result<ShardReply, MetadataError> {
        Ok(ShardReply::Done)
    }
}

struct Seam {
    runtime: Runtime,
    client: PlaneClient,
    content: Bytes,
}

impl Seam {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let content = Bytes::from(vec![7; CHUNK_BYTES]);
        let shard = Arc::new(Ready { content: content.clone() });
        let planes =
            ServedPlanes { metadata: Some(shard), chunks: Some(Arc::new(ReadyChunks(content.clone()))) };
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let client = PlaneClient::new(NodeId(2), None, SERVER, &listener.local_addr().unwrap().to_string());
        runtime.spawn(serve_planes(listener, SERVER, planes, None, CancellationToken::new()));
        Self { runtime, client, content }
    }

    async fn lookup(&self) {
        let request = Request::Lookup(Lookup {
            key: ObjectKey::parse("stage-1/part-000000001").unwrap(),
            conditions: ReadConditions::default(),
            select: Select::Whole,
            want: Want::Data,
            wait: Duration::ZERO,
        });
        let answer = self.client.job(JOB, request, Bytes::new()).await.unwrap();
        assert_eq!(answer.payload.len(), SMALL_BYTES);
    }

    async fn read(&self) {
        let bytes = self.client.read(CHUNK, 0, CHUNK_BYTES as u32).await.unwrap();
        assert_eq!(bytes.len(), CHUNK_BYTES);
    }

    async fn write(&self) {
        self.client.write(CHUNK, 0, self.content.clone()).await.unwrap();
    }

    /// Allocations, and bytes of them, of one call.
    fn of_one(&self, call: impl AsyncFn()) -> (u64, u64) {
        self.runtime.block_on(async {
            for _ in 0..WARM_UP {
                call().await;
            }
        });
        let AllocationInfo { count_total, bytes_total, .. } = measure(|| {
            self.runtime.block_on(async {
                for _ in 0..COUNTED {
                    call().await;
                }
            });
        });
        (count_total / COUNTED, bytes_total / COUNTED)
    }
}

#[test]
fn a_call_allocates_little_and_a_chunk_is_received_into_one_block() {
    let seam = Seam::new();
    let lookup = seam.of_one(async || seam.lookup().await);
    let read = seam.of_one(async || seam.read().await);
    let write = seam.of_one(async || seam.write().await);
    let found = format!("allocations and bytes: lookup {lookup:?}, read {read:?}, write {write:?}");
    // The futures of both seams, the key at both ends, and the bytes found.
    assert!(lookup.0 <= 5 && lookup.1 <= 2_000, "{found}");
    // The futures of both seams, and the block with the bytes.
    assert!(read.0 <= 4 && write.0 <= 4, "{found}");
    assert!(read.1.max(write.1) <= (CHUNK_BYTES + (4 << 10)) as u64, "{found}");
}
