//! Pages of all three lists of objects against a plain sorted set: random keys over several shards, some of them deleted,
//! with any prefix, delimiter, start and page size. The same cases every time.

use crate::cluster::{Cluster, WIDE};
use crate::in_process::ask::Ask;
use crate::in_process::reply::Reply;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::collections::BTreeSet;

const CASES: u32 = 48;

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

fn names(page: &Reply) -> Vec<String> {
    let mut names =
        [page.texts("Contents/Key"), page.texts("Version/Key"), page.texts("CommonPrefixes/Prefix")].concat();
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
    cluster.bucket_with(bucket, &[WIDE]).await;
    for (key, _) in &case.keys {
        cluster.stored(bucket, key, "x").await;
    }
    for (key, _) in case.keys.iter().filter(|(_, deleted)| *deleted) {
        cluster.delete(bucket, key).await.ok();
    }
    let list = || {
        let list = cluster.get_bucket(bucket).query("prefix", &case.prefix).query("max-keys", case.max);
        list.maybe("delimiter", case.delimiter.as_deref())
    };
    let page = async |ask: Ask, next: &str| {
        let page = ask.await.ok();
        let (names, next) = (names(&page), page.text(next));
        (Page { names, truncated: page.is_truncated(), next }, page)
    };
    check_pages(case, expected(case, Start::StartAfter), async |token| {
        let list = list().query("list-type", 2).maybe("start-after", case.start.as_deref());
        let (page, reply) = page(list.maybe("continuation-token", token), "NextContinuationToken").await;
        assert_eq!(reply.text("KeyCount"), Some(page.names.len().to_string()));
        page
    })
    .await;
    check_pages(case, expected(case, Start::Marker), async |marker| {
        let marker = marker.or_else(|| case.start.clone());
        let (page, _) = page(list().maybe("marker", marker), "NextMarker").await;
        // Without a delimiter clients go on behind the last key, and are not told.
        let behind_last = page.names.last().filter(|_| case.delimiter.is_none()).cloned();
        Page { next: page.next.or(behind_last), ..page }
    })
    .await;
    check_pages(case, expected(case, Start::Marker), async |marker| {
        let marker = marker.or_else(|| case.start.clone());
        page(list().query("versions", "").maybe("key-marker", marker), "NextKeyMarker").await.0
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
