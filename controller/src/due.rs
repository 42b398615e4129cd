//! What the controller has to do by itself at a moment: end what is lost, expired or idle, go on with what is ending,
//! and give jobs that lost a server a new epoch. Pure.
//!
//! Costs a few look-ups for each job's nodes; nothing is remembered between two calls, so what failed, or was cut off
//! by a restart, is simply due again.

use crate::job::{Cause, Job, Phase};
use crate::state::State;
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::ids::JobId;
use std::time::Duration;

/// A report that is older says nothing about idleness now: reports come once a second, and two may be lost.
const REPORT_FRESH: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// End it, whatever is in it.
    End(Cause),
    /// Fence its shards once more.
    Fence,
    /// Ask its shards whether it is idle, and end it if all agree.
    VoteIdle,
    /// Make it a new epoch, with new weights.
    Renew,
}

/// What is due, the job that was worked on longest ago first: the caller may not get to all of them.
pub(crate) fn due(state: &State, now: Timestamp) -> Vec<(JobId, Action)> {
    let planned = |job: &Job| Some((job.retry_at, job.placement.job, action(state, job, now)?));
    let waiting = state.jobs().filter(|job| job.retry_at <= now);
    let mut due: Vec<_> = waiting.filter_map(planned).collect();
    due.sort_by_key(|&(retry_at, job, _)| (retry_at, job));
    due.into_iter().map(|(_, job, action)| (job, action)).collect()
}

/// What has to happen with one job.
pub(crate) fn action(state: &State, job: &Job, now: Timestamp) -> Option<Action> {
    match job.phase {
        Phase::Opening | Phase::Opened => None,
        Phase::Ending { .. } => Some(Action::Fence),
        Phase::Live if job.placement.shards.iter().any(|&s| !state.members.contains(s)) => {
            Some(Action::End(Cause::Lost))
        }
        Phase::Live if job.expired(now) => Some(Action::End(Cause::Expired)),
        Phase::Live if seems_idle(state, job, now) => Some(Action::VoteIdle),
        Phase::Live if job.unsettled || needs_weights(state, job) => Some(Action::Renew),
        Phase::Live => None,
    }
}

/// By the latest reports of all its shards. The shards themselves decide.
fn seems_idle(state: &State, job: &Job, now: Timestamp) -> bool {
    let Some(idle_ttl) = job.placement.hints.idle_ttl else {
        return false;
    };
    job.placement.shards.iter().all(|&shard| {
        let Some(latest) = state.report(shard).filter(|r| now.since(r.at) <= REPORT_FRESH) else {
            return false;
        };
        let jobs = &latest.report.jobs;
        let found = jobs.binary_search_by_key(&job.placement.job, |j| j.job);
        found.is_ok_and(|i| u128::from(jobs[i].idle_ms) >= idle_ttl.as_millis())
    })
}

