//! The controller's metrics: their names, and handles to them.

use crate::state::State;
use crate::state::event::DeathCause;
use crate::state::operation::Cause;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{NodeState, Role};
use std::time::Duration;

const NODES: &str = "pocket_controller_nodes_count";
const JOBS: &str = "pocket_controller_jobs_count";
const REGISTERED: &str = "pocket_controller_registered_jobs_total";
const REFUSED: &str = "pocket_controller_refused_registrations_total";
const ENDED: &str = "pocket_controller_ended_jobs_total";
const REWEIGHED: &str = "pocket_controller_new_weights_total";
const OPERATIONS: &str = "pocket_controller_operations_count";
const DEAD: &str = "pocket_controller_dead_nodes_total";
const HELD: &str = "pocket_controller_held_seconds";
const UNSAVED: &str = "pocket_controller_failed_saves_total";

/// Causes with their label, in the order of [`Metrics::ended`].
const CAUSES: [(Cause, &str); 4] =
    [(Cause::Deleted, "deleted"), (Cause::Expired, "expired"), (Cause::Idle, "idle"), (Cause::Lost, "lost")];

/// Tells the installed recorder what the metrics mean. Once a process.
pub fn describe_metrics() {
    describe_gauge!(NODES, "Nodes that are not dead, by role and state");
    describe_gauge!(JOBS, "Jobs, by phase: live, or ending while a shard has not answered");
    describe_counter!(REGISTERED, "Jobs registered");
    describe_counter!(REFUSED, "Registrations refused: name taken, or no shard or server to be had");
    describe_counter!(ENDED, "Jobs ended, by cause");
    describe_counter!(REWEIGHED, "Weight maps that have changed because servers died or came");
    describe_gauge!(
        OPERATIONS,
        "Operations on jobs that wait for a shard: registered, changed, ended, or undone"
    );
    describe_counter!(DEAD, "Nodes that are dead, by cause: silent, ended, replaced, left, forgotten");
    describe_gauge!(
        HELD,
        "For how long the controller has held itself for the one that is cut off; 0 when it does not"
    );
    describe_counter!(UNSAVED, "Writes of the state file that failed");
}

pub(crate) struct Metrics {
    /// By role: live, suspect.
    nodes: Vec<(Role, [Gauge; 2])>,
    live_jobs: Gauge,
    ending_jobs: Gauge,
    pub(crate) registered: Counter,
    pub(crate) refused: Counter,
    ended: [Counter; 4],
    pub(crate) reweighed: Counter,
    operations: Gauge,
    /// In the order of [`DeathCause::ALL`].
    dead: [Counter; 5],
    held: Gauge,
    pub(crate) failed_saves: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let of_role = |role: Role| {
            let state = |state| gauge!(NODES, "role" => role.as_str(), "state" => state);
            (role, [state("live"), state("suspect")])
        };
        Self {
            nodes: Role::ALL.into_iter().map(of_role).collect(),
            live_jobs: gauge!(JOBS, "phase" => "live"),
            ending_jobs: gauge!(JOBS, "phase" => "ending"),
            registered: counter!(REGISTERED),
            refused: counter!(REFUSED),
            ended: CAUSES.map(|(_, label)| counter!(ENDED, "cause" => label)),
            reweighed: counter!(REWEIGHED),
            operations: gauge!(OPERATIONS),
            dead: DeathCause::ALL.map(|cause| counter!(DEAD, "cause" => cause.as_str())),
            held: gauge!(HELD),
            failed_saves: counter!(UNSAVED),
        }
    }

    pub(crate) fn ended(&self, cause: Cause) -> &Counter {
        let place = CAUSES.iter().position(|(c, _)| *c == cause);
        &self.ended[place.expect("what was abandoned had not begun; every other cause is in the table")]
    }

    pub(crate) fn dead(&self, cause: DeathCause) -> &Counter {
        let place = DeathCause::ALL.iter().position(|c| *c == cause);
        &self.dead[place.expect("every cause is in the table")]
    }

    /// Shows how things stand.
    pub(crate) fn show(&self, state: &State, now: Timestamp) {
        self.held.set(state.members.held_for(now).as_ref().map_or(0.0, Duration::as_secs_f64));
        for (role, [live, suspect]) in &self.nodes {
            live.set(state.members.count(*role, NodeState::Live) as f64);
            suspect.set(state.members.count(*role, NodeState::Suspect) as f64);
        }
        let counts = state.counts();
        self.live_jobs.set(counts.live as f64);
        self.ending_jobs.set(counts.ending as f64);
        self.operations.set(counts.operations as f64);
    }
}
