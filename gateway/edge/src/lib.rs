//! HTTP and S3's wire: the one place that knows the name of a header or writes XML.
//!
//! A request passes `server` (HTTP), `edge` (who sent it, which operation it is, and what must not pass) and one file of `wire`,
//! which reads the typed call of the operation and writes its answer. Operations implement the traits of `calls`; they are behind
//! this crate, and it knows no plane.

mod acl_headers;
mod allow_list;
mod answer;
mod arrived;
mod authorization;
mod body;
mod bucket_tags;
pub mod calls;
pub mod checksums;
mod chunked;
pub mod compute;
pub mod config;
mod content;
pub mod context;
mod copy_source;
mod cors;
pub mod credentials;
mod details;
mod digests;
mod document;
mod documents;
mod edge;
mod error_answer;
pub mod errors;
mod form;
pub mod front;
mod header_rules;
mod headers;
pub mod hint_places;
pub mod listing;
mod location;
mod metrics;
mod operation;
mod pace;
mod payload;
mod payload_stream;
mod percent;
mod presigned;
mod proof;
mod query;
mod request_head;
mod rfc2047;
mod routing;
mod server;
mod session;
mod signature;
mod signature_v2;
mod signing_keys;
mod stamp;
mod stamped;
pub mod tags;
mod target;
pub mod tls;
pub mod versions;
mod wire;
mod xml;

pub use metrics::{describe_metrics, show_buffers};

#[cfg(test)]
#[path = "../fuzz/mod.rs"]
mod fuzz;
#[cfg(test)]
#[path = "../pages/mod.rs"]
mod pages;
