//! `pocket dev-cluster`: a small cluster of real processes on this machine, each a child of this one.
//!
//! This process serves nothing. It starts the roles in an order in which none has to wait, tells where they are, and
//! stops them; a child that dies is logged and not replaced, so that one can watch what a cluster does without it.

mod child;
mod plan;
mod report;

use crate::cli::{DevClusterArgs, set};
use crate::config::address::Address;
use crate::config::credentials::{self, AccessKey};
use crate::config::{Config, secret::Secret};
use crate::output::say;
use crate::shutdown::{self, HangUps};
use crate::{endpoint, telemetry};
use anyhow::Context;
use child::{Child, Keeper};
use futures::future::try_join_all;
use plan::{Plan, Program};
use std::path::{Path, PathBuf};
use tokio_util::sync::CancellationToken;
use tracing::info;

/// Length of the secret that the processes prove to each other, made anew for each cluster.
const CLUSTER_SECRET_LEN: usize = 40;

pub(crate) async fn run(args: DevClusterArgs) -> anyhow::Result<()> {
    let config = configured(&args)?;
    let keys = credentials::resolve(&config)?;
    endpoint::check_reach(&args.listen, &keys, args.endpoint.allow_generated_credentials)?;
    let plan = Plan::new(&args, config.capacity()?)?;
    telemetry::log_to_stderr(&config.log.filter)?;

    let until = shutdown::on_signal()?;
    tokio::spawn(outlive_hang_ups(HangUps::listen(&until)?));
    let folder =
        tempfile::Builder::new().prefix("pocket-").tempdir().context("cannot make a temporary folder")?;
    let program = Program {
        executable: std::env::current_exe().context("cannot find the program of this process")?,
        config: plan::write_config(folder.path(), &config, &keys)?,
        log: config.log.filter.to_string(),
        threads: plan::threads_of_each(),
    };
    let cluster = tokio::select! {
        started = Cluster::start(&plan, &program, folder.path()) => started?,
        () = until.cancelled() => return Ok(()),
    };
    cluster.report(&args, &config, &keys)?;
    cluster.keep(until).await;
    Ok(())
}

fn configured(args: &DevClusterArgs) -> anyhow::Result<Config> {
    let mut config = Config::load(args.config.as_deref())?;
    args.endpoint.apply(&mut config);
    set(&mut config.log.filter, args.log.clone());
    // What a file says of one storage server is not meant for several on one machine.
    config.storage.capacity = None;
    config.cluster.secret_file = None;
    config.cluster.secret = Some(Secret::new(credentials::random_text(CLUSTER_SECRET_LEN)));
    config.check()?;
    Ok(config)
}

/// Its processes share a file of their own, which does not change.
async fn outlive_hang_ups(mut hang_ups: HangUps) {
    while hang_ups.next().await {
        info!("SIGHUP: a cluster of one machine takes nothing over while it runs");
    }
}

/// All children, in the order in which they are reported.
struct Cluster {
    controller: Child,
    members: Vec<Child>,
}

impl Cluster {
    /// Starts everything; a failure ends what had been started already, because children die with their handle.
    async fn start(plan: &Plan, program: &Program, folder: &Path) -> anyhow::Result<Self> {
        let state_file: PathBuf = folder.join("controller.json");
        let controller = Child::start(program, &plan.controller(&state_file)).await?;
        let at: Address = controller.ready.address.parse()?;
        // Gateways come last: they see every shard and server in the view that they join with.
        let planes = try_join_all(plan.planes(&at).iter().map(|role| Child::start(program, role))).await?;
        let gateways =
            try_join_all(plan.gateways(&at).iter().map(|role| Child::start(program, role))).await?;
        Ok(Self { controller, members: gateways.into_iter().chain(planes).collect() })
    }

    fn report(&self, args: &DevClusterArgs, config: &Config, keys: &[AccessKey]) -> anyhow::Result<()> {
        let lines = std::iter::once(&self.controller).chain(&self.members).map(|child| &child.ready);
        let report = report::Report::new(lines);
        match args.json {
            true => say(&serde_json::to_string(&report)?),
            false => say(&report.for_people(&config.region, keys)),
        }
        Ok(())
    }

    /// Watches over the children until `until` is cancelled, then stops them, the controller last.
    async fn keep(self, until: CancellationToken) {
        let stop_controller = CancellationToken::new();
        let controller =
            tokio::spawn(Keeper::of(self.controller, until.clone()).keep(stop_controller.clone()));
        let members: Vec<_> = self
            .members
            .into_iter()
            .map(|child| tokio::spawn(Keeper::of(child, until.clone()).keep(until.clone())))
            .collect();
        until.cancelled().await;
        for member in members {
            let _ = member.await;
        }
        stop_controller.cancel();
        let _ = controller.await;
        info!("the cluster has ended");
    }
}
