//! What there is to choose from, and how often each is chosen.

use crate::client::content::BLOCK_BYTES;
use crate::history::{Bounds, BucketHints, ByteRange, ListAsked, Text};
use rand::RngExt;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;
use std::time::Duration;

/// Each is renamed to its neighbour and from it alone: judges have to hold together what renames tie.
pub(crate) const KEYS: [&str; 8] = ["a/0", "a/1", "a/2", "b/0", "b/1", "c", "d/x/0", "d/x/1"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    CreateBucket,
    DeleteBucket,
    List,
    Put,
    PutOnCondition,
    PutBound,
    Append,
    Get,
    GetRange,
    GetWaiting,
    Head,
    Delete,
    DeleteOnCondition,
    Rename,
    Copy,
    Upload,
}

const WEIGHTS: [(Kind, u32); 16] = [
    (Kind::CreateBucket, 2),
    (Kind::DeleteBucket, 2),
    (Kind::List, 8),
    (Kind::Put, 16),
    (Kind::PutOnCondition, 8),
    (Kind::PutBound, 8),
    (Kind::Append, 8),
    (Kind::Get, 20),
    (Kind::GetRange, 5),
    (Kind::GetWaiting, 3),
    (Kind::Head, 5),
    (Kind::Delete, 5),
    (Kind::DeleteOnCondition, 3),
    (Kind::Rename, 5),
    (Kind::Copy, 6),
    (Kind::Upload, 3),
];

/// Blocks of a write, with their weights: nothing; small; 16 KiB, which travel with their commit; a block more, which do not; one
/// chunk; two; three.
const SIZES: [(u32, u32); 8] =
    [(0, 2), (4, 20), (64, 20), (1_024, 5), (1_025, 5), (6_250, 5), (65_600, 1), (163_840, 1)];
/// S3's least of a part that is not the last.
const FIRST_PART_BLOCKS: u32 = (5 << 20) / BLOCK_BYTES as u32;

pub(super) fn kind(rng: &mut SmallRng) -> Kind {
    weighted(rng, &WEIGHTS)
}

pub(super) fn blocks(rng: &mut SmallRng) -> u32 {
    weighted(rng, &SIZES)
}

/// An append of nothing is refused.
pub(super) fn blocks_of_append(rng: &mut SmallRng) -> u32 {
    blocks(rng).clamp(1, 6_250)
}

/// Of each part of an upload. Seldom more than one, because all but the last are large.
pub(super) fn parts(rng: &mut SmallRng) -> Vec<u32> {
    let last = blocks(rng).max(1);
    if rng.random_ratio(1, 16) { vec![FIRST_PART_BLOCKS, last] } else { vec![last] }
}

fn weighted<T: Copy>(rng: &mut SmallRng, weights: &[(T, u32)]) -> T {
    let all = weights.iter().map(|(_, weight)| weight).sum();
    let mut at = rng.random_range(0..all);
    for (choice, weight) in weights {
        match at.checked_sub(*weight) {
            Some(rest) => at = rest,
            None => return *choice,
        }
    }
    unreachable!("what was drawn is less than all weights together")
}

pub(super) fn key(rng: &mut SmallRng) -> usize {
    rng.random_range(0..KEYS.len())
}

/// A TTL, a number of reads, or both.
pub(super) fn bounds(rng: &mut SmallRng) -> Bounds {
    let which = rng.random_range(0..3);
    let ttl = Duration::from_millis(rng.random_range(300..4_000));
    Bounds { ttl: (which != 0).then_some(ttl), reads: (which != 1).then(|| rng.random_range(1..4)) }
}

/// Mostly none.
pub(super) fn hints(rng: &mut SmallRng) -> BucketHints {
    let mut hints = BucketHints::default();
    match rng.random_range(0..10) {
        0 => hints.ttl = Some(Duration::from_millis(rng.random_range(2_000..6_000))),
        1 => hints.wait = Some(Duration::from_millis(rng.random_range(100..1_000))),
        2 => hints.objects = bounds(rng),
        _ => {}
    }
    hints
}

pub(super) fn wait(rng: &mut SmallRng) -> Duration {
    Duration::from_millis(rng.random_range(100..2_000))
}

pub(super) fn range(rng: &mut SmallRng) -> ByteRange {
    let (offset, len) = (rng.random_range(0..8), rng.random_range(1..2_000));
    ByteRange { offset_bytes: offset * BLOCK_BYTES, len_bytes: len * BLOCK_BYTES }
}

pub(super) fn list(rng: &mut SmallRng) -> ListAsked {
    let prefix = [None, None, Some("a/"), Some("d/")].choose(rng).copied().flatten();
    let delimiter = rng.random_bool(0.5).then(|| Text::from("/"));
    ListAsked { prefix: prefix.map(Text::from), delimiter, after: None, max_keys: rng.random_range(1..6) }
}
