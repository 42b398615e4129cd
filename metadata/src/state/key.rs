//! Keys as the ordered maps of a job hold them. Inside the state machine; knows only the order of bytes.

use pocket_api::names::ObjectKey;
use std::borrow::Borrow;

/// An object key that can be looked up and bounded by any bytes: the end of a prefix's range is no UTF-8.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(pub(crate) ObjectKey);

impl Key {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

/// The order of text is the order of its bytes, so both views agree.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.as_str().as_bytes()
    }
}

/// The least bytes above everything that starts with `prefix`; `None` where nothing is above (the empty prefix).
/// UTF-8 has no byte 0xff, so the last byte can always be counted up.
pub(crate) fn above_prefix(prefix: &str) -> Option<Vec<u8>> {
    let mut bound = prefix.as_bytes().to_vec();
    *bound.last_mut()? += 1;
    Some(bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_above_a_prefix_lies_between_its_last_key_and_the_next() {
        for prefix in ["a", "a/", "ü", "日本", "\u{10ffff}"] {
            let bound = above_prefix(prefix).unwrap();
            assert!(format!("{prefix}\u{10ffff}\u{10ffff}").as_bytes() < bound.as_slice(), "{prefix}");
            assert!(
                bound.as_slice() <= [&prefix.as_bytes()[..prefix.len() - 1], &[0xff]].concat().as_slice()
            );
        }
        assert_eq!(above_prefix(""), None);
    }
}
