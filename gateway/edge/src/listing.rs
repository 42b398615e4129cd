//! What lists are made of, how their names are written, and the tokens with which a client goes on. Pure. A token is the last
//! name returned and nothing else.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use pocket_access::refusal::{Refusal, shortened};
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{ListItem, ListStart, UploadsItem};

/// What lists are made of: in the order of names as bytes.
pub trait Item {
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

/// A stretch of a list: one shard's, or all of them merged.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// There is at least one more item after the last.
    pub more: bool,
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
pub fn token(item: &impl Item) -> String {
    let kind = if item.is_prefix() { 'p' } else { 'k' };
    format!("{kind}{}", hex::encode(item.name()))
}

pub fn read_token(token: &str) -> Result<ListStart, Refusal> {
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

    proptest! {
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
