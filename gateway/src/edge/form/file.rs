//! The file of a form, as the body of a PUT: its bytes pass as they come, held against the sizes that the policy allows
//! and the sums that the fields name. It ends well only when the whole form has: what follows the file says nothing,
//! but a second file would be lost.

use super::multipart::{FormDecoder, Piece, malformed};
use crate::context::RequestContext;
use crate::edge::body::{BodyRefused, VerifiedBody, frame};
use crate::edge::digests::Digests;
use crate::edge::payload;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use http_body::{Body, Frame};
use std::ops::RangeInclusive;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pub(crate) struct FileBody<B> {
    form: VerifiedBody<B>,
    decoder: FormDecoder,
    /// Came from the form and is not handed out yet.
    input: Bytes,
    /// Taken when the file is settled, for good or ill.
    digests: Option<Digests>,
    sizes: RangeInclusive<u64>,
    passed_bytes: u64,
    /// What is read now is the file and not what follows it.
    in_file: bool,
    context: Arc<RequestContext>,
}

impl<B> FileBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    /// `decoder` has just said that the file begins; `input` is what it has not used yet.
    pub(crate) fn new(
        form: VerifiedBody<B>,
        decoder: FormDecoder,
        input: Bytes,
        digests: Digests,
        sizes: RangeInclusive<u64>,
        context: Arc<RequestContext>,
    ) -> Self {
        Self { form, decoder, input, digests: Some(digests), sizes, passed_bytes: 0, in_file: true, context }
    }

    /// The next bytes of the file; `None` when the form has ended well.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Refusal>> {
        loop {
            match self.decoder.next(&mut self.input)? {
                Piece::Content(data) if self.in_file => return Poll::Ready(self.pass(data).map(Some)),
                Piece::Content(_) => {}
                Piece::Part(part) if part.name.eq_ignore_ascii_case("file") => {
                    return Poll::Ready(Err(not_one_file()));
                }
                Piece::Part(_) => self.in_file = false,
                Piece::End => self.input = Bytes::new(),
                Piece::More => {}
            }
            if !self.input.is_empty() {
                continue;
            }
            match ready!(Pin::new(&mut self.form).poll_frame(cx)) {
                Some(frame) => self.input = frame.map_err(|error| error.0)?.into_data().unwrap_or_default(),
                None => return Poll::Ready(self.finish().map(|()| None)),
            }
        }
    }

    fn pass(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        self.passed_bytes += data.len() as u64;
        if self.passed_bytes > *self.sizes.end() {
            return Err(payload::too_large(self.passed_bytes, *self.sizes.end()));
        }
        if let Some(digests) = &mut self.digests {
            digests.update(&data);
        }
        Ok(data)
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        if self.decoder.next(&mut Bytes::new())? != Piece::End {
            return Err(malformed("it ends before its last boundary"));
        }
        if self.passed_bytes < *self.sizes.start() {
            return Err(payload::too_small(self.passed_bytes, *self.sizes.start()));
        }
        let Some(digests) = self.digests.take() else { return Ok(()) };
        let checksum = digests.finish(None)?;
        self.context.body.settle(Ok(checksum));
        Ok(())
    }
}

pub(crate) fn not_one_file() -> Refusal {
    Refusal::new(ErrorCode::InvalidArgument, "POST requires exactly one file upload per request.")
}

impl<B> Body for FileBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    type Error = BodyRefused;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyRefused>>> {
        let this = self.get_mut();
        if this.digests.is_none() {
            return Poll::Ready(None);
        }
        let data = ready!(this.poll_data(cx));
        Poll::Ready(frame(data, |refusal| {
            this.digests = None;
            this.context.body.settle(Err(refusal));
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.digests.is_none()
    }
}
