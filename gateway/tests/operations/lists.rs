//! What ListObjects, both versions, promises over a bucket on several shards.

use crate::cluster::{Cluster, WIDE};
use crate::in_process::ask::Ask;

async fn filled(keys: &[&str]) -> Cluster {
    let cluster = Cluster::start().await;
    cluster.bucket_with("lists", &[WIDE]).await;
    for key in keys {
        cluster.stored("lists", key, "x").await;
    }
    cluster
}

fn v2(cluster: &Cluster) -> Ask {
    cluster.get_bucket("lists").query("list-type", 2)
}

fn v1(cluster: &Cluster) -> Ask {
    cluster.get_bucket("lists")
}

const KEYS: [&str; 9] = ["a", "a/b", "a/c/d", "b/", "b/1", "b/2", "c", "d//e", "ü +%"];

#[tokio::test]
async fn pages_of_every_size_join_to_all_keys_in_byte_order() {
    let cluster = filled(&KEYS).await;
    for delimiter in [None, Some("/")] {
        for max in 1..=10 {
            let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
            let mut token = None;
            loop {
                let list = v2(&cluster).query("max-keys", max).maybe("delimiter", delimiter);
                let page = list.maybe("continuation-token", token).await.ok();
                let here = (page.texts("Contents/Key"), page.texts("CommonPrefixes/Prefix"));
                token = page.text("NextContinuationToken");
                assert_eq!(page.is_truncated(), token.is_some());
                assert_eq!(page.text("KeyCount"), Some((here.0.len() + here.1.len()).to_string()));
                keys.extend(here.0);
                prefixes.extend(here.1);
                pages += 1;
                if token.is_none() {
                    break;
                }
            }
            let expected: (Vec<&str>, Vec<&str>) = match delimiter {
                None => (KEYS.to_vec(), vec![]),
                Some(_) => (vec!["a", "c", "ü +%"], vec!["a/", "b/", "d/"]),
            };
            assert_eq!(pages, (expected.0.len() + expected.1.len()).div_ceil(max), "max {max}");
            assert_eq!((keys, prefixes), (owned(expected.0), owned(expected.1)), "max {max}");
        }
    }
}

fn owned(names: Vec<&str>) -> Vec<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[tokio::test]
async fn version_one_goes_on_after_its_next_marker_without_repeating_a_prefix() {
    let cluster = filled(&KEYS).await;
    let (mut found, mut marker) = (Vec::new(), None);
    loop {
        let list = v1(&cluster).query("max-keys", 1).query("delimiter", "/");
        let page = list.maybe("marker", marker).await.ok();
        found.extend(page.texts("Contents/Key").into_iter().chain(page.texts("CommonPrefixes/Prefix")));
        marker = page.text("NextMarker");
        assert_eq!(page.is_truncated(), marker.is_some());
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a", "a/", "b/", "c", "d/", "ü +%"]);

    let page = v1(&cluster).query("max-keys", 2).await.ok();
    assert_eq!((page.is_truncated(), page.text("NextMarker")), (true, None), "the last key is the marker");
    let page = v1(&cluster).query("marker", "b/1").await.ok();
    let keys = page.texts("Contents/Key");
    assert_eq!(page.texts("Contents/Owner/ID").len(), keys.len());
    assert_eq!(keys, ["b/2", "c", "d//e", "ü +%"]);
}

#[tokio::test]
async fn prefixes_starts_owners_and_encodings_are_as_asked() {
    let cluster = filled(&KEYS).await;
    let list = || v2(&cluster);
    let listed = list().query("prefix", "b/").await.ok();
    assert!(listed.texts("Contents/Owner").is_empty());
    assert_eq!(listed.texts("Contents/Key"), ["b/", "b/1", "b/2"]);
    let listed = list().query("start-after", "b/").query("fetch-owner", true).await.ok();
    assert_eq!(listed.text("Contents/Owner/ID").as_deref(), Some("alice"));
    assert_eq!(listed.texts("Contents/Key"), ["b/1", "b/2", "c", "d//e", "ü +%"]);
    let encoded = list().query("prefix", "ü ").query("encoding-type", "url").await.ok();
    assert_eq!(encoded.text("Prefix").as_deref(), Some("%C3%BC%20"));
    assert_eq!(encoded.texts("Contents/Key"), ["%C3%BC%20%2B%25"]);
    let nowhere = || cluster.get_bucket("nowhere").query("list-type", 2);
    for (ask, expected) in [
        (list().query("max-keys", -1), "InvalidArgument"),
        (list().query("continuation-token", "nonsense"), "InvalidArgument"),
        (nowhere(), "NoSuchBucket"),
        (nowhere().query("max-keys", 0), "NoSuchBucket"),
    ] {
        assert_eq!(ask.await.code(), expected);
    }
    let none = list().query("max-keys", 0).await.ok();
    assert_eq!((none.is_truncated(), none.text("KeyCount").as_deref()), (false, Some("0")));
    let clipped = list().query("max-keys", 5_000).await.ok();
    assert_eq!(clipped.text("MaxKeys").as_deref(), Some("1000"));
}

#[tokio::test]
async fn versions_are_the_objects_themselves_and_their_pages_join() {
    let cluster = filled(&KEYS).await;
    let list = |max: u32, key: Option<&str>, version: Option<&str>| {
        let list = cluster.get_bucket("lists").query("versions", "").query("delimiter", "/");
        list.query("max-keys", max).maybe("key-marker", key).maybe("version-id-marker", version)
    };
    for max in 1..=7 {
        let (mut found, mut markers) = (Vec::new(), (None::<String>, None::<String>));
        loop {
            let page = list(max, markers.0.as_deref(), markers.1.as_deref()).await.ok();
            let keys = page.texts("Version/Key");
            assert_eq!(page.texts("Version/IsLatest"), vec!["true"; keys.len()]);
            assert_eq!(page.texts("Version/VersionId"), vec!["null"; keys.len()]);
            found.extend(keys.into_iter().chain(page.texts("CommonPrefixes/Prefix")));
            markers = (page.text("NextKeyMarker"), page.text("NextVersionIdMarker"));
            assert_eq!(page.is_truncated(), markers.0.is_some());
            if markers.0.is_none() {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, ["a", "a/", "b/", "c", "d/", "ü +%"], "max {max}");
    }
    assert_eq!(list(1, None, Some("null")).await.code(), "InvalidArgument");
    assert_eq!(list(1, Some("a"), Some("")).await.code(), "InvalidArgument");
    assert_eq!(list(1, Some("a"), Some("3HL4kqtJvjVBH40Nrjfkd")).await.code(), "NoSuchVersion");
}
