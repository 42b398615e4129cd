//! The query of a request, read once: names and values for the allow-list, their canonical form for the signature.

use super::percent::{self, Part};
use pocket_access::refusal::{Refusal, shortened};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Most `name=value` pairs in one query. Presigned URLs with every header moved into the query stay below 40.
const QUERY_PAIRS_MAX: usize = 100;

/// One `name=value`, or a bare `name`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) value: Cow<'a, str>,
    /// As they came, for the canonical form and for the URI that is passed on.
    raw_name: &'a str,
    raw_value: &'a str,
}

/// All pairs in the order in which they came; no name twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Query<'a>(SmallVec<[Pair<'a>; 4]>);

impl<'a> Query<'a> {
    /// Refuses broken percent-encoding, a name that is there twice (who would know which one counts?) and queries of
    /// more than [`QUERY_PAIRS_MAX`] pairs.
    pub(crate) fn parse(raw: &'a str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for piece in raw.split('&').filter(|piece| !piece.is_empty()) {
            let (raw_name, raw_value) = piece.split_once('=').unwrap_or((piece, ""));
            let name = percent::decode(raw_name, Part::Query)?;
            let value = percent::decode(raw_value, Part::Query)?;
            if query.0.len() == QUERY_PAIRS_MAX {
                let message = format!("the query has more than {QUERY_PAIRS_MAX} parameters");
                return Err(Refusal::invalid(&name, &value, message));
            }
            if query.get(&name).is_some() {
                let message = format!("the query parameter {:?} is given twice", shortened(&name));
                return Err(Refusal::invalid(&name, &value, message));
            }
            query.0.push(Pair { name, value, raw_name, raw_value });
        }
        Ok(query)
    }

    /// The value of a name; empty for a bare one.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|pair| pair.name == name).map(|pair| &*pair.value)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Pair<'a>> {
        self.0.iter()
    }

    /// Appends the canonical query: each name and value encoded once, in the order of the encoded names, without the
    /// parameter `except`.
    pub(crate) fn canonicalize(&self, except: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
        if self.is_empty() {
            return Ok(());
        }
        let mut scratch = Vec::new();
        // (start, end of name, end of value) in `scratch`.
        let mut pairs: SmallVec<[(usize, usize, usize); 16]> = SmallVec::new();
        for pair in self.0.iter().filter(|pair| pair.name != except) {
            let start = scratch.len();
            percent::canonicalize(pair.raw_name, Part::Query, &mut scratch)?;
            let name_end = scratch.len();
            percent::canonicalize(pair.raw_value, Part::Query, &mut scratch)?;
            pairs.push((start, name_end, scratch.len()));
        }
        pairs.sort_unstable_by(|a, b| scratch[a.0..a.1].cmp(&scratch[b.0..b.1]));
        for (i, (start, name_end, end)) in pairs.into_iter().enumerate() {
            if i > 0 {
                out.push(b'&');
            }
            out.extend_from_slice(&scratch[start..name_end]);
            out.push(b'=');
            out.extend_from_slice(&scratch[name_end..end]);
        }
        Ok(())
    }

    /// Appends the pairs that `keep` wants as they came, each after a `?` or `&`.
    pub(crate) fn write_kept(&self, keep: impl Fn(&str) -> bool, out: &mut String) {
        let mut before = '?';
        for pair in self.0.iter().filter(|pair| keep(&pair.name)) {
            out.push(before);
            out.push_str(pair.raw_name);
            out.push('=');
            out.push_str(pair.raw_value);
            before = '&';
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;
    use proptest::prelude::*;

    fn canonical(raw: &str) -> String {
        let mut out = Vec::new();
        Query::parse(raw).unwrap().canonicalize("X-Amz-Signature", &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn canonical_queries_are_sorted_and_encoded_once() {
        assert_eq!(canonical("prefix=a/b&max-keys=2&X-Amz-Signature=f&a"), "a=&max-keys=2&prefix=a%2Fb");
        assert_eq!(canonical("uploads"), canonical("uploads="));
        assert_eq!(canonical("b=1&a=%7e+x&&B"), "B=&a=~%20x&b=1");
        assert_eq!(canonical("a-b=1&a=2"), "a=2&a-b=1");
    }

    #[test]
    fn names_that_come_twice_or_too_many_are_refused() {
        for bad in ["a=1&a=2", "a&%61", &(0..101).map(|i| format!("k{i}&")).collect::<String>()] {
            assert_eq!(Query::parse(bad).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
        }
    }

    #[test]
    fn kept_pairs_stay_as_they_came() {
        let query = Query::parse("x=%2f+&drop=1&y").unwrap();
        let mut out = String::new();
        query.write_kept(|name| name != "drop", &mut out);
        assert_eq!(out, "?x=%2f+&y=");
    }

    proptest! {
        #[test]
        fn no_query_makes_the_parser_panic(raw in "[a-c%=&+0-9ä ]{0,40}") {
            if let Ok(query) = Query::parse(&raw) {
                query.canonicalize("", &mut Vec::new()).unwrap();
            }
        }
    }
}
