//! Sizes as people write them: `512MiB`, `10GB`, plain bytes.

use bytesize::ByteSize;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A number of bytes, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub(crate) struct Size(u64);

/// In a file a size may be a text or a number of bytes.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a size, such as \"512MiB\" or \"10GB\"")]
enum Written {
    Text(String),
    Bytes(u64),
}

impl Size {
    pub(crate) const MIB: u64 = 1 << 20;

    /// `bytes` rounded down to whole MiB, at least one of them.
    pub(crate) fn whole_mib(bytes: u64) -> Self {
        Self((bytes / Self::MIB).max(1) * Self::MIB)
    }

    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        match text.parse::<ByteSize>() {
            Ok(ByteSize(bytes)) if bytes > 0 => Ok(Self(bytes)),
            _ => anyhow::bail!("size {text:?}: a number above 0 with a unit, such as 512MiB or 10GB"),
        }
    }
}

impl TryFrom<Written> for Size {
    type Error = anyhow::Error;

    fn try_from(written: Written) -> anyhow::Result<Self> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Bytes(bytes) => bytes.to_string().parse(),
        }
    }
}

impl From<Size> for String {
    fn from(size: Size) -> String {
        size.to_string()
    }
}

/// Exact: in the largest binary unit that it is a whole number of.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B")];
        let (unit, name) =
            units.into_iter().find(|(unit, _)| self.0.is_multiple_of(*unit)).unwrap_or((1, "B"));
        write!(f, "{}{name}", self.0 / unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_back_exactly_as_they_are_shown() {
        for (written, shown) in
            [("512MiB", "512MiB"), ("10GB", "9765625KiB"), ("1025", "1025B"), ("2048 KiB", "2MiB")]
        {
            let size: Size = written.parse().unwrap();
            assert_eq!(size.to_string(), shown);
            assert_eq!(shown.parse::<Size>().unwrap(), size);
        }
    }

    #[test]
    fn a_bad_unit_is_shown_with_a_good_one() {
        for bad in ["10 parsecs", "", "0", "-1MiB", "MiB"] {
            let error = bad.parse::<Size>().unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")) && error.contains("512MiB"), "{error}");
        }
    }
}
