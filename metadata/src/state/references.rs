//! References between shards, both ends: what others hold of manifests here, and what objects here hold of manifests
//! elsewhere; and the write ids that were given up. Inside the state machine; who to ask is said, not asked.

use pocket_api::clock::Timestamp;
use pocket_api::cluster::ClusterView;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::limits::CHANGE_WITHIN;
use pocket_api::object::Reference;
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::ops::Bound;
use std::time::Duration;

/// A reference that was not confirmed for this long is asked about at its holder: as long as storage servers wait for
/// a write before they ask.
const CONFIRM_WITHIN: Duration = Duration::from_secs(30);
/// How soon a question without an answer is asked again.
const ASK_AGAIN: Duration = Duration::from_secs(5);

/// A reference to manifests of this shard.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Sorted: a copy of a long multipart object names thousands.
    pub(crate) manifests: SmallVec<[WriteId; 1]>,
    pub(crate) holder: NodeId,
    /// When to ask the holder; `None` once it was confirmed.
    ask_at: Option<Timestamp>,
}

impl Taken {
    /// Whether it is certain that it is held.
    pub(crate) fn is_confirmed(&self) -> bool {
        self.ask_at.is_none()
    }
}

/// References to manifests of this shard, by their ids. Each counts once in each manifest that it names.
#[derive(Debug, Default)]
pub(crate) struct References {
    by_id: BTreeMap<WriteId, Taken>,
    to_ask: BTreeSet<(Timestamp, WriteId)>,
    holders: BTreeMap<NodeId, u64>,
}

impl References {
    pub(crate) fn names(&self, reference: WriteId, manifest: WriteId) -> bool {
        self.by_id.get(&reference).is_some_and(|taken| taken.manifests.binary_search(&manifest).is_ok())
    }

    pub(crate) fn contains(&self, reference: WriteId) -> bool {
        self.by_id.contains_key(&reference)
    }

    /// Lets `reference` name one more manifest, which it must not name yet.
    pub(crate) fn add(&mut self, reference: WriteId, manifest: WriteId, holder: NodeId, now: Timestamp) {
        let taken = self.by_id.entry(reference).or_insert_with(|| {
            let ask_at = now + CONFIRM_WITHIN;
            self.to_ask.insert((ask_at, reference));
            *self.holders.entry(holder).or_default() += 1;
            Taken { manifests: SmallVec::new(), holder, ask_at: Some(ask_at) }
        });
        if let Err(at) = taken.manifests.binary_search(&manifest) {
            taken.manifests.insert(at, manifest);
        }
    }

    /// All in the order of their ids, from one on.
    pub(crate) fn range(&self, from: Bound<WriteId>) -> impl Iterator<Item = (WriteId, &Taken)> {
        self.by_id.range((from, Bound::Unbounded)).map(|(id, taken)| (*id, taken))
    }

    /// Its holder with what it names, where it is news that it is held.
    pub(crate) fn confirm(&mut self, reference: WriteId) -> Option<(NodeId, &[WriteId])> {
        let taken = self.by_id.get_mut(&reference)?;
        let at = taken.ask_at.take()?;
        self.to_ask.remove(&(at, reference));
        Some((taken.holder, &taken.manifests))
    }

    /// Ends a reference; the manifests that it named.
    pub(crate) fn remove(&mut self, reference: WriteId) -> Option<SmallVec<[WriteId; 1]>> {
        let taken = self.by_id.remove(&reference)?;
        if let Some(at) = taken.ask_at {
            self.to_ask.remove(&(at, reference));
        }
        if let Some(count) = self.holders.get_mut(&taken.holder) {
            *count -= 1;
            if *count == 0 {
                self.holders.remove(&taken.holder);
            }
        }
        Some(taken.manifests)
    }

    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        self.to_ask.first().is_some_and(|(at, _)| *at <= now)
    }

    /// One that is to be asked about now, with its holder. It comes again after [`ASK_AGAIN`].
    pub(crate) fn next_to_ask(&mut self, now: Timestamp) -> Option<(NodeId, WriteId)> {
        let (_, reference) = self.to_ask.first().copied().filter(|(at, _)| *at <= now)?;
        self.to_ask.pop_first();
        let taken = self.by_id.get_mut(&reference)?;
        let again = now + ASK_AGAIN;
        taken.ask_at = Some(again);
        self.to_ask.insert((again, reference));
        Some((taken.holder, reference))
    }

    /// Whether some holder is dead, and its objects with it.
    pub(crate) fn any_orphaned(&self, view: &ClusterView) -> bool {
        self.holders.keys().any(|&holder| view.is_dead(holder))
    }
}

/// References that objects and parts of this shard hold elsewhere, each with the number of pieces that carry it.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pieces: BTreeMap<(WriteId, NodeId), u32>,
    homes: BTreeMap<NodeId, u64>,
    /// Homes that died.
    dead: Vec<NodeId>,
    /// References with those of their manifests of which bytes died with a server, as their homes said.
    lost: BTreeSet<(WriteId, WriteId)>,
}

impl Held {
    pub(crate) fn retain(&mut self, reference: WriteId, home: NodeId) {
        *self.pieces.entry((reference, home)).or_default() += 1;
        *self.homes.entry(home).or_default() += 1;
    }

