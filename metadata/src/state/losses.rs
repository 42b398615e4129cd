//! How much of a job was lost with servers: objects that are still in the map, so that whoever reads them is told, and that
//! nobody counts any more; and which references of other shards name it, so that they are told. Inside the state machine. What a death took is found out in slices, for a job may have millions
//! of objects, and an object millions of extents.

use crate::state::JobState;
use crate::state::effects::Lost;
use crate::state::entry::Entry;
use crate::state::key::Key;
use crate::state::pieces::{Content, Piece};
use pocket_api::ids::WriteId;
use std::ops::Bound;

#[derive(Debug, Default)]
pub(crate) struct Losses {
    /// Objects that were found lost so far.
    pub(crate) objects: u64,
    /// Their logical bytes.
    pub(crate) bytes: u64,
    /// Where the search goes on; `None` where all that there is was looked at since the last death.
    search: Option<Bound<Key>>,
    /// The same of references to manifests of this shard.
    reference_search: Option<Bound<WriteId>>,
}

impl Losses {
    /// Somebody died: everything has to be looked at.
    pub(crate) fn search_anew(&mut self) {
        self.search_objects_anew();
        self.reference_search = Some(Bound::Unbounded);
    }

    /// References that objects here hold were lost elsewhere.
    pub(crate) fn search_objects_anew(&mut self) {
        self.search = Some(Bound::Unbounded);
    }

    /// Whether there may be objects that were lost and are not found yet.
    pub(crate) fn is_searching(&self) -> bool {
        self.search.is_some()
    }

    pub(crate) fn is_due(&self) -> bool {
        self.is_searching() || self.reference_search.is_some()
    }

    /// Found lost. Once counted is enough.
    pub(crate) fn count(&mut self, entry: &mut Entry) {
        if !std::mem::replace(&mut entry.is_counted_lost, true) {
            self.objects += 1;
            self.bytes += entry.size;
        }
    }

    /// The object goes.
    pub(crate) fn forget(&mut self, entry: &Entry) {
        if entry.is_counted_lost {
            self.objects -= 1;
            self.bytes -= entry.size;
        }
    }
}

impl JobState {
    /// Looks at the next objects: `most` of them or fewer, with `most_extents` extents and pieces together or fewer. One that
    /// has more is looked at alone, so that the search ends.
    pub(crate) fn search_losses(&mut self, most: usize, most_extents: usize) {
        let Some(from) = self.losses.search.take() else { return };
        let (mut lost, mut last, mut extents) = (Vec::new(), None::<&Key>, 0);
        let range = (from.as_ref(), Bound::Unbounded);
        for (count, (key, entry)) in self.objects.range::<Key, _>(range).enumerate() {
            extents += self.extents_and_pieces(entry);
            if count == most || (count > 0 && extents > most_extents) {
                self.losses.search = last.map(|key| Bound::Excluded(key.clone()));
                break;
            }
            if self.is_lost(entry) {
                lost.push(key.clone());
            }
            last = Some(key);
        }
        for key in lost {
            if let Some(entry) = self.objects.get_mut(&key) {
                self.losses.count(entry);
            }
        }
    }

