//! What objects are made of: runs of bytes kept here, in chunks by a manifest of this shard, or by a manifest of another
//! shard; and how a range of them becomes segments for a reader. Inside the state machine; never touches bytes of chunks.

use crate::state::manifest::Manifests;
use bytes::{Bytes, BytesMut};
use pocket_api::ids::WriteId;
use pocket_api::limits::{INLINE_MAX_BYTES, SEGMENTS_PER_PAGE};
use pocket_api::metadata::SegmentPage;
use pocket_api::object::{Extent, Reference, Segment};
use pocket_api::parts::Parts;
use smallvec::SmallVec;
use std::sync::Arc;

/// Most inline bytes in one page of segments: what the largest piece needs. Whoever reads a page has all of them in memory, however
/// slow the client that they are for.
const PAGE_INLINE_MAX_BYTES: usize = INLINE_MAX_BYTES;

/// One run of bytes.
#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Inline(Bytes),
    /// Counted once in the manifest for each piece.
    Local {
        manifest: WriteId,
        offset: u64,
        len: u64,
    },
    /// Counted once in [`crate::state::references::Held`] for each piece.
    Remote(Reference),
}

impl Piece {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Local { len, .. } => *len,
            Self::Remote(reference) => reference.len,
        }
    }

    /// The run `from..from + len` of this piece.
    pub(crate) fn cut(&self, from: u64, len: u64) -> Piece {
        match self {
            Self::Inline(bytes) => Self::Inline(bytes.slice(from as usize..(from + len) as usize)),
            Self::Local { manifest, offset, .. } => {
                Self::Local { manifest: *manifest, offset: offset + from, len }
            }
            Self::Remote(reference) => {
                Self::Remote(Reference { offset: reference.offset + from, len, ..*reference })
            }
        }
    }
}

/// Pieces on their way into an object, most often a single one.
pub(crate) type Pieces = SmallVec<[Piece; 1]>;

/// An immutable content of pieces. Shared by its object and by the leases that read it: whoever drops the last one
/// gives the pieces back, under the job's lock. No clone leaves that lock.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) pieces: Box<[Piece]>,
    pub(crate) parts: Parts,
}

/// What an object holds. The small case has no allocation but its bytes.
#[derive(Debug)]
pub(crate) enum Content {
    Inline(Bytes),
    Body(Arc<Body>),
}

impl Content {
    pub(crate) fn new(mut pieces: Pieces, parts: Parts) -> Self {
        match pieces.pop() {
            Some(Piece::Inline(bytes)) if pieces.is_empty() && parts.is_empty() => Self::Inline(bytes),
            None if parts.is_empty() => Self::Inline(Bytes::new()),
            last => {
                pieces.extend(last);
                Self::Body(Arc::new(Body { pieces: pieces.into_boxed_slice(), parts }))
            }
        }
    }
}

/// The pieces that `offset..offset + len` lies in, cut to it.
pub(crate) fn cut(pieces: &[Piece], offset: u64, len: u64) -> impl Iterator<Item = Piece> {
    let end = offset + len;
    let mut start = 0;
    pieces.iter().filter_map(move |piece| {
        let (from, to) = (start, start + piece.len());
        start = to;
        let (a, b) = (from.max(offset), to.min(end));
        (a < b).then(|| piece.cut(a - from, b - a))
    })
}

/// Collects segments until the page is full.
#[derive(Default)]
struct Page {
    segments: SmallVec<[Segment; 1]>,
    inline: SmallVec<[Bytes; 1]>,
    inline_bytes: usize,
    covered: u64,
}

impl Page {
    fn is_full(&self) -> bool {
        self.segments.len() >= SEGMENTS_PER_PAGE
    }

    /// Whether an inline piece has its place here; one always has.
    fn fits(&self, bytes: &Bytes) -> bool {
        self.inline.is_empty() || self.inline_bytes + bytes.len() <= PAGE_INLINE_MAX_BYTES
    }

    fn push(&mut self, segment: Segment) {
        self.covered += segment.len();
        self.segments.push(segment);
    }

    /// Chunks of `offset..offset + len` of a manifest, as many as fit.
    fn extend(&mut self, extents: &[Extent], offset: u64, len: u64) {
        let end = offset + len;
        let mut start = 0;
        for extent in extents {
            let (from, to) = (start, start + u64::from(extent.len));
            start = to;
            let (a, b) = (from.max(offset), to.min(end));
            if a >= b {
                continue;
            }
            if self.is_full() {
                return;
            }
            self.push(Segment::Chunk { chunk: extent.chunk, offset: (a - from) as u32, len: (b - a) as u32 });
        }
    }

    /// `skip`: bytes of the selection before this page; `len`: bytes that the page could have covered.
    fn finish(mut self, skip: u64, len: u64) -> (SegmentPage, Bytes) {
        let next = (self.covered < len).then_some(skip + self.covered);
        let payload = match self.inline.len() {
            0 => Bytes::new(),
            1 => self.inline.swap_remove(0),
            _ => {
                let mut joined = BytesMut::with_capacity(self.inline_bytes);
                self.inline.iter().for_each(|bytes| joined.extend_from_slice(bytes));
                joined.freeze()
            }
        };
        (SegmentPage { segments: self.segments, next }, payload)
    }
}

