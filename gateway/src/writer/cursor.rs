//! A body cut at the borders of its chunks.

use pocket_api::object::Extent;

/// Where the next byte of a body goes.
pub(super) struct Cursor<I> {
    extents: I,
    current: Option<Extent>,
    /// Within the current extent.
    offset: u32,
    /// In all.
    pub(super) passed: u64,
}

impl<I: Iterator<Item = Extent>> Cursor<I> {
    pub(super) fn new(mut extents: I) -> Self {
        Self { current: extents.next(), extents, offset: 0, passed: 0 }
    }

    /// Takes up to `len` bytes of one extent: which, from where, how many. `None` when all extents are full.
    pub(super) fn advance(&mut self, len: usize) -> Option<(Extent, u32, usize)> {
        let mut at = self.current?;
        if self.offset == at.len {
            at = self.extents.next()?;
            (self.current, self.offset) = (Some(at), 0);
        }
        let taken = (at.len - self.offset).min(u32::try_from(len).unwrap_or(u32::MAX));
        let offset = self.offset;
        self.offset += taken;
        self.passed += u64::from(taken);
        Some((at, offset, taken as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::ids::{ChunkId, NodeId};

    fn extents(lens: &[u32]) -> impl Iterator<Item = Extent> {
        let chunk = |number| ChunkId { server: NodeId(1), number };
        (0..).zip(lens.to_vec()).map(move |(n, len)| Extent { chunk: chunk(n), len })
    }

    #[test]
    fn bytes_are_cut_at_the_borders_of_chunks() {
        let mut cursor = Cursor::new(extents(&[10, 10, 5]));
        let mut taken = Vec::new();
        for mut len in [4, 9, 0, 12] {
            while len > 0 {
                let (at, offset, n) = cursor.advance(len).unwrap();
                taken.push((at.chunk.number, offset, n));
                len -= n;
            }
        }
        assert_eq!(taken, [(0, 0, 4), (0, 4, 6), (1, 0, 3), (1, 3, 7), (2, 0, 5)]);
        assert!(cursor.advance(1).is_none(), "a body that goes on is noticed");
        assert_eq!(cursor.passed, 25, "one that ends early too");
    }
}
