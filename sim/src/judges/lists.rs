//! Lists: each page is in the order of keys and goes on where the one before ended. No key is missing that was certainly there
//! all the time that the page took, and none is shown that certainly was not.

use super::Finding;
use super::certain::{Certain, During};
use super::declared::Declared;
use crate::history::{Answer, Asked, Event, History, Item, ListAsked, Outcome, Text};
use std::collections::BTreeSet;

const JUDGE: &str = "lists";

pub fn judge(history: &History, declared: &Declared) -> Vec<Finding> {
    let certain = Certain::of(history, declared);
    let pages = history.events.iter().filter_map(|event| Page::of(event).map(|page| (event, page)));
    let objections = pages.flat_map(|(event, page)| {
        let found = page.objections(event, &certain);
        found.into_iter().map(move |(text, write)| {
            let numbers: Vec<u32> = write.into_iter().chain([event.number]).collect();
            Finding::new(JUDGE, text, history, &numbers)
        })
    });
    objections.collect()
}

struct Page<'a> {
    asked: &'a ListAsked,
    /// In the order of names.
    items: Vec<&'a Item>,
    keys_are_sorted: bool,
    more: bool,
}

impl<'a> Page<'a> {
    fn of(event: &'a Event) -> Option<Self> {
        let (Asked::List(asked), Outcome::Done(Answer::Page { items, more })) =
            (&event.asked, &event.outcome)
        else {
            return None;
        };
        // The document has keys and prefixes each by themselves.
        let is_sorted = |prefixes: bool| {
            let names: Vec<_> = items.iter().filter(|i| i.is_prefix == prefixes).map(|i| &i.name).collect();
            names.is_sorted_by(|a, b| a < b)
        };
        let keys_are_sorted = is_sorted(false) && is_sorted(true);
        let mut items: Vec<&Item> = items.iter().collect();
        items.sort_by(|a, b| a.name.cmp(&b.name));
        Some(Self { asked, items, keys_are_sorted, more: *more })
    }

    /// Each with the write that shows it.
    fn objections(&self, event: &Event, certain: &Certain) -> Vec<(String, Option<u32>)> {
        let mut found = Vec::new();
        if !self.keys_are_sorted {
            found.push(("the page is not in order, or has something twice".to_owned(), None));
        }
        if self.items.len() > self.asked.max_keys as usize {
            found.push((
                format!("{} items where {} were asked for", self.items.len(), self.asked.max_keys),
                None,
            ));
        }
        if self.more && self.items.is_empty() {
            found.push(("an empty page says that there is more".to_owned(), None));
        }
        let during = During::from(event);
        let shown: BTreeSet<&Text> = self.items.iter().map(|item| &item.name).collect();
        for item in &self.items {
            if !self.is_asked_for(&item.name) {
                found.push((format!("{} was not asked for", item.name), None));
            }
            let stands_for =
                |key: &&Text| if item.is_prefix { key.starts_with(&*item.name) } else { **key == item.name };
            let mut keys = certain.keys_of(&event.bucket).filter(stands_for);
            if keys.all(|key| certain.absent(&event.bucket, key, during)) {
                found.push((format!("{} is shown, and nothing of it was there", item.name), None));
            }
        }
        for key in certain.keys_of(&event.bucket) {
            let name = self.rolled_up(key);
            if self.is_asked_for(key)
                && self.is_within(name)
                && !shown.iter().any(|shown| ***shown == *name)
                && let Some(write) = certain.there(&event.bucket, key, during)
            {
                found.push((format!("{key} is missing, and was there all the time"), Some(write)));
            }
        }
        found
    }

    /// The name under which a key is shown.
    fn rolled_up<'k>(&self, key: &'k str) -> &'k str {
        let prefix = self.asked.prefix.as_ref().map_or(0, |prefix| prefix.len());
        let cut = self.asked.delimiter.as_ref().and_then(|delimiter| {
            let rest = key.get(prefix..)?;
            rest.find(&**delimiter).map(|at| prefix + at + delimiter.len())
        });
        cut.map_or(key, |end| &key[..end])
    }

    fn is_asked_for(&self, name: &str) -> bool {
        let after =
            self.asked.after.as_ref().is_none_or(|after| {
                *name > *after.name && !(after.is_prefix && name.starts_with(&*after.name))
            });
        after && self.asked.prefix.as_ref().is_none_or(|prefix| name.starts_with(&**prefix))
    }

    /// Whether it would be on this page and on no later one.
    fn is_within(&self, name: &str) -> bool {
        !self.more || self.items.last().is_some_and(|last| *name <= *last.name)
    }
}
