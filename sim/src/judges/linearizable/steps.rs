//! What each event of a history says of one group: a bucket and the keys of it that renames tie together. Whatever happens to other
//! keys is left out, which can hide a fault between them but never make one up. A copy is no single step: it sees its source, and
//! later writes its key.

use super::model::{Seen, Uses};
use crate::history::{
    Answer, Asked, Body, Bounds, BucketHints, Condition, Event, History, ObjectShown, Outcome, Piece,
    Refusal, Text,
};
use crate::judges::declared::Declared;
use crate::judges::origins::{Content, Origins, content};
use smallvec::{SmallVec, smallvec};
use std::collections::BTreeMap;
use std::time::Duration;

/// A bucket and some of its keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) bucket: Text,
    /// Sorted. Their places are the slots.
    pub(super) keys: Vec<Text>,
}

/// Something that happened at one moment, or that a client saw then.
#[derive(Clone, Debug)]
pub(super) struct Step {
    /// Its number.
    pub(super) event: u32,
    pub(super) bucket: Text,
    pub(super) begin: Duration,
    pub(super) end: Duration,
    /// It happened. What may never have happened has no end either.
    pub(super) is_known: bool,
    /// It changes nothing, whatever there is.
    pub(super) only_sees: bool,
    /// What it writes are bytes that were there before: a copy, or parts.
    pub(super) copies: bool,
    /// Of what it wrote.
    pub(super) etag: Option<Text>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    CreateBucket {
        hints: BucketHints,
        job: Option<Text>,
    },
    EndBucket {
        force: bool,
    },
    SeeBucket,
    SeeNoBucket,
    Write {
        slot: usize,
        content: Option<Content>,
        bounds: Option<Bounds>,
        condition: Condition,
    },
    Append {
        slot: usize,
        offset_bytes: u64,
        piece: Piece,
    },
    Remove {
        slot: usize,
        condition: Condition,
    },
    Rename {
        from: usize,
        to: usize,
        condition: Condition,
    },
    UseRead {
        slot: usize,
    },
    See {
        slot: usize,
        seen: Seen,
    },
    SeeNothing {
        slot: usize,
        held: u32,
    },
    /// There is no object, or no bucket.
    SeeNeither {
        slot: usize,
    },
    SeeLost {
        slot: usize,
    },
    SeeConditionFail {
        slot: usize,
        condition: Condition,
    },
    SeeOtherSize {
        slot: usize,
        offset_bytes: u64,
    },
}

impl Kind {
    /// What comes of it is not only whether it can be: it moves, or builds upon, what was there before.
    pub(super) fn carries_further(&self) -> bool {
        matches!(
            self,
            Self::CreateBucket { .. } | Self::EndBucket { .. } | Self::Append { .. } | Self::Rename { .. }
        )
    }

    /// It does one thing to one object, so that whatever is written over it leaves nothing of it; and it takes one alone to be noticed.
    pub(super) fn is_all_gone_when_overwritten(&self) -> bool {
        matches!(self, Self::Write { .. } | Self::Append { .. } | Self::Remove { .. })
    }

    /// Whether both may have to do with the same object.
    pub(super) fn touches(&self, other: &Self) -> bool {
        let (slots, others) = (self.slots(), other.slots());
        slots.is_empty() || others.is_empty() || slots.iter().any(|slot| others.contains(slot))
    }

    /// None of what is about the bucket, and so about all.
    fn slots(&self) -> SmallVec<[usize; 2]> {
        match *self {
            Self::CreateBucket { .. } | Self::EndBucket { .. } | Self::SeeBucket | Self::SeeNoBucket => {
                smallvec![]
            }
            Self::Rename { from, to, .. } => smallvec![from, to],
            Self::Write { slot, .. }
            | Self::Append { slot, .. }
            | Self::Remove { slot, .. }
            | Self::UseRead { slot }
            | Self::See { slot, .. }
            | Self::SeeNothing { slot, .. }
            | Self::SeeNeither { slot }
            | Self::SeeLost { slot }
            | Self::SeeConditionFail { slot, .. }
            | Self::SeeOtherSize { slot, .. } => smallvec![slot],
        }
    }

