//! Bytes that say who wrote them. Each block of a piece names its writer, its number, its place and how many there are, so whoever
//! reads them knows what they are without asking anybody, and notices when they are torn.

use crate::history::{Body, ByteRange, Piece, Run};
use bytes::{BufMut, Bytes, BytesMut};

/// Four numbers of four bytes.
pub const BLOCK_BYTES: u64 = 16;

impl Piece {
    pub fn size_bytes(self) -> u64 {
        u64::from(self.blocks) * BLOCK_BYTES
    }

    pub fn bytes(self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(self.size_bytes() as usize);
        for index in 0..self.blocks {
            [self.writer, self.number, index, self.blocks].iter().for_each(|field| bytes.put_u32(*field));
        }
        bytes.freeze()
    }

    pub fn whole(self) -> Run {
        Run { piece: self, first: 0, blocks: self.blocks }
    }
}

/// What `bytes` are: all of an object, or a range of it.
pub fn read(bytes: &[u8], range: Option<ByteRange>) -> Body {
    match runs(bytes, range.is_some()) {
        Ok(runs) => Body::Runs(runs),
        Err(why) => Body::Torn(why.into()),
    }
}

fn runs(bytes: &[u8], is_range: bool) -> Result<Vec<Run>, String> {
    let (blocks, rest) = bytes.as_chunks::<{ BLOCK_BYTES as usize }>();
    if !rest.is_empty() {
        return Err(format!("{} bytes are no whole blocks", bytes.len()));
    }
    let mut runs: Vec<Run> = Vec::new();
    for (at, block) in blocks.iter().enumerate() {
        let field = |i: usize| u32::from_be_bytes([block[i], block[i + 1], block[i + 2], block[i + 3]]);
        let (piece, index) = (Piece { writer: field(0), number: field(4), blocks: field(12) }, field(8));
        match runs.last_mut() {
            Some(run) if run.piece == piece && run.first + run.blocks == index => run.blocks += 1,
            Some(run) if run.first + run.blocks != run.piece.blocks => {
                return Err(format!("block {at} is {index} of {piece} where {} goes on", run.piece));
            }
            // Only a range begins in the middle of a piece.
            last if index == 0 || (last.is_none() && is_range) => {
                runs.push(Run { piece, first: index, blocks: 1 });
            }
            _ => return Err(format!("block {at} is {index} of {piece}, which does not begin before it")),
        }
    }
    match runs.last() {
        Some(run) if !is_range && run.first + run.blocks != run.piece.blocks => {
            Err(format!("{} ends after {} blocks", run.piece, run.blocks))
        }
        _ => Ok(runs),
    }
}

/// The runs of a range of an object that consists of `pieces`; fewer where the object ends before it.
pub fn slice(pieces: &[Piece], range: ByteRange) -> Vec<Run> {
    let (start, end) =
        (range.offset_bytes / BLOCK_BYTES, (range.offset_bytes + range.len_bytes) / BLOCK_BYTES);
    let mut runs = Vec::new();
    let mut at = 0;
    for &piece in pieces {
        let next = at + u64::from(piece.blocks);
        let (from, to) = (start.max(at), end.min(next));
        if from < to {
            runs.push(Run { piece, first: (from - at) as u32, blocks: (to - from) as u32 });
        }
        at = next;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Piece = Piece { writer: 1, number: 7, blocks: 3 };
    const B: Piece = Piece { writer: 2, number: 9, blocks: 2 };

    fn joined() -> Vec<u8> {
        [A.bytes(), B.bytes()].concat()
    }

    fn is_torn(bytes: &[u8], range: Option<ByteRange>) -> bool {
        matches!(read(bytes, range), Body::Torn(_))
    }

    #[test]
    fn what_was_written_is_known_from_its_bytes() {
        assert_eq!(read(b"", None), Body::Runs(vec![]));
        assert_eq!(read(&joined(), None), Body::Runs(vec![A.whole(), B.whole()]));
    }

    #[test]
    fn a_range_is_the_slice_of_what_was_written() {
        for first in 0..5_u64 {
            for last in first..5 {
                let (offset_bytes, len_bytes) = (first * BLOCK_BYTES, (last + 1 - first) * BLOCK_BYTES);
                let range = ByteRange { offset_bytes, len_bytes };
                let bytes = &joined()[offset_bytes as usize..][..len_bytes as usize];
                assert_eq!(read(bytes, Some(range)), Body::Runs(slice(&[A, B], range)), "{range:?}");
            }
        }
    }

    #[test]
    fn torn_bytes_are_noticed() {
        let (whole, block) = (joined(), BLOCK_BYTES as usize);
        let range = Some(ByteRange { offset_bytes: 0, len_bytes: 64 });
        assert!(is_torn(&whole[..block], None), "its end is missing");
        assert!(is_torn(&whole[block..], None), "its beginning is missing");
        assert!(is_torn(&whole[..whole.len() - 1], range), "half a block");
        let hole = [&whole[..block], &whole[2 * block..]].concat();
        assert!(is_torn(&hole, range), "a hole");
        let mixed = [&A.bytes()[..block], &B.bytes()[block..]].concat();
        assert!(is_torn(&mixed, range), "two writes in one object");
        let twice = [&whole[..block], &whole[..]].concat();
        assert!(is_torn(&twice, None), "a beginning twice");
    }
}
