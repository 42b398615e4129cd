//! `pocket serve`: every plane in this process, each behind the same seam as in a cluster, the values side by side.

use super::{CAPACITY_OPTION, Port, admin_url, end_in_time, spec, start_admin, until};
use crate::admin::readiness::Readiness;
use crate::admin::server::Admin;
use crate::banner::Banner;
use crate::cli::{ProcessArgs, ServeArgs, set};
use crate::config::Config;
use crate::config::credentials::{self, AccessKey};
use crate::directory::LocalDirectory;
use crate::endpoint;
use crate::output::say;
use crate::ready_line::ServeLine;
use crate::reload::{Reload, Settings};
use crate::shutdown::HangUps;
use crate::space_watch::SpaceWatch;
use crate::telemetry::{self, Metrics};
use crate::tls::Certificates;
use anyhow::bail;
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::{Directory, Role};
use pocket_api::control::{Control, JobHolder};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::usage::UsageSource;
use pocket_controller::{Controller, ControllerConfig};
use pocket_edge::config::thread_per_two_cores;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::planes::Planes;
use pocket_metadata::{Shard, ShardConfig};
use pocket_monitor::{MachineSampler, Membership, Monitor, Parted};
use pocket_storage::{READY_BYTES, StorageConfig, StorageServer};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

pub(crate) async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let settings = read(&args)?;
    let Settings { config, keys } = settings.clone();
    let log = telemetry::log_to_stderr(&config.log.filter)?;
    let certificates = Certificates::load(&config)?;
    let s3 = Port::bind(&config.gateway.listen, "the S3 endpoint", "--listen")?;
    let admin = Port::bind_admin(&config)?;

    let how = args.process.clone();
    let until = until(&how)?;
    let hang_ups = HangUps::listen(&until)?;
    let reload = Reload::new(move || read(&args), settings, log, &["admin", "gateway", "storage"]);
    reload.follow(certificates.clone());
    tokio::spawn(reload.clone().at_each(hang_ups));
    let endpoint = Endpoint { config, keys, certificates, s3, admin };
    let work = run(&endpoint, &how, &reload, &until);
    end_in_time(work, &until).await
}

/// All that is configured, checked as far as it can be before any port is bound.
fn read(args: &ServeArgs) -> anyhow::Result<Settings> {
    let config = configured(args.clone())?;
    let keys = credentials::resolve(&config)?;
    endpoint::check_reach(&config.gateway.listen, &keys, args.endpoint.allow_generated_credentials)?;
    Ok(Settings { config, keys })
}

fn configured(args: ServeArgs) -> anyhow::Result<Config> {
    let mut config = args.common.load()?;
    set(&mut config.gateway.listen, args.listen);
    config.storage.capacity = args.capacity.or(config.storage.capacity);
    config.gateway.tls = args.tls.or(config.gateway.tls);
    args.tls_files.apply(&mut config);
    args.endpoint.apply(&mut config);
    config.check()?;
    config.capacity_here()?;
    Ok(config)
}

/// What is served at which addresses, and to whom.
struct Endpoint {
    config: Config,
    keys: Vec<AccessKey>,
    certificates: Option<Arc<Certificates>>,
    s3: Port,
    admin: Option<Port>,
}

impl Endpoint {
    /// What is said once all is served.
    fn ready(&self, how: &ProcessArgs) -> anyhow::Result<String> {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        let (endpoint, admin) = (endpoint::url(scheme, &self.s3.address), admin_url(self.admin.as_ref()));
        let (endpoint, admin) = (endpoint.as_str(), admin.as_deref());
        let (region, keys) = (self.config.region.as_str(), &self.keys[..]);
        let authority = self.certificates.as_deref().and_then(Certificates::authority);
        if !how.json {
            let also_at = &endpoint::urls_from_afar(scheme, &self.s3.address);
            let capacity = format!("{} in memory ({CAPACITY_OPTION})", self.config.capacity()?);
            let capacity = Some(capacity.as_str());
            return Ok(Banner { endpoint, region, keys, admin, authority, also_at, capacity }.text());
        }
        let (address, credentials) = (self.s3.address.to_string(), credentials::generated_file(keys)?);
        let pid = std::process::id();
        let role = "serve";
        let line = ServeLine { role, pid, address, endpoint, region, admin, credentials, authority };
        Ok(serde_json::to_string(&line)?)
    }
}

