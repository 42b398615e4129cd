//! What answers show of an object: its tag, its times, the end of its life.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_api::clock::Timestamp;
use pocket_api::lifecycle::RuleEnd;
use pocket_api::object::ObjectMeta;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Named in `x-amz-expiration` where the object's own TTL ends it: clients expect the id of a rule.
const TTL_RULE: &str = "pocket-ttl";
/// The last second that an HTTP date can say.
const HTTP_DATE_MAX: Timestamp = Timestamp(253_402_300_799_000);
/// What is encoded in the id of a rule.
const RULE_ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

// ---- what is shown ----

fn system_time(stamp: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(stamp.0)
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
pub(crate) fn abort(end: &RuleEnd) -> (String, String) {
    (httpdate::fmt_http_date(system_time(over(end.at))), rule_id(&end.rule))
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let (date, id) = abort(&end);
        assert_eq!((&*date, &*id), ("Thu, 01 Jan 1970 00:00:02 GMT", "logs%3A%20%22old%22%2F%C3%BC"));
    }
}
