//! A request body on its way to an operation: unframed, counted, hashed. It ends with an error when a promise was broken, so
//! that an operation that reads to the end cannot miss it, and knows its checksum when it has ended well.

use super::chunked::{Announced, ChunkDecoder, ChunkPiece, ChunkSigner};
use super::digests::{Digests, Settlement};
use super::pace::Pace;
use super::payload::{PayloadForm, Promise, PromisedSum};
use super::proof::ChunkSeed;
use bytes::Bytes;
use http_body::Body;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::Checksum;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Most bytes that are hashed before others have their turn, however much a client has sent and the kernel has kept: MD5 goes
/// through 0.6 GB/s, so that is some 0.4 ms.
const TURN_BYTES: usize = 256 << 10;
/// What a piece counts at least: one of few bytes costs the lines around it and a signature.
const PIECE_MIN_BYTES: usize = 1 << 10;

/// The decoded body of one request.
pub(crate) struct VerifiedBody<B> {
    source: B,
    /// Came from the source; its turn is yet to come.
    arrived: Bytes,
    /// Of that what is not handed out yet, and no more than this turn has room for.
    input: Bytes,
    /// That may still be handed out in this turn.
    turn_bytes: usize,
    framing: Option<ChunkDecoder>,
    settlement: Settlement,
    /// Bytes still to come, where the length is known.
    left: Option<u64>,
    pace: Pace,
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
            arrived: Bytes::new(),
            input: Bytes::new(),
            turn_bytes: TURN_BYTES,
            framing,
            settlement: Settlement::new(Digests::new(promise)),
            left: promise.decoded_bytes,
            pace: Pace::default(),
        }
    }

    /// The next piece of decoded bytes; `None` when the body has ended, after an error too.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Refusal>>> {
        if self.settlement.is_settled() {
            return Poll::Ready(None);
        }
        if self.turn_bytes == 0 {
            self.turn_bytes = TURN_BYTES;
            cx.waker().wake_by_ref();
            return Poll::Pending;
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
            if let Some(data) = self.take_piece()? {
                return Poll::Ready(self.pass(data).map(Some));
            }
            if !self.arrived.is_empty() {
                self.input = self.arrived.split_to(self.arrived.len().min(self.turn_bytes));
                continue;
            }
            match ready!(self.poll_source(cx))? {
                Some(data) => self.arrived = data,
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
            ChunkPiece::Data(data) => Ok(Some(data)),
            ChunkPiece::More => Ok(None),
            ChunkPiece::End if self.input.is_empty() && self.arrived.is_empty() => Ok(None),
            ChunkPiece::End => {
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
        self.settlement.update(&data);
        self.turn_bytes = self.turn_bytes.saturating_sub(data.len().max(PIECE_MIN_BYTES));
        if self.left == Some(0) && self.framing.is_none() {
            self.finish()?;
        }
        Ok(data)
    }

    /// The end was reached: holds it against the promise and settles. Once settled it does nothing.
    fn finish(&mut self) -> Result<(), Refusal> {
        if self.settlement.is_settled() {
            return Ok(());
        }
        if self.left.is_some_and(|left| left > 0) {
            return Err(incomplete());
        }
        let mut trailer = None;
        if let Some(framing) = &mut self.framing {
            if framing.next(&mut Bytes::new())? != ChunkPiece::End {
                return Err(incomplete());
            }
            trailer = framing.trailer();
        }
        self.settlement.finish(trailer)
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

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::Full;
    use std::task::Waker;

    /// The lengths of the pieces that each poll of whoever reads as much as there is hands out.
    fn polls(body: &[u8], form: PayloadForm, decoded_bytes: u64) -> Vec<Vec<usize>> {
        let promise = Promise { form, decoded_bytes: Some(decoded_bytes), sum: PromisedSum::None, md5: None };
        let mut body = VerifiedBody::new(Full::new(Bytes::copy_from_slice(body)), &promise, None);
        let mut cx = Context::from_waker(Waker::noop());
        let mut polls = vec![Vec::new()];
        loop {
            match body.poll_next(&mut cx) {
                Poll::Ready(Some(piece)) => polls.last_mut().unwrap().push(piece.unwrap().len()),
                Poll::Ready(None) => return polls,
                Poll::Pending => polls.push(Vec::new()),
            }
        }
    }

    #[test]
    fn however_much_has_come_one_poll_hashes_a_bounded_part_of_it() {
        let (whole, turn) = (vec![7; 3 * TURN_BYTES + 5], TURN_BYTES);
        let sha256 = sha2::Digest::finalize(<sha2::Sha256 as sha2::Digest>::new_with_prefix(&whole));
        for form in [PayloadForm::Unsigned, PayloadForm::Sha256(sha256.into())] {
            let polls = polls(&whole, form, whole.len() as u64);
            assert_eq!(polls, [vec![turn], vec![turn], vec![turn], vec![5]]);
        }
        let framed = [format!("{:x}\r\n", whole.len()).as_bytes(), &whole[..], b"\r\n0\r\n\r\n"].concat();
        let polls = polls(&framed, PayloadForm::UnsignedChunks, whole.len() as u64);
        assert_eq!(polls.iter().flatten().sum::<usize>(), whole.len());
        assert!(polls.iter().all(|pieces| pieces.iter().sum::<usize>() <= turn), "{polls:?}");
        assert!(polls.len() >= 4, "{polls:?}");
    }

    #[test]
    fn pieces_of_a_byte_each_have_a_bound_in_one_poll_too() {
        let framed = ["1\r\n7\r\n".repeat(10_000).as_str(), "0\r\n\r\n"].concat();
        let polls = polls(framed.as_bytes(), PayloadForm::UnsignedChunks, 10_000);
        assert!(polls.iter().all(|pieces| pieces.len() <= TURN_BYTES / PIECE_MIN_BYTES));
        assert_eq!(polls.iter().flatten().sum::<usize>(), 10_000);
    }
}
