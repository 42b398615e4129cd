//! What the black-box tests share: starting the real binary, talking to it as clients do, running real clients.
//!
//! Nothing here links a plane. Requests are signed by aws-sigv4, which knows nothing of Pocket, and written byte by
//! byte, so that a test can send what no client library would.

pub mod checksums;
pub mod clients;
pub mod docs;
pub mod http;
pub mod metrics;
pub mod network;
pub mod objects;
pub mod python;
pub mod s3;
pub mod server;
pub mod workshop;
pub mod xml;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// The same random bytes for the same seed.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    SmallRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// A bucket name that no other test uses.
pub fn unique_bucket(what: &str) -> String {
    format!("{what}-{:012x}", rand::rng().random_range(0..1_u64 << 48))
}
