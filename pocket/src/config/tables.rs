//! The tables of the configuration file, with their defaults. Data alone: what must hold of it is checked in `mod.rs`.

use super::address::{Address, AddressOrOff};
use super::host::HostLabel;
use super::log_filter::LogFilter;
use super::secret::Secret;
use super::size::Size;
use super::time::Time;
use clap::ValueEnum;
use pocket_api::limits::NODE_TIMEOUT;
use pocket_gateway::profiles::{DEFAULT_PROFILE, ProfileTable};
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Everything that can be configured, with its defaults. One file may serve all roles: each reads the tables that
/// concern it, and all of them are checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct Config {
    pub(crate) region: String,
    pub(crate) domain: Option<String>,
    pub(crate) log: LogConfig,
    pub(crate) admin: AdminConfig,
    pub(crate) cluster: ClusterConfig,
    pub(crate) gateway: GatewayTable,
    pub(crate) metadata: MetadataTable,
    pub(crate) storage: StorageTable,
    pub(crate) controller: ControllerTable,
    pub(crate) tenant: Vec<TenantTable>,
    /// By their names.
    #[serde(deserialize_with = "profiles")]
    pub(crate) profile: BTreeMap<String, ProfileTable>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct LogConfig {
    pub(crate) filter: LogFilter,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct AdminConfig {
    pub(crate) listen: AddressOrOff,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct ClusterConfig {
    pub(crate) controller: Address,
    pub(crate) secret: Option<Secret>,
    pub(crate) secret_file: Option<PathBuf>,
    pub(crate) host: Option<HostLabel>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct GatewayTable {
    pub(crate) listen: Address,
    pub(crate) advertise: Option<Address>,
    pub(crate) tls: Option<TlsMode>,
    pub(crate) tls_cert: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) threads: Option<usize>,
    pub(crate) default_profile: String,
    pub(crate) auto_register: Option<String>,
}

/// Where a certificate comes from that nobody names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum TlsMode {
    /// There is none, even where files are named.
    Off,
    /// One is made, by an authority of this machine's own.
    Auto,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct MetadataTable {
    pub(crate) listen: Address,
    pub(crate) advertise: Option<Address>,
    pub(crate) memory: Option<Size>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct StorageTable {
    pub(crate) listen: Address,
    pub(crate) advertise: Option<Address>,
    pub(crate) capacity: Option<Size>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct ControllerTable {
    pub(crate) listen: Address,
    pub(crate) advertise: Option<Address>,
    pub(crate) state_file: Option<PathBuf>,
    pub(crate) node_timeout: Time,
}

/// One access key of a tenant. A tenant may have several. Once loaded, the secret is here, wherever it was written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub(crate) struct TenantTable {
    pub(crate) name: String,
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: Option<Secret>,
    pub(crate) secret_key_file: Option<PathBuf>,
}

/// Hints as one would write them: `reads = 1` says what `reads = "1"` does.
fn profiles<'de, D: Deserializer<'de>>(file: D) -> Result<BTreeMap<String, ProfileTable>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a text, a whole number, true or false")]
    enum Value {
        Text(String),
        Number(i64),
        Switch(bool),
    }
    let text = |value| match value {
        Value::Text(text) => text,
        Value::Number(number) => number.to_string(),
        Value::Switch(on) => on.to_string(),
    };
    let written = BTreeMap::<String, BTreeMap<String, Value>>::deserialize(file)?;
    let table = |values: BTreeMap<String, Value>| {
        values.into_iter().map(|(name, value)| (name, text(value))).collect()
    };
    Ok(written.into_iter().map(|(name, values)| (name, table(values))).collect())
}

impl Default for Config {
    fn default() -> Self {
        Self {
            region: "us-east-1".into(),
            domain: None,
            log: LogConfig::default(),
            admin: AdminConfig::default(),
            cluster: ClusterConfig::default(),
            gateway: GatewayTable::default(),
            metadata: MetadataTable::default(),
            storage: StorageTable::default(),
            controller: ControllerTable::default(),
            tenant: Vec::new(),
            profile: BTreeMap::new(),
        }
    }
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { listen: AddressOrOff::At(Address::loopback(9001)) }
    }
}

impl Default for ClusterConfig {
    fn default() -> Self {
        Self { controller: Address::loopback(9010), secret: None, secret_file: None, host: None }
    }
}

impl Default for GatewayTable {
    fn default() -> Self {
        Self {
            listen: Address::loopback(9000),
            advertise: None,
            tls: None,
            tls_cert: None,
            tls_key: None,
            threads: None,
            default_profile: DEFAULT_PROFILE.into(),
            auto_register: None,
        }
    }
}

impl Default for ControllerTable {
    fn default() -> Self {
        Self {
            listen: Address::loopback(9010),
            advertise: None,
            state_file: None,
            node_timeout: Time(NODE_TIMEOUT),
        }
    }
}

impl Default for MetadataTable {
    fn default() -> Self {
        Self { listen: Address::loopback(9020), advertise: None, memory: None }
    }
}

impl Default for StorageTable {
    fn default() -> Self {
        Self { listen: Address::loopback(9030), advertise: None, capacity: None }
    }
}