async fn run(
    endpoint: &Endpoint,
    how: &ProcessArgs,
    reload: &Reload,
    until: &CancellationToken,
) -> anyhow::Result<()> {
    let Endpoint { config, certificates, s3, admin, .. } = endpoint;
    let metrics = Metrics::record()?;
    let readiness = Readiness::starting();
    let env = Env::system();
    let directory = Arc::new(LocalDirectory::default());
    // No network lies between these nodes, and none ends before the others.
    let controller_config = ControllerConfig { state_file: None, node_timeout: Duration::MAX };
    let controller = Controller::start(controller_config, directory.clone(), env.clone())?;
    let mut members = Members {
        config,
        controller: controller.clone(),
        directory: directory.clone(),
        env: env.clone(),
        all: Vec::new(),
    };

    // One budget for both: what the shard takes for keys and small objects is missing in the arena.
    let capacity_bytes = config.capacity()?.bytes();
    let budget = ByteBudget::set_by(capacity_bytes, CAPACITY_OPTION);

    let node = members.join(Role::Metadata, String::new(), capacity_bytes).await?;
    let shard = Shard::start(ShardConfig { budget: budget.clone() }, node, directory.clone(), env.clone());
    directory.place_shard(node, shard.clone());
    members.add(node, Some(shard.clone()), vec![shard]);

    let node = members.join(Role::Storage, String::new(), capacity_bytes).await?;
    let server = StorageServer::start(
        StorageConfig { capacity_bytes, budget: budget.clone(), ready_bytes: READY_BYTES },
        node,
        directory.clone(),
        env.clone(),
    )?;
    directory.place_server(node, server.clone());
    // The limit is one for both, and reported once.
    members.add(node, Some(server.clone()), vec![server, Arc::new(SpaceWatch::new(budget))]);

    let node = members.join(Role::Gateway, s3.address.to_string(), 0).await?;
    let planes = Planes { node, control: controller.clone(), directory, env };
    let gateway = reload.start_gateway(|config, credentials| {
        let config = endpoint::gateway_config(config, thread_per_two_cores(), certificates.as_deref())?;
        Ok(Gateway::start(config, credentials, planes))
    })?;
    members.add(node, Some(gateway.clone()), vec![gateway.clone()]);

    let node = members.join(Role::Controller, String::new(), 0).await?;
    members.add(node, None, Vec::new());
    let node = members.join(Role::Monitor, String::new(), 0).await?;
    members.add(node, None, vec![Arc::new(MachineSampler::new())]);

    let shows_jobs_of: Option<Arc<dyn Control>> = Some(controller.clone());
    start_admin(
        admin.as_ref(),
        Admin { metrics, readiness: readiness.clone(), control: controller, shows_jobs_of },
        until,
    )?;
    let serving = gateway.serve(s3.listener.try_clone()?, until.clone());
    readiness.ready();
    say(&endpoint.ready(how)?);
    tokio::select! {
        ended = serving => Ok(ended?),
        node = members.keep() => bail!("the controller has lost sight of {node} in its own process: start again"),
    }
}

/// The nodes of this process, each a member as in a cluster.
struct Members<'a> {
    config: &'a Config,
    controller: Arc<Controller>,
    directory: Arc<LocalDirectory>,
    env: Env,
    all: Vec<(Membership, Monitor)>,
}

impl Members<'_> {
    /// Straight to the value: a controller in this process is never waited for.
    async fn join(&self, role: Role, address: String, capacity_bytes: u64) -> anyhow::Result<NodeId> {
        let spec = spec(self.config, role, address, capacity_bytes);
        Ok(self.controller.join(spec).await?.node)
    }

    fn add(&mut self, node: NodeId, holder: Option<Arc<dyn JobHolder>>, sources: Vec<Arc<dyn UsageSource>>) {
        let control: Arc<dyn Control> = self.controller.clone();
        let directory: Arc<dyn Directory> = self.directory.clone();
        let monitor = Monitor::start(node, sources, self.controller.clone(), self.env.clone());
        self.all.push((Membership { node, control, directory, holder }, monitor));
    }

    /// Heartbeats for all; ends only when the controller no longer knows one of them.
    async fn keep(&self) -> NodeId {
        let never = CancellationToken::new();
        let mut keeping: FuturesUnordered<_> = self
            .all
            .iter()
            .map(|(membership, _)| async { (membership.node, membership.keep(&never).await) })
            .collect();
        match keeping.next().await {
            Some((node, Parted::Expelled)) => node,
            _ => std::future::pending().await,
        }
    }
}
