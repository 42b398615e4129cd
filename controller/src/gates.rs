//! One gate for each bucket name: what changes the life of a job happens one after the other. A query waits
//! here only where a change is on its way to the shards of its job.

use parking_lot::Mutex;
use pocket_api::names::BucketName;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Mutex as Gate, OwnedMutexGuard};

/// The gates that someone is at; as many as there are calls in flight.
#[derive(Debug, Default)]
pub(crate) struct Gates(Mutex<BTreeMap<BucketName, Arc<Gate<()>>>>);

/// Being inside. Dropping it lets the next one in.
pub(crate) struct Inside<'a> {
    gates: &'a Gates,
    bucket: BucketName,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Gates {
    /// Waits until the name is nobody else's.
    pub(crate) async fn enter(&self, bucket: &BucketName) -> Inside<'_> {
        let gate = self.0.lock().entry(bucket.clone()).or_default().clone();
        // Made before the wait, so that a caller who gives up cleans up too.
        let mut inside = Inside { gates: self, bucket: bucket.clone(), guard: None };
        inside.guard = Some(gate.lock_owned().await);
        inside
    }

    /// `None` while someone is inside.
    pub(crate) fn try_enter(&self, bucket: &BucketName) -> Option<Inside<'_>> {
        let mut gates = self.0.lock();
        let gate = gates.entry(bucket.clone()).or_default().clone();
        let guard = gate.try_lock_owned().ok()?;
        Some(Inside { gates: self, bucket: bucket.clone(), guard: Some(guard) })
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut gates = self.gates.0.lock();
        drop(self.guard.take());
        if gates.get(&self.bucket).is_some_and(|gate| Arc::strong_count(gate) == 1) {
            gates.remove(&self.bucket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[tokio::test]
    async fn one_at_a_time_by_name_and_nothing_is_kept_afterwards() {
        let gates = Gates::default();
        let [a, b] = ["aaa", "bbb"].map(|name| BucketName::parse(name).unwrap());
        let first = gates.enter(&a).await;
        assert!(gates.try_enter(&a).is_none());
        assert!(gates.try_enter(&b).is_some(), "another name is another gate");
        let mut second = Box::pin(gates.enter(&a));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        drop(second.await);
        let first = gates.enter(&a).await;
        let mut impatient = Box::pin(gates.enter(&a));
        assert!(impatient.as_mut().now_or_never().is_none());
        drop(first);
        drop(impatient);
        assert!(gates.0.lock().is_empty());
    }
}
