//! What goes over the seam arrives as it was sent, whoever calls and whoever is called.

use super::plane::{JOB, Plane, held_request, key};
use super::{CLIENT, PATIENCE, SERVER, Served, secret_of, until};
use crate::client::{LINKS_MAX, PlaneClient};
use crate::directory::RemoteDirectory;
use bytes::Bytes;
use futures::future::join_all;
use pocket_api::budget::ByteBudget;
use pocket_api::checksum::{ChecksumAlgorithm, ChecksumKind};
use pocket_api::chunks::{Allocate, ChunkError, Chunks};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{ClusterView, Directory, Node, NodeSpec, NodeState, Role};
use pocket_api::ids::{ChunkId, Epoch, JobId, NodeId, OperationId, Term, WriteId};
use pocket_api::lifecycle::RuleEnd;
use pocket_api::metadata::{Fate, Metadata, MetadataError, Order, Reply, Request, ShardReply, ShardRequest};
use pocket_api::object::{ETag, ObjectMeta};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

#[tokio::test]
async fn every_call_arrives_with_its_bytes() {
    let served = Served::start(None).await;
    let client = served.client();
    let write = WriteId { gateway: CLIENT, number: 3 };
    let allocate =
        Allocate { job: JobId(1), write, shard: NodeId(5), sizes: vec![1, 1 << 20], is_last: false };
    let chunks = client.allocate(allocate).await.unwrap();
    let expected = [1, 2].map(|number| ChunkId { server: NodeId(5), number });
    assert_eq!(chunks, expected);

    for len in [0, 1, 2_048, 2_049, 16 << 10, 65_536, 1 << 20] {
        let bytes = served.plane.content(0, len);
        client.write(chunks[0], 0, bytes.clone()).await.unwrap();
        assert_eq!(client.read(chunks[0], 0, len).await.unwrap(), bytes);
        let echo = client.job(JOB, Request::Ping, bytes.clone()).await.unwrap();
        assert_eq!((echo.reply, echo.payload), (Reply::Done, bytes));
    }
    assert_eq!(client.read(chunks[0], 77, 1_000).await.unwrap(), served.plane.content(77, 1_000));

    served.plane.calls.lock().clear();
    client.touch(vec![write]).await.unwrap();
    client.end_jobs(Term(1), vec![JobId(8)]).await.unwrap();
    let order = Order { term: Term(1), operation: OperationId(2) };
    let known = client.shard(ShardRequest::Thaw { order, job: JobId(4) }).await.unwrap();
    assert_eq!(known, ShardReply::Known(vec![Fate::Held, Fate::Never]));
    let calls = [
        "[w3@n7] with 0 bytes",
        "[j8] with 0 bytes",
        "Thaw { order: Order { term: t1, operation: o2 }, job: j4 } with 0 bytes",
    ];
    assert_eq!(*served.plane.calls.lock(), calls);
}

