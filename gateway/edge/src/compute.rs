//! Work that takes longer than a poll may, on threads that serve no connection. A few pieces at a time: whoever sends many
//! long documents waits for his own, and the event loops keep their cores.

use pocket_api::env::Env;
use std::future::pending;
use std::panic::resume_unwind;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinError;

/// Work that takes no longer than to read so long a document is done at once. Of the least that counts in one, such as `&#60;`, as
/// many as fit are read in some 0.3 ms.
pub const HERE_MAX_BYTES: usize = 8 << 10;
/// What takes no longer than this has a place of its own: some 10 ms, which whoever waits for a few before him does not mind.
const SHORT_MAX_BYTES: usize = 256 << 10;

/// Of one gateway. One piece of each kind at a time, so that those who send the longest documents wait for each other and hold up
/// nobody else.
#[derive(Clone)]
pub struct Compute {
    env: Env,
    short: Arc<Semaphore>,
    long: Arc<Semaphore>,
}

impl Compute {
    pub fn new(env: Env) -> Self {
        Self { env, short: Arc::new(Semaphore::new(1)), long: Arc::new(Semaphore::new(1)) }
    }

    /// Does `work` here and now, or elsewhere where it takes longer: it takes as long as to read a document of `bytes`. Once begun
    /// it ends, also when nobody waits for it any more.
    pub async fn run<T: Send + 'static>(&self, bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
        if bytes <= HERE_MAX_BYTES {
            return work();
        }
        let places = if bytes <= SHORT_MAX_BYTES { &self.short } else { &self.long };
        let place = places.clone().acquire_owned().await.expect("nobody closes it");
        let task = self.env.beside(move || {
            let _place = place;
            work()
        });
        match task.await.map_err(JoinError::try_into_panic) {
            Ok(done) => done,
            Err(Ok(panic)) => resume_unwind(panic),
            // Cancelled: the process has ended, and nobody in it goes on.
            Err(Err(_)) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    #[tokio::test]
    async fn what_is_long_runs_elsewhere_and_one_of_each_kind_at_a_time() {
        let (here, compute) = (thread::current().id(), Compute::new(Env::system()));
        assert_eq!(compute.run(HERE_MAX_BYTES, || thread::current().id()).await, here);
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
            for (thread, running) in join_all((0..100).map(|_| compute.run(bytes, work()))).await {
                assert!(thread != here && running == 1, "{running} of {bytes}");
            }
        }
    }

    #[tokio::test]
    async fn the_longest_documents_hold_up_no_shorter_ones() {
        let compute = Compute::new(Env::system());
        let (begun, mut begins) = tokio::sync::mpsc::unbounded_channel();
        // Each ends when the shorter ones have, or says that they did not.
        let (releases, longs): (Vec<_>, Vec<_>) = (0..3)
            .map(|_| {
                let ((release, released), begun) = (mpsc::channel::<()>(), begun.clone());
                let long = move || {
                    begun.send(()).unwrap();
                    released.recv_timeout(Duration::from_secs(10)).is_ok()
                };
                let compute = compute.clone();
                (release, tokio::spawn(async move { compute.run(SHORT_MAX_BYTES + 1, long).await }))
            })
            .unzip();
        begins.recv().await.unwrap();
        let shorts = join_all((0..100).map(|i| compute.run(SHORT_MAX_BYTES, move || i))).await;
        assert_eq!(shorts, Vec::from_iter(0..100));
        assert!(begins.is_empty(), "only one long one has begun");
        releases.iter().for_each(|release| release.send(()).unwrap());
        for waited in join_all(longs).await {
            assert!(waited.unwrap());
        }
    }
}
