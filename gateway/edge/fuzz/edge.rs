//! The head of a request: target, query, claim of a signature, allow-lists, promises about the body.

use super::{Head, assert_refusal};
use crate::arrived::Arrived;
use crate::authorization;
use crate::header_rules;
use crate::operation::Operation;
use crate::payload::{PayloadForm, Promise, PromisedSum, decode_sum, stored_encoding};
use crate::percent::{self, Part};
use crate::query::Query;
use crate::routing::{ContentFrom, classify, only_reads};
use crate::stamp::Stamp;
use crate::target::{Level, Target};
use http::{HeaderName, HeaderValue};
use pocket_access::refusal::ErrorCode;
use pocket_api::checksum::ChecksumAlgorithm;
use pocket_api::limits::{KEY_MAX_BYTES, PUT_MAX_BYTES};
use pocket_fuzz::{Mutant, Mutants, check, within_memory};

/// What reading a head may hold for each byte of it: names and values decoded, and a few pointers to each.
const MEMORY_FACTOR: usize = 24;

#[test]
fn percent_encoded_text_reads_the_same_before_and_after_it_is_made_canonical() {
    let seeds = Mutants::lines(include_str!("seeds/targets.txt"));
    check!(10_000, seeds, |mutant: &Mutant| {
        let raw = mutant.text();
        for part in [Part::Path, Part::Query] {
            let mut canonical = Vec::new();
            let decoded = within_memory(raw.len(), MEMORY_FACTOR, || percent::decode(&raw, part));
            let written =
                within_memory(raw.len(), MEMORY_FACTOR, || percent::canonicalize(&raw, part, &mut canonical));
            let (Ok(decoded), Ok(())) = (&decoded, &written) else {
                // The canonical form is of bytes, the text of characters.
                assert!(decoded.is_err());
                decoded.as_ref().err().into_iter().chain(written.as_ref().err()).for_each(assert_refusal);
                continue;
            };
            let canonical = String::from_utf8(canonical).unwrap();
            assert_eq!(&percent::decode(&canonical, part).unwrap(), decoded);
            let mut again = Vec::new();
            percent::canonicalize(&canonical, part, &mut again).unwrap();
            assert_eq!(String::from_utf8(again).unwrap(), canonical);
        }
    });
}

#[test]
fn targets_are_read_alike_in_both_styles() {
    let seeds = Mutants::lines(include_str!("seeds/targets.txt"));
    check!(10_000, (seeds.clone(), seeds), |(path, host): &(Mutant, Mutant)| {
        let (path, host) = (path.text(), host.text());
        for domain in [None, Some("s3.local")] {
            let bytes = path.len() + host.len();
            let target = match within_memory(bytes, MEMORY_FACTOR, || Target::parse(&path, &host, domain)) {
                Ok(target) => target,
                Err(refusal) => {
                    assert_refusal(&refusal);
                    continue;
                }
            };
            let style = target.path_style(&path);
            let same = Target::parse(&style, "elsewhere", None).unwrap();
            assert_eq!((same.level, same.host_bucket), (target.level, None), "{style}");
            let decoded = percent::decode(&style, Part::Path).unwrap();
            let key = decoded.splitn(3, '/').nth(2).unwrap_or_default();
            assert_eq!(target.level == Level::Object, !key.is_empty());
            assert!(key.len() <= KEY_MAX_BYTES);
        }
    },);
}

#[test]
fn queries_are_read_alike_however_often_they_are_written() {
    let seeds = Mutants::lines(include_str!("seeds/queries.txt"));
    check!(10_000, seeds, |mutant: &Mutant| {
        let raw = mutant.text();
        let query = match within_memory(raw.len(), MEMORY_FACTOR, || Query::parse(&raw)) {
            Ok(query) => query,
            Err(refusal) => return assert_refusal(&refusal),
        };
        let mut kept = String::new();
        query.write_kept(|_| true, &mut kept);
        let kept = Query::parse(kept.strip_prefix('?').unwrap_or_default()).unwrap();
        let pairs = |query: &Query<'_>| -> Vec<(String, String)> {
            query.iter().map(|pair| (pair.name.to_string(), pair.value.to_string())).collect()
        };
        assert_eq!(pairs(&kept), pairs(&query));
        let mut canonical = Vec::new();
        query.canonicalize("", &mut canonical).unwrap();
        let canonical = String::from_utf8(canonical).unwrap();
        let mut again = Vec::new();
        Query::parse(&canonical).unwrap().canonicalize("", &mut again).unwrap();
        assert_eq!(String::from_utf8(again).unwrap(), canonical);
    });
}

#[test]
fn claims_of_a_signature_are_whole_or_refused() {
    let seeds = Mutants::blocks(include_str!("seeds/heads.txt"));
    check!(10_000, seeds, |mutant: &Mutant| {
        let Some(head) = Head::parse(&mutant.text()) else { return };
        let Ok(query) = Query::parse(head.uri.query().unwrap_or("")) else { return };
        let arrived = Arrived::of(&head.headers);
        let read = || authorization::read(&arrived, &query);
        match within_memory(mutant.len(), MEMORY_FACTOR, read) {
            Err(refusal) => assert_refusal(&refusal),
            Ok(None) => assert!(!head.headers.contains_key("authorization") && !query.has("X-Amz-Signature")),
            Ok(Some(claim)) => {
                let parts = [claim.access_key_id(), claim.day(), claim.region(), "s3", "aws4_request"];
                assert_eq!(parts.join("/"), claim.credential);
                assert!(claim.credential.ends_with(claim.scope()));
                assert_eq!(claim.day().as_bytes(), claim.stamp.day());
                let names: Vec<&str> = claim.signed_headers.split(';').collect();
                let mut sorted = names.clone();
                sorted.sort_unstable();
                sorted.dedup();
                assert!(sorted.len() == names.len() && names.contains(&"host"), "{names:?}");
                assert!(claim.expires_secs.is_none_or(|secs| (1..=604_800).contains(&secs)));
            }
        }
    });
}

