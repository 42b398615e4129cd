//! Carries Pocket's seams between processes.
//!
//! Metadata and chunks, where requests are many, go over a small framed protocol; control and usage, where they are
//! few, over gRPC. Both begin with the same handshake (`handshake`). This is the only crate that knows frames,
//! protobuf and gRPC; it knows nothing of what the planes do with a request, and holds nothing that outlives a
//! connection.
//!
//! A call over the framed seam, in files: `directory` finds the client of a node, `client` the link of the calling
//! runtime, `link` its connection, `connection` queues the frame and wakes the task that owns the socket; at the
//! server, `session` decodes it, polls the plane in place and queues the reply.

mod backoff;
mod client;
mod connection;
mod control;
mod directory;
mod frame;
#[cfg(test)]
mod fuzz;
mod handshake;
mod link;
mod message;
mod metrics;
mod places;
mod queue;
mod reader;
mod secret;
#[cfg(test)]
mod seeds;
mod server;
mod session;
mod socket;
mod turn;

#[cfg(test)]
mod tests;

pub use client::PlaneClient;
pub use control::{RemoteControl, serve_control};
pub use directory::RemoteDirectory;
pub use metrics::describe_metrics;
pub use secret::ClusterSecret;
pub use server::{ServedPlanes, serve_planes};
pub use socket::{WireError, check_exposure};

/// For the benches of this crate only: the codec is not part of the interface.
#[doc(hidden)]
pub mod codec {
    pub use crate::frame::{FrameError, FrameHeader, FrameKind};
    pub use crate::queue::FrameQueue;
    pub use crate::reader::{FrameReader, Message};
}