/// A server of it is dead, or it has none and now there is one.
fn needs_weights(state: &State, job: &Job) -> bool {
    let weights = &job.placement.weights;
    if weights.is_empty() {
        return state.members.live(Role::Storage).any(|(_, spec)| spec.capacity_bytes > 0);
    }
    weights.iter().any(|w| !state.members.contains(w.server))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{START, registration, state_with};
    use crate::job::Fence;
    use pocket_api::control::Placement;
    use pocket_api::hints::JobHints;
    use pocket_api::ids::NodeId;
    use pocket_api::usage::{JobUse, UsageReport};

    fn live(state: &mut State, name: &str, hints: JobHints) -> JobId {
        let job = state.plan(registration(name, hints), START).unwrap().placement.job;
        state.set_phase(job, Phase::Live);
        job
    }

    fn nodes(state: &State, role: Role) -> Vec<NodeId> {
        state.members.with_role(role).collect()
    }

    #[test]
    fn a_healthy_job_is_left_alone_and_an_opening_one_too() {
        let mut state = state_with(2, 2);
        live(&mut state, "data", JobHints::default());
        let opening = state.plan(registration("new", JobHints::default()), START).unwrap();
        let shard = nodes(&state, Role::Metadata)[0];
        assert_eq!(due(&state, START), []);
        state.bury(&[shard]);
        let due = due(&state, START);
        assert!(due.iter().all(|(job, _)| *job != opening.placement.job), "registration deals with it");
    }

    #[test]
    fn a_dead_shard_ends_the_job_and_a_dead_server_makes_an_epoch() {
        let mut state = state_with(2, 2);
        let job = live(&mut state, "data", JobHints::default());
        let gone = nodes(&state, Role::Storage)[0];
        state.bury(&[gone]);
        assert_eq!(due(&state, START), [(job, Action::Renew)]);
        let gone = nodes(&state, Role::Metadata)[0];
        state.bury(&[gone]);
        assert_eq!(due(&state, START), [(job, Action::End(Cause::Lost))]);
        state.set_ending(job, Fence::Anyway, Cause::Lost);
        assert_eq!(due(&state, START), [(job, Action::Fence)]);
    }

    #[test]
    fn a_job_without_servers_waits_for_one() {
        let mut state = state_with(1, 1);
        let job = live(&mut state, "data", JobHints::default());
        let gone = nodes(&state, Role::Storage)[0];
        let spec = state.members.spec(gone).unwrap().clone();
        state.bury(&[gone]);
        let placement = state.job(job).unwrap().placement.clone();
        state.settle(Placement { weights: Vec::new(), ..placement });
        assert_eq!(due(&state, START), []);
        state.join(spec, START).unwrap();
        assert_eq!(due(&state, START), [(job, Action::Renew)]);
    }

    #[test]
    fn a_ttl_is_due_at_its_millisecond() {
        let mut state = state_with(1, 1);
        let hints = JobHints { ttl: Some(Duration::from_millis(1_500)), ..JobHints::default() };
        let job = live(&mut state, "data", hints);
        assert_eq!(due(&state, START + Duration::from_millis(1_499)), []);
        let end = START + Duration::from_millis(1_500);
        assert_eq!(due(&state, end), [(job, Action::End(Cause::Expired))]);
        assert!(state.job(job).unwrap().shown(end).is_err(), "not shown any more, ended or not");
    }

    #[test]
    fn what_failed_is_not_due_again_at_once() {
        let mut state = state_with(1, 1);
        let job = live(&mut state, "data", JobHints::default());
        state.set_ending(job, Fence::Anyway, Cause::Deleted);
        let later = START + Duration::from_millis(500);
        state.retry_at(job, later);
        assert_eq!(due(&state, START), []);
        assert_eq!(due(&state, later), [(job, Action::Fence)]);
    }

    #[test]
    fn idleness_takes_a_fresh_report_of_every_shard() {
        let mut state = state_with(2, 1);
        let idle_ttl = Duration::from_secs(10);
        let hints = JobHints { idle_ttl: Some(idle_ttl), ..JobHints::default() };
        let job = live(&mut state, "data", hints);
        let shards = nodes(&state, Role::Metadata);
        let report = |state: &mut State, shard, idle_ms, at| {
            let used = JobUse { job, objects: 0, bytes: 0, idle_ms };
            state.reported(shard, UsageReport { jobs: vec![used], ..UsageReport::default() }, at).unwrap();
        };
        assert_eq!(due(&state, START), [], "no report is no vote");
        report(&mut state, shards[0], 10_000, START);
        assert_eq!(due(&state, START), [], "one is missing");
        report(&mut state, shards[1], 9_999, START);
        assert_eq!(due(&state, START), [], "one saw a request");
        report(&mut state, shards[1], 10_000, START);
        assert_eq!(due(&state, START), [(job, Action::VoteIdle)]);
        assert_eq!(due(&state, START + Duration::from_secs(4)), [], "the reports are old");
        state.reported(shards[1], UsageReport::default(), START).unwrap();
        assert_eq!(due(&state, START), [], "a shard that does not name it does not vote");
    }
}
