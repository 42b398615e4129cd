//! Leaves events out of a history that a judge objects to, as long as it still does. Nothing goes without what relies on it: a
//! history without a write, but with a read of it, would be objected to for another reason than the one that is looked for.

use crate::history::{Answer, Asked, Body, Bounds, Condition, Event, History, Outcome, Piece, Refusal, Text};
use std::collections::BTreeSet;

/// Most times that a judge is asked: a few seconds of the slowest one.
const TRIES_MAX: usize = 1_000;

/// The shortest history that was found; `history` itself where the judge does not object to it.
pub fn shorten(history: &History, objects: impl Fn(&History) -> bool) -> History {
    let mut short = history.clone();
    let mut tries = 0;
    // Many at once first, then fewer.
    let mut at_once = history.events.len() / 2;
    loop {
        at_once = at_once.max(1);
        let before = short.events.len();
        // The last first: least relies on them.
        let numbers: Vec<u32> = short.events.iter().rev().map(|event| event.number).collect();
        for some in numbers.chunks(at_once) {
            if tries == TRIES_MAX {
                return short;
            }
            let gone = with_all_that_relies_on(some, &short);
            let shorter = short.only(|event| !gone.contains(&event.number));
            if shorter.events.len() < short.events.len() {
                tries += 1;
                if objects(&shorter) {
                    short = shorter;
                }
            }
        }
        if at_once == 1 && short.events.len() == before {
            return short;
        }
        at_once /= 2;
    }
}

fn with_all_that_relies_on(numbers: &[u32], history: &History) -> BTreeSet<u32> {
    let mut gone: BTreeSet<u32> = numbers.iter().copied().collect();
    let mut to_look_at = numbers.to_vec();
    while let Some(number) = to_look_at.pop() {
        let Some(of) = history.event(number) else { continue };
        for event in &history.events {
            if !gone.contains(&event.number) && relies_on(event, of) {
                gone.insert(event.number);
                to_look_at.push(event.number);
            }
        }
    }
    gone
}

/// Whether what came of `event` may be due to what `of` did. Rather too often than too seldom.
fn relies_on(event: &Event, of: &Event) -> bool {
    if !of.may_have_happened() || event.settled() < of.begin || event.number == of.number {
        return false;
    }
    let same_bucket = event.bucket == of.bucket || from_bucket(event) == Some(&of.bucket);
    match &of.asked {
        Asked::CreateBucket(_) => same_bucket,
        Asked::DeleteBucket { .. } => same_bucket && (sees_absence(event) || creates_bucket(event)),
        Asked::Put { key, bounds, .. } | Asked::Complete { key, bounds, .. }
            if *bounds != Bounds::default()
                && same_bucket
                && names_or_lists(event, key)
                && sees_absence(event) =>
        {
            true
        }
        Asked::Put { key, piece, .. } => {
            reads_any(event, &[*piece]) || same_bucket && sees_presence(event, key, of.wrote())
        }
        Asked::Complete { key, pieces, .. } => {
            reads_any(event, pieces) || same_bucket && sees_presence(event, key, of.wrote())
        }
        Asked::Append { key, piece, .. } => {
            reads_any(event, &[*piece]) || same_bucket && sees_presence(event, key, None)
        }
        // What it brought may have ended by itself.
        Asked::Copy { to, .. } => {
            same_bucket
                && (sees_presence(event, to, None) || names_or_lists(event, to) && sees_absence(event))
        }
        Asked::Rename { from, to, .. } => {
            same_bucket && (sees_presence(event, to, None) || names(event, from) && sees_absence(event))
        }
        Asked::Delete { key, .. } | Asked::Get { key, .. } => {
            same_bucket && names_or_lists(event, key) && sees_absence(event)
        }
        Asked::List(_) | Asked::Head { .. } | Asked::CreateUpload { .. } | Asked::UploadPart { .. } => false,
    }
}

fn from_bucket(event: &Event) -> Option<&Text> {
    match &event.asked {
        Asked::Copy { from_bucket, .. } => Some(from_bucket),
        _ => None,
    }
}

fn creates_bucket(event: &Event) -> bool {
    matches!(event.asked, Asked::CreateBucket(_))
}

fn names(event: &Event, key: &Text) -> bool {
    match &event.asked {
        Asked::Copy { from, to, .. } | Asked::Rename { from, to, .. } => from == key || to == key,
        _ => event.key() == Some(key),
    }
}

fn names_or_lists(event: &Event, key: &Text) -> bool {
    names(event, key) || event.key().is_none()
}

fn reads_any(event: &Event, pieces: &[Piece]) -> bool {
    let body = event.shown().and_then(|shown| shown.body.as_ref());
    match body {
        Some(Body::Runs(runs)) => runs.iter().any(|run| pieces.contains(&run.piece)),
        Some(Body::Torn(_)) | None => false,
    }
}

/// `etag`: that of what is looked for, where it is known.
fn sees_presence(event: &Event, key: &Text, etag: Option<&Text>) -> bool {
    if !names_or_lists(event, key) {
        return false;
    }
    let is_it = |shown: &Text| etag.is_none_or(|etag| etag == shown);
    match (&event.asked, &event.outcome) {
        (_, Outcome::Done(Answer::Object(shown))) => is_it(&shown.etag),
        (Asked::List(_), Outcome::Done(_)) => true,
        (Asked::Copy { from, .. }, Outcome::Done(Answer::Wrote { etag })) => from == key && is_it(etag),
        (Asked::Rename { from, .. }, Outcome::Done(_)) => from == key,
        (Asked::Append { offset_bytes, .. }, Outcome::Done(_)) => *offset_bytes > 0,
        (Asked::Put { condition, .. } | Asked::Delete { condition, .. }, Outcome::Done(_)) => {
            matches!(condition, Condition::Matches(tag) if is_it(tag))
        }
        (_, Outcome::Refused(refusal)) => matches!(
            refusal,
            Refusal::PreconditionFailed | Refusal::WrongOffset | Refusal::NotEmpty | Refusal::Lost
        ),
        _ => false,
    }
}

fn sees_absence(event: &Event) -> bool {
    match (&event.asked, &event.outcome) {
        (_, Outcome::Refused(refusal)) => {
            matches!(
                refusal,
                Refusal::NoSuchKey | Refusal::NoSuchBucket | Refusal::Nothing | Refusal::WrongOffset
            )
        }
        (Asked::List(_) | Asked::DeleteBucket { force: false }, Outcome::Done(_)) => true,
        (Asked::Append { offset_bytes, .. }, Outcome::Done(_)) => *offset_bytes == 0,
        (Asked::Put { condition, .. } | Asked::Rename { condition, .. }, Outcome::Done(_)) => {
            *condition == Condition::Absent
        }
        _ => false,
    }
}
