//! Events in words, a line each, for whoever reads a finding.

use super::{Answer, Asked, Body, Bounds, Condition, Event, ObjectShown, Outcome, Piece, Refusal, Run};
use std::fmt::{Display, Formatter, Result};

impl Display for Event {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let (begin, end) = (self.begin.as_secs_f64(), self.end.as_secs_f64());
        write!(f, "#{} {begin:.6}..{end:.6}s client {}: ", self.number, self.client)?;
        let bucket = &self.bucket;
        match &self.asked {
            Asked::CreateBucket(hints) => {
                write!(f, "CREATE BUCKET {bucket}")?;
                if let Some(ttl) = hints.ttl {
                    write!(f, " ttl {ttl:?}")?;
                }
                show_bounds(f, &hints.objects)?;
            }
            Asked::DeleteBucket { force } => {
                write!(f, "DELETE BUCKET {bucket}{}", if *force { " with force" } else { "" })?;
            }
            Asked::List(list) => {
                write!(f, "LIST {bucket} prefix {:?} delimiter {:?}", list.prefix, list.delimiter)?;
                if let Some(after) = &list.after {
                    write!(f, " after {}", after.name)?;
                }
            }
            Asked::Put { key, piece, bounds, condition } => {
                write!(f, "PUT {bucket}/{key} {piece}")?;
                show_bounds(f, bounds)?;
                show_condition(f, condition)?;
            }
            Asked::Append { key, offset_bytes, piece } => {
                write!(f, "APPEND {bucket}/{key} {piece} at {offset_bytes}")?;
            }
            Asked::Get { key, range: None } => write!(f, "GET {bucket}/{key}")?,
            Asked::Get { key, range: Some(range) } => {
                write!(f, "GET {bucket}/{key} {} bytes at {}", range.len_bytes, range.offset_bytes)?;
            }
            Asked::Head { key } => write!(f, "HEAD {bucket}/{key}")?,
            Asked::Delete { key, condition } => {
                write!(f, "DELETE {bucket}/{key}")?;
                show_condition(f, condition)?;
            }
            Asked::Rename { from, to, condition } => {
                write!(f, "RENAME {bucket}/{from} to {to}")?;
                show_condition(f, condition)?;
            }
            Asked::Copy { from_bucket, from, to } => write!(f, "COPY {from_bucket}/{from} to {bucket}/{to}")?,
            Asked::CreateUpload { key, .. } => write!(f, "CREATE UPLOAD {bucket}/{key}")?,
            Asked::UploadPart { key, piece } => write!(f, "UPLOAD PART {bucket}/{key} {piece}")?,
            Asked::Complete { key, pieces, bounds } => {
                write!(f, "COMPLETE {bucket}/{key}")?;
                pieces.iter().try_for_each(|piece| write!(f, " {piece}"))?;
                show_bounds(f, bounds)?;
            }
        }
        write!(f, " -> {}", self.outcome)
    }
}

impl Display for Piece {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self.blocks {
            0 => write!(f, "[nothing]"),
            blocks => write!(f, "[{}.{}, {blocks} blocks]", self.writer, self.number),
        }
    }
}

fn show_bounds(f: &mut Formatter<'_>, bounds: &Bounds) -> Result {
    if let Some(ttl) = bounds.ttl {
        write!(f, " for {ttl:?}")?;
    }
    if let Some(reads) = bounds.reads {
        write!(f, " for {reads} reads")?;
    }
    Ok(())
}

fn show_condition(f: &mut Formatter<'_>, condition: &Condition) -> Result {
    match condition {
        Condition::None => Ok(()),
        Condition::Absent => write!(f, " if absent"),
        Condition::Matches(etag) => write!(f, " if it is {etag}"),
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Done(Answer::Done) => write!(f, "done"),
            Self::Done(Answer::Bucket { job }) => write!(f, "job {job}"),
            Self::Done(Answer::Wrote { etag }) => write!(f, "wrote {etag}"),
            Self::Done(Answer::Object(shown)) => write!(f, "{shown}"),
            Self::Done(Answer::Page { items, more }) => {
                let names: Vec<&str> = items.iter().map(|item| &*item.name).collect();
                write!(f, "[{}]{}", names.join(" "), if *more { " and more" } else { "" })
            }
            Self::Refused(Refusal::Other(code)) => write!(f, "refused: {code}"),
            Self::Refused(refusal) => write!(f, "refused: {refusal:?}"),
            Self::Unknown(why) => write!(f, "unknown: {why}"),
        }
    }
}

impl Display for ObjectShown {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{} of {} bytes", self.etag, self.size_bytes)?;
        if let Some(left) = self.reads_left {
            write!(f, ", {left} reads left")?;
        }
        match &self.body {
            None => Ok(()),
            Some(Body::Torn(why)) => write!(f, ", torn: {why}"),
            Some(Body::Runs(runs)) if runs.is_empty() => write!(f, " [nothing]"),
            Some(Body::Runs(runs)) => runs.iter().try_for_each(|Run { piece, first, blocks }| {
                if (*first, *blocks) == (0, piece.blocks) {
                    write!(f, " {piece}")
                } else {
                    write!(f, " {piece} from {first}, {blocks} of them")
                }
            }),
        }
    }
}
