//! A certificate and its key in files that somebody else writes.

use crate::config::tls::Files;
use anyhow::{Context, anyhow};
use pocket_edge::tls::{BadIdentity, Identity};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

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

/// Of the certificate and the key; `None` for a file that cannot be seen.
pub(super) fn stamps(files: &Files) -> [Option<Stamp>; 2] {
    [&files.certificate, &files.key].map(|file| {
        let seen = std::fs::metadata(file).ok()?;
        let modified = (seen.mtime(), seen.mtime_nsec());
        let changed = (seen.ctime(), seen.ctime_nsec());
        Some(Stamp { device: seen.dev(), inode: seen.ino(), bytes: seen.size(), modified, changed })
    })
}

/// Errors name the file and what is wrong with it.
pub(super) fn read(files: &Files) -> anyhow::Result<Identity> {
    let certificate = files.certificate.display();
    let read = |what, file: &Path| {
        std::fs::read(file).with_context(|| format!("cannot read {what} {}", file.display()))
    };
    let (chain, key) = (read("tls-cert", &files.certificate)?, read("tls-key", &files.key)?);
    Identity::from_pem(&chain, &key).map_err(|error| match error {
        BadIdentity::Certificate(why) => anyhow!("tls-cert {certificate} {why}"),
        BadIdentity::Key(why) => anyhow!("tls-key {} {why}", files.key.display()),
        BadIdentity::Mismatch => {
            anyhow!(
                "the key in tls-key {} is not that of the certificate in tls-cert {certificate}",
                files.key.display()
            )
        }
    })
}
