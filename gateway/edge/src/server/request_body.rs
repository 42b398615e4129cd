//! A request's body as it comes from the socket. What an operation did not want of it is drained within bounds, once the
//! answer is on its way: a client that is still sending reads its answer instead of a reset.

use super::link::Link;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Most bytes read for nothing: what a client has under way on a fast network. At memory speed it is some 20 ms of a
/// core.
const DRAIN_MAX_BYTES: u64 = 64 << 20;
/// Longest time that a client may take to send them.
const DRAIN_MAX: Duration = Duration::from_secs(5);

pub(crate) struct RequestBody {
    incoming: Option<Incoming>,
    link: Arc<Link>,
}

impl RequestBody {
    pub(crate) fn new(incoming: Incoming, link: Arc<Link>) -> Self {
        Self { incoming: Some(incoming), link }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut *incoming).poll_frame(cx));
        if frame.is_none() || incoming.is_end_stream() {
            self.link.body_read();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or(SizeHint::with_exact(0), Body::size_hint)
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if let Some(rest) = self.incoming.take().filter(|incoming| !incoming.is_end_stream()) {
            self.link.leave(rest);
        }
    }
}

/// Reads and forgets within bounds. Only after the head of the answer is known: before it, reading is what sends
/// `100 Continue`, and that would invite a body which nobody wants. Clients that expect it may send without waiting.
pub(crate) async fn drain(rest: Incoming, _place: OwnedSemaphorePermit) {
    let _ = tokio::time::timeout(DRAIN_MAX, forget(rest)).await;
}

async fn forget(mut incoming: Incoming) {
    let mut left = DRAIN_MAX_BYTES;
    while let Some(Ok(frame)) = incoming.frame().await {
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        match left.checked_sub(bytes) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
