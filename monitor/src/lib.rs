//! What every process does beside its roles, over the seams of the controller: it keeps each of them a member of the cluster, and
//! every second asks them and the machine for their numbers and reports those.
//!
//! It decides nothing: neither what follows of the numbers nor who is dead. The controller does.

mod machine;
mod membership;
mod memory_limit;
mod metrics;
mod monitor;

pub use machine::MachineSampler;
pub use membership::{Membership, Parted, join};
pub use memory_limit::memory_limit_bytes;
pub use metrics::describe_metrics;
pub use monitor::{Monitor, REPORT_EVERY};
