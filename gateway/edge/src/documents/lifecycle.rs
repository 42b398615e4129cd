//! Lifecycle documents between S3's form and the domain: held against S3's rules for them, kept and given back as sent, and
//! turned into what shards act on. Pure.
//!
//! An action that would have to take effect here and has none is refused by name. Actions on noncurrent versions and
//! delete markers are taken: a bucket without versioning has neither, in S3 as here.

use super::{parsed_if_any, write};
use crate::answer::Body;
use crate::errors::{malformed_xml, not_implemented, s3};
use crate::headers;
use crate::tags::{self, UNIT_TAG};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, Response};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::clock::Timestamp;
use pocket_api::duration::DURATION_FORMS;
use pocket_api::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule, LifecycleUnit};
use pocket_api::limits::KEY_MAX_BYTES;
use pocket_api::settings::{DocumentKind, JobSettings};
use s3s::dto::{self, BucketLifecycleConfiguration, ExpirationStatus, TransitionDefaultMinimumObjectSize};
use s3s::xml;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use time::format_description::well_known::Rfc3339;

/// S3's bound on the rules of a bucket.
const RULES_MAX: usize = 1_000;
/// S3's bound on the id of a rule, in characters.
const RULE_ID_MAX_CHARS: usize = 255;
/// S3's bound on NewerNoncurrentVersions.
const NEWER_VERSIONS_MAX: i32 = 100;
/// Milliseconds of a day.
const DAY_MS: i128 = 86_400_000;
/// What ids of rules begin with that mean something here.
const OWN_RULES: &str = "pocket:";
/// A rule of this id ends the bucket itself.
const END_JOB_RULE: &str = "pocket:end-job";
/// The header that says what a document's days are, as [`UNIT_TAG`] does for a bucket.
pub(crate) const UNIT_HEADER: &str = "x-pocket-lifecycle-unit";
/// S3's header for the smallest object that transitions are about. There are none here, so any value holds.
pub(crate) const MINIMUM_HEADER: &str = "x-amz-transition-default-minimum-object-size";

/// What comes with a document in headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleTerms {
    /// What the document's days are, in the words of its sender.
    unit: Option<String>,
    minimum: String,
}

impl LifecycleTerms {
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, Refusal> {
        Self::new(headers::text(headers, UNIT_HEADER)?, headers::text(headers, MINIMUM_HEADER)?)
    }

    pub(crate) fn new(unit: Option<&str>, minimum: Option<&str>) -> Result<Self, Refusal> {
        use TransitionDefaultMinimumObjectSize as Minimum;
        let minimum = minimum.unwrap_or(Minimum::ALL_STORAGE_CLASSES_128K);
        if ![Minimum::ALL_STORAGE_CLASSES_128K, Minimum::VARIES_BY_STORAGE_CLASS].contains(&minimum) {
            let text = format!("invalid {MINIMUM_HEADER} {:?}", shortened(minimum));
            return Err(Refusal::invalid(MINIMUM_HEADER, minimum, text));
        }
        unit.map(parse_unit).transpose()?;
        Ok(Self { unit: unit.map(str::to_owned), minimum: minimum.to_owned() })
    }

    /// As answers show them.
    pub(crate) fn put(self, headers: &mut HeaderMap) {
        headers::put(headers, HeaderName::from_static(MINIMUM_HEADER), self.minimum);
        if let Some(unit) = self.unit {
            headers::put(headers, HeaderName::from_static(UNIT_HEADER), unit);
        }
    }
}

/// Rules as they were sent, with an id for each, as S3 gives one to those that have none.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleRules(BucketLifecycleConfiguration);

impl LifecycleRules {
    pub(crate) fn read(document: Bytes) -> Result<Self, Refusal> {
        Self::new(parsed_if_any(&document)?)
    }

    pub(crate) fn new(configuration: Option<BucketLifecycleConfiguration>) -> Result<Self, Refusal> {
        let mut configuration = configuration.ok_or_else(malformed_xml)?;
        if !(1..=RULES_MAX).contains(&configuration.rules.len()) {
            return Err(malformed_xml());
        }
        name_rules(&mut configuration.rules);
        Ok(Self(configuration))
    }
}

/// A document with what came beside it.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleDocument {
    rules: LifecycleRules,
    terms: LifecycleTerms,
}

impl LifecycleDocument {
    /// As it was sent. Not checked yet.
    pub fn new(rules: LifecycleRules, terms: LifecycleTerms) -> Self {
        Self { rules, terms }
    }

