//! The front as clients meet it: a real server on loopback, raw HTTP, and an S3 behind it that only writes down what
//! reaches it. What must be refused is refused with S3's code, and nothing reaches that S3.

mod bodies;
mod connections;
mod forms;
mod recorder;
mod refusals;
mod settings;
mod tls;
mod wire;
