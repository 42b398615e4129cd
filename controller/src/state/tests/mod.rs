//! The state without anything around it: a bench of its own with shards, a disk, and a switch for each.

mod bench;
mod crashes;
mod steps;