    /// As it is kept: what came beside the document in lines, then the document.
    pub fn kept(&self) -> Result<Arc<str>, Refusal> {
        let mut document = Vec::new();
        let written = xml::Serialize::serialize(&self.rules.0, &mut xml::Serializer::new(&mut document));
        written.map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))?;
        let document = String::from_utf8(document)
            .map_err(|error| Refusal::new(ErrorCode::InternalError, error.to_string()))?;
        let mut text = format!("{MINIMUM_HEADER}: {}\n", self.terms.minimum);
        if let Some(unit) = &self.terms.unit {
            let _ = writeln!(text, "{UNIT_HEADER}: {unit}");
        }
        text.push('\n');
        text.push_str(&document);
        Ok(text.into())
    }

    /// The document of a bucket, where it has one.
    pub fn of(settings: &JobSettings) -> Result<Option<Self>, Refusal> {
        let Some(text) = settings.documents.get(&DocumentKind::Lifecycle) else { return Ok(None) };
        let unreadable =
            || s3(ErrorCode::InternalError, "the lifecycle configuration that is kept is unreadable");
        let (beside, document) = text.split_once("\n\n").ok_or_else(unreadable)?;
        let (mut unit, mut minimum) = (None, None);
        for line in beside.lines() {
            match line.split_once(": ") {
                Some((UNIT_HEADER, value)) => unit = Some(value.to_owned()),
                Some((MINIMUM_HEADER, value)) => minimum = Some(value.to_owned()),
                _ => return Err(unreadable()),
            }
        }
        let mut reader = xml::Deserializer::new(document.as_bytes());
        let configuration = xml::Deserialize::deserialize(&mut reader).map_err(|_| unreadable())?;
        let terms = LifecycleTerms { unit, minimum: minimum.ok_or_else(unreadable)? };
        Ok(Some(Self { rules: LifecycleRules(configuration), terms }))
    }

    /// The answer that shows it.
    pub(crate) fn shown(self) -> Response<Body> {
        let mut response = write("LifecycleConfiguration", &self.rules.0);
        self.terms.put(response.headers_mut());
        response
    }

    /// Checks the document, and says what shards are to do. Its own unit is before that of the bucket's `tags`.
    pub fn lifecycle(&self, tags: &[(String, String)]) -> Result<Lifecycle, Refusal> {
        let of_tags = unit_of(tags)?;
        let own = self.terms.unit.as_deref().map(parse_unit).transpose()?;
        let mut lifecycle = Lifecycle { unit: own.or(of_tags).unwrap_or_default(), ..Lifecycle::default() };
        let mut ids = BTreeSet::new();
        for rule in &self.rules.0.rules {
            let id = rule.id.as_deref().unwrap_or_default();
            if id.chars().count() > RULE_ID_MAX_CHARS {
                return Err(Refusal::invalid("ID", id, "ID length should not exceed allowed limit of 255"));
            }
            if !ids.insert(id) {
                let text = format!(
                    "Rule ID must be unique. Found same ID for more than one rule: {:?}",
                    shortened(id)
                );
                return Err(Refusal::invalid("ID", id, text));
            }
            add(&mut lifecycle, rule, id)?;
        }
        Ok(lifecycle)
    }
}

/// What shards are to do by a bucket's document and tags.
pub fn of(settings: &JobSettings) -> Result<Lifecycle, Refusal> {
    match LifecycleDocument::of(settings)? {
        Some(document) => document.lifecycle(&settings.tags),
        None => unit_of(&settings.tags).map(|_| Lifecycle::default()),
    }
}

fn unit_of(tags: &[(String, String)]) -> Result<Option<LifecycleUnit>, Refusal> {
    let tag = tags.iter().find(|(key, _)| key == UNIT_TAG);
    tag.map(|(_, value)| parse_unit(value)).transpose()
}

fn parse_unit(text: &str) -> Result<LifecycleUnit, Refusal> {
    let bad = || {
        let shown = shortened(text);
        let why =
            format!("lifecycle-unit has the bad value {shown:?}: days, or a time above 0, {DURATION_FORMS}");
        Refusal::invalid("lifecycle-unit", text, why)
    };
    LifecycleUnit::parse(text).ok_or_else(bad)
}

/// Gives an id to rules without one: their places, or the next number that no other rule has.
fn name_rules(rules: &mut [dto::LifecycleRule]) {
    let taken: BTreeSet<String> = rules.iter().filter_map(|rule| rule.id.clone()).collect();
    let mut next = 1;
    for (i, rule) in rules.iter_mut().enumerate() {
        if rule.id.as_ref().is_none_or(String::is_empty) {
            next = next.max(i + 1);
            while taken.contains(&format!("rule-{next}")) {
                next += 1;
            }
            rule.id = Some(format!("rule-{next}"));
            next += 1;
        }
    }
}

