//! A new job's place: its shards and its weight map, from its hints and the live nodes. Pure.

use crate::demand::Demand;
use crate::job::{Job, Phase};
use crate::state::State;
use crate::weights::{Server, committed, weigh};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::control::{ControlError, Placement, Registration, Weight};
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, NodeId};
use pocket_api::metadata::JobSpec;
use std::collections::BTreeMap;

/// The job that a registration makes, not yet opened anywhere. Its placement shows the demand as granted.
pub(crate) fn place(
    state: &State,
    id: JobId,
    registration: Registration,
    now: Timestamp,
) -> Result<Job, ControlError> {
    let Registration { tenant, bucket, settings } = registration;
    let demand = Demand::of(&settings.asked);
    let shards = choose_shards(state, demand);
    if shards.is_empty() {
        return Err(ControlError::Unavailable("no live metadata shard".into()));
    }
    let weights = weights_of(state, id, &settings.asked);
    if weights.is_empty() {
        return Err(ControlError::Unavailable("no live storage server".into()));
    }
    let placement = Placement {
        job: id,
        epoch: Epoch(id.0),
        bucket,
        tenant,
        created_at_ms: now.0,
        hints: granted(&settings.asked),
        settings: settings.into(),
        shards,
        weights,
    };
    Ok(Job { ends_at: end_of(&placement), placement, phase: Phase::Opening, unsettled: false, retry_at: now })
}

/// A job's hints with its demand filled in. Where nothing was said that it could follow from, what a place is sought for
/// is the paper's guess, and is promised to nobody.
pub(crate) fn granted(asked: &JobHints) -> JobHints {
    if asked.workers.is_none() && asked.capacity.is_none() && asked.throughput.is_none() {
        return asked.clone();
    }
    let demand = Demand::of(asked);
    JobHints { capacity: Some(demand.capacity_bytes), throughput: Some(demand.throughput), ..asked.clone() }
}

/// When a job's TTL or its lifecycle ends it.
pub(crate) fn end_of(placement: &Placement) -> Option<Timestamp> {
    let created = Timestamp(placement.created_at_ms);
    let by_ttl = placement.hints.ttl.map(|ttl| created + ttl);
    [by_ttl, placement.settings.lifecycle.job_end(created)].into_iter().flatten().min()
}

/// The job as its shards have to know it.
pub(crate) fn spec_of(placement: &Placement, now: Timestamp) -> Box<JobSpec> {
    Box::new(JobSpec {
        job: placement.job,
        epoch: placement.epoch,
        hints: placement.hints.clone(),
        lifecycle: placement.settings.lifecycle.clone(),
        shards: placement.shards.clone(),
        ends_in: end_of(placement).map(|at| at.since(now)),
    })
}

/// The weight map that `job` would get now, beside what all other jobs were promised.
pub(crate) fn weights_of(state: &State, job: JobId, hints: &JobHints) -> Vec<Weight> {
    let others = state.jobs().map(|j| &j.placement).filter(|p| p.job != job);
    let promised = committed(others);
    let servers: Vec<Server> = state
        .members
        .live(Role::Storage)
        .filter(|(_, spec)| spec.capacity_bytes > 0)
        .map(|(id, spec)| Server {
            id,
            capacity_bytes: spec.capacity_bytes,
            committed: promised.get(&id).copied().unwrap_or_default(),
        })
        .collect();
    weigh(Demand::of(hints), &servers)
}

/// One shard for each node's worth of demand, as far as there are any: a shard answers about 100,000 requests a
/// second, which at 10 KB an object is what one node of the paper carries. The ones with the fewest jobs are
/// taken; in the order of their ids.
fn choose_shards(state: &State, demand: Demand) -> Vec<NodeId> {
    let mut jobs: BTreeMap<NodeId, usize> =
        state.members.live(Role::Metadata).map(|(id, _)| (id, 0)).collect();
    for shard in state.jobs().flat_map(|j| &j.placement.shards) {
        if let Some(count) = jobs.get_mut(shard) {
            *count += 1;
        }
    }
    let mut shards: Vec<(usize, NodeId)> = jobs.into_iter().map(|(id, count)| (count, id)).collect();
    shards.sort_unstable();
    shards.truncate((demand.nodes().ceil() as usize).max(1));
    let mut chosen: Vec<NodeId> = shards.into_iter().map(|(_, id)| id).collect();
    chosen.sort_unstable();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{START, registration, state_with};
    use pocket_api::control::Derived;
    use std::time::Duration;

    fn small() -> JobHints {
        JobHints { capacity: Some(1_000), ..JobHints::default() }
    }

    #[test]
    fn a_job_without_hints_gets_every_shard_and_server_and_a_small_one_gets_one() {
        let mut state = state_with(3, 2);
        let big = state.plan(registration("big", JobHints::default()), START).unwrap().placement;
        assert_eq!((big.shards.len(), big.weights.len()), (3, 2));
        assert_eq!((big.hints.capacity, big.hints.throughput), (None, None), "nothing is made up");
        let little = state.plan(registration("little", small()), START).unwrap().placement;
        assert_eq!(little.shards.len(), 1);
        assert_eq!((little.hints.capacity, little.hints.throughput), (Some(1_000), Some(1)));
        assert_eq!(little.derived(), Derived { capacity: None, throughput: Some(1) });
        assert!(little.job > big.job);
    }

    #[test]
    fn small_jobs_take_turns_on_the_shards_and_share_a_server() {
        let mut state = state_with(2, 2);
        let mut places = Vec::new();
        for name in ["one", "two", "three", "four"] {
            let placement = state.plan(registration(name, small()), START).unwrap().placement;
            places.push((placement.shards[0], placement.weights[0].server));
        }
        assert_eq!(places[0].0, places[2].0);
        assert_ne!(places[0].0, places[1].0);
        assert!(places.iter().all(|p| p.1 == places[0].1), "packed: {places:?}");
    }

    #[test]
    fn without_a_live_shard_or_server_there_is_no_place() {
        for (shards, servers, missing) in [(0, 1, "metadata shard"), (1, 0, "storage server")] {
            let mut state = state_with(shards, servers);
            match state.plan(registration("data", small()), START) {
                Err(ControlError::Unavailable(why)) => assert!(why.contains(missing), "{why}"),
                other => panic!("{other:?}"),
            }
            assert_eq!(state.jobs().count(), 0, "nothing is left behind");
        }
    }

    #[test]
    fn suspects_get_nothing_new() {
        let mut state = state_with(1, 2);
        let silent: Vec<NodeId> = state.members.with_role(Role::Storage).skip(1).collect();
        let beating: Vec<NodeId> =
            state.members.view().nodes.iter().map(|n| n.id).filter(|id| !silent.contains(id)).collect();
        let later = START + Duration::from_secs(2);
        for node in beating {
            state.members.heard(node, later).unwrap();
        }
        state.members.age(later, Duration::MAX);
        let placement = state.plan(registration("data", JobHints::default()), later).unwrap().placement;
        assert!(placement.weights.iter().all(|w| !silent.contains(&w.server)));
    }
}
