//! The command line: what may be said, and nothing of what it does. Options that are also in the configuration file
//! outweigh it, see the `apply` functions.

use crate::config::address::{Address, AddressOrOff};
use crate::config::host::HostLabel;
use crate::config::log_filter::LogFilter;
use crate::config::size::Size;
use crate::config::time::Time;
use crate::config::{Config, TlsMode};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::path::PathBuf;

/// Pocket: an S3 endpoint for data that lives for minutes.
#[derive(Debug, Parser)]
#[command(name = "pocket", version, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run everything in this process: the quickest way to an S3 endpoint
    Serve(ServeArgs),
    /// Run a gateway: the S3 endpoint of a cluster
    Gateway(GatewayArgs),
    /// Run a metadata shard: keys and small objects, in memory
    Metadata(MetadataArgs),
    /// Run a storage server: the bytes of large objects
    Storage(StorageArgs),
    /// Run the controller: jobs, placement, membership
    Controller(ControllerArgs),
    /// Run a monitor: reports this machine's load to the controller
    Monitor(MonitorArgs),
    /// Run a small cluster of separate processes on this machine
    DevCluster(DevClusterArgs),
    /// List the jobs (buckets) of a running Pocket
    Jobs(OperatorArgs),
    /// End a job: its bucket and everything in it
    End(EndArgs),
    /// Declare a node dead that will not come back: what it held is lost
    Forget(ForgetArgs),
    /// Show nodes and jobs of a running Pocket, and their use
    Status(OperatorArgs),
    /// Check a configuration and print what holds, secrets redacted
    Config(ConfigArgs),
    /// Drive an S3 endpoint, this one or another, and measure it
    Bench(pocket_bench::BenchArgs),
}

/// What every process that serves understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    /// TOML file, see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where to serve metrics, probes and `pocket status`; "off" for none [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<AddressOrOff>,
    /// What to log to stderr, such as "warn" or "info,pocket_gateway=debug" [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<LogFilter>,
}

impl CommonArgs {
    /// The file's configuration with these options over it.
    pub(crate) fn load(self) -> anyhow::Result<Config> {
        let mut config = Config::load(self.config.as_deref())?;
        set(&mut config.admin.listen, self.admin);
        set(&mut config.log.filter, self.log);
        Ok(config)
    }
}

/// What the S3 endpoint understands, in one process or as a role.
#[derive(Clone, Debug, Args)]
pub(crate) struct EndpointArgs {
    /// Region that buckets say they are in [default: us-east-1]
    #[arg(long)]
    pub(crate) region: Option<String>,
    /// Host name under which BUCKET.DOMAIN reaches a bucket
    #[arg(long)]
    pub(crate) domain: Option<String>,
    /// Profile with which the first write to an unknown bucket makes it; "default" is always there
    #[arg(long, value_name = "PROFILE")]
    pub(crate) auto_register: Option<String>,
    /// Serve on other than loopback addresses although the credentials were generated
    #[arg(long)]
    pub(crate) allow_generated_credentials: bool,
}

impl EndpointArgs {
    pub(crate) fn apply(&self, config: &mut Config) {
        set(&mut config.region, self.region.clone());
        config.domain = self.domain.clone().or(config.domain.take());
        config.gateway.auto_register = self.auto_register.clone().or(config.gateway.auto_register.take());
    }
}

/// Files with which S3 is served in TLS.
#[derive(Clone, Debug, Args)]
pub(crate) struct TlsFiles {
    /// Serve S3 in TLS with this certificate and its chain, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
}