/// Adds a rule as far as it is enabled. All of it is checked in any case.
fn add(lifecycle: &mut Lifecycle, rule: &dto::LifecycleRule, id: &str) -> Result<(), Refusal> {
    let is_enabled = match rule.status.as_str() {
        ExpirationStatus::ENABLED => true,
        ExpirationStatus::DISABLED => false,
        _ => return Err(malformed_xml()),
    };
    let filter = filter(rule)?;
    let expires =
        rule.expiration.as_ref().map(|e| expiration(e, &filter, lifecycle.unit)).transpose()?.flatten();
    let aborts =
        rule.abort_incomplete_multipart_upload.as_ref().map(|abort| aborts(abort, &filter)).transpose()?;
    check_other_actions(rule, id, is_enabled)?;
    // A slip in it would end all objects, and not the bucket.
    if id.starts_with(OWN_RULES) && id != END_JOB_RULE {
        let text = format!("unknown rule {:?}: there is {END_JOB_RULE:?}", shortened(id));
        return Err(Refusal::invalid("ID", id, text));
    }
    if !is_enabled {
        return Ok(());
    }
    let mut rule = LifecycleRule { id: id.into(), filter, expires, aborts_uploads_after: aborts };
    if id == END_JOB_RULE {
        if !rule.filter.is_empty() || rule.expires.is_none() {
            let text = format!(
                "the rule {END_JOB_RULE:?} needs an Expiration with Days or Date, and a filter that is empty"
            );
            return Err(Refusal::invalid("ID", id, text));
        }
        lifecycle.job_ends = rule.expires.take();
    }
    if rule.expires.is_some() || rule.aborts_uploads_after.is_some() {
        lifecycle.rules.push(rule);
    }
    Ok(())
}

/// In a Filter, or as older clients write it in a Prefix beside the actions.
fn filter(rule: &dto::LifecycleRule) -> Result<LifecycleFilter, Refusal> {
    let (prefix, tags, larger, smaller) = match (&rule.prefix, &rule.filter) {
        (Some(prefix), None) => (Some(prefix), Vec::new(), None, None),
        (None, Some(filter)) => {
            let and = filter.and.as_ref();
            let named = [
                and.is_some(),
                filter.prefix.is_some(),
                filter.tag.is_some(),
                filter.object_size_greater_than.is_some(),
                filter.object_size_less_than.is_some(),
            ];
            if named.into_iter().filter(|is_there| *is_there).count() > 1 {
                return Err(malformed_xml());
            }
            match and {
                Some(and) => (
                    and.prefix.as_ref(),
                    and.tags.clone().unwrap_or_default(),
                    and.object_size_greater_than,
                    and.object_size_less_than,
                ),
                None => (
                    filter.prefix.as_ref(),
                    filter.tag.clone().into_iter().collect(),
                    filter.object_size_greater_than,
                    filter.object_size_less_than,
                ),
            }
        }
        _ => return Err(malformed_xml()),
    };
    let size = |bytes: Option<i64>, name| {
        let bad =
            |_| invalid_request(format!("{name:?} must be a number from 0: {}", bytes.unwrap_or_default()));
        bytes.map(u64::try_from).transpose().map_err(bad)
    };
    let filter = LifecycleFilter {
        prefix: prefix.map_or("", String::as_str).into(),
        tags: tag_pairs(tags)?,
        larger_than: size(larger, "ObjectSizeGreaterThan")?,
        smaller_than: size(smaller, "ObjectSizeLessThan")?,
    };
    if filter.prefix.len() > KEY_MAX_BYTES {
        return Err(invalid_request(format!("The maximum size of a prefix is {KEY_MAX_BYTES}")));
    }
    if let (Some(larger), Some(smaller)) = (filter.larger_than, filter.smaller_than)
        && smaller <= larger
    {
        let text = "'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'";
        return Err(invalid_request(text));
    }
    Ok(filter)
}

fn tag_pairs(tags: Vec<dto::Tag>) -> Result<Vec<(String, String)>, Refusal> {
    let pair = |tag: dto::Tag| Some((tag.key?, tag.value?));
    let pairs: Option<Vec<_>> = tags.into_iter().map(pair).collect();
    let pairs = pairs.ok_or_else(malformed_xml)?;
    tags::check_all(&pairs)?;
    Ok(pairs)
}

