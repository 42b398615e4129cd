//! Lifecycle rules as shards act on them: which objects and uploads end, and when. Pure; S3's XML for them is the
//! gateway's business. Only rules that are enabled get here.

mod by_prefix;

pub use by_prefix::RulesByPrefix;

use crate::clock::Timestamp;
use crate::duration::parse_duration;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// Milliseconds of a day, of which S3 counts whole ones.
const DAY_MS: u64 = 86_400_000;

/// All rules of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifecycle {
    /// In the order of the document.
    pub rules: Vec<LifecycleRule>,
    pub unit: LifecycleUnit,
    /// When the whole job ends, counted from its creation.
    pub job_ends: Option<LifecycleEnd>,
}

/// What a rule's numbers count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleUnit {
    /// S3's: whole days, and then on to the next midnight UTC.
    #[default]
    Days,
    /// Pocket's: so many times this long, exactly.
    Of(Duration),
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleRule {
    /// Shown in `x-amz-expiration` and `x-amz-abort-rule-id`.
    pub id: Arc<str>,
    pub filter: LifecycleFilter,
    /// When objects end, counted from their creation.
    pub expires: Option<LifecycleEnd>,
    /// So many units after its initiation, an upload that was not completed is aborted.
    pub aborts_uploads_after: Option<u32>,
}

/// Which objects a rule is about: all conditions must hold, none is all objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LifecycleFilter {
    pub prefix: Arc<str>,
    /// Keys and values that the object must all have.
    pub tags: Vec<(String, String)>,
    /// In bytes; the object must be larger.
    pub larger_than: Option<u64>,
    /// In bytes; the object must be smaller.
    pub smaller_than: Option<u64>,
}

/// That a rule ends something, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleEnd {
    /// By the clock of whoever made the thing that ends.
    pub at: Timestamp,
    /// The rule's id.
    pub rule: Arc<str>,
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LifecycleEnd {
    /// So many units after its creation.
    After(u32),
    At(Timestamp),
}

impl LifecycleUnit {
    /// `days`, or a time above zero as [`parse_duration`] reads it; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim() {
            "days" => Some(Self::Days),
            other => parse_duration(other).ok().filter(|unit| !unit.is_zero()).map(Self::Of),
        }
    }

    /// When so many units after `created` are over.
    pub fn end(self, created: Timestamp, units: u32) -> Timestamp {
        match self {
            Self::Of(unit) => created + unit.saturating_mul(units),
            Self::Days => {
                let days = Duration::from_secs(u64::from(units) * (DAY_MS / 1_000));
                Timestamp((created + days).0.saturating_add(DAY_MS - 1) / DAY_MS * DAY_MS)
            }
        }
    }
}

impl LifecycleEnd {
    fn resolve(self, unit: LifecycleUnit, created: Timestamp) -> Timestamp {
        match self {
            Self::After(units) => unit.end(created, units),
            Self::At(at) => at,
        }
    }
}

impl LifecycleFilter {
    /// Whether it is about every object.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether it is about a prefix alone, be it that of all keys.
    fn is_prefix(&self) -> bool {
        self.tags.is_empty() && self.larger_than.is_none() && self.smaller_than.is_none()
    }

    pub fn matches(&self, key: &str, size: u64, tags: &[(String, String)]) -> bool {
        key.starts_with(&*self.prefix)
            && self.larger_than.is_none_or(|least| size > least)
            && self.smaller_than.is_none_or(|most| size < most)
            && self.tags.iter().all(|tag| tags.contains(tag))
    }
}

