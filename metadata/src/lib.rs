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

mod job;
mod jobs;
mod life;
mod metrics;
mod mover;
mod outbox;
mod pace;
mod reconcile;
mod shard;
mod state;
mod timers;
mod waiters;

pub use metrics::describe_metrics;
pub use shard::{Shard, ShardConfig};
