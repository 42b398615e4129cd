//! What is said of a copy and of a rename in headers.

use super::*;
use crate::headers::DATES;
use http::{HeaderName, HeaderValue};
use pocket_access::acl::Said;
use pocket_api::object::ETag;

fn map(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_str(v).unwrap())).collect()
}

fn code<T>(outcome: Result<T, Refusal>) -> Option<ErrorCode> {
    outcome.err().map(|refusal| refusal.code)
}

#[test]
fn sources_are_a_bucket_and_a_key_however_they_are_encoded() {
    let read = |named| {
        let source = source(&map(&[(SOURCE, named)])).unwrap();
        (source.bucket.to_string(), source.key.to_string(), source.of_version)
    };
    for (named, key, of_version) in [
        ("bucket/a", "a", false),
        ("/bucket/a", "a", false),
        ("%2Fbucket%2Fa", "a", false),
        ("bucket//a", "/a", false),
        ("bucket/a%20b+c/%C3%BC%25", "a b+c/ü%", false),
        ("bucket/100%", "100%", false),
        ("bucket/a?b", "a?b", false),
        ("bucket/a?versionId=null", "a", true),
        ("bucket/a%3FversionId=x", "a?versionId=x", false),
    ] {
        assert_eq!(read(named), ("bucket".to_owned(), key.to_owned(), of_version), "{named}");
    }
    for (named, expected) in [
        ("", ErrorCode::InvalidArgument),
        ("bucket", ErrorCode::InvalidArgument),
        ("bucket/", ErrorCode::InvalidArgument),
        ("B/a", ErrorCode::InvalidArgument),
        ("bucket/%ff", ErrorCode::InvalidArgument),
        ("bucket/a?versionId=", ErrorCode::InvalidArgument),
        ("bucket/a?versionId=7", ErrorCode::NoSuchVersion),
        ("arn:aws:s3:us-east-1:123456789012:accesspoint/ap/object/k", ErrorCode::NotImplemented),
    ] {
        assert_eq!(code(source(&map(&[(SOURCE, named)]))), Some(expected), "{named}");
    }
    let long = format!("bucket/{}", "k".repeat(1_025));
    assert_eq!(code(source(&map(&[(SOURCE, &long)]))), Some(ErrorCode::InvalidArgument));
}

#[test]
fn dates_in_conditions_on_a_source_are_read_in_all_three_forms_and_rubbish_is_none() {
    for (date, secs) in DATES {
        let copied = map(&[
            (SOURCE, "bucket/k"),
            ("x-amz-copy-source-if-modified-since", date),
            ("x-amz-copy-source-if-unmodified-since", date),
        ]);
        let copied = source(&copied).unwrap().conditions;
        assert_eq!((copied.if_modified_since, copied.if_unmodified_since), (secs, secs), "{date}");
        // A rename keeps what it is told to keep, or is refused.
        for name in ["x-amz-rename-source-if-modified-since", "x-amz-rename-source-if-unmodified-since"] {
            let renamed = source_conditions(&map(&[(name, date)]), RENAME_SOURCE);
            let found = renamed.map(|c| c.if_modified_since.or(c.if_unmodified_since)).ok();
            assert_eq!(found, secs.map(Some), "{name}: {date}");
        }
        let there = destination_condition(&map(&[("if-modified-since", date)]));
        assert_eq!(there.is_ok(), secs.is_some(), "{date}");
    }
}

#[test]
fn conditions_on_a_source_may_list_tags_and_are_never_lost() {
    let (one, two) = (ETag::md5([1; 16]), ETag { parts: 2, ..ETag::md5([2; 16]) });
    let held = map(&[
        ("x-amz-copy-source-if-match", &format!("\"not ours\", \"{one}\",W/\"{two}\"")),
        ("x-amz-copy-source-if-none-match", "*"),
    ]);
    let held = source_conditions(&held, SOURCE).unwrap();
    assert_eq!(held.if_match, Some(ETagMatch::Tags(vec![one, two])));
    assert_eq!(held.if_none_match, Some(ETagMatch::Any));
    let mut odd = HeaderMap::new();
    odd.insert("x-amz-copy-source-if-match", HeaderValue::from_bytes(b"\xff").unwrap());
    assert_eq!(code(source_conditions(&odd, SOURCE)), Some(ErrorCode::InvalidArgument));
}

