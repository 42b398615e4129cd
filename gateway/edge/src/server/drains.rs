//! How many bodies that nobody wants are read at a time, so that answers reach those who send them.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bodies that are drained at a time by all threads of a front. Each was measured to take some 85 KiB, most of them the kernel's, so
/// together they are below 24 MiB, however many send what nobody wants.
const DRAINED_AT_ONCE: usize = 256;

/// Places for bodies that are drained. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Drains(Arc<Semaphore>);

impl Default for Drains {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(DRAINED_AT_ONCE)))
    }
}

impl Drains {
    /// `None` where all are taken: who comes then is not waited for, and may find a reset in place of his answer.
    pub(crate) fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.0.clone().try_acquire_owned().ok()
    }
}
