//! The deterministic world: what clients of a cluster see while it is broken by seed, and judges of it.

pub mod client;
pub mod faults;
pub mod history;
pub mod judges;
pub mod plants;
pub mod port;
pub mod run;
#[cfg(test)]
mod scenarios;
pub mod world;
