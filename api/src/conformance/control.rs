//! The promises of [`crate::control::Control`].
