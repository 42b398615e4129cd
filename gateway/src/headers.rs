//! Between S3's headers and the domain's types, both ways, for everything that more than one operation reads or shows.
//! Pure; what cannot be honoured is refused here and never dropped.

use crate::errors::{from_hint, invalid_argument, not_implemented, s3};
use crate::tags;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::hints::{ObjectHints, parse_wait};
use pocket_api::lifecycle::RuleEnd;
use pocket_api::limits::{PART_NUMBER_MAX, USER_METADATA_MAX_BYTES};
use pocket_api::metadata::{ByteRange, Select};
use pocket_api::object::{ETag, ObjectHeaders, ObjectMeta};
use pocket_api::storage_class::StorageClass;
use s3s::dto::{self, ETagCondition};
use s3s::{S3ErrorCode, S3Result};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Named in `x-amz-expiration` where the object's own TTL ends it: clients expect the id of a rule.
const TTL_RULE: &str = "pocket-ttl";
/// The last second that an HTTP date can say.
const HTTP_DATE_MAX: Timestamp = Timestamp(253_402_300_799_000);
/// What is encoded in the id of a rule.
const RULE_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

// ---- what is shown ----

pub(crate) fn etag(etag: &ETag) -> dto::ETag {
    dto::ETag::Strong(etag.to_string())
}

pub(crate) fn system_time(stamp: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(stamp.0)
}

pub(crate) fn timestamp(stamp: Timestamp) -> dto::Timestamp {
    system_time(stamp).into()
}

/// Value of `x-amz-expiration`, where the object has an end: by a rule, which is there only if it is the earlier one, or
/// by its TTL.
pub(crate) fn expiration(ttl_end: Option<Timestamp>, rule_end: Option<&RuleEnd>) -> Option<String> {
    let by_rule = rule_end.map(|end| (end.at, rule_id(&end.rule)));
    let (at, rule) = by_rule.or_else(|| Some((ttl_end?, TTL_RULE.to_owned())))?;
    Some(format!("expiry-date=\"{}\", rule-id=\"{rule}\"", httpdate::fmt_http_date(system_time(over(at)))))
}

/// The end of something as headers can show it, in whole seconds: at the time that it shows, the thing is gone.
fn over(end: Timestamp) -> Timestamp {
    Timestamp(end.0.div_ceil(1_000).saturating_mul(1_000).min(HTTP_DATE_MAX.0))
}

/// As S3 puts it into a header: URL-encoded.
fn rule_id(id: &str) -> String {
    utf8_percent_encode(id, RULE_ID).to_string()
}

/// Values of `x-amz-abort-date` and `x-amz-abort-rule-id`.
pub(crate) fn abort(rule_end: Option<&RuleEnd>) -> (Option<dto::Timestamp>, Option<String>) {
    (rule_end.map(|end| timestamp(over(end.at))), rule_end.map(|end| rule_id(&end.rule)))
}

/// What a 304 repeats of the object, as HTTP asks for.
pub(crate) fn not_modified(meta: &ObjectMeta) -> HeaderMap {
    let mut map = HeaderMap::new();
    put(&mut map, header::ETAG, format!("\"{}\"", meta.etag));
    put(&mut map, header::LAST_MODIFIED, httpdate::fmt_http_date(system_time(meta.last_modified)));
    if let Some(headers) = &meta.headers {
        let repeated = [(header::CACHE_CONTROL, &headers.cache_control), (header::EXPIRES, &headers.expires)];
        for (name, value) in repeated {
            if let Some(value) = value {
                put(&mut map, name, value.clone());
            }
        }
    }
    map
}

/// Sets a header whose value came from a header or is our own text; one that HTTP cannot carry is left out.
pub(crate) fn put(map: &mut HeaderMap, name: HeaderName, value: String) {
    if let Ok(value) = HeaderValue::try_from(value) {
        map.insert(name, value);
    }
}

pub(crate) fn content_range(offset: u64, len: u64, size: u64) -> String {
    format!("bytes {offset}-{}/{size}", offset + len - 1)
}

