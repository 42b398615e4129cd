//! Counted reads: an object is read as often as it may, and no less often.

use super::Finding;
use super::declared::Declared;
use super::origins::Origins;
use crate::history::{Asked, Body, Event, History, Piece, Text};

const JUDGE: &str = "counted reads";

pub fn judge(history: &History, declared: &Declared) -> Vec<Finding> {
    let origins = Origins::of(history);
    let counted = history.events.iter().filter_map(|event| Counted::of(event, history, &origins));
    counted.flat_map(|counted| counted.objections(history, declared)).collect()
}

/// One object whose reads are counted, at the one place where it was ever.
struct Counted<'a> {
    write: &'a Event,
    key: &'a Text,
    piece: Piece,
    allowed: u32,
}

impl<'a> Counted<'a> {
    /// What is copied or renamed is left to others: a copy has what is left, of its own. So is what is not known by its bytes.
    fn of(write: &'a Event, history: &History, origins: &Origins) -> Option<Self> {
        let Asked::Put { key, piece, bounds, .. } = &write.asked else { return None };
        let moves = origins.reached_from(&(write.bucket.clone(), key.clone())).len() > 1;
        let appends = |event: &Event| {
            matches!(&event.asked, Asked::Append { key: to, .. } if to == key) && event.bucket == write.bucket
        };
        let is_known = !moves && piece.blocks > 0 && !history.events.iter().any(appends);
        let allowed = bounds.reads.filter(|_| is_known && write.may_have_happened())?;
        Some(Self { write, key, piece: *piece, allowed })
    }

    fn is_of_it(&self, event: &Event) -> bool {
        event.bucket == self.write.bucket && event.key() == Some(self.key)
    }

    fn gives_all_of_it(&self, event: &Event) -> bool {
        let body = event.shown().and_then(|shown| shown.body.as_ref());
        let is_whole = matches!(event.asked, Asked::Get { range: None, .. });
        is_whole && matches!(body, Some(Body::Runs(runs)) if **runs == [self.piece.whole()])
    }

    fn objections(&self, history: &History, declared: &Declared) -> Vec<Finding> {
        let Self { write, key, allowed, .. } = *self;
        let reads: Vec<u32> =
            history.events.iter().filter(|e| self.gives_all_of_it(e)).map(|e| e.number).collect();
        let with_write: Vec<u32> = [write.number].into_iter().chain(reads.iter().copied()).collect();
        let mut found = Vec::new();
        if reads.len() as u32 > allowed {
            let text =
                format!("{}/{key} was read {} times and might be {allowed} times", write.bucket, reads.len());
            found.push(Finding::new(JUDGE, text, history, &with_write));
        }
        found.extend(self.at_rest(history, declared));
        found
    }

    /// Whether what is left at rest is what nobody has used up.
    fn at_rest(&self, history: &History, declared: &Declared) -> Option<Finding> {
        let own: Vec<&Event> = history.events.iter().filter(|event| self.is_of_it(event)).collect();
        // The first look: what comes after it may use reads up itself.
        let look =
            own.iter().find(|e| e.begin >= declared.at_rest && matches!(e.asked, Asked::Head { .. }))?;
        let shown = look.shown().filter(|shown| Some(&shown.etag) == self.write.wrote())?;
        let left = shown.reads_left?;
        let is_get = |e: &&&Event| matches!(e.asked, Asked::Get { .. }) && e.begin < look.begin;
        let used = own.iter().filter(is_get).filter(|e| self.gives_all_of_it(e)).count() as u32;
        let may_use = |e: &&&Event| e.may_have_happened() && !self.gives_all_of_it(e);
        let might = own.iter().filter(is_get).filter(may_use).count() as u32;
        let fewest = self.allowed.saturating_sub(used + might);
        if (fewest..=self.allowed.saturating_sub(used)).contains(&left) {
            return None;
        }
        let text = format!(
            "{}/{} has {left} reads left, of {} that were allowed; {used} were complete and {might} may have been",
            self.write.bucket, self.key, self.allowed
        );
        let mut numbers: Vec<u32> = own.iter().filter(is_get).map(|e| e.number).collect();
        numbers.extend([self.write.number, look.number]);
        Some(Finding::new(JUDGE, text, history, &numbers))
    }
}
