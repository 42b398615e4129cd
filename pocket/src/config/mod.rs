//! The configuration: one TOML file for all roles, over it the command line's options, over defaults. Typed, in human
//! units, unknown keys refused; everything is checked here, before any port is bound.
//!
//! [`keys`] lists every key for `docs/configuration.md` and is tested against these types.

pub(crate) mod address;
pub(crate) mod credentials;
pub(crate) mod host;
#[cfg(test)]
mod keys;
pub(crate) mod log_filter;
mod place;
pub(crate) mod secret;
pub(crate) mod size;
mod tables;
pub(crate) mod time;
pub(crate) mod tls;

pub(crate) use tables::{Config, GatewayTable, TlsMode};

use address::Address;
use anyhow::{Context, anyhow, bail, ensure};
use place::Places;
use pocket_api::names::TenantName;
use pocket_gateway::profiles::{BadProfile, Profiles};
use pocket_storage::CAPACITY_MIN_BYTES;
use secret::Secret;
use size::Size;
use std::collections::HashSet;
use std::fmt;
use std::path::Path;
use std::time::Duration;
use time::Time;

/// Environment variable with the secret that planes prove to each other.
pub(crate) const CLUSTER_SECRET_VARIABLE: &str = "POCKET_CLUSTER_SECRET";

/// A shorter secret could be guessed by whoever recorded one handshake.
const CLUSTER_SECRET_MIN_BYTES: usize = 16;

/// Event loops of a gateway: more than any machine has cores, few enough to be started by mistake.
const THREADS_MAX: usize = 1024;

/// A node is suspect before it is dead, see [`pocket_api::limits::SUSPECT_AFTER`].
const NODE_TIMEOUT_MIN: Duration = Duration::from_secs(2);

/// What is wrong with a configuration.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// The key that says so; places in arrays are numbers from 0.
    path: Vec<String>,
    why: anyhow::Error,
}

impl Wrong {
    fn at(path: &[&str], why: anyhow::Error) -> Self {
        Self { path: path.iter().map(|step| (*step).to_owned()).collect(), why }
    }

    /// With the line of the key in the file, unless it does not come from there.
    fn with_line(&self, file: &str) -> String {
        match Places::of(file).line_of(&self.path) {
            Some(line) => format!("line {line}: {self}"),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.why)
    }
}

impl std::error::Error for Wrong {}

/// What errors of types say, and what a person who writes TOML knows.
const IN_WORDS_OF_TOML: [(&str, &str); 3] =
    [("a map", "a table"), ("usize", "a whole number"), ("wanted string or table", "wanted a text")];