impl Lifecycle {
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.job_ends.is_none()
    }

    /// When the job ends.
    pub fn job_end(&self, created: Timestamp) -> Option<Timestamp> {
        self.job_ends.map(|end| end.resolve(self.unit, created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECONDS: LifecycleUnit = LifecycleUnit::Of(Duration::from_secs(1));

    fn rule(id: &str, prefix: &str, expires: LifecycleEnd) -> LifecycleRule {
        let filter = LifecycleFilter { prefix: prefix.into(), ..Default::default() };
        LifecycleRule { id: id.into(), filter, expires: Some(expires), aborts_uploads_after: None }
    }

    #[test]
    fn days_end_at_the_next_midnight_and_seconds_exactly() {
        let noon = Timestamp(10 * DAY_MS + DAY_MS / 2);
        assert_eq!(LifecycleUnit::Days.end(noon, 1), Timestamp(12 * DAY_MS));
        assert_eq!(LifecycleUnit::Days.end(Timestamp(10 * DAY_MS), 1), Timestamp(11 * DAY_MS));
        assert_eq!(SECONDS.end(noon, 90), Timestamp(noon.0 + 90_000));
        assert!(LifecycleUnit::Days.end(Timestamp(u64::MAX), u32::MAX) > noon);
        assert_eq!(LifecycleUnit::Of(Duration::MAX).end(noon, 2), Timestamp(u64::MAX));
    }

    #[test]
    fn units_are_days_or_a_duration() {
        assert_eq!(LifecycleUnit::parse("days"), Some(LifecycleUnit::Days));
        assert_eq!(LifecycleUnit::parse(" 1s "), Some(SECONDS));
        assert_eq!(LifecycleUnit::parse("1"), Some(SECONDS));
        assert_eq!(LifecycleUnit::parse("250ms"), Some(LifecycleUnit::Of(Duration::from_millis(250))));
        for bad in ["", "0s", "-1s", "1M", "day", "none", "999999999999999999999s"] {
            assert_eq!(LifecycleUnit::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_earliest_matching_rule_ends_an_object() {
        let created = Timestamp(5_000);
        let lifecycle = Lifecycle {
            rules: vec![
                rule("all", "", LifecycleEnd::After(60)),
                rule("logs", "logs/", LifecycleEnd::After(10)),
                rule("logs too", "logs/", LifecycleEnd::At(Timestamp(15_000))),
            ],
            unit: SECONDS,
            job_ends: None,
        };
        let rules = RulesByPrefix::new(lifecycle);
        let end = |key| rules.object_end(key, 1, &[], created).map(|(at, rule)| (at.0, &*rule.id));
        assert_eq!(end("a"), Some((65_000, "all")));
        assert_eq!(end("logs/a"), Some((15_000, "logs")));
    }

    #[test]
    fn all_conditions_of_a_filter_must_hold() {
        let tag = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let filter = LifecycleFilter {
            prefix: "a/".into(),
            tags: vec![tag("keep", "no")],
            larger_than: Some(10),
            smaller_than: Some(20),
        };
        let tags = [tag("x", "y"), tag("keep", "no")];
        assert!(filter.matches("a/b", 11, &tags));
        for (key, size, tags) in
            [("b", 11, &tags[..]), ("a/b", 10, &tags), ("a/b", 20, &tags), ("a/b", 11, &tags[..1])]
        {
            assert!(!filter.matches(key, size, tags), "{key} {size} {tags:?}");
        }
    }

    #[test]
    fn uploads_end_by_rules_about_prefixes_alone() {
        let mut by_prefix = rule("p", "up/", LifecycleEnd::After(1));
        by_prefix.aborts_uploads_after = Some(3);
        let mut by_size = by_prefix.clone();
        (by_size.id, by_size.aborts_uploads_after) = ("s".into(), Some(1));
        by_size.filter.larger_than = Some(1);
        let lifecycle = Lifecycle { rules: vec![by_size, by_prefix], unit: SECONDS, job_ends: None };
        let rules = RulesByPrefix::new(lifecycle);
        let end = |key| rules.upload_end(key, Timestamp(0)).map(|(at, rule)| (at.0, &*rule.id));
        assert_eq!((end("up/x"), end("down/x")), (Some((3_000, "p")), None));
    }

    /// A filter read as S3 writes it: a list of conditions, each judged alone.
    #[derive(Clone, Debug)]
    enum Condition {
        Prefix(String),
        Tag(String, String),
        Larger(u64),
        Smaller(u64),
    }

    fn conditions() -> impl Strategy<Value = Vec<Condition>> {
        let one = prop_oneof![
            "[ab/]{0,3}".prop_map(Condition::Prefix),
            ("[xy]", "[01]").prop_map(|(key, value)| Condition::Tag(key, value)),
            (0..6_u64).prop_map(Condition::Larger),
            (0..6_u64).prop_map(Condition::Smaller),
        ];
        prop::collection::vec(one, 0..4)
    }

    fn holds(condition: &Condition, key: &str, size: u64, tags: &[(String, String)]) -> bool {
        match condition {
            Condition::Prefix(prefix) => key.as_bytes().starts_with(prefix.as_bytes()),
            Condition::Tag(k, v) => tags.iter().any(|(key, value)| key == k && value == v),
            Condition::Larger(than) => size > *than,
            Condition::Smaller(than) => size < *than,
        }
    }

    /// Of several of a kind the strictest, but for prefixes, of which a filter has one.
    fn filter(conditions: &[Condition]) -> (LifecycleFilter, Vec<Condition>) {
        let (mut filter, mut kept) = (LifecycleFilter::default(), Vec::new());
        for condition in conditions {
            match condition.clone() {
                Condition::Prefix(prefix) if filter.prefix.is_empty() => filter.prefix = prefix.into(),
                Condition::Prefix(_) => continue,
                Condition::Tag(key, value) => filter.tags.push((key, value)),
                Condition::Larger(than) => filter.larger_than = filter.larger_than.max(Some(than)),
                Condition::Smaller(than) => {
                    filter.smaller_than = Some(filter.smaller_than.map_or(than, |other| other.min(than)));
                }
            }
            kept.push(condition.clone());
        }
        (filter, kept)
    }

    fn tags() -> impl Strategy<Value = Vec<(String, String)>> {
        prop::collection::btree_map("[xy]", "[01]", 0..3).prop_map(|tags| tags.into_iter().collect())
    }

    proptest! {
        #[test]
        fn a_filter_is_the_conjunction_of_its_conditions(
            conditions in conditions(), key in "[ab/]{1,4}", size in 0..7_u64, tags in tags(),
        ) {
            let (filter, kept) = filter(&conditions);
            let expected = kept.iter().all(|condition| holds(condition, &key, size, &tags));
            prop_assert_eq!(filter.matches(&key, size, &tags), expected);
        }

        #[test]
        fn the_end_is_the_earliest_of_all_rules_that_match(
            rules in prop::collection::vec((conditions(), prop_oneof![
                (1..9_u32).prop_map(LifecycleEnd::After),
                (0..99_000_u64).prop_map(|at| LifecycleEnd::At(Timestamp(at))),
            ]), 0..12),
            exact in any::<bool>(), key in "[ab/]{1,4}", size in 0..7_u64, tags in tags(), created in 0..99_000_u64,
        ) {
            let unit = if exact { SECONDS } else { LifecycleUnit::Days };
            let rule = |(i, (conditions, end)): (usize, &(Vec<Condition>, LifecycleEnd))| LifecycleRule {
                id: i.to_string().into(),
                filter: filter(conditions).0,
                expires: Some(*end),
                aborts_uploads_after: Some(i as u32 % 3),
            };
            let lifecycle = Lifecycle { rules: rules.iter().enumerate().map(rule).collect(), unit, job_ends: None };
            let created = Timestamp(created);
            let by_prefix = RulesByPrefix::new(lifecycle.clone());
            let end = by_prefix.object_end(&key, size, &tags, created);
            let mut matching = lifecycle.rules.iter().zip(&rules).filter(|(rule, _)| rule.filter.matches(&key, size, &tags));
            let ends = matching.clone().map(|(_, (_, end))| end.resolve(unit, created)).min();
            prop_assert_eq!(end.map(|(at, _)| at), ends);
            if let Some((at, rule)) = end {
                let first = matching.find(|(_, (_, end))| end.resolve(unit, created) == at);
                prop_assert_eq!(Some(&rule.id), first.map(|(first, _)| &first.id), "the first of equals");
            }
            let is_prefix = |conditions: &[Condition]| conditions.iter().all(|c| matches!(c, Condition::Prefix(_)));
            let aborting = rules.iter().enumerate().filter(|(_, (conditions, _))| {
                let kept = filter(conditions).1;
                is_prefix(&kept) && kept.iter().all(|condition| holds(condition, &key, size, &tags))
            });
            let aborted = aborting.map(|(i, _)| unit.end(created, i as u32 % 3)).min();
            prop_assert_eq!(by_prefix.upload_end(&key, created).map(|(at, _)| at), aborted);
            if let Some((at, LifecycleRule { expires: Some(LifecycleEnd::After(units)), .. })) = end {
                let lived = at.since(created);
                let day = Duration::from_millis(DAY_MS);
                match unit {
                    LifecycleUnit::Of(second) => prop_assert_eq!(lived, second * *units),
                    LifecycleUnit::Days => prop_assert!(lived >= day * *units && lived < day * (*units + 1)
                        && at.0 % DAY_MS == 0),
                }
            }
        }
    }
}
