//! Long work in slices. Seams that are in this process are always ready and never yield, so whoever does one small thing after
//! the other for one request has to let the requests of others in between.

/// Decisions, and calls of a shard, that one poll makes at most. A decision goes through some 300 statements of a policy of 20
/// KB, which takes a few tens of microseconds; a call takes less. So it is well below a millisecond on an old CPU too.
const STEPS_A_POLL: usize = 16;

/// To be asked behind step number `step`, from 0 on.
pub(crate) async fn end_step(step: usize) {
    if (step + 1).is_multiple_of(STEPS_A_POLL) {
        tokio::task::yield_now().await;
    }
}
