//! The matrix of real clients: each is installed in a pinned version, does its job against a running Pocket, and gets a
//! line in a table. [`table`] lists them, [`toolchains`] installs them, [`run`] runs them, [`page`] writes
//! `docs/clients.md`, [`steps`] says what each job has to show.
//!
//! A client's folder, `compat-tests/clients/<name>`, holds its job in the client's own language and `config.md`, the
//! few lines of configuration that the job uses. A job is told nothing but endpoint, region and credentials; nothing
//! here may work around what a client does.

pub mod outcome;
pub mod page;
pub mod run;
pub mod steps;
pub mod table;
pub mod toolchains;

use crate::workshop::{Missing, Workshop};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One line of the matrix.
#[derive(Debug)]
pub struct Client {
    /// Also the name of its folder.
    pub name: &'static str,
    pub version: Version,
    /// What the machine has to have, or to let be installed.
    pub needs: &'static [Need],
    pub shows: Shows,
    /// A job that takes longer has hung, on two cores that are busy with something else too.
    pub limit_seconds: u64,
    /// Installs what the job needs and says how it is started.
    pub job: fn(&Client, &Workshop) -> Result<Command, Missing>,
}

/// Where a client's version is written down, once.
#[derive(Debug)]
pub enum Version {
    /// In a file under `compat-tests/clients`: what follows `after`, until a blank, a quote, a comma or a tag.
    Pinned { file: &'static str, after: &'static str },
    /// What Debian's package of this name has.
    Debian { package: &'static str },
}

/// What a job has to report before it counts as passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shows {
    /// Every step of [`steps`] but those that its `config.md` says the client lacks.
    Steps,
    /// Somebody else's tests, which are counted instead.
    Counts,
}

/// What a job needs besides this workspace's own Rust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    Python,
    Rust,
    Go,
    Node,
    Java,
    /// Packages of Debian; installed where this runs as root.
    Apt(&'static [&'static str]),
    /// `/dev/fuse`, and the right to mount.
    Fuse,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Python => f.write_str("python"),
            Self::Rust => f.write_str("rust"),
            Self::Go => f.write_str("go"),
            Self::Node => f.write_str("node"),
            Self::Java => f.write_str("java"),
            Self::Apt(packages) => write!(f, "apt: {}", packages.join(" ")),
            Self::Fuse => f.write_str("fuse"),
        }
    }
}

impl Client {
    /// Its job and configuration.
    pub fn folder(&self) -> PathBuf {
        folder().join(self.name)
    }

    /// The lines that set it up, as `docs/clients.md` shows them.
    pub fn config(&self) -> Result<String, String> {
        let path = self.folder().join("config.md");
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        Ok(text.trim().to_owned())
    }

    /// The version that is written down, or that the machine's package has; `None` where it is not installed.
    pub fn version(&self) -> Option<String> {
        match self.version {
            Version::Pinned { file, after } => {
                let text = fs::read_to_string(folder().join(file)).ok()?;
                let version = &text[text.find(after)? + after.len()..];
                let end = version.find(|c: char| c.is_whitespace() || "\"',<".contains(c));
                Some(version[..end.unwrap_or(version.len())].to_owned())
            }
            Version::Debian { package } => toolchains::apt::version(package),
        }
    }

    /// Whether `cargo test` runs it too.
    pub fn is_of_the_test_command(&self) -> bool {
        self.needs.iter().all(|need| matches!(need, Need::Python | Need::Rust))
    }

    /// All needs in one line.
    pub fn needs_line(&self) -> String {
        self.needs.iter().map(Need::to_string).collect::<Vec<_>>().join(", ")
    }
}

/// `compat-tests/clients`.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}
