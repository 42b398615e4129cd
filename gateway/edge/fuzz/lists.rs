//! Texts with which a client goes on with a list, those in which names are shown, and those in which copies name their source.

use super::assert_refusal;
use crate::checksums::only_one;
use crate::listing::{Encoding, is_common_prefix, read_token, start_after, token};
use crate::wire::copies::{source, source_range};
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::metadata::{ListItem, ListStart};
use pocket_fuzz::{Mutant, Mutants, check, within_memory};

/// A token is hex: the name, and the copies that are made of it.
const MEMORY_FACTOR: usize = 8;

#[test]
fn tokens_that_are_taken_are_those_that_are_given() {
    let seeds = Mutants::of(["k6162", "p612f", "k", "pc3bc2f", "kC3BC", "k00"]);
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        match within_memory(text.len(), MEMORY_FACTOR, || read_token(&text)) {
            Err(error) => assert_refusal(&error),
            Ok(ListStart::AfterPrefix(name)) => {
                assert!(token(&ListItem::Prefix(name)).eq_ignore_ascii_case(&text));
            }
            Ok(ListStart::After(name)) => {
                assert!(format!("k{}", hex::encode(name)).eq_ignore_ascii_case(&text))
            }
            Ok(ListStart::Beginning) => panic!("a token of nothing"),
        }
    });
}

#[test]
fn markers_stand_behind_all_that_they_name() {
    let seeds = Mutants::of(["a/b/c", "a/", "/", "", "ü/€", "a//b", "dir/sub/key"]);
    let texts = (seeds.clone(), seeds.clone(), seeds);
    check!(20_000, texts, |(marker, prefix, delimiter): &(Mutant, Mutant, Mutant)| {
        let (marker, prefix, delimiter) = (marker.text(), prefix.text(), delimiter.text());
        let delimiter = Some(delimiter.as_str()).filter(|d| !d.is_empty());
        let is_prefix = is_common_prefix(&marker, &prefix, delimiter);
        let expected = delimiter.is_some_and(|d| {
            let rest = marker.strip_prefix(&*prefix).and_then(|rest| rest.split_once(d));
            rest.is_some_and(|(_, after)| after.is_empty())
        });
        assert_eq!(is_prefix, expected);
        let start = match (marker.is_empty(), is_prefix) {
            (true, _) => ListStart::Beginning,
            (false, true) => ListStart::AfterPrefix(marker.clone()),
            (false, false) => ListStart::After(marker.clone()),
        };
        assert_eq!(start_after(Some(marker), &prefix, delimiter), start);
    },);
}

#[test]
fn names_in_url_encoding_read_back_as_they_are() {
    let seeds = Mutants::of(["a b/+%ü~", "\u{1}\u{7f}", "x<&>\"'"]);
    check!(10_000, seeds, |mutant: &Mutant| {
        let name = mutant.text();
        let written = within_memory(name.len(), 2 * MEMORY_FACTOR, || Encoding::Url.write(name.clone()));
        assert!(written.bytes().all(|b| b.is_ascii_graphic()), "{written}");
        assert_eq!(percent_encoding::percent_decode_str(&written).decode_utf8().unwrap(), name);
    });
}

#[test]
fn sources_of_copies_name_an_object_or_are_refused() {
    let seeds = Mutants::of([
        "/bucket/a%20b?versionId=null",
        "bucket/\u{fc}%2F%25",
        "bucket//x?versionId=",
        "arn:aws:s3:us-east-1:123456789012:accesspoint/ap/object/k",
    ]);
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        let Ok(value) = HeaderValue::from_str(&text) else { return };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-amz-copy-source"), value)]);
        match within_memory(text.len(), MEMORY_FACTOR, || source(&headers)) {
            Err(error) => assert_refusal(&error),
            Ok(source) => assert_eq!(source.of_version, text.contains("?versionId=null")),
        }
    });
}

#[test]
fn ranges_and_checksums_of_parts_are_read_or_refused() {
    let seeds = Mutants::of(["bytes=0-9", "bytes=5-", "bytes=-5", "AAAAAA==", "AAAAAA==-3", "bytes=0-0,2-3"]);
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        if let Err(error) = source_range(&text) {
            assert_refusal(&error);
        }
        let fields = ChecksumAlgorithm::ALL.map(|algorithm| (algorithm, None));
        for at in 0..fields.len() {
            let mut fields = fields;
            fields[at].1 = Some(&*text);
            match within_memory(text.len(), MEMORY_FACTOR, || only_one(fields)) {
                Err(error) => assert_refusal(&error),
                Ok(named) => assert_eq!(named.unwrap().value.len(), fields[at].0.len_bytes()),
            }
        }
    });
}
