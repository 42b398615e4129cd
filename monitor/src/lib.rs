//! The monitor of a process: every second it asks the roles of its process and the machine for their numbers, and
//! reports them to the controller over the usage seam.
//!
//! It only observes. What follows from the numbers is decided by the controller.

mod machine;
mod memory_limit;
mod metrics;
mod monitor;

pub use machine::MachineSampler;
pub use memory_limit::memory_limit_bytes;
pub use metrics::describe_metrics;
pub use monitor::{Monitor, REPORT_EVERY};
