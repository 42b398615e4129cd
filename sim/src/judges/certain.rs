//! What is certain of a key, whatever order everything happened in: that it was there all through some time, or that it was not.
//! Weaker than linearizability and cheap, so what is found by it is understood at once.

use super::declared::{Declared, Lost};
use super::origins::{Origins, Place};
use crate::history::{Asked, Bounds, Event, History, Outcome, Refusal, Text};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A time, ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct During {
    pub(super) begin: Duration,
    pub(super) end: Duration,
}

impl From<&Event> for During {
    fn from(event: &Event) -> Self {
        Self { begin: event.begin, end: event.end }
    }
}

/// Something gave the key an object, or may have.
#[derive(Clone, Debug)]
struct Make {
    event: u32,
    begin: Duration,
    /// Some of its bytes may be as old as this.
    bytes_since: Duration,
    /// Never, where it is not known whether it happened.
    settled: Duration,
    is_known: bool,
    /// By then it has ended by itself.
    gone_by: Duration,
}

/// Something took the object of the key away, or may have.
#[derive(Clone, Debug)]
struct Removal {
    event: Option<u32>,
    /// Not before this.
    from: Duration,
    /// What is made after this is not what it takes.
    until: Duration,
    /// It takes bytes, of which an object may have older ones than it is.
    is_of_bytes: bool,
    /// It has taken away whatever was there when it began.
    is_known: bool,
}

/// Of all keys of a history.
pub(super) struct Certain {
    keys: HashMap<Place, Changes>,
    keys_of: BTreeMap<Text, BTreeSet<Text>>,
}

#[derive(Clone, Debug, Default)]
struct Changes {
    makes: Vec<Make>,
    removals: Vec<Removal>,
}

impl Certain {
    pub(super) fn of(history: &History, declared: &Declared) -> Self {
        let origins = Origins::of(history);
        let mut keys_of: BTreeMap<Text, BTreeSet<Text>> = BTreeMap::new();
        for event in &history.events {
            keys_of.entry(event.bucket.clone()).or_default().extend(event.key().cloned());
            if let Asked::Rename { from, .. } = &event.asked {
                keys_of.entry(event.bucket.clone()).or_default().insert(from.clone());
            }
        }
        let mut keys = HashMap::new();
        for (bucket, names) in &keys_of {
            let defaults = BucketEnds::of(history, bucket, declared);
            for key in names {
                let place = (bucket.clone(), key.clone());
                let changes = changes(history, &place, &origins, &defaults, declared);
                keys.insert(place, changes);
            }
        }
        Self { keys, keys_of }
    }

    pub(super) fn keys_of(&self, bucket: &Text) -> impl Iterator<Item = &Text> {
        self.keys_of.get(bucket).into_iter().flatten()
    }

    /// The write that put it there, if it was there at every moment of this time.
    pub(super) fn there(&self, bucket: &Text, key: &Text, during: During) -> Option<u32> {
        let Changes { makes, removals } = self.keys.get(&(bucket.clone(), key.clone()))?;
        let stays = |make: &&Make| {
            let takes = |removal: &Removal| {
                let since = if removal.is_of_bytes { make.bytes_since } else { make.begin };
                removal.event != Some(make.event) && removal.from <= during.end && removal.until >= since
            };
            make.is_known && make.settled < during.begin && !removals.iter().any(takes)
        };
        makes.iter().rev().find(stays).map(|make| make.event)
    }

    /// Whether it was there at no moment of this time.
    pub(super) fn absent(&self, bucket: &Text, key: &Text, during: During) -> bool {
        let Some(Changes { makes, removals }) = self.keys.get(&(bucket.clone(), key.clone())) else {
            return true;
        };
        let gone = |make: &Make| {
            let took = |removal: &Removal| {
                removal.is_known && removal.from > make.settled && removal.until < during.begin
            };
            make.gone_by < during.begin || removals.iter().any(took)
        };
        makes.iter().filter(|make| make.begin <= during.end).all(gone)
    }
}

/// What a bucket does to its keys without a request of theirs.
struct BucketEnds {
    removals: Vec<Removal>,
    /// The shortest that objects may have without saying so.
    object_ttl: Option<Duration>,
    counts_reads: bool,
}

