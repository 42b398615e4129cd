//! `pocket serve`: every plane in this process, each behind the same seam as in a cluster, the values side by side.

use super::{CAPACITY_OPTION, Port, admin_url, end_in_time, spec, start_admin};
use crate::admin::readiness::Readiness;
use crate::admin::server::Admin;
use crate::banner::Banner;
use crate::cli::{ServeArgs, set};
use crate::config::Config;
use crate::config::credentials::{self, AccessKey};
use crate::directory::LocalDirectory;
use crate::endpoint;
use crate::membership::{Membership, Parted};
use crate::output::say;
use crate::shutdown;
use crate::space_watch::SpaceWatch;
use crate::telemetry::{self, Metrics};
use crate::tls::Certificates;
use anyhow::bail;
use futures::stream::{FuturesUnordered, StreamExt};
use pocket_api::budget::ByteBudget;
use pocket_api::clock::{Clock, SystemClock};
use pocket_api::cluster::{Directory, Role};
use pocket_api::control::{Control, JobHolder};
use pocket_api::ids::NodeId;
use pocket_api::usage::UsageSource;
use pocket_controller::{Controller, ControllerConfig};
use pocket_edge::config::thread_per_two_cores;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::planes::Planes;
use pocket_metadata::{Shard, ShardConfig};
use pocket_monitor::{MachineSampler, Monitor};
use pocket_storage::{StorageConfig, StorageServer};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

pub(crate) async fn serve(args: ServeArgs) -> anyhow::Result<()> {
    let generated_allowed = args.endpoint.allow_generated_credentials;
    let config = configured(args)?;
    let keys = credentials::resolve(&config)?;
    endpoint::check_reach(&config.gateway.listen, &keys, generated_allowed)?;
    telemetry::log_to_stderr(&config.log.filter)?;
    let certificates = Certificates::load(&config)?;
    let s3 = Port::bind(&config.gateway.listen, "the S3 endpoint", "--listen")?;
    let admin = Port::bind_admin(&config)?;

    let until = shutdown::on_signal()?;
    let work = run(&config, &keys, certificates, &s3, admin.as_ref(), &until);
    end_in_time(work, &until).await
}

fn configured(args: ServeArgs) -> anyhow::Result<Config> {
    let mut config = args.common.load()?;
    set(&mut config.gateway.listen, args.listen);
    config.storage.capacity = args.capacity.or(config.storage.capacity);
    config.gateway.tls = args.tls.or(config.gateway.tls);
    args.tls_files.apply(&mut config);
    args.endpoint.apply(&mut config);
    config.check()?;
    // Before any port is bound.
    config.capacity()?;
    Ok(config)
}

async fn run(
    config: &Config,
    keys: &[AccessKey],
    certificates: Option<Arc<Certificates>>,
    s3: &Port,
    admin: Option<&Port>,
    until: &CancellationToken,
) -> anyhow::Result<()> {
    let metrics = Metrics::record()?;
    let readiness = Readiness::starting();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::start());
    let directory = Arc::new(LocalDirectory::default());
    let controller =
        Controller::start(ControllerConfig { state_file: None }, directory.clone(), clock.clone())?;
    let mut members =
        Members { controller: controller.clone(), directory: directory.clone(), all: Vec::new() };

    // One budget for both: what the shard takes for keys and small objects is missing in the arena.
    let capacity_bytes = config.capacity()?.bytes();
    let budget = ByteBudget::set_by(capacity_bytes, CAPACITY_OPTION);

    let node = members.join(Role::Metadata, String::new(), capacity_bytes).await?;
    let shard = Shard::start(ShardConfig { budget: budget.clone() }, node, directory.clone(), clock.clone());
    directory.place_shard(node, shard.clone());
    members.add(node, Some(shard.clone()), vec![shard]);

    let node = members.join(Role::Storage, String::new(), capacity_bytes).await?;
    let server = StorageServer::start(
        StorageConfig { capacity_bytes, budget: budget.clone() },
        node,
        directory.clone(),
        clock.clone(),
    )?;
    directory.place_server(node, server.clone());
    // The limit is one for both, and reported once.
    members.add(node, Some(server.clone()), vec![server, Arc::new(SpaceWatch::new(budget))]);

    let node = members.join(Role::Gateway, s3.address.to_string(), 0).await?;
    let planes = Planes { node, control: controller.clone(), directory, clock };
    let gateway = Gateway::start(
        endpoint::gateway_config(config, thread_per_two_cores(), certificates.as_deref())?,
        endpoint::credentials(keys)?,
        planes,
    );
    members.add(node, Some(gateway.clone()), vec![gateway.clone()]);

    let node = members.join(Role::Controller, String::new(), 0).await?;
    members.add(node, None, Vec::new());
    let node = members.join(Role::Monitor, String::new(), 0).await?;
    members.add(node, None, vec![Arc::new(MachineSampler::new())]);

    let shows_jobs_of: Option<Arc<dyn Control>> = Some(controller.clone());
    start_admin(
        admin,
        Admin { metrics, readiness: readiness.clone(), control: controller, shows_jobs_of },
        until,
    )?;
    let serving = gateway.serve(s3.listener.try_clone()?, until.clone());
    readiness.ready();
    let admin = admin_url(admin);
    let scheme = if certificates.is_some() { "https" } else { "http" };
    if let Some(certificates) = certificates.clone() {
        tokio::spawn(certificates.watch());
    }
    let banner = Banner {
        endpoint: &endpoint::url(scheme, &s3.address),
        region: &config.region,
        keys,
        admin: admin.as_deref(),
        authority: certificates.as_deref().and_then(Certificates::authority),
        also_at: &endpoint::urls_from_afar(&s3.address),
        capacity: Some(&format!("{} in memory ({CAPACITY_OPTION})", config.capacity()?)),
    };
    say(&banner.text());
    tokio::select! {
        ended = serving => Ok(ended?),
        node = members.keep() => bail!("the controller has lost sight of {node} in its own process: start again"),
    }
}

/// The nodes of this process, each a member as in a cluster.
struct Members {
    controller: Arc<Controller>,
    directory: Arc<LocalDirectory>,
    all: Vec<(Membership, Monitor)>,
}

impl Members {
    /// Straight to the value: a controller in this process is never waited for.
    async fn join(&self, role: Role, address: String, capacity_bytes: u64) -> anyhow::Result<NodeId> {
        Ok(self.controller.join(spec(role, address, capacity_bytes)).await?.node)
    }

    fn add(&mut self, node: NodeId, holder: Option<Arc<dyn JobHolder>>, sources: Vec<Arc<dyn UsageSource>>) {
        let control: Arc<dyn Control> = self.controller.clone();
        let directory: Arc<dyn Directory> = self.directory.clone();
        let monitor = Monitor::start(node, sources, self.controller.clone());
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
