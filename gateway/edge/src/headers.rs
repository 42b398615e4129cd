//! Between S3's headers and the domain's types, both ways, for everything that more than one operation reads or shows.
//! Pure; what cannot be honoured is refused here and never dropped.

mod conditions;
mod shown;
mod text;

#[cfg(test)]
pub(crate) use conditions::DATES;
pub(crate) use conditions::{date_to_keep, http_date, if_range, part_number, write_condition};
pub(crate) use shown::{abort, expiration, not_modified, put};
pub(crate) use text::{flag, text};

use crate::errors::{from_hint, s3};
use crate::hint_places::{METADATA_PREFIX, OBJECT_HEADERS, OBJECT_METADATA, OBJECT_TAGS};
use crate::tags;
use crate::{payload, rfc2047};
use http::header;
use http::{HeaderMap, HeaderName};
use pocket_access::acl::Said;
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::hints::{HintError, ObjectHints, is_meant_for_hint, parse_wait};
use pocket_api::limits::USER_METADATA_MAX_BYTES;
use pocket_api::object::ObjectHeaders;
use pocket_api::storage_class::StorageClass;
use std::sync::Arc;
use std::time::Duration;
use text::not_text;

fn parse_storage_class(name: &str) -> Result<StorageClass, Refusal> {
    StorageClass::parse(name).ok_or_else(|| {
        let text = format!("The storage class you specified is not valid: {:?}", shortened(name));
        s3(ErrorCode::InvalidStorageClass, text)
    })
}

/// What S3 lets a writer say of an object, as far as it says something.
pub(crate) fn describe(headers: &HeaderMap, acl: &Said) -> Result<Option<Arc<ObjectHeaders>>, Refusal> {
    let text = |name: HeaderName| -> Result<Option<String>, Refusal> {
        let Some(value) = headers.get(&name).filter(|value| !value.is_empty()) else { return Ok(None) };
        let text = std::str::from_utf8(value.as_bytes());
        text.map(|text| Some(text.to_owned())).map_err(|_| not_text(name.as_str(), value, "text"))
    };
    let mut described = ObjectHeaders {
        content_type: text(header::CONTENT_TYPE)?,
        content_encoding: stored_encoding(headers),
        content_disposition: text(header::CONTENT_DISPOSITION)?,
        content_language: text(header::CONTENT_LANGUAGE)?,
        cache_control: text(header::CACHE_CONTROL)?,
        expires: text(header::EXPIRES)?,
        user: user_metadata(headers)?,
        tags: Vec::new(),
        storage_class: None,
        acl: acl.of_new_object(),
    };
    if let Some(tagging) = self::text(headers, "x-amz-tagging")? {
        described.tags = tags::from_header(tagging)?;
    }
    if let Some(class) = self::text(headers, "x-amz-storage-class")? {
        described.storage_class = Some(parse_storage_class(class)?);
    }
    Ok((described != ObjectHeaders::default()).then(|| Arc::new(described)))
}

/// `Content-Encoding` as it belongs to the object: SDKs send the framing in a line of its own.
fn stored_encoding(headers: &HeaderMap) -> Option<String> {
    let mut lines = headers.get_all(header::CONTENT_ENCODING).iter().map(|line| line.to_str().ok());
    let first = lines.next()?;
    let lines = std::iter::once(first).chain(lines).collect::<Option<Vec<&str>>>()?;
    payload::stored_encoding(&lines.join(","))
}

