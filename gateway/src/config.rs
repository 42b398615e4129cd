//! What can be set about a gateway. Credentials are apart, see [`crate::credentials`].

/// Region that clients use when nobody told them another.
pub const DEFAULT_REGION: &str = "us-east-1";
/// Connections held at once. One costs some 10 KiB while idle and at most 1 MiB of buffers while it transfers.
pub const MAX_CONNECTIONS: usize = 10_000;

/// Settings of one gateway.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Name shown as the buckets' region; requests may be signed for any.
    pub region: String,
    /// `s3.example` makes `bucket.s3.example` a virtual host. Without it all requests are path style.
    pub domain: Option<String>,
    /// More are refused with 503.
    pub max_connections: usize,
    pub runtime: RuntimeKind,
}

impl Default for GatewayConfig {
    fn default() -> Self {
        Self {
            region: DEFAULT_REGION.into(),
            domain: None,
            max_connections: MAX_CONNECTIONS,
            runtime: RuntimeKind::Shared,
        }
    }
}

/// On which threads connections are served. Which is faster depends on the load: it is set so that it can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// Threads of the gateway's own, one a core, each with its own event loop: a connection never changes threads.
    PerCore,
    /// The runtime that [`crate::gateway::Gateway::serve`] is called on.
    Shared,
}
