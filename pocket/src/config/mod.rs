//! The configuration: one TOML file for all roles, over it the command line's options, over defaults. Typed, in human
//! units, unknown keys refused; everything is checked here, before any port is bound.
//!
//! [`keys`] lists every key for `docs/configuration.md` and is tested against these types.

pub(crate) mod address;
pub(crate) mod credentials;
#[cfg(test)]
mod keys;
pub(crate) mod secret;
pub(crate) mod size;
mod tables;

pub(crate) use tables::{Config, GatewayTable, TlsMode};

use address::Address;
use anyhow::{Context, bail, ensure};
use pocket_api::names::TenantName;
use pocket_gateway::profiles::Profiles;
use pocket_storage::CAPACITY_MIN_BYTES;
use secret::Secret;
use size::Size;
use std::collections::HashSet;
use std::path::Path;

/// Environment variable with the secret that planes prove to each other.
pub(crate) const CLUSTER_SECRET_VARIABLE: &str = "POCKET_CLUSTER_SECRET";

/// A shorter secret could be guessed by whoever recorded one handshake.
const CLUSTER_SECRET_MIN_BYTES: usize = 16;

/// Event loops of a gateway: more than any machine has cores, few enough to be started by mistake.
const THREADS_MAX: usize = 1024;

impl Config {
    /// Reads a file, or takes the defaults where there is none, and the cluster secret from where it is kept.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                Self::parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))?
            }
        };
        config.take_cluster_secret(std::env::var(CLUSTER_SECRET_VARIABLE).ok())?;
        config.check()?;
        Ok(config)
    }

    /// Reads TOML; an error is one line that begins with the line's number.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| {
            let line = e.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            format!("line {line}: {}", e.message().replace('\n', " "))
        })
    }

    /// Leaves the secret, wherever it came from, in `cluster.secret`.
    fn take_cluster_secret(&mut self, variable: Option<String>) -> anyhow::Result<()> {
        let given = [self.cluster.secret.is_some(), self.cluster.secret_file.is_some(), variable.is_some()];
        ensure!(
            given.into_iter().filter(|given| *given).count() <= 1,
            "the cluster secret is given more than once: keep one of cluster.secret, cluster.secret-file and \
             {CLUSTER_SECRET_VARIABLE}"
        );
        if let Some(path) = &self.cluster.secret_file {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read cluster.secret-file {}", path.display()))?;
            self.cluster.secret = Some(Secret::new(text.trim().into()));
        } else if let Some(text) = variable {
            self.cluster.secret = Some(Secret::new(text));
        }
        Ok(())
    }

    /// What must hold whichever role reads it.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        let named = |text: &str, extra: &[u8]| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b))
        };
        ensure!(
            named(&self.region, b"-"),
            "region {:?}: lower-case letters, digits and '-', such as us-east-1",
            self.region
        );
        if let Some(domain) = &self.domain {
            ensure!(
                named(domain, b"-.") && !domain.starts_with('.'),
                "domain {domain:?}: a host name without port, such as s3.example.net"
            );
        }
        if let Some(secret) = &self.cluster.secret {
            ensure!(
                secret.reveal().len() >= CLUSTER_SECRET_MIN_BYTES,
                "the cluster secret is too short: at least {CLUSTER_SECRET_MIN_BYTES} characters, such as from \
                 `openssl rand -hex 32`"
            );
        }
        crate::tls::Choice::of(&self.gateway)?;
        ensure!(
            self.gateway.threads.is_none_or(|threads| (1..=THREADS_MAX).contains(&threads)),
            "gateway.threads {}: from 1 to {THREADS_MAX}",
            self.gateway.threads.unwrap_or_default()
        );
        self.profiles()?;
        let mut access_keys = HashSet::new();
        for tenant in &self.tenant {
            credentials::check_pair(&tenant.access_key_id, &tenant.secret_access_key)
                .with_context(|| format!("tenant {:?}", tenant.name))?;
            TenantName::parse(&tenant.name)?;
            ensure!(
                access_keys.insert(&tenant.access_key_id),
                "access-key-id {:?} is given to more than one [[tenant]]",
                tenant.access_key_id
            );
        }
        Ok(())
    }

    /// The gateway's profiles, checked.
    pub(crate) fn profiles(&self) -> anyhow::Result<Profiles> {
        let GatewayTable { default_profile, auto_register, .. } = self.gateway.clone();
        Profiles::new(self.profile.clone(), default_profile, auto_register).map_err(anyhow::Error::msg)
    }

    /// Refuses a plane that strangers could reach and that could not tell them from its own kind. `key` names the
    /// address in the configuration.
    pub(crate) fn check_plane(&self, key: &str, address: &Address) -> anyhow::Result<()> {
        if !address.is_loopback() && self.cluster.secret.is_none() {
            bail!(
                "{key} {address} is not a loopback address: set cluster.secret, cluster.secret-file or \
                 {CLUSTER_SECRET_VARIABLE}, the same for all roles"
            );
        }
        Ok(())
    }

    /// Memory of a storage server, or of all planes of one process.
    pub(crate) fn capacity(&self) -> anyhow::Result<Size> {
        let option = "storage.capacity or --capacity";
        let capacity =
            self.storage.capacity.or_else(half_of_memory).with_context(|| unknown_memory(option))?;
        ensure!(
            capacity.bytes() >= CAPACITY_MIN_BYTES,
            "{option} of {} bytes is too small: {CAPACITY_MIN_BYTES} at least",
            capacity.bytes()
        );
        Ok(capacity)
    }

    /// Memory of a shard that is a process of its own.
    pub(crate) fn memory(&self) -> anyhow::Result<Size> {
        self.metadata
            .memory
            .or_else(half_of_memory)
            .with_context(|| unknown_memory("metadata.memory or --memory"))
    }

    /// As TOML, secrets redacted, with the sizes that follow from the machine.
    pub(crate) fn shown(&self) -> anyhow::Result<String> {
        let mut shown = self.clone();
        shown.storage.capacity = Some(self.capacity()?);
        shown.metadata.memory = Some(self.memory()?);
        toml::to_string(&shown).context("the configuration cannot be shown as TOML")
    }
}