// ---- what is stored ----

/// What S3 lets a writer say of an object, taken out of the inputs of three operations by [`given`].
pub(crate) struct Given {
    pub(crate) content_type: Option<String>,
    pub(crate) content_encoding: Option<String>,
    pub(crate) content_disposition: Option<String>,
    pub(crate) content_language: Option<String>,
    pub(crate) cache_control: Option<String>,
    /// As it came.
    pub(crate) expires: Option<String>,
    pub(crate) metadata: Option<dto::Metadata>,
    /// Value of `x-amz-tagging`.
    pub(crate) tagging: Option<String>,
    pub(crate) storage_class: Option<dto::StorageClass>,
}

/// Takes the fields of [`Given`] out of the input of a request.
macro_rules! given {
    ($request:expr) => {{
        let input = &mut $request.input;
        $crate::headers::Given {
            content_type: input.content_type.take(),
            content_encoding: input.content_encoding.take(),
            content_disposition: input.content_disposition.take(),
            content_language: input.content_language.take(),
            cache_control: input.cache_control.take(),
            expires: $crate::headers::text(&$request.headers, "expires")?.map(str::to_owned),
            metadata: input.metadata.take(),
            tagging: input.tagging.take(),
            storage_class: input.storage_class.take(),
        }
    }};
}
pub(crate) use given;

impl Given {
    /// `None` when the client said nothing.
    pub(crate) fn into_headers(self) -> S3Result<Option<Arc<ObjectHeaders>>> {
        let storage_class =
            self.storage_class.map(|class| parse_storage_class(class.as_str())).transpose()?;
        let mut user: Vec<(String, String)> = self.metadata.unwrap_or_default().into_iter().collect();
        user.sort_unstable();
        let user_bytes: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
        if user_bytes > USER_METADATA_MAX_BYTES {
            let text =
                format!("user metadata of {user_bytes} bytes: at most {USER_METADATA_MAX_BYTES} are allowed");
            return Err(s3(S3ErrorCode::MetadataTooLarge, text));
        }
        let tags = self.tagging.map(|header| tags::from_header(&header)).transpose()?.unwrap_or_default();
        let headers = ObjectHeaders {
            content_type: self.content_type,
            content_encoding: self.content_encoding,
            content_disposition: self.content_disposition,
            content_language: self.content_language,
            cache_control: self.cache_control,
            expires: self.expires,
            user,
            tags,
            storage_class,
        };
        Ok((headers != ObjectHeaders::default()).then(|| Arc::new(headers)))
    }
}

fn parse_storage_class(name: &str) -> S3Result<StorageClass> {
    StorageClass::parse(name).ok_or_else(|| {
        let text = format!("The storage class you specified is not valid: {:?}", shortened(name));
        s3(S3ErrorCode::InvalidStorageClass, text)
    })
}

/// For error texts.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// A header's value where there is one and it is text.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> S3Result<Option<&'a str>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    value.to_str().map(Some).map_err(|_| invalid_argument(format!("header {name} is not plain ASCII text")))
}

/// A header that says true or false.
pub(crate) fn flag(headers: &HeaderMap, name: &str) -> S3Result<bool> {
    match text(headers, name)? {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => {
            Err(invalid_argument(format!("{name} has the bad value {:?}: true or false", shortened(other))))
        }
    }
}

/// Hints of an object in the order of their precedence: from headers of their own, from user metadata, from tags. Each
/// source is checked, also where another one outweighs it.
pub(crate) fn object_hints(headers: &HeaderMap, said: Option<&ObjectHeaders>) -> S3Result<ObjectHints> {
    let ttl = text(headers, "x-pocket-ttl")?.map(|value| ("ttl", value));
    let reads = text(headers, "x-pocket-reads")?.map(|value| ("reads", value));
    let hints = ObjectHints::parse(ttl.into_iter().chain(reads)).map_err(from_hint)?;
    let Some(said) = said else { return Ok(hints) };
    let from_metadata = ObjectHints::parse(metadata_hints(said)).map_err(from_hint)?;
    let from_tags = ObjectHints::parse(tags::hints(&said.tags)).map_err(from_hint)?;
    Ok(hints.or(from_metadata).or(from_tags))
}

