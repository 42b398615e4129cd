//! The settings of buckets that come as XML or in a header: lifecycle, CORS, ACLs, tags. What is taken is kept and read back
//! the same; what pages may read is what a rule names.

use super::{Head, assert_refusal};
use crate::acl_headers::{self, tests::as_headers};
use crate::cors::allowed;
use crate::document::checked;
use crate::documents::lifecycle::{LifecycleDocument, LifecycleRules, LifecycleTerms};
use crate::documents::tagging::{from_set, to_set};
use crate::header_rules;
use crate::operation::Operation;
use crate::tags;
use bytes::Bytes;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_access::acl::{GRANTS_MAX, Said};
use pocket_access::cors::{Cors, CorsRule};
use pocket_api::settings::{DocumentKind, JobSettings};
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, within_memory};
use s3s::dto::{BucketLifecycleConfiguration, Tagging};
use s3s::xml::{Deserialize, Deserializer};
use std::sync::atomic::{AtomicU64, Ordering};

/// A rule is a struct, and may be an empty element.
const MEMORY_FACTOR: usize = 160;

/// What s3s reads in a document that the edge lets through.
fn read<T: for<'a> Deserialize<'a>>(document: &[u8]) -> Option<T> {
    let plain = checked(Bytes::copy_from_slice(document)).ok()?;
    T::deserialize(&mut Deserializer::new(&plain)).ok()
}

#[test]
fn lifecycle_configurations_that_are_taken_are_kept_and_mean_the_same() {
    let seeds = Mutants::blocks(include_str!("seeds/lifecycle.xml"));
    let judged = AtomicU64::new(0);
    check!(10_000, seeds, |mutant: &Mutant| {
        let read = || read::<BucketLifecycleConfiguration>(mutant);
        let Some(configuration) = within_memory(mutant.len(), MEMORY_FACTOR, read) else { return };
        let rules = match LifecycleRules::new(Some(configuration)) {
            Ok(rules) => rules,
            Err(error) => return assert_refusal(&error),
        };
        for unit in [None, Some("1s")] {
            let terms = LifecycleTerms::new(unit, None).unwrap();
            let document = LifecycleDocument::new(rules.clone(), terms);
            let meant = match within_memory(mutant.len(), MEMORY_FACTOR, || document.lifecycle(&[])) {
                Ok(meant) => meant,
                Err(error) => {
                    assert_refusal(&error);
                    continue;
                }
            };
            let kept = [(DocumentKind::Lifecycle, document.kept().unwrap())].into();
            let settings = JobSettings { documents: kept, ..JobSettings::default() };
            let again = LifecycleDocument::of(&settings).unwrap().expect("it was kept");
            assert_eq!(again, document);
            assert_eq!(again.lifecycle(&[]).unwrap(), meant);
            judged.fetch_add(1, Ordering::Relaxed);
        }
    });
    assert!(GUIDED || judged.into_inner() > 1_000);
}

#[test]
fn a_page_reads_only_what_a_rule_lets_it() {
    let patterns = Mutants::of(["https://*.example", "https://page.example", "*", "http://a*b", "null"]);
    let origins = Mutants::of(["https://page.example", "https://a.example", "http://ab", "null"]);
    let names = Mutants::of(["x-amz-*", "content-type", "*", "x-amz-date, content-type", "ETag"]);
    let judged = AtomicU64::new(0);
    let input = (patterns, origins, names);
    check!(20_000, input, |(pattern, origin, names): &(Mutant, Mutant, Mutant)| {
        let (pattern, origin, names) = (pattern.text(), origin.text(), names.text());
        let rule = CorsRule {
            origins: vec![pattern.clone()],
            methods: vec!["GET".into()],
            headers: vec![names.clone()],
            expose: vec![names.clone()],
            ..CorsRule::default()
        };
        let cors = Cors { rules: vec![rule] };
        if let Err(message) = cors.check() {
            return assert!(!message.is_empty());
        }
        let asked = |method| allowed(&cors, &origin, method, Some(&names));
        let bytes = pattern.len() + origin.len() + names.len();
        let answer = within_memory(bytes, MEMORY_FACTOR, || asked("GET"));
        let matches = match pattern.split_once('*') {
            None => pattern == origin,
            Some((start, end)) => {
                origin.len() >= pattern.len() - 1 && origin.starts_with(start) && origin.ends_with(end)
            }
        };
        if let Some(answer) = answer {
            assert!(matches, "{pattern} lets {origin} in");
            let named = answer["access-control-allow-origin"].as_bytes();
            assert!(named == origin.as_bytes() || (named == b"*" && pattern == "*"), "{answer:?}");
            judged.fetch_add(1, Ordering::Relaxed);
        }
        assert!(asked("PUT").is_none());
    });
    assert!(GUIDED || judged.into_inner() > 100);
}

#[test]
fn tags_in_a_header_read_back_as_they_are_written() {
    let seeds = Mutants::of(["k=v", "k=v&l=%C3%BC+%3D", "a=&b", "pocket%3attl=90s&k=1", "k=1&k=2"]);
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        match within_memory(text.len(), MEMORY_FACTOR, || tags::from_header(&text)) {
            Err(error) => assert_refusal(&error),
            Ok(tags) => {
                let encoded = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                let pairs = tags.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value)));
                let written = pairs.collect::<Vec<_>>().join("&");
                assert_eq!(tags::from_header(&written).unwrap(), tags);
            }
        }
    });
}

#[test]
fn tags_in_a_document_are_the_same_as_in_a_header() {
    let seeds = Mutants::of([
        "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>",
        "<Tagging><TagSet><Tag><Key>k</Key><Value>a&amp;b</Value></Tag><Tag><Key>l</Key><Value/></Tag></TagSet></Tagging>",
        "<Tagging><TagSet/></Tagging>",
    ]);
    check!(10_000, seeds, |mutant: &Mutant| {
        let Some(tagging) = within_memory(mutant.len(), MEMORY_FACTOR, || read::<Tagging>(mutant)) else {
            return;
        };
        match from_set(tagging.tag_set, tags::Tagged::Object) {
            Err(error) => assert_refusal(&error),
            Ok(read) => {
                assert_eq!(from_set(to_set(&read), tags::Tagged::Object).unwrap(), read);
            }
        }
    });
}

#[test]
fn acls_in_headers_read_back_as_they_are_written() {
    let seeds = Mutants::blocks(include_str!("seeds/acls.txt"));
    let judged = AtomicU64::new(0);
    check!(20_000, seeds, |mutant: &Mutant| {
        // As the edge does: what is unknown or comes twice never gets here.
        let read = |lines: &str| {
            let head = Head::parse(&format!("PUT /bucket?acl\n{lines}"))?;
            let checked = header_rules::check(&head.headers, Operation::PutBucketAcl);
            Some(checked.and_then(|()| acl_headers::said(&head.headers)))
        };
        let text = mutant.text();
        match within_memory(text.len(), MEMORY_FACTOR, || read(&text)) {
            None | Some(Ok(Said::Nothing)) => {}
            Some(Err(refusal)) => assert_refusal(&refusal),
            Some(Ok(Said::Canned(canned))) => assert!(!canned.list().grants.is_empty()),
            Some(Ok(Said::Grants(list))) => {
                assert!((1..=GRANTS_MAX).contains(&list.grants.len()));
                let lines = as_headers(&list).into_iter().map(|(name, value)| format!("{name}: {value}\n"));
                assert_eq!(read(&lines.collect::<String>()), Some(Ok(Said::Grants(list))));
                judged.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    assert!(GUIDED || judged.into_inner() > 1_000);
}
