//! The control plane: who is in the cluster, which jobs there are, and where each of them lives.
//!
//! The deciding is [`state`]: one value that takes events and the time, and says what is to be done. The doing is thin: [`doing`]
//! carries that out through [`calls`], [`store`] keeps what must survive a restart, and [`controller`] is the seam.
//!
//! Gateways work without this plane: they ask it where a bucket lives and hear of changes by heartbeat. It never sees
//! a key or a byte of an object.

mod calls;
mod controller;
mod doing;
mod metrics;
mod notes;
mod state;
mod store;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

pub use controller::{Controller, ControllerConfig};
pub use metrics::describe_metrics;
pub use store::StoreError as ControllerError;
