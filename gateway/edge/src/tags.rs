//! Tags with S3's limits, and as a header has them. Pure; the same for objects and buckets but for how many there may be.

use crate::errors::s3;
use crate::hint_places::TAG_PREFIX;
use crate::percent::{self, Part};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::hints::is_meant_for_hint;
use pocket_api::object::Tags;

/// What has tags, for S3 bounds their number by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tagged {
    Object,
    Bucket,
}

impl Tagged {
    /// S3's bound.
    pub(crate) const fn tags_max(self) -> usize {
        match self {
            Self::Object => 10,
            Self::Bucket => 50,
        }
    }
}

/// S3's bounds on a tag, in characters.
const TAG_KEY_MAX_CHARS: usize = 128;
/// See [`TAG_KEY_MAX_CHARS`].
const TAG_VALUE_MAX_CHARS: usize = 256;
/// The tag of a bucket that says what the days of its lifecycle rules are.
pub(crate) const UNIT_TAG: &str = "pocket:lifecycle-unit";

/// Tags of an object as `x-amz-tagging` carries them: a query.
pub(crate) fn from_header(value: &str) -> Result<Tags, Refusal> {
    let malformed = || {
        Refusal::invalid(
            "x-amz-tagging",
            value,
            "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag \
             name duplicates.",
        )
    };
    let decoded =
        |raw| percent::decode(raw, Part::Query).map(|text| text.into_owned()).map_err(|_| malformed());
    let mut tags = Tags::new();
    for pair in value.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let key = decoded(key)?;
        if tags.iter().any(|(other, _)| *other == key) {
            return Err(malformed());
        }
        tags.push((key, decoded(value)?));
        check_count(&tags, Tagged::Object)?;
    }
    tags.iter().try_for_each(check)?;
    Ok(tags)
}

/// Each tag by itself, and that no key is there twice.
pub fn check_all(tags: &[(String, String)]) -> Result<(), Refusal> {
    for (i, tag) in tags.iter().enumerate() {
        check(tag)?;
        if tags[..i].iter().any(|(key, _)| *key == tag.0) {
            let text = format!("Cannot provide multiple Tags with the same key: {:?}", shortened(&tag.0));
            return Err(s3(ErrorCode::InvalidTag, text));
        }
    }
    Ok(())
}

/// That there are not too many.
pub(crate) fn check_count(tags: &[(String, String)], of: Tagged) -> Result<(), Refusal> {
    if tags.len() <= of.tags_max() {
        return Ok(());
    }
    let text = format!("{of:?} tags cannot be greater than {}", of.tags_max());
    Err(s3(ErrorCode::BadRequest, text))
}

fn check((key, value): &(String, String)) -> Result<(), Refusal> {
    let refused =
        |text: &str, what: &str| Err(s3(ErrorCode::InvalidTag, format!("{text}: {:?}", shortened(what))));
    if key.is_empty() || key.chars().count() > TAG_KEY_MAX_CHARS || !key.chars().all(is_allowed) {
        return refused("The TagKey you have provided is invalid", key);
    }
    if value.chars().count() > TAG_VALUE_MAX_CHARS || !value.chars().all(is_allowed) {
        return refused("The TagValue you have provided is invalid", value);
    }
    if key.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("aws:")) {
        return refused("System tags cannot be added/updated by requester", key);
    }
    Ok(())
}

/// Letters, numbers and spaces of any script, and a few signs.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || (c.is_whitespace() && !c.is_control()) || "+-=._:/@".contains(c)
}

/// Names and values of the hints among the tags of a bucket.
pub fn bucket_hints(tags: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    hints(tags).filter(|(name, _)| UNIT_TAG.strip_prefix(TAG_PREFIX) != Some(name))
}

/// Names and values of the hints among tags. What is meant for one and misspelt has its whole key for a name, which is no
/// hint's, so that whoever reads them refuses it.
pub fn hints(tags: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    let tags = tags.iter().filter(|(key, _)| is_meant_for_hint(key));
    tags.map(|(key, value)| (key.strip_prefix(TAG_PREFIX).unwrap_or(key), value.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(tags: &[(&str, &str)]) -> Tags {
        tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    fn code<T>(outcome: Result<T, Refusal>) -> Option<String> {
        outcome.err().map(|error| error.code.as_str().to_owned())
    }

    #[test]
    fn headers_are_read_as_queries() {
        for (header, tags) in [
            ("", pairs(&[])),
            ("a=b", pairs(&[("a", "b")])),
            ("a=b&c=&d", pairs(&[("a", "b"), ("c", ""), ("d", "")])),
            ("a%2Bb=c+d", pairs(&[("a+b", "c d")])),
            ("pocket%3Attl=5m&k=%C3%BC+%2B", pairs(&[("pocket:ttl", "5m"), ("k", "ü +")])),
            ("a=b=c", pairs(&[("a", "b=c")])),
        ] {
            assert_eq!(from_header(header).unwrap(), tags, "{header}");
        }
        assert_eq!(code(from_header("a=b%26c")).as_deref(), Some("InvalidTag"));
        for bad in ["a=%zz", "a=%ff", "a=1&a=2", "%61=1&a=2"] {
            assert_eq!(code(from_header(bad)).as_deref(), Some("InvalidArgument"), "{bad}");
        }
    }

    #[test]
    fn the_limits_of_s3_hold() {
        let key = |n| "k".repeat(n);
        for (tag, refused) in [
            (("k".into(), String::new()), None),
            ((key(128), "ü".repeat(256)), None),
            (("日本 語".into(), "a+b-c=d.e_f:g/h@i".into()), None),
            ((String::new(), "v".into()), Some("InvalidTag")),
            ((key(129), "v".into()), Some("InvalidTag")),
            ((key(1), "v".repeat(257)), Some("InvalidTag")),
            (("k*".into(), "v".into()), Some("InvalidTag")),
            (("k".into(), "v\n".into()), Some("InvalidTag")),
            (("k".into(), "<v>".into()), Some("InvalidTag")),
            (("aws:k".into(), "v".into()), Some("InvalidTag")),
            (("AWS:k".into(), "v".into()), Some("InvalidTag")),
        ] {
            assert_eq!(code(check_all(std::slice::from_ref(&tag))).as_deref(), refused, "{tag:?}");
        }
        let many = |n| (0..n).map(|i| (format!("k{i}"), "v".to_owned())).collect::<Tags>();
        for (of, most) in [(Tagged::Object, 10), (Tagged::Bucket, 50)] {
            assert_eq!(code(check_count(&many(most), of)), None);
            assert_eq!(code(check_count(&many(most + 1), of)).as_deref(), Some("BadRequest"));
        }
        let twice = pairs(&[("k", "1"), ("k", "2")]);
        assert_eq!(code(check_all(&twice)).as_deref(), Some("InvalidTag"));
    }

    #[test]
    fn hints_are_told_from_other_tags() {
        let tags = pairs(&[("pocket:ttl", "5m"), ("pocket", "x"), ("team", "blue"), ("Pocket-ttl", "6m")]);
        assert_eq!(hints(&tags).collect::<Vec<_>>(), [("ttl", "5m"), ("Pocket-ttl", "6m")]);
    }

    proptest! {
        #[test]
        fn no_header_makes_it_panic_and_what_passes_is_within_the_limits(header in "[a-c%=&+0-9ä: ]{0,60}") {
            if let Ok(tags) = from_header(&header) {
                prop_assert!(tags.len() <= Tagged::Object.tags_max());
                check_all(&tags).unwrap();
            }
        }
    }
}
