//! Peers that die, stall, come back, or are not what they seem.

use super::plane::{JOB, Plane, held_request, waiting_lookup};
use super::{CLIENT, PATIENCE, Raw, SERVER, Served, until};
use crate::client::PlaneClient;
use crate::connection::{CallError, Connection, Outgoing};
use crate::frame::{FrameHeader, FrameKind};
use crate::handshake::{Identity, Service, welcome};
use crate::link::{GOOD_AFTER, Link, Target};
use crate::message::{Call, Response};
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use bytes::Bytes;
use futures::future::join_all;
use pocket_api::chunks::Chunks;
use pocket_api::ids::{ChunkId, NodeId};
use pocket_api::metadata::{Metadata, MetadataError, Reply, Request};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

#[test]
fn when_the_peer_dies_every_call_in_flight_fails_at_once() {
    let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let served = server.block_on(Served::start(None));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = served.client();
        let calls = join_all((0..50).map(|i| {
            let request = if i % 2 == 0 { held_request() } else { waiting_lookup(Duration::from_secs(300)) };
            client.job(JOB, request, Bytes::new())
        }));
        let kill = async {
            until("all calls", || Plane::count(&served.plane.held) == 50).await;
            server.shutdown_background();
        };
        let (answers, ()) =
            tokio::time::timeout(PATIENCE, async { tokio::join!(calls, kill) }).await.unwrap();
        for answer in answers {
            assert!(matches!(answer, Err(MetadataError::Unavailable(_))), "{answer:?}");
        }
    });
}

