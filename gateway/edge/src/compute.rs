//! Work that takes longer than a poll may, on threads that serve no connection. A few pieces at a time: whoever sends many
//! long documents waits for his own, and the event loops keep their cores.

use std::panic::resume_unwind;
use tokio::sync::Semaphore;

/// Work that takes no longer than to read so long a document is done at once. Of the least that counts in one, such as `&#60;`, as
/// many as fit are read in some 0.3 ms.
pub const HERE_MAX_BYTES: usize = 8 << 10;
/// What takes no longer than this has a place of its own: some 10 ms, which whoever waits for a few before him does not mind.
const SHORT_MAX_BYTES: usize = 256 << 10;

/// One piece of each kind at a time in this process, so that those who send the longest documents wait for each other and hold
/// up nobody else.
static SHORT: Semaphore = Semaphore::const_new(1);
static LONG: Semaphore = Semaphore::const_new(1);

/// Does `work` here and now, or elsewhere where it takes longer: it takes as long as to read a document of `bytes`. Once begun it
/// ends, also when nobody waits for it any more.
pub async fn run<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= HERE_MAX_BYTES {
        return work();
    }
    let places = if bytes <= SHORT_MAX_BYTES { &SHORT } else { &LONG };
    let place = places.acquire().await.expect("nobody closes it");
    let task = tokio::task::spawn_blocking(move || {
        let _place = place;
        work()
    });
    match task.await {
        Ok(done) => done,
        // Not cancelled, as a runtime that ends drops whoever waits here.
        Err(error) => resume_unwind(error.into_panic()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, mpsc};
    use std::thread;
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_long_runs_elsewhere_and_one_of_each_kind_at_a_time() {
        let here = thread::current().id();
        assert_eq!(run(HERE_MAX_BYTES, || thread::current().id()).await, here);
        for bytes in [HERE_MAX_BYTES + 1, SHORT_MAX_BYTES, SHORT_MAX_BYTES + 1] {
            let running = Arc::new(AtomicUsize::new(0));
            let work = || {
                let running = running.clone();
                move || {
                    let now = running.fetch_add(1, Ordering::SeqCst) + 1;
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    (thread::current().id(), now)
                }
            };
            for (thread, running) in join_all((0..100).map(|_| run(bytes, work()))).await {
                assert!(thread != here && running == 1, "{running} of {bytes}");
            }
        }
    }

    #[tokio::test]
    async fn the_longest_documents_hold_up_no_shorter_ones() {
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        // Each ends when the shorter ones have, or says that they did not.
        let (releases, longs): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let ((release, released), begun) = (mpsc::channel::<()>(), begun.clone());
                let long = move || {
                    begun.send(()).unwrap();
                    released.recv_timeout(Duration::from_secs(10)).is_ok()
                };
                (release, tokio::spawn(run(SHORT_MAX_BYTES + 1, long)))
            })
            .unzip();
        begins.recv().await.unwrap();
        let shorts = join_all((0..100).map(|i| run(SHORT_MAX_BYTES, move || i))).await;
        assert_eq!(shorts, Vec::from_iter(0..100));
        assert!(begins.is_empty(), "only one long one has begun");
        releases.iter().for_each(|release| release.send(()).unwrap());
        for waited in join_all(longs).await {
            assert!(waited.unwrap());
        }
    }
}
