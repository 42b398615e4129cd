//! A certificate and its key in files that somebody else writes.

use anyhow::{Context, anyhow};
use pocket_edge::tls::{BadIdentity, Identity};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Files {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// Tells one content of a file from another without reading it. Links are followed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    /// Seconds and nanoseconds.
    modified: (i64, i64),
    /// The same of what is known of it: whose it is and who may read it.
    changed: (i64, i64),
}

impl Files {
    /// Of the certificate and the key; `None` for a file that cannot be seen.
    pub(super) fn stamps(&self) -> [Option<Stamp>; 2] {
        [&self.certificate, &self.key].map(|file| {
            let seen = std::fs::metadata(file).ok()?;
            let modified = (seen.mtime(), seen.mtime_nsec());
            let changed = (seen.ctime(), seen.ctime_nsec());
            Some(Stamp { device: seen.dev(), inode: seen.ino(), bytes: seen.size(), modified, changed })
        })
    }

    /// Errors name the file and what is wrong with it.
    pub(super) fn read(&self) -> anyhow::Result<Identity> {
        let certificate = self.certificate.display();
        let read = |what, file: &Path| {
            std::fs::read(file).with_context(|| format!("cannot read {what} {}", file.display()))
        };
        let (chain, key) = (read("tls-cert", &self.certificate)?, read("tls-key", &self.key)?);
        Identity::from_pem(&chain, &key).map_err(|error| match error {
            BadIdentity::Certificate(why) => anyhow!("tls-cert {certificate} {why}"),
            BadIdentity::Key(why) => anyhow!("tls-key {} {why}", self.key.display()),
            BadIdentity::Mismatch => {
                anyhow!(
                    "the key in tls-key {} is not that of the certificate in tls-cert {certificate}",
                    self.key.display()
                )
            }
        })
    }
}