#[tokio::test]
async fn while_a_peer_is_down_calls_fail_fast_and_once_it_is_back_they_succeed() {
    let served = Served::start(None).await;
    let address = served.address.to_string();
    let client = served.client();
    let ping = async || client.job(JOB, Request::Ping, Bytes::new()).await;
    assert!(!client.is_away().await, "nobody has asked yet");
    ping().await.unwrap();
    assert!(!client.is_away().await);
    served.shutdown.cancel();
    // Nobody listens any more once a connection is refused.
    while TcpStream::connect(served.address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let mut failures = 0;
    while failures < 20 {
        match ping().await {
            Err(MetadataError::Unavailable(_)) => failures += 1,
            other => assert!(other.is_ok(), "{other:?}"),
        }
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        assert!(client.is_away().await, "also while it tries again");
        tokio::task::yield_now().await;
    }
    let _served = Served::start_at(&address, None).await;
    let back = async {
        while client.is_away().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while ping().await.is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.expect("the link comes back by itself");
}

#[tokio::test]
async fn a_peer_whose_connection_broke_is_not_away_before_another_has_failed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = {
        let address = listener.local_addr().unwrap().to_string();
        let own = Identity { service: Service::Planes, node: CLIENT, secret: None };
        Link::new(Arc::new(Target { node: SERVER, address, own, left: OnceLock::new() }))
    };
    for _ in 0..3 {
        let (is_away, stream) = tokio::join!(link.is_away(), accept(&listener));
        assert!(!is_away);
        let connection = link.connection().unwrap();
        tokio::time::pause();
        tokio::time::advance(GOOD_AFTER).await;
        tokio::time::resume();
        drop(stream);
        until("the end of the connection", || connection.closed().is_some()).await;
    }
    drop(listener);
    assert!(link.is_away().await, "the next try is refused");
    assert!(link.is_away().await);
}

/// The other end of a connection to a client, to answer as a test likes.
async fn accept(listener: &TcpListener) -> TcpStream {
    let own = Identity { service: Service::Planes, node: SERVER, secret: None };
    let (mut stream, _) = listener.accept().await.unwrap();
    welcome(&mut stream, &own).await.unwrap();
    stream
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_unavailable_after_the_deadline_and_may_answer_late() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let connection = Connection::open(async move { Ok::<_, String>(Raw::connect(address).await.stream) });
    let ping = |deadline| {
        let call = Call::Job(JOB, Request::Ping);
        connection.call(Outgoing { call, payload: Bytes::new(), weight_bytes: 0, deadline })
    };
    let (given_up, late) = tokio::sync::oneshot::channel();
    let done = Response::Job(Ok(Reply::Done));
    let server = async {
        let mut stream = accept(&listener).await;
        let (mut reader, mut replies) = (FrameReader::<Call>::default(), FrameQueue::default());
        let mut late = Some(late);
        for _ in 0..2 {
            let header = loop {
                if let Some((header, ..)) = reader.next_frame().unwrap() {
                    break header;
                }
                std::future::poll_fn(|cx| reader.poll_fill(&mut stream, cx)).await.unwrap();
            };
            if let Some(late) = late.take() {
                late.await.unwrap();
            }
            done.push(&mut replies, header.id, Bytes::new()).unwrap();
            std::future::poll_fn(|cx| replies.poll_write(&mut stream, cx)).await.unwrap();
        }
    };
    let client = async {
        let unanswered = ping(Duration::from_millis(30)).await;
        assert_eq!(unanswered, Err(CallError::Unavailable("no answer within 30ms".into())));
        given_up.send(()).unwrap();
        assert_eq!(ping(PATIENCE).await, Ok((done.clone(), Bytes::new())));
    };
    tokio::join!(server, client);
}

#[tokio::test]
async fn each_call_ends_at_its_own_deadline_also_while_there_is_no_connection_yet() {
    let connection = Connection::open(std::future::pending::<Result<TcpStream, String>>());
    let ping = async |deadline| {
        let call = Call::Job(JOB, Request::Ping);
        connection.call(Outgoing { call, payload: Bytes::new(), weight_bytes: 0, deadline }).await
    };
    let mut patient = std::pin::pin!(ping(10 * PATIENCE));
    for ms in [30, 10, 20] {
        let start = Instant::now();
        let short = tokio::time::timeout(PATIENCE, ping(Duration::from_millis(ms)));
        let answer = tokio::select! {
            biased;
            answer = &mut patient => panic!("it was to wait for minutes, but: {answer:?}"),
            answer = short => answer.expect("it ends in time, although another may wait for longer"),
        };
        assert_eq!(answer, Err(CallError::Unavailable(format!("no answer within {ms}ms"))));
        assert!(start.elapsed() >= Duration::from_millis(ms), "{ms} ms were {:?}", start.elapsed());
    }
    connection.close("the test is over");
    assert_eq!(patient.await, Err(CallError::Unavailable("the test is over".into())));
}

#[tokio::test]
async fn a_call_that_its_caller_gave_up_is_given_up_by_the_server() {
    let served = Served::start(None).await;
    let mut raw = Raw::connect(served.address).await;
    raw.send([(3, Call::Job(JOB, held_request()), Bytes::new())], Duration::from_millis(10)).await;
    let late = MetadataError::Unavailable("the deadline has passed".into());
    assert_eq!(raw.reply().await, Some((3, Response::Job(Err(late)), Bytes::new())));
    assert_eq!(Plane::count(&served.plane.held), 0);
}

#[tokio::test]
async fn a_waiting_lookup_whose_caller_leaves_stops_to_wait() {
    let served = Served::start(None).await;
    let client = Arc::new(served.client());
    let caller = client.clone();
    let waiting =
        tokio::spawn(
            async move { caller.job(JOB, waiting_lookup(Duration::from_secs(300)), Bytes::new()).await },
        );
    until("the lookup to wait", || Plane::count(&served.plane.held) == 1).await;
    waiting.abort();
    until("the lookup to stop", || Plane::count(&served.plane.held) == 0).await;
    assert!(client.job(JOB, Request::Ping, Bytes::new()).await.is_ok());
}

#[tokio::test]
async fn peers_that_send_nonsense_lose_their_connection_and_nobody_else_does() {
    let served = Served::start(None).await;
    let client = served.client();
    let ping = async || client.job(JOB, Request::Ping, Bytes::new()).await;
    ping().await.unwrap();
    let header = |kind, header_bytes, payload_bytes| {
        FrameHeader { kind, header_bytes, payload_bytes, id: 1, deadline_ms: 1 }.encode().to_vec()
    };
    let nonsense = [
        b"GET / HTTP/1.1\r\nHost: pocket\r\n\r\n".to_vec(),
        vec![0xff; 5_000],
        header(FrameKind::JobRequest, u32::MAX, 0),
        header(FrameKind::ChunkRequest, 1, u32::MAX),
        header(FrameKind::JobReply, 0, 0),
        [header(FrameKind::JobRequest, 8, 0), vec![0xff; 8]].concat(),
        [header(FrameKind::Cancel, 1, 0), vec![0]].concat(),
    ];
    for bytes in nonsense {
        let mut raw = Raw::connect(served.address).await;
        raw.stream.write_all(&bytes).await.unwrap();
        assert_eq!(raw.reply().await, None, "{bytes:02x?}");
    }
    // Cut off in the middle of a header, a message and a payload.
    for bytes in [vec![b'p'], header(FrameKind::JobRequest, 9, 0), {
        let mut queue = FrameQueue::default();
        let chunk = ChunkId { server: SERVER, number: 1 };
        let write = crate::message::ChunkRequest::Write { chunk, offset: 0 };
        Call::Chunk(write).push(&mut queue, 1, 1, Bytes::from(vec![0; 9_000])).unwrap();
        let mut bytes = Vec::new();
        while !queue.is_empty() {
            std::future::poll_fn(|cx| queue.poll_write(&mut bytes, cx)).await.unwrap();
        }
        bytes.truncate(5_000);
        bytes
    }] {
        let mut raw = Raw::connect(served.address).await;
        raw.stream.write_all(&bytes).await.unwrap();
        raw.stream.shutdown().await.unwrap();
        assert_eq!(raw.reply().await, None);
    }
    assert!(served.plane.calls.lock().is_empty(), "nothing of it reached the plane");
    ping().await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_nonsense_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = async {
        let mut stream = accept(&listener).await;
        stream.read_exact(&mut [0; 32]).await.unwrap();
        stream.write_all(&[0x55; 64]).await.unwrap();
        // Until the client has closed the connection.
        while stream.read(&mut [0; 64]).await.is_ok_and(|n| n > 0) {}
    };
    let client = PlaneClient::new(CLIENT, None, SERVER, &address.to_string());
    let call = client.job(JOB, Request::Ping, Bytes::new());
    let (answer, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(call, server) }).await.unwrap();
    assert!(matches!(answer, Err(MetadataError::Unavailable(text)) if text.contains("begin no frame")));
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_in_flight() {
    let served = Served::start(None).await;
    let client = served.client();
    let held = client.job(JOB, held_request(), Bytes::new());
    let stop = async {
        until("the held call", || Plane::count(&served.plane.held) == 1).await;
        served.shutdown.cancel();
        served.plane.release.add_permits(1);
    };
    let (held, ()) = tokio::join!(held, stop);
    assert!(held.is_ok(), "{held:?}");
}

#[tokio::test]
async fn a_plane_that_is_not_served_is_unavailable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let planes = crate::server::ServedPlanes { metadata: None, chunks: Some(Arc::new(Plane::default())) };
    let shutdown = tokio_util::sync::CancellationToken::new();
    let _stop = shutdown.clone().drop_guard();
    tokio::spawn(crate::server::serve_planes(listener, SERVER, planes, None, shutdown));
    let client = PlaneClient::new(CLIENT, None, SERVER, &address);
    let chunk = ChunkId { server: NodeId(9), number: 1 };
    assert!(client.read(chunk, 0, 9).await.is_ok());
    let answer = client.job(JOB, Request::Ping, Bytes::new()).await;
    assert_eq!(answer, Err(MetadataError::Unavailable("this plane is not served here".into())));
}
