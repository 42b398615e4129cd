//! The certificate that S3 is served with: where it comes from, and how another takes its place while connections go on.

mod authority;
mod files;

use crate::config::Config;
use crate::config::tls::{Choice, Files};
use anyhow::Context;
use authority::Authority;
use parking_lot::Mutex;
use pocket_edge::tls::{Identity, OutOfTime, Tls};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tracing::{info, warn};

/// How often the source is looked at. What has changed is read when it has stood still from one look to the next, since a
/// certificate and its key are written one after the other.
const LOOK_EVERY: Duration = Duration::from_secs(3);

enum Source {
    Files(Files),
    Authority(Box<Authority>),
}

/// When it differs there may be another certificate to be had.
#[derive(Clone, Debug, PartialEq)]
enum Stamp {
    Files([Option<files::Stamp>; 2]),
    /// The time for another, and whom it would be for.
    Authority(u64, Vec<String>),
}

impl Source {
    fn stamp(&self) -> Stamp {
        match self {
            Self::Files(files) => Stamp::Files(files::stamps(files)),
            Self::Authority(authority) => Stamp::Authority(authority::period(), authority.hosts()),
        }
    }

    fn identity(&self) -> anyhow::Result<Identity> {
        match self {
            Self::Files(files) => files::read(files),
            Self::Authority(authority) => authority.issue(),
        }
    }
}

/// Whether a reload made a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    Yes,
    No,
}

/// The certificate of the S3 endpoint, and its source.
pub(crate) struct Certificates {
    source: Source,
    tls: Tls,
    /// Of the source when it was last read, whatever came of it but that it could not be read at all.
    read: Mutex<Stamp>,
    /// What was complained of since the source was read well, so that it is said once.
    complaint: Mutex<String>,
}

impl Certificates {
    /// Reads or makes the first certificate; `None` for plain HTTP.
    pub(crate) fn load(config: &Config) -> anyhow::Result<Option<Arc<Self>>> {
        let source = match Choice::of(&config.gateway)? {
            None => return Ok(None),
            Some(Choice::Files(files)) => Source::Files(files),
            Some(Choice::OwnAuthority) => Source::Authority(Box::new(Authority::keep(config)?)),
        };
        let stamp = source.stamp();
        let tls = Tls::new(source.identity()?).context("TLS cannot be served")?;
        let certificates = Self { source, tls, read: Mutex::new(stamp), complaint: Mutex::default() };
        certificates.complain(certificates.out_of_time());
        Ok(Some(Arc::new(certificates)))
    }

    pub(crate) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// The file that clients have to trust, where this machine made it.
    pub(crate) fn authority(&self) -> Option<&Path> {
        match &self.source {
            Source::Files(_) => None,
            Source::Authority(authority) => Some(authority.file()),
        }
    }

    /// Reads the certificate again, or makes another where it is time for one, and shows it to connections from now on. Where that
    /// fails the old one stays.
    pub(crate) fn reload(&self) -> anyhow::Result<Changed> {
        let stamp = self.source.stamp();
        if matches!(self.source, Source::Authority(_)) && stamp == *self.read.lock() {
            return Ok(Changed::No);
        }
        let identity = self.source.identity();
        if !identity.as_ref().is_err_and(|error| error.is::<io::Error>()) {
            *self.read.lock() = stamp;
        }
        let changed = if self.tls.show(identity?)? { Changed::Yes } else { Changed::No };
        // What goes wrong from here on is news, also where the same went wrong before.
        self.complaint.lock().clear();
        Ok(changed)
    }

