//! `pocket gateway`, `metadata`, `storage`, `monitor`: one role in this process, the others across the
//! wire.
//!
//! A process outlives its membership: when the controller has declared its node dead, what the node held is void. It
//! is dropped, and the process joins again as a new node with nothing, on the same port.

use super::{CAPACITY_OPTION, MEMORY_OPTION, Port, admin_url, end_in_time, spec, start_admin, until};
use crate::admin::readiness::Readiness;
use crate::admin::server::Admin;
use crate::cli::{GatewayArgs, MetadataArgs, MonitorArgs, ProcessArgs, StorageArgs, set};
use crate::config::address::Address;
use crate::config::{Config, TlsMode, credentials};
use crate::endpoint;
use crate::output::say;
use crate::reached::reached_at;
use crate::ready_line::ReadyLine;
use crate::reload::{Reload, Settings};
use crate::shutdown::{END_WITHIN, HangUps};
use crate::space_watch::SpaceWatch;
use crate::telemetry::{self, Metrics};
use crate::tls::Certificates;
use anyhow::{Context, bail, ensure};
use futures::future::{BoxFuture, FutureExt};
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::{Directory, NodeSpec, Role};
use pocket_api::control::{Control, JobHolder};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::usage::{Usage, UsageSource};
use pocket_edge::config::thread_per_core;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::planes::Planes;
use pocket_metadata::{Shard, ShardConfig};
use pocket_monitor::{MachineSampler, Membership, Monitor, Parted, join};
use pocket_storage::{READY_BYTES, StorageConfig, StorageServer};
use pocket_wire::{ClusterSecret, RemoteControl, RemoteDirectory, ServedPlanes, serve_planes};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub(crate) async fn gateway(args: GatewayArgs) -> anyhow::Result<()> {
    let how = args.member.process.clone();
    let read = move || {
        let args = args.clone();
        let mut config = args.member.load()?;
        set(&mut config.gateway.listen, args.listen);
        config.gateway.advertise = args.advertise.or(config.gateway.advertise);
        args.tls_files.apply(&mut config);
        args.endpoint.apply(&mut config);
        config.check()?;
        if config.gateway.tls == Some(TlsMode::Auto) {
            bail!("gateway.tls auto is for `pocket serve`: give a gateway tls-cert and tls-key");
        }
        let keys = credentials::resolve(&config)?;
        endpoint::check_reach(&config.gateway.listen, &keys, args.endpoint.allow_generated_credentials)?;
        Ok(Settings { config, keys })
    };

    let mut process = Process::prepare(read, how, &["admin", "cluster", "gateway"])?;
    let certificates = Certificates::load(&process.config)?;
    process.reload.follow(certificates.clone());
    let s3 = Port::bind(&process.config.gateway.listen, "the S3 endpoint", "--listen")?;
    let advertise = process.config.gateway.advertise.clone();
    if !process.is_reached(Role::Gateway, &s3.address, advertise.as_ref()).await? {
        return Ok(());
    }
    let node_spec = process.spec(Role::Gateway, 0);
    let start = async |life: &Life| {
        let planes = Planes {
            node: life.node,
            control: life.control.clone(),
            directory: life.directory.clone(),
            env: life.env.clone(),
        };
        let gateway = process.reload.start_gateway(|config, credentials| {
            let config = endpoint::gateway_config(config, thread_per_core(), certificates.as_deref())?;
            Ok(Gateway::start(config, credentials, planes))
        })?;
        let (listener, until) = (s3.listener.try_clone()?, life.until.clone());
        let serving = gateway.clone();
        Ok(Started {
            holder: Some(gateway.clone()),
            sources: vec![gateway],
            serving: async move { Ok(serving.serve(listener, until).await?) }.boxed(),
        })
    };
    process.live(node_spec, start).await
}

pub(crate) async fn metadata(args: MetadataArgs) -> anyhow::Result<()> {
    let how = args.member.process.clone();
    let read = move || {
        let args = args.clone();
        let mut config = args.member.load()?;
        set(&mut config.metadata.listen, args.listen);
        config.metadata.advertise = args.advertise.or(config.metadata.advertise);
        config.metadata.memory = args.memory.or(config.metadata.memory);
        config.check_plane("metadata.listen", &config.metadata.listen)?;
        config.memory_here()?;
        Ok(Settings { config, keys: Vec::new() })
    };

    let mut process = Process::prepare(read, how, &["admin", "cluster", "metadata"])?;
    let memory_bytes = process.config.memory_here()?.bytes();
    let port = Port::bind(&process.config.metadata.listen, "the metadata shard", "--listen")?;
    let advertise = process.config.metadata.advertise.clone();
    if !process.is_reached(Role::Metadata, &port.address, advertise.as_ref()).await? {
        return Ok(());
    }
    let node_spec = process.spec(Role::Metadata, memory_bytes);
    let start = async |life: &Life| {
        let budget = ByteBudget::set_by(memory_bytes, MEMORY_OPTION);
        let shard_config = ShardConfig { budget: budget.clone() };
        let shard = Shard::start(shard_config, life.node, life.directory.clone(), life.env.clone());
        let planes = ServedPlanes { metadata: Some(shard.clone()), chunks: None };
        Ok(Started {
            holder: Some(shard.clone()),
            sources: vec![shard, Arc::new(SpaceWatch::new(budget))],
            serving: process.serve_planes(&port, planes, life)?,
        })
    };
    process.live(node_spec, start).await
}

