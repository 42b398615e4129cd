//! Which processes a cluster consists of, and how each is called. Pure, apart from writing the file that they share.

use crate::cli::DevClusterArgs;
use crate::config::address::{Address, AddressOrOff};
use crate::config::credentials::AccessKey;
use crate::config::size::Size;
use crate::config::{Config, GatewayTable};
use anyhow::{Context, ensure};
use pocket_api::cluster::Role;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// What all children have in common.
pub(super) struct Program {
    pub(super) executable: PathBuf,
    /// The file that [`write_config`] wrote.
    pub(super) config: PathBuf,
    pub(super) log: String,
    /// Of each child, for what the configuration does not say.
    pub(super) threads: usize,
}

/// One child to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RolePlan {
    /// Unique in the cluster, for its log lines.
    pub(super) name: String,
    pub(super) role: Role,
    /// Options beside those that all have.
    pub(super) options: Vec<String>,
}

pub(super) struct Plan {
    gateways: Vec<Address>,
    shards: u16,
    servers: u16,
    admin: AddressOrOff,
    /// Of each shard and server.
    memory: Size,
    capacity: Size,
}

impl Plan {
    /// `memory`: what the cluster may take together; it is shared out where nobody said otherwise.
    pub(super) fn new(args: &DevClusterArgs, memory: Size) -> anyhow::Result<Self> {
        let holders = u64::from(args.metadata) + u64::from(args.storage);
        let share = Size::whole_mib(memory.bytes() / holders);
        let gateway = |i: u16| match args.listen.port() {
            0 => Ok(args.listen.clone()),
            first => {
                let port = first
                    .checked_add(i)
                    .context("ports of gateways end above 65535: begin lower with --listen")?;
                Ok(args.listen.with_port(port))
            }
        };
        let gateways: Vec<Address> = (0..args.gateways).map(gateway).collect::<anyhow::Result<_>>()?;
        if let AddressOrOff::At(admin) = &args.admin {
            ensure!(admin.port() == 0 || !gateways.contains(admin), "--admin {admin} is a gateway's address");
        }
        Ok(Self {
            gateways,
            shards: args.metadata,
            servers: args.storage,
            admin: args.admin.clone(),
            memory: share,
            capacity: args.capacity.unwrap_or(share),
        })
    }

    pub(super) fn controller(&self, state_file: &Path) -> RolePlan {
        let state_file = state_file.display().to_string();
        let options =
            [("--listen", anywhere()), ("--admin", self.admin.to_string()), ("--state-file", state_file)];
        RolePlan::new(Role::Controller, None, options)
    }

    /// Shards, storage servers, and the machine's monitor.
    pub(super) fn planes(&self, controller: &Address) -> Vec<RolePlan> {
        let at =
            || [("--listen", anywhere()), ("--admin", anywhere()), ("--controller", controller.to_string())];
        let shards = (1..=self.shards).map(|i| {
            let options = at().into_iter().chain([("--memory", self.memory.to_string())]);
            RolePlan::new(Role::Metadata, Some(i), options)
        });
        let servers = (1..=self.servers).map(|i| {
            let options = at().into_iter().chain([("--capacity", self.capacity.to_string())]);
            RolePlan::new(Role::Storage, Some(i), options)
        });
        let monitor = RolePlan::new(Role::Monitor, None, at().into_iter().skip(1));
        shards.chain(servers).chain([monitor]).collect()
    }

    pub(super) fn gateways(&self, controller: &Address) -> Vec<RolePlan> {
        let plan = |(i, listen): (u16, &Address)| {
            let options = [
                ("--listen", listen.to_string()),
                ("--admin", anywhere()),
                ("--controller", controller.to_string()),
            ];
            RolePlan::new(Role::Gateway, Some(i), options)
        };
        (1..).zip(&self.gateways).map(plan).collect()
    }
}

