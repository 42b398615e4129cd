//! Fuzz targets for text that clients send and the contract gives a type: hints, names, ETags, conditions. What is taken
//! reads back as the same value after it was shown.

use pocket_api::conditions::ETagMatch;
use pocket_api::hints::{HINTS, HintError, JobHints, ObjectHints, parse_wait};
use pocket_api::limits::{KEY_MAX_BYTES, WAIT_MAX};
use pocket_api::names::{BucketName, ObjectKey, TenantName};
use pocket_api::object::ETag;
use pocket_fuzz::{Mutant, Mutants, check, within_memory};

/// A value is held once as it came, once parsed and once in the text of an error.
const MEMORY_FACTOR: usize = 8;

/// `name=value` lines.
fn hints() -> Mutants {
    Mutants::blocks(
        "workers=12\ncapacity=10GiB\nthroughput=1GB/s\nlatency-sensitive=no\nttl=15m\nidle-ttl=90\n---\n\
         object-ttl=1500ms\nreads=2\nwait=10s\ntier=dram\netag=md5\nseal=off\nreplicas=1\non-full=reject\n---\n\
         ttl=1h30m5s\nreads=none\n---\nttl=unlimited\nreads=4294967295\n---\npersist=off\nclass=x\nbacking=b",
    )
}

fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().map(|line| line.split_once('=').unwrap_or((line, "")))
}

/// An error names the hint, and shows no more of a value than a person reads.
fn assert_named(error: &HintError) {
    match error {
        HintError::Unknown { .. } | HintError::Twice { .. } => {}
        HintError::Bad { name, value, .. } | HintError::NotBuilt { name, value } => {
            assert!(HINTS.contains(name), "{error}");
            assert!(value.chars().count() <= 80, "{error}");
        }
    }
}

#[test]
fn hints_of_a_job_read_back_as_they_are_shown() {
    check!(20_000, hints(), |mutant: &Mutant| {
        let text = mutant.text();
        match within_memory(text.len(), MEMORY_FACTOR, || JobHints::parse(pairs(&text))) {
            Err(error) => assert_named(&error),
            Ok(hints) => {
                let shown = hints.shown();
                let again = JobHints::parse(shown.iter().map(|(name, value)| (*name, value.as_str())));
                assert_eq!(again.as_ref(), Ok(&hints), "{shown:?}");
                assert!(hints.wait <= WAIT_MAX);
                assert!(![hints.workers, hints.reads].contains(&Some(0)));
                assert!(
                    [hints.ttl, hints.idle_ttl, hints.object_ttl].into_iter().flatten().all(|d| !d.is_zero())
                );
            }
        }
    });
}

#[test]
fn hints_of_an_object_and_waits_are_within_their_bounds() {
    check!(20_000, hints(), |mutant: &Mutant| {
        let text = mutant.text();
        match within_memory(text.len(), MEMORY_FACTOR, || ObjectHints::parse(pairs(&text))) {
            Err(error) => assert_named(&error),
            Ok(hints) => {
                assert!(hints.ttl.is_none_or(|ttl| ttl.value().is_none_or(|ttl| !ttl.is_zero())));
                assert!(hints.reads.is_none_or(|reads| reads.value() != Some(0)));
                assert!(pairs(&text).all(|(name, _)| ["ttl", "reads"].contains(&name)), "{text:?}");
            }
        }
        for (_, value) in pairs(&text) {
            assert!(parse_wait(value).is_ok_and(|wait| wait <= WAIT_MAX) || parse_wait(value).is_err());
        }
    });
}

#[test]
fn names_and_tags_read_back_as_they_are_shown() {
    let seeds = Mutants::of([
        "my-bucket.of.mine",
        "a.b-c",
        "dir//key with \u{fc}/",
        "\"0123456789abcdef0123456789abcdef\"",
        "0123456789abcdef0123456789abcdef-10000",
        "*",
        "\"a\", \"0123456789abcdef0123456789abcdef\"",
    ]);
    check!(20_000, seeds, |mutant: &Mutant| {
        let text = mutant.text();
        if let Ok(name) = within_memory(text.len(), MEMORY_FACTOR, || BucketName::parse(&text)) {
            assert_eq!(name.as_str(), text);
            assert!((3..=63).contains(&text.len()), "{text:?}");
            assert!(text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-')), "{text:?}");
        }
        let key = within_memory(text.len(), MEMORY_FACTOR, || ObjectKey::parse(&text));
        assert!(key.as_ref().is_ok_and(|key| key.as_str() == text) || key.is_err());
        assert!(key.is_err() || (1..=KEY_MAX_BYTES).contains(&text.len()));
        if let Ok(tenant) = TenantName::parse(&text) {
            assert_eq!(tenant.as_str(), text);
        }
        if let Some(tag) = ETag::parse(&text) {
            assert_eq!(ETag::parse(&tag.to_string()), Some(tag));
            assert!(ETagMatch::parse(&format!("\"{tag}\"")).matches(&tag), "{tag}");
            assert!(ETagMatch::parse(&text).matches(&tag), "{text:?}");
        }
        within_memory(text.len(), 64, || ETagMatch::parse(&text));
    });
}