/// In the order of names. One that came more than once is joined by commas.
fn user_metadata(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refusal> {
    let mut user: Vec<(String, String)> = Vec::new();
    for (header, value) in headers {
        let Some(name) = header.as_str().strip_prefix("x-amz-meta-") else { continue };
        let text = std::str::from_utf8(value.as_bytes()).ok().and_then(|text| rfc2047::decode(text.trim()));
        let Some(text) = text else {
            return Err(Refusal::invalid(
                header.as_str(),
                String::from_utf8_lossy(value.as_bytes()),
                format!("the value of {header} is neither text nor an encoded word of RFC 2047"),
            ));
        };
        // Those of one name come one after the other.
        match user.last_mut().filter(|(known, _)| known == name) {
            Some((_, before)) => {
                before.push(',');
                before.push_str(&text);
            }
            None => user.push((name.to_owned(), text.into_owned())),
        }
    }
    user.sort_unstable();
    check_user_metadata(&user)?;
    Ok(user)
}

fn check_user_metadata(user: &[(String, String)]) -> Result<(), Refusal> {
    let bytes: usize = user.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes <= USER_METADATA_MAX_BYTES {
        return Ok(());
    }
    let text = format!("user metadata of {bytes} bytes: at most {USER_METADATA_MAX_BYTES} are allowed");
    Err(s3(ErrorCode::MetadataTooLarge, text)
        .with("Size", bytes)
        .with("MaxSizeAllowed", USER_METADATA_MAX_BYTES))
}

/// Hints of an object in the order of their precedence: from headers of their own, from user metadata, from tags. Each
/// source is checked, also where another one outweighs it.
pub(crate) fn object_hints(
    headers: &HeaderMap,
    said: Option<&ObjectHeaders>,
) -> Result<ObjectHints, Refusal> {
    let ttl = text(headers, "x-pocket-ttl")?.map(|value| ("ttl", value));
    let reads = text(headers, "x-pocket-reads")?.map(|value| ("reads", value));
    let refused = |place| move |error: HintError| from_hint(error.at(place));
    let hints = ObjectHints::parse(ttl.into_iter().chain(reads)).map_err(refused(OBJECT_HEADERS))?;
    let Some(said) = said else { return Ok(hints) };
    let from_metadata = ObjectHints::parse(metadata_hints(said)).map_err(refused(OBJECT_METADATA))?;
    let from_tags = ObjectHints::parse(tags::hints(&said.tags)).map_err(refused(OBJECT_TAGS))?;
    Ok(hints.or(from_metadata).or(from_tags))
}

/// Names and values of the hints among user metadata, those that are misspelt included: see [`tags::hints`].
fn metadata_hints(headers: &ObjectHeaders) -> impl Iterator<Item = (&str, &str)> {
    let named = headers.user.iter().filter(|(name, _)| is_meant_for_hint(name));
    named.map(|(name, value)| (name.strip_prefix(METADATA_PREFIX).unwrap_or(name), value.as_str()))
}

pub(crate) fn wait(headers: &HeaderMap) -> Result<Option<Duration>, Refusal> {
    text(headers, "x-pocket-wait")?.map(|value| parse_wait(value).map_err(from_hint)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use pocket_api::hints::Limit;

    #[test]
    fn user_metadata_is_bounded_and_sorted() {
        let given = |size: usize| {
            let (name, other) =
                (HeaderName::from_static("x-amz-meta-b"), HeaderName::from_static("x-amz-meta-a"));
            let long = HeaderValue::try_from("x".repeat(size)).unwrap();
            let headers = HeaderMap::from_iter([(name, long), (other, HeaderValue::from_static("y"))]);
            describe(&headers, &Said::Nothing)
        };
        let kept = given(USER_METADATA_MAX_BYTES - 3).unwrap().unwrap();
        assert_eq!(kept.user.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        let error = given(USER_METADATA_MAX_BYTES - 2).unwrap_err();
        assert_eq!(error.code, ErrorCode::MetadataTooLarge);
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
        let bad: [(Option<&str>, Pairs, Pairs, &str); 8] = [
            (None, &[("pocket-tll", "1s")], &[], "\"tll\" (did you mean x-amz-meta-pocket-ttl?)"),
            (None, &[("pocket-workers", "1")], &[], "\"workers\"; it takes x-amz-meta-pocket-ttl, "),
            (None, &[("pocket_ttl", "1s")], &[], "\"pocket_ttl\" (did you mean x-amz-meta-pocket-ttl?)"),
            (None, &[], &[("pocket-ttl", "1s")], "\"pocket-ttl\" (did you mean pocket:ttl?)"),
            (None, &[], &[("Pocket:Reads", "1")], "\"Pocket:Reads\" (did you mean pocket:reads?)"),
            (Some("15M"), &[], &[], "\"15M\": a time above 0, of at most 10 years, in d, h, m, s or ms"),
            (Some("1s"), &[("pocket-ttl", "soon")], &[], "ttl"),
            (Some("1s"), &[("pocket-reads", "1")], &[("pocket:reads", "0")], "reads"),
        ];
        for (header, metadata, tags, named) in bad {
            let error = hints(header, metadata, tags).unwrap_err();
            assert_eq!(error.code, ErrorCode::InvalidArgument);
            assert!(error.message.contains(named), "{error:?}");
        }
    }
}
