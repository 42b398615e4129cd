//! The judges judged: histories of a store that is right must pass, and each planted fault must be seen.

mod planted;
mod reference;
mod right;

use super::declared::Declared;
use super::{Finding, judge};
use crate::history::{
    Answer, Asked, Body, BucketHints, Event, History, ObjectShown, Outcome, Piece, Refusal, Text,
};
use std::time::Duration;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// The number of each piece is the tag of what it makes alone.
fn piece(number: u32) -> Piece {
    Piece { writer: 1, number, blocks: 4 }
}

fn tag(number: u32) -> Text {
    format!("tag-{number}").into()
}

fn key() -> Text {
    "k".into()
}

fn done() -> Outcome {
    Outcome::Done(Answer::Done)
}

fn wrote(number: u32) -> Outcome {
    Outcome::Done(Answer::Wrote { etag: tag(number) })
}

fn refused(refusal: Refusal) -> Outcome {
    Outcome::Refused(refusal)
}

fn unknown() -> Outcome {
    Outcome::Unknown("no answer".into())
}

/// An answer to a GET of everything.
fn shows(etag: u32, pieces: &[Piece]) -> Outcome {
    Outcome::Done(Answer::Object(ObjectShown {
        etag: tag(etag),
        size_bytes: pieces.iter().map(|piece| piece.size_bytes()).sum(),
        reads_left: None,
        body: Some(Body::Runs(pieces.iter().map(|piece| piece.whole()).collect())),
    }))
}

/// A history that is written by hand: each event is a second long and begins so many seconds after the start.
struct ByHand(History);

impl ByHand {
    /// With a bucket that was there before everything.
    fn new() -> Self {
        Self::with(BucketHints::default())
    }

    fn with(hints: BucketHints) -> Self {
        let job = Outcome::Done(Answer::Bucket { job: "1".into() });
        Self(History::default()).then(0.0, Asked::CreateBucket(hints), job)
    }

    fn then(self, at: f64, asked: Asked, outcome: Outcome) -> Self {
        self.within(at, at + 1.0, asked, outcome)
    }

    fn within(mut self, begin: f64, end: f64, asked: Asked, outcome: Outcome) -> Self {
        let number = self.0.events.len() as u32;
        let (begin, end) = (seconds(begin), seconds(end));
        self.0.events.push(Event { number, client: number, begin, end, bucket: "b".into(), asked, outcome });
        self.0.events.sort_by_key(|event| event.begin);
        self
    }

    fn put(self, at: f64, number: u32) -> Self {
        self.then(at, put(number), wrote(number))
    }

    fn get(self, at: f64, outcome: Outcome) -> Self {
        self.then(at, get(), outcome)
    }

    fn findings(&self) -> Vec<Finding> {
        judge(&self.0, &Declared::calm(seconds(1e6)))
    }

    #[track_caller]
    fn is_fine(&self) {
        let findings = self.findings();
        assert!(findings.is_empty(), "{}", shown(&findings));
    }

    /// Exactly these judges object.
    #[track_caller]
    fn is_objected_to_by(&self, judges: &[&str]) -> Vec<Finding> {
        let findings = self.findings();
        let found: Vec<&str> = findings.iter().map(|finding| finding.judge).collect();
        assert_eq!(found, judges, "{}", shown(&findings));
        findings
    }
}

fn shown(findings: &[Finding]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

fn put(number: u32) -> Asked {
    Asked::Put { key: key(), piece: piece(number), bounds: Default::default(), condition: Default::default() }
}

fn get() -> Asked {
    Asked::Get { key: key(), range: None }
}