#[test]
fn ranges_of_a_source_have_both_ends() {
    assert_eq!(source_range("bytes=5-9").unwrap(), ByteRange::FromTo(5, 9));
    for bad in ["bytes=5-", "bytes=-5", "5-9", "bytes=9-5", ""] {
        assert!(source_range(bad).is_err(), "{bad}");
    }
}

#[test]
fn tags_of_a_request_count_only_where_they_replace_those_of_the_source_and_hints_are_never_lost() {
    let said = |names: &[(&'static str, &str)]| {
        let map = map(names);
        let directives =
            Directives { metadata: directive(&map, "metadata")?, tags: directive(&map, "tagging")? };
        let taken = taken(headers::describe(&map, &Said::Nothing)?, directives)?;
        Ok::<_, Refusal>(taken.map_or(0, |headers| headers.tags.len()))
    };
    let tagging = ("x-amz-tagging", "a=b&c=d");
    let replacing = |what| (what, "REPLACE");
    assert_eq!(said(&[tagging]).unwrap(), 0);
    assert_eq!(said(&[tagging, ("x-amz-tagging-directive", "COPY")]).unwrap(), 0);
    assert_eq!(said(&[tagging, replacing("x-amz-tagging-directive")]).unwrap(), 2);
    assert_eq!(said(&[("content-type", "a/b"), tagging]).unwrap(), 0);
    for (hint, directive, tags) in [
        (("x-amz-meta-pocket-ttl", "5m"), "x-amz-metadata-directive", 0),
        (("x-amz-tagging", "pocket:ttl=5m"), "x-amz-tagging-directive", 1),
    ] {
        assert_eq!(code(said(&[hint])), Some(ErrorCode::InvalidArgument), "{hint:?}");
        assert_eq!(said(&[hint, replacing(directive)]).unwrap(), tags);
    }
    assert_eq!(code(said(&[("x-amz-tagging-directive", "MERGE")])), Some(ErrorCode::InvalidArgument));
}

#[test]
fn the_source_of_a_rename_is_a_key_with_or_without_a_slash_before_it() {
    let key = |raw| renamed(&map(&[(RENAME_SOURCE, raw)])).map(|key| key.as_str().to_owned());
    for (raw, expected) in [
        ("a", "a"),
        ("/a", "a"),
        ("//a", "/a"),
        ("%2Fa", "/a"),
        ("a/b%20c+d", "a/b c+d"),
        ("%C3%BC%25", "ü%"),
        ("a/", "a/"),
    ] {
        assert_eq!(key(raw).unwrap(), expected, "{raw}");
    }
    for bad in ["", "/", "%zz", "%ff"] {
        assert!(key(bad).is_err(), "{bad}");
    }
    assert!(renamed(&HeaderMap::new()).is_err());
}

#[test]
fn conditions_on_the_destination_are_held_or_refused() {
    let date = "Thu, 01 Jan 1970 00:00:02 GMT";
    let of = |pairs: &[_]| destination_condition(&map(pairs));
    assert_eq!(of(&[]).unwrap(), WriteCondition::None);
    assert_eq!(of(&[("if-none-match", "*")]).unwrap(), WriteCondition::Absent);
    let WriteCondition::Meets(held) = of(&[("if-match", "*"), ("if-unmodified-since", date)]).unwrap() else {
        panic!("no condition")
    };
    assert_eq!((held.if_match, held.if_unmodified_since), (Some(ETagMatch::Any), Some(2)));
    for bad in [&[("if-none-match", "\"x\"")][..], &[("if-none-match", "*"), ("if-match", "*")]] {
        assert!(of(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn tokens_are_bounded() {
    let of = |value| token(&map(&[("x-amz-client-token", value)]));
    assert_eq!(of("a-1").unwrap().as_deref(), Some("a-1"));
    for bad in ["", "a b", "0123456789012345678901234567890123456789012345678901234567890123x"] {
        assert!(of(bad).is_err(), "{bad}");
    }
}
