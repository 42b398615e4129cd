//! Bodies: what a read gives is what somebody wrote, whole, to that key or to one that it was copied or renamed from, in this life of
//! the bucket.

use super::Finding;
use super::declared::Declared;
use super::origins::{Origins, Place};
use crate::history::{Answer, Asked, Body, Event, History, Outcome, Piece, Run};
use std::collections::HashMap;

const JUDGE: &str = "bodies";

pub fn judge(history: &History, _: &Declared) -> Vec<Finding> {
    let origins = Origins::of(history);
    let writes = writes(history);
    let mut findings = Vec::new();
    for event in &history.events {
        let Some(body) = event.shown().and_then(|shown| shown.body.as_ref()) else { continue };
        let objection = match body {
            Body::Torn(why) => Some((format!("the body is torn: {why}"), None)),
            Body::Runs(runs) => runs.iter().find_map(|run| of_run(event, run, history, &writes, &origins)),
        };
        findings.extend(objection.map(|(text, write)| {
            let numbers: Vec<u32> = write.into_iter().flatten().chain([event.number]).collect();
            Finding::new(JUDGE, text, history, &numbers)
        }));
    }
    findings
}

/// An objection, and the events besides the read that show it.
type Objection = (String, Option<Vec<u32>>);

fn writes(history: &History) -> HashMap<Piece, &Event> {
    let mut writes = HashMap::new();
    for event in &history.events {
        let pieces = match &event.asked {
            Asked::Put { piece, .. } | Asked::Append { piece, .. } => std::slice::from_ref(piece),
            Asked::Complete { pieces, .. } => pieces,
            _ => continue,
        };
        writes.extend(pieces.iter().map(|piece| (*piece, event)));
    }
    writes
}

fn of_run(
    read: &Event,
    run: &Run,
    history: &History,
    writes: &HashMap<Piece, &Event>,
    origins: &Origins,
) -> Option<Objection> {
    let Some(write) = writes.get(&run.piece) else {
        return Some((format!("{} was written by nobody", run.piece), None));
    };
    let found = Some(vec![write.number]);
    if !write.may_have_happened() {
        return Some((format!("{} was refused, and is read", run.piece), found));
    }
    if write.begin > read.end {
        return Some((format!("{} is read before it was written", run.piece), found));
    }
    let place = |event: &Event| -> Place { (event.bucket.clone(), event.key().cloned().unwrap_or_default()) };
    let (from, to) = (place(write), place(read));
    if !origins.reached_from(&from).contains(&to) {
        return Some((format!("{} was never meant for {}/{}", run.piece, to.0, to.1), found));
    }
    // What was copied may have left before the bucket ended, and have come again.
    if from != to || origins.is_copied_or_renamed_to(&to) {
        return None;
    }
    let ended = history.events.iter().find(|end| {
        let ends = matches!(end.asked, Asked::DeleteBucket { .. })
            && matches!(end.outcome, Outcome::Done(Answer::Done));
        ends && end.bucket == read.bucket && end.begin > write.settled() && end.end < read.begin
    })?;
    let text = format!("{} is of a life of bucket {} that has ended", run.piece, read.bucket);
    Some((text, Some(vec![write.number, ended.number])))
}