#[tokio::test]
async fn every_error_of_a_plane_arrives_as_what_it_was() {
    let served = Served::start(None).await;
    let client = served.client();
    let meta = ObjectMeta {
        size: 1,
        etag: ETag::md5([1; 16]),
        last_modified: Timestamp(2),
        expires_at: Some(Timestamp(3)),
        rule_end: Some(RuleEnd { at: Timestamp(2), rule: "r".into() }),
        reads_left: Some(4),
        checksum: None,
        headers: Some(Arc::default()),
        parts: 5,
    };
    for error in [
        MetadataError::NoSuchJob,
        MetadataError::StaleEpoch(Epoch(7)),
        MetadataError::StaleTerm(Term(8)),
        MetadataError::NoSuchKey,
        MetadataError::Lost,
        MetadataError::NotModified(Box::new(meta)),
        MetadataError::PreconditionFailed,
        MetadataError::RangeNotSatisfiable { size: u64::MAX },
        MetadataError::NoSuchPart { parts: 9 },
        MetadataError::NoSuchUpload,
        MetadataError::InvalidPart(3),
        MetadataError::OtherChecksum(ChecksumAlgorithm::Crc32, ChecksumKind::Composite),
        MetadataError::WriteBurned,
        MetadataError::TooLate,
        MetadataError::LeaseEnded,
        MetadataError::Busy,
        MetadataError::Full(ByteBudget::set_by(7, "--memory").shortage()),
        MetadataError::Crowded,
        MetadataError::BadRequest("a \"quoted\" one".into()),
        MetadataError::Unavailable("of another shard".into()),
    ] {
        *served.plane.metadata_error.lock() = Some(error.clone());
        let found = client.job(JOB, Request::DeleteMany { keys: vec![key()] }, Bytes::new()).await;
        assert_eq!(found, Err(error));
    }
    for error in [
        ChunkError::Full(ByteBudget::set_by(7, "--capacity").shortage()),
        ChunkError::NoSuchChunk,
        ChunkError::BadRequest("written twice".into()),
        ChunkError::Unavailable(String::new()),
    ] {
        *served.plane.chunk_error.lock() = Some(error.clone());
        assert_eq!(client.free(vec![]).await, Err(error));
    }
}

#[tokio::test]
async fn answers_come_in_any_order() {
    let served = Served::start(None).await;
    let client = served.client();
    let held = client.job(JOB, held_request(), Bytes::new());
    let quick = async {
        until("the held call", || Plane::count(&served.plane.held) == 1).await;
        let answers =
            join_all((0..100_u8).map(|i| client.job(JOB, Request::Ping, Bytes::from(vec![i])))).await;
        for (i, answer) in answers.into_iter().enumerate() {
            assert_eq!(answer.unwrap().payload[..], [i as u8]);
        }
        served.plane.release.add_permits(1);
    };
    let (held, ()) = tokio::join!(held, quick);
    assert_eq!(held.unwrap().reply, Reply::Deleted { existed: true });
}

#[tokio::test]
async fn a_message_longer_than_a_frame_is_refused_and_the_connection_lives() {
    let served = Served::start(None).await;
    let client = served.client();
    let keys = vec![key(); 1 << 20];
    let refused = client.job(JOB, Request::DeleteMany { keys }, Bytes::new()).await;
    assert!(matches!(refused, Err(MetadataError::BadRequest(text)) if text.contains("header part")));
    let jobs = (0..1 << 20).map(|i| JobId(u64::MAX - i)).collect();
    let refused = client.end_jobs(Term(1), jobs).await;
    assert!(matches!(refused, Err(ChunkError::BadRequest(_))));
    assert!(client.job(JOB, Request::Ping, Bytes::new()).await.is_ok());
}

#[tokio::test]
async fn whoever_asks_for_another_incarnation_is_told_that_it_is_unavailable() {
    let served = Served::start(None).await;
    let client = PlaneClient::new(CLIENT, None, NodeId(8), &served.address.to_string());
    let refused = client.job(JOB, Request::Ping, Bytes::new()).await;
    let expected = format!("n8 at {}: peer refused: it is another node", served.address);
    assert_eq!(refused, Err(MetadataError::Unavailable(expected)));
}

#[tokio::test]
async fn planes_meet_only_with_the_same_secret() {
    let served = Served::start(Some("right")).await;
    let address = served.address.to_string();
    for (secret, meets) in [(None, false), (Some("wrong"), false), (Some("right"), true)] {
        let client = PlaneClient::new(CLIENT, secret.map(secret_of), SERVER, &address);
        let answer = client.job(JOB, Request::Ping, Bytes::new()).await;
        assert_eq!(answer.is_ok(), meets, "{secret:?}: {answer:?}");
    }
    let open = Served::start(None).await;
    let client = PlaneClient::new(CLIENT, Some(secret_of("right")), SERVER, &open.address.to_string());
    let answer = client.job(JOB, Request::Ping, Bytes::new()).await;
    assert!(matches!(answer, Err(MetadataError::Unavailable(text)) if text.contains("secret")));
}

