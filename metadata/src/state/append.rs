//! Appending: bytes added behind those of an object, in one step and without moving what is there. A command of the state
//! machine. Small appends join the inline piece before them until it is full, so that many of them stay few pieces.

use crate::state::account::{BODY_BYTES, PIECE_BYTES, checksum_charge, pieces_charge};
use crate::state::admission::Admission;
use crate::state::commit::body_charge;
use crate::state::key::Key;
use crate::state::pieces::{Content, Piece, Pieces};
use crate::state::rules::{Seen, shown_end};
use crate::state::{JobState, bytes_of};
use bytes::{Bytes, BytesMut};
use pocket_api::clock::Timestamp;
use pocket_api::limits::{APPEND_PIECES_MAX, INLINE_MAX_BYTES, OBJECT_MAX_BYTES};
use pocket_api::metadata::{Answer, Append, MetadataError, Reply};
use pocket_api::object::NewContent;
use pocket_api::parts::Parts;
use std::sync::Arc;

impl JobState {
    pub(crate) fn append(
        &mut self,
        append: Append,
        payload: Bytes,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let Append { key, write, to, offset, size, content, etag, checksum } = append;
        self.check_writable(now)?;
        self.check_settled(&key)?;
        let is_too_long = offset.checked_add(size).is_none_or(|end| end > OBJECT_MAX_BYTES);
        if size == 0 || is_too_long || matches!(content, NewContent::Pieces { .. }) {
            return Err(MetadataError::BadRequest(format!("an append of {size} bytes at {offset}")));
        }
        let there =
            self.objects.get(bytes_of(&key)).filter(|entry| self.is_visible(key.as_str(), entry, now));
        let Some(entry) = there.filter(|entry| entry.etag == to && entry.size == offset) else {
            return Err(MetadataError::Changed { size: there.map_or(0, |entry| entry.size) });
        };
        if entry.reads.as_ref().is_some_and(|reads| !reads.available()) {
            // Whoever has the last read may take the object away, with bytes that it has never seen.
            return Err(MetadataError::Busy);
        }
        let admission = self.admit(write, size, content, payload)?;
        let growth = Growth::of(&entry.content, &admission)?;
        let sums = (checksum_charge(entry.checksum.as_ref()), checksum_charge(checksum.as_ref()));
        let old = growth.entry_old + growth.body_old + sums.0;
        let new = growth.entry_new + growth.body_new + sums.1 + admission.manifest_bytes;
        let seen = Seen { size: offset + size, created: now, ..entry.seen() };
        let key = Key(key);
        let (old_order, new_order) = (self.paid_for_order(&key), self.order_charge(&key, seen));
        self.account.exchange(old + old_order, new + new_order)?;

        let added = self.take_in(admission);
        self.leave_order(&key);
        let Some(entry) = self.objects.get_mut(&key) else { return Err(MetadataError::NoSuchKey) };
        let charge = u64::from(entry.charge_bytes) + growth.entry_new + sums.1 - growth.entry_old - sums.0;
        // As bounded as that of a new entry.
        entry.charge_bytes = u32::try_from(charge).unwrap_or(u32::MAX);
        let mut pieces = match std::mem::replace(&mut entry.content, Content::Inline(Bytes::new())) {
            Content::Inline(bytes) if bytes.is_empty() => Pieces::new(),
            Content::Inline(bytes) => [Piece::Inline(bytes)].into(),
            Content::Body(body) => match Arc::try_unwrap(body) {
                Ok(body) => body.pieces.into_vec().into(),
                Err(read) => {
                    // Somebody reads: the pieces that are there belong to two bodies now.
                    for piece in &read.pieces {
                        match piece {
                            Piece::Inline(bytes) => self.account.count_inline(bytes.len()),
                            Piece::Local { manifest, .. } => self.manifests.retain(*manifest),
                            Piece::Remote(far) => self.held.retain(far.reference, far.home),
                        }
                    }
                    read.pieces.as_ref().into()
                }
            },
        };
        pieces.reserve_exact(added.len());
        added.into_iter().for_each(|piece| push(&mut pieces, piece));
        entry.content = Content::new(pieces, Parts::default());
        entry.size += size;
        entry.modified = now;
        entry.etag = etag;
        entry.checksum = checksum;
        self.logical_bytes += size;
        let committed = entry.committed(shown_end(self.rules.as_deref(), key.as_str(), entry.seen()));
        self.enter_order(&key);
        Ok(Reply::Committed(committed).into())
    }
}

/// Whether so many inline bytes and those of an inline piece before them become one piece.
fn joins(before: Option<u64>, len: Option<u64>) -> bool {
    before.zip(len).is_some_and(|(before, len)| before + len <= INLINE_MAX_BYTES as u64)
}

fn inline_len(piece: &Piece) -> Option<u64> {
    matches!(piece, Piece::Inline(_)).then(|| piece.len())
}

fn push(pieces: &mut Pieces, piece: Piece) {
    match (pieces.last_mut(), piece) {
        (Some(Piece::Inline(last)), Piece::Inline(bytes))
            if joins(Some(last.len() as u64), Some(bytes.len() as u64)) =>
        {
            let mut joined = BytesMut::with_capacity(last.len() + bytes.len());
            joined.extend_from_slice(last);
            joined.extend_from_slice(&bytes);
            *last = joined.freeze();
        }
        (_, piece) => pieces.push(piece),
    }
}

/// What an append does to the charges of an object, found out before anything changes.
struct Growth {
    /// Inline bytes that the entry holds itself, before and after.
    entry_old: u64,
    entry_new: u64,
    /// Charges of its body. One that somebody reads stays, and is paid for, beside the new one.
    body_old: u64,
    body_new: u64,
}

impl Growth {
    fn of(content: &Content, admission: &Admission) -> Result<Self, MetadataError> {
        let (count, pieces_bytes, last, entry_old, body_old) = match content {
            Content::Inline(bytes) if bytes.is_empty() => (0, 0, None, 0, 0),
            Content::Inline(bytes) => {
                let len = bytes.len() as u64;
                (1, PIECE_BYTES + len, Some(len), len, 0)
            }
            Content::Body(body) => {
                let is_read = Arc::strong_count(body) > 1;
                let charge = if is_read { 0 } else { body_charge(body) };
                let last = body.pieces.last().and_then(inline_len);
                (body.pieces.len(), pieces_charge(&body.pieces), last, 0, charge)
            }
        };
        let len = admission.inline_bytes();
        let is_joined = joins(last, len);
        if !is_joined && count >= APPEND_PIECES_MAX {
            return Err(MetadataError::TooManyPieces);
        }
        let stays_inline = len.is_some() && (count == 0 || (count == 1 && is_joined));
        let (entry_new, body_new) = match (stays_inline, is_joined) {
            (true, _) => (last.unwrap_or(0) + len.unwrap_or(0), 0),
            (false, true) => (0, BODY_BYTES + pieces_bytes + len.unwrap_or(0)),
            (false, false) => (0, BODY_BYTES + pieces_bytes + admission.pieces_bytes),
        };
        Ok(Self { entry_old, entry_new, body_old, body_new })
    }
}
