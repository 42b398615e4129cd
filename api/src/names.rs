//! Names that come from outside, parsed once at the edge into types that cannot be wrong.

use crate::limits::{BUCKET_NAME_MAX_BYTES, BUCKET_NAME_MIN_BYTES, KEY_MAX_BYTES};
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Why a name was refused. The text names the rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    #[error("bucket name {0:?}: {1}")]
    Bucket(String, &'static str),
    #[error("object key of {0} bytes: at most {KEY_MAX_BYTES} are allowed")]
    KeyTooLong(usize),
    #[error("object key is empty")]
    KeyEmpty,
    #[error("tenant name {0:?}: 1 to 64 letters, digits, '-', '_' and '.'")]
    Tenant(String),
}

/// What names of buckets must not begin with: S3 keeps these for itself.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
/// Likewise what they must not end with: aliases of access points, and kinds of buckets that there are none of here. `--x-s3`, of
/// buckets in single zones, is not among them: SDKs open sessions with these.
const RESERVED_SUFFIXES: [&str; 4] = ["-s3alias", "--ol-s3", ".mrap", "--table-s3"];

/// A bucket name by S3's rules for general purpose buckets.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BucketName(Arc<str>);

impl BucketName {
    /// Refuses what S3 refuses: length, characters, ends, two dots in a row, the look of an IPv4 address, what S3 keeps for itself.
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let refuse = |why| Err(NameError::Bucket(name.chars().take(80).collect(), why));
        let bytes = name.as_bytes();
        if bytes.len() < BUCKET_NAME_MIN_BYTES || bytes.len() > BUCKET_NAME_MAX_BYTES {
            return refuse("must be 3 to 63 characters long");
        }
        let inner = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        if !bytes.iter().all(inner) {
            return refuse("only lower-case letters, digits, '-' and '.' are allowed");
        }
        let end = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        if !end(bytes[0]) || !end(bytes[bytes.len() - 1]) {
            return refuse("must begin and end with a letter or a digit");
        }
        if name.contains("..") {
            return refuse("must not have two dots in a row");
        }
        if name.parse::<std::net::Ipv4Addr>().is_ok() {
            return refuse("must not look like an IP address");
        }
        if RESERVED_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return refuse("must not begin with xn--, sthree- or amzn-s3-demo-");
        }
        if RESERVED_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
            return refuse("must not end with -s3alias, --ol-s3, .mrap or --table-s3");
        }
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An object key: 1 to 1,024 bytes of UTF-8, compared by bytes. Nothing in it is special to Pocket: "//", ".", a
/// trailing "/" are bytes like others.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(Box<str>);

impl ObjectKey {
    pub fn parse(key: &str) -> Result<Self, NameError> {
        match key.len() {
            0 => Err(NameError::KeyEmpty),
            1..=KEY_MAX_BYTES => Ok(Self(key.into())),
            n => Err(NameError::KeyTooLong(n)),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::borrow::Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Whom a job belongs to. Credentials are a tenant's; only its creator's tenant may touch a job.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantName(Arc<str>);

impl TenantName {
    pub fn parse(name: &str) -> Result<Self, NameError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(allowed) {
            return Err(NameError::Tenant(name.chars().take(80).collect()));
        }
        Ok(Self(name.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! name_traits {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(name: String) -> Result<Self, NameError> {
                Self::parse(&name)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.to_string()
            }
        }

        // By hand, because by way of a `String` each name would be copied once more on either side.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Parsed;
                impl Visitor<'_> for Parsed {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a name")
                    }

                    fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<$name, E> {
                        $name::parse(name).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Parsed)
            }
        }
    )*};
}
name_traits!(BucketName, ObjectKey, TenantName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bucket_names_follow_the_rules_of_s3() {
        for good in ["abc", "my-bucket", "a.b.c", "0ab", &"x".repeat(63)] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "ab", &"x".repeat(64), "Abc", "a_b", "-ab", "ab-", "a..b", "10.0.0.1", "ä23"] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_are_read_as_text_and_held_to_their_rules() {
        let json = r#"["abc","//x","team"]"#;
        let names: (BucketName, ObjectKey, TenantName) = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&names).unwrap(), json);
        for (bad, why) in [(r#""A""#, "bucket name"), (r#""""#, "bucket name"), ("7", "expected a name")] {
            let refused = serde_json::from_str::<BucketName>(bad).unwrap_err().to_string();
            assert!(refused.contains(why), "{refused}");
        }
        assert!(serde_json::from_str::<ObjectKey>(r#""""#).is_err());
        assert!(serde_json::from_str::<TenantName>(r#""a b""#).is_err());
    }

    #[test]
    fn names_that_s3_keeps_for_itself_are_no_buckets() {
        for bad in [
            "xn--bucket",
            "sthree-bucket",
            "amzn-s3-demo-bucket",
            "bucket-s3alias",
            "bucket--ol-s3",
            "bucket.mrap",
            "bucket--table-s3",
        ] {
            assert!(BucketName::parse(bad).is_err(), "{bad}");
        }
        for good in ["bucket--x-s3", "bucket-xn--a", "sthree", "s3alias", "mrap"] {
            assert!(BucketName::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn keys_are_any_utf8_up_to_1024_bytes() {
        for good in ["a", "//x", "dir/", ".", "../..", "ü ", &"k".repeat(1024)] {
            assert_eq!(ObjectKey::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(ObjectKey::parse(""), Err(NameError::KeyEmpty));
        assert_eq!(ObjectKey::parse(&"k".repeat(1025)), Err(NameError::KeyTooLong(1025)));
    }
}
