//! What the kernel takes of an answer before the network does. Little, so that what a client does not read stays where it was read
//! from instead of in a buffer of up to 4 MiB a socket; more for a client that takes it as fast as it comes, whom a small
//! buffer would cost many small writes. What is more comes out of what is spare of the gateway's buffers.

use pocket_api::budget::{ByteBudget, Share};
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What every socket may have.
const LEAST_BYTES: u32 = 8 << 10;
/// What one may have whose client is quick.
const MOST_BYTES: u32 = 512 << 10;
/// A client that has room again after this time is quick.
const QUICK: Duration = Duration::from_millis(100);

/// Of one socket. What it does not count is on its way to the client, as the network bounds it.
pub(super) struct Unsent {
    buffers: ByteBudget,
    /// What it has beyond the least.
    more: Option<Share>,
    /// When it was full at last.
    full_at: Option<Instant>,
}

impl Unsent {
    pub(super) fn new(stream: &TcpStream, buffers: ByteBudget) -> Self {
        limit(stream, LEAST_BYTES);
        Self { buffers, more: None, full_at: None }
    }

    /// The kernel took less than it was given.
    pub(super) fn full(&mut self, stream: &TcpStream) {
        let now = Instant::now();
        let was_quick = self.full_at.is_some_and(|before| now - before <= QUICK);
        self.full_at = Some(now);
        if !was_quick {
            self.answered(stream);
        } else if self.more.is_none() {
            self.more = self.buffers.spare(MOST_BYTES.into());
            if self.more.is_some() {
                limit(stream, MOST_BYTES);
            }
        }
    }

    /// There is nothing to be sent for now.
    pub(super) fn answered(&mut self, stream: &TcpStream) {
        if self.more.take().is_some() {
            limit(stream, LEAST_BYTES);
        }
    }
}

/// A failure costs memory, not correctness.
fn limit(stream: &TcpStream, bytes: u32) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes);
}