impl Config {
    /// Reads a file, or takes the defaults where there is none, and the cluster secret from where it is kept.
    pub(crate) fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let mut config = match file {
            None => Self::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path)
                    .with_context(|| format!("cannot read the configuration {}", path.display()))?;
                let in_file = |why| anyhow::anyhow!("{}: {why}", path.display());
                let mut config = Self::parse(&text).map_err(in_file)?;
                let taken = config.take_tenants_secrets().and_then(|()| config.take_cluster_secret());
                let checked = taken.and_then(|()| config.check());
                checked.map_err(|wrong| in_file(wrong.with_line(&text)))?;
                config
            }
        };
        config.take_variable(std::env::var(CLUSTER_SECRET_VARIABLE).ok())?;
        config.check()?;
        Ok(config)
    }

    /// Reads TOML; an error is one line that begins with the line's number and the key.
    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e: toml::de::Error| {
            let places = Places::of(text);
            if let Some(line) = places.single_table("tenant") {
                return format!(
                    "line {line}: tenant: write [[tenant]], once for each access key, not [tenant]"
                );
            }
            let at = e.span().map_or(0, |span| span.start);
            let key = places.key_at(at).map(|key| format!("{key}: ")).unwrap_or_default();
            let why = IN_WORDS_OF_TOML
                .iter()
                .fold(e.message().replace('\n', " "), |why, (before, after)| why.replace(before, after));
            format!("line {}: {key}{why}", places.line(at))
        })
    }

    /// Leaves the secret of each tenant, wherever it was written, in its `secret_access_key`.
    fn take_tenants_secrets(&mut self) -> Result<(), Wrong> {
        for (at, tenant) in self.tenant.iter_mut().enumerate() {
            let wrong = |key: &str, why| Wrong::at(&["tenant", &at.to_string(), key], why);
            match (&tenant.secret_access_key, &tenant.secret_key_file) {
                (Some(_), None) => {}
                (None, Some(path)) => {
                    let text = credentials::read_provided(path).map_err(|why| {
                        wrong(
                            "secret-key-file",
                            why.context(format!("tenant {:?}: secret-key-file", tenant.name)),
                        )
                    })?;
                    tenant.secret_access_key = Some(Secret::new(text));
                }
                _ => {
                    let why = "give either secret-access-key or secret-key-file";
                    return Err(wrong("secret-key-file", anyhow!("tenant {:?}: {why}", tenant.name)));
                }
            }
        }
        Ok(())
    }

    /// Leaves the cluster secret of the file, or of the file that it names, in `cluster.secret`.
    fn take_cluster_secret(&mut self) -> Result<(), Wrong> {
        let wrong = |why| Wrong::at(&["cluster", "secret-file"], why);
        match (&self.cluster.secret, &self.cluster.secret_file) {
            (_, None) => Ok(()),
            (Some(_), Some(_)) => Err(wrong(anyhow!("{}", secret_is_given_twice()))),
            (None, Some(path)) => {
                let text = credentials::read_provided(path).context("cluster.secret-file");
                self.cluster.secret = Some(Secret::new(text.map_err(wrong)?.trim().into()));
                Ok(())
            }
        }
    }

    /// The same of the environment.
    fn take_variable(&mut self, secret: Option<String>) -> anyhow::Result<()> {
        if let Some(secret) = secret {
            ensure!(self.cluster.secret.is_none(), secret_is_given_twice());
            self.cluster.secret = Some(Secret::new(secret));
        }
        Ok(())
    }

    /// What must hold whichever role reads it.
    pub(crate) fn check(&self) -> Result<(), Wrong> {
        let wrong = Wrong::at;
        let named = |text: &str, extra: &[u8]| {
            !text.is_empty()
                && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || extra.contains(&b))
        };
        if !named(&self.region, b"-") {
            let why =
                anyhow!("region {:?}: lower-case letters, digits and '-', such as us-east-1", self.region);
            return Err(wrong(&["region"], why));
        }
        if let Some(domain) = &self.domain
            && (!named(domain, b"-.") || domain.starts_with('.'))
        {
            let why = anyhow!("domain {domain:?}: a host name without port, such as s3.example.net");
            return Err(wrong(&["domain"], why));
        }
        if let Some(secret) = &self.cluster.secret
            && secret.reveal().len() < CLUSTER_SECRET_MIN_BYTES
        {
            let why = anyhow!(
                "the cluster secret is too short: at least {CLUSTER_SECRET_MIN_BYTES} characters, such as from \
                 `openssl rand -hex 32`"
            );
            return Err(wrong(&["cluster", "secret"], why));
        }
        if let Some(threads) = self.gateway.threads
            && !(1..=THREADS_MAX).contains(&threads)
        {
            return Err(wrong(
                &["gateway", "threads"],
                anyhow!("gateway.threads {threads}: from 1 to {THREADS_MAX}"),
            ));
        }
        let timeout = self.controller.node_timeout;
        if timeout.0 < NODE_TIMEOUT_MIN {
            let why = anyhow!("controller.node-timeout {timeout}: {} at least", Time(NODE_TIMEOUT_MIN));
            return Err(wrong(&["controller", "node-timeout"], why));
        }
        let table = &self.gateway;
        tls::Choice::of(table).map_err(|why| {
            let key = match (table.tls, &table.tls_cert) {
                (Some(_), _) => "tls",
                (None, Some(_)) => "tls-cert",
                (None, None) => "tls-key",
            };
            wrong(&["gateway", key], why)
        })?;
        self.profiles()?;
        let mut access_keys = HashSet::new();
        for (at, tenant) in self.tenant.iter().enumerate() {
            let wrong = |key: &str, why| wrong(&["tenant", &at.to_string(), key], why);
            TenantName::parse(&tenant.name).map_err(|why| wrong("name", why.into()))?;
            let named = || format!("tenant {:?}", tenant.name);
            credentials::check_id(&tenant.access_key_id)
                .map_err(|why| wrong("access-key-id", why.context(named())))?;
            if let Some(secret) = &tenant.secret_access_key {
                let key =
                    if tenant.secret_key_file.is_some() { "secret-key-file" } else { "secret-access-key" };
                credentials::check_secret(&tenant.access_key_id, secret)
                    .map_err(|why| wrong(key, why.context(named())))?;
            }
            if !access_keys.insert(&tenant.access_key_id) {
                let why =
                    anyhow!("access-key-id {:?} is given to more than one [[tenant]]", tenant.access_key_id);
                return Err(wrong("access-key-id", why));
            }
        }
        Ok(())
    }

    /// The gateway's profiles, checked.
    pub(crate) fn profiles(&self) -> Result<Profiles, Wrong> {
        let GatewayTable { default_profile, auto_register, .. } = &self.gateway;
        let profiles = Profiles::new(self.profile.clone(), default_profile.clone(), auto_register.clone());
        profiles.map_err(|why| {
            let missing = |key| Wrong::at(&["gateway", key], anyhow!("gateway.{key}: {why}"));
            match &why {
                BadProfile::Bad { name, key: Some(key), .. } => {
                    Wrong::at(&["profile", name, key], anyhow!("{why}"))
                }
                BadProfile::Bad { name, key: None, .. } => Wrong::at(&["profile", name], anyhow!("{why}")),
                BadProfile::Missing { name } if name == default_profile => missing("default-profile"),
                BadProfile::Missing { .. } => missing("auto-register"),
            }
        })
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

    /// Memory of a storage server, or of all planes of one process, which this machine must have.
    pub(crate) fn capacity_here(&self) -> anyhow::Result<Size> {
        self.capacity().and_then(|capacity| fits_here("storage.capacity or --capacity", capacity))
    }

    /// Memory of a shard that is a process of its own, which this machine must have.
    pub(crate) fn memory_here(&self) -> anyhow::Result<Size> {
        self.memory().and_then(|memory| fits_here("metadata.memory or --memory", memory))
    }

    /// What is said of it, on whichever machine that is.
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

    fn memory(&self) -> anyhow::Result<Size> {
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

/// Refuses memory that is not there: it would be found out when the data comes.
fn fits_here(option: &str, size: Size) -> anyhow::Result<Size> {
    if let (Some(limit), Some(half)) = (pocket_monitor::memory_limit_bytes(), half_of_memory()) {
        let limit = Size::whole_mib(limit);
        ensure!(
            size <= limit,
            "{option} of {size} is more than the {limit} of memory that this machine or its cgroup has: at most that, \
             and {half} where nothing is said"
        );
    }
    Ok(size)
}

fn secret_is_given_twice() -> String {
    format!(
        "the cluster secret is given more than once: keep one of cluster.secret, cluster.secret-file and \
         {CLUSTER_SECRET_VARIABLE}"
    )
}

fn unknown_memory(option: &str) -> String {
    format!("cannot tell how much memory this machine has: set {option}")
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
        config.take_variable(Some("0123456789abcdef".into())).unwrap();
        assert_eq!(config.cluster.secret.as_ref().unwrap().reveal(), "0123456789abcdef");
        assert!(config.take_variable(Some("another".into())).is_err());
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
    fn nobody_is_dead_before_he_is_suspect() {
        let mut config = Config::default();
        for (seconds, is_well) in [(0, false), (1, false), (2, true), (86_400, true)] {
            config.controller.node_timeout = Time(Duration::from_secs(seconds));
            assert_eq!(config.check().is_ok(), is_well, "{seconds}");
        }
        assert_eq!(
            Config::parse("controller.node-timeout = 45").unwrap().controller.node_timeout.to_string(),
            "45s"
        );
    }
}
