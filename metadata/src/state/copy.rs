//! References to bytes of this shard, taken for copies: added, forked, confirmed, ended. Commands of the state machine.
//! A copy moves no bytes but inline ones.

use crate::state::JobState;
use crate::state::account::{REFERENCE_BYTES, REFERENCE_MANIFEST_BYTES};
use crate::state::entry::Entry;
use crate::state::pieces::{Content, Piece, cut};
use bytes::{Bytes, BytesMut};
use pocket_api::clock::Timestamp;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::metadata::{AddReference, Answer, MetadataError, Referenced, Reply};
use pocket_api::object::{NewPiece, Reference};

impl JobState {
    pub(crate) fn add_reference(
        &mut self,
        add: AddReference,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let AddReference { key, conditions, select, reference, holder } = add;
        let entry = self.find(&key, &conditions, now)?;
        if entry.reads.as_ref().is_some_and(|reads| !reads.available()) {
            return Err(MetadataError::NoSuchKey);
        }
        let (offset, len) = entry.select(select)?;
        let (pieces, manifests, payload) = self.refer(entry, (offset, len), reference);
        let referenced = Referenced { meta: entry.meta(self.rule_end(&key, entry)), now, len, pieces };
        self.take_reference(reference, manifests, holder, now)?;
        Ok(Answer { reply: Reply::Referenced(Box::new(referenced)), payload })
    }

    /// The pieces of a selection under the id of a reference, the manifests of this shard that they name, and their inline
    /// bytes.
    pub(crate) fn refer(
        &self,
        entry: &Entry,
        (offset, len): (u64, u64),
        reference: WriteId,
    ) -> (Vec<NewPiece>, Vec<WriteId>, Bytes) {
        let mut pieces = Vec::new();
        let mut payload = BytesMut::new();
        let mut manifests = Vec::new();
        let mut inline = |pieces: &mut Vec<NewPiece>, bytes: &[u8]| {
            payload.extend_from_slice(bytes);
            pieces.push(NewPiece::Inline { len: bytes.len() as u32 });
        };
        match &entry.content {
            Content::Inline(bytes) if len > 0 => {
                inline(&mut pieces, &bytes[offset as usize..(offset + len) as usize]);
            }
            Content::Inline(_) => {}
            Content::Body(body) => {
                for piece in cut(&body.pieces, offset, len) {
                    match piece {
                        Piece::Inline(bytes) => inline(&mut pieces, &bytes),
                        Piece::Local { manifest, offset, len } => {
                            manifests.push(manifest);
                            let home = self.home.node;
                            let piece = Reference { home, manifest, reference, offset, len };
                            pieces.push(NewPiece::Reference(piece));
                        }
                        Piece::Remote(remote) => pieces.push(NewPiece::Reference(remote)),
                    }
                }
            }
        }
        (pieces, manifests, payload.freeze())
    }

    pub(crate) fn fork_reference(
        &mut self,
        manifest: WriteId,
        reference: WriteId,
        holder: NodeId,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        if !self.manifests.contains(manifest) {
            // The object that was to be copied is gone since it was looked up.
            return Err(MetadataError::NoSuchKey);
        }
        if self.manifests.is_lost(manifest) {
            return Err(MetadataError::Lost);
        }
        self.take_reference(reference, vec![manifest], holder, now)?;
        Ok(Reply::Done.into())
    }

    /// Counts `reference` once in each of the manifests that it does not name yet.
    pub(crate) fn take_reference(
        &mut self,
        reference: WriteId,
        mut manifests: Vec<WriteId>,
        holder: NodeId,
        now: Timestamp,
    ) -> Result<(), MetadataError> {
        manifests.sort_unstable();
        manifests.dedup();
        manifests.retain(|&manifest| !self.references.names(reference, manifest));
        if manifests.is_empty() {
            return Ok(());
        }
        let first = if self.references.contains(reference) { 0 } else { REFERENCE_BYTES };
        self.account.take(first + REFERENCE_MANIFEST_BYTES * manifests.len() as u64)?;
        for manifest in manifests {
            self.manifests.retain(manifest);
            self.references.add(reference, manifest, holder, now);
        }
        Ok(())
    }

    /// Gives back all that a reference counts. One that is not there is passed over.
    pub(crate) fn end_reference(&mut self, reference: WriteId) {
        let Some(manifests) = self.references.remove(reference) else { return };
        self.account.give_back(REFERENCE_BYTES + REFERENCE_MANIFEST_BYTES * manifests.len() as u64);
        for manifest in manifests {
            self.release_manifest(manifest);
        }
    }
}
