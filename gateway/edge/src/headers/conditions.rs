//! What a request asks of the object before anything is done. A condition of a write that cannot be held is refused: one that
//! is ignored loses data.

use super::text::text;
use crate::errors::not_implemented;
use http::HeaderMap;
use http::header::{AsHeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use pocket_access::refusal::{Refusal, shortened};
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::limits::PART_NUMBER_MAX;
use pocket_api::object::ETag;
use std::time::UNIX_EPOCH;
use time::PrimitiveDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

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

/// Seconds since 1970, of a date in any of the three forms of HTTP (RFC 9110, 5.6.7). One before that is 1970: nothing
/// here is as old.
fn date(text: &str) -> Option<u64> {
    match httpdate::parse_http_date(text) {
        Ok(date) => Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs()),
        Err(_) => is_before_1970(text).then_some(0),
    }
}

/// A date that `httpdate` does not know. The form with two digits for the year has none: 69 and less are of this century.
fn is_before_1970(text: &str) -> bool {
    const USUAL: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    const OF_ASCTIME: &[BorrowedFormatItem<'_>] = format_description!(
        "[weekday repr:short] [month repr:short] [day padding:space] [hour]:[minute]:[second] [year]"
    );
    let date = [USUAL, OF_ASCTIME].into_iter().find_map(|form| PrimitiveDateTime::parse(text, form).ok());
    date.is_some_and(|date| date.year() < 1970)
}

/// Dates in headers, and what is read out of them.
#[cfg(test)]
pub(crate) const DATES: [(&str, Option<u64>); 11] = [
    ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
    ("Sunday, 06-Nov-94 08:49:37 GMT", Some(784_111_777)),
    ("Sun Nov  6 08:49:37 1994", Some(784_111_777)),
    ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
    ("Fri, 01 Jan 1960 00:00:00 GMT", Some(0)),
    ("Fri Jan  1 00:00:00 1960", Some(0)),
    ("Fri, 31 Dec 0001 23:59:59 GMT", Some(0)),
    ("yesterday", None),
    ("1994-11-06T08:49:37Z", None),
    ("Fri, 32 Jan 1960 00:00:00 GMT", None),
    ("Fri, 01 Jan 1960 00:00:00 CET", None),
];

/// A date of HTTP in a header, in seconds since 1970. One that cannot be read is no condition, as HTTP demands (RFC 9110,
/// 13.1.3 and 13.1.4).
pub(crate) fn http_date(headers: &HeaderMap, name: impl AsHeaderName) -> Option<u64> {
    date(headers.get(name)?.to_str().ok()?)
}

/// As [`http_date`], of a condition of a write: ignored, it would lose data.
pub(crate) fn date_to_keep(headers: &HeaderMap, name: &str) -> Result<Option<u64>, Refusal> {
    let Some(said) = text(headers, name)? else { return Ok(None) };
    let read = || Refusal::invalid(name, said, format!("{name} is no date of HTTP: {:?}", shortened(said)));
    date(said).map(Some).ok_or_else(read)
}

/// The condition of a write. Forms that nobody
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

pub(crate) fn part_number(number: i32) -> Result<u16, Refusal> {
    u16::try_from(number).ok().filter(|n| (1..=PART_NUMBER_MAX).contains(n)).ok_or_else(|| {
        let text =
            format!("Part number must be an integer between 1 and {PART_NUMBER_MAX}, inclusive: {number}");
        Refusal::invalid("partNumber", number, text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use pocket_access::refusal::ErrorCode;

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
    fn parts_have_numbers() {
        for bad in [0, -1, 10_001, i32::MAX] {
            assert!(part_number(bad).is_err(), "{bad}");
        }
    }
}
