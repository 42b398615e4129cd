//! A whole cluster in one process, and callers that speak HTTP to its gateways without a socket: what the tests of the operations,
//! the counts of what a request costs, and the benchmarks stand on. Never looks inside of a plane.

#![allow(dead_code, reason = "each of the programs that share this uses a part of it")]

pub(crate) mod ask;
pub(crate) mod cases;
pub(crate) mod planes;
pub(crate) mod reply;