    pub(super) fn is_look(&self) -> bool {
        match self {
            Self::SeeBucket
            | Self::SeeNoBucket
            | Self::See { .. }
            | Self::SeeNothing { .. }
            | Self::SeeNeither { .. }
            | Self::SeeLost { .. }
            | Self::SeeConditionFail { .. }
            | Self::SeeOtherSize { .. } => true,
            Self::CreateBucket { .. }
            | Self::EndBucket { .. }
            | Self::Write { .. }
            | Self::Append { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::UseRead { .. } => false,
        }
    }
}

/// All groups of a history: every key of it is in one.
pub(super) fn groups(history: &History) -> Vec<Group> {
    let mut of_bucket: BTreeMap<Text, Vec<Vec<Text>>> = BTreeMap::new();
    let mut add = |bucket: &Text, keys: &[&Text]| {
        let groups = of_bucket.entry(bucket.clone()).or_default();
        let (tied, mut rest): (Vec<_>, Vec<_>) =
            groups.drain(..).partition(|group: &Vec<Text>| keys.iter().any(|key| group.contains(key)));
        let mut keys: Vec<Text> = tied.into_iter().flatten().chain(keys.iter().copied().cloned()).collect();
        keys.sort();
        keys.dedup();
        rest.extend((!keys.is_empty()).then_some(keys));
        *groups = rest;
    };
    for event in &history.events {
        match &event.asked {
            Asked::Rename { from, to, .. } => add(&event.bucket, &[from, to]),
            Asked::Copy { from_bucket, from, to } => {
                add(from_bucket, &[from]);
                add(&event.bucket, &[to]);
            }
            _ => add(&event.bucket, &event.key().into_iter().collect::<Vec<_>>()),
        }
    }
    let mut all = Vec::new();
    for (bucket, mut groups) in of_bucket {
        // A bucket of which only itself is known.
        if groups.is_empty() {
            groups.push(Vec::new());
        }
        all.extend(groups.into_iter().map(|keys| Group { bucket: bucket.clone(), keys }));
    }
    all
}

/// What a history says of a group, in the order of the begins.
pub(super) fn steps(history: &History, group: &Group, origins: &Origins, declared: &Declared) -> Vec<Step> {
    let of_group = Projection { history, group, origins, declared };
    history.events.iter().flat_map(|event| of_group.steps_of(event)).collect()
}

struct Projection<'a> {
    history: &'a History,
    group: &'a Group,
    origins: &'a Origins,
    declared: &'a Declared,
}

