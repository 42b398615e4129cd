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

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    /// What the kernel was told.
    fn told(stream: &TcpStream) -> u32 {
        SockRef::from(stream).tcp_notsent_lowat().unwrap()
    }

    #[tokio::test]
    async fn a_socket_has_more_only_while_its_client_is_quick_and_there_is_room() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        tokio::time::pause();
        let buffers = ByteBudget::new(2 * u64::from(MOST_BYTES));
        let mut unsent = Unsent::new(&stream, buffers.clone());
        let mut seen = Vec::new();
        for pause in [Duration::ZERO, QUICK, QUICK, 2 * QUICK, QUICK] {
            tokio::time::advance(pause).await;
            unsent.full(&stream);
            seen.push((told(&stream), buffers.used_bytes()));
        }
        let (least, most) = ((LEAST_BYTES, 0), (MOST_BYTES, MOST_BYTES.into()));
        assert_eq!(seen, [least, most, most, least, most]);
        let mut other = Unsent::new(&stream, buffers.clone());
        other.full(&stream);
        other.full(&stream);
        assert_eq!(
            (told(&stream), buffers.used_bytes()),
            (LEAST_BYTES, MOST_BYTES.into()),
            "there is no room for two"
        );
        unsent.answered(&stream);
        assert_eq!(buffers.used_bytes(), 0);
        unsent.full(&stream);
        unsent.full(&stream);
        drop(unsent);
        assert_eq!(buffers.used_bytes(), 0);
    }
}
