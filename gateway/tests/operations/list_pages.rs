//! Pages of all three lists of objects against a plain sorted set: random keys over several shards, some of them deleted,
//! with any prefix, delimiter, start and page size. The same cases every time.

use crate::cluster::{Call, Cluster};
use crate::listed::Listed;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use s3s::S3;
use s3s::dto::*;
use std::collections::BTreeSet;

const CASES: u32 = 48;
/// Hints by which a job is spread over all shards.
const WIDE: [(&str, &str); 1] = [("x-pocket-workers", "100")];

#[derive(Clone, Debug)]
struct Case {
    /// With whether each is deleted again.
    keys: Vec<(String, bool)>,
    prefix: String,
    delimiter: Option<String>,
    start: Option<String>,
    max: i32,
}

fn cases() -> impl Strategy<Value = Case> {
    // Signs before and after the delimiters, one of several bytes.
    let keys = prop::collection::btree_map("[ab/!\u{fc}]{1,4}", prop::bool::weighted(0.2), 0..24);
    let start = prop::option::of("[ab/!\u{fc}]{1,4}");
    (keys, "[ab/]{0,2}", prop::option::of("[ab/\u{fc}]{1,2}"), start, 1..7_i32).prop_map(
        |(keys, prefix, delimiter, start, max)| Case {
            keys: keys.into_iter().collect(),
            prefix,
            delimiter,
            start,
            max,
        },
    )
}

/// Does a start that is itself a common prefix stand for all its keys? A marker does, start-after does not.
#[derive(Clone, Copy, PartialEq)]
enum Start {
    Marker,
    StartAfter,
}

/// Keys and common prefixes, as the documentation of S3 says.
fn expected(case: &Case, start: Start) -> Vec<String> {
    let common = |key: &str| {
        let (delimiter, rest) = (case.delimiter.as_deref()?, key.strip_prefix(case.prefix.as_str())?);
        let at = rest.find(delimiter)?;
        Some(key[..case.prefix.len() + at + delimiter.len()].to_owned())
    };
    let begins_after = |key: &str| match case.start.as_deref() {
        None => true,
        Some(at) if start == Start::Marker && common(at).as_deref() == Some(at) => {
            key > at && !key.starts_with(at)
        }
        Some(at) => key > at,
    };
    let there = case.keys.iter().filter(|(_, deleted)| !deleted).map(|(key, _)| key.as_str());
    let names: BTreeSet<String> = there
        .filter(|key| key.starts_with(case.prefix.as_str()) && begins_after(key))
        .map(|key| common(key).unwrap_or_else(|| key.to_owned()))
        .collect();
    names.into_iter().collect()
}

/// What one page shows, in order, and where the next one begins.
struct Page {
    names: Vec<String>,
    truncated: bool,
    next: Option<String>,
}

fn names(listed: Listed) -> Vec<String> {
    let mut names = [listed.keys(), listed.prefixes].concat();
    names.sort_unstable();
    names
}

/// All pages joined are what is expected, and each but the last is full.
async fn check_pages(case: &Case, expected: Vec<String>, mut next: impl AsyncFnMut(Option<String>) -> Page) {
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = next(from).await;
        found.extend(page.names.iter().cloned());
        assert!(page.names.len() <= case.max as usize, "{case:?}");
        assert_eq!(page.truncated, found.len() < expected.len(), "{found:?} of {expected:?} for {case:?}");
        if !page.truncated {
            break;
        }
        assert_eq!(page.names.len(), case.max as usize, "{case:?}");
        from = page.next;
        assert!(from.is_some(), "{case:?}");
    }
    assert_eq!(found, expected, "{case:?}");
}

async fn check(cluster: &Cluster, bucket: &str, case: &Case) {
    cluster.bucket_with(bucket, &WIDE).await;
    for (key, _) in &case.keys {
        cluster.put(bucket, key, "x").await;
    }
    for (key, _) in case.keys.iter().filter(|(_, deleted)| *deleted) {
        let input = DeleteObjectInput { bucket: bucket.into(), key: key.clone(), ..Default::default() };
        cluster.ops.delete_object(Call::new().with(input)).await.unwrap();
    }
    check_pages(case, expected(case, Start::StartAfter), async |token| {
        let input = ListObjectsV2Input {
            bucket: bucket.into(),
            prefix: Some(case.prefix.clone()),
            delimiter: case.delimiter.clone(),
            start_after: case.start.clone(),
            continuation_token: token,
            max_keys: Some(case.max),
            ..Default::default()
        };
        let response = cluster.ops.list_objects_v2(Call::new().with(input)).await.unwrap();
        let (names, output) = (names(Listed::of(&response)), response.output);
        assert_eq!(output.key_count, Some(names.len() as i32));
        Page { names, truncated: output.is_truncated.unwrap(), next: output.next_continuation_token }
    })
    .await;
    check_pages(case, expected(case, Start::Marker), async |marker| {
        let input = ListObjectsInput {
            bucket: bucket.into(),
            prefix: Some(case.prefix.clone()),
            delimiter: case.delimiter.clone(),
            marker: marker.or_else(|| case.start.clone()),
            max_keys: Some(case.max),
            ..Default::default()
        };
        let response = cluster.ops.list_objects(Call::new().with(input)).await.unwrap();
        let (names, output) = (names(Listed::of(&response)), response.output);
        // Without a delimiter clients go on behind the last key, and are not told.
        let next = output.next_marker.or_else(|| names.last().filter(|_| case.delimiter.is_none()).cloned());
        Page { names, truncated: output.is_truncated.unwrap(), next }
    })
    .await;
    check_pages(case, expected(case, Start::Marker), async |marker| {
        let input = ListObjectVersionsInput {
            bucket: bucket.into(),
            prefix: Some(case.prefix.clone()),
            delimiter: case.delimiter.clone(),
            key_marker: marker.or_else(|| case.start.clone()),
            max_keys: Some(case.max),
            ..Default::default()
        };
        let response = cluster.ops.list_object_versions(Call::new().with(input)).await.unwrap();
        let (names, output) = (names(Listed::of(&response)), response.output);
        Page { names, truncated: output.is_truncated.unwrap(), next: output.next_key_marker }
    })
    .await;
}

#[tokio::test]
async fn pages_of_all_lists_join_to_what_a_sorted_set_says() {
    let cluster = Cluster::start().await;
    let random = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    for n in 0..CASES {
        let case = cases().new_tree(&mut runner).unwrap().current();
        check(&cluster, &format!("pages-{n}"), &case).await;
    }
}
