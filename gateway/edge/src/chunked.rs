//! The aws-chunked framing: `size[;chunk-signature=..]`, bytes, and at the end trailers. Takes it off in bounded
//! memory: chunk bytes pass through as slices of what came, however large the chunk is; only header lines are copied.
//!
//! Pure: fed with bytes in any split, it answers with pieces. Chunk bytes are handed out before their signature is
//! known to be right, so nothing may be committed before [`ChunkPiece::End`].

use super::payload::Trailers;
use super::proof::{ChunkSeed, hex_sha256, is_same};
use super::signing_keys::Signature;
use bytes::{Buf, Bytes};
use pocket_access::refusal::{ErrorCode, Refusal};
use sha2::{Digest, Sha256};
use smallvec::SmallVec;

/// Longest line of framing: a chunk header is 16 digits, `;chunk-signature=` and 64 digits, the longest trailer a
/// name and 88 digits.
const LINE_MAX_BYTES: usize = 512;
/// Most lines behind the last chunk: a checksum, its signature, and the blank ones that some SDKs put around them.
const TRAILER_LINES_MAX: usize = 8;
const EMPTY_SHA256: &[u8] = b"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What the decoder has to say after some input.
#[derive(Debug, PartialEq)]
pub(crate) enum ChunkPiece {
    Data(Bytes),
    /// All input is used up.
    More,
    /// The framing is complete and every signature in it was right. What input is left does not belong to it.
    End,
}

/// The trailer that was announced, by its name in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Announced {
    None,
    /// Without it the body is not whole.
    Must(&'static str),
    May(&'static str),
}

impl Announced {
    fn name(self) -> Option<&'static str> {
        match self {
            Self::None => None,
            Self::Must(name) | Self::May(name) => Some(name),
        }
    }
}

/// Decodes one body.
#[derive(Debug)]
pub(crate) struct ChunkDecoder {
    state: State,
    /// The line that is being read.
    line: SmallVec<[u8; 128]>,
    signer: Option<ChunkSigner>,
    announced: Announced,
    trailer: Option<Vec<u8>>,
    trailer_lines: usize,
    trailer_signed: bool,
}

#[derive(Debug)]
enum State {
    Header,
    Data {
        left: u64,
        /// Of the chunk so far, where chunks are signed.
        digest: Option<Sha256>,
        claimed: Signature,
    },
    /// Between the bytes of a chunk and the next header: CRLF.
    DataEnd,
    Trailers,
    End,
}

/// Verifies a chain of chunk signatures, each over the one before it.
#[derive(Debug)]
pub(crate) struct ChunkSigner {
    /// Its signature is the last one that was right.
    seed: ChunkSeed,
    trailers: bool,
}

impl ChunkSigner {
    pub(crate) fn new(seed: ChunkSeed, trailers: Trailers) -> Self {
        Self { seed, trailers: trailers == Trailers::Signed }
    }

    fn check_chunk(&mut self, digest: &[u8], claimed: &Signature) -> Result<(), Refusal> {
        self.check(b"AWS4-HMAC-SHA256-PAYLOAD\n", &[EMPTY_SHA256, b"\n", digest], claimed)
    }

    fn check_trailer(&mut self, canonical: &[u8], claimed: &Signature) -> Result<(), Refusal> {
        self.check(b"AWS4-HMAC-SHA256-TRAILER\n", &[&hex_sha256(canonical)], claimed)
    }

    fn check(&mut self, kind: &[u8], rest: &[&[u8]], claimed: &Signature) -> Result<(), Refusal> {
        let ChunkSeed { key, stamp, signature: previous } = &self.seed;
        let (stamp, scope) = (stamp.as_bytes(), key.scope.as_bytes());
        let mut pieces: SmallVec<[&[u8]; 12]> = SmallVec::new();
        pieces.extend_from_slice(&[kind, stamp, b"\n", scope, b"\n", previous, b"\n"]);
        pieces.extend_from_slice(rest);
        let signature = key.sign(&pieces);
        drop(pieces);
        if !is_same(&signature, claimed) {
            let message = "the signature of a chunk or trailer does not match what was computed";
            return Err(Refusal::new(ErrorCode::SignatureDoesNotMatch, message));
        }
        self.seed.signature = signature;
        Ok(())
    }
}

