//! How much of an object is in the gateway's memory on its way to one client. A read begins with a small window, and gets a larger
//! one when its client takes what there is in a moment: as much as it takes in about a tenth of a second. All windows
//! together take at most what is spare of the gateway's buffers. Where that is used up, a read goes on with one small piece at a time.

use bytes::Bytes;
use futures::task::AtomicWaker;
use pocket_api::budget::{ByteBudget, Share};
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// What every read may have, whatever others have. 80 MiB of 10,000 of them.
const LEAST_BYTES: u64 = 8 << 10;
/// The first window, where there is room: an object of up to so much is read in one piece.
pub(super) const FIRST_BYTES: u64 = 64 << 10;
/// The largest: enough for a network of 10 Gb/s and 1 ms twice over.
const MOST_BYTES: u64 = 4 << 20;
/// Pieces of a window that is larger than the first are on their way side by side.
pub(super) const PIECES_MAX: usize = 4;
/// A client that takes a window in this time gets a larger one.
const QUICK: Duration = Duration::from_millis(100);
/// A client that takes longer for it gets a smaller one.
const SLOW: Duration = Duration::from_secs(1);
/// By how much windows grow and shrink.
const STEP: u64 = 4;

/// Of one read.
pub(super) struct Window {
    buffers: ByteBudget,
    bytes: u64,
    ahead: Arc<Ahead>,
    since: Instant,
    /// What the client had taken then.
    taken_before: u64,
}

/// What is ahead of the client: counted here until it is in the socket.
#[derive(Default)]
struct Ahead {
    held_bytes: AtomicU64,
    taken_bytes: AtomicU64,
    reader: AtomicWaker,
}

/// Room for one piece, until it is dropped.
pub(super) struct Room {
    share: Share,
    /// Of whoever waits for it to come back.
    ahead: Option<Arc<Ahead>>,
}

impl Window {
    pub(super) fn new(buffers: ByteBudget) -> Self {
        let (ahead, since) = (Arc::default(), Instant::now());
        Self { buffers, bytes: FIRST_BYTES, ahead, since, taken_before: 0 }
    }

    /// Waits for room for the next piece: of up to `wanted` bytes, and at least one.
    pub(super) async fn room(&mut self, wanted: u64) -> Room {
        poll_fn(|cx| self.poll_room(wanted, cx)).await
    }

    fn poll_room(&mut self, wanted: u64, cx: &mut Context<'_>) -> Poll<Room> {
        // Before the look: whoever gives room back does so before it wakes.
        self.ahead.reader.register(cx.waker());
        self.adapt();
        let held = self.ahead.held_bytes.load(Relaxed);
        let piece = wanted.min((self.bytes / 2).max(FIRST_BYTES)).min(self.bytes);
        if held + piece > self.bytes {
            return Poll::Pending;
        }
        let share = match self.buffers.spare(piece) {
            Some(share) => share,
            None if held == 0 => {
                self.bytes = LEAST_BYTES;
                self.buffers.share_beyond(wanted.min(LEAST_BYTES))
            }
            None => return Poll::Pending,
        };
        self.ahead.held_bytes.fetch_add(share.bytes(), Relaxed);
        Poll::Ready(Room { share, ahead: Some(self.ahead.clone()) })
    }

    /// Once a window's bytes are in the socket, the time that they took says how large the next one is.
    fn adapt(&mut self) {
        let taken = self.ahead.taken_bytes.load(Relaxed);
        if taken - self.taken_before < self.bytes {
            return;
        }
        let now = Instant::now();
        match now - self.since {
            time if time <= QUICK => self.bytes = (self.bytes * STEP).min(MOST_BYTES),
            time if time > SLOW => self.bytes = (self.bytes / STEP).max(LEAST_BYTES),
            _ => {}
        }
        (self.since, self.taken_before) = (now, taken);
    }
}

