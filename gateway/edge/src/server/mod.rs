//! HTTP: accepts connections and serves each with the edge behind it, on as many threads as the configuration says.

mod answer_body;
pub(crate) mod connection;
pub(crate) mod drains;
mod handshake;
pub(crate) mod handshake_places;
pub(crate) mod hello;
pub(crate) mod link;
pub(crate) mod request_body;
mod socket;
mod stream;
mod unsent;

use crate::calls::ServeAll;
use crate::edge::Edge;
use crate::tls::Tls;
use link::Traffic;
use pocket_api::budget::ByteBudget;
use std::io::{self, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long requests may go on after the server was told to stop.
const SHUTDOWN_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed accept: out of file descriptors, most likely, and the next try would fail as well.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Connections that may wait for their thread to take them; the acceptor pauses beyond it.
const HANDOVER_MAX: usize = 128;
/// For connections above the limit; where they speak TLS, an alert.
const TOO_MANY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/xml\r\n\
    connection: close\r\ncontent-length: 95\r\n\r\n\
    <Error><Code>SlowDown</Code><Message>Too many connections: reduce your rate.</Message></Error>\n";

/// A connection that was accepted, with its place among the connections that are allowed.
type Accepted = (TcpStream, OwnedSemaphorePermit);

/// Serves `listener` until `shutdown`, then lets what is going on finish within [`SHUTDOWN_MAX`]. `traffic` holds the
/// counters of each thread, and so says how many there are: at least one.
pub(crate) async fn serve<O: ServeAll>(
    listener: TcpListener,
    edge: Arc<Edge<O>>,
    tls: Option<&Tls>,
    max_connections: usize,
    buffers: &ByteBudget,
    traffic: &[Arc<Traffic>],
    shutdown: CancellationToken,
) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let mut handovers = Vec::new();
    let mut workers = Vec::new();
    for traffic in traffic {
        let (handover, accepted) = mpsc::channel(HANDOVER_MAX);
        handovers.push(handover);
        let (edge, tls, traffic, buffers) = (edge.clone(), tls.cloned(), traffic.clone(), buffers.clone());
        workers.push(start_thread(accepted, edge, tls, traffic, buffers, shutdown.clone())?);
    }
    let too_many = if tls.is_some() { handshake::INTERNAL_ERROR } else { TOO_MANY };
    accept(listener, handovers, max_connections, too_many, shutdown).await;
    for worker in workers {
        worker.await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// One acceptor that hands connections out in turn. With a listener a thread (SO_REUSEPORT) the kernel would spread
/// them by hash: of 16 connections on 2 cores one core often gets 11, and clients here keep few for long.
async fn accept(
    listener: tokio::net::TcpListener,
    handovers: Vec<mpsc::Sender<Accepted>>,
    max_connections: usize,
    too_many: &[u8],
    shutdown: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(max_connections.min(Semaphore::MAX_PERMITS)));
    for handover in handovers.iter().cycle() {
        let (stream, place) = loop {
            let accepted = tokio::select! {
                biased;
                () = shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => match places.clone().try_acquire_owned() {
                    Ok(place) => break (stream, place),
                    Err(_) => refuse(stream, too_many),
                },
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        };
        // A worker ends only with the server.
        if handover.send((stream, place)).await.is_err() {
            return;
        }
    }
}

/// Says why, as far as the socket takes it at once.
fn refuse(stream: TcpStream, why: &[u8]) {
    if let Ok(mut stream) = stream.into_std() {
        let _ = stream.write(why);
        let _ = stream.shutdown(std::net::Shutdown::Write);
    }
}

/// Serves connections on the current runtime.
async fn work<O: ServeAll>(
    mut accepted: mpsc::Receiver<Accepted>,
    edge: Arc<Edge<O>>,
    tls: Option<Tls>,
    traffic: Arc<Traffic>,
    buffers: ByteBudget,
    shutdown: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            next = accepted.recv() => {
                let Some((stream, place)) = next else { break };
                let connection = connection::serve(
                    stream,
                    edge.clone(),
                    tls.clone(),
                    traffic.clone(),
                    buffers.clone(),
                    shutdown.clone(),
                );
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(SHUTDOWN_MAX, finished).await.is_err() {
        tracing::warn!("closing connections that are still busy");
    }
    connections.shutdown().await;
}

/// A thread with an event loop of its own. Its end is awaited through the task that is answered.
fn start_thread<O: ServeAll>(
    mut accepted: mpsc::Receiver<Accepted>,
    edge: Arc<Edge<O>>,
    tls: Option<Tls>,
    traffic: Arc<Traffic>,
    buffers: ByteBudget,
    shutdown: CancellationToken,
) -> io::Result<tokio::task::JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (here, moved) = mpsc::channel(HANDOVER_MAX);
    let serving = async move {
        let adopt = async {
            while let Some((stream, place)) = accepted.recv().await {
                // A socket belongs to the event loop that it was registered with.
                if let Ok(stream) = stream.into_std().and_then(TcpStream::from_std)
                    && here.send((stream, place)).await.is_err()
                {
                    return;
                }
            }
            drop(here);
        };
        tokio::join!(adopt, work(moved, edge, tls, traffic, buffers, shutdown));
    };
    let (ended, end) = tokio::sync::oneshot::channel::<()>();
    thread::Builder::new().name("pocket-gateway".into()).spawn(move || {
        runtime.block_on(serving);
        drop(ended);
    })?;
    Ok(tokio::spawn(async move {
        // Answers with an error when the thread is through and has dropped its end.
        let _ = end.await;
    }))
}
