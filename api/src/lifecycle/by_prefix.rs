//! The rules of a job by their prefixes: a look at an object is a look at the rules that its key comes under, and not at
//! all of them. A shard holds a job's lock meanwhile.

use super::{Lifecycle, LifecycleRule};
use crate::clock::Timestamp;
use std::sync::Arc;

/// Rules, made once and asked for every object that is looked at.
#[derive(Debug)]
pub struct RulesByPrefix {
    lifecycle: Lifecycle,
    /// In the order of their prefixes, each of which is there once.
    groups: Vec<Group>,
}

/// The rules of one prefix.
#[derive(Debug)]
struct Group {
    prefix: Arc<str>,
    /// That of the longest other prefix that this one begins with.
    parent: Option<usize>,
    /// Their places in the document, ascending.
    rules: Vec<usize>,
}

impl RulesByPrefix {
    pub fn new(lifecycle: Lifecycle) -> Self {
        let prefix = |&place: &usize| &lifecycle.rules[place].filter.prefix;
        let mut places: Vec<usize> = (0..lifecycle.rules.len()).collect();
        places.sort_by_key(prefix);
        let mut groups: Vec<Group> = Vec::new();
        for rules in places.chunk_by(|a, b| prefix(a) == prefix(b)) {
            let prefix = prefix(&rules[0]).clone();
            // What comes right before it, or what that begins with.
            let mut parent = groups.len().checked_sub(1);
            while let Some(other) = parent.filter(|&other| !prefix.starts_with(&*groups[other].prefix)) {
                parent = groups[other].parent;
            }
            groups.push(Group { prefix, parent, rules: rules.to_vec() });
        }
        Self { lifecycle, groups }
    }

    pub fn lifecycle(&self) -> &Lifecycle {
        &self.lifecycle
    }

    /// Rules whose prefix the key has, with their places in the document.
    fn of_key(&self, key: &str) -> impl Iterator<Item = (usize, &LifecycleRule)> {
        // Whatever the key begins with comes before it, and all that stands between the longest of them and the key
        // begins with that one: from the last one before the key on, the parents lead to it.
        let last = self.groups.partition_point(|group| &*group.prefix <= key).checked_sub(1);
        let groups = std::iter::successors(last, |&group| self.groups[group].parent);
        let matching = groups.map(|group| &self.groups[group]).filter(move |g| key.starts_with(&*g.prefix));
        matching.flat_map(|group| group.rules.iter().map(|&place| (place, &self.lifecycle.rules[place])))
    }

    /// When an object ends, and by which rule: the earliest, and of several at that moment the first.
    pub fn object_end(
        &self,
        key: &str,
        size: u64,
        tags: &[(String, String)],
        created: Timestamp,
    ) -> Option<(Timestamp, &LifecycleRule)> {
        let ends = self.of_key(key).filter_map(|(place, rule)| {
            let expires = rule.expires.filter(|_| rule.filter.matches(key, size, tags))?;
            Some((expires.resolve(self.lifecycle.unit, created), place))
        });
        ends.min().map(|(at, place)| (at, &self.lifecycle.rules[place]))
    }

    /// When an upload that is not completed is aborted, and by which rule; as [`Self::object_end`]. An upload has
    /// neither size nor tags, so only rules by prefix are about it.
    pub fn upload_end(&self, key: &str, initiated: Timestamp) -> Option<(Timestamp, &LifecycleRule)> {
        let ends = self.of_key(key).filter_map(|(place, rule)| {
            let units = rule.aborts_uploads_after.filter(|_| rule.filter.is_prefix())?;
            Some((self.lifecycle.unit.end(initiated, units), place))
        });
        ends.min().map(|(at, place)| (at, &self.lifecycle.rules[place]))
    }
}