/// `None` where it is about delete markers alone.
fn expiration(
    expiration: &dto::LifecycleExpiration,
    filter: &LifecycleFilter,
    unit: LifecycleUnit,
) -> Result<Option<LifecycleEnd>, Refusal> {
    match (&expiration.days, &expiration.date, expiration.expired_object_delete_marker) {
        (Some(days), None, None) => Ok(Some(LifecycleEnd::After(positive(*days, "Days", "Expiration")?))),
        (None, Some(date), None) => Ok(Some(LifecycleEnd::At(moment(date, unit)?))),
        (None, None, Some(_)) if !filter.tags.is_empty() => {
            Err(invalid_request("ExpiredObjectDeleteMarker cannot be specified with Tags."))
        }
        (None, None, Some(_)) => Ok(None),
        _ => Err(malformed_xml()),
    }
}

/// A whole day, unless the document counts in another unit.
fn moment(date: &dto::Timestamp, unit: LifecycleUnit) -> Result<Timestamp, Refusal> {
    let date = time::OffsetDateTime::from(date.clone());
    let ms = date.unix_timestamp_nanos() / 1_000_000;
    let bad = |why| Refusal::invalid("Date", date.format(&Rfc3339).unwrap_or_default(), why);
    if unit == LifecycleUnit::Days && ms % DAY_MS != 0 {
        return Err(bad("'Date' must be at midnight GMT"));
    }
    u64::try_from(ms).map(Timestamp).map_err(|_| bad("'Date' must not be before 1970"))
}

fn aborts(abort: &dto::AbortIncompleteMultipartUpload, filter: &LifecycleFilter) -> Result<u32, Refusal> {
    let cannot =
        |with| invalid_request(format!("AbortIncompleteMultipartUpload cannot be specified with {with}."));
    if !filter.tags.is_empty() {
        return Err(cannot("Tags"));
    }
    if filter.larger_than.is_some() || filter.smaller_than.is_some() {
        return Err(cannot("Object Size"));
    }
    let days = abort.days_after_initiation.ok_or_else(malformed_xml)?;
    positive(days, "DaysAfterInitiation", "AbortIncompleteMultipartUpload")
}

/// Those that shards never hear of.
fn check_other_actions(rule: &dto::LifecycleRule, id: &str, is_enabled: bool) -> Result<(), Refusal> {
    let transitions = rule.transitions.as_deref().unwrap_or_default();
    let noncurrent_transitions = rule.noncurrent_version_transitions.as_deref().unwrap_or_default();
    let noncurrent = rule.noncurrent_version_expiration.as_ref();
    let has_action = rule.expiration.is_some()
        || rule.abort_incomplete_multipart_upload.is_some()
        || noncurrent.is_some()
        || !transitions.is_empty()
        || !noncurrent_transitions.is_empty();
    if !has_action {
        return Err(invalid_request("At least one action needs to be specified in a rule"));
    }
    if !transitions.is_empty() && is_enabled {
        let text = format!("the lifecycle action Transition is not implemented: rule {:?}", shortened(id));
        return Err(not_implemented(text));
    }
    if let Some(noncurrent) = noncurrent {
        let days = noncurrent.noncurrent_days.ok_or_else(malformed_xml)?;
        positive(days, "NoncurrentDays", "NoncurrentVersionExpiration")?;
        check_newer_versions(noncurrent.newer_noncurrent_versions)?;
    }
    for transition in noncurrent_transitions {
        let days = transition.noncurrent_days.ok_or_else(malformed_xml)?;
        positive(days, "NoncurrentDays", "NoncurrentVersionTransition")?;
        transition.storage_class.as_ref().ok_or_else(malformed_xml)?;
        check_newer_versions(transition.newer_noncurrent_versions)?;
    }
    Ok(())
}

fn check_newer_versions(count: Option<i32>) -> Result<(), Refusal> {
    match count {
        Some(count) if !(1..=NEWER_VERSIONS_MAX).contains(&count) => {
            let text = format!("'NewerNoncurrentVersions' must be from 1 to {NEWER_VERSIONS_MAX}: {count}");
            Err(Refusal::invalid("NewerNoncurrentVersions", count, text))
        }
        _ => Ok(()),
    }
}

fn positive(number: i32, name: &str, action: &str) -> Result<u32, Refusal> {
    let why = || format!("'{name}' for {action} action must be a positive integer");
    let bad = || Refusal::invalid(name, number, why());
    u32::try_from(number).ok().filter(|&n| n > 0).ok_or_else(bad)
}

fn invalid_request(message: impl Into<std::borrow::Cow<'static, str>>) -> Refusal {
    s3(ErrorCode::InvalidRequest, message)
}

#[cfg(test)]
mod tests;
