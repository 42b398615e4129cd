//! One connection: HTTP/1.1 until the client leaves, the connection is cut, nothing moves any more, or the server
//! stops. A client that is silent costs its socket alone: hyper's buffers, 16 KiB of them, are there while it talks.

use super::answer_body::AnswerBody;
use super::handshake::shake_hands;
use super::link::{Link, Traffic};
use super::request_body::{RequestBody, drain};
use super::socket::Socket;
use super::stream::Stream;
use crate::arrived::LINES_MAX;
use crate::calls::ServeAll;
use crate::context::Connection;
use crate::edge::Edge;
use crate::payload_stream::ByteSource;
use crate::tls::Tls;
use http::header::{CONNECTION, EXPECT, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use pocket_api::budget::ByteBudget;
use std::convert::Infallible;
use std::future::{Future, pending};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Longest head of a request. The most that S3 takes is a third of it: a key of 1 KiB whose every byte is encoded, and a source of a
/// copy likewise, are 3 KiB each; metadata are 2 KiB; a presigned URL with a session's token is some 4 KiB. hyper itself takes 400 KiB,
/// which 10,000 connections that send nothing else would turn into 4 GB.
const HEAD_MAX_BYTES: usize = 32 << 10;
/// How often a connection is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Looks without progress after which a connection is closed: a minute, more than clients keep idle connections and
/// than operations let a transfer stall. It covers connections without a request, heads that come a byte at a time,
/// and clients that do not read their answer.
const LOOKS_WITHOUT_PROGRESS_MAX: u32 = 4;

/// Serves until the end. Dropping the future closes the connection and releases its buffers.
pub(crate) async fn serve<O: ServeAll>(
    stream: TcpStream,
    edge: Arc<Edge<O>>,
    tls: Option<Tls>,
    traffic: Arc<Traffic>,
    buffers: ByteBudget,
    shutdown: CancellationToken,
) {
    // Answers go out as they are made; a failure costs latency, not correctness.
    let _ = stream.set_nodelay(true);
    let connection = stream.peer_addr().map_or_else(|_| Connection::default(), Connection::from_peer);
    let (stream, connection) = match tls {
        None => (Stream::Plain(stream), connection),
        // In a box: its room is needed for a moment, and by plain connections never.
        Some(tls) => match Box::pin(shake_hands(stream, &tls, &shutdown)).await {
            Some(stream) => (stream, connection.secured()),
            None => return,
        },
    };
    let link = Arc::new(Link::new(traffic, connection));
    // In a box of its own, since hyper keeps room for it: a connection that waits for a request needs none. It is made where it
    // lies, because it is large.
    let service = service_fn(|request| {
        let place = Box::new_uninit();
        Box::into_pin(Box::write(place, answer(edge.clone(), link.clone(), request)))
    });
    let mut http = http1::Builder::new();
    http.max_headers(LINES_MAX).max_header_size(HEAD_MAX_BYTES);
    let talks = |socket| http.serve_connection(TokioIo::new(socket), &service);
    let mut talking = Some(talks(Socket::new(stream, link.clone(), edge.clone(), buffers)));
    let mut silent = None;
    let mut cut = pin!(link.connection.until_cut());
    let mut stop = pin!(shutdown.cancelled());
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut stopping, mut seen, mut same) = (false, None, 0);
    loop {
        tokio::select! {
            biased;
            ended = of(talking.as_mut()) => {
                if let Err(error) = ended {
                    tracing::debug!(%error, "connection ended");
                }
                return;
            }
            // Or its client has left, which hyper finds out.
            () = heard(silent.as_ref()) => talking = silent.take().map(talks),
            () = cut.as_mut() => return,
            () = stop.as_mut(), if !stopping => {
                stopping = true;
                match &mut talking {
                    Some(talking) => std::pin::Pin::new(talking).graceful_shutdown(),
                    None => return,
                }
            }
            _ = looks.tick() => {
                let progress = link.progress();
                same = if progress.is_some() && progress == seen { same + 1 } else { 0 };
                if same > 0 && link.is_between_calls() {
                    // Its last answer is taken by now, or it is one of few that keep the kernel's memory until they are closed.
                    link.hold_unsent(None);
                    if let Some(parts) = talking.take_if(|_| !stopping).map(http1::Connection::into_parts) {
                        silent = Some(parts.io.into_inner().with_unread(&parts.read_buf));
                    }
                }
                if same == LOOKS_WITHOUT_PROGRESS_MAX {
                    return;
                }
                seen = progress;
            }
        }
    }
}

/// The end of what is there, if anything is.
async fn of<F: Future + Unpin>(future: Option<&mut F>) -> F::Output {
    match future {
        Some(future) => future.await,
        None => pending().await,
    }
}

async fn heard<O: ServeAll>(socket: Option<&Socket<O>>) {
    match socket {
        Some(socket) => socket.readable().await,
        None => pending().await,
    }
}

async fn answer<O: ServeAll>(
    edge: Arc<Edge<O>>,
    link: Arc<Link>,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let has_body = !request.body().is_end_stream();
    link.call_began(has_body);
    // Where the length of a request is open to interpretation, nothing behind it is read as another request: hyper
    // drops a Content-Length that comes beside a Transfer-Encoding.
    let is_open = request.headers().contains_key(TRANSFER_ENCODING);
    let expects = request.headers().get(EXPECT);
    let expects_continue =
        expects.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    if expects_continue && !has_body && request.version() == Version::HTTP_11 {
        link.owe_continue();
    }
    let request = request.map(|incoming| ByteSource::Socket(RequestBody::new(incoming, link.clone())));
    let mut response = edge.answer(request, link.connection.clone()).await;
    if is_open || link.is_body_unread() {
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some((rest, place)) = link.call_ended() {
        tokio::spawn(drain(rest, place));
    }
    Ok(response.map(|body| AnswerBody::new(body, link)))
}
