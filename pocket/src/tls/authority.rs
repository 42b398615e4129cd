//! An authority of this machine's own, for `--tls auto`: made once and kept beside the generated credentials, so that clients trust it
//! once. Certificates are short-lived and stay in memory, with a key of their own.

use crate::config::Config;
use crate::config::credentials::{make_private, read_private, state_directory};
use crate::interfaces;
use anyhow::{Context, ensure};
use pocket_edge::tls::Identity;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose,
};
use std::collections::BTreeSet;
use std::io::Write;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};
use time::{Duration, OffsetDateTime};

/// Clients need not agree on the time of day to the minute.
const SKEW: Duration = Duration::hours(1);
const AUTHORITY_LIVES: Duration = Duration::days(3_650);
/// Twice as long as until the next is made.
const CERTIFICATE_LIVES: Duration = Duration::days(28);
const PERIOD_SECS: u64 = 14 * 24 * 60 * 60;
/// Of every authority, so that one that was made long ago still has it: their keys tell them apart.
const NAME: &str = "Pocket's own authority";

/// Changes when it is time for another certificate.
pub(super) fn period() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / PERIOD_SECS
}

pub(super) struct Authority {
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    config: Config,
}

impl Authority {
    /// The one that is kept in the state directory, made on first use. Two processes that start at once get the same one.
    pub(super) fn keep(config: &Config) -> anyhow::Result<Self> {
        let directory = state_directory().context("tls auto keeps its authority beside the credentials")?;
        Self::keep_in(&directory, config.clone())
    }

    fn keep_in(directory: &Path, config: Config) -> anyhow::Result<Self> {
        let (file, key_file) = (directory.join("ca.pem"), directory.join("ca-key.pem"));
        make_private(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        keep(&key_file, 0o600, || Ok(KeyPair::generate()?.serialize_pem()))?;
        let key_pem = read_private(&key_file)?;
        let key = KeyPair::from_pem(&key_pem).with_context(|| {
            format!(
                "{} has no key that can be used: remove it and {}, and trust the new authority",
                key_file.display(),
                file.display()
            )
        })?;
        let params = params();
        keep(&file, 0o644, || Ok(params.self_signed(&key)?.pem()))?;
        let pem =
            std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
        ensure!(
            Identity::from_pem(pem.as_bytes(), key_pem.as_bytes()).is_ok(),
            "{} is not the authority of {}: remove both, and trust the new one",
            file.display(),
            key_file.display()
        );
        Ok(Self { file, issuer: Issuer::new(params, key), config })
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Names and addresses that a certificate is for now: those of the machine may change.
    pub(super) fn hosts(&self) -> Vec<String> {
        hosts(&self.config)
    }

    /// A new certificate with a new key.
    pub(super) fn issue(&self) -> anyhow::Result<Identity> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::new(self.hosts())?;
        let now = OffsetDateTime::now_utc();
        (params.not_before, params.not_after) = (now - SKEW, now + CERTIFICATE_LIVES);
        params.distinguished_name = named("Pocket");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Identity::from_pem(certificate.pem().as_bytes(), key.serialize_pem().as_bytes())?)
    }
}

/// Makes a file where there is none.
fn keep(file: &Path, mode: u32, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<()> {
    let make = || {
        let folder = file.parent().unwrap_or(Path::new("."));
        let permissions = std::fs::Permissions::from_mode(mode);
        let mut made = tempfile::Builder::new().permissions(permissions).tempfile_in(folder)?;
        made.write_all(make()?.as_bytes())?;
        // An empty file after a power cut would be in the way at every start.
        made.as_file().sync_all()?;
        match made.persist_noclobber(file) {
            Err(error) if error.error.kind() != std::io::ErrorKind::AlreadyExists => {
                anyhow::bail!(error.error)
            }
            _ => Ok(()),
        }
    };
    if !file.exists() {
        make().with_context(|| format!("cannot keep {}", file.display()))?;
    }
    Ok(())
}

/// Of the authority. Certificates name it so, whenever it was made.
fn params() -> CertificateParams {
    let mut params = CertificateParams::default();
    let now = OffsetDateTime::now_utc();
    (params.not_before, params.not_after) = (now - SKEW, now + AUTHORITY_LIVES);
    params.distinguished_name = named(NAME);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn named(name: &str) -> DistinguishedName {
    let mut named = DistinguishedName::new();
    named.push(DnType::CommonName, name);
    named
}

/// What clients may call this server by: names and addresses of this machine, the configured ones, and buckets below a domain.
fn hosts(config: &Config) -> Vec<String> {
    let mut hosts: BTreeSet<String> =
        ["localhost", "*.localhost", "s3.localhost", "*.s3.localhost", "127.0.0.1", "::1"]
            .map(Into::into)
            .into();
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let machine = machine.trim();
    hosts.extend(interfaces::addresses().map(|ip| ip.to_string()));
    hosts.insert(machine.into());
    hosts.insert(config.gateway.listen.host().into());
    hosts.extend(config.gateway.advertise.iter().map(|address| address.host().to_owned()));
    hosts.extend(config.domain.iter().flat_map(|domain| [domain.clone(), format!("*.{domain}")]));
    hosts.retain(|host| !host.is_empty() && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified()));
    hosts.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(file: &Path) -> u32 {
        std::fs::metadata(file).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn an_authority_is_made_once_and_its_key_is_its_owners() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("pocket");
        let first = Authority::keep_in(&state, Config::default()).unwrap();
        let pem = std::fs::read_to_string(first.file()).unwrap();
        assert_eq!((mode(&state), mode(&state.join("ca-key.pem"))), (0o700, 0o600));
        let again = Authority::keep_in(&state, Config::default()).unwrap();
        assert_eq!(std::fs::read_to_string(again.file()).unwrap(), pem);
        assert_ne!(first.issue().unwrap(), first.issue().unwrap(), "each with a key of its own");
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        Authority::keep_in(folder.path(), Config::default()).unwrap();
        let key = folder.path().join("ca-key.pem");
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
        let why = Authority::keep_in(folder.path(), Config::default()).err().unwrap().to_string();
        assert!(why.contains("can be read by others"), "{why}");
    }

    #[test]
    fn files_that_do_not_belong_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        Authority::keep_in(folder.path(), Config::default()).unwrap();
        std::fs::remove_file(folder.path().join("ca-key.pem")).unwrap();
        let why = Authority::keep_in(folder.path(), Config::default()).err().unwrap().to_string();
        assert!(why.contains("ca.pem") && why.contains("ca-key.pem"), "{why}");
    }

    #[test]
    fn certificates_are_for_what_the_server_is_called() {
        let mut config = Config { domain: Some("s3.example.net".into()), ..Config::default() };
        config.gateway.listen = "0.0.0.0:9000".parse().unwrap();
        config.gateway.advertise = Some("storage.example.net:9000".parse().unwrap());
        let hosts = hosts(&config);
        for host in
            ["localhost", "127.0.0.1", "::1", "*.s3.localhost", "*.s3.example.net", "storage.example.net"]
        {
            assert!(hosts.iter().any(|named| named == host), "{host} is not in {hosts:?}");
        }
        assert!(!hosts.iter().any(|host| host == "0.0.0.0"));
        for url in crate::endpoint::urls_from_afar("https", &config.gateway.listen) {
            let host = url.trim_start_matches("https://").rsplit_once(':').unwrap().0;
            assert!(hosts.iter().any(|named| named == host), "{host} is not in {hosts:?}");
        }
    }
}