impl ChunkDecoder {
    /// `signer` where chunks are signed.
    pub(crate) fn new(signer: Option<ChunkSigner>, announced: Announced) -> Self {
        Self {
            state: State::Header,
            line: SmallVec::new(),
            signer,
            announced,
            trailer: None,
            trailer_lines: 0,
            trailer_signed: false,
        }
    }

    /// The value of the announced trailer; there is one when the end was reached and one had to come.
    pub(crate) fn trailer(&self) -> Option<&[u8]> {
        self.trailer.as_deref()
    }

    /// Goes on with `input`, taking from its front what it uses. To be called again until it says
    /// [`ChunkPiece::More`].
    pub(crate) fn next(&mut self, input: &mut Bytes) -> Result<ChunkPiece, Refusal> {
        loop {
            match &mut self.state {
                State::Data { left, .. } if *left > 0 => {
                    if input.is_empty() {
                        return Ok(ChunkPiece::More);
                    }
                    let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                    return Ok(ChunkPiece::Data(self.take_data(input, take)));
                }
                State::Data { .. } => self.end_chunk()?,
                State::End => return Ok(ChunkPiece::End),
                State::Header | State::DataEnd | State::Trailers => {
                    if !self.read_line(input)? {
                        return Ok(ChunkPiece::More);
                    }
                    let line = std::mem::take(&mut self.line);
                    self.take_line(line.strip_suffix(b"\r").unwrap_or(&line))?;
                }
            }
        }
    }

    fn take_data(&mut self, input: &mut Bytes, take: usize) -> Bytes {
        let data = input.split_to(take);
        if let State::Data { left, digest, .. } = &mut self.state {
            *left -= take as u64;
            if let Some(digest) = digest {
                digest.update(&data);
            }
        }
        data
    }

    /// All bytes of a chunk have passed.
    fn end_chunk(&mut self) -> Result<(), Refusal> {
        let State::Data { digest, claimed, .. } = std::mem::replace(&mut self.state, State::DataEnd) else {
            return Ok(());
        };
        match (&mut self.signer, digest) {
            (Some(signer), Some(digest)) => {
                let mut digits = [0; 64];
                let encoded = hex::encode_to_slice(digest.finalize(), &mut digits);
                debug_assert!(encoded.is_ok(), "32 bytes are 64 digits");
                signer.check_chunk(&digits, &claimed)
            }
            _ => Ok(()),
        }
    }

    /// Collects a line without its line feed; false when it goes on in later input.
    fn read_line(&mut self, input: &mut Bytes) -> Result<bool, Refusal> {
        let end = input.iter().take(LINE_MAX_BYTES + 1).position(|&b| b == b'\n');
        let take = end.unwrap_or(input.len());
        if self.line.len() + take > LINE_MAX_BYTES {
            return Err(bad_framing("a line is too long"));
        }
        self.line.extend_from_slice(&input[..take]);
        input.advance(end.map_or(take, |end| end + 1));
        Ok(end.is_some())
    }