#[test]
fn stamps_are_moments_of_the_calendar() {
    let seeds = Mutants::of(["20130524T000000Z", "20240229T235959Z", "Fri, 24 May 2013 00:00:00 GMT"]);
    check!(10_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        if let Some(stamp) = Stamp::parse(&text) {
            assert_eq!(stamp.as_bytes(), text.as_bytes());
            // Days after the end of a month count on into the next.
            assert!(stamp.secs < 253_402_300_800 + 3 * 86_400, "{text}");
        }
        if let Some(stamp) = Stamp::parse_http(&text) {
            let again = Stamp::parse(std::str::from_utf8(stamp.as_bytes()).unwrap()).unwrap();
            assert_eq!(again.secs, stamp.secs);
        }
    });
}

#[test]
fn nothing_that_is_unknown_passes_the_allow_lists() {
    let seeds = Mutants::blocks(include_str!("seeds/heads.txt"));
    check!(10_000, seeds, |mutant: &Mutant| {
        let Some(mut head) = Head::parse(&mutant.text()) else { return };
        let raw = head.uri.query().unwrap_or("").to_owned();
        let Ok(query) = Query::parse(&raw) else { return };
        let Ok(target) = Target::parse(head.uri.path(), "localhost", None) else { return };
        let source = match head.headers.contains_key("x-amz-copy-source") {
            true => ContentFrom::Copy,
            false => ContentFrom::Body,
        };
        let operation = match classify(&head.method, target.level, &query, source, |_| false) {
            Ok(operation) => operation,
            Err(refusal) => return assert_refusal(&refusal),
        };
        if !query.has("unknown") && query.iter().count() < 100 {
            let more = format!("{raw}&unknown=1");
            let more = Query::parse(&more).unwrap();
            match classify(&head.method, target.level, &more, source, |_| false) {
                Ok(same) => assert!(same == operation && only_reads(operation), "{operation:?} as {same:?}"),
                Err(refused) => assert_eq!(refused.code, ErrorCode::InvalidArgument, "{operation:?}"),
            }
        }
        match within_memory(mutant.len(), MEMORY_FACTOR, || header_rules::check(&head.headers, operation)) {
            Err(refusal) => assert_refusal(&refusal),
            Ok(()) => {
                let unknown = HeaderName::from_static("x-amz-checksum-unknown");
                head.headers.insert(unknown, HeaderValue::from_static("1"));
                assert!(header_rules::check(&head.headers, operation).is_err(), "{operation:?}");
            }
        }
    });
}

#[test]
fn promises_about_a_body_can_be_held_or_are_refused() {
    let seeds = Mutants::blocks(include_str!("seeds/heads.txt"));
    let operations =
        [Operation::PutObject, Operation::UploadPart, Operation::DeleteObjects, Operation::GetObject];
    check!(10_000, seeds, move |mutant: &Mutant| {
        let Some(head) = Head::parse(&mutant.text()) else { return };
        let form = head.headers.get("x-amz-content-sha256").map_or("", |v| v.to_str().unwrap_or("?"));
        let form = match PayloadForm::parse(form) {
            Ok(form) => form,
            Err(refusal) => {
                assert_refusal(&refusal);
                PayloadForm::Unsigned
            }
        };
        for operation in operations {
            let read = || Promise::read(&head.headers, Arrived::of(&head.headers).came, operation, form);
            match within_memory(mutant.len(), MEMORY_FACTOR, read) {
                Err(refusal) => assert_refusal(&refusal),
                Ok(None) => assert_eq!(operation, Operation::GetObject),
                Ok(Some(promise)) => {
                    assert!(promise.decoded_bytes.is_none_or(|bytes| bytes <= PUT_MAX_BYTES));
                    assert!(promise.decoded_bytes.is_some() || operation == Operation::DeleteObjects);
                    if let PromisedSum::Known(algorithm, sum) | PromisedSum::Repeated(algorithm, sum) =
                        &promise.sum
                    {
                        assert_eq!(sum.len(), algorithm.len_bytes());
                    }
                }
            }
        }
        if let Some(encoding) = head.headers.get("content-encoding").and_then(|v| v.to_str().ok()) {
            let kept = stored_encoding(encoding).unwrap_or_default();
            assert!(!kept.to_ascii_lowercase().split(',').any(|coding| coding.trim() == "aws-chunked"));
        }
    });
}

#[test]
fn checksums_have_the_length_of_their_algorithm() {
    let seeds = Mutants::of([
        "AAAAAA==",
        "AAAAAAAAAAA=",
        "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
        "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=",
    ]);
    check!(10_000, seeds, |mutant: &Mutant| {
        for algorithm in ChecksumAlgorithm::ALL {
            let sum = decode_sum(algorithm, mutant);
            assert!(sum.is_none_or(|sum| sum.len() == algorithm.len_bytes()));
        }
    });
}
