//! The contract between Pocket's planes.
//!
//! Everything that two planes must agree on lives here and nowhere else: names and ids, tiers, hints, object
//! descriptions, limits, and the four seams (metadata, chunks, control, usage) with their errors. A plane imports
//! this crate and no other plane; whether the value behind a seam is in the same process or across a network is
//! chosen once, in the `pocket` binary.
//!
//! This crate knows neither S3's XML nor any wire format, and does no I/O but that of `disk`, which planes reach through their `env`.

pub mod acl;
pub mod budget;
pub mod checksum;
pub mod chunks;
pub mod clock;
pub mod cluster;
pub mod conditions;
pub mod control;
pub mod disk;
pub mod duration;
pub mod env;
pub mod hints;
pub mod ids;
pub mod lifecycle;
pub mod limits;
pub mod metadata;
pub mod names;
pub mod object;
pub mod parts;
pub mod settings;
pub mod storage_class;
pub mod tally;
pub mod tier;
pub mod usage;

#[cfg(feature = "conformance")]
pub mod conformance;
