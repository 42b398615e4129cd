//! The label of the machine that a node runs on: what has the same label is cut off together, and binds a port once.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Longest label: a host name, which Linux bounds at 64 bytes, and what [`HostLabel::of_this_machine`] adds.
const LABEL_MAX_BYTES: usize = 80;
/// Digits of the machine's id in a label that nobody chose: enough to tell machines of one name apart.
const ID_DIGITS: usize = 8;

/// Printable, without spaces, not empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct HostLabel(String);

impl HostLabel {
    /// The host's name for people, and the beginning of the machine's id, because machines that were made from one image
    /// often have the same name, or the same id. Inside a container both are the container's, as its ports are.
    pub(crate) fn of_this_machine() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&read("/proc/sys/kernel/hostname"), &read("/etc/machine-id"))
    }

    fn of(name: &str, id: &str) -> Self {
        let id = id.trim();
        let is_id = id.len() >= ID_DIGITS && id.bytes().all(|b| b.is_ascii_hexdigit());
        let parts = [name.trim(), if is_id { &id[..ID_DIGITS] } else { "" }];
        let label = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
        label.parse().unwrap_or_else(|_| Self("unknown".into()))
    }
}

impl FromStr for HostLabel {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let is_label =
            (1..=LABEL_MAX_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        anyhow::ensure!(
            is_label,
            "host {text:?}: 1 to {LABEL_MAX_BYTES} characters without spaces, such as the machine's name"
        );
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for HostLabel {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl fmt::Display for HostLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<HostLabel> for String {
    fn from(label: HostLabel) -> String {
        label.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_has_what_there_is_of_name_and_id() {
        for (name, id, label) in [
            ("vm\n", "3d1219c7c4c5404aaa1f6d2a48adfda4\n", "vm-3d1219c7"),
            ("vm\n", "", "vm"),
            ("vm\n", "uninitialized\n", "vm"),
            ("", "3d1219c7c4c5404aaa1f6d2a48adfda4", "3d1219c7"),
            ("", "", "unknown"),
        ] {
            assert_eq!(HostLabel::of(name, id).to_string(), label, "{name:?} {id:?}");
        }
    }

    #[test]
    fn labels_have_no_spaces_and_an_end() {
        assert!("rack-3/node:7".parse::<HostLabel>().is_ok());
        for bad in ["", "a b", "a\n", &"h".repeat(LABEL_MAX_BYTES + 1)] {
            assert!(bad.parse::<HostLabel>().is_err(), "{bad:?}");
        }
    }
}
