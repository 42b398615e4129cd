//! What happens in the model: acts, drawn at random, and lifecycle rules as the reference reads them.

use super::{KEYS, Plain};
use pocket_api::clock::Timestamp;
use pocket_api::hints::Limit;
use pocket_api::lifecycle::{LifecycleEnd, LifecycleFilter, LifecycleRule};
use proptest::prelude::*;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(super) enum Act {
    Put {
        key: usize,
        sizes: Vec<u32>,
        ttl: Option<u8>,
        reads: Option<u32>,
        absent: bool,
    },
    Append {
        key: usize,
        sizes: Vec<u32>,
        /// As if the object had been replaced since it was looked up.
        late: bool,
    },
    Delete {
        key: usize,
    },
    Tag {
        key: usize,
        tags: u8,
        ttl: Option<Limit<u8>>,
        reads: Option<Limit<u32>>,
    },
    Grant {
        key: usize,
        grants: u8,
        /// As if it had been changed since it was looked up.
        late: bool,
    },
    /// Opens a read and leaves it open.
    Open {
        key: usize,
        delete: bool,
    },
    /// Ends the so-manieth open read.
    Close {
        which: usize,
        sent: bool,
    },
    Rename {
        from: usize,
        to: usize,
        absent: bool,
    },
    Copy {
        from: usize,
        to: usize,
        range: (u8, u8),
    },
    Upload {
        key: usize,
        parts: Vec<Vec<u32>>,
        complete: bool,
    },
    /// Leaves an upload open, for a rule to abort.
    Leave {
        key: usize,
        parts: Vec<Vec<u32>>,
    },
    /// Other lifecycle rules from now on.
    Rules(Vec<PlainRule>),
    Advance {
        ms: u16,
    },
    /// Time passes and nobody looks what is due.
    Pass {
        ms: u16,
    },
    Sweep,
}

/// A lifecycle rule as the reference reads it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PlainRule {
    pub(super) prefix: String,
    /// Only objects with the tag `1`.
    pub(super) tagged: bool,
    pub(super) larger_than: Option<u64>,
    /// In seconds after the creation.
    pub(super) expires: Option<u8>,
    pub(super) aborts: Option<u8>,
}

impl PlainRule {
    pub(super) fn matches(&self, name: &str, object: &Plain) -> bool {
        name.starts_with(&self.prefix)
            && (!self.tagged || object.tags.iter().any(|(key, _)| key == "1"))
            && self.larger_than.is_none_or(|than| object.bytes.len() as u64 > than)
    }

    pub(super) fn aborts(&self, name: &str) -> bool {
        name.starts_with(&self.prefix) && !self.tagged && self.larger_than.is_none()
    }

    pub(super) fn rule(&self) -> LifecycleRule {
        let tags = if self.tagged { vec![("1".into(), "x".into())] } else { Vec::new() };
        LifecycleRule {
            id: "rule".into(),
            filter: LifecycleFilter {
                prefix: self.prefix.as_str().into(),
                tags,
                larger_than: self.larger_than,
                smaller_than: None,
            },
            expires: self.expires.map(|seconds| LifecycleEnd::After(seconds.into())),
            aborts_uploads_after: self.aborts.map(Into::into),
        }
    }
}

pub(super) fn after(time: Timestamp, seconds: u8) -> Timestamp {
    time + Duration::from_secs(seconds.into())
}

fn rules() -> impl Strategy<Value = Vec<PlainRule>> {
    let seconds = || prop::option::weighted(0.7, 0..20_u8);
    let rule = ("[abc]?", any::<bool>(), prop::option::weighted(0.3, 0..20_u64), seconds(), seconds());
    prop::collection::vec(rule, 0..3).prop_map(|rules| {
        let rule = |(prefix, tagged, larger_than, expires, aborts)| PlainRule {
            prefix,
            tagged,
            larger_than,
            expires,
            aborts,
        };
        rules.into_iter().map(rule).collect()
    })
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let key = 0..KEYS.len();
    let sizes = prop_oneof![Just(vec![]), prop::collection::vec(1..20_u32, 1..4)];
    let put = (
        key.clone(),
        sizes.clone(),
        prop::option::of(any::<u8>()),
        prop::option::of(1..3_u32),
        any::<bool>(),
    );
    let act = prop_oneof![
        4 => put.prop_map(|(key, sizes, ttl, reads, absent)| Act::Put { key, sizes, ttl, reads, absent }),
        3 => (key.clone(), sizes.clone(), prop::bool::weighted(0.1))
            .prop_map(|(key, sizes, late)| Act::Append { key, sizes, late }),
        2 => key.clone().prop_map(|key| Act::Delete { key }),
        2 => (key.clone(), 0..3_u8, prop::option::of(limit(any::<u8>())), prop::option::of(limit(1..3_u32)))
            .prop_map(|(key, tags, ttl, reads)| Act::Tag { key, tags, ttl, reads }),
        2 => (key.clone(), 0..3_u8, prop::bool::weighted(0.2))
            .prop_map(|(key, grants, late)| Act::Grant { key, grants, late }),
        4 => (key.clone(), prop::bool::weighted(0.2)).prop_map(|(key, delete)| Act::Open { key, delete }),
        3 => (any::<usize>(), any::<bool>()).prop_map(|(which, sent)| Act::Close { which, sent }),
        3 => (key.clone(), key.clone(), any::<bool>())
            .prop_map(|(from, to, absent)| Act::Rename { from, to, absent }),
        3 => (key.clone(), key.clone(), any::<(u8, u8)>())
            .prop_map(|(from, to, range)| Act::Copy { from, to, range }),
        2 => (key.clone(), prop::collection::vec(sizes.clone(), 1..4), any::<bool>())
            .prop_map(|(key, parts, complete)| Act::Upload { key, parts, complete }),
        1 => (key, prop::collection::vec(sizes, 1..4)).prop_map(|(key, parts)| Act::Leave { key, parts }),
        2 => rules().prop_map(Act::Rules),
        2 => (0..20_000_u16).prop_map(|ms| Act::Advance { ms }),
        2 => (0..9_000_u16).prop_map(|ms| Act::Pass { ms }),
        1 => Just(Act::Sweep),
    ];
    prop::collection::vec(act, 1..60)
}

fn limit<T: std::fmt::Debug + Clone>(of: impl Strategy<Value = T>) -> impl Strategy<Value = Limit<T>> {
    prop_oneof![1 => Just(Limit::None), 3 => of.prop_map(Limit::Of)]
}

pub(super) fn ttl(of: u8) -> Duration {
    Duration::from_millis(u64::from(of) * 40 + 1)
}