#[test]
fn each_runtime_has_a_connection_of_its_own() {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (server, first, second) = (
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap(),
        runtime(),
        runtime(),
    );
    let served = server.block_on(Served::start(None));
    let client = served.client();
    let ping = async || client.job(JOB, Request::Ping, Bytes::new()).await.unwrap();
    for (on, links) in [(&first, 1), (&second, 2), (&first, 2)] {
        on.block_on(ping());
        assert_eq!(client.link_count(), links);
    }
    // A runtime that ends takes its own connection along and no other.
    drop(first);
    second.block_on(ping());
    let third = runtime();
    third.block_on(ping());
    assert_eq!(client.link_count(), 3);
}

#[test]
fn many_runtimes_share_a_few_connections() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime();
    let served = server.block_on(Served::start(None));
    let client = Arc::new(served.client());
    let many: Vec<_> = (0..3 * LINKS_MAX).map(|_| runtime()).collect();
    for on in &many {
        let client = client.clone();
        let ping = on.spawn(async move { client.job(JOB, Request::Ping, Bytes::new()).await });
        assert!(on.block_on(ping).unwrap().is_ok());
    }
    assert_eq!(client.link_count(), LINKS_MAX);
}

#[tokio::test]
async fn strangers_that_say_nothing_keep_nobody_out_and_lose_their_places() {
    let served = Served::start(None).await;
    let mut silent = Vec::new();
    for _ in 0..200 {
        silent.push(TcpStream::connect(served.address).await.unwrap());
    }
    // All are of one address, and so is this one.
    let begun = Instant::now();
    let client = served.client();
    while client.job(JOB, Request::Ping, Bytes::new()).await.is_err() {
        assert!(begun.elapsed() < Duration::from_secs(5), "the silent ones keep it out");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for mut stream in silent {
        let closed = tokio::time::timeout(Duration::from_secs(3), stream.read(&mut [0; 8])).await;
        assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
    }
}

fn view(version: u64, newest: u64, nodes: &[(u64, Role, String)]) -> ClusterView {
    let nodes = nodes.iter().map(|(id, role, address)| {
        let spec = NodeSpec { role: *role, address: address.clone(), host: "here".into(), capacity_bytes: 0 };
        Node { id: NodeId(*id), spec, state: NodeState::Live }
    });
    ClusterView { version, newest: NodeId(newest), nodes: nodes.collect(), ..ClusterView::default() }
}

#[tokio::test]
async fn the_directory_finds_nodes_by_role_and_drops_those_that_left() {
    let served = Served::start(None).await;
    let address = served.address.to_string();
    let members = [(SERVER.0, Role::Metadata, address.clone()), (10, Role::Gateway, address.clone())];
    let directory = RemoteDirectory::new(CLIENT, None, view(2, 10, &members));
    assert!(directory.server(SERVER).is_none() && directory.shard(NodeId(10)).is_none());
    let shard = directory.shard(SERVER).unwrap();
    let held = shard.job(JOB, held_request(), Bytes::new());
    let leave = async {
        until("the held call", || Plane::count(&served.plane.held) == 1).await;
        directory.update(view(1, 10, &[]));
        assert!(directory.shard(SERVER).is_some(), "an older view is passed over");
        directory.update(view(3, 11, &[(11, Role::Storage, address)]));
    };
    let (held, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(held, leave) }).await.unwrap();
    assert!(
        matches!(held, Err(MetadataError::Unavailable(text)) if text.ends_with("it has left the cluster"))
    );
    let again = shard.job(JOB, Request::Ping, Bytes::new()).await;
    assert!(
        matches!(again, Err(MetadataError::Unavailable(text)) if text.ends_with("it has left the cluster"))
    );
    assert!(directory.shard(SERVER).is_none() && directory.server(NodeId(11)).is_some());
    assert_eq!(directory.view().version, 3);
    assert!(directory.view().is_dead(SERVER));
}
