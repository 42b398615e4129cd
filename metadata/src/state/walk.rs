//! An ordered walk over keys with a prefix and a delimiter, in steps of bounded length. Pure; knows neither objects nor
//! uploads, only which keys may be shown.

use crate::state::key::{Key, above_prefix};
use pocket_api::metadata::ListStart;
use std::collections::BTreeMap;
use std::ops::{Bound, ControlFlow};

/// What a walk comes by, in the order of names.
pub(crate) enum Found<'a, V> {
    Key(&'a Key, &'a V),
    /// Keys that have this in common, delimiter included; at least one of them may be shown.
    Prefix(&'a str),
}

/// Where a walk begins. Bounds are any text.
#[derive(Debug)]
pub(crate) enum Start {
    Beginning,
    From(String),
    After(String),
    AfterPrefix(String),
}

impl From<ListStart> for Start {
    fn from(start: ListStart) -> Self {
        match start {
            ListStart::Beginning => Self::Beginning,
            ListStart::After(key) => Self::After(key),
            ListStart::AfterPrefix(prefix) => Self::AfterPrefix(prefix),
        }
    }
}

/// Why a step ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pause {
    /// There is nothing more.
    End,
    /// The visitor has enough.
    Enough,
    /// As many keys as allowed were visited: go on in another step.
    Paused,
}

/// Where a walk stands.
#[derive(Debug)]
pub(crate) struct Walk {
    prefix: String,
    delimiter: Option<String>,
    from: Bound<Vec<u8>>,
    to: Bound<Vec<u8>>,
}

impl Walk {
    pub(crate) fn new(prefix: String, delimiter: Option<String>, start: Start) -> Self {
        let first = Bound::Included(prefix.as_bytes().to_vec());
        let from = match start {
            Start::Beginning => first,
            Start::From(key) | Start::After(key) if key < prefix => first,
            Start::From(key) => Bound::Included(key.into_bytes()),
            Start::After(key) => Bound::Excluded(key.into_bytes()),
            Start::AfterPrefix(done) => match above_prefix(&done) {
                Some(above) if above.as_slice() < prefix.as_bytes() => first,
                Some(above) => Bound::Included(above),
                // After everything.
                None => Bound::Excluded(vec![0xff]),
            },
        };
        let to = above_prefix(&prefix).map_or(Bound::Unbounded, Bound::Excluded);
        Self { prefix, delimiter, from, to }
    }

    fn is_over(&self) -> bool {
        match (&self.from, &self.to) {
            (Bound::Included(from) | Bound::Excluded(from), Bound::Excluded(to)) => from >= to,
            _ => false,
        }
    }

