//! Who may use the S3 endpoint: access keys from the environment and from `[[tenant]]` tables; else one pair that is
//! generated and kept in the user's state directory for next time.
//!
//! Secrets leave this file only inside [`Secret`].

use super::Config;
use super::secret::Secret;
use anyhow::{Context, ensure};
use rand::RngExt;
use rand::distr::Alphanumeric;
use serde::Deserialize;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub(crate) const ACCESS_KEY_VARIABLE: &str = "POCKET_ACCESS_KEY_ID";
pub(crate) const SECRET_KEY_VARIABLE: &str = "POCKET_SECRET_ACCESS_KEY";

/// The tenant of the keys from the environment and of generated ones.
pub(crate) const DEFAULT_TENANT: &str = "default";

/// Name of the file with generated keys.
const FILE: &str = "credentials.toml";
/// Lengths of generated keys: those of AWS, which every client takes. 40 characters of 62 are 238 bits.
const ACCESS_KEY_LEN: usize = 20;
const SECRET_KEY_LEN: usize = 40;
/// Bounds on access key ids: they travel in headers and name entries of caches.
const ACCESS_KEY_ID_BYTES: std::ops::RangeInclusive<usize> = 3..=128;
/// S3 clients refuse shorter ones, and so do we.
const SECRET_KEY_MIN_BYTES: usize = 8;

/// One access key and whom it belongs to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AccessKey {
    pub(crate) tenant: String,
    pub(crate) id: String,
    pub(crate) secret: Secret,
    pub(crate) source: Source,
}

/// Where an access key came from, which decides how it may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Environment,
    Table,
    Generated,
}

/// All access keys of the configuration and the environment; generated ones only where there are none.
pub(crate) fn resolve(config: &Config) -> anyhow::Result<Vec<AccessKey>> {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let given = configured(config, variable(ACCESS_KEY_VARIABLE), variable(SECRET_KEY_VARIABLE))?;
    if given.is_empty() { Ok(vec![kept(&state_directory()?)?]) } else { Ok(given) }
}

/// The access keys that somebody wrote down.
fn configured(config: &Config, id: Option<String>, secret: Option<String>) -> anyhow::Result<Vec<AccessKey>> {
    let mut keys: Vec<AccessKey> = config
        .tenant
        .iter()
        .map(|tenant| {
            let secret = tenant.secret_access_key.clone();
            Ok(AccessKey {
                tenant: tenant.name.clone(),
                id: tenant.access_key_id.clone(),
                secret: secret.with_context(|| format!("tenant {:?} has no secret", tenant.name))?,
                source: Source::Table,
            })
        })
        .collect::<anyhow::Result<_>>()?;
    let (id, secret) = match (id, secret) {
        (None, None) => return Ok(keys),
        (Some(id), Some(secret)) => (id, Secret::new(secret)),
        (Some(_), None) => {
            anyhow::bail!("{ACCESS_KEY_VARIABLE} is set without {SECRET_KEY_VARIABLE}: set both")
        }
        (None, Some(_)) => {
            anyhow::bail!("{SECRET_KEY_VARIABLE} is set without {ACCESS_KEY_VARIABLE}: set both")
        }
    };
    check_pair(&id, &secret).with_context(|| format!("{ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}"))?;
    ensure!(
        keys.iter().all(|key| key.id != id),
        "access key {id:?} is in the environment and in a [[tenant]] table: keep one of them"
    );
    keys.insert(0, AccessKey { tenant: DEFAULT_TENANT.into(), id, secret, source: Source::Environment });
    Ok(keys)
}

/// Refuses keys that cannot travel in a signature.
fn check_pair(id: &str, secret: &Secret) -> anyhow::Result<()> {
    check_id(id)?;
    check_secret(id, secret)
}

pub(crate) fn check_id(id: &str) -> anyhow::Result<()> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    ensure!(
        ACCESS_KEY_ID_BYTES.contains(&id.len()) && id.bytes().all(allowed),
        "access key id {id:?}: 3 to 128 letters, digits, '-', '_' and '.'"
    );
    Ok(())
}

pub(crate) fn check_secret(id: &str, secret: &Secret) -> anyhow::Result<()> {
    ensure!(
        secret.reveal().len() >= SECRET_KEY_MIN_BYTES,
        "the secret access key of {id:?} is too short: at least {SECRET_KEY_MIN_BYTES} characters"
    );
    Ok(())
}

/// The file with the generated pair, where that is what is used.
pub(crate) fn generated_file(keys: &[AccessKey]) -> anyhow::Result<Option<PathBuf>> {
    let is_generated = keys.iter().any(|key| key.source == Source::Generated);
    is_generated.then(|| Ok(state_directory()?.join(FILE))).transpose()
}

/// Where generated credentials and the authority of certificates are kept: `$XDG_STATE_HOME/pocket`, else `~/.local/state/pocket`.
pub(crate) fn state_directory() -> anyhow::Result<PathBuf> {
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("pocket"))
        .with_context(|| {
            format!(
                "no place to keep generated credentials: set {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE}, or HOME"
            )
        })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct KeptFile {
    access_key_id: String,
    secret_access_key: Secret,
}

/// The pair kept in `directory`, generated on first use. Two processes that start at once get the same one.
fn kept(directory: &Path) -> anyhow::Result<AccessKey> {
    let path = directory.join(FILE);
    let instead = || format!("set {ACCESS_KEY_VARIABLE} and {SECRET_KEY_VARIABLE} to do without it");
    if !path.exists() {
        keep_new(directory, &path).with_context(|| {
            format!("cannot keep generated credentials in {}; {}", path.display(), instead())
        })?;
    }
    read_kept(&path)
        .with_context(|| format!("cannot use the kept credentials; remove the file, or {}", instead()))
}

