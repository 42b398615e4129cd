//! What the world says of itself, so that judges do not blame the store for it. Nothing here comes from the store.

use crate::history::Text;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct Declared {
    pub losses: Vec<Loss>,
    /// No two clocks of the world differ by more, or stand for less than their grain.
    pub clock_error: Duration,
    /// A counted read is confirmed within this after its last byte has come to the client; until then the object may still be shown,
    /// and the read is still held.
    pub reads_settle_within: Duration,
    /// A bucket whose TTL is over has ended within this.
    pub buckets_end_within: Duration,
    /// From then on nothing is asked but what looks at what is left, and nothing goes on in the background.
    pub at_rest: Duration,
}

/// Data that went away with all of its copies.
#[derive(Clone, Debug)]
pub struct Loss {
    /// What was written later is not part of it.
    pub at: Duration,
    pub what: Lost,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Lost {
    /// A storage server: any object may be lost that does not travel with its commit.
    Chunks,
    /// A shard of this bucket: the bucket ends, with everything in it.
    Bucket(Text),
}

impl Declared {
    /// Of a world in which nothing fails.
    pub fn calm(at_rest: Duration) -> Self {
        Self {
            losses: Vec::new(),
            clock_error: Duration::from_millis(1),
            reads_settle_within: Duration::from_millis(100),
            buckets_end_within: Duration::from_secs(2),
            at_rest,
        }
    }

    /// Whether chunks that were written since `written` may be lost at `by`.
    pub fn loses_chunks(&self, written: Duration, by: Duration) -> bool {
        let is = |loss: &Loss| loss.what == Lost::Chunks && loss.at >= written && loss.at <= by;
        self.losses.iter().any(is)
    }

    /// Whether a bucket that was made since `made` may be lost at `by`.
    pub fn loses_bucket(&self, bucket: &Text, made: Duration, by: Duration) -> bool {
        let of_it = |what: &Lost| matches!(what, Lost::Bucket(name) if name == bucket);
        self.losses.iter().any(|loss| of_it(&loss.what) && loss.at >= made && loss.at <= by)
    }
}