pub(crate) async fn storage(args: StorageArgs) -> anyhow::Result<()> {
    let how = args.member.process.clone();
    let read = move || {
        let args = args.clone();
        let mut config = args.member.load()?;
        set(&mut config.storage.listen, args.listen);
        config.storage.advertise = args.advertise.or(config.storage.advertise);
        config.storage.capacity = args.capacity.or(config.storage.capacity);
        config.check_plane("storage.listen", &config.storage.listen)?;
        config.capacity_here()?;
        Ok(Settings { config, keys: Vec::new() })
    };

    let mut process = Process::prepare(read, how, &["admin", "cluster", "storage"])?;
    let capacity_bytes = process.config.capacity_here()?.bytes();
    let port = Port::bind(&process.config.storage.listen, "the storage server", "--listen")?;
    let advertise = process.config.storage.advertise.clone();
    if !process.is_reached(Role::Storage, &port.address, advertise.as_ref()).await? {
        return Ok(());
    }
    let node_spec = process.spec(Role::Storage, capacity_bytes);
    let start = async |life: &Life| {
        let budget = ByteBudget::set_by(capacity_bytes, CAPACITY_OPTION);
        let storage_config =
            StorageConfig { capacity_bytes, budget: budget.clone(), ready_bytes: READY_BYTES };
        let server =
            StorageServer::start(storage_config, life.node, life.directory.clone(), life.env.clone())?;
        let planes = ServedPlanes { metadata: None, chunks: Some(server.clone()) };
        Ok(Started {
            holder: Some(server.clone()),
            sources: vec![server, Arc::new(SpaceWatch::new(budget))],
            serving: process.serve_planes(&port, planes, life)?,
        })
    };
    process.live(node_spec, start).await
}

pub(crate) async fn monitor(args: MonitorArgs) -> anyhow::Result<()> {
    let how = args.member.process.clone();
    let read = move || Ok(Settings { config: args.member.clone().load()?, keys: Vec::new() });
    let process = Process::prepare(read, how, &["admin", "cluster"])?;
    // Nobody calls a monitor: it has no address.
    let node_spec = process.spec(Role::Monitor, 0);
    let start = async |life: &Life| {
        let until = life.until.clone();
        Ok(Started {
            holder: None,
            sources: vec![Arc::new(MachineSampler::new())],
            serving: until.cancelled_owned().map(Ok).boxed(),
        })
    };
    process.live(node_spec, start).await
}

/// A role's process, whatever the role: what does not change from one incarnation to the next.
struct Process {
    config: Config,
    how: ProcessArgs,
    reload: Arc<Reload>,
    /// What others call it by; empty for a monitor.
    address: String,
    admin: Option<Port>,
    until: CancellationToken,
    readiness: Readiness,
    secret: Option<ClusterSecret>,
    control: Arc<RemoteControl>,
    env: Env,
}

/// One incarnation: from a join to the end of that membership.
struct Life {
    node: NodeId,
    control: Arc<dyn Control>,
    directory: Arc<RemoteDirectory>,
    env: Env,
    /// Cancelled when this incarnation must not serve any more.
    until: CancellationToken,
}

/// What an incarnation consists of.
struct Started {
    holder: Option<Arc<dyn JobHolder>>,
    sources: Vec<Arc<dyn UsageSource>>,
    /// Serves until the life's token is cancelled.
    serving: BoxFuture<'static, anyhow::Result<()>>,
}