/// A directory that only its owner may look into, with those above it.
pub(crate) fn make_private(directory: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)
}

fn keep_new(directory: &Path, path: &Path) -> anyhow::Result<()> {
    make_private(directory)?;
    let mut rng = rand::rng();
    // AKIA and 16 characters of base32, as AWS has them: some clients and log scrubbers know the shape.
    let base32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let tail: String =
        (0..ACCESS_KEY_LEN - 4).map(|_| char::from(base32[rng.random_range(0..base32.len())])).collect();
    let secret = random_text(SECRET_KEY_LEN);
    // Temporary files are made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    write!(
        file,
        "# Generated by pocket; used where no other credentials are given.\n\
         access-key-id = \"AKIA{tail}\"\nsecret-access-key = \"{secret}\"\n"
    )?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Another process was faster: its pair is used.
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e.error.into()),
    }
}

/// The secret in a file that somebody provides. Service managers and orchestrators show theirs to a group, or keep them as their own;
/// one of the process's own user, which it could have closed, is not for all the world.
pub(super) fn read_provided(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let seen = std::fs::metadata(path).with_context(|| shown.to_string())?;
    let mode = seen.permissions().mode() & 0o777;
    let is_own = seen.uid() == std::fs::metadata("/proc/self")?.uid();
    ensure!(
        mode & 0o007 == 0 || !is_own,
        "{shown} can be read by everybody (mode {mode:o}): run `chmod 600 {shown}`, or mount it so"
    );
    let text = std::fs::read_to_string(path).with_context(|| shown.to_string())?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// The text of a file that nobody but its owner may read.
pub(crate) fn read_private(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let mode = std::fs::metadata(path).with_context(|| shown.to_string())?.permissions().mode() & 0o777;
    ensure!(mode & 0o077 == 0, "{shown} can be read by others (mode {mode:o}): run `chmod 600 {shown}`");
    std::fs::read_to_string(path).with_context(|| shown.to_string())
}

fn read_kept(path: &Path) -> anyhow::Result<AccessKey> {
    let shown = path.display();
    let text = read_private(path)?;
    let file: KeptFile =
        toml::from_str(&text).map_err(|e| anyhow::anyhow!("{shown}: {}", e.message().replace('\n', " ")))?;
    check_pair(&file.access_key_id, &file.secret_access_key).with_context(|| shown.to_string())?;
    Ok(AccessKey {
        tenant: DEFAULT_TENANT.into(),
        id: file.access_key_id,
        secret: file.secret_access_key,
        source: Source::Generated,
    })
}

/// Letters and digits from the system's generator.
pub(crate) fn random_text(len: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(len).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tables::TenantTable;

    #[test]
    fn a_provided_secret_may_be_a_groups_and_not_everybodys() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        std::fs::write(&file, "12345678\n").unwrap();
        // The second is that of systemd and of Kubernetes with a group.
        for (mode, is_taken) in [(0o600, true), (0o440, true), (0o444, false), (0o604, false)] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
            let read = read_provided(&file);
            assert_eq!(read.is_ok(), is_taken, "{mode:o}: {read:?}");
            assert!(read.is_err() || read.is_ok_and(|secret| secret == "12345678"));
        }
    }

    fn with_tenant() -> Config {
        let tenant = TenantTable {
            name: "team".into(),
            access_key_id: "TEAMKEY".into(),
            secret_access_key: Some(Secret::new("12345678".into())),
            secret_key_file: None,
        };
        Config { tenant: vec![tenant], ..Config::default() }
    }

    #[test]
    fn keys_of_the_environment_stand_beside_those_of_tables() {
        let keys = configured(&with_tenant(), Some("ENVKEY".into()), Some("87654321".into())).unwrap();
        let shown: Vec<(&str, &str)> = keys.iter().map(|k| (k.tenant.as_str(), k.id.as_str())).collect();
        assert_eq!(shown, [(DEFAULT_TENANT, "ENVKEY"), ("team", "TEAMKEY")]);
    }

    #[test]
    fn half_a_pair_short_secrets_and_doubles_are_refused_without_showing_the_secret() {
        let refused = |id: Option<&str>, secret: Option<&str>| {
            let error = configured(&with_tenant(), id.map(Into::into), secret.map(Into::into)).unwrap_err();
            let line = format!("{error:#}");
            assert!(!line.contains("s3cr3t"), "{line}");
            line
        };
        assert!(refused(Some("ENVKEY"), None).contains(SECRET_KEY_VARIABLE));
        assert!(refused(None, Some("s3cr3t-s3cr3t")).contains(ACCESS_KEY_VARIABLE));
        assert!(refused(Some("ENVKEY"), Some("s3cr3t")).contains("too short"));
        assert!(refused(Some("A/B"), Some("s3cr3t-s3cr3t")).contains("A/B"));
        assert!(refused(Some("TEAMKEY"), Some("s3cr3t-s3cr3t")).contains("TEAMKEY"));
    }

    #[test]
    fn generated_credentials_are_kept_for_their_owner_alone() {
        let state = tempfile::tempdir().unwrap();
        let directory = state.path().join("deep/pocket");
        let first = kept(&directory).unwrap();
        assert_eq!((first.id.len(), first.secret.reveal().len()), (ACCESS_KEY_LEN, SECRET_KEY_LEN));
        assert!(first.id.starts_with("AKIA"));
        assert_eq!(kept(&directory).unwrap(), first);
        let file = directory.join("credentials.toml");
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(format!("{:#}", kept(&directory).unwrap_err()).contains("chmod 600"));
    }
}