/// What a name of user metadata begins with that is a hint.
pub(crate) const METADATA_HINT_PREFIX: &str = "pocket-";

/// Names and values of the hints among user metadata.
fn metadata_hints(headers: &ObjectHeaders) -> impl Iterator<Item = (&str, &str)> {
    let named = headers.user.iter();
    named.filter_map(|(name, value)| Some((name.strip_prefix(METADATA_HINT_PREFIX)?, value.as_str())))
}

pub(crate) fn wait(headers: &HeaderMap) -> S3Result<Option<Duration>> {
    text(headers, "x-pocket-wait")?.map(|value| parse_wait(value).map_err(from_hint)).transpose()
}

// ---- conditions and ranges ----

fn etag_match(condition: &ETagCondition) -> ETagMatch {
    match condition {
        ETagCondition::Any => ETagMatch::Any,
        // s3s takes a list of tags for one, and has taken the first and the last quote off.
        ETagCondition::ETag(tag) => ETagMatch::parse(&format!("\"{}\"", tag.value())),
    }
}

fn seconds(stamp: dto::Timestamp) -> u64 {
    u64::try_from(time::OffsetDateTime::from(stamp).unix_timestamp()).unwrap_or(0)
}

pub(crate) fn read_conditions(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
    if_modified_since: Option<dto::Timestamp>,
    if_unmodified_since: Option<dto::Timestamp>,
) -> ReadConditions {
    ReadConditions {
        if_match: if_match.as_ref().map(etag_match),
        if_none_match: if_none_match.as_ref().map(etag_match),
        if_modified_since: if_modified_since.map(seconds),
        if_unmodified_since: if_unmodified_since.map(seconds),
    }
}

/// A date of HTTP, in seconds since 1970. One that cannot be read is refused, because a condition is never ignored.
pub(crate) fn http_date(headers: &HeaderMap, name: &str) -> S3Result<Option<u64>> {
    let Some(value) = text(headers, name)? else { return Ok(None) };
    let since = httpdate::parse_http_date(value).ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let bad = || invalid_argument(format!("{name} is not a date of HTTP: {:?}", shortened(value)));
    since.map(|since| Some(since.as_secs())).ok_or_else(bad)
}

/// The condition of a write, from its headers alone because S3's types lack it on copies. Forms that nobody
/// implements are refused: a condition that is ignored loses data.
pub(crate) fn write_condition(headers: &HeaderMap) -> S3Result<WriteCondition> {
    for name in ["if-modified-since", "if-unmodified-since"] {
        if headers.contains_key(name) {
            return Err(not_implemented(format!("the condition {name} is not implemented for writes")));
        }
    }
    match (text(headers, "if-match")?, text(headers, "if-none-match")?) {
        (None, None) => Ok(WriteCondition::None),
        (None, Some("*")) => Ok(WriteCondition::Absent),
        (Some(tags), None) => Ok(WriteCondition::Matches(ETagMatch::parse(tags))),
        (None, Some(_)) => Err(not_implemented("If-None-Match of a write is implemented for * only")),
        (Some(_), Some(_)) => Err(not_implemented("If-Match together with If-None-Match is not implemented")),
    }
}

pub(crate) fn select(range: Option<dto::Range>, part: Option<i32>) -> S3Result<Select> {
    match (range, part) {
        (None, None) => Ok(Select::Whole),
        (Some(range), None) => Ok(Select::Range(byte_range(range))),
        (None, Some(number)) => Ok(Select::Part(part_number(number)?)),
        (Some(_), Some(_)) => {
            let text = "Cannot specify both Range header and partNumber query parameter";
            Err(s3(S3ErrorCode::InvalidRequest, text))
        }
    }
}

