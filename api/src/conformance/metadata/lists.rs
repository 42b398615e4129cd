//! Lists: order, prefixes, delimiters, pages.

use super::client::Client;
use crate::hints::{Limit, ObjectHints};
use crate::metadata::{List, ListItem, ListStart, MetadataError, Request};
use std::time::Duration;

const KEYS: [&str; 9] = ["a", "a/", "a/b", "a//c", "a0", "b/x/y", "b/x/z", "c", "ü/1"];

fn list(prefix: &str, delimiter: Option<&str>, start: ListStart, max: u32) -> List {
    List { prefix: prefix.into(), start, delimiter: delimiter.map(Into::into), max }
}

pub(super) async fn lists_are_ordered_and_grouped(client: Client) {
    for key in KEYS.iter().rev() {
        client.put(key, key.as_bytes()).await;
    }
    let mut sorted = KEYS;
    sorted.sort_unstable();
    assert_eq!(client.names("", None).await, sorted);
    assert_eq!(client.names("", Some("/")).await, ["a", "a/", "a0", "b/", "c", "ü/"]);
    assert_eq!(client.names("a/", Some("/")).await, ["a/", "a//", "a/b"]);
    assert_eq!(client.names("b/", Some("x/")).await, ["b/x/"]);
    assert_eq!(client.names("nothing", Some("/")).await, Vec::<String>::new());
    let page = client.list(list("", None, ListStart::After("b".into()), 1)).await;
    match &page.items[..] {
        [ListItem::Object(object)] => {
            let meta = client.head("b/x/y").await.unwrap().meta;
            assert_eq!((object.key.as_str(), object.size, object.etag), ("b/x/y", 5, meta.etag));
            assert_eq!(object.last_modified, meta.last_modified);
        }
        other => panic!("not one object: {other:?}"),
    }
    let page = client.list(list("", Some("/"), ListStart::AfterPrefix("b/".into()), 10)).await;
    assert_eq!(page.items.iter().map(ListItem::name).collect::<Vec<_>>(), ["c", "ü/"]);
    for bad in [list("", None, ListStart::Beginning, 0), list("", Some(""), ListStart::Beginning, 1)] {
        let refused = client.ask(Request::List(bad)).await;
        assert!(matches!(refused, Err(MetadataError::BadRequest(_))), "{refused:?}");
    }
}

pub(super) async fn pages_join_without_gap(client: Client) {
    let mut expected = Vec::new();
    for dir in 0..7 {
        for file in 0..150 {
            client.put(&format!("d{dir}/{file:03}"), b"").await;
        }
        expected.push(format!("d{dir}/"));
        client.put(&format!("e{dir}"), b"").await;
    }
    expected.extend((0..7).map(|i| format!("e{i}")));
    for max in [1, 3, 1_000] {
        let (mut start, mut seen) = (ListStart::Beginning, Vec::new());
        loop {
            let page = client.list(list("", Some("/"), start, max)).await;
            assert!(page.items.len() <= max as usize);
            seen.extend(page.items.iter().map(|item| item.name().to_owned()));
            let Some(last) = page.items.last().filter(|_| page.more) else { break };
            start = match last {
                ListItem::Object(object) => ListStart::After(object.key.to_string()),
                ListItem::Prefix(prefix) => ListStart::AfterPrefix(prefix.clone()),
            };
        }
        assert_eq!(seen, expected, "in pages of {max}");
    }
    let page = client.list(list("", None, ListStart::Beginning, 1_000)).await;
    assert!(page.items.len() == 1_000 && page.more);
    let last = ListStart::After(page.items[999].name().to_owned());
    let rest = client.list(list("", None, last, 1_000)).await;
    assert!(rest.items.len() == 57 && !rest.more);
}

pub(super) async fn what_is_gone_is_not_listed(client: Client) {
    client.put("dir/a", b"").await;
    client.put("dir/b", b"").await;
    client
        .put_with("old/a", b"", ObjectHints { ttl: Some(Limit::Of(Duration::from_secs(1))), reads: None })
        .await;
    client.put("z", b"").await;
    assert_eq!(client.names("", Some("/")).await, ["dir/", "old/", "z"]);
    client.delete("dir/a").await;
    client.world.advance(Duration::from_secs(1));
    assert_eq!(client.names("", Some("/")).await, ["dir/", "z"]);
    client.delete("dir/b").await;
    let page = client.list(list("", Some("/"), ListStart::Beginning, 1)).await;
    assert_eq!(page.items.iter().map(ListItem::name).collect::<Vec<_>>(), ["z"]);
    assert!(!page.more, "nothing follows the last item");
}