impl BucketEnds {
    fn of(history: &History, bucket: &Text, declared: &Declared) -> Self {
        let mut ends = Self { removals: Vec::new(), object_ttl: None, counts_reads: false };
        for event in history.events.iter().filter(|e| e.bucket == *bucket && e.may_have_happened()) {
            match &event.asked {
                Asked::DeleteBucket { .. } => ends.removals.push(removal(event)),
                Asked::CreateBucket(hints) => {
                    let shorter = |ttl: Duration| ends.object_ttl.map_or(ttl, |other| other.min(ttl));
                    ends.object_ttl = hints.objects.ttl.map(shorter).or(ends.object_ttl);
                    ends.counts_reads |= hints.objects.reads.is_some();
                    ends.removals.extend(hints.ttl.map(|ttl| by_itself(event.begin, ttl, declared)));
                }
                _ => {}
            }
        }
        let lost = declared.losses.iter().filter(|loss| loss.what == Lost::Bucket(bucket.clone()));
        ends.removals.extend(lost.map(|loss| by_itself(loss.at, Duration::ZERO, declared)));
        ends
    }
}

fn removal(event: &Event) -> Removal {
    Removal {
        event: Some(event.number),
        from: event.begin,
        until: event.settled(),
        is_of_bytes: false,
        is_known: event.is_done(),
    }
}

/// Something may end at any moment from so long after `begin` on.
fn by_itself(begin: Duration, after: Duration, declared: &Declared) -> Removal {
    let from = (begin + after).saturating_sub(declared.clock_error);
    Removal { event: None, from, until: Duration::MAX, is_of_bytes: false, is_known: false }
}

fn changes(
    history: &History,
    place: &Place,
    origins: &Origins,
    bucket: &BucketEnds,
    declared: &Declared,
) -> Changes {
    let (name, key) = place;
    let mut changes = Changes { makes: Vec::new(), removals: bucket.removals.clone() };
    let is_counted = origins.may_be_counted(place) || bucket.counts_reads;
    for event in history.events.iter().filter(|event| event.bucket == *name) {
        if event.makes() && event.key() == Some(key) {
            changes.makes.push(make(event, declared));
            changes.removals.extend(end_of(event, origins, bucket, declared));
        }
        if !event.may_have_happened() {
            continue;
        }
        match &event.asked {
            Asked::Delete { key: deleted, .. } if deleted == key => changes.removals.push(removal(event)),
            Asked::Rename { from, .. } if from == key => changes.removals.push(removal(event)),
            // It may have been the last that was allowed, or hold the last one while it goes on.
            Asked::Get { key: read, .. } if read == key && is_counted => {
                let until = event.settled().saturating_add(declared.reads_settle_within);
                changes.removals.push(Removal { until, is_known: false, ..removal(event) });
            }
            _ => {}
        }
    }
    let chunks = declared.losses.iter().filter(|loss| loss.what == Lost::Chunks);
    changes.removals.extend(chunks.map(|loss| Removal {
        until: loss.at,
        is_of_bytes: true,
        ..by_itself(loss.at, Duration::ZERO, declared)
    }));
    changes
}

fn bounds_of(event: &Event) -> Option<Bounds> {
    match &event.asked {
        Asked::Put { bounds, .. } | Asked::Complete { bounds, .. } => Some(*bounds),
        _ => None,
    }
}

fn make(event: &Event, declared: &Declared) -> Make {
    let ttl = bounds_of(event).and_then(|bounds| bounds.ttl);
    let gone_by = ttl.map_or(Duration::MAX, |ttl| {
        event.settled().saturating_add(ttl).saturating_add(declared.clock_error)
    });
    Make {
        event: event.number,
        begin: event.begin,
        bytes_since: match event.asked {
            Asked::Put { .. } => event.begin,
            // Bytes that were there before, and may have been lost before.
            _ => Duration::ZERO,
        },
        settled: event.settled(),
        is_known: event.is_done(),
        gone_by,
    }
}

/// When what an event makes may end by itself.
fn end_of(event: &Event, origins: &Origins, bucket: &BucketEnds, declared: &Declared) -> Option<Removal> {
    let inherits = |from: Place| {
        let may_end = origins.may_be_mortal(&from) || origins.may_be_counted(&from);
        may_end.then_some(Duration::ZERO)
    };
    let after = match &event.asked {
        Asked::Copy { from_bucket, from, .. } => {
            inherits((from_bucket.clone(), from.clone())).or(bucket.object_ttl)
        }
        Asked::Rename { from, .. } => inherits((event.bucket.clone(), from.clone())),
        // To an object that was made before, and may end any time.
        Asked::Append { key, .. } => inherits((event.bucket.clone(), key.clone())),
        _ => bounds_of(event).and_then(|bounds| bounds.ttl).or(bucket.object_ttl),
    };
    // Its own end takes nothing that was made after it.
    after.map(|after| Removal { until: event.settled(), ..by_itself(event.begin, after, declared) })
}

/// Whether a look found that there is no object, and nothing was said of why.
pub(super) fn found_nothing(event: &Event) -> bool {
    matches!(
        event.outcome,
        Outcome::Refused(Refusal::NoSuchKey | Refusal::NoSuchBucket | Refusal::Nothing | Refusal::Lost)
    )
}
