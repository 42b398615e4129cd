//! What was measured: a histogram and counters for each operation, merged over the workers.

use crate::mix::Operation;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Different error texts that are counted one by one: what a broken server says must not fill the memory.
const ERRORS_MAX: usize = 64;

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// 404 in a mix that deletes.
    Missing,
    /// The server answered with an error, or with the wrong bytes.
    Refused(String),
    /// There was no answer.
    Failed(String),
}

/// Of one operation.
#[derive(Debug)]
pub(crate) struct OfOperation {
    /// Microseconds, of requests that were done or missing.
    pub(crate) latency: Histogram<u64>,
    pub(crate) missing: u64,
    pub(crate) errors: u64,
    /// Object bytes moved.
    pub(crate) bytes: u64,
}

impl Default for OfOperation {
    fn default() -> Self {
        let latency = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are in order");
        Self { latency, missing: 0, errors: 0, bytes: 0 }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    pub(crate) operations: BTreeMap<Operation, OfOperation>,
    pub(crate) errors: BTreeMap<String, u64>,
}

impl Record {
    pub(crate) fn add(&mut self, operation: Operation, took: Duration, bytes: u64, outcome: Outcome) {
        let of = self.operations.entry(operation).or_default();
        match outcome {
            Outcome::Done | Outcome::Missing => {
                of.missing += u64::from(outcome == Outcome::Missing);
                of.bytes += bytes;
                of.latency.saturating_record((took.as_micros() as u64).max(1));
            }
            Outcome::Refused(error) | Outcome::Failed(error) => {
                of.errors += 1;
                self.count_error(error, 1);
            }
        }
    }

    pub(crate) fn merge(&mut self, other: Record) {
        for (operation, of) in other.operations {
            let mine = self.operations.entry(operation).or_default();
            mine.latency.add(&of.latency).expect("all histograms have the same bounds");
            mine.missing += of.missing;
            mine.errors += of.errors;
            mine.bytes += of.bytes;
        }
        for (error, count) in other.errors {
            self.count_error(error, count);
        }
    }

    /// Answered requests, errors included.
    pub(crate) fn requests(&self) -> u64 {
        self.operations.values().map(|of| of.latency.len() + of.errors).sum()
    }

    fn count_error(&mut self, error: String, count: u64) {
        let known = self.errors.contains_key(&error) || self.errors.len() < ERRORS_MAX;
        *self.errors.entry(if known { error } else { "others".into() }).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_of_workers_add_up() {
        let one = |error: &str| {
            let mut record = Record::default();
            record.add(Operation::Get, Duration::from_micros(100), 10, Outcome::Done);
            record.add(Operation::Get, Duration::from_micros(300), 0, Outcome::Missing);
            record.add(Operation::Put, Duration::ZERO, 0, Outcome::Refused(error.into()));
            record
        };
        let mut all = one("503 SlowDown");
        all.merge(one("503 SlowDown"));
        all.merge(one("403"));
        assert_eq!(all.requests(), 9);
        let get = &all.operations[&Operation::Get];
        assert_eq!((get.latency.len(), get.missing, get.bytes, get.latency.max()), (6, 3, 30, 300));
        assert_eq!(all.errors, BTreeMap::from([("503 SlowDown".into(), 2), ("403".into(), 1)]));
    }

    #[test]
    fn different_errors_are_bounded() {
        let mut record = Record::default();
        for i in 0..1_000 {
            record.add(Operation::Get, Duration::ZERO, 0, Outcome::Failed(format!("error {i}")));
        }
        assert_eq!(
            (record.errors.len(), record.errors["others"]),
            (ERRORS_MAX + 1, 1_000 - ERRORS_MAX as u64)
        );
    }
}
