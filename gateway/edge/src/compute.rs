//! Work that takes longer than a poll may, on threads that serve no connection. A few pieces at a time: whoever sends many
//! long documents waits for his own, and the event loops keep their cores.

use std::panic::resume_unwind;
use tokio::sync::Semaphore;

/// Pieces at a time in this process.
const AT_ONCE: usize = 2;

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// Does `work` here and now, or elsewhere where it `is_long`. Once begun it ends, also when nobody waits for it any more.
pub async fn run<T: Send + 'static>(is_long: bool, work: impl FnOnce() -> T + Send + 'static) -> T {
    if !is_long {
        return work();
    }
    let place = PLACES.acquire().await.expect("nobody closes it");
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
    use std::thread;

    #[tokio::test]
    async fn what_is_long_runs_elsewhere_and_never_more_of_it_at_a_time_than_there_are_places() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let here = thread::current().id();
        assert_eq!(run(false, || thread::current().id()).await, here);
        let long = || {
            let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
            thread::yield_now();
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            (thread::current().id(), running)
        };
        for (thread, running) in join_all((0..100).map(|_| run(true, long))).await {
            assert!(thread != here && running <= AT_ONCE, "{running}");
        }
    }
}