/// A page of the selection `offset..offset + len`, from `skip` bytes after its first; with its inline bytes.
pub(crate) fn page(
    pieces: &[Piece],
    manifests: &Manifests,
    (offset, len): (u64, u64),
    skip: u64,
) -> (SegmentPage, Bytes) {
    let mut page = Page::default();
    for piece in cut(pieces, offset + skip, len - skip) {
        if page.is_full() {
            break;
        }
        match piece {
            Piece::Inline(bytes) if !page.fits(&bytes) => break,
            Piece::Inline(bytes) => {
                page.push(Segment::Inline { len: bytes.len() as u32 });
                page.inline_bytes += bytes.len();
                page.inline.push(bytes);
            }
            Piece::Local { manifest, offset, len } => page.extend(manifests.extents(manifest), offset, len),
            Piece::Remote(reference) => page.push(Segment::Remote(reference)),
        }
    }
    page.finish(skip, len - skip)
}

/// A page of `offset..offset + len` of one manifest.
pub(crate) fn manifest_page(extents: &[Extent], offset: u64, len: u64) -> SegmentPage {
    let mut page = Page::default();
    page.extend(extents, offset, len);
    page.finish(0, len).0
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::ids::{ChunkId, NodeId};

    fn write(number: u64) -> WriteId {
        WriteId { gateway: NodeId(1), number }
    }

    fn extents(lens: &[u32]) -> Vec<Extent> {
        let chunk = |i| ChunkId { server: NodeId(9), number: i as u64 };
        lens.iter().enumerate().map(|(i, &len)| Extent { chunk: chunk(i), len }).collect()
    }

    #[test]
    fn a_range_becomes_the_segments_that_hold_it_and_no_others() {
        let mut manifests = Manifests::default();
        manifests.insert(write(1), extents(&[10, 10, 5]));
        let pieces = [
            Piece::Inline(Bytes::from_static(b"abcde")),
            Piece::Local { manifest: write(1), offset: 5, len: 20 },
            Piece::Inline(Bytes::from_static(b"xyz")),
        ];
        let chunk = |number, offset, len| Segment::Chunk {
            chunk: ChunkId { server: NodeId(9), number },
            offset,
            len,
        };
        let (all, payload) = page(&pieces, &manifests, (0, 28), 0);
        let inline = |len| Segment::Inline { len };
        assert_eq!(all.segments[..], [inline(5), chunk(0, 5, 5), chunk(1, 0, 10), chunk(2, 0, 5), inline(3)]);
        assert_eq!((all.next, &payload[..]), (None, &b"abcdexyz"[..]));
        let (some, payload) = page(&pieces, &manifests, (3, 8), 0);
        assert_eq!(some.segments[..], [inline(2), chunk(0, 5, 5), chunk(1, 0, 1)]);
        assert_eq!((some.next, &payload[..]), (None, &b"de"[..]));
        let (rest, payload) = page(&pieces, &manifests, (3, 8), 4);
        assert_eq!(rest.segments[..], [chunk(0, 7, 3), chunk(1, 0, 1)]);
        assert_eq!((rest.next, payload.len()), (None, 0));
    }

    #[test]
    fn long_selections_come_in_pages_that_join_without_gap() {
        let mut manifests = Manifests::default();
        manifests.insert(write(1), extents(&vec![7; 3 * SEGMENTS_PER_PAGE - 1]));
        let len = 7 * (3 * SEGMENTS_PER_PAGE as u64 - 1) - 3;
        let pieces = [Piece::Local { manifest: write(1), offset: 2, len: len + 1 }];
        let (mut skip, mut seen, mut pages) = (0, 0, 0);
        loop {
            let (page, _) = page(&pieces, &manifests, (1, len), skip);
            assert!(page.segments.len() <= SEGMENTS_PER_PAGE);
            seen += page.segments.iter().map(Segment::len).sum::<u64>();
            pages += 1;
            match page.next {
                Some(next) => skip = next,
                None => break,
            }
            assert_eq!(seen, skip);
        }
        assert_eq!((seen, pages), (len, 3));
    }

    #[test]
    fn a_page_has_no_more_inline_bytes_than_the_largest_piece() {
        let pieces: Vec<Piece> = [INLINE_MAX_BYTES, 10_000, 6_000, 10_000, 7, INLINE_MAX_BYTES]
            .map(|len| Piece::Inline(vec![7; len].into()))
            .into();
        let len = pieces.iter().map(Piece::len).sum();
        let (mut skip, mut seen) = (Some(0), Vec::new());
        while let Some(from) = skip {
            let (page, payload) = page(&pieces, &Manifests::default(), (0, len), from);
            seen.push(payload.len());
            skip = page.next;
        }
        assert_eq!(seen, [INLINE_MAX_BYTES, 16_000, 10_007, INLINE_MAX_BYTES]);
    }
}
