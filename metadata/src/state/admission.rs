//! New content at the door: first judged as a whole, then paid for by the caller, then taken in without fail. Part of the
//! state machine.

use crate::state::JobState;
use crate::state::account::{PIECE_BYTES, manifest_charge};
use crate::state::pieces::{Piece, Pieces};
use bytes::Bytes;
use pocket_api::ids::WriteId;
use pocket_api::limits::{INLINE_MAX_BYTES, OBJECT_MAX_BYTES};
use pocket_api::metadata::MetadataError;
use pocket_api::object::{NewContent, NewPiece};

/// Content that was found good.
pub(crate) struct Admission {
    write: WriteId,
    content: NewContent,
    payload: Bytes,
    pieces: usize,
    /// What its pieces will cost as part of a body or a part.
    pub(crate) pieces_bytes: u64,
    /// What its manifest will cost.
    pub(crate) manifest_bytes: u64,
}

impl Admission {
    /// Bytes of content that needs no body: nothing at all, or one inline piece.
    pub(crate) fn inline_bytes(&self) -> Option<u64> {
        let inline = match self.content {
            NewContent::Inline => true,
            NewContent::Chunks { .. } => false,
            NewContent::Pieces { .. } => self.pieces == 0 || (self.pieces == 1 && !self.payload.is_empty()),
        };
        inline.then_some(self.payload.len() as u64)
    }
}

fn bad<T>(text: String) -> Result<T, MetadataError> {
    Err(MetadataError::BadRequest(text))
}

impl JobState {
    /// Judges content of `size` bytes. Nothing has changed afterwards.
    pub(crate) fn admit(
        &self,
        write: WriteId,
        size: u64,
        content: NewContent,
        payload: Bytes,
    ) -> Result<Admission, MetadataError> {
        if self.burned.contains(write) {
            return Err(MetadataError::WriteBurned);
        }
        let (pieces, total, inline, manifest_bytes) = match &content {
            NewContent::Inline => {
                if payload.len() > INLINE_MAX_BYTES {
                    return bad(format!("{} inline bytes", payload.len()));
                }
                (1, payload.len() as u64, payload.len() as u64, 0)
            }
            NewContent::Chunks { extents } => {
                if extents.is_empty() || extents.iter().any(|extent| extent.len == 0) {
                    return bad(format!("a chunk without bytes in {write:?}"));
                }
                if self.manifests.contains(write) {
                    return bad(format!("write {write:?} was committed before"));
                }
                if extents.iter().any(|extent| self.view.is_dead(extent.chunk.server)) {
                    return Err(MetadataError::WriteBurned);
                }
                let total = extents.iter().map(|extent| u64::from(extent.len)).sum();
                (1, total, 0, manifest_charge(extents.len()))
            }
            NewContent::Pieces { pieces } => {
                let (mut count, mut total, mut inline) = (0, 0_u64, 0_u64);
                for piece in pieces {
                    let len = self.judge_piece(piece)?;
                    let Some(sum) = total.checked_add(len) else {
                        return bad(format!("pieces of more than {total} bytes"));
                    };
                    total = sum;
                    count += usize::from(len > 0);
                    inline += if matches!(piece, NewPiece::Inline { .. }) { len } else { 0 };
                }
                (count, total, inline, 0)
            }
        };
        if total > OBJECT_MAX_BYTES || total != size || inline != payload.len() as u64 {
            let found = payload.len();
            return bad(format!(
                "{total} bytes of content, {found} of payload, for {size} ({inline} inline)"
            ));
        }
        let pieces_bytes = PIECE_BYTES * pieces as u64 + inline;
        Ok(Admission { write, content, payload, pieces, pieces_bytes, manifest_bytes })
    }

    fn judge_piece(&self, piece: &NewPiece) -> Result<u64, MetadataError> {
        let reference = match piece {
            NewPiece::Inline { len } if *len as usize > INLINE_MAX_BYTES => {
                return bad(format!("an inline piece of {len} bytes"));
            }
            NewPiece::Inline { len } => return Ok(u64::from(*len)),
            NewPiece::Reference(reference) => reference,
        };
        if reference.home != self.home.node {
            // Not ours to look into; its home counts it.
            let gone = self.burned.contains(reference.reference) || self.view.is_dead(reference.home);
            return if gone { Err(MetadataError::WriteBurned) } else { Ok(reference.len) };
        }
        let names = self.references.names(reference.reference, reference.manifest);
        let Some(total) = self.manifests.len_bytes(reference.manifest).filter(|_| names) else {
            return Err(MetadataError::WriteBurned);
        };
        if self.manifests.is_lost(reference.manifest) {
            return Err(MetadataError::Lost);
        }
        if reference.offset.checked_add(reference.len).is_none_or(|end| end > total) {
            return bad(format!("{reference:?} of a manifest of {total} bytes"));
        }
        Ok(reference.len)
    }

    /// Turns content that was admitted, and paid for, into pieces: counts what it refers to and spends its
    /// references.
    pub(crate) fn take_in(&mut self, admission: Admission) -> Pieces {
        let Admission { write, content, payload, pieces: count, .. } = admission;
        self.account.count_inline(payload.len());
        match content {
            // A copy of its own size: the payload may be a slice of something large.
            NewContent::Inline => [Piece::Inline(Bytes::copy_from_slice(&payload))].into(),
            NewContent::Chunks { extents } => {
                let len = extents.iter().map(|extent| u64::from(extent.len)).sum();
                self.manifests.insert(write, extents);
                [Piece::Local { manifest: write, offset: 0, len }].into()
            }
            NewContent::Pieces { pieces: new } => {
                let mut pieces = Pieces::with_capacity(count);
                let mut spent = Vec::new();
                let mut at = 0;
                for piece in new {
                    match piece {
                        NewPiece::Inline { len } => {
                            let end = at + len as usize;
                            if len > 0 {
                                pieces.push(Piece::Inline(Bytes::copy_from_slice(&payload[at..end])));
                            }
                            at = end;
                        }
                        NewPiece::Reference(reference) if reference.home != self.home.node => {
                            if reference.len > 0 {
                                self.held.retain(reference.reference, reference.home);
                                pieces.push(Piece::Remote(reference));
                            }
                        }
                        NewPiece::Reference(reference) => {
                            if reference.len > 0 {
                                let (manifest, offset) = (reference.manifest, reference.offset);
                                self.manifests.retain(manifest);
                                pieces.push(Piece::Local { manifest, offset, len: reference.len });
                            }
                            if spent.last() != Some(&reference.reference) {
                                spent.push(reference.reference);
                            }
                        }
                    }
                }
                spent.into_iter().for_each(|reference| self.end_reference(reference));
                pieces
            }
        }
    }
}