impl TlsFiles {
    pub(crate) fn apply(self, config: &mut Config) {
        config.gateway.tls_cert = self.tls_cert.or(config.gateway.tls_cert.take());
        config.gateway.tls_key = self.tls_key.or(config.gateway.tls_key.take());
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ServeArgs {
    /// Where to serve S3 [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// Memory for data and metadata, such as 8GiB [default: half the memory limit of the machine or cgroup]
    #[arg(long, value_name = "SIZE")]
    pub(crate) capacity: Option<Size>,
    /// "auto": serve S3 in TLS with a certificate of this machine's own making; "off": plain HTTP
    #[arg(long, value_name = "HOW")]
    pub(crate) tls: Option<TlsMode>,
    #[command(flatten)]
    pub(crate) tls_files: TlsFiles,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What a role that joins a cluster understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct MemberArgs {
    /// Where to find the controller [default: 127.0.0.1:9010]
    #[arg(long, value_name = "ADDR")]
    pub(crate) controller: Option<Address>,
    /// Label of this machine [default: its name and the beginning of its id]
    #[arg(long, value_name = "LABEL")]
    pub(crate) host: Option<HostLabel>,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

impl MemberArgs {
    pub(crate) fn load(self) -> anyhow::Result<Config> {
        let mut config = self.common.load()?;
        set(&mut config.cluster.controller, self.controller);
        config.cluster.host = self.host.or(config.cluster.host.take());
        Ok(config)
    }
}

/// How a process that serves behaves towards whoever started it.
#[derive(Clone, Debug, Args)]
pub(crate) struct ProcessArgs {
    /// Say in one line of JSON that it is ready, and where
    #[arg(long)]
    pub(crate) json: bool,
    /// End in good order when standard input closes, as it does when the parent process dies
    #[arg(long)]
    pub(crate) end_with_stdin: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Where to serve S3 [default: 127.0.0.1:9000]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// The address that `pocket status` shows, where it differs
    #[arg(long, value_name = "ADDR")]
    pub(crate) advertise: Option<Address>,
    #[command(flatten)]
    pub(crate) tls_files: TlsFiles,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    #[command(flatten)]
    pub(crate) member: MemberArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MetadataArgs {
    /// Where to serve the other roles [default: 127.0.0.1:9020]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// The address that others call, where it differs
    #[arg(long, value_name = "ADDR")]
    pub(crate) advertise: Option<Address>,
    /// Memory for keys and small objects, such as 1GiB [default: half the memory limit of the machine or cgroup]
    #[arg(long, value_name = "SIZE")]
    pub(crate) memory: Option<Size>,
    #[command(flatten)]
    pub(crate) member: MemberArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct StorageArgs {
    /// Where to serve the other roles [default: 127.0.0.1:9030]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// The address that others call, where it differs
    #[arg(long, value_name = "ADDR")]
    pub(crate) advertise: Option<Address>,
    /// Memory for data, such as 8GiB [default: half the memory limit of the machine or cgroup]
    #[arg(long, value_name = "SIZE")]
    pub(crate) capacity: Option<Size>,
    #[command(flatten)]
    pub(crate) member: MemberArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ControllerArgs {
    /// Where to serve the other roles [default: 127.0.0.1:9010]
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<Address>,
    /// The address that `pocket status` shows, where it differs
    #[arg(long, value_name = "ADDR")]
    pub(crate) advertise: Option<Address>,
    /// Where to keep jobs and members over a restart; without it a restart ends all jobs
    #[arg(long, value_name = "FILE")]
    pub(crate) state_file: Option<PathBuf>,
    /// Declare a node dead after so much silence, such as 30s [default: 30s]
    #[arg(long, value_name = "TIME")]
    pub(crate) node_timeout: Option<Time>,
    /// Label of this machine [default: its name and the beginning of its id]
    #[arg(long, value_name = "LABEL")]
    pub(crate) host: Option<HostLabel>,
    #[command(flatten)]
    pub(crate) process: ProcessArgs,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct MonitorArgs {
    #[command(flatten)]
    pub(crate) member: MemberArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DevClusterArgs {
    /// Number of gateways
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) gateways: u16,
    /// Number of metadata shards
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) metadata: u16,
    /// Number of storage servers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) storage: u16,
    /// Where the first gateway serves S3; the others take the next ports
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9100")]
    pub(crate) listen: Address,
    /// Where the controller serves metrics, probes and `pocket status`; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) admin: AddressOrOff,
    /// Memory of each storage server [default: half the memory limit, shared out over shards and servers]
    #[arg(long, value_name = "SIZE")]
    pub(crate) capacity: Option<Size>,
    #[command(flatten)]
    pub(crate) endpoint: EndpointArgs,
    /// TOML file for tenants, profiles, region, domain, log and node-timeout; addresses and certificates in it are not used
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What the processes log to stderr [default: info]
    #[arg(long, value_name = "FILTER")]
    pub(crate) log: Option<LogFilter>,
    /// Print one line of JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

/// What the commands that talk to a running Pocket understand.
#[derive(Debug, Args)]
pub(crate) struct OperatorArgs {
    /// Admin address of any process of it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001", value_parser = admin_address)]
    pub(crate) admin: Address,
    /// Print JSON instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EndArgs {
    /// Bucket name or job id
    pub(crate) job: String,
    /// End it with everything in it; without this only an empty one is ended
    #[arg(long)]
    pub(crate) force: bool,
    /// Admin address of any process of it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001", value_parser = admin_address)]
    pub(crate) admin: Address,
}

#[derive(Debug, Args)]
pub(crate) struct ForgetArgs {
    /// Node id, as `pocket status` shows it
    pub(crate) node: String,
    /// Forget it although it is heard; without this only a suspect one is forgotten
    #[arg(long)]
    pub(crate) force: bool,
    /// Admin address of any process of it
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:9001", value_parser = admin_address)]
    pub(crate) admin: Address,
}

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// TOML file, see docs/configuration.md
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// An address as printed by `serve` and `dev-cluster`, which people copy with its scheme.
fn admin_address(text: &str) -> anyhow::Result<Address> {
    text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/').parse()
}

/// An option that was given outweighs what is configured.
pub(crate) fn set<T>(configured: &mut T, given: Option<T>) {
    if let Some(value) = given {
        *configured = value;
    }
}

/// A refusal of the command line in one line: clap says it in several, with the usage below. `asked`: the first
/// word, whose help is pointed to where it is a command.
pub(crate) fn one_line(error: &clap::Error, asked: &str) -> String {
    let text = error.render().to_string();
    let said =
        text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:")).filter(|l| !l.is_empty());
    let said: Vec<&str> = said.filter(|line| !line.starts_with("For more information")).collect();
    let line = said.join(" ");
    let command = Cli::command().find_subcommand(asked).map(|command| format!(" {}", command.get_name()));
    let help = command.unwrap_or_default();
    format!("{}; see `pocket help{help}`", line.strip_prefix("error: ").unwrap_or(&line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_outweigh_the_configuration_and_leave_the_rest() {
        let Command::Serve(args) =
            Cli::parse_from(["pocket", "serve", "--region", "eu-1", "--admin", "off"]).command
        else {
            panic!("not serve");
        };
        let mut config = args.common.load().unwrap();
        args.endpoint.apply(&mut config);
        assert_eq!((config.region.as_str(), config.admin.listen), ("eu-1", AddressOrOff::Off));
        assert_eq!(config.log, Config::default().log);
    }

    #[test]
    fn admin_addresses_may_be_pasted_with_their_scheme() {
        assert_eq!(admin_address("http://127.0.0.1:9001/").unwrap(), Address::loopback(9001));
    }
}
