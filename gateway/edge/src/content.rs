//! The bytes of an object on their way to the client.

use bytes::Bytes;
use http_body::Body;
use std::pin::Pin;

/// Bytes of an object: exactly `Found::len` of them.
pub enum Content {
    /// All of them, in memory, with nothing to be told at their end.
    Whole(Bytes),
    Stream(ContentStream),
}

/// Ends with an error where bytes are missing, so that an answer that is short never looks whole.
pub type ContentStream =
    Pin<Box<dyn Body<Data = Bytes, Error = Box<dyn std::error::Error + Send + Sync>> + Send>>;
