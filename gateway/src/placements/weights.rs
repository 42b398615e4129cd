//! Weight maps, each once however many buckets go by it: what heartbeats tell of one counts for all of them at once.

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use pocket_api::control::{Weight, WeightMap};
use pocket_api::ids::MapId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A map is looked for whether somebody still goes by it when there are this many, and then at twice as many as were left.
const MAPS_MIN: usize = 64;

/// The newest that is known of one map.
#[derive(Debug)]
pub(crate) struct Weights(ArcSwap<WeightMap>);

impl Weights {
    pub(crate) fn newest(&self) -> Arc<[Weight]> {
        self.0.load().weights.clone()
    }

    fn learn(&self, map: &WeightMap) {
        self.0.rcu(|held| if map.version > held.version { Arc::new(map.clone()) } else { held.clone() });
    }
}

#[derive(Debug, Default)]
pub(crate) struct Maps(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    maps: BTreeMap<MapId, Arc<Weights>>,
    look_at: usize,
}

impl Maps {
    /// The map that came with a placement, which has the same bytes as all others of its version from here on.
    pub(super) fn share(&self, map: &mut WeightMap) -> Arc<Weights> {
        let mut table = self.0.lock();
        if table.maps.len() >= table.look_at.max(MAPS_MIN) {
            table.maps.retain(|_, weights| Arc::strong_count(weights) > 1);
            table.look_at = 2 * table.maps.len();
        }
        let fresh = || Arc::new(Weights(ArcSwap::from_pointee(map.clone())));
        let weights = table.maps.entry(map.id).or_insert_with(fresh).clone();
        drop(table);
        weights.learn(map);
        // An older one than is known is of no use to anybody.
        map.clone_from(&weights.0.load());
        weights
    }

    /// What a heartbeat told. Maps that no bucket here goes by are passed over.
    pub(super) fn learn(&self, maps: &[WeightMap]) {
        let table = self.0.lock();
        for map in maps {
            if let Some(weights) = table.maps.get(&map.id) {
                weights.learn(map);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::ids::NodeId;

    fn map(id: u64, version: u64, server: u64) -> WeightMap {
        let weights = [Weight { server: NodeId(server), weight: 1.0 }].into();
        WeightMap { id: MapId(id), version, weights }
    }

    #[test]
    fn the_newest_of_a_map_counts_for_all_that_go_by_it_however_it_came() {
        let maps = Maps::default();
        let [mut one, mut other] = [map(1, 5, 50), map(1, 5, 50)];
        let (first, second) = (maps.share(&mut one), maps.share(&mut other));
        assert!(Arc::ptr_eq(&one.weights, &other.weights), "and is there once");
        maps.learn(&[map(1, 6, 60), map(2, 9, 90)]);
        assert_eq!((first.newest()[0].server, second.newest()[0].server), (NodeId(60), NodeId(60)));
        let mut late = map(1, 5, 50);
        maps.share(&mut late);
        assert_eq!(
            (late.version, first.newest()[0].server),
            (6, NodeId(60)),
            "what comes late counts no more"
        );
        maps.share(&mut map(1, 7, 70));
        assert_eq!(first.newest()[0].server, NodeId(70));
        assert_eq!(maps.0.lock().maps.len(), 1, "nobody has asked for another");
    }

    #[test]
    fn maps_that_nobody_goes_by_are_forgotten() {
        let maps = Maps::default();
        let held: Vec<_> = (0..100).map(|id| maps.share(&mut map(id, 1, 1))).collect();
        for id in 1_000..10_000 {
            maps.share(&mut map(id, 1, 1));
        }
        assert!(maps.0.lock().maps.len() <= 2 * held.len());
        maps.learn(&[map(7, 2, 2)]);
        assert_eq!(held[7].newest()[0].server, NodeId(2));
    }
}
