//! Whatever peers and callers do, what a connection holds is bounded.

use super::plane::{JOB, Plane, held_request, waiting_lookup};
use super::{PATIENCE, Raw, SERVER, Served, until};
use crate::message::{Call, ChunkRequest};
use crate::session::{IN_FLIGHT_MAX, IN_FLIGHT_MAX_BYTES, TURN_CALLS, WAITING_MAX};
use bytes::Bytes;
use futures::future::{FutureExt, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::chunks::Chunks;
use pocket_api::ids::ChunkId;
use pocket_api::metadata::{Metadata, MetadataError, Request};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_peer_that_keeps_to_no_bound_is_held_to_it() {
    let served = Served::start(None).await;
    let mut raw = Raw::connect(served.address).await;
    let total = IN_FLIGHT_MAX + 100;
    raw.send((0..total as u64).map(|id| (id, Call::Job(JOB, held_request()), Bytes::new())), MINUTE).await;
    until("the bound to be reached", || Plane::count(&served.plane.started) == IN_FLIGHT_MAX).await;
    served.plane.release.add_permits(total);
    for _ in 0..total {
        assert!(raw.reply().await.is_some());
    }
    assert_eq!(Plane::count(&served.plane.started), total);
    assert_eq!(Plane::count(&served.plane.held_at_most), IN_FLIGHT_MAX);
}

#[tokio::test]
async fn calls_beyond_the_bound_wait_for_their_turn() {
    let served = Served::start(None).await;
    let client = served.client();
    let total = IN_FLIGHT_MAX + 100;
    let calls = join_all((0..total).map(|_| client.job(JOB, held_request(), Bytes::new())));
    let release = async {
        until("the bound to be reached", || Plane::count(&served.plane.started) == IN_FLIGHT_MAX).await;
        served.plane.release.add_permits(total);
    };
    let (answers, ()) = tokio::time::timeout(PATIENCE, async { tokio::join!(calls, release) }).await.unwrap();
    assert!(answers.iter().all(|answer| answer.is_ok()));
    assert_eq!(Plane::count(&served.plane.held_at_most), IN_FLIGHT_MAX);
}

#[tokio::test]
async fn calls_whose_callers_left_count_until_the_server_is_done_with_them() {
    let served = Served::start(None).await;
    let client = served.client();
    let mut calls: FuturesUnordered<_> =
        (0..IN_FLIGHT_MAX).map(|_| client.job(JOB, held_request(), Bytes::new())).collect();
    let full = until("the bound to be reached", || Plane::count(&served.plane.started) == IN_FLIGHT_MAX);
    tokio::select! {
        _ = calls.next() => unreachable!("nothing was let go"),
        () = full => {}
    }
    drop(calls);
    let mut next = Box::pin(client.job(JOB, Request::Ping, Bytes::new()));
    tokio::select! {
        biased;
        answer = &mut next => panic!("there was no room for it, but: {answer:?}"),
        () = tokio::task::yield_now() => {}
    }
    served.plane.release.add_permits(1);
    tokio::time::timeout(PATIENCE, next).await.unwrap().unwrap();
    assert_eq!(Plane::count(&served.plane.held_at_most), IN_FLIGHT_MAX);
}

#[tokio::test]
async fn replies_that_their_callers_do_not_take_hold_up_no_other_call() {
    let served = Served::start(None).await;
    let client = served.client();
    let chunk = ChunkId { server: SERVER, number: 1 };
    let read = || client.read(chunk, 0, 1 << 20);
    let mut slow: Vec<_> = (0..IN_FLIGHT_MAX_BYTES >> 20).map(|_| read()).collect();
    assert!(slow.iter_mut().all(|read| read.now_or_never().is_none()), "all are on their way");
    let next = tokio::time::timeout(PATIENCE, read()).await.expect("there is room");
    assert_eq!(next.unwrap().len(), 1 << 20);
    assert!(join_all(slow).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn waiting_lookups_have_a_bound_of_their_own() {
    let served = Served::start(None).await;
    let client = served.client();
    let wait = || client.job(JOB, waiting_lookup(MINUTE), Bytes::new());
    let mut waits: FuturesUnordered<_> = (0..WAITING_MAX).map(|_| wait()).collect();
    let full = until("all to wait", || Plane::count(&served.plane.held) == WAITING_MAX);
    tokio::select! {
        answer = waits.next() => unreachable!("nothing was let go: {answer:?}"),
        () = full => {}
    }
    assert_eq!(wait().await, Err(MetadataError::Crowded));
    assert!(client.job(JOB, Request::Ping, Bytes::new()).await.is_ok(), "they hold up no other call");
    served.plane.release.add_permits(WAITING_MAX);
    while let Some(answer) = waits.next().await {
        assert!(answer.is_ok());
    }
}

#[tokio::test]
async fn the_server_too_refuses_one_wait_too_many() {
    let served = Served::start(None).await;
    let mut raw = Raw::connect(served.address).await;
    let wait = |id| (id, Call::Job(JOB, waiting_lookup(MINUTE)), Bytes::new());
    raw.send((0..=WAITING_MAX as u64).map(wait), MINUTE).await;
    let full = crate::message::Response::Job(Err(MetadataError::Crowded));
    assert_eq!(raw.reply().await, Some((WAITING_MAX as u64, full, Bytes::new())));
    raw.send([(5, Call::Cancel, Bytes::new())], MINUTE).await;
    let (id, ..) = raw.reply().await.unwrap();
    assert_eq!(id, 5, "a cancelled wait is replied to as well");
    assert_eq!(Plane::count(&served.plane.held), WAITING_MAX - 1);
}

/// What the kernel takes off the server's hands: at most the send buffer and the receive buffer of the connection,
/// whose limits are 4 and 6 MiB by default and 32 MiB on some machines.
const SOCKET_BUFFERS_MAX_BYTES: usize = 64 << 20;

#[tokio::test]
async fn a_peer_that_does_not_take_its_replies_is_not_read_from() {
    let served = Served::start(None).await;
    let mut raw = Raw::connect(served.address).await;
    let total = (2 * (IN_FLIGHT_MAX_BYTES + SOCKET_BUFFERS_MAX_BYTES)) >> 20;
    let chunk = ChunkId { server: SERVER, number: 1 };
    let read = |id| (id, Call::Chunk(ChunkRequest::Read { chunk, offset: 0, len: 1 << 20 }), Bytes::new());
    raw.send((0..total as u64).map(read), MINUTE).await;
    let handed_out = || Plane::count(&served.plane.read_bytes);
    until("the bound to be reached", || handed_out() >= IN_FLIGHT_MAX_BYTES).await;
    for taken in 0..total {
        let most = (taken << 20) + IN_FLIGHT_MAX_BYTES + SOCKET_BUFFERS_MAX_BYTES;
        assert!(handed_out() <= most, "{} handed out, {taken} MiB taken", handed_out());
        assert!(raw.reply().await.is_some());
    }
    assert_eq!(handed_out(), total << 20);
}

#[tokio::test]
async fn others_have_their_turn_between_the_calls_that_a_peer_has_queued() {
    let served = Served::start(None).await;
    let mut raw = Raw::connect(served.address).await;
    let (total, chunk) = (10 * TURN_CALLS, ChunkId { server: SERVER, number: 1 });
    let read = |id| (id, Call::Chunk(ChunkRequest::Read { chunk, offset: 0, len: 1 }), Bytes::new());
    raw.send((0..total as u64).map(read), MINUTE).await;
    let (plane, mut before, mut most) = (served.plane.clone(), 0, 0);
    let other = tokio::spawn(poll_fn(move |cx| {
        let done = Plane::count(&plane.read_bytes);
        most = most.max(done - before);
        before = done;
        cx.waker().wake_by_ref();
        if done == total { Poll::Ready(most) } else { Poll::Pending }
    }));
    assert_eq!(tokio::time::timeout(PATIENCE, other).await.unwrap().unwrap(), TURN_CALLS);
    for _ in 0..total {
        assert!(raw.reply().await.is_some());
    }
}
