//! Long work on threads that serve everybody: done in steps, with a turn for others after some of them, so that no poll
//! runs for a millisecond.

/// Counts the steps of one piece of work.
pub(crate) struct Pace {
    steps_per_poll: u32,
    done: u32,
}

impl Pace {
    pub(crate) fn new(steps_per_poll: u32) -> Self {
        Self { steps_per_poll, done: 0 }
    }

    /// After every step, and under no lock.
    pub(crate) async fn step(&mut self) {
        self.done += 1;
        if self.done == self.steps_per_poll {
            self.done = 0;
            tokio::task::yield_now().await;
        }
    }
}
