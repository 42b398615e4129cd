//! What the kernel (and TLS before it) takes of an answer before the network does. Little, so that what a client does not read stays where it was read
//! from instead of in a buffer of up to 4 MiB a socket; a whole answer, up to a chunk of it, for a client that takes it as fast as
//! it comes, whom a small buffer would cost many small writes. What is more comes out of what is spare of the gateway's
//! buffers, and stays with the connection until its client is slow or it idles: to set a socket costs a system call.

use super::link::Link;
use super::stream::Stream;
use pocket_api::budget::ByteBudget;
use pocket_api::limits::CHUNK_MAX_BYTES;
use socket2::SockRef;
use std::time::Duration;
use tokio::time::Instant;

/// What every socket may have.
const LEAST_BYTES: u64 = 8 << 10;
/// What one may have whose client is quick: a chunk goes to it in one write.
const MOST_BYTES: u64 = CHUNK_MAX_BYTES as u64;
/// A client that has room again after this time is quick.
const QUICK: Duration = Duration::from_millis(100);

/// Of one socket. What it does not count is on its way to the client, as the network bounds it.
pub(super) struct Unsent {
    buffers: ByteBudget,
    /// What the kernel was told.
    limit_bytes: u64,
    /// It gets no more before its client has taken this answer.
    is_slow: bool,
    /// Since when it is full.
    full_at: Option<Instant>,
}

impl Unsent {
    pub(super) fn new(stream: &mut Stream, buffers: ByteBudget) -> Self {
        tell(stream, LEAST_BYTES);
        Self { buffers, limit_bytes: LEAST_BYTES, is_slow: false, full_at: None }
    }

    /// The kernel is about to be given so many bytes of an answer.
    pub(super) fn before(&mut self, bytes: usize, stream: &mut Stream, link: &Link) {
        if bytes as u64 <= LEAST_BYTES || self.is_slow {
            return;
        }
        // For answers of about one size once.
        let wanted = (bytes as u64).next_power_of_two().min(MOST_BYTES);
        let held = link.unsent_bytes();
        if held >= wanted {
            return self.limit(held, stream);
        }
        match self.buffers.spare(wanted) {
            Some(share) => {
                link.hold_unsent(Some(share));
                self.limit(wanted, stream);
            }
            // It was taken away while the connection idled.
            None if held == 0 => self.limit(LEAST_BYTES, stream),
            None => {}
        }
    }

    /// It took `taken` of `given` bytes.
    pub(super) fn after(&mut self, taken: usize, given: usize, stream: &mut Stream, link: &Link) {
        if let Some(full_at) = self.full_at.take() {
            if self.is_slow {
                // There was room again by the lower limit, so what was above it is gone.
                link.hold_unsent(None);
            } else if full_at.elapsed() > QUICK {
                self.is_slow = true;
                self.limit(LEAST_BYTES, stream);
            }
        }
        if taken < given {
            self.full_at = Some(Instant::now());
        }
    }

    /// The client has sent something behind an answer, so it has most likely taken that.
    pub(super) fn taken(&mut self) {
        (self.is_slow, self.full_at) = (false, None);
    }

    fn limit(&mut self, bytes: u64, stream: &mut Stream) {
        if self.limit_bytes != bytes {
            self.limit_bytes = bytes;
            tell(stream, bytes);
        }
    }
}

/// A failure costs memory, not correctness.
fn tell(stream: &mut Stream, bytes: u64) {
    stream.limit_unsent(bytes as usize);
    let _ = SockRef::from(stream.tcp()).set_tcp_notsent_lowat(bytes as u32);
}

#[cfg(test)]
mod tests {
    use super::super::link::Traffic;
    use super::*;
    use crate::context::Connection;
    use std::sync::Arc;
    use tokio::net::{TcpListener, TcpStream};

    const SOME: usize = 10_000;
    const MANY: usize = MOST_BYTES as usize + 500;

    struct One {
        stream: Stream,
        link: Link,
        unsent: Unsent,
    }

    impl One {
        async fn of(buffers: &ByteBudget) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
            let mut stream = Stream::Plain(stream);
            let link = Link::new(Arc::new(Traffic::default()), Connection::default());
            let unsent = Unsent::new(&mut stream, buffers.clone());
            Self { stream, link, unsent }
        }

        /// One write, of which the kernel takes so much; what it was told by then.
        fn write(&mut self, taken: usize, given: usize) -> u64 {
            self.unsent.before(given, &mut self.stream, &self.link);
            self.unsent.after(taken, given, &mut self.stream, &self.link);
            SockRef::from(self.stream.tcp()).tcp_notsent_lowat().unwrap().into()
        }
    }

    #[tokio::test]
    async fn a_quick_client_has_room_for_its_answers_and_small_ones_need_none() {
        let buffers = ByteBudget::new(8 * MOST_BYTES);
        let mut one = One::of(&buffers).await;
        for (bytes, told, used) in [
            (1_000, LEAST_BYTES, 0),
            (60_000, 64 << 10, 64 << 10),
            (50_000, 64 << 10, 64 << 10),
            (MANY, MOST_BYTES, MOST_BYTES),
            (1_000, MOST_BYTES, MOST_BYTES),
        ] {
            assert_eq!((one.write(bytes, bytes), buffers.used_bytes()), (told, used), "{bytes}");
            one.unsent.taken();
        }
        drop(one);
        assert_eq!(buffers.used_bytes(), 0);
    }

    #[tokio::test]
    async fn a_slow_client_keeps_its_room_until_the_kernel_holds_less_and_gets_no_other() {
        let buffers = ByteBudget::new(4 * MOST_BYTES);
        let mut one = One::of(&buffers).await;
        tokio::time::pause();
        assert_eq!(one.write(SOME, MANY), MOST_BYTES);
        tokio::time::advance(QUICK * 2).await;
        assert_eq!(one.write(MANY, MANY), LEAST_BYTES, "slow by now");
        one.unsent.taken();
        assert_eq!(one.write(SOME, MANY), MOST_BYTES, "another answer, another try");
        tokio::time::advance(QUICK * 2).await;
        assert_eq!(one.write(SOME, MANY), LEAST_BYTES);
        assert_eq!(buffers.used_bytes(), MOST_BYTES, "what the kernel has taken it still has");
        tokio::time::advance(QUICK * 2).await;
        for _ in 0..2 {
            assert_eq!((one.write(SOME, MANY), buffers.used_bytes()), (LEAST_BYTES, 0));
        }
    }

    #[tokio::test]
    async fn where_there_is_no_room_a_socket_has_the_least_and_what_idles_gives_its_room_back() {
        let buffers = ByteBudget::new(2 * MOST_BYTES);
        let (mut one, mut other) = (One::of(&buffers).await, One::of(&buffers).await);
        assert_eq!(one.write(MANY, MANY), MOST_BYTES);
        assert_eq!(other.write(SOME, MANY), LEAST_BYTES);
        one.link.hold_unsent(None);
        assert_eq!(other.write(MANY, MANY), MOST_BYTES);
        assert_eq!(one.write(SOME, MANY), LEAST_BYTES, "it was somebody else's by then");
        assert_eq!(buffers.used_bytes(), MOST_BYTES);
    }
}
