//! Manifests: the chunk lists that writes left at this shard, counted. Inside the state machine; frees nothing itself but
//! says what is free.

use pocket_api::cluster::ClusterView;
use pocket_api::ids::{IdMap, NodeId, WriteId};
use pocket_api::object::Extent;
use std::collections::BTreeMap;

#[derive(Debug)]
struct Manifest {
    extents: Box<[Extent]>,
    /// Pieces of objects and parts, and references from elsewhere. Never 0 in the table.
    count: u32,
}

/// All manifests of a job at this shard.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    by_write: IdMap<WriteId, Manifest>,
    /// Servers in use with the number of their extents.
    servers: BTreeMap<NodeId, u64>,
    /// Those of them that are dead. Empty as long as all is well, and again once what died is found, and then nothing below
    /// costs anything.
    dead: Vec<NodeId>,
}

impl Manifests {
    /// Counted once.
    pub(crate) fn insert(&mut self, write: WriteId, extents: Vec<Extent>) {
        for extent in &extents {
            *self.servers.entry(extent.chunk.server).or_default() += 1;
        }
        let old = self.by_write.insert(write, Manifest { extents: extents.into(), count: 1 });
        debug_assert!(old.is_none(), "manifest {write:?} twice");
    }

    /// Servers with the number of their chunks.
    pub(crate) fn servers(&self) -> impl Iterator<Item = (NodeId, u64)> {
        self.servers.iter().map(|(server, chunks)| (*server, *chunks))
    }

    pub(crate) fn contains(&self, write: WriteId) -> bool {
        self.by_write.contains_key(&write)
    }

    /// Empty for a manifest that is not there.
    pub(crate) fn extents(&self, write: WriteId) -> &[Extent] {
        self.by_write.get(&write).map_or(&[], |m| &m.extents)
    }

    /// Bytes of a manifest; `None` where it is not there.
    pub(crate) fn len_bytes(&self, write: WriteId) -> Option<u64> {
        self.by_write.get(&write).map(|m| m.extents.iter().map(|e| u64::from(e.len)).sum())
    }

    /// Counts the manifest once more.
    pub(crate) fn retain(&mut self, write: WriteId) {
        match self.by_write.get_mut(&write) {
            Some(manifest) => manifest.count += 1,
            None => debug_assert!(false, "manifest {write:?} retained after its end"),
        }
    }

    /// Counts it once less; its extents when that was the last.
    pub(crate) fn release(&mut self, write: WriteId) -> Option<Box<[Extent]>> {
        let Some(manifest) = self.by_write.get_mut(&write) else {
            debug_assert!(false, "manifest {write:?} released after its end");
            return None;
        };
        manifest.count -= 1;
        if manifest.count > 0 {
            return None;
        }
        let extents = self.by_write.remove(&write)?.extents;
        for extent in &extents {
            if let Some(count) = self.servers.get_mut(&extent.chunk.server) {
                *count -= 1;
                if *count == 0 {
                    self.servers.remove(&extent.chunk.server);
                    self.dead.retain(|dead| *dead != extent.chunk.server);
                }
            }
        }
        Some(extents)
    }

    /// Takes note of the servers that died. Whether there are any that were not known to be dead.
    pub(crate) fn bury(&mut self, view: &ClusterView) -> bool {
        let dead = self.servers.keys().copied().filter(|&server| view.is_dead(server)).collect();
        let before = std::mem::replace(&mut self.dead, dead);
        self.dead.iter().any(|server| !before.contains(server))
    }

    pub(crate) fn any_dead(&self) -> bool {
        !self.dead.is_empty()
    }

    /// Whether some of its bytes died with their server.
    pub(crate) fn is_lost(&self, write: WriteId) -> bool {
        self.any_dead() && self.extents(write).iter().any(|e| self.dead.contains(&e.chunk.server))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::ids::ChunkId;

    #[test]
    fn the_last_release_hands_the_extents_out() {
        let mut manifests = Manifests::default();
        let write = WriteId { gateway: NodeId(1), number: 1 };
        let extent = Extent { chunk: ChunkId { server: NodeId(7), number: 3 }, len: 10 };
        manifests.insert(write, vec![extent]);
        manifests.retain(write);
        assert_eq!(manifests.release(write), None);
        manifests.bury(&ClusterView { version: 1, newest: NodeId(9), ..ClusterView::default() });
        assert!(manifests.is_lost(write));
        assert_eq!(manifests.release(write).as_deref(), Some(&[extent][..]));
        assert!(!manifests.contains(write) && manifests.servers.is_empty());
    }
}
