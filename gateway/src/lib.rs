//! The S3 front: authenticates requests, turns them into calls on the other planes' seams, and streams bytes.
//!
//! A request passes `server` (HTTP), `edge` (signature, framing, checksums, and between HTTP and the typed calls of
//! `calls`) and one file of `ops`, which knows neither headers nor XML. This is the only crate that knows S3. It keeps
//! nothing that it cannot lose.

mod access;
pub mod caller;
pub mod calls;
pub mod config;
pub mod context;
pub mod credentials;
mod edge;
pub mod front;
pub mod gateway;
pub mod ops;
pub mod planes;
pub mod profiles;
mod server;

mod checksums;
mod compute;
mod content_tag;
mod copies;
mod details;
mod errors;
#[cfg(test)]
mod fuzz;
mod headers;
mod listing;
mod metrics;
mod placements;
mod reader;
pub mod refusal;
mod settings;
mod space;
mod tags;
mod transfers;
mod versions;
mod writer;

pub use metrics::describe_metrics;
