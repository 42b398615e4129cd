//! Lists over all shards of a bucket: merging their ordered pages into one, and the tokens with which a client goes
//! on. Pure: the shards' answers come in as values. A token is the last name returned and nothing else.

use crate::refusal::{Refusal, shortened};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{ListItem, ListStart, UploadsItem};

/// What lists are made of: in the order of names as bytes.
pub(crate) trait Item {
    fn name(&self) -> &str;
    /// Stands for all keys that start with its name, possibly at several shards.
    fn is_prefix(&self) -> bool;
}

impl Item for ListItem {
    fn name(&self) -> &str {
        ListItem::name(self)
    }

    fn is_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }
}

impl Item for UploadsItem {
    fn name(&self) -> &str {
        match self {
            Self::Upload(upload) => upload.key.as_str(),
            Self::Prefix(prefix) => prefix,
        }
    }

    fn is_prefix(&self) -> bool {
        matches!(self, Self::Prefix(_))
    }
}

/// One shard's answer, or the merge of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// There is at least one more item after the last.
    pub more: bool,
}

/// Merges the pages that the shards gave for the same start and maximum. What lies beyond the end of a page that goes
/// on is left out, because its shard may have something in between; so an answer can be short of `max` and still say
/// that there is more.
pub(crate) fn merge<T: Item>(mut pages: Vec<Page<T>>, max: usize) -> Page<T> {
    if pages.len() == 1 {
        let mut only = pages.swap_remove(0);
        only.more |= only.items.len() > max;
        only.items.truncate(max);
        return only;
    }
    let ends = pages.iter().filter(|page| page.more).filter_map(|page| page.items.last());
    let bound = ends.map(|item| item.name().to_owned()).min();
    let mut more = bound.is_some();
    let mut heads: Vec<_> = pages.into_iter().map(|page| page.items.into_iter().peekable()).collect();
    let mut items: Vec<T> = Vec::new();
    loop {
        let mut smallest: Option<(usize, &str)> = None;
        for (i, head) in heads.iter_mut().enumerate() {
            if let Some(item) = head.peek()
                && smallest.is_none_or(|(_, name)| item.name() < name)
            {
                smallest = Some((i, item.name()));
            }
        }
        let Some((from, name)) = smallest else { break };
        let repeated = items.last().is_some_and(|last| last.is_prefix() && last.name() == name);
        let beyond = bound.as_ref().is_some_and(|bound| name > bound.as_str());
        if !repeated && (beyond || items.len() == max) {
            more = true;
            break;
        }
        let item = heads[from].next();
        if !repeated {
            items.extend(item);
        }
    }
    Page { items, more }
}

/// How many items a request asks for: S3 answers at most 1,000 whatever was asked.
pub(crate) fn max_items(asked: Option<i32>, name: &str) -> Result<usize, Refusal> {
    let asked = asked.unwrap_or(LIST_MAX_KEYS as i32);
    let count = usize::try_from(asked).map_err(|_| {
        let text = format!("Argument {name} must be an integer between 0 and 2147483647");
        Refusal::invalid(name, asked, text)
    })?;
    Ok(count.min(LIST_MAX_KEYS as usize))
}

/// The opaque token that makes a list go on after this item.
pub(crate) fn token(item: &impl Item) -> String {
    let kind = if item.is_prefix() { 'p' } else { 'k' };
    format!("{kind}{}", hex::encode(item.name()))
}

pub(crate) fn read_token(token: &str) -> Result<ListStart, Refusal> {
    let bad = || {
        let text = format!("The continuation token provided is incorrect: {:?}", shortened(token));
        Refusal::invalid("continuation-token", token, text)
    };
    let name =
        |hex: &str| hex::decode(hex).ok().and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(bad);
    match token.split_at_checked(1) {
        Some(("k", hex)) => Ok(ListStart::After(name(hex)?)),
        Some(("p", hex)) => Ok(ListStart::AfterPrefix(name(hex)?)),
        _ => Err(bad()),
    }
}

/// Is this marker a common prefix of the list that it goes on with? Then all its keys have been listed: in V1 clients
/// send the last key or prefix, without saying which.
pub(crate) fn is_common_prefix(marker: &str, prefix: &str, delimiter: Option<&str>) -> bool {
    let (Some(delimiter), Some(rest)) = (delimiter, marker.strip_prefix(prefix)) else { return false };
    rest.find(delimiter).is_some_and(|at| at + delimiter.len() == rest.len())
}

/// Where a list with a plain marker goes on.
pub(crate) fn start_after(marker: Option<String>, prefix: &str, delimiter: Option<&str>) -> ListStart {
    match marker.filter(|marker| !marker.is_empty()) {
        None => ListStart::Beginning,
        Some(marker) if is_common_prefix(&marker, prefix, delimiter) => ListStart::AfterPrefix(marker),
        Some(marker) => ListStart::After(marker),
    }
}

/// How names are written in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Raw,
    Url,
}

