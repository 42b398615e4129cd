//! The body of an answer on its way to the socket: tells the connection when it is over. Bytes pass as they are.

use super::link::Link;
use crate::answer;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub(crate) struct AnswerBody {
    body: answer::Body,
    link: Arc<Link>,
}

impl AnswerBody {
    pub(crate) fn new(body: answer::Body, link: Arc<Link>) -> Self {
        Self { body, link }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = <answer::Body as Body>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// hyper drops a body when it has taken the last of it.
impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.link.answer_ended();
    }
}
