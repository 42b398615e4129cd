//! A request's body as operations read it: one piece of decoded bytes after the other, then the checksum that the client named.
//! It knows where the bytes come from, a socket or the file of a form, so that nobody else has to.

use super::body::VerifiedBody;
use super::form::FileBody;
use crate::refusal::{ErrorCode, Refusal};
use crate::server::request_body::RequestBody;
use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame};
use pocket_api::checksum::Checksum;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Where the bytes of a request come from.
pub(crate) enum Source {
    Socket(RequestBody),
    /// Anything else, for requests that came on no connection.
    Other(Pin<Box<dyn Body<Data = Bytes, Error = BrokenOff> + Send>>),
}

/// The bytes of a request ended before its body did.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
pub(crate) struct BrokenOff;

impl Source {
    pub(crate) fn of<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
    {
        use http_body_util::BodyExt;
        Self::Other(Box::pin(body.map_err(|_| BrokenOff)))
    }
}

impl Body for Source {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Socket(body) => Pin::new(body).poll_frame(cx).map_err(|_| BrokenOff),
            Self::Other(body) => body.as_mut().poll_frame(cx),
        }
    }
}

/// The body of a request that makes an object or a part.
pub struct Payload(Kind);

enum Kind {
    Body(VerifiedBody<Source>),
    File(Box<FileBody<Source>>),
}

impl Payload {
    pub(super) fn body(body: VerifiedBody<Source>) -> Self {
        Self(Kind::Body(body))
    }

    pub(super) fn file(file: FileBody<Source>) -> Self {
        Self(Kind::File(Box::new(file)))
    }

    /// The next bytes; `None` at the end, after an error too.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        match &mut self.0 {
            Kind::Body(body) => body.poll_next(cx),
            Kind::File(file) => file.poll_next(cx),
        }
    }

    /// The checksum that the client named, once the body has ended well; one that has not ended is refused.
    pub fn checksum(&self) -> Result<Option<Checksum>, Refusal> {
        let outcome = match &self.0 {
            Kind::Body(body) => body.outcome(),
            Kind::File(file) => file.outcome(),
        };
        let incomplete = || Refusal::new(ErrorCode::IncompleteBody, "the request body ended early");
        outcome.cloned().ok_or_else(incomplete)
    }
}

impl Stream for Payload {
    type Item = Result<Bytes, Refusal>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        self.get_mut().poll_next(cx)
    }
}
