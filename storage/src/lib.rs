//! Pocket's storage plane: chunks, in memory for now.
//!
//! On the far side of the chunk seam ([`pocket_api::chunks::Chunks`]) from gateways, shards and the controller. It
//! must never know objects, keys or buckets, and it never decides by itself that data is not needed any more.
//!
//! Deciding is pure and split from doing: `space` (with `buddy`, `size_class`, `span`, `filling`, `ended`) says where
//! chunks are and `writes` whom to ask about them; `memory` touches bytes, `prefault` and `orphans` work in the
//! background, and `server` joins them.

mod arena;
mod buddy;
mod ended;
mod filling;
#[allow(unsafe_code)]
mod memory;
mod metrics;
mod orphans;
mod prefault;
mod server;
mod size_class;
mod space;
mod span;
mod writes;

pub use metrics::describe_metrics;
pub use server::{CAPACITY_MIN_BYTES, READY_BYTES, StorageConfig, StorageError, StorageServer};
