//! What ListObjects, both versions, promises over a bucket on several shards.

use crate::cluster::{Call, Cluster, code};
use crate::listed::Listed;
use s3s::S3;
use s3s::dto::*;

/// Hints by which a job is spread over all shards.
const WIDE: [(&str, &str); 1] = [("x-pocket-workers", "100")];

async fn filled(keys: &[&str]) -> Cluster {
    let cluster = Cluster::start().await;
    cluster.bucket_with("lists", &WIDE).await;
    for key in keys {
        cluster.put("lists", key, "x").await;
    }
    cluster
}

fn v2() -> ListObjectsV2Input {
    ListObjectsV2Input { bucket: "lists".into(), ..Default::default() }
}

fn v1() -> ListObjectsInput {
    ListObjectsInput { bucket: "lists".into(), ..Default::default() }
}

const KEYS: [&str; 9] = ["a", "a/b", "a/c/d", "b/", "b/1", "b/2", "c", "d//e", "ü +%"];

#[tokio::test]
async fn pages_of_every_size_join_to_all_keys_in_byte_order() {
    let cluster = filled(&KEYS).await;
    for delimiter in [None, Some("/".to_owned())] {
        for max in 1..=10 {
            let (mut keys, mut prefixes, mut pages) = (Vec::new(), Vec::new(), 0);
            let mut token = None;
            loop {
                let input = ListObjectsV2Input {
                    max_keys: Some(max),
                    delimiter: delimiter.clone(),
                    continuation_token: token,
                    ..v2()
                };
                let response = cluster.ops.list_objects_v2(Call::new().with(input)).await.unwrap();
                let (listed, page) = (Listed::of(&response), response.output);
                assert_eq!(page.is_truncated.unwrap(), page.next_continuation_token.is_some());
                assert_eq!(page.key_count, Some((listed.objects.len() + listed.prefixes.len()) as i32));
                keys.extend(listed.keys());
                prefixes.extend(listed.prefixes);
                pages += 1;
                token = page.next_continuation_token;
                if token.is_none() {
                    break;
                }
            }
            let expected: (Vec<&str>, Vec<&str>) = match delimiter {
                None => (KEYS.to_vec(), vec![]),
                Some(_) => (vec!["a", "c", "ü +%"], vec!["a/", "b/", "d/"]),
            };
            assert_eq!(pages, (expected.0.len() + expected.1.len()).div_ceil(max as usize), "max {max}");
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
        let input = ListObjectsInput { max_keys: Some(1), delimiter: Some("/".into()), marker, ..v1() };
        let response = cluster.ops.list_objects(Call::new().with(input)).await.unwrap();
        let (listed, page) = (Listed::of(&response), response.output);
        found.extend(listed.keys().into_iter().chain(listed.prefixes));
        assert_eq!(page.is_truncated.unwrap(), page.next_marker.is_some());
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a", "a/", "b/", "c", "d/", "ü +%"]);

    let input = ListObjectsInput { max_keys: Some(2), ..v1() };
    let page = cluster.ops.list_objects(Call::new().with(input)).await.unwrap().output;
    assert_eq!((page.is_truncated, page.next_marker), (Some(true), None), "the last key is the marker");
    let input = ListObjectsInput { marker: Some("b/1".into()), ..v1() };
    let listed = Listed::of(&cluster.ops.list_objects(Call::new().with(input)).await.unwrap());
    assert!(listed.objects.iter().all(|object| object.owner.is_some()));
    assert_eq!(listed.keys(), ["b/2", "c", "d//e", "ü +%"]);
}

#[tokio::test]
async fn prefixes_starts_owners_and_encodings_are_as_asked() {
    let cluster = filled(&KEYS).await;
    let list = async |input: ListObjectsV2Input| cluster.ops.list_objects_v2(Call::new().with(input)).await;
    let listed = Listed::of(&list(ListObjectsV2Input { prefix: Some("b/".into()), ..v2() }).await.unwrap());
    assert!(listed.objects.iter().all(|object| object.owner.is_none()));
    assert_eq!(listed.keys(), ["b/", "b/1", "b/2"]);
    let after = ListObjectsV2Input { start_after: Some("b/".into()), fetch_owner: Some(true), ..v2() };
    let listed = Listed::of(&list(after).await.unwrap());
    assert_eq!(listed.objects[0].owner.as_ref().unwrap().id.as_deref(), Some("alice"));
    assert_eq!(listed.keys(), ["b/1", "b/2", "c", "d//e", "ü +%"]);
    let url = ListObjectsV2Input {
        prefix: Some("ü ".into()),
        encoding_type: Some(EncodingType::from_static("url")),
        ..v2()
    };
    let response = list(url).await.unwrap();
    assert_eq!(response.output.prefix.as_deref(), Some("%C3%BC%20"));
    assert_eq!(Listed::of(&response).keys(), ["%C3%BC%20%2B%25"]);
    for (input, expected) in [
        (ListObjectsV2Input { max_keys: Some(-1), ..v2() }, "InvalidArgument"),
        (ListObjectsV2Input { continuation_token: Some("nonsense".into()), ..v2() }, "InvalidArgument"),
        (ListObjectsV2Input { bucket: "nowhere".into(), ..v2() }, "NoSuchBucket"),
        (ListObjectsV2Input { bucket: "nowhere".into(), max_keys: Some(0), ..v2() }, "NoSuchBucket"),
    ] {
        assert_eq!(code(list(input).await), expected);
    }
    let none = list(ListObjectsV2Input { max_keys: Some(0), ..v2() }).await.unwrap().output;
    assert_eq!((none.is_truncated, none.key_count), (Some(false), Some(0)));
    let clipped = list(ListObjectsV2Input { max_keys: Some(5_000), ..v2() }).await.unwrap().output;
    assert_eq!(clipped.max_keys, Some(1_000));
}

#[tokio::test]
async fn versions_are_the_objects_themselves_and_their_pages_join() {
    let cluster = filled(&KEYS).await;
    let list = async |max, key: Option<String>, version: Option<String>| {
        let input = ListObjectVersionsInput {
            bucket: "lists".into(),
            delimiter: Some("/".into()),
            max_keys: Some(max),
            key_marker: key,
            version_id_marker: version,
            ..Default::default()
        };
        cluster.ops.list_object_versions(Call::new().with(input)).await
    };
    for max in 1..=7 {
        let (mut found, mut markers) = (Vec::new(), (None, None));
        loop {
            let response = list(max, markers.0, markers.1).await.unwrap();
            let (listed, page) = (Listed::of(&response), response.output);
            for version in &listed.versions {
                assert_eq!((version.is_latest, version.version_id.as_deref()), (Some(true), Some("null")));
            }
            found.extend(listed.keys().into_iter().chain(listed.prefixes));
            assert_eq!(page.is_truncated.unwrap(), page.next_key_marker.is_some());
            markers = (page.next_key_marker, page.next_version_id_marker);
            if markers.0.is_none() {
                break;
            }
        }
        found.sort_unstable();
        assert_eq!(found, ["a", "a/", "b/", "c", "d/", "ü +%"], "max {max}");
    }
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(code(list(1, None, some("null")).await), "InvalidArgument");
    assert_eq!(code(list(1, some("a"), some("")).await), "InvalidArgument");
    assert_eq!(code(list(1, some("a"), some("3HL4kqtJvjVBH40Nrjfkd")).await), "NoSuchVersion");
}