    fn take_line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        match self.state {
            State::Header => self.begin_chunk(line),
            State::DataEnd if line.is_empty() => {
                self.state = State::Header;
                Ok(())
            }
            State::DataEnd => Err(bad_framing("a chunk is longer than its size")),
            State::Trailers => self.take_trailer(line),
            State::Data { .. } | State::End => Ok(()),
        }
    }

    fn begin_chunk(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let (size, signature) = match line.iter().position(|&b| b == b';') {
            Some(at) => (&line[..at], Some(&line[at + 1..])),
            None => (line, None),
        };
        let size = parse_size(size).ok_or_else(|| bad_framing("a chunk has a bad size"))?;
        let claimed = match (signature, &self.signer) {
            (Some(text), Some(_)) => text.strip_prefix(b"chunk-signature=").and_then(|s| s.try_into().ok()),
            (None, None) => Some([0; 64]),
            (Some(_), None) => return Err(bad_framing("a chunk extension where chunks are not signed")),
            (None, Some(_)) => None,
        };
        let claimed: Signature = claimed.ok_or_else(|| {
            Refusal::new(ErrorCode::SignatureDoesNotMatch, "a chunk comes without a signature")
        })?;
        if size > 0 {
            let digest = self.signer.is_some().then(Sha256::new);
            self.state = State::Data { left: size, digest, claimed };
            return Ok(());
        }
        if let Some(signer) = &mut self.signer {
            signer.check_chunk(EMPTY_SHA256, &claimed)?;
        }
        self.state = State::Trailers;
        Ok(())
    }

    fn take_trailer(&mut self, line: &[u8]) -> Result<(), Refusal> {
        self.trailer_lines += 1;
        if self.trailer_lines > TRAILER_LINES_MAX {
            return Err(bad_trailer("too many lines"));
        }
        let wants_signature = self.signer.as_ref().is_some_and(|signer| signer.trailers);
        if line.is_empty() {
            // A blank line before the signature is a habit of some SDKs, not the end.
            if wants_signature && !self.trailer_signed && self.trailer.is_some() {
                return Ok(());
            }
            return self.end_trailers(wants_signature);
        }
        let colon =
            line.iter().position(|&b| b == b':').ok_or_else(|| bad_trailer("a line without a colon"))?;
        let (name, value) = (line[..colon].trim_ascii().to_ascii_lowercase(), line[colon + 1..].trim_ascii());
        if name == b"x-amz-trailer-signature" && wants_signature && !self.trailer_signed {
            return self.check_trailer_signature(value);
        }
        let is_announced = self.announced.name().is_some_and(|announced| announced.as_bytes() == name);
        if !is_announced || self.trailer.is_some() || self.trailer_signed {
            return Err(bad_trailer("a trailer that x-amz-trailer does not announce"));
        }
        self.trailer = Some(value.to_vec());
        Ok(())
    }

    fn check_trailer_signature(&mut self, value: &[u8]) -> Result<(), Refusal> {
        let mut canonical = Vec::new();
        if let (Some(name), Some(value)) = (self.announced.name(), &self.trailer) {
            canonical.extend_from_slice(name.as_bytes());
            canonical.push(b':');
            canonical.extend_from_slice(value);
            canonical.push(b'\n');
        }
        let claimed: Signature = value.try_into().map_err(|_| bad_trailer("a bad trailer signature"))?;
        self.trailer_signed = true;
        match &mut self.signer {
            Some(signer) => signer.check_trailer(&canonical, &claimed),
            None => Ok(()),
        }
    }

    fn end_trailers(&mut self, wants_signature: bool) -> Result<(), Refusal> {
        if matches!(self.announced, Announced::Must(_)) && self.trailer.is_none() {
            return Err(bad_trailer("the announced trailer did not come"));
        }
        if wants_signature && !self.trailer_signed {
            return Err(Refusal::new(ErrorCode::SignatureDoesNotMatch, "the trailers are not signed"));
        }
        self.state = State::End;
        Ok(())
    }
}

/// 1 to 16 hex digits.
fn parse_size(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, &b| Some(n << 4 | u64::from(char::from(b).to_digit(16)?)))
}

fn bad_framing(why: &'static str) -> Refusal {
    Refusal::new(ErrorCode::InvalidRequest, format!("the aws-chunked body is malformed: {why}"))
}

fn bad_trailer(why: &'static str) -> Refusal {
    let code = ErrorCode::MalformedTrailerError;
    Refusal::new(code, format!("the trailer of the aws-chunked body is malformed: {why}"))
}

#[cfg(test)]
pub(crate) mod tests;
