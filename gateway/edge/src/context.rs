//! What the edge found out about a request, for the operations, and the connection that it came on.

use parking_lot::Mutex;
use pocket_access::caller::{Caller, Signing};
use pocket_api::metadata::Delivery;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tokio_util::sync::CancellationToken;

/// One request that the edge has let through.
#[derive(Debug)]
pub struct RequestContext {
    /// Also in the answer as `x-amz-request-id`.
    pub request_id: RequestId,
    pub caller: Caller,
    /// Where it came from is [`Connection::peer`].
    pub connection: Arc<Connection>,
    /// There whenever the caller has a key.
    pub signing: Option<Signing>,
}

impl RequestContext {
    pub fn new(
        request_id: RequestId,
        caller: Caller,
        signing: Option<Signing>,
        connection: Arc<Connection>,
    ) -> Self {
        Self { request_id, caller, connection, signing }
    }

    /// The other end of the connection; see [`Connection::peer`].
    pub fn peer(&self) -> Option<IpAddr> {
        self.connection.peer().map(|peer| peer.ip())
    }
}

/// 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(pub [u8; 16]);

impl RequestId {
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("")
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The connection that a request came on, as far as operations may act on it.
#[derive(Default)]
pub struct Connection {
    peer: Option<SocketAddr>,
    is_secure: bool,
    /// Bytes of answers that its socket took.
    sent_bytes: AtomicU64,
    cut: CancellationToken,
    after_flush: Mutex<Vec<OnDelivered>>,
}

/// Told once how a response body ended.
pub type OnDelivered = Box<dyn FnOnce(Delivery) + Send>;

impl Connection {
    pub fn from_peer(peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..Self::default() }
    }

    /// The same in TLS that ends in this process.
    pub fn secured(self) -> Self {
        Self { is_secure: true, ..self }
    }

    /// Nobody reads or changes what passes between its two ends. Headers that claim so of what lies before them are not believed.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// The other end of the socket: the client, or the nearest proxy before it. Headers that claim another address
    /// are not believed, because anybody can send them. `None` when the client had gone before it could be asked for.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// Called by the server, which alone does: the socket took so many bytes.
    pub fn sent(&self, bytes: usize) {
        // One writer, so nothing is lost between the two.
        self.sent_bytes.store(self.sent_bytes.load(Relaxed) + bytes as u64, Relaxed);
    }

    /// Bytes of all answers that the socket took.
    pub fn sent_bytes(&self) -> u64 {
        self.sent_bytes.load(Relaxed)
    }

    /// Closes the connection at once, whatever is going on: the client sees a transfer that breaks off.
    pub fn cut(&self) {
        self.cut.cancel();
    }

    /// Resolves when somebody cuts the connection; the server then drops it.
    pub async fn until_cut(&self) {
        self.cut.cancelled().await;
    }

    /// For a response body that has just handed out its last frame: `told` is called with [`Delivery::Sent`] when
    /// everything handed out so far is in the socket, or with [`Delivery::Failed`] when the connection ends first.
    pub fn after_flush(&self, told: OnDelivered) {
        self.after_flush.lock().push(told);
    }

    /// Called by the server: everything written so far is in the socket.
    pub fn flushed(&self) {
        self.tell(Delivery::Sent);
    }

    /// Called by the server when the connection has ended.
    pub fn ended(&self) {
        self.tell(Delivery::Failed);
    }

    fn tell(&self, delivery: Delivery) {
        let waiting = std::mem::take(&mut *self.after_flush.lock());
        waiting.into_iter().for_each(|told| told(delivery));
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("peer", &self.peer)
            .field("secure", &self.is_secure)
            .field("cut", &self.cut.is_cancelled())
            .finish_non_exhaustive()
    }
}
