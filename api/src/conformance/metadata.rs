//! The promises of [`crate::metadata::Metadata`].