impl Projection<'_> {
    fn slot(&self, bucket: &Text, key: &Text) -> Option<usize> {
        (*bucket == self.group.bucket).then(|| self.group.keys.binary_search(key).ok()).flatten()
    }

    fn steps_of(&self, event: &Event) -> Vec<Step> {
        let of_bucket = event.bucket == self.group.bucket;
        let kinds = match &event.asked {
            Asked::CreateBucket(_) | Asked::DeleteBucket { .. } | Asked::List(_) if !of_bucket => vec![],
            Asked::CreateBucket(hints) => create_bucket(hints, &event.outcome),
            Asked::DeleteBucket { force } => delete_bucket(*force, &event.outcome),
            Asked::List(_) => seen_of_bucket(&event.outcome).into_iter().collect(),
            Asked::Copy { from_bucket, from, to } => {
                let (source, slot) = (self.slot(from_bucket, from), self.slot(&event.bucket, to));
                self.copy(event, (from_bucket, from), source, slot)
            }
            Asked::Rename { from, to, condition } => {
                match (self.slot(&event.bucket, from), self.slot(&event.bucket, to)) {
                    (Some(from), Some(to)) => rename(event, from, to, condition),
                    _ => vec![],
                }
            }
            asked => {
                let slot = event.key().and_then(|key| self.slot(&event.bucket, key));
                slot.map_or(vec![], |slot| self.on_key(event, asked, slot))
            }
        };
        kinds.into_iter().map(|kind| self.step(event, kind)).collect()
    }

    fn step(&self, event: &Event, kind: Kind) -> Step {
        let is_known = !matches!(event.outcome, Outcome::Unknown(_));
        let uses_read = matches!(kind, Kind::See { slot, ref seen } if seen.uses != Uses::Nothing && self.is_counted(slot));
        let end = if uses_read {
            // What is read is used up when its server knows that it arrived.
            event.end + self.declared.reads_settle_within
        } else {
            event.settled()
        };
        let only_sees = is_known && !uses_read && kind.is_look();
        Step {
            event: event.number,
            bucket: self.group.bucket.clone(),
            begin: event.begin,
            end,
            is_known,
            only_sees,
            copies: matches!(event.asked, Asked::Copy { .. } | Asked::Complete { .. }),
            etag: event.wrote().cloned(),
            kind,
        }
    }

    fn is_counted(&self, slot: usize) -> bool {
        self.origins.may_be_counted(&(self.group.bucket.clone(), self.group.keys[slot].clone()))
    }

    /// Of operations on one key.
    fn on_key(&self, event: &Event, asked: &Asked, slot: usize) -> Vec<Kind> {
        if let Some(kind) = seen_of_bucket(&event.outcome) {
            return vec![kind];
        }
        let write = |pieces: &[Piece], bounds: &Bounds, condition: &Condition| {
            let (content, bounds) = (Some(content(pieces.iter().copied())), Some(*bounds));
            Kind::Write { slot, content, bounds, condition: condition.clone() }
        };
        let refused = match &event.outcome {
            Outcome::Refused(refusal) => Some(refusal),
            Outcome::Done(_) | Outcome::Unknown(_) => None,
        };
        let kind = match (asked, refused) {
            (Asked::Get { .. }, Some(Refusal::NoSuchKey)) => {
                Some(Kind::SeeNothing { slot, held: self.held_beside(event) })
            }
            (_, Some(Refusal::NoSuchKey)) => Some(Kind::SeeNothing { slot, held: 0 }),
            (_, Some(Refusal::Nothing)) => Some(Kind::SeeNeither { slot }),
            (_, Some(Refusal::Lost)) => Some(Kind::SeeLost { slot }),
            (
                Asked::Put { condition, .. } | Asked::Delete { condition, .. },
                Some(Refusal::PreconditionFailed),
            ) => Some(Kind::SeeConditionFail { slot, condition: condition.clone() }),
            (Asked::Append { offset_bytes, .. }, Some(Refusal::WrongOffset)) => {
                Some(Kind::SeeOtherSize { slot, offset_bytes: *offset_bytes })
            }
            (_, Some(_)) => None,
            (Asked::Put { piece, bounds, condition, .. }, None) => Some(write(&[*piece], bounds, condition)),
            (Asked::Complete { pieces, bounds, .. }, None) => Some(write(pieces, bounds, &Condition::None)),
            (Asked::Append { offset_bytes, piece, .. }, None) => {
                Some(Kind::Append { slot, offset_bytes: *offset_bytes, piece: *piece })
            }
            (Asked::Delete { condition, .. }, None) => {
                Some(Kind::Remove { slot, condition: condition.clone() })
            }
            (Asked::Get { .. } | Asked::Head { .. }, None) => self.look(event, slot),
            // An upload shows nothing until it is complete.
            _ => None,
        };
        kind.into_iter().collect()
    }

    fn look(&self, event: &Event, slot: usize) -> Option<Kind> {
        let is_get = matches!(event.asked, Asked::Get { .. });
        match event.shown() {
            Some(shown) => Some(Kind::See { slot, seen: seen(event, shown) }),
            None => (is_get && self.is_counted(slot)).then_some(Kind::UseRead { slot }),
        }
    }

    fn copy(
        &self,
        event: &Event,
        (from_bucket, from): (&Text, &Text),
        source: Option<usize>,
        slot: Option<usize>,
    ) -> Vec<Kind> {
        let of_source = match (&event.outcome, source) {
            (Outcome::Done(Answer::Wrote { etag }), Some(slot)) => {
                let seen = Seen { etag: etag.clone(), size_bytes: None, runs: None, uses: Uses::Nothing };
                Some(Kind::See { slot, seen })
            }
            (Outcome::Refused(Refusal::NoSuchKey), Some(slot)) => {
                Some(Kind::SeeNothing { slot, held: self.held_beside(event) })
            }
            (Outcome::Refused(Refusal::Lost), Some(slot)) => Some(Kind::SeeLost { slot }),
            // Of two buckets it is not said which one there is not.
            (Outcome::Refused(Refusal::NoSuchBucket), Some(_)) if *from_bucket == event.bucket => {
                Some(Kind::SeeNoBucket)
            }
            _ => None,
        };
        let written = slot.filter(|_| event.may_have_happened()).map(|slot| {
            let content = event.wrote().and_then(|etag| self.origins.content_of(etag));
            let from = (from_bucket.clone(), from.clone());
            let is_bound = self.origins.may_be_mortal(&from) || self.origins.may_be_counted(&from);
            let bounds = (!is_bound).then_some(Bounds::default());
            Kind::Write { slot, content, bounds, condition: Condition::None }
        });
        of_source.into_iter().chain(written).collect()
    }

    /// How many reads of the group's objects others may hold at some moment of a look.
    fn held_beside(&self, look: &Event) -> u32 {
        let holds = |other: &&Event| {
            let reads = match &other.asked {
                Asked::Get { key, .. } => self.slot(&other.bucket, key).is_some(),
                Asked::Copy { from_bucket, from, .. } => self.slot(from_bucket, from).is_some(),
                _ => false,
            };
            let until = other.settled().saturating_add(self.declared.reads_settle_within);
            reads && other.may_have_happened() && other.begin <= look.end && until >= look.begin
        };
        self.history.events.iter().filter(|other| other.number != look.number).filter(holds).count() as u32
    }
}

