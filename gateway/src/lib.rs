//! The S3 operations: one a file, each a story of check, call, answer, with what they share. They take typed calls from
//! `pocket-edge`, let `pocket-access` decide, and call the other planes by their seams.
//!
//! Nothing here knows the name of a header, or XML; and nothing is kept that a gateway cannot lose.

pub mod config;
pub mod gateway;
pub mod ops;
pub mod planes;
pub mod profiles;

mod checksums;
mod content_tag;
mod copies;
mod errors;
mod merging;
mod placements;
mod reader;
mod settings;
mod space;
mod transfers;
mod writer;
