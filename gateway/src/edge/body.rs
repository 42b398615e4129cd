//! A request body on its way to an operation: unframed, counted, hashed. It ends with an error when a promise was broken, so
//! that an operation that reads to the end cannot miss it, and knows its checksum when it has ended well.

use super::chunked::{Announced, ChunkDecoder, ChunkSigner, Piece};
use super::digests::Digests;
use super::pace::Pace;
use super::payload::{PayloadForm, Promise, PromisedSum};
use super::signature::ChunkSeed;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use http_body::Body;
use pocket_api::checksum::Checksum;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// The decoded body of one request.
pub(crate) struct VerifiedBody<B> {
    source: B,
    /// Came from the source and is not handed out yet.
    input: Bytes,
    framing: Option<ChunkDecoder>,
    digests: Option<Digests>,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    pace: Pace,
    /// Of a body that has ended well: the checksum that the client named, if it did.
    outcome: Option<Option<Checksum>>,
}

impl<B> VerifiedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    pub(crate) fn new(source: B, promise: &Promise, seed: Option<ChunkSeed>) -> Self {
        let announced = match promise.sum {
            PromisedSum::InTrailer(algorithm) => Announced::Must(algorithm.header()),
            PromisedSum::Repeated(algorithm, _) => Announced::May(algorithm.header()),
            PromisedSum::None | PromisedSum::Known(..) => Announced::None,
        };
        let framing = match promise.form {
            PayloadForm::Unsigned | PayloadForm::Sha256(_) => None,
            PayloadForm::UnsignedChunks => Some(ChunkDecoder::new(None, announced)),
            PayloadForm::SignedChunks(trailers) => {
                Some(ChunkDecoder::new(seed.map(|seed| ChunkSigner::new(seed, trailers)), announced))
            }
        };
        Self {
            source,
            input: Bytes::new(),
            framing,
            digests: Some(Digests::new(promise)),
            left: promise.decoded_bytes,
            pace: Pace::default(),
            outcome: None,
        }
    }

    /// The next piece of decoded bytes; `None` when the body has ended, after an error too.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        if self.digests.is_none() {
            return Poll::Ready(None);
        }
        let data = ready!(self.poll_data(cx));
        if data.is_err() {
            self.digests = None;
        }
        Poll::Ready(data.transpose())
    }

    /// The checksum that the client named, if it did, of a body that has ended well; `None` of any other.
    pub(crate) fn outcome(&self) -> Option<&Option<Checksum>> {
        self.outcome.as_ref()
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Refusal>> {
        loop {
            if let Some(data) = self.take_piece()? {
                return Poll::Ready(self.pass(data).map(Some));
            }
            match ready!(self.poll_source(cx))? {
                Some(data) => self.input = data,
                None => return Poll::Ready(self.finish().map(|()| None)),
            }
        }
    }

    /// What can be handed out of the input.
    fn take_piece(&mut self) -> Result<Option<Bytes>, Refusal> {
        let Some(framing) = &mut self.framing else {
            let data = std::mem::take(&mut self.input);
            return Ok((!data.is_empty()).then_some(data));
        };
        match framing.next(&mut self.input)? {
            Piece::Data(data) => Ok(Some(data)),
            Piece::More => Ok(None),
            Piece::End if self.input.is_empty() => Ok(None),
            Piece::End => {
                let message = "there are bytes behind the end of the aws-chunked body";
                Err(Refusal::new(ErrorCode::InvalidRequest, message))
            }
        }
    }

    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Refusal>> {
        match Pin::new(&mut self.source).poll_frame(cx) {
            Poll::Ready(frame) => {
                let data = match frame {
                    None => None,
                    Some(Err(_)) => return Poll::Ready(Err(incomplete())),
                    Some(Ok(frame)) => Some(frame.into_data().map_err(|_| {
                        let message = "trailers of HTTP's own chunked encoding are not supported";
                        Refusal::new(ErrorCode::InvalidRequest, message)
                    })?),
                };
                self.pace.came(data.as_ref().map_or(0, Bytes::len));
                Poll::Ready(Ok(data))
            }
            Poll::Pending => self.pace.poll_late(cx).map(|()| Err(too_slow())),
        }
    }

    /// Counts and hashes what goes out. The last bytes of a body without framing go out only if all is right.
    fn pass(&mut self, data: Bytes) -> Result<Bytes, Refusal> {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(data.len() as u64).ok_or_else(|| {
                let message = "the body is longer than its length was said to be";
                Refusal::new(ErrorCode::InvalidRequest, message)
            })?;
        }
        if let Some(digests) = &mut self.digests {
            digests.update(&data);
        }
        if self.left == Some(0) && self.framing.is_none() {
            self.finish()?;
        }
        Ok(data)
    }

    /// The end was reached: holds it against the promise and settles. Once settled it does nothing.
    fn finish(&mut self) -> Result<(), Refusal> {
        let Some(digests) = self.digests.take() else { return Ok(()) };
        if self.left.is_some_and(|left| left > 0) {
            return Err(incomplete());
        }
        let mut trailer = None;
        if let Some(framing) = &mut self.framing {
            if framing.next(&mut Bytes::new())? != Piece::End {
                return Err(incomplete());
            }
            trailer = framing.trailer();
        }
        self.outcome = Some(digests.finish(trailer)?);
        Ok(())
    }
}

fn too_slow() -> Refusal {
    let message =
        "your socket connection to the server was not read from or written to within the timeout period";
    Refusal::new(ErrorCode::RequestTimeout, message)
}

fn incomplete() -> Refusal {
    let message = "you did not provide the number of bytes specified by the Content-Length HTTP header";
    Refusal::new(ErrorCode::IncompleteBody, message)
}
