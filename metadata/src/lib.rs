//! The metadata plane: shards that know every object of their jobs.
//!
//! A job's state at a shard is a pure state machine ([`state`]): commands and the time go in, answers and effects come
//! out. Around it, thin: the [`shard`] that finds the job and takes its lock, the [`timers`], the [`waiters`] and
//! the [`outbox`]. This crate knows neither S3 nor any wire format; it reaches storage servers and other shards through
//! the directory alone.
//!
//! A GET of a small object: `shard` -> `lookup` (under the shared lock). Of a large one: `lookup` grants a `lease`, and
//! `pieces` lays out the segments. A PUT: `commit` judges the condition, `admission` the content, `account` pays, then
//! the `entry` is visible; what it replaced is freed through the `outbox` once no lease holds it.

mod account;
mod admission;
mod append;
mod commit;
mod copy;
mod effects;
mod entry;
mod expiry;
#[cfg(test)]
mod fuzz;
mod hold;
mod job;
mod jobs;
mod key;
mod lease;
mod life;
mod list;
mod lookup;
mod losses;
mod manifest;
mod metrics;
#[cfg(test)]
mod model;
mod mover;
mod multipart;
mod outbox;
mod pace;
mod pieces;
mod reads;
mod reconcile;
mod redescribe;
mod references;
mod rename;
mod rules;
mod shard;
mod state;
mod sweep;
mod timers;
mod upload_id;
mod uploads;
mod waiters;
mod walk;

pub use metrics::describe_metrics;
pub use shard::{Shard, ShardConfig};