impl Encoding {
    pub(crate) fn parse(asked: Option<&str>) -> Result<Self, Refusal> {
        match asked {
            None | Some("") => Ok(Self::Raw),
            Some("url") => Ok(Self::Url),
            Some(other) => {
                let text = format!("Invalid Encoding Method specified in Request: {:?}", shortened(other));
                Err(Refusal::invalid("encoding-type", other, text))
            }
        }
    }

    pub(crate) fn write(self, name: String) -> String {
        match self {
            Self::Raw => name,
            Self::Url => url_encode(&name).to_string(),
        }
    }
}

/// The pieces make the name as [`Encoding::Url`] writes it: ASCII, and nothing that means anything in XML.
pub(crate) fn url_encode(name: &str) -> PercentEncode<'_> {
    utf8_percent_encode(name, URL_ENCODED)
}

/// All but unreserved characters and `/`, as S3 leaves it readable. A space becomes `%20`, which every client decodes.
const URL_ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[derive(Clone, Debug, PartialEq)]
    struct Name(String, bool);

    impl Item for Name {
        fn name(&self) -> &str {
            &self.0
        }

        fn is_prefix(&self) -> bool {
            self.1
        }
    }

    /// Every item of these keys after `start`, as one shard that holds them all lists them.
    fn flat(keys: &BTreeSet<String>, start: &ListStart, delimiter: Option<&str>) -> Vec<Name> {
        let mut items: Vec<Name> = Vec::new();
        for key in keys {
            let after = match start {
                ListStart::Beginning => true,
                ListStart::After(name) => key > name,
                ListStart::AfterPrefix(prefix) => key > prefix && !key.starts_with(prefix),
            };
            let cut = delimiter.and_then(|d| key.find(d).map(|at| at + d.len()));
            let item = cut.map_or(Name(key.clone(), false), |end| Name(key[..end].into(), true));
            if after && items.last() != Some(&item) {
                items.push(item);
            }
        }
        items
    }

    fn page(keys: &BTreeSet<String>, start: &ListStart, delimiter: Option<&str>, max: usize) -> Page<Name> {
        let mut items = flat(keys, start, delimiter);
        let more = items.len() > max;
        items.truncate(max);
        Page { items, more }
    }

    proptest! {
        #[test]
        fn pages_over_many_shards_join_to_the_flat_list(
            keys in proptest::collection::btree_set("[ab/]{1,5}", 0..40),
            placed in proptest::collection::vec(0_usize..4, 40),
            max in 1_usize..8,
            // A shard may end its page early.
            short in 0_usize..3,
            delimited in any::<bool>(),
        ) {
            let delimiter = delimited.then_some("/");
            let mut shards = vec![BTreeSet::new(); 4];
            keys.iter().zip(&placed).for_each(|(key, &shard)| { shards[shard].insert(key.clone()); });
            let whole = flat(&keys, &ListStart::Beginning, delimiter);
            let mut start = ListStart::Beginning;
            let mut found = Vec::new();
            loop {
                let per_shard = max.saturating_sub(short).max(1);
                let pages = shards.iter().map(|s| page(s, &start, delimiter, per_shard)).collect();
                let merged = merge(pages, max);
                prop_assert!(merged.items.len() <= max);
                prop_assert!(short > 0 || !merged.more || merged.items.len() == max, "a page is cut without need");
                found.extend(merged.items.iter().cloned());
                prop_assert_eq!(merged.more, found.len() < whole.len(), "more is told falsely");
                if !merged.more {
                    break;
                }
                start = read_token(&token(merged.items.last().unwrap())).unwrap();
            }
            prop_assert_eq!(found, whole);
        }

        #[test]
        fn tokens_read_back_and_nonsense_is_refused(name in ".{0,40}", prefix in any::<bool>(), noise in ".{0,20}") {
            let start = read_token(&token(&Name(name.clone(), prefix))).unwrap();
            let expected = if prefix { ListStart::AfterPrefix(name) } else { ListStart::After(name) };
            prop_assert_eq!(start, expected);
            let _ = read_token(&noise);
        }
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_all_its_keys() {
        for (marker, prefix, expected) in [
            ("a/", "", true),
            ("a/b", "", false),
            ("a/b/", "", false),
            ("a/b/", "a/", true),
            ("a/", "a/", false),
            ("b/", "a/", false),
        ] {
            assert_eq!(is_common_prefix(marker, prefix, Some("/")), expected, "{marker} {prefix}");
        }
        assert!(!is_common_prefix("a/", "", None));
    }

    #[test]
    fn limits_are_clipped_and_names_encoded_as_s3_does() {
        assert_eq!(max_items(None, "max-keys").unwrap(), 1_000);
        assert_eq!(max_items(Some(5_000), "max-keys").unwrap(), 1_000);
        assert_eq!(max_items(Some(0), "max-keys").unwrap(), 0);
        assert!(max_items(Some(-1), "max-keys").is_err());
        assert_eq!(Encoding::Url.write("a b/+%ü~".into()), "a%20b/%2B%25%C3%BC~");
        assert_eq!(Encoding::Raw.write("a b".into()), "a b");
        assert!(Encoding::parse(Some("gzip")).is_err());
    }
}