impl RolePlan {
    fn new(
        role: Role,
        number: Option<u16>,
        options: impl IntoIterator<Item = (&'static str, String)>,
    ) -> Self {
        let name = number.map_or(role.to_string(), |i| format!("{role}-{i}"));
        // Each is a host of its own: what one machine's failure would be elsewhere is one process's here.
        let options = options.into_iter().chain([("--host", name.clone())]);
        let options = options.flat_map(|(option, value)| [option.to_owned(), value]).collect();
        Self { name, role, options }
    }
}

/// Threads of each process where nobody said otherwise: half of the cores, as in `serve`, since all of them and their
/// clients share one machine. With a thread for each core all threads of all processes sleep and wake between two
/// requests, and fewer requests go in one message.
pub(super) fn threads_of_each() -> usize {
    available_parallelism().map_or(1, |cores| cores.get().div_ceil(2))
}

/// Any free port of loopback.
fn anywhere() -> String {
    Address::loopback(0).to_string()
}

/// Writes the configuration that all children read: tenants and secrets, which must not stand on command lines.
pub(super) fn write_config(folder: &Path, config: &Config, keys: &[AccessKey]) -> anyhow::Result<PathBuf> {
    let path = folder.join("pocket.toml");
    let text = config_text(config, keys)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What the children need of `config`, with the given keys as its tenants, secrets in clear.
fn config_text(config: &Config, keys: &[AccessKey]) -> anyhow::Result<String> {
    let mut table = toml::Table::new();
    table.insert("region".into(), config.region.clone().into());
    if let Some(domain) = &config.domain {
        table.insert("domain".into(), domain.clone().into());
    }
    if let Some(secret) = &config.cluster.secret {
        let cluster = toml::Table::from_iter([("secret".to_owned(), secret.reveal().into())]);
        table.insert("cluster".into(), cluster.into());
    }
    let node_timeout = toml::Value::try_from(config.controller.node_timeout)?;
    let controller = toml::Table::from_iter([("node-timeout".to_owned(), node_timeout)]);
    table.insert("controller".into(), controller.into());
    let GatewayTable { default_profile, auto_register, threads, .. } = &config.gateway;
    let auto_register = auto_register.clone().map(|profile| ("auto-register".to_owned(), profile.into()));
    let default_profile = ("default-profile".to_owned(), default_profile.clone().into());
    let threads = ("threads".to_owned(), toml::Value::try_from(threads.unwrap_or_else(threads_of_each))?);
    let gateway = [default_profile, threads].into_iter().chain(auto_register).collect::<toml::Table>();
    table.insert("gateway".into(), gateway.into());
    table.insert("profile".into(), toml::Value::try_from(&config.profile)?);
    let tenant = |key: &AccessKey| {
        toml::Table::from_iter([
            ("name".to_owned(), toml::Value::from(key.tenant.as_str())),
            ("access-key-id".to_owned(), key.id.as_str().into()),
            ("secret-access-key".to_owned(), key.secret.reveal().into()),
        ])
    };
    table.insert("tenant".into(), keys.iter().map(tenant).collect::<Vec<_>>().into());
    Ok(toml::to_string(&table)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Cli, Command};
    use crate::config::credentials::Source;
    use crate::config::secret::Secret;
    use clap::Parser;

    fn plan(args: &[&str]) -> anyhow::Result<Plan> {
        let args = ["pocket", "dev-cluster"].iter().chain(args);
        let Command::DevCluster(args) = Cli::parse_from(args).command else { panic!("not dev-cluster") };
        Plan::new(&args, Size::whole_mib(10 << 30))
    }

    fn listens(roles: &[RolePlan]) -> Vec<&str> {
        roles.iter().map(|role| role.options[1].as_str()).collect()
    }

    #[test]
    fn gateways_take_the_ports_from_the_given_one_on() {
        let controller = Address::loopback(1);
        let gateways =
            plan(&["--gateways", "3", "--listen", "127.0.0.1:9100"]).unwrap().gateways(&controller);
        assert_eq!(listens(&gateways), ["127.0.0.1:9100", "127.0.0.1:9101", "127.0.0.1:9102"]);
        let free = plan(&["--listen", "127.0.0.1:0"]).unwrap().gateways(&controller);
        assert_eq!(listens(&free), ["127.0.0.1:0", "127.0.0.1:0"]);
        assert!(plan(&["--listen", "127.0.0.1:65535"]).is_err());
        assert!(plan(&["--admin", "127.0.0.1:9101"]).is_err());
    }

    #[test]
    fn the_memory_is_shared_out_over_shards_and_servers() {
        let names: Vec<String> =
            plan(&[]).unwrap().planes(&Address::loopback(1)).into_iter().map(|role| role.name).collect();
        assert_eq!(names, ["metadata-1", "metadata-2", "storage-1", "storage-2", "storage-3", "monitor"]);
        let plan = plan(&["--metadata", "2", "--storage", "3"]).unwrap();
        assert_eq!((plan.memory, plan.capacity), (Size::whole_mib(2 << 30), Size::whole_mib(2 << 30)));
    }

    #[test]
    fn every_process_is_a_host_of_its_own() {
        let (plan, at) = (plan(&[]).unwrap(), Address::loopback(1));
        let roles =
            [plan.planes(&at), plan.gateways(&at), vec![plan.controller(Path::new("state"))]].concat();
        for role in roles {
            assert_eq!(role.options[role.options.len() - 2..], ["--host", &role.name]);
        }
    }

    #[test]
    fn the_children_read_the_configuration_that_they_are_given() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config { domain: Some("s3.example".into()), ..Config::default() };
        config.cluster.secret = Some(Secret::new("0123456789abcdef".into()));
        config.profile = [("scratch".to_owned(), [("ttl".to_owned(), "1h".to_owned())].into())].into();
        config.gateway.default_profile = "scratch".into();
        config.gateway.auto_register = Some("scratch".into());
        config.gateway.threads = Some(3);
        config.controller.node_timeout = "3s".parse().unwrap();
        let keys = [AccessKey {
            tenant: "team".into(),
            id: "TEAMKEY".into(),
            secret: Secret::new("with \"quotes\"".into()),
            source: Source::Generated,
        }];
        let path = write_config(folder.path(), &config, &keys).unwrap();
        let read = Config::load(Some(&path)).unwrap();
        assert_eq!((read.domain, &read.cluster.secret), (config.domain, &config.cluster.secret));
        assert_eq!((read.profile, read.gateway), (config.profile, config.gateway));
        assert_eq!(read.controller, config.controller);
        assert_eq!(
            (&read.tenant[0].access_key_id, &read.tenant[0].secret_access_key),
            (&keys[0].id, &Some(keys[0].secret.clone()))
        );
    }

    #[test]
    fn gateways_leave_cores_to_the_others_unless_told_otherwise() {
        let folder = tempfile::tempdir().unwrap();
        let path = write_config(folder.path(), &Config::default(), &[]).unwrap();
        let threads = Config::load(Some(&path)).unwrap().gateway.threads;
        assert_eq!(threads, Some(threads_of_each()));
    }
}