impl Process {
    /// Checks what all members share and starts what they all have. Binds no port but the admin's. `read` and `tables` as
    /// for [`Reload::new`].
    fn prepare(
        read: impl Fn() -> anyhow::Result<Settings> + Send + Sync + 'static,
        how: ProcessArgs,
        tables: &'static [&'static str],
    ) -> anyhow::Result<Self> {
        let settings = read()?;
        let config = settings.config.clone();
        config.check_plane("cluster.controller", &config.cluster.controller)?;
        let log = telemetry::log_to_stderr(&config.log.filter)?;
        let admin = Port::bind_admin(&config)?;
        let until = until(&how)?;
        let hang_ups = HangUps::listen(&until)?;
        let reload = Reload::new(read, settings, log, tables);
        tokio::spawn(reload.clone().at_each(hang_ups));
        let secret = secret(&config);
        let control =
            Arc::new(RemoteControl::connect(&config.cluster.controller.to_string(), secret.clone()));
        let readiness = Readiness::starting();
        let metrics = Metrics::record()?;
        start_admin(
            admin.as_ref(),
            Admin { metrics, readiness: readiness.clone(), control: control.clone(), shows_jobs_of: None },
            &until,
        )?;
        let (address, env) = (String::new(), Env::system());
        Ok(Self { config, how, reload, address, admin, until, readiness, secret, control, env })
    }

    /// Finds the address that others call this process by. Whether it did before the process was asked to end.
    async fn is_reached(
        &mut self,
        role: Role,
        bound: &Address,
        advertise: Option<&Address>,
    ) -> anyhow::Result<bool> {
        let controller = &self.config.cluster.controller;
        let reached = reached_at(role.as_str(), bound, advertise, controller, &self.until).await?;
        let Some(address) = reached else { return Ok(false) };
        // Other roles do not call gateways. Who listens everywhere is meant to be called from elsewhere.
        let is_called = role != Role::Gateway && bound.is_wildcard();
        ensure!(
            !(is_called && address.is_loopback()),
            "{role}.listen {bound} is no address that others can call: set {role}.advertise or --advertise, or name the \
             controller by the address that others call"
        );
        self.address = address.to_string();
        Ok(true)
    }

    /// What this process says of itself when it joins.
    fn spec(&self, role: Role, capacity_bytes: u64) -> NodeSpec {
        spec(&self.config, role, self.address.clone(), capacity_bytes)
    }

    fn serve_planes(
        &self,
        port: &Port,
        planes: ServedPlanes,
        life: &Life,
    ) -> anyhow::Result<BoxFuture<'static, anyhow::Result<()>>> {
        let (listener, secret) = (port.listener()?, self.secret.clone());
        let (node, until) = (life.node, life.until.clone());
        Ok(async move { Ok(serve_planes(listener, node, planes, secret, until).await?) }.boxed())
    }

    /// One incarnation after the other until the process is asked to end.
    async fn live(
        &self,
        spec: NodeSpec,
        start: impl AsyncFn(&Life) -> anyhow::Result<Started>,
    ) -> anyhow::Result<()> {
        let mut announced = false;
        let work = async {
            loop {
                self.readiness
                    .not_ready(format!("joining the controller at {}", self.config.cluster.controller));
                let Some(joined) = join(self.control.as_ref(), spec.clone(), &self.until).await else {
                    return Ok(());
                };
                info!(role = %spec.role, node = %joined.node, address = self.address, "joined the cluster");
                let directory = RemoteDirectory::new(joined.node, self.secret.clone(), joined.view);
                let life = Life {
                    node: joined.node,
                    control: self.control.clone(),
                    directory,
                    env: self.env.clone(),
                    until: self.until.child_token(),
                };
                let started = start(&life).await?;
                self.readiness.ready();
                if !std::mem::replace(&mut announced, true) {
                    announce(&self.how, spec.role, &self.address, self.admin.as_ref(), Some(life.node));
                }
                match self.one_life(&life, started).await? {
                    Parted::Asked => return Ok(()),
                    Parted::Expelled => {
                        warn!(node = %life.node, "declared dead by the controller: dropping all that it held, joining again");
                    }
                }
            }
        };
        end_in_time(work, &self.until).await
    }

    /// Serves and heartbeats side by side, so that a node that drains its last requests is still a member.
    async fn one_life(&self, life: &Life, started: Started) -> anyhow::Result<Parted> {
        let control: Arc<dyn Control> = self.control.clone();
        let usage: Arc<dyn Usage> = self.control.clone();
        let directory: Arc<dyn Directory> = life.directory.clone();
        let membership = Membership { node: life.node, control, directory, holder: started.holder };
        let _monitor = Monitor::start(life.node, started.sources, usage, life.env.clone());
        let mut serving = tokio::spawn(started.serving);
        let never = CancellationToken::new();
        let parted = tokio::select! {
            parted = membership.keep(&never) => parted,
            ended = &mut serving => {
                ended.context("serving has panicked")??;
                Parted::Asked
            }
        };
        if parted == Parted::Expelled {
            life.until.cancel();
            if tokio::time::timeout(END_WITHIN, &mut serving).await.is_err() {
                serving.abort();
            }
        } else if self.until.is_cancelled() {
            membership.leave().await;
        } else {
            bail!("the {} role stopped serving by itself", life.node);
        }
        Ok(parted)
    }
}

pub(super) fn secret(config: &Config) -> Option<ClusterSecret> {
    config.cluster.secret.as_ref().map(|secret| ClusterSecret::new(secret.reveal().to_owned()))
}

pub(super) fn announce(
    how: &ProcessArgs,
    role: Role,
    address: &str,
    admin: Option<&Port>,
    node: Option<NodeId>,
) {
    let line =
        ReadyLine { role, pid: std::process::id(), address: address.into(), admin: admin_url(admin), node };
    match serde_json::to_string(&line) {
        Ok(json) if how.json => say(&json),
        _ => say(&line.for_people()),
    }
}
