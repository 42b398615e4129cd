//! Suites that every implementation of a seam passes: the plane itself, and the same plane seen over the wire. Each
//! promise in the documentation of a seam has its case here.
//!
//! A suite takes a factory that makes a fresh value, runs its cases one after the other and panics with the name of
//! the promise that does not hold.

pub mod chunks;
pub mod control;
pub mod metadata;
