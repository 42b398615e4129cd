//! The admin port: metrics and probes for everybody who can reach it, and the operator's questions for callers on this
//! machine. Small and rare requests; never on the path of data.

pub(crate) mod operator;
pub(crate) mod readiness;
pub(crate) mod server;
pub(crate) mod usage_metrics;
