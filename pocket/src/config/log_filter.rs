//! What is logged: a level for Pocket itself, and levels by target. Strict, because a misspelt level that was taken for
//! a target would log everything of nothing.

use anyhow::{bail, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// All crates of Pocket: their targets begin with it.
const POCKET: &str = "pocket";
/// Targets are these and modules in them; other names may be those of libraries.
const CRATES: [&str; 11] = [
    "pocket",
    "pocket_access",
    "pocket_api",
    "pocket_bench",
    "pocket_controller",
    "pocket_edge",
    "pocket_gateway",
    "pocket_metadata",
    "pocket_monitor",
    "pocket_storage",
    "pocket_wire",
];
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// As written, such as `info,pocket_gateway=debug`. What is not named is off: libraries say nothing unless asked to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct LogFilter {
    written: String,
    /// A target, or what it begins with, and its level.
    levels: Vec<(String, LevelFilter)>,
}

impl LogFilter {
    /// Where targets overlap, the longest counts.
    pub(crate) fn targets(&self) -> Targets {
        Targets::new().with_targets(self.levels.iter().cloned())
    }
}

impl FromStr for LogFilter {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let mut levels: Vec<(String, LevelFilter)> = Vec::new();
        for part in text.split(',').map(str::trim) {
            let (target, level) = part.split_once('=').unwrap_or((POCKET, part));
            let is_name = |c: char| c.is_ascii_alphanumeric() || "_-:".contains(c);
            if !LEVELS.contains(&level) || target.is_empty() || !target.chars().all(is_name) {
                bail!(
                    "log filter {text:?}: {part:?} is neither a level ({}) nor TARGET=LEVEL, such as \
                     info,pocket_gateway=debug",
                    LEVELS.join(", ")
                );
            }
            ensure!(
                !target.starts_with(POCKET) || is_ours(target),
                "log filter {text:?}: {target:?} logs nothing: the targets of Pocket are {}, and modules in them",
                CRATES.join(", ")
            );
            ensure!(
                levels.iter().all(|(named, _)| named != target),
                "log filter {text:?}: two levels for {target}"
            );
            levels.push((target.to_owned(), level.parse()?));
        }
        Ok(Self { written: text.to_owned(), levels })
    }
}

/// A crate of ours, or a module in one, or what several begin with.
fn is_ours(target: &str) -> bool {
    let is_in =
        |name: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    CRATES.iter().any(|name| is_in(name) || name.starts_with(target))
}

impl Default for LogFilter {
    fn default() -> Self {
        Self { written: "info".into(), levels: vec![(POCKET.into(), LevelFilter::INFO)] }
    }
}

impl fmt::Display for LogFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

impl TryFrom<String> for LogFilter {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        text.parse()
    }
}

impl From<LogFilter> for String {
    fn from(filter: LogFilter) -> String {
        filter.written
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn a_level_alone_is_that_of_pocket_and_libraries_are_off_unless_named() {
        for (filter, target, level, shown) in [
            ("info", "pocket_gateway::ops", Level::INFO, true),
            ("info", "pocket_gateway::ops", Level::DEBUG, false),
            ("info", "s3s::service", Level::ERROR, false),
            ("warn", "pocket", Level::INFO, false),
            ("warn", "s3s::service", Level::WARN, false),
            ("trace", "hyper::proto", Level::ERROR, false),
            ("info,s3s=debug", "s3s::service", Level::DEBUG, true),
            ("warn, pocket_gateway=debug", "pocket_gateway::ops", Level::DEBUG, true),
            ("warn,pocket_gateway=debug", "pocket_wire", Level::INFO, false),
            ("off", "pocket", Level::ERROR, false),
        ] {
            let targets = filter.parse::<LogFilter>().unwrap().targets();
            assert_eq!(targets.would_enable(target, &level), shown, "{filter} {target} {level}");
        }
        assert_eq!("info".parse::<LogFilter>().unwrap(), LogFilter::default());
    }

    #[test]
    fn what_is_no_level_is_said() {
        for bad in ["debgu", "", "pocket=loud", "pocket_gateway", "info,", "=info", "a b=info", "INFO"] {
            let error = bad.parse::<LogFilter>().unwrap_err().to_string();
            assert!(error.contains(&format!("{bad:?}")) && error.contains("debug, trace"), "{error}");
        }
        assert!("info,warn".parse::<LogFilter>().is_err());
    }

    #[test]
    fn a_target_of_pocket_that_there_is_not_is_said() {
        for bad in ["pocket_gatway=debug", "info,pockets=debug", "pocket_gateway:ops=debug"] {
            let error = bad.parse::<LogFilter>().unwrap_err().to_string();
            assert!(error.contains("logs nothing") && error.contains("pocket_gateway"), "{error}");
        }
        for good in ["pocket_gateway::ops=debug", "pocket_=debug", "pocket=debug", "hyper=info"] {
            good.parse::<LogFilter>().unwrap();
        }
    }

    #[test]
    fn the_crates_are_those_of_the_workspace() {
        let workspace = include_str!("../../../Cargo.toml");
        let named =
            workspace.lines().filter_map(|line| line.strip_prefix("pocket-")?.split_once(" = { path"));
        let mut crates: Vec<String> =
            named.map(|(name, _)| format!("pocket_{name}").replace('-', "_")).collect();
        // What tests alone are made of.
        crates.retain(|name| !["pocket_compat_tests", "pocket_fuzz", "pocket_sim"].contains(&name.as_str()));
        crates.push(POCKET.into());
        crates.sort();
        assert_eq!(crates, CRATES);
    }
}