/// What a role takes when nobody says: the other half is for connections, the page cache, and the clients' own work.
fn half_of_memory() -> Option<Size> {
    pocket_monitor::memory_limit_bytes().map(|limit| Size::whole_mib(limit / 2))
}

fn unknown_memory(option: &str) -> String {
    format!("cannot tell how much memory this machine has: set {option}")
}

/// Where a node can be reached by others: what it advertises, else where it listens.
pub(crate) fn advertised(key: &str, bound: &Address, advertise: Option<&Address>) -> anyhow::Result<Address> {
    let address = advertise.unwrap_or(bound);
    ensure!(
        !address.is_wildcard(),
        "{key}.listen {bound} is no address that others can call: set {key}.advertise or --advertise"
    );
    Ok(address.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match Config::parse(text) {
            Err(why) => why,
            Ok(config) => config.check().unwrap_err().to_string(),
        }
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_known_ones() {
        let why = refused("region = \"eu-1\"\n[storage]\ncapcity = \"1GiB\"\n");
        assert!(why.starts_with("line 3: ") && why.contains("capcity") && why.contains("capacity"), "{why}");
    }

    #[test]
    fn every_refusal_is_one_line_that_names_the_value() {
        for (text, value) in [
            ("[storage]\ncapacity = \"10 parsecs\"", "10 parsecs"),
            ("[storage]\ncapacity = -1", "size"),
            ("[gateway]\nlisten = \"9000\"", "9000"),
            ("[gateway]\nthreads = 0", "gateway.threads 0"),
            ("[gateway]\ntls = \"on\"", "on"),
            ("[gateway]\ntls-cert = \"a.pem\"", "tls-key"),
            ("[gateway]\ntls-key = \"a.pem\"", "tls-cert"),
            ("[gateway]\ntls = \"auto\"\ntls-cert = \"a.pem\"\ntls-key = \"b.pem\"", "auto"),
            ("[admin]\nlisten = \"never\"", "never"),
            ("region = \"\"", "region"),
            ("domain = \"http://x\"", "http://x"),
            ("region = ", "line 1"),
            ("[[tenant]]\nname = \"a\"", "access-key-id"),
            ("[[tenant]]\nname = \"a b\"\naccess-key-id = \"AAAA\"\nsecret-access-key = \"12345678\"", "a b"),
            ("[cluster]\nsecret = \"hush\"", "16"),
        ] {
            let why = refused(text);
            assert!(why.contains(value) && !why.contains('\n') && !why.contains("hush"), "{text}: {why}");
        }
    }

    #[test]
    fn two_tenants_cannot_share_an_access_key_but_one_can_have_two() {
        let tenant = |name, key| {
            format!(
                "[[tenant]]\nname = \"{name}\"\naccess-key-id = \"{key}\"\nsecret-access-key = \"12345678\"\n"
            )
        };
        let config = Config::parse(&(tenant("a", "AAAA") + &tenant("a", "BBBB"))).unwrap();
        assert!(config.check().is_ok());
        assert!(refused(&(tenant("a", "AAAA") + &tenant("b", "AAAA"))).contains("AAAA"));
    }

    #[test]
    fn the_cluster_secret_comes_from_one_place() {
        let mut config = Config::default();
        config.take_cluster_secret(Some("0123456789abcdef".into())).unwrap();
        assert_eq!(config.cluster.secret.as_ref().unwrap().reveal(), "0123456789abcdef");
        assert!(config.take_cluster_secret(Some("another".into())).is_err());
    }

    #[test]
    fn a_plane_on_the_network_needs_the_secret() {
        let mut config = Config::default();
        let far = "10.0.0.1:9020".parse().unwrap();
        assert!(config.check_plane("metadata.listen", &Address::loopback(1)).is_ok());
        assert!(
            config.check_plane("metadata.listen", &far).unwrap_err().to_string().contains("cluster.secret")
        );
        config.cluster.secret = Some(Secret::new("0123456789abcdef".into()));
        assert!(config.check_plane("metadata.listen", &far).is_ok());
    }

    #[test]
    fn what_is_shown_reads_back_and_hides_secrets() {
        let mut config = Config::default();
        config.cluster.secret = Some(Secret::new("0123456789abcdef".into()));
        config.storage.capacity = Some(Size::whole_mib(5 << 20));
        let shown = config.shown().unwrap();
        assert!(!shown.contains("0123456789abcdef") && shown.contains(secret::REDACTED), "{shown}");
        let again = Config::parse(&shown).unwrap();
        assert_eq!((again.storage, again.gateway), (config.storage, config.gateway));
    }

    #[test]
    fn a_wildcard_cannot_be_advertised() {
        let all: Address = "0.0.0.0:9030".parse().unwrap();
        let one: Address = "10.0.0.1:9030".parse().unwrap();
        assert!(advertised("storage", &all, None).unwrap_err().to_string().contains("--advertise"));
        assert_eq!(advertised("storage", &all, Some(&one)).unwrap(), one);
        assert_eq!(advertised("storage", &one, None).unwrap(), one);
    }
}
