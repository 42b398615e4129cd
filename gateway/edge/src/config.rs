//! What can be set about an edge. Credentials are apart, see [`crate::credentials`].

use crate::tls::Tls;
use pocket_api::budget::ByteBudget;
use std::thread::available_parallelism;

/// Region that clients use when nobody told them another.
pub const DEFAULT_REGION: &str = "us-east-1";
/// Connections held at once. One costs some 10 KiB while idle and at most 1 MiB of buffers while it transfers.
pub const MAX_CONNECTIONS: usize = 10_000;
/// What bodies may take of memory while they pass, see [`EdgeConfig::buffers`].
pub const BUFFERS_MAX_BYTES: u64 = 128 << 20;

/// Settings of one edge.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Name shown as the buckets' region; requests may be signed for any.
    pub region: String,
    /// `s3.example` makes `bucket.s3.example` a virtual host. Without it all requests are path style.
    pub domain: Option<String>,
    /// What connections are spoken to in. Without it they are plain HTTP, and never both on one port.
    pub tls: Option<Tls>,
    /// More are refused with 503, or in TLS by an alert.
    pub max_connections: usize,
    /// Memory of the gateway for documents, for bytes on their way to storage, and for those that were read ahead of their
    /// client. Half of it is what makes transfers faster; the other half is for what cannot be done without. Where it is full,
    /// documents and writes are answered 503 SlowDown, and reads go on in small pieces.
    pub buffers: ByteBudget,
    /// Each with an event loop of its own: a connection never changes threads, and what one process can answer by itself
    /// wakes no other thread. None is taken for one.
    pub threads: usize,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            region: DEFAULT_REGION.into(),
            domain: None,
            tls: None,
            max_connections: MAX_CONNECTIONS,
            buffers: ByteBudget::new(BUFFERS_MAX_BYTES),
            threads: thread_per_core(),
        }
    }
}

/// A thread for each core.
pub fn thread_per_core() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// A thread for every second core, for a server that shares its machine with its clients. With a thread for each
/// core all of them sleep and wake between two requests, which costs more than a request of 1 KiB itself.
pub fn thread_per_two_cores() -> usize {
    thread_per_core().div_ceil(2)
}
