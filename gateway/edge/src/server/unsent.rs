//! What the kernel takes of an answer before the network does. Little, so that what a client does not read stays where it was read
//! from instead of in a buffer of up to 4 MiB a socket; a whole chunk for a client that takes it as fast as it comes, whom a small
//! buffer would cost many small writes. What is more comes out of what is spare of the gateway's buffers, and is held until it
//! is likely that the client has it.

use super::link::Link;
use pocket_api::budget::ByteBudget;
use pocket_api::limits::CHUNK_MAX_BYTES;
use socket2::SockRef;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;

/// What every socket may have.
const LEAST_BYTES: usize = 8 << 10;
/// What one may have whose client is quick: a chunk goes to it in one write.
const MOST_BYTES: usize = CHUNK_MAX_BYTES as usize;
/// A client that has room again after this time is quick.
const QUICK: Duration = Duration::from_millis(100);

/// Of one socket. What it does not count is on its way to the client, as the network bounds it.
pub(super) struct Unsent {
    buffers: ByteBudget,
    /// It has more than the least, which [`Link::unsent`] holds the share for.
    has_more: bool,
    /// It may have no more, until its client has taken this answer.
    is_slow: bool,
    /// Since when it is full.
    full_at: Option<Instant>,
}

impl Unsent {
    pub(super) fn new(stream: &TcpStream, buffers: ByteBudget) -> Self {
        limit(stream, LEAST_BYTES);
        Self { buffers, has_more: false, is_slow: false, full_at: None }
    }

    /// The kernel is about to be given so many bytes of an answer.
    pub(super) fn before(&mut self, bytes: usize, stream: &TcpStream, link: &Link) {
        if bytes <= LEAST_BYTES || self.has_more || self.is_slow {
            return;
        }
        let share = self.buffers.spare(MOST_BYTES as u64);
        if share.is_some() {
            self.has_more = true;
            link.hold_unsent(share);
            limit(stream, MOST_BYTES);
        }
    }

    /// It took `taken` of `given` bytes.
    pub(super) fn after(&mut self, taken: usize, given: usize, stream: &TcpStream, link: &Link) {
        if let Some(full_at) = self.full_at.take() {
            if self.is_slow {
                // There was room again by the lower limit, so what was above it is gone.
                self.give_back(link);
            } else if full_at.elapsed() > QUICK {
                self.is_slow = true;
                limit(stream, LEAST_BYTES);
            }
        }
        if taken < given {
            self.full_at = Some(Instant::now());
        }
    }

    /// The client has sent something behind an answer, so it has most likely taken that.
    pub(super) fn taken(&mut self, stream: &TcpStream, link: &Link) {
        if self.has_more {
            limit(stream, LEAST_BYTES);
            self.give_back(link);
        }
        (self.is_slow, self.full_at) = (false, None);
    }

    fn give_back(&mut self, link: &Link) {
        if std::mem::take(&mut self.has_more) {
            link.hold_unsent(None);
        }
    }
}

/// A failure costs memory, not correctness.
fn limit(stream: &TcpStream, bytes: usize) {
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(bytes as u32);
}

#[cfg(test)]
mod tests {
    use super::super::link::Traffic;
    use super::*;
    use crate::context::Connection;
    use std::sync::Arc;
    use tokio::net::TcpListener;

    struct One {
        stream: TcpStream,
        link: Link,
        unsent: Unsent,
    }

    impl One {
        async fn of(buffers: &ByteBudget) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let link = Link::new(Arc::new(Traffic::default()), Connection::default());
            let unsent = Unsent::new(&stream, buffers.clone());
            Self { stream, link, unsent }
        }

        /// One write, of which the kernel takes so much; what it was told by then.
        fn write(&mut self, taken: usize, given: usize) -> usize {
            self.unsent.before(given, &self.stream, &self.link);
            self.unsent.after(taken, given, &self.stream, &self.link);
            self.told()
        }

        fn told(&self) -> usize {
            SockRef::from(&self.stream).tcp_notsent_lowat().unwrap() as usize
        }
    }

    #[tokio::test]
    async fn a_quick_client_has_room_for_a_chunk_until_it_has_taken_it_and_a_small_answer_needs_none() {
        let buffers = ByteBudget::new(4 * MOST_BYTES as u64);
        let mut one = One::of(&buffers).await;
        assert_eq!((one.write(1_000, 1_000), buffers.used_bytes()), (LEAST_BYTES, 0));
        for _ in 0..2 {
            assert_eq!(one.write(MOST_BYTES, MOST_BYTES), MOST_BYTES);
            assert_eq!(buffers.used_bytes(), MOST_BYTES as u64);
        }
        one.unsent.taken(&one.stream, &one.link);
        assert_eq!((one.told(), buffers.used_bytes()), (LEAST_BYTES, 0));
    }

    #[tokio::test]
    async fn a_slow_client_keeps_its_room_until_the_kernel_holds_less_and_gets_no_other() {
        let buffers = ByteBudget::new(4 * MOST_BYTES as u64);
        let mut one = One::of(&buffers).await;
        tokio::time::pause();
        assert_eq!(one.write(10_000, MOST_BYTES), MOST_BYTES);
        tokio::time::advance(QUICK * 2).await;
        assert_eq!(one.write(10_000, MOST_BYTES), LEAST_BYTES, "slow by now");
        assert_eq!(buffers.used_bytes(), MOST_BYTES as u64, "what the kernel has taken it still has");
        tokio::time::advance(QUICK * 2).await;
        assert_eq!((one.write(10_000, MOST_BYTES), buffers.used_bytes()), (LEAST_BYTES, 0));
        assert_eq!((one.write(10_000, MOST_BYTES), buffers.used_bytes()), (LEAST_BYTES, 0));
        one.unsent.taken(&one.stream, &one.link);
        assert_eq!(one.write(MOST_BYTES, MOST_BYTES), MOST_BYTES, "another answer, another try");
    }

    #[tokio::test]
    async fn where_there_is_no_room_a_socket_has_the_least_and_what_idles_gives_its_room_back() {
        let buffers = ByteBudget::new(2 * MOST_BYTES as u64);
        let (mut one, mut other) = (One::of(&buffers).await, One::of(&buffers).await);
        assert_eq!(one.write(MOST_BYTES, MOST_BYTES), MOST_BYTES);
        assert_eq!(other.write(10_000, MOST_BYTES), LEAST_BYTES);
        one.link.hold_unsent(None);
        assert_eq!(other.write(MOST_BYTES, MOST_BYTES), MOST_BYTES);
        one.unsent.taken(&one.stream, &one.link);
        assert_eq!((one.told(), buffers.used_bytes()), (LEAST_BYTES, MOST_BYTES as u64));
        drop(other);
        assert_eq!(buffers.used_bytes(), 0);
    }
}
