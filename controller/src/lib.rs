//! The control plane: who is in the cluster, which jobs there are, and where each of them lives.
//!
//! The deciding is pure and takes the time as an argument: [`demand`] (hints to resources), [`weights`] (resources to
//! servers), [`placing`], [`members`], [`state`], [`due`] (what has to happen by itself) and [`verdict`] (how far the
//! end of a job has come). The doing is thin: [`registering`], [`ending`] and [`reweighing`] carry one decision each
//! to the shards and storage servers through [`calls`], [`upkeep`] does so every [`upkeep::TICK_EVERY`], and
//! [`state_file`] keeps what must survive a restart.
//!
//! Gateways work without this plane: they ask it where a bucket lives and hear of changes by heartbeat. It never sees
//! a key or a byte of an object.

mod calls;
mod configuring;
mod controller;
mod demand;
mod due;
mod ending;
mod gates;
mod job;
mod members;
mod metrics;
mod placing;
mod registering;
mod state;
mod state_file;
mod upkeep;
mod verdict;
mod weights;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use controller::{Controller, ControllerConfig, ControllerError};
pub use metrics::describe_metrics;