    /// True when that was the last piece: the home is to be told.
    pub(crate) fn release(&mut self, reference: WriteId, home: NodeId) -> bool {
        if let Some(count) = self.homes.get_mut(&home) {
            *count -= 1;
            if *count == 0 {
                self.homes.remove(&home);
                self.dead.retain(|dead| *dead != home);
            }
        }
        let Some(count) = self.pieces.get_mut(&(reference, home)) else {
            debug_assert!(false, "reference {reference:?} released after its end");
            return false;
        };
        *count -= 1;
        if *count > 0 {
            return false;
        }
        self.pieces.remove(&(reference, home));
        let first = (reference, WriteId { gateway: NodeId(0), number: 0 });
        while let Some(&lost) = self.lost.range(first..).next().filter(|(lost, _)| *lost == reference) {
            self.lost.remove(&lost);
        }
        true
    }

    pub(crate) fn contains(&self, reference: WriteId) -> bool {
        self.pieces.range((reference, NodeId(0))..=(reference, NodeId(u64::MAX))).next().is_some()
    }

    /// Takes note of the homes that died. Whether there are any that were not known to be dead.
    pub(crate) fn bury(&mut self, view: &ClusterView) -> bool {
        let dead = self.homes.keys().copied().filter(|&home| view.is_dead(home)).collect();
        let before = std::mem::replace(&mut self.dead, dead);
        self.dead.iter().any(|home| !before.contains(home))
    }

    /// Its home says that bytes of the manifest died. Whether that is news of something held.
    pub(crate) fn lose(&mut self, reference: WriteId, manifest: WriteId) -> bool {
        self.contains(reference) && self.lost.insert((reference, manifest))
    }

    pub(crate) fn any_lost(&self) -> bool {
        !self.dead.is_empty() || !self.lost.is_empty()
    }

    pub(crate) fn is_lost(&self, held: &Reference) -> bool {
        self.dead.contains(&held.home) || self.lost.contains(&(held.reference, held.manifest))
    }
}

/// How long a burned id is remembered: longer than any commit can be under way.
const BURNED_FOR: Duration = Duration::from_secs(2 * CHANGE_WITHIN.as_secs());
/// Most burned ids of one job: 3 MiB. When there are more, no further one is burned, and whoever asks keeps
/// the bytes and asks again.
const BURNED_MAX: usize = 1 << 16;

/// Write and reference ids that must not be committed any more.
#[derive(Debug, Default)]
pub(crate) struct Burned {
    ids: HashSet<WriteId>,
    order: VecDeque<(Timestamp, WriteId)>,
}

impl Burned {
    pub(crate) fn contains(&self, id: WriteId) -> bool {
        self.ids.contains(&id)
    }

    /// False when there is no room to remember it.
    pub(crate) fn burn(&mut self, id: WriteId, now: Timestamp) -> bool {
        if self.ids.contains(&id) {
            return true;
        }
        if self.ids.len() >= BURNED_MAX {
            return false;
        }
        self.ids.insert(id);
        self.order.push_back((now + BURNED_FOR, id));
        true
    }

    /// The oldest that are old enough, `most` of them.
    pub(crate) fn forget_old(&mut self, now: Timestamp, most: usize) {
        for _ in 0..most {
            let Some((_, id)) = self.order.pop_front_if(|(until, _)| *until <= now) else { return };
            self.ids.remove(&id);
        }
    }

    /// Whether there is something to forget.
    pub(crate) fn any_old(&self, now: Timestamp) -> bool {
        self.order.front().is_some_and(|(until, _)| *until <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u64) -> WriteId {
        WriteId { gateway: NodeId(1), number }
    }

    #[test]
    fn an_unconfirmed_reference_is_asked_about_until_there_is_an_answer() {
        let mut references = References::default();
        let at = |s: u64| Timestamp(1_000 * s);
        references.add(id(1), id(10), NodeId(5), at(0));
        references.add(id(2), id(10), NodeId(6), at(1));
        references.confirm(id(2));
        assert!(!references.is_due(at(29)));
        assert_eq!(references.next_to_ask(at(30)), Some((NodeId(5), id(1))));
        assert_eq!(references.next_to_ask(at(30)), None);
        assert_eq!(references.next_to_ask(at(35)), Some((NodeId(5), id(1))));
        assert_eq!(references.remove(id(1)).as_deref(), Some(&[id(10)][..]));
        assert!(!references.is_due(at(99)) && references.contains(id(2)));
    }

    #[test]
    fn burned_ids_are_remembered_and_bounded() {
        let mut burned = Burned::default();
        assert!(burned.burn(id(0), Timestamp(0)) && burned.burn(id(0), Timestamp(0)));
        for n in 1..BURNED_MAX as u64 {
            assert!(burned.burn(id(n), Timestamp(1)));
        }
        assert!(!burned.burn(id(u64::MAX), Timestamp(1)));
        let then = Timestamp(0) + BURNED_FOR;
        burned.forget_old(then, 2);
        assert!(!burned.contains(id(0)) && burned.contains(id(1)) && !burned.any_old(then));
        let later = Timestamp(1) + BURNED_FOR;
        burned.forget_old(later, 2);
        assert!(!burned.contains(id(2)) && burned.contains(id(3)) && burned.any_old(later));
    }
}
