//! What was lost with servers, found out in slices: a job may have millions of objects, and an object millions of extents.
//! Inside the state machine.
//!
//! - An object that is found lost gives back what is left of it, on servers that live and at other shards. Its key stays, so
//!   that whoever reads it is told.
//! - A part that is found lost goes: an upload that is completed with it names a part that is not there.
//! - Other shards that hold a reference to what was lost are told so.

use crate::state::JobState;
use crate::state::effects::Lost;
use crate::state::entry::Entry;
use crate::state::key::Key;
use crate::state::pieces::{Content, Piece};
use crate::state::uploads::PartPlace;
use bytes::Bytes;
use pocket_api::ids::WriteId;
use std::ops::Bound;

#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Keys of objects that were found lost.
    pub(crate) objects: u64,
    search: Search,
    /// Where the search through references to manifests of this shard goes on; `None` where it is done.
    reference_search: Option<Bound<WriteId>>,
}

/// How far objects and parts were looked at since the last death.
#[derive(Debug, Default)]
enum Search {
    #[default]
    Done,
    Objects(Bound<Key>),
    Parts(Option<PartPlace>),
}

/// What one step of a search looks at: so many things, and so many extents and pieces of them. The first may have more, so that
/// the search ends.
struct Step {
    most: usize,
    most_extents: usize,
    looked_at: usize,
    extents: usize,
}

impl Step {
    fn new(most: usize, most_extents: usize) -> Self {
        Self { most, most_extents, looked_at: 0, extents: 0 }
    }

    /// Whether one more with so many extents has its place in this step.
    fn takes(&mut self, extents: usize) -> bool {
        self.extents += extents;
        let is_over = self.looked_at == self.most || (self.looked_at > 0 && self.extents > self.most_extents);
        self.looked_at += 1;
        !is_over
    }
}

impl Losses {
    /// Bytes of manifests here died, or holders of references to them did.
    pub(crate) fn search_references_anew(&mut self) {
        self.reference_search = Some(Bound::Unbounded);
    }

    /// Bytes died that objects or parts may name.
    pub(crate) fn search_bytes_anew(&mut self) {
        self.search = Search::Objects(Bound::Unbounded);
    }

    /// Whether there may be objects that were lost and are not found yet.
    pub(crate) fn is_searching(&self) -> bool {
        matches!(self.search, Search::Objects(_))
    }

    pub(crate) fn is_due(&self) -> bool {
        !matches!(self.search, Search::Done) || self.reference_search.is_some()
    }
}

impl JobState {
    /// One step of the search through objects and parts.
    pub(crate) fn search_losses(&mut self, most: usize, most_extents: usize) {
        let step = Step::new(most, most_extents);
        match std::mem::take(&mut self.losses.search) {
            Search::Done => {}
            Search::Objects(from) => self.search_objects(from, step),
            Search::Parts(after) => self.search_parts(after, step),
        }
    }

    fn search_objects(&mut self, from: Bound<Key>, mut step: Step) {
        let (mut lost, mut last) = (Vec::new(), None::<&Key>);
        self.losses.search = Search::Parts(None);
        for (key, entry) in self.objects.range::<Key, _>((from.as_ref(), Bound::Unbounded)) {
            if !step.takes(self.extents_and_pieces(entry)) {
                let next = last.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
                self.losses.search = Search::Objects(next);
                break;
            }
            if !entry.is_lost && self.is_lost(entry) {
                lost.push(key.clone());
            }
            last = Some(key);
        }
        lost.iter().for_each(|key| self.lose(key));
    }

    /// An object is lost: its key and what is said of it stay, and all else goes. Whoever reads it by a lease keeps what the
    /// lease names.
    fn lose(&mut self, key: &Key) {
        let Some(entry) = self.objects.get_mut(key) else { return };
        self.logical_bytes -= entry.size;
        self.losses.objects += 1;
        entry.is_lost = true;
        if let Content::Body(body) = std::mem::replace(&mut entry.content, Content::Inline(Bytes::new())) {
            self.drop_body(body);
        }
    }

    fn search_parts(&mut self, after: Option<PartPlace>, mut step: Step) {
        let (mut lost, mut last) = (Vec::new(), after.clone());
        for (place, part) in self.uploads.places(after.as_ref()) {
            let pieces = part.map_or(&[][..], |part| &part.pieces);
            if !step.takes(self.extents_of(pieces)) {
                self.losses.search = Search::Parts(last);
                break;
            }
            if self.are_lost(pieces) {
                lost.push(place.clone());
            }
            last = Some(place);
        }
        for (key, number, part_number) in lost {
            let open = self.uploads.get_mut(key.as_str().as_bytes(), number);
            if let Some(part) = open.and_then(|open| open.parts.remove(&part_number)) {
                self.drop_part(part);
            }
        }
    }

    /// One step of the search through references: those of the dead end, and the holders of those that name what was lost are
    /// told. Those that are not confirmed wait for that: their holder may not know them yet.
    pub(crate) fn search_references(&mut self, most: usize, most_extents: usize) {
        let Some(from) = self.losses.reference_search.take() else { return };
        let (mut step, mut last, mut orphaned) = (Step::new(most, most_extents), from, Vec::new());
        for (reference, taken) in self.references.range(from) {
            let (holder, manifests) = (taken.holder, &taken.manifests);
            if !step.takes(manifests.iter().map(|id| 1 + self.manifests.extents(*id).len()).sum()) {
                self.losses.reference_search = Some(last);
                break;
            }
            if self.view.is_dead(holder) {
                orphaned.push(reference);
            } else if taken.is_confirmed() {
                let lost = manifests.iter().filter(|id| self.manifests.is_lost(**id));
                self.effects.lost.extend(lost.map(|&manifest| Lost { holder, reference, manifest }));
            }
            last = Bound::Excluded(reference);
        }
        orphaned.into_iter().for_each(|reference| self.end_reference(reference));
    }

    /// It is certain that a reference is held: its holder is told what was lost meanwhile.
    pub(crate) fn confirm_reference(&mut self, reference: WriteId) {
        let Some((holder, manifests)) = self.references.confirm(reference) else { return };
        if self.manifests.any_dead() {
            let lost = manifests.iter().filter(|id| self.manifests.is_lost(**id));
            self.effects.lost.extend(lost.map(|&manifest| Lost { holder, reference, manifest }));
        }
    }

    /// How many [`Self::is_lost`] may have to look at.
    pub(crate) fn extents_and_pieces(&self, entry: &Entry) -> usize {
        match &entry.content {
            Content::Inline(_) => 0,
            Content::Body(body) => self.extents_of(&body.pieces),
        }
    }

    fn extents_of(&self, pieces: &[Piece]) -> usize {
        let of_piece = |piece: &Piece| match piece {
            Piece::Local { manifest, .. } => 1 + self.manifests.extents(*manifest).len(),
            Piece::Inline(_) | Piece::Remote(_) => 1,
        };
        pieces.iter().map(of_piece).sum()
    }

    /// Objects, without those that were found lost.
    pub(crate) fn present_objects(&self) -> u64 {
        self.objects.len() as u64 - self.losses.objects
    }
}

#[cfg(test)]
mod tests;
