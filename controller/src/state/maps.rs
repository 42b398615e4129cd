//! Weight maps: which storage servers new chunks go to. Jobs that would get the same map share one, and it has a version of
//! its own: a server that dies changes the few maps that it is in, and is a message to no job.

use super::demand::Demand;
use super::weights::{Committed, Server, weigh};
use pocket_api::control::{Weight, WeightMap};
use pocket_api::ids::{MapId, NodeId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Map {
    /// Grows with each change.
    pub(crate) version: u64,
    /// In the order of the servers' ids. Empty where there were no servers.
    pub(crate) weights: Arc<[Weight]>,
    /// Of the jobs that go by it; summed up anew at each start.
    #[serde(skip)]
    promised: Promised,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Promised {
    jobs: u32,
    capacity_bytes: f64,
    throughput: f64,
}

#[derive(Debug, Default)]
pub(crate) struct Maps {
    maps: BTreeMap<MapId, Map>,
    /// Maps by the versions that they were changed to, in this start; the latest of each.
    changes: BTreeMap<u64, MapId>,
}

impl Maps {
    pub(crate) fn restored(maps: impl IntoIterator<Item = (MapId, Map)>) -> Self {
        Self { maps: maps.into_iter().collect(), changes: BTreeMap::new() }
    }

    pub(crate) fn get(&self, id: MapId) -> Option<&Map> {
        self.maps.get(&id)
    }

    pub(crate) fn weights(&self, id: MapId) -> &[Weight] {
        self.maps.get(&id).map(|map| &map.weights[..]).unwrap_or_default()
    }

    /// As gateways know it.
    pub(crate) fn shown(&self, id: MapId) -> WeightMap {
        match self.maps.get(&id) {
            Some(map) => WeightMap { id, version: map.version, weights: map.weights.clone() },
            None => WeightMap { id, version: 0, weights: Arc::default() },
        }
    }

    /// Maps that have changed after version `seen`, of up to so many weights together but at least one of them; and how far that
    /// goes.
    pub(crate) fn changed_since(&self, seen: u64, most: usize) -> (Vec<WeightMap>, u64) {
        let (mut changed, mut seen, mut weights) = (Vec::new(), seen, 0);
        for (&version, &id) in self.changes.range(seen + 1..) {
            let Some(map) = self.maps.get(&id) else { continue };
            if weights > 0 && weights + map.weights.len() > most {
                break;
            }
            weights += map.weights.len().max(1);
            seen = version;
            changed.push(self.shown(id));
        }
        (changed, seen)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = MapId> {
        self.maps.keys().copied()
    }

    pub(crate) fn jobs(&self, id: MapId) -> u32 {
        self.maps.get(&id).map_or(0, |map| map.promised.jobs)
    }

    /// The weights that a job would get now, over `servers` with what they hold, beside what was promised to others.
    pub(crate) fn weigh(&self, demand: Demand, servers: &[(NodeId, u64)]) -> Vec<Weight> {
        let mut committed: BTreeMap<NodeId, Committed> = BTreeMap::new();
        for map in self.maps.values().filter(|map| map.promised.jobs > 0) {
            let whole: f64 = map.weights.iter().map(|w| w.weight).sum();
            for w in &*map.weights {
                let sum = committed.entry(w.server).or_default();
                sum.capacity_bytes += map.promised.capacity_bytes * w.weight / whole;
                sum.throughput += map.promised.throughput * w.weight / whole;
            }
        }
        let server = |&(id, capacity_bytes): &(NodeId, u64)| Server {
            id,
            capacity_bytes,
            committed: committed.get(&id).copied().unwrap_or_default(),
        };
        let servers: Vec<Server> = servers.iter().filter(|(_, bytes)| *bytes > 0).map(server).collect();
        weigh(demand, &servers)
    }

    /// The map that has these weights; `fresh`, a new one, where there is none.
    pub(crate) fn share(&mut self, weights: Vec<Weight>, fresh: MapId) -> MapId {
        if let Some((id, _)) = self.maps.iter().find(|(_, map)| *map.weights == weights[..]) {
            return *id;
        }
        self.maps
            .insert(fresh, Map { version: fresh.0, weights: weights.into(), promised: Promised::default() });
        fresh
    }

    /// A job goes by the map from here on.
    pub(crate) fn enter(&mut self, id: MapId, demand: Demand) {
        if let Some(map) = self.maps.get_mut(&id) {
            map.promised.jobs += 1;
            map.promised.capacity_bytes += demand.capacity_bytes as f64;
            map.promised.throughput += demand.throughput as f64;
        }
    }

    /// A job does no more. True where it was the last one, and the map is gone.
    pub(crate) fn leave(&mut self, id: MapId, demand: Demand) -> bool {
        let Some(map) = self.maps.get_mut(&id) else { return false };
        map.promised.jobs = map.promised.jobs.saturating_sub(1);
        map.promised.capacity_bytes -= demand.capacity_bytes as f64;
        map.promised.throughput -= demand.throughput as f64;
        let is_last = map.promised.jobs == 0;
        if is_last {
            self.maps.remove(&id);
            self.changes.retain(|_, changed| *changed != id);
        }
        is_last
    }

    /// Maps that name one of these servers, or have none at all.
    pub(crate) fn touched_by(&self, gone: &[NodeId]) -> Vec<MapId> {
        let is_touched =
            |map: &Map| map.weights.is_empty() || map.weights.iter().any(|w| gone.contains(&w.server));
        self.maps.iter().filter(|(_, map)| is_touched(map)).map(|(id, _)| *id).collect()
    }

    /// Takes these servers out of a map, and weighs it anew where none is left. `version` is above all earlier ones. False
    /// where nothing has changed.
    pub(crate) fn renew(
        &mut self,
        id: MapId,
        gone: &[NodeId],
        servers: &[(NodeId, u64)],
        version: u64,
    ) -> bool {
        let Some(map) = self.maps.get(&id) else { return false };
        let promised = map.promised;
        let mut weights: Vec<Weight> =
            map.weights.iter().filter(|w| !gone.contains(&w.server)).copied().collect();
        if weights.is_empty() {
            let demand = Demand {
                throughput: (promised.throughput as u64).max(1),
                capacity_bytes: (promised.capacity_bytes as u64).max(1),
            };
            // Of its own promise nothing is left anywhere.
            weights = self.weigh(demand, servers);
        }
        let Some(map) = self.maps.get_mut(&id) else { return false };
        if *map.weights == weights[..] {
            return false;
        }
        (map.weights, map.version) = (weights.into(), version);
        self.changes.retain(|_, changed| *changed != id);
        self.changes.insert(version, id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1_000_000_000;

    fn demand(gb: u64) -> Demand {
        Demand { throughput: 1, capacity_bytes: gb * GB }
    }

    fn servers(of: &[u64]) -> Vec<(NodeId, u64)> {
        (1..).map(NodeId).zip(of.iter().map(|gb| gb * GB)).collect()
    }

    fn add(maps: &mut Maps, gb: u64, servers: &[(NodeId, u64)], fresh: u64) -> MapId {
        let weights = maps.weigh(demand(gb), servers);
        let id = maps.share(weights, MapId(fresh));
        maps.enter(id, demand(gb));
        id
    }

    #[test]
    fn jobs_that_get_the_same_weights_share_a_map_until_the_last_has_left() {
        let (mut maps, servers) = (Maps::default(), servers(&[10, 10]));
        let all: Vec<MapId> = (1..=3).map(|n| add(&mut maps, 3, &servers, n)).collect();
        assert_eq!(all, [MapId(1); 3], "one server has room for all of them");
        let next = add(&mut maps, 3, &servers, 9);
        assert_eq!((next, maps.weights(next).len()), (MapId(9), 2), "and for a part of the next one");
        for _ in 0..2 {
            assert!(!maps.leave(MapId(1), demand(3)));
        }
        assert!(maps.leave(MapId(1), demand(3)) && maps.get(MapId(1)).is_none());
        assert_eq!(maps.weigh(demand(3), &servers).len(), 1, "what was promised is free again");
    }

    #[test]
    fn what_has_changed_is_told_in_turns_and_each_map_once() {
        let (mut maps, two) = (Maps::default(), servers(&[10, 10]));
        let [one, other] = [1, 2].map(|n| maps.share(maps.weigh(demand(n * 7), &two), MapId(n)));
        assert_eq!(maps.changed_since(0, 100), (vec![], 0), "what is new comes with a placement");
        for (map, version) in [(one, 10), (other, 11), (one, 12)] {
            let server = (NodeId(version), GB);
            let all: Vec<NodeId> = maps.weights(map).iter().map(|w| w.server).collect();
            assert!(maps.renew(map, &all, &[server], version));
        }
        let ids =
            |(changed, seen): (Vec<WeightMap>, u64)| (changed.iter().map(|m| m.id).collect::<Vec<_>>(), seen);
        assert_eq!(ids(maps.changed_since(0, 100)), (vec![other, one], 12));
        assert_eq!(ids(maps.changed_since(0, 1)), (vec![other], 11));
        assert_eq!(ids(maps.changed_since(11, 1)), (vec![one], 12));
        assert_eq!(ids(maps.changed_since(12, 1)), (vec![], 12));
    }

    #[test]
    fn a_dead_server_leaves_the_maps_that_it_is_in_and_no_other() {
        let (mut maps, three) = (Maps::default(), servers(&[10, 10, 10]));
        let wide = add(&mut maps, 100, &three, 1);
        let narrow = add(&mut maps, 1, &three, 2);
        let before = maps.get(narrow).cloned();
        assert_eq!(before.as_ref().unwrap().weights.len(), 3, "nobody has room");
        let gone = [NodeId(3)];
        assert_eq!(maps.touched_by(&gone), [wide], "both go by one map");
        assert!(maps.renew(wide, &gone, &three[..2], 77));
        assert_eq!(maps.get(wide).map(|map| (map.version, map.weights.len())), Some((77, 2)));
        assert!(!maps.renew(wide, &gone, &three[..2], 78), "once");
        assert!(maps.renew(wide, &[NodeId(1), NodeId(2)], &[], 79), "none is left");
        assert_eq!(maps.touched_by(&[]), [wide], "it waits for a server");
        assert!(maps.renew(wide, &[], &[(NodeId(4), 5 * GB)], 80));
        assert_eq!(maps.weights(wide)[0].server, NodeId(4));
    }
}
