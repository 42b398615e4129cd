//! The memory of a gateway for bodies that pass: whoever has no room there is told so, and it comes back on every way out.

use crate::cluster::{Cluster, deletion, eventually, pattern};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt};
use http_body_util::BodyExt;
use pocket_api::budget::ByteBudget;
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::ids::{ChunkId, JobId, Term, WriteId};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Nothing of a document is read before there is room for all of it.
#[tokio::test]
async fn a_document_takes_room_while_it_is_read_and_gives_it_back_however_that_ends() {
    let buffers = ByteBudget::new(1_000);
    let cluster = Cluster::with_buffers(&buffers).await;
    cluster.bucket("bucket").await;
    let document = deletion(&[("k", None)], true);
    let length = document.len() as u64;

    cluster.delete_many("bucket", document.clone()).await.ok();
    assert_eq!(buffers.used_bytes(), 0, "after a good one");
    let bad = cluster.delete_many("bucket", document.replace("Key", "Kee")).await;
    assert_eq!((bad.code().as_str(), buffers.used_bytes()), ("MalformedXML", 0));
    let refused = cluster.delete_many("bucket", document.clone()).anonymous().await;
    assert_eq!((refused.code().as_str(), buffers.used_bytes()), ("AccessDenied", 0));

    let never = stream::pending::<Bytes>();
    let stuck = tokio::spawn(cluster.delete_many("bucket", document.clone()).stream(length, never).send());
    eventually("the document that does not come has its room", async || buffers.used_bytes() == length).await;
    let others = buffers.share(1_000 - length).unwrap();
    let crowded = cluster.delete_many("bucket", document.clone()).await;
    assert_eq!(crowded.code(), "SlowDown");
    drop(others);
    cluster.delete_many("bucket", document).await.ok();
    stuck.abort();
    eventually("the client that left gave its room back", async || buffers.used_bytes() == 0).await;
}

/// Chunks of a storage server as they come over a wire: in memory of the reader's own.
struct Distant(Arc<dyn Chunks>);

#[async_trait]
impl Chunks for Distant {
    async fn allocate(&self, request: Allocate) -> Result<Vec<ChunkId>, ChunkError> {
        self.0.allocate(request).await
    }

    async fn write(&self, chunk: ChunkId, offset: u32, data: Bytes) -> Result<(), ChunkError> {
        tokio::task::yield_now().await;
        self.0.write(chunk, offset, data).await
    }

    async fn read(&self, chunk: ChunkId, offset: u32, len: u32) -> Result<Bytes, ChunkError> {
        tokio::task::yield_now().await;
        self.0.read(chunk, offset, len).await
    }

    async fn free(&self, chunks: Vec<ChunkId>) -> Result<(), ChunkError> {
        self.0.free(chunks).await
    }

    async fn touch(&self, writes: Vec<WriteId>) -> Result<(), ChunkError> {
        self.0.touch(writes).await
    }

    async fn end_jobs(&self, term: Term, jobs: Vec<JobId>) -> Result<(), ChunkError> {
        self.0.end_jobs(term, jobs).await
    }
}

/// A cluster with its storage behind a wire.
async fn distant(buffers: &ByteBudget) -> Cluster {
    let cluster = Cluster::with_buffers(buffers).await;
    for chunks in cluster.directory.servers.lock().values_mut() {
        *chunks = Arc::new(Distant(chunks.clone()));
    }
    cluster.bucket("bucket").await;
    cluster
}

/// Each has a small piece at least, and none gets more than there is.
#[tokio::test]
async fn many_slow_readers_share_the_buffers_and_all_come_to_their_end() {
    const READERS: usize = 200;
    const LIMIT: u64 = 256 << 10;
    /// What a read has where the buffers are full.
    const LEAST: u64 = 8 << 10;
    let buffers = ByteBudget::new(LIMIT);
    let cluster = distant(&buffers).await;
    let content = pattern(300_000);
    cluster.stored("bucket", "key", content.clone()).await;
    assert_eq!(buffers.used_bytes(), 0, "what was written takes nothing");

    let mut bodies = Vec::new();
    for _ in 0..READERS {
        let ask = cluster.get("bucket", "key");
        let connection = ask.connection.clone();
        bodies.push((ask.begin().await.into_body(), BytesMut::new(), connection));
    }
    let at_rest = buffers.used_bytes();
    assert!((LIMIT / 2..=LIMIT / 2 + READERS as u64 * LEAST).contains(&at_rest), "{at_rest}");
    // Each takes a piece in turn, and holds on to none.
    while bodies.iter().any(|(_, received, _)| received.len() < content.len()) {
        for (body, received, _) in &mut bodies {
            if let Some(frame) = body.frame().await {
                received.extend_from_slice(&frame.unwrap().into_data().unwrap());
            }
            let used = buffers.used_bytes();
            assert!(used <= LIMIT / 2 + READERS as u64 * LEAST, "{used}");
        }
    }
    assert!(bodies.iter().all(|(_, received, _)| *received == content));
    assert_eq!(buffers.used_bytes(), 0, "what was sent takes nothing");

    let cut = cluster.get("bucket", "key").begin().await.into_body();
    assert!(buffers.used_bytes() > 0);
    drop(cut);
    eventually("a reader that left gave its room back", async || buffers.used_bytes() == 0).await;
}

