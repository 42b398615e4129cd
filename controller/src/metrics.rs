//! The controller's metrics: their names, and handles to them.

use crate::job::{Cause, Phase};
use crate::state::State;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::{NodeState, Role};
use std::time::Duration;

const NODES: &str = "pocket_controller_nodes_count";
const JOBS: &str = "pocket_controller_jobs_count";
const REGISTERED: &str = "pocket_controller_registered_jobs_total";
const REFUSED: &str = "pocket_controller_refused_registrations_total";
const ENDED: &str = "pocket_controller_ended_jobs_total";
const EPOCHS: &str = "pocket_controller_new_epochs_total";
const DEAD: &str = "pocket_controller_dead_nodes_total";
const HELD: &str = "pocket_controller_held_seconds";
const UNSAVED: &str = "pocket_controller_failed_saves_total";

/// Causes with their label, in the order of [`Metrics::ended`].
const CAUSES: [(Cause, &str); 4] =
    [(Cause::Deleted, "deleted"), (Cause::Expired, "expired"), (Cause::Idle, "idle"), (Cause::Lost, "lost")];

/// Why a node is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeathCause {
    /// It was silent for too long.
    Silent,
    /// Its process has ended: its connections are closed, and its address refuses.
    Ended,
    /// Its host has given its address to another node.
    Replaced,
    /// It said so itself.
    Left,
    /// Somebody said so.
    Forgotten,
}

impl DeathCause {
    const ALL: [Self; 5] = [Self::Silent, Self::Ended, Self::Replaced, Self::Left, Self::Forgotten];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Ended => "ended",
            Self::Replaced => "replaced",
            Self::Left => "left",
            Self::Forgotten => "forgotten",
        }
    }
}

/// Tells the installed recorder what the metrics mean. Once a process.
pub fn describe_metrics() {
    describe_gauge!(NODES, "Nodes that are not dead, by role and state");
    describe_gauge!(JOBS, "Jobs, by phase: live, or ending while a shard has not answered");
    describe_counter!(REGISTERED, "Jobs registered");
    describe_counter!(REFUSED, "Registrations refused: name taken, or no shard or server to be had");
    describe_counter!(ENDED, "Jobs ended, by cause");
    describe_counter!(EPOCHS, "New epochs of jobs because servers died or came");
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
    pub(crate) epochs: Counter,
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
            epochs: counter!(EPOCHS),
            dead: DeathCause::ALL.map(|cause| counter!(DEAD, "cause" => cause.as_str())),
            held: gauge!(HELD),
            failed_saves: counter!(UNSAVED),
        }
    }

    pub(crate) fn ended(&self, cause: Cause) -> &Counter {
        let place = CAUSES.iter().position(|(c, _)| *c == cause);
        &self.ended[place.expect("every cause is in the table")]
    }

    pub(crate) fn dead(&self, cause: DeathCause) -> &Counter {
        let place = DeathCause::ALL.iter().position(|c| *c == cause);
        &self.dead[place.expect("every cause is in the table")]
    }

    /// Shows how things stand.
    pub(crate) fn show(&self, state: &State, now: Timestamp) {
        self.held.set(state.members.held_for(now).as_ref().map_or(0.0, Duration::as_secs_f64));
        let view = state.members.view();
        for (role, [live, suspect]) in &self.nodes {
            let count = |state| view.with_role(*role).filter(|n| n.state == state).count() as f64;
            live.set(count(NodeState::Live));
            suspect.set(count(NodeState::Suspect));
        }
        let (mut live, mut ending) = (0_u32, 0_u32);
        for job in state.jobs() {
            match job.phase {
                Phase::Opening | Phase::Opened => {}
                Phase::Live => live += 1,
                Phase::Ending { .. } => ending += 1,
            }
        }
        self.live_jobs.set(live);
        self.ending_jobs.set(ending);
    }
}
