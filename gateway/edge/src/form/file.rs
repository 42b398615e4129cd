//! The file of a form, as the body of a PUT: its bytes pass as they come, held against the sizes that the policy allows
//! and the sums that the fields name. It ends well only when the whole form has: what follows the file says nothing,
//! but a second file would be lost.

use super::multipart::{FormDecoder, FormPiece, malformed};
use crate::body::VerifiedBody;
use crate::digests::{Digests, Settlement};
use crate::payload;
use bytes::Bytes;
use http_body::Body;
use pocket_access::refusal::Refusal;
use pocket_api::checksum::Checksum;
use std::ops::RangeInclusive;
use std::task::{Context, Poll, ready};

pub(crate) struct FileBody<B> {
    form: VerifiedBody<B>,
    decoder: FormDecoder,
    /// Came from the form and is not handed out yet.
    input: Bytes,
    settlement: Settlement,
    sizes: RangeInclusive<u64>,
    passed_bytes: u64,
    /// What is read now is the file and not what follows it.
    in_file: bool,
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
    ) -> Self {
        Self {
            form,
            decoder,
            input,
            settlement: Settlement::new(digests),
            sizes,
            passed_bytes: 0,
            in_file: true,
        }
    }

    /// The next bytes of the file; `None` when the form has ended, after an error too.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        if self.settlement.is_settled() {
            return Poll::Ready(None);
        }
        let next = ready!(self.poll_data(cx));
        Poll::Ready(self.settlement.hand_out(next))
    }

    /// See [`Settlement::outcome`].
    pub(crate) fn outcome(&self) -> Option<&Option<Checksum>> {
        self.settlement.outcome()
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Refusal>> {
        loop {
            match self.decoder.next(&mut self.input)? {
                FormPiece::Content(data) if self.in_file => return Poll::Ready(self.pass(data).map(Some)),
                FormPiece::Content(_) => {}
                FormPiece::Part(part) if part.name.eq_ignore_ascii_case("file") => {
                    return Poll::Ready(Err(not_one_file(2)));
                }
                FormPiece::Part(_) => self.in_file = false,
                FormPiece::End => self.input = Bytes::new(),
                FormPiece::More => {}
            }
            if !self.input.is_empty() {
                continue;
            }
            match ready!(self.form.poll_next(cx)) {
                Some(data) => self.input = data?,
                None => return Poll::Ready(self.finish().map(|()| None)),
            }
        }
    }

    fn pass(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        self.passed_bytes += data.len() as u64;
        if self.passed_bytes > *self.sizes.end() {
            return Err(payload::too_large(self.passed_bytes, *self.sizes.end()));
        }
        self.settlement.update(&data);
        Ok(data)
    }

    fn finish(&mut self) -> Result<(), Refusal> {
        if self.decoder.next(&mut Bytes::new())? != FormPiece::End {
            return Err(malformed("it ends before its last boundary"));
        }
        if self.passed_bytes < *self.sizes.start() {
            return Err(payload::too_small(self.passed_bytes, *self.sizes.start()));
        }
        self.settlement.finish(None)
    }
}

/// `files`: as far as was read.
pub(crate) fn not_one_file(files: usize) -> Refusal {
    Refusal::invalid("file", files, "POST requires exactly one file upload per request.")
}