impl Room {
    /// For bytes behind which nothing comes, where there is room for all of them.
    pub(super) fn alone(buffers: &ByteBudget, bytes: u64) -> Option<Self> {
        buffers.spare(bytes).map(|share| Self { share, ahead: None })
    }

    pub(super) fn bytes(&self) -> u64 {
        self.share.bytes()
    }

    /// The piece that it is for, which keeps it for as long as anybody has a part of it.
    pub(super) fn hold(self, piece: Bytes) -> Bytes {
        Bytes::from_owner(Held { piece, _room: self })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let Some(ahead) = &self.ahead else { return };
        ahead.held_bytes.fetch_sub(self.share.bytes(), Relaxed);
        ahead.taken_bytes.fetch_add(self.share.bytes(), Relaxed);
        self.share.shrink(0);
        ahead.reader.wake();
    }
}

struct Held {
    piece: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.piece
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    const MIB: u64 = 1 << 20;

    /// The sizes of the pieces that there is room for at once.
    fn pieces(window: &mut Window, wanted: u64) -> Vec<Room> {
        std::iter::from_fn(|| window.room(wanted).now_or_never()).collect()
    }

    fn sizes(rooms: &[Room]) -> Vec<u64> {
        rooms.iter().map(Room::bytes).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_window_grows_while_its_client_is_quick_and_shrinks_when_it_is_slow() {
        let buffers = ByteBudget::new(64 * MIB);
        let mut window = Window::new(buffers.clone());
        let mut seen = Vec::new();
        for pause in [QUICK, QUICK, QUICK, QUICK, 2 * QUICK, 2 * SLOW, 2 * SLOW, 2 * SLOW, 2 * SLOW, 2 * SLOW]
        {
            let rooms = pieces(&mut window, MIB);
            assert!(rooms.len() <= PIECES_MAX && buffers.used_bytes() == window.bytes);
            seen.push(window.bytes >> 10);
            tokio::time::advance(pause).await;
            drop(rooms);
        }
        assert_eq!(seen, [64, 256, 1024, 4096, 4096, 4096, 1024, 256, 64, 16]);
        assert_eq!(buffers.used_bytes(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn where_the_buffers_are_full_each_read_has_one_small_piece() {
        let buffers = ByteBudget::new(4 * FIRST_BYTES);
        let mut windows: Vec<Window> = (0..5).map(|_| Window::new(buffers.clone())).collect();
        let mut rooms: Vec<Vec<Room>> = windows.iter_mut().map(|window| pieces(window, MIB)).collect();
        let of_each: Vec<Vec<u64>> = rooms.iter().map(|rooms| sizes(rooms)).collect();
        let (first, least) = (vec![FIRST_BYTES], vec![LEAST_BYTES]);
        assert_eq!(of_each, [&first, &first, &least, &least, &least].map(Vec::clone));
        assert_eq!(buffers.used_bytes(), 2 * FIRST_BYTES + 3 * LEAST_BYTES);
        // However quick its client is.
        rooms[2].clear();
        assert_eq!(sizes(&pieces(&mut windows[2], MIB)), [LEAST_BYTES]);
        assert_eq!(windows[2].room(100).now_or_never().unwrap().bytes(), 100, "what is asked for is enough");
        rooms.clear();
        assert_eq!(buffers.used_bytes(), 0);
    }

    #[tokio::test]
    async fn a_read_that_waits_for_room_goes_on_when_the_socket_has_taken_the_last_of_a_piece() {
        let mut window = Window::new(ByteBudget::new(2 * MIB));
        let room = window.room(MIB).await;
        let mut piece = room.hold(vec![7; FIRST_BYTES as usize].into());
        let waits = tokio::spawn(async move { window.room(MIB).await.bytes() });
        let first = piece.split_to(10);
        drop(piece);
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        drop(first);
        assert_eq!(waits.await.unwrap(), 2 * FIRST_BYTES);
    }
}