    /// Reloads whenever the source has changed. Never ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut seen = self.read.lock().clone();
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (this, before) = (self.clone(), seen.clone());
            // Files may be on a disk that takes its time. A look that ends in a panic is followed by the next.
            seen = tokio::task::spawn_blocking(move || this.look(before)).await.unwrap_or(seen);
        }
    }

    /// One look, `seen` being what the one before saw.
    fn look(&self, seen: Stamp) -> Stamp {
        let now = self.source.stamp();
        let mut complaint = None;
        if now == seen && now != *self.read.lock() {
            match self.reload() {
                Ok(Changed::Yes) => info!("S3 is served with another certificate from now on"),
                Ok(Changed::No) => {}
                Err(error) => complaint = Some(format!("the old certificate stays: {error:#}")),
            }
        }
        self.complain(complaint.or_else(|| self.out_of_time()));
        now
    }

    /// Why clients refuse what is shown, for the time that it is.
    fn out_of_time(&self) -> Option<String> {
        let (why, at) = match self.tls.out_of_time(SystemTime::now())? {
            OutOfTime::Expired(at) => ("expired at", at),
            OutOfTime::NotYet(at) => ("is not valid before", at),
        };
        let at = humantime::format_rfc3339_seconds(at);
        Some(match &self.source {
            Source::Files(files) => {
                format!("tls-cert {} {why} {at}: clients will refuse it", files.certificate.display())
            }
            Source::Authority(_) => format!("the certificate {why} {at}: clients will refuse it"),
        })
    }

    /// Says in the log what is wrong, unless that was the last thing said.
    fn complain(&self, complaint: Option<String>) {
        let Some(complaint) = complaint else { return };
        let mut last = self.complaint.lock();
        if *last != complaint {
            warn!("{complaint}");
            *last = complaint;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn made() -> CertifiedKey<KeyPair> {
        generate_simple_self_signed(["localhost".to_owned()]).unwrap()
    }

    fn write(folder: &Path, made: &CertifiedKey<KeyPair>) {
        fs::create_dir_all(folder).unwrap();
        fs::write(folder.join("tls.crt"), made.cert.pem()).unwrap();
        fs::write(folder.join("tls.key"), made.signing_key.serialize_pem()).unwrap();
    }

    fn config(folder: &Path) -> Config {
        let mut config = Config::default();
        config.gateway.tls_cert = Some(folder.join("tls.crt"));
        config.gateway.tls_key = Some(folder.join("tls.key"));
        config
    }

    fn refusal(config: &Config) -> String {
        format!("{:#}", Certificates::load(config).err().unwrap())
    }

    /// Whether the certificate that is shown is this one; it is so afterwards.
    fn shows(certificates: &Certificates, made: &CertifiedKey<KeyPair>) -> bool {
        let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        !certificates.tls.show(Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path());
        assert!(refusal(&config).contains("tls.crt: No such file"), "{}", refusal(&config));
        write(folder.path(), &made());
        assert!(Certificates::load(&config).unwrap().is_some());
        fs::write(folder.path().join("tls.key"), made().signing_key.serialize_pem()).unwrap();
        let why = refusal(&config);
        assert!(["tls.key", "tls.crt", "not that"].iter().all(|said| why.contains(said)), "{why}");
        fs::write(folder.path().join("tls.key"), "no key").unwrap();
        assert!(refusal(&config).contains("tls.key has no private key"), "{}", refusal(&config));
        fs::write(folder.path().join("tls.crt"), "no certificate").unwrap();
        assert!(refusal(&config).contains("tls.crt has no certificate"), "{}", refusal(&config));
    }

    #[test]
    fn changed_files_are_read_once_they_stand_still() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (made(), made());
        write(folder.path(), &old);
        let certificates = Certificates::load(&config(folder.path())).unwrap().unwrap();
        let seen = certificates.look(certificates.source.stamp());
        write(folder.path(), &new);
        let seen = certificates.look(seen);
        assert!(shows(&certificates, &old), "it may still be written");
        certificates.look(seen);
        assert!(shows(&certificates, &new));
    }

    #[test]
    fn a_bad_file_is_tried_once_and_the_old_certificate_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (made(), made());
        write(folder.path(), &old);
        let certificates = Certificates::load(&config(folder.path())).unwrap().unwrap();
        fs::write(folder.path().join("tls.crt"), "half a certificate").unwrap();
        certificates.look(certificates.source.stamp());
        assert_eq!(*certificates.read.lock(), certificates.source.stamp(), "it has been tried");
        assert!(certificates.reload().is_err());
        assert!(shows(&certificates, &old));
        write(folder.path(), &new);
        assert_eq!(certificates.reload().unwrap(), Changed::Yes);
        assert_eq!(certificates.reload().unwrap(), Changed::No);
        assert!(shows(&certificates, &new));
    }

    #[test]
    fn what_goes_wrong_again_is_said_again() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &made());
        let certificates = Certificates::load(&config(folder.path())).unwrap().unwrap();
        let looks = || certificates.look(certificates.source.stamp());
        let complaint = || certificates.complaint.lock().clone();
        for _ in 0..2 {
            fs::write(folder.path().join("tls.crt"), "half a certificate").unwrap();
            looks();
            assert!(complaint().contains("has no certificate"), "{}", complaint());
            write(folder.path(), &made());
            looks();
            assert_eq!(complaint(), "");
        }
    }

    #[test]
    fn a_file_that_may_be_read_at_last_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &made());
        let certificates = Certificates::load(&config(folder.path())).unwrap().unwrap();
        let (key, before) = (folder.path().join("tls.key"), certificates.source.stamp());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        assert_ne!(certificates.source.stamp(), before, "whoever may read it is another");
        fs::remove_file(&key).unwrap();
        assert!(certificates.reload().is_err());
        assert_eq!(*certificates.read.lock(), before, "what was not read is not known");
    }

    #[test]
    fn a_certificate_that_runs_out_while_it_is_shown_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let key = KeyPair::generate().unwrap();
        write(folder.path(), &CertifiedKey { cert: params.self_signed(&key).unwrap(), signing_key: key });
        let certificates = Certificates::load(&config(folder.path())).unwrap().unwrap();
        assert!(certificates.complaint.lock().contains("tls.crt expired at 2001-01-01"));
        *certificates.complaint.lock() = String::new();
        certificates.look(certificates.source.stamp());
        assert!(certificates.complaint.lock().contains("expired"), "each look asks");
    }

    #[test]
    fn a_link_that_is_swapped_as_kubernetes_does_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (made(), made());
        write(&folder.path().join("1"), &old);
        write(&folder.path().join("2"), &new);
        symlink("1", folder.path().join("data")).unwrap();
        let certificates = Certificates::load(&config(&folder.path().join("data"))).unwrap().unwrap();
        symlink("2", folder.path().join("next")).unwrap();
        fs::rename(folder.path().join("next"), folder.path().join("data")).unwrap();
        certificates.look(certificates.source.stamp());
        assert!(shows(&certificates, &new));
    }
}
