//! What a request asks of the object before anything is done, and which of its bytes it wants. A condition that cannot be
//! held is refused: one that is ignored loses data.

use super::{shortened, text};
use crate::errors::{bad_argument, not_implemented};
use crate::refusal::Refusal;
use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::limits::PART_NUMBER_MAX;
use pocket_api::metadata::ByteRange;
use pocket_api::object::ETag;
use s3s::dto::{self, ETagCondition};
use std::time::UNIX_EPOCH;

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

/// `If-Range` as what must hold for a range to be sent, beside the other conditions; where it does not, or is neither a
/// strong tag nor a date, the whole object is. Conditions that would outweigh it are refused.
pub(crate) fn if_range(
    headers: &HeaderMap,
    others: &ReadConditions,
) -> Result<Option<ReadConditions>, Refusal> {
    let Some(value) = text(headers, "if-range")? else { return Ok(None) };
    if others.if_match.is_some() || others.if_unmodified_since.is_some() {
        let text = "If-Range together with If-Match or If-Unmodified-Since is not implemented";
        return Err(not_implemented(text));
    }
    Ok(Some(match date(value) {
        since @ Some(_) => ReadConditions { if_unmodified_since: since, ..others.clone() },
        None => {
            let tag = value.starts_with('"').then(|| ETag::parse(value)).flatten();
            let if_match = Some(ETagMatch::Tags(tag.into_iter().collect()));
            ReadConditions { if_match, ..others.clone() }
        }
    }))
}

/// Seconds since 1970, of a date in any of the three forms of HTTP (RFC 9110, 5.6.7).
pub(crate) fn date(text: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(since.as_secs())
}

/// A date of HTTP, in seconds since 1970. One that cannot be read is refused, because a condition is never ignored.
pub(crate) fn http_date(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(value) = text(headers, name)? else { return Ok(None) };
    let bad = || bad_argument(name, value, format!("{name} is not a date of HTTP: {:?}", shortened(value)));
    date(value).map(Some).ok_or_else(bad)
}

/// The condition of a write, from its headers alone because S3's types lack it on copies. Forms that nobody
/// implements are refused: a condition that is ignored loses data.
pub(crate) fn write_condition(headers: &HeaderMap) -> Result<WriteCondition, Refusal> {
    for name in [IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE] {
        if headers.contains_key(&name) {
            return Err(not_implemented(format!("the condition {name} is not implemented for writes")));
        }
    }
    match (text(headers, &IF_MATCH)?, text(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(WriteCondition::None),
        (None, Some("*")) => Ok(WriteCondition::Absent),
        (Some(tags), None) => Ok(WriteCondition::Matches(ETagMatch::parse(tags))),
        (None, Some(_)) => Err(not_implemented("If-None-Match of a write is implemented for * only")),
        (Some(_), Some(_)) => Err(not_implemented("If-Match together with If-None-Match is not implemented")),
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
pub(crate) fn copy_source_range(value: &str) -> Result<ByteRange, Refusal> {
    match dto::Range::parse(value) {
        Ok(range @ dto::Range::Int { last: Some(_), .. }) => Ok(byte_range(range)),
        _ => {
            let text = format!(
                "The x-amz-copy-source-range value must be of the form bytes=first-last: {:?}",
                shortened(value)
            );
            Err(bad_argument("x-amz-copy-source-range", value, text))
        }
    }
}

pub(crate) fn part_number(number: i32) -> Result<u16, Refusal> {
    u16::try_from(number).ok().filter(|n| (1..=PART_NUMBER_MAX).contains(n)).ok_or_else(|| {
        let text =
            format!("Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive: {number}");
        bad_argument("partNumber", number, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::ErrorCode;
    use http::{HeaderName, HeaderValue};

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
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
            assert_eq!(error.code, ErrorCode::NotImplemented, "{refused:?}");
        }
    }

    #[test]
    fn a_range_is_meant_for_the_object_that_it_was_begun_with() {
        let tag = ETag::md5([3; 16]);
        let read = |value: &str, others: &ReadConditions| if_range(&map(&[("if-range", value)]), others);
        let none = ReadConditions::default();
        for (value, tags) in [
            (format!("\"{tag}\""), vec![tag]),
            (format!("W/\"{tag}\""), vec![]),
            (format!("{tag}"), vec![]),
            ("*".to_owned(), vec![]),
            ("yesterday".to_owned(), vec![]),
        ] {
            let conditions = read(&value, &none).unwrap().unwrap();
            assert_eq!(conditions, ReadConditions { if_match: Some(ETagMatch::Tags(tags)), ..none.clone() });
        }
        let dated = read("Thu, 01 Jan 1970 00:00:02 GMT", &none).unwrap().unwrap();
        assert_eq!(dated, ReadConditions { if_unmodified_since: Some(2), ..none.clone() });
        assert!(read("\"x\"", &ReadConditions { if_match: Some(ETagMatch::Any), ..none.clone() }).is_err());
        assert!(if_range(&HeaderMap::new(), &none).unwrap().is_none());
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
    fn parts_have_numbers_and_ranges_of_copies_both_ends() {
        for bad in [0, -1, 10_001, i32::MAX] {
            assert!(part_number(bad).is_err(), "{bad}");
        }
        assert!(copy_source_range("bytes=5-9").is_ok());
        for bad in ["bytes=5-", "bytes=-5", "5-9", "bytes=9-5", ""] {
            assert!(copy_source_range(bad).is_err(), "{bad}");
        }
    }
}