    /// Looks at the next references in the same way, and has the holders told of those that name what was lost. Those that are not
    /// confirmed wait for that: their holder may not know them yet.
    pub(crate) fn search_lost_references(&mut self, most: usize, most_extents: usize) {
        let Some(from) = self.losses.reference_search.take() else { return };
        let (mut last, mut extents) = (None, 0);
        for (count, (reference, holder, manifests)) in self.references.confirmed(from).enumerate() {
            extents += manifests.iter().map(|id| 1 + self.manifests.extents(*id).len()).sum::<usize>();
            if count == most || (count > 0 && extents > most_extents) {
                self.losses.reference_search = last.map(Bound::Excluded);
                break;
            }
            let lost = manifests.iter().filter(|id| self.manifests.is_lost(**id));
            self.effects.lost.extend(lost.map(|&manifest| Lost { holder, reference, manifest }));
            last = Some(reference);
        }
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
    fn extents_and_pieces(&self, entry: &Entry) -> usize {
        let of_piece = |piece: &Piece| match piece {
            Piece::Local { manifest, .. } => 1 + self.manifests.extents(*manifest).len(),
            Piece::Inline(_) | Piece::Remote(_) => 1,
        };
        match &entry.content {
            Content::Inline(_) => 0,
            Content::Body(body) => body.pieces.iter().map(of_piece).sum(),
        }
    }

    /// Objects, without those that were found lost.
    pub(crate) fn present_objects(&self) -> u64 {
        self.objects.len() as u64 - self.losses.objects
    }

    /// Logical bytes of objects and parts, without those objects.
    pub(crate) fn present_bytes(&self) -> u64 {
        self.logical_bytes - self.losses.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::model::empty_job;
    use crate::state::{Command, apply};
    use bytes::Bytes;
    use pocket_api::budget::ByteBudget;
    use pocket_api::clock::Timestamp;
    use pocket_api::cluster::ClusterView;
    use pocket_api::conditions::WriteCondition;
    use pocket_api::hints::ObjectHints;
    use pocket_api::ids::{ChunkId, Epoch, NodeId, WriteId};
    use pocket_api::metadata::{Append, Commit, MetadataError, NewMeta, Request};
    use pocket_api::names::ObjectKey;
    use pocket_api::object::{ETag, Extent, NewContent};

    const NOW: Timestamp = Timestamp(1_000_000);
    const SERVER: NodeId = NodeId(7);

    fn commit(state: &mut JobState, number: u64, content: NewContent, payload: &'static [u8]) {
        let write = WriteId { gateway: NodeId(9), number };
        let meta = NewMeta {
            etag: ETag::opaque(write),
            checksum: None,
            headers: None,
            hints: ObjectHints::default(),
        };
        let key = ObjectKey::parse(&format!("k{number}")).unwrap();
        let condition = WriteCondition::None;
        let request = Request::Commit(Commit { key, write, size: 10, content, meta, condition });
        let payload = Bytes::from_static(payload);
        apply(state, Command::Request { epoch: Epoch(1), request, payload }, NOW).output.unwrap();
    }

    fn delete(state: &mut JobState, number: u64) {
        let key = ObjectKey::parse(&format!("k{number}")).unwrap();
        let request = Request::Delete { key, condition: WriteCondition::None };
        let command = Command::Request { epoch: Epoch(1), request, payload: Bytes::new() };
        apply(state, command, NOW).output.unwrap();
    }

    #[test]
    fn what_died_with_a_server_leaves_the_counts_in_steps_and_is_never_counted_twice() {
        let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
        for number in 0..10 {
            let chunk = ChunkId { server: SERVER, number };
            let extents = vec![Extent { chunk, len: 10 }];
            commit(&mut state, number, NewContent::Chunks { extents }, b"");
        }
        commit(&mut state, 10, NewContent::Inline, b"0123456789");
        assert_eq!((state.present_objects(), state.present_bytes()), (11, 110));

        let dead = ClusterView { version: 1, newest: SERVER, ..ClusterView::default() };
        state.see(dead.clone().into());
        assert!(state.losses.is_searching() && state.is_sweep_due(NOW));
        state.search_losses(4, usize::MAX);
        assert!(state.losses.is_searching() && state.present_objects() > 5, "a part at a time");
        assert_eq!(state.count_visible(NOW), 1, "what nobody found yet is not there either");
        // One that was counted and one that was not yet.
        delete(&mut state, 0);
        delete(&mut state, 9);
        while state.losses.is_searching() {
            state.search_losses(4, usize::MAX);
        }
        assert_eq!((state.present_objects(), state.present_bytes()), (1, 10));
        state.see(ClusterView { version: 2, ..dead }.into());
        assert!(!state.losses.is_searching(), "nobody else died");
        (1..9).for_each(|number| delete(&mut state, number));
        assert_eq!((state.present_objects(), state.present_bytes(), state.losses.objects), (1, 10, 0));
    }

    #[test]
    fn nothing_is_appended_in_chunks_of_a_dead_server_so_only_a_search_finds_losses_of_appended_objects() {
        let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
        let chunks = |number| NewContent::Chunks {
            extents: vec![Extent { chunk: ChunkId { server: SERVER, number }, len: 10 }],
        };
        let write = |number| WriteId { gateway: NodeId(9), number };
        commit(&mut state, 0, chunks(0), b"");
        commit(&mut state, 1, NewContent::Inline, b"0123456789");
        state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
        while state.losses.is_searching() {
            state.search_losses(4, usize::MAX);
        }
        let request = Request::Append(Append {
            key: ObjectKey::parse("k1").unwrap(),
            write: write(2),
            to: ETag::opaque(write(1)),
            offset: 10,
            size: 10,
            content: chunks(2),
            etag: ETag::opaque(write(2)),
            checksum: None,
        });
        let command = Command::Request { epoch: Epoch(1), request, payload: Bytes::new() };
        assert_eq!(apply(&mut state, command, NOW).output, Err(MetadataError::WriteBurned));
        assert_eq!((state.present_objects(), state.present_bytes()), (1, 10));
    }

    #[test]
    fn a_step_of_the_search_is_bounded_by_extents_and_still_gets_past_an_object_that_has_more() {
        let mut state = empty_job(ByteBudget::new(1 << 20), NOW);
        let of_extents = |count| {
            let extent = |number| Extent { chunk: ChunkId { server: SERVER, number }, len: 1 };
            NewContent::Chunks { extents: (0..count).map(extent).collect() }
        };
        // With the piece that it is, an object of ten extents costs eleven.
        for number in 0..6 {
            commit(&mut state, number, of_extents(10), b"");
        }
        state.see(ClusterView { version: 1, newest: SERVER, ..ClusterView::default() }.into());
        let mut found = Vec::new();
        for most_extents in [22, 32, 0, 33] {
            state.search_losses(512, most_extents);
            found.push(state.losses.objects);
        }
        assert_eq!((found, state.losses.is_searching()), (vec![2, 4, 5, 6], false));
    }
}