fn create_bucket(hints: &BucketHints, outcome: &Outcome) -> Vec<Kind> {
    let job = match outcome {
        Outcome::Done(Answer::Bucket { job }) => Some(job.clone()),
        Outcome::Unknown(_) => None,
        Outcome::Done(_) | Outcome::Refused(_) => return vec![],
    };
    vec![Kind::CreateBucket { hints: *hints, job }]
}

fn delete_bucket(force: bool, outcome: &Outcome) -> Vec<Kind> {
    match outcome {
        Outcome::Done(_) | Outcome::Unknown(_) => vec![Kind::EndBucket { force }],
        Outcome::Refused(Refusal::NotEmpty) => vec![Kind::SeeBucket],
        Outcome::Refused(_) => seen_of_bucket(outcome).into_iter().collect(),
    }
}

fn seen_of_bucket(outcome: &Outcome) -> Option<Kind> {
    (*outcome == Outcome::Refused(Refusal::NoSuchBucket)).then_some(Kind::SeeNoBucket)
}

fn rename(event: &Event, from: usize, to: usize, condition: &Condition) -> Vec<Kind> {
    let condition = condition.clone();
    let kind = match &event.outcome {
        Outcome::Done(_) | Outcome::Unknown(_) => Kind::Rename { from, to, condition },
        Outcome::Refused(Refusal::NoSuchBucket) => Kind::SeeNoBucket,
        Outcome::Refused(Refusal::NoSuchKey) => Kind::SeeNothing { slot: from, held: 0 },
        Outcome::Refused(Refusal::Lost) => Kind::SeeLost { slot: from },
        Outcome::Refused(Refusal::PreconditionFailed) => Kind::SeeConditionFail { slot: to, condition },
        Outcome::Refused(_) => return vec![],
    };
    vec![kind]
}

fn seen(event: &Event, shown: &ObjectShown) -> Seen {
    let (range, uses) = match &event.asked {
        Asked::Get { range: None, .. } => (None, Uses::ARead),
        Asked::Get { range: Some(range), .. } => (Some(*range), Uses::APart),
        _ => (None, Uses::Nothing),
    };
    let runs = match &shown.body {
        Some(Body::Runs(runs)) => Some((range, runs.clone())),
        Some(Body::Torn(_)) | None => None,
    };
    Seen { etag: shown.etag.clone(), size_bytes: Some(shown.size_bytes), runs, uses }
}