    fn common_prefix<'k>(&self, key: &'k str) -> Option<&'k str> {
        let delimiter = self.delimiter.as_deref()?;
        let rest = key.get(self.prefix.len()..)?;
        let at = rest.find(delimiter)?;
        Some(&key[..self.prefix.len() + at + delimiter.len()])
    }

    /// Visits at most `most` keys and shows `visit` those that are `visible`. Past a common prefix it seeks, whatever
    /// number of keys share it.
    pub(crate) fn step<V>(
        &mut self,
        map: &BTreeMap<Key, V>,
        most: usize,
        visible: impl Fn(&Key, &V) -> bool,
        mut visit: impl FnMut(Found<'_, V>) -> ControlFlow<()>,
    ) -> Pause {
        let mut left = most;
        'seek: while !self.is_over() {
            let bounds = (as_slice(&self.from), as_slice(&self.to));
            for (key, value) in map.range::<[u8], _>(bounds) {
                if left == 0 {
                    self.from = Bound::Included(key.as_str().as_bytes().to_vec());
                    return Pause::Paused;
                }
                left -= 1;
                if !visible(key, value) {
                    continue;
                }
                let Some(common) = self.common_prefix(key.as_str()) else {
                    if visit(Found::Key(key, value)).is_break() {
                        return Pause::Enough;
                    }
                    continue;
                };
                if visit(Found::Prefix(common)).is_break() {
                    return Pause::Enough;
                }
                self.from = above_prefix(common).map_or(Bound::Excluded(vec![0xff]), Bound::Included);
                continue 'seek;
            }
            break;
        }
        Pause::End
    }
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::names::ObjectKey;
    use proptest::prelude::*;

    fn walk(
        keys: &[&str],
        prefix: &str,
        delimiter: Option<&str>,
        start: ListStart,
        most: usize,
    ) -> Vec<String> {
        let map: BTreeMap<Key, bool> =
            keys.iter().map(|k| (Key(ObjectKey::parse(k).unwrap()), !k.contains('!'))).collect();
        let mut walk = Walk::new(prefix.into(), delimiter.map(Into::into), start.into());
        let mut seen = Vec::new();
        loop {
            let pause = walk.step(
                &map,
                most,
                |_, visible| *visible,
                |found| {
                    seen.push(match found {
                        Found::Key(key, _) => key.as_str().to_owned(),
                        Found::Prefix(prefix) => format!("{prefix}*"),
                    });
                    ControlFlow::Continue(())
                },
            );
            if pause == Pause::End {
                return seen;
            }
        }
    }

    #[test]
    fn walks_go_by_bytes_with_any_prefix_delimiter_and_start() {
        let keys = ["a", "a/", "a/b", "a/b/c", "a//", "a0", "b!/x", "b!/y", "c/!", "c/d", "ü/1"];
        use ListStart::*;
        type Case<'a> = (&'a str, Option<&'a str>, ListStart, &'a [&'a str]);
        let cases: [Case<'_>; 10] = [
            ("", None, After("a/b/c".into()), &["a0", "c/d", "ü/1"]),
            ("", Some("/"), Beginning, &["a", "a/*", "a0", "c/*", "ü/*"]),
            ("a/", Some("/"), Beginning, &["a/", "a//*", "a/b", "a/b/*"]),
            ("a", Some("/"), Beginning, &["a", "a/*", "a0"]),
            ("", Some("/"), AfterPrefix("a/".into()), &["a0", "c/*", "ü/*"]),
            ("", Some("/"), After("a/b".into()), &["a/*", "a0", "c/*", "ü/*"]),
            ("a/b", None, After("".into()), &["a/b", "a/b/c"]),
            ("a/b", None, After("zzz".into()), &[]),
            ("a/", Some("b/"), Beginning, &["a/", "a//", "a/b", "a/b/*"]),
            ("", None, AfterPrefix("".into()), &[]),
        ];
        for (prefix, delimiter, start, expected) in cases {
            for most in [1, 2, 100] {
                let got = walk(&keys, prefix, delimiter, start.clone(), most);
                assert_eq!(got, expected, "{prefix:?} {delimiter:?} {start:?} in steps of {most}");
            }
        }
    }

    #[test]
    fn a_common_prefix_is_passed_in_one_seek() {
        let keys: Vec<String> = (0..1_000).map(|i| format!("dir/{i}")).chain(["e".into()]).collect();
        let map: BTreeMap<Key, ()> = keys.iter().map(|k| (Key(ObjectKey::parse(k).unwrap()), ())).collect();
        let mut walk = Walk::new(String::new(), Some("/".into()), Start::Beginning);
        let mut found = 0;
        let pause = walk.step(
            &map,
            2,
            |_, ()| true,
            |_| {
                found += 1;
                ControlFlow::Continue(())
            },
        );
        assert_eq!((pause, found), (Pause::End, 2));
    }

    proptest! {
        #[test]
        fn walks_agree_with_a_plain_filter(
            keys in prop::collection::btree_set("[ab/ü]{1,6}", 0..40),
            prefix in "[ab/ü]{0,3}",
            delimiter in prop::option::of("[ab/ü]{1,2}"),
            start in prop::option::of(("[ab/ü]{0,4}", any::<bool>())),
            most in 1..5_usize,
        ) {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let start = match start {
                None => ListStart::Beginning,
                Some((at, false)) => ListStart::After(at),
                Some((at, true)) => ListStart::AfterPrefix(at),
            };
            let mut expected: Vec<String> = Vec::new();
            for key in &keys {
                let after = match &start {
                    ListStart::Beginning => true,
                    ListStart::After(at) => *key > at.as_str(),
                    ListStart::AfterPrefix(at) => *key > at.as_str() && !key.starts_with(at.as_str()),
                };
                if !after || !key.starts_with(&prefix) {
                    continue;
                }
                let common = delimiter.as_ref().and_then(|d| {
                    key[prefix.len()..].find(d.as_str()).map(|i| format!("{}*", &key[..prefix.len() + i + d.len()]))
                });
                let name = common.unwrap_or_else(|| key.to_string());
                if expected.last() != Some(&name) {
                    expected.push(name);
                }
            }
            prop_assert_eq!(walk(&keys, &prefix, delimiter.as_deref(), start, most), expected);
        }
    }
}