fn byte_range(range: dto::Range) -> ByteRange {
    match range {
        dto::Range::Int { first, last: Some(last) } => ByteRange::FromTo(first, last),
        dto::Range::Int { first, last: None } => ByteRange::From(first),
        dto::Range::Suffix { length } => ByteRange::Last(length),
    }
}

/// `bytes=a-b` of UploadPartCopy: S3 takes no other form there.
pub(crate) fn copy_source_range(value: &str) -> S3Result<ByteRange> {
    match dto::Range::parse(value) {
        Ok(range @ dto::Range::Int { last: Some(_), .. }) => Ok(byte_range(range)),
        _ => Err(invalid_argument(format!(
            "The x-amz-copy-source-range value must be of the form bytes=first-last: {:?}",
            shortened(value)
        ))),
    }
}

pub(crate) fn part_number(number: i32) -> S3Result<u16> {
    u16::try_from(number).ok().filter(|n| (1..=PART_NUMBER_MAX).contains(n)).ok_or_else(|| {
        invalid_argument(format!(
            "Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive: {number}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::hints::Limit;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    #[test]
    fn the_shown_expiry_is_never_before_the_true_one() {
        let shown = |ms| expiration(Some(Timestamp(ms)), None).unwrap();
        let second = "expiry-date=\"Thu, 01 Jan 1970 00:00:02 GMT\", rule-id=\"pocket-ttl\"";
        assert_eq!((shown(1_001), shown(2_000)), (second.to_owned(), second.to_owned()));
        assert_ne!(shown(2_001), second);
        assert!(shown(u64::MAX).contains("9999"), "a date that HTTP can write");
    }

    #[test]
    fn a_rule_that_ends_an_object_first_is_named_as_s3_encodes_it() {
        let end = RuleEnd { at: Timestamp(2_000), rule: "logs: \"old\"/\u{fc}".into() };
        let shown = "expiry-date=\"Thu, 01 Jan 1970 00:00:02 GMT\", rule-id=\"logs%3A%20%22old%22%2F%C3%BC\"";
        assert_eq!(expiration(Some(Timestamp(3_000)), Some(&end)).as_deref(), Some(shown));
        assert_eq!(expiration(None, Some(&end)).as_deref(), Some(shown));
        assert_eq!(expiration(None, None), None);
        let (date, id) = abort(Some(&end));
        assert_eq!((date, id.as_deref()), (Some(timestamp(end.at)), Some("logs%3A%20%22old%22%2F%C3%BC")));
        assert_eq!(abort(None), (None, None));
    }

    #[test]
    fn conditions_of_writes_are_held_or_refused() {
        assert_eq!(write_condition(&map(&[])).unwrap(), WriteCondition::None);
        assert_eq!(write_condition(&map(&[("if-none-match", "*")])).unwrap(), WriteCondition::Absent);
        let tag = ETag::md5([3; 16]);
        for text in [format!("{tag}"), format!("\"{tag}\"")] {
            let held = write_condition(&map(&[("if-match", &text)])).unwrap();
            assert_eq!(held, WriteCondition::Matches(ETagMatch::Tags(vec![tag])));
        }
        for refused in [
            map(&[("if-none-match", "\"abc\"")]),
            map(&[("if-match", "*"), ("if-none-match", "*")]),
            map(&[("if-unmodified-since", "Thu, 01 Jan 1970 00:00:02 GMT")]),
        ] {
            let error = write_condition(&refused).unwrap_err();
            assert_eq!(error.code(), &S3ErrorCode::NotImplemented, "{refused:?}");
        }
    }

    #[test]
    fn conditions_of_reads_may_list_tags() {
        let (one, two) = (ETag::md5([1; 16]), ETag { parts: 2, ..ETag::md5([2; 16]) });
        for (text, tags) in [
            (format!("\"{one}\""), vec![one]),
            (format!("{one}"), vec![one]),
            (format!("W/\"{two}\""), vec![two]),
            (format!("\"not ours\", \"{one}\",W/\"{two}\""), vec![one, two]),
        ] {
            let parsed = ETagCondition::parse_http_header(text.as_bytes()).unwrap();
            assert_eq!(etag_match(&parsed), ETagMatch::Tags(tags), "{text}");
        }
    }

    #[test]
    fn user_metadata_is_bounded_and_sorted() {
        let given = |size: usize| Given {
            content_type: None,
            content_encoding: None,
            content_disposition: None,
            content_language: None,
            cache_control: None,
            expires: None,
            metadata: Some([("b".into(), "x".repeat(size)), ("a".into(), "y".into())].into()),
            tagging: None,
            storage_class: None,
        };
        let kept = given(USER_METADATA_MAX_BYTES - 3).into_headers().unwrap().unwrap();
        assert_eq!(kept.user.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let error = given(USER_METADATA_MAX_BYTES - 2).into_headers().unwrap_err();
        assert_eq!(error.code(), &S3ErrorCode::MetadataTooLarge);
    }

    #[test]
    fn hints_of_an_object_come_from_headers_then_metadata_then_tags_and_none_is_ignored() {
        let hints = |header: Option<&'static str>, metadata: &[(&str, &str)], tags: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            map.extend(
                header.map(|ttl| (HeaderName::from_static("x-pocket-ttl"), HeaderValue::from_static(ttl))),
            );
            let owned = |pairs: &[(&str, &str)]| {
                pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
            };
            let said = ObjectHeaders { user: owned(metadata), tags: owned(tags), ..ObjectHeaders::default() };
            object_hints(&map, Some(&said))
        };
        let seconds = |n| Some(Limit::Of(Duration::from_secs(n)));
        let (metadata, tag) = ([("pocket-ttl", "2s"), ("colour", "blue")], [("pocket:ttl", "3s")]);
        assert_eq!(hints(Some("1s"), &metadata, &tag).unwrap().ttl, seconds(1));
        assert_eq!(hints(None, &metadata, &tag).unwrap().ttl, seconds(2));
        assert_eq!(hints(None, &[], &tag).unwrap().ttl, seconds(3));
        assert_eq!(hints(Some("none"), &metadata, &tag).unwrap().ttl, Some(Limit::None));
        let mixed = hints(None, &[("pocket-reads", "none")], &tag).unwrap();
        assert_eq!(mixed, ObjectHints { ttl: seconds(3), reads: Some(Limit::None) });
        type Pairs = &'static [(&'static str, &'static str)];
        let bad: [(Option<&str>, Pairs, Pairs, &str); 5] = [
            (None, &[("pocket-tll", "1s")], &[], "tll"),
            (None, &[("pocket-workers", "1")], &[], "workers"),
            (Some("1s"), &[("pocket-ttl", "soon")], &[], "ttl"),
            (None, &[], &[("pocket:tier", "dram")], "tier"),
            (Some("1s"), &[("pocket-reads", "1")], &[("pocket:reads", "0")], "reads"),
        ];
        for (header, metadata, tags, named) in bad {
            let error = hints(header, metadata, tags).unwrap_err();
            assert_eq!(error.code(), &S3ErrorCode::InvalidArgument);
            assert!(error.message().unwrap().contains(named), "{error:?}");
        }
    }

    #[test]
    fn ranges_and_parts_exclude_each_other() {
        let range = dto::Range::parse("bytes=0-4").unwrap();
        assert_eq!(select(Some(range), None).unwrap(), Select::Range(ByteRange::FromTo(0, 4)));
        assert_eq!(select(None, Some(3)).unwrap(), Select::Part(3));
        assert!(select(Some(range), Some(3)).is_err());
        for bad in [0, -1, 10_001, i32::MAX] {
            assert!(part_number(bad).is_err(), "{bad}");
        }
        assert!(copy_source_range("bytes=5-9").is_ok());
        for bad in ["bytes=5-", "bytes=-5", "5-9", "bytes=9-5", ""] {
            assert!(copy_source_range(bad).is_err(), "{bad}");
        }
    }
}
