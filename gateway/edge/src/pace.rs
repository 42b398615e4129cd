//! How slowly a client may send: each [`TRANSFER_PACE_BYTES`] of a body have to come within [`TRANSFER_STALL`] of waiting for
//! them, and all of it within [`UPLOAD_WAIT_MAX`]. One that stops is not waited for any longer, nor one that sends a byte now and
//! then; and what a body holds from its first byte on, the space that it was promised, it holds for a bounded time.

use pocket_api::limits::{TRANSFER_PACE_BYTES, TRANSFER_STALL, UPLOAD_WAIT_MAX};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Of one body. Only time during which its client is waited for counts: what is done with the bytes is not its fault.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Of those that are due.
    came_bytes: usize,
    /// For them.
    waited: Duration,
    /// For all that came.
    waited_in_all: Duration,
    /// While the client is waited for.
    waits_since: Option<Instant>,
    /// Made with the first wait.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    pub(super) fn came(&mut self, bytes: usize) {
        if let Some(since) = self.waits_since.take() {
            let waited = since.elapsed();
            self.waited += waited;
            self.waited_in_all += waited;
        }
        self.came_bytes += bytes;
        if self.came_bytes >= TRANSFER_PACE_BYTES {
            (self.came_bytes, self.waited) = (0, Duration::ZERO);
        }
    }

    /// To be polled while the client has nothing to read; ready when it is too slow.
    pub(super) fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.waits_since.is_none() {
            let now = Instant::now();
            let for_these = TRANSFER_STALL.saturating_sub(self.waited);
            let until = now + for_these.min(UPLOAD_WAIT_MAX.saturating_sub(self.waited_in_all));
            self.waits_since = Some(now);
            match &mut self.alarm {
                Some(alarm) => alarm.as_mut().reset(until),
                None => self.alarm = Some(Box::pin(tokio::time::sleep_until(until))),
            }
        }
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(cx),
            None => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    /// How many bytes come of a client that sends `bytes` after each `pause`, until it is too slow or all have come.
    async fn received(total: usize, bytes: usize, pause: Duration) -> usize {
        let (mut pace, mut received) = (Pace::default(), 0);
        while received < total {
            let late = poll_fn(|cx| pace.poll_late(cx));
            tokio::select! {
                biased;
                () = late => break,
                () = tokio::time::sleep(pause) => {}
            }
            pace.came(bytes);
            received += bytes;
        }
        received
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_is_waited_for_as_long_as_it_keeps_the_pace() {
        let second = Duration::from_secs(1);
        assert_eq!(received(10, 1, TRANSFER_STALL).await, 0, "it stands still");
        assert_eq!(received(10, 1, 19 * second).await, 1, "a byte now and then");
        assert_eq!(received(TRANSFER_PACE_BYTES, 1 << 10, second).await, 19 << 10);
        let total = 100 * TRANSFER_PACE_BYTES;
        assert_eq!(received(total, TRANSFER_PACE_BYTES, 19 * second).await, total, "slow, and fast enough");
        let waits = (UPLOAD_WAIT_MAX.as_secs() / 19) as usize;
        let until_then = waits * TRANSFER_PACE_BYTES;
        assert_eq!(
            received(2 * until_then, TRANSFER_PACE_BYTES, 19 * second).await,
            until_then,
            "too long in all"
        );
    }
}