/// They are the shard's own, or came with its answer: either way a reader keeps them from being freed.
#[tokio::test]
async fn bytes_that_shards_hold_take_room_while_slow_readers_take_them() {
    const READERS: u64 = 20;
    const LIMIT: u64 = 256 << 10;
    const LEAST: u64 = 8 << 10;
    let buffers = ByteBudget::new(LIMIT);
    let cluster = Cluster::with_buffers(&buffers).await;
    cluster.bucket("bucket").await;
    let (piece, mut content) = (pattern(16 << 10), Vec::new());
    for _ in 0..20 {
        let offset = content.len();
        cluster.put("bucket", "log", piece.clone()).header("x-amz-write-offset-bytes", offset).await.ok();
        content.extend_from_slice(&piece);
    }
    let mut bodies = Vec::new();
    for _ in 0..READERS {
        bodies.push(cluster.get("bucket", "log").begin().await.into_body());
    }
    let used = buffers.used_bytes();
    assert!((READERS * LEAST..=LIMIT / 2 + READERS * LEAST).contains(&used), "{used}");
    for mut body in bodies {
        let mut received = BytesMut::new();
        while let Some(frame) = body.frame().await {
            received.extend_from_slice(&frame.unwrap().into_data().unwrap());
        }
        assert_eq!(received, content);
    }
    assert_eq!(buffers.used_bytes(), 0, "what was sent takes nothing");
}

/// Five MiB that come a byte at a time.
fn a_byte_every(pause: Duration) -> impl Stream<Item = Bytes> {
    stream::repeat(Bytes::from_static(b"x")).then(move |byte| async move {
        tokio::time::sleep(pause).await;
        byte
    })
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_too_slow_is_cut_and_its_space_comes_back() {
    let buffers = ByteBudget::new(1 << 20);
    let cluster = distant(&buffers).await;
    let began = Instant::now();
    let slow = cluster.put("bucket", "key", "").stream(5 << 20, a_byte_every(Duration::from_secs(19))).send();
    let slow = tokio::spawn(slow);
    eventually("its space is reserved", async || cluster.used_bytes() >= 5 << 20).await;
    assert!(buffers.used_bytes() > 0);
    assert_eq!(slow.await.unwrap().code(), "RequestTimeout");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    eventually("the space is back", async || cluster.used_bytes() == 0).await;
    assert_eq!(buffers.used_bytes(), 0);
}

#[tokio::test]
async fn an_upload_takes_room_while_it_goes_on_and_gives_it_back_however_that_ends() {
    let buffers = ByteBudget::new(100 << 10);
    let cluster = distant(&buffers).await;
    let content = pattern(3 << 20);
    cluster.stored("bucket", "key", content.clone()).await;
    assert_eq!(buffers.used_bytes(), 0, "after a good one");
    let stored = cluster.used_bytes();

    let short =
        cluster.put("bucket", "short", "").stream(1 << 20, stream::iter([content.slice(..1_000)])).await;
    assert_eq!((short.code().as_str(), buffers.used_bytes()), ("IncompleteBody", 0));
    let never = stream::pending::<Bytes>();
    let stuck = tokio::spawn(cluster.put("bucket", "stuck", "").stream(1 << 20, never).send());
    eventually("the body that does not come has its room", async || buffers.used_bytes() > 0).await;
    let used = cluster.used_bytes();
    let crowded = cluster.put("bucket", "crowded", content.clone()).await;
    assert_eq!(
        (crowded.code().as_str(), cluster.used_bytes()),
        ("SlowDown", used),
        "before any space is reserved"
    );
    let small = cluster.put("bucket", "small", "here").await;
    assert!(small.is_ok(), "what is here takes no room");
    let (mut read, mut received) = (cluster.get("bucket", "key").begin().await.into_body(), BytesMut::new());
    // As a socket takes it: whoever keeps what it was given gets no more.
    while let Some(frame) = read.frame().await {
        received.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
    assert_eq!(received, content, "reads go on");

    stuck.abort();
    eventually("the client that left gave all back", async || buffers.used_bytes() == 0).await;
    eventually("its space too", async || cluster.used_bytes() == stored).await;
}
