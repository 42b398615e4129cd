//! Clients of S3 that write down what they asked and what they were told.

pub mod content;
