//! The promises of [`crate::chunks::Chunks`].
