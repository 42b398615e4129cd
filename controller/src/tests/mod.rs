//! Tests of what a controller does with shards that fail, over time, and over its own restart.

mod configuring;
mod deaths;
mod ending;
mod registering;
mod restart;
mod upkeep;
