//! `docs/hints.md` is written by hand. Here its tables are held against what hints are: it names every one of them and no other,
//! with its default, every header of Pocket's own, and errors as they are.

use crate::errors::from_hint;
use crate::header_rules;
use crate::hint_places::{OBJECT_HEADERS, OBJECT_TAGS};
use crate::operation::Operation;
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_access::refusal::Refusal;
use pocket_api::hints::{HINTS, JobHints, OBJECT_HINTS, ObjectHints};
use std::path::Path;

/// The cells of the rows of the table below a heading, without the head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/hints.md");
    let page = std::fs::read_to_string(path).unwrap();
    let section = page.split("\n## ").find(|section| section.starts_with(&format!("{heading}\n")));
    let section = section.unwrap_or_else(|| panic!("there is no section {heading:?}"));
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = |row: &str| row.split(" | ").map(str::to_owned).collect();
    let rows: Vec<Vec<String>> = rows.skip(1).map(cells).collect();
    assert!(!rows.is_empty(), "{heading:?} has no table");
    rows
}

/// What stands in the first pair of backquotes.
fn quoted(cell: &str) -> &str {
    cell.split('`').nth(1).unwrap_or_else(|| panic!("{cell:?} has nothing in backquotes"))
}

fn header_refused(name: &str, operation: Operation) -> Refusal {
    let headers =
        HeaderMap::from_iter([(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("1"))]);
    header_rules::check(&headers, operation).unwrap_err()
}

#[test]
fn the_page_names_every_hint_of_a_bucket_with_its_default() {
    let rows = table("Of a bucket");
    let names: Vec<&str> = rows.iter().map(|row| quoted(&row[0])).collect();
    assert_eq!(names, HINTS);
    let shown = JobHints::default().shown();
    for row in &rows {
        let (name, default) = (quoted(&row[0]), quoted(&row[2]));
        match shown.iter().find(|(hint, _)| *hint == name) {
            Some((_, value)) => assert_eq!(default, value, "{name}"),
            // Whoever says the default changes nothing.
            None => {
                let said = JobHints::default().changed_by([(name, default)]);
                assert_eq!(said, Ok(JobHints::default()), "{name}");
            }
        }
        let has_one_by_itself = ["wait", "wait-on", "seal", "replicas", "on-full", "persist"].contains(&name);
        assert!(!has_one_by_itself || default != "none", "{name}");
    }
}

#[test]
fn the_page_names_every_hint_of_an_object_with_what_holds_without_it() {
    let rows = table("Of an object");
    let names: Vec<&str> = rows.iter().map(|row| quoted(&row[0])).collect();
    assert_eq!(names, OBJECT_HINTS);
    let defaults: Vec<&str> = rows.iter().map(|row| quoted(&row[2])).collect();
    assert_eq!(defaults, ["object-ttl", "reads"]);
    assert!(defaults.iter().all(|hint| HINTS.contains(hint)));
}

#[test]
fn the_page_names_every_header_of_one_request_that_is_no_hint() {
    for row in table("Of one request") {
        let (name, value) = quoted(&row[0]).split_once(": ").unwrap();
        let headers = HeaderMap::from_iter([(
            HeaderName::try_from(name).unwrap(),
            HeaderValue::try_from(value).unwrap(),
        )]);
        for operation in row[1].split(", ") {
            let operation = match operation {
                "GetObject" => Operation::GetObject,
                "HeadObject" => Operation::HeadObject,
                "DeleteBucket" => Operation::DeleteBucket,
                "PutBucketLifecycleConfiguration" => Operation::PutBucketLifecycleConfiguration,
                other => panic!("{other} is not expected to have headers of its own"),
            };
            assert_eq!(header_rules::check(&headers, operation), Ok(()), "{name} {operation:?}");
        }
    }
}

#[test]
fn the_errors_of_the_page_are_those_that_are_said() {
    let hint = |pair| from_hint(JobHints::parse([pair]).unwrap_err()).message.into_owned();
    let of_object =
        |pair, place| from_hint(ObjectHints::parse([pair]).unwrap_err().at(place)).message.into_owned();
    let said = [
        of_object(("ttl", "15M"), OBJECT_HEADERS),
        of_object(("pocket-ttl", "5s"), OBJECT_TAGS),
        header_refused("x-pocket-workers", Operation::PutObject).message.into_owned(),
        header_refused("x-pocket-force", Operation::DeleteBucket).message.into_owned(),
        hint(("replicas", "2")),
    ];
    let written: Vec<String> = table("Errors").iter().map(|row| quoted(&row[1]).to_owned()).collect();
    assert_eq!(written, said);
}
