//! Lists over all shards of a bucket: merges their ordered pages into one. Pure: the shards' answers come in as values.

use pocket_edge::listing::{Item, Page};

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

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::metadata::ListStart;
    use pocket_edge::listing::{read_token, token};
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
    }
}
