//! What requests for an object have in common: which of its bytes are wanted, and what must hold.

use crate::arrived::Came;
use crate::errors::s3;
use crate::headers::{self, http_date};
use crate::listing;
use crate::query::Query;
use http::HeaderMap;
use http::header::{IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_UNMODIFIED_SINCE, RANGE};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::conditions::{ETagMatch, ReadConditions};
use pocket_api::metadata::{ByteRange, Select, UploadId};
use std::str::FromStr;

pub(super) fn part_number(text: &str) -> Result<u16, Refusal> {
    match text.parse() {
        Ok(number) => headers::part_number(number),
        Err(_) => {
            let why = format!(
                "Part number must be an integer between 1 and 10000, inclusive: {:?}",
                shortened(text)
            );
            Err(Refusal::invalid("partNumber", text, why))
        }
    }
}

/// A number that a query or a header has; an empty one is none.
pub(super) fn number<N: FromStr>(name: &str, text: Option<&str>) -> Result<Option<N>, Refusal> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    let bad = || {
        let why = format!("Provided {name} not an integer or within integer range: {:?}", shortened(text));
        Refusal::invalid(name, text, why)
    };
    text.parse().map(Some).map_err(|_| bad())
}

/// How many items a page may have: S3 answers at most 1,000 whatever was asked.
pub(super) fn items_max(name: &str, text: Option<&str>) -> Result<usize, Refusal> {
    listing::max_items(number(name, text)?, name)
}

/// The number of a part after which a page begins.
pub(super) fn marker(name: &str, text: Option<&str>) -> Result<u32, Refusal> {
    let marker: i32 = number(name, text)?.unwrap_or(0);
    let bad =
        |_| Refusal::invalid(name, marker, format!("Argument {name} must be an integer from 0: {marker}"));
    u32::try_from(marker).map_err(bad)
}

/// Of an operation on an upload, or it would be another operation.
pub(super) fn upload_id(query: &Query<'_>) -> UploadId {
    UploadId(query.get("uploadId").unwrap_or("").into())
}

pub(super) fn select(headers: &HeaderMap, query: &Query<'_>, came: Came) -> Result<Select, Refusal> {
    let range =
        came.range.then(|| headers.get(RANGE)).flatten().and_then(|range| byte_range(range.to_str().ok()?));
    match (range, query.get("partNumber").filter(|number| !number.is_empty())) {
        (None, None) => Ok(Select::Whole),
        (Some(range), None) => Ok(Select::Range(range)),
        (None, Some(number)) => part_number(number).map(Select::Part),
        (Some(_), Some(_)) => {
            let text = "Cannot specify both Range header and partNumber query parameter";
            Err(s3(ErrorCode::InvalidRequest, text))
        }
    }
}

/// One range of bytes. Anything else is no Range: S3 and HTTP answer with the whole object, and with 200 say so.
pub(super) fn byte_range(text: &str) -> Option<ByteRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| {
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // What cannot be counted is behind the end of every object.
        is_number.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    match (first, last) {
        ("", last) => number(last).map(ByteRange::Last),
        (first, "") => number(first).map(ByteRange::From),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(ByteRange::FromTo(first, last))
        }
    }
}

/// Dates that cannot be read are no conditions, as HTTP demands (RFC 9110, 13.1.3 and 13.1.4). Tags that are no text are those
/// of no object.
pub(super) fn read_conditions(headers: &HeaderMap, came: Came) -> ReadConditions {
    if !came.conditions {
        return ReadConditions::default();
    }
    let tags = |name| headers.get(name).map(|value| ETagMatch::parse(value.to_str().unwrap_or_default()));
    ReadConditions {
        if_match: tags(IF_MATCH),
        if_none_match: tags(IF_NONE_MATCH),
        if_modified_since: http_date(headers, IF_MODIFIED_SINCE),
        if_unmodified_since: http_date(headers, IF_UNMODIFIED_SINCE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrived::Arrived;
    use http::{HeaderName, HeaderValue};
    use pocket_api::object::ETag;

    fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
    }

    fn selected(range: Option<&str>, query: &str) -> Result<Select, ErrorCode> {
        let headers = map(&range.map(|range| ("range", range)).into_iter().collect::<Vec<_>>());
        select(&headers, &Query::parse(query).unwrap(), Arrived::of(&headers).came)
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn what_is_not_one_range_of_bytes_is_no_range() {
        for (range, expected) in [
            ("bytes=0-4", Some(ByteRange::FromTo(0, 4))),
            ("bytes=5-", Some(ByteRange::From(5))),
            ("bytes=-3", Some(ByteRange::Last(3))),
            ("bytes=-0", Some(ByteRange::Last(0))),
            ("bytes=0-99999999999999999999", Some(ByteRange::FromTo(0, u64::MAX))),
            ("bytes=99999999999999999999-", Some(ByteRange::From(u64::MAX))),
            ("bytes=4-0", None),
            ("bytes=0-1,3-4", None),
            ("bytes=-", None),
            ("bytes=+1-2", None),
            ("bytes= 1-2", None),
            ("lines=0-1", None),
            ("", None),
        ] {
            assert_eq!(byte_range(range), expected, "{range}");
        }
    }

    #[test]
    fn ranges_and_parts_exclude_each_other() {
        assert_eq!(selected(None, ""), Ok(Select::Whole));
        assert_eq!(selected(Some("bytes=0-4"), ""), Ok(Select::Range(ByteRange::FromTo(0, 4))));
        assert_eq!(selected(None, "partNumber=3"), Ok(Select::Part(3)));
        assert_eq!(selected(Some("bytes=0-4"), "partNumber=3"), Err(ErrorCode::InvalidRequest));
        for bad in ["0", "-1", "10001", "x", "1.5"] {
            assert_eq!(
                selected(None, &format!("partNumber={bad}")),
                Err(ErrorCode::InvalidArgument),
                "{bad}"
            );
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
            let headers = map(&[("if-none-match", &text)]);
            let conditions = read_conditions(&headers, Arrived::of(&headers).came);
            assert_eq!(conditions.if_none_match, Some(ETagMatch::Tags(tags)), "{text}");
        }
    }

    #[test]
    fn numbers_are_read_or_refused_by_name() {
        assert_eq!(items_max("max-parts", None).unwrap(), 1_000);
        assert_eq!(items_max("max-parts", Some("")).unwrap(), 1_000);
        assert_eq!(items_max("max-parts", Some("5000")).unwrap(), 1_000);
        assert_eq!(items_max("max-parts", Some("0")).unwrap(), 0);
        assert_eq!(marker("part-number-marker", Some("70000")).unwrap(), 70_000);
        for bad in ["-1", "x", "1.5", "99999999999"] {
            for refused in [items_max("n", Some(bad)).err(), marker("n", Some(bad)).err()] {
                let refusal = refused.unwrap();
                assert_eq!(refusal.code, ErrorCode::InvalidArgument, "{bad}");
                assert_eq!(refusal.elements()[0], ("ArgumentName", "n".to_owned()));
            }
        }
    }

    #[test]
    fn dates_are_read_in_all_three_forms_and_rubbish_is_no_condition() {
        for (date, secs) in headers::DATES {
            let conditions = {
                let headers = map(&[("if-modified-since", date), ("if-unmodified-since", date)]);
                read_conditions(&headers, Arrived::of(&headers).came)
            };
            assert_eq!(
                (conditions.if_modified_since, conditions.if_unmodified_since),
                (secs, secs),
                "{date}"
            );
        }
    }
}
