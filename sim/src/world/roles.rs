//! What a process does: the real planes, started as the binary starts them, each a member as long as the controller says so.

use super::directory::{Registry, Seam, WorldDirectory};
use super::process::{Machine, OsProcess};
use crate::plants::Plant;
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::{ClusterView, NodeSpec, Role};
use pocket_api::control::{Control, JobHolder};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::names::TenantName;
use pocket_api::usage::{Usage, UsageSource};
use pocket_controller::{Controller, ControllerConfig};
use pocket_edge::credentials::Credentials;
use pocket_gateway::config::GatewayConfig;
use pocket_gateway::gateway::Gateway;
use pocket_gateway::planes::Planes;
use pocket_metadata::{Shard, ShardConfig};
use pocket_monitor::{Membership, Monitor, join};
use pocket_storage::{StorageConfig, StorageServer};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Whom all gateways know.
pub const ACCESS_KEY_ID: &str = "WORLDKEY";
pub const SECRET: &str = "the secret of the world";
const TENANT: &str = "world";

/// Large enough that no workload of a few keys fills it.
const SERVER_BYTES: u64 = 64 << 20;
const SHARD_BYTES: u64 = 64 << 20;
/// Of [`Plant::HastyController`].
const HASTY_TIMEOUT: Duration = Duration::from_secs(1);
/// On the controller's disk.
const STATE_FILE: &str = "state.json";

/// What a machine is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Controller,
    Shard,
    Server,
    Gateway,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Controller => "controller",
            Self::Shard => "shard",
            Self::Server => "server",
            Self::Gateway => "gateway",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::Controller => Role::Controller,
            Self::Shard => Role::Metadata,
            Self::Server => Role::Storage,
            Self::Gateway => Role::Gateway,
        }
    }
}

/// What a process serves now.
#[derive(Default)]
pub(super) enum Up {
    #[default]
    Nothing,
    Shard(ByteBudget, Arc<Shard>),
    Server(ByteBudget, NodeId, Arc<StorageServer>),
    Gateway(Arc<Gateway>),
}

/// Begins the work of a new process.
pub(super) fn run(process: &Arc<OsProcess>, machine: Arc<Machine>, registry: Arc<Registry>) {
    let Some(env) = process.env() else { return };
    let process = process.clone();
    match machine.kind {
        Kind::Controller => env.clone().spawn(control(process, machine, registry, env)),
        _ => env.clone().spawn(live(process, machine, registry, env)),
    };
}

async fn control(process: Arc<OsProcess>, machine: Arc<Machine>, registry: Arc<Registry>, env: Env) {
    let directory = WorldDirectory::new(registry.clone(), process.place, ClusterView::default());
    let mut config = ControllerConfig { state_file: Some(STATE_FILE.into()), ..ControllerConfig::default() };
    if registry.plant == Some(Plant::HastyController) {
        config.node_timeout = HASTY_TIMEOUT;
    }
    let never = CancellationToken::new();
    // As a service manager would start it again where its disk is full.
    let controller = loop {
        match Controller::start(config.clone(), directory.clone(), env.clone()) {
            Ok(controller) => break controller,
            Err(error) => tracing::warn!(%error, "the controller does not start"),
        }
        tokio::time::sleep(pocket_api::limits::HEARTBEAT_EVERY).await;
    };
    registry.serve_control(&process, controller.clone());
    let spec = spec(&machine, 0);
    while let Some(joined) = join(controller.as_ref(), spec.clone(), &never).await {
        let _monitor = Monitor::start(joined.node, Vec::new(), controller.clone(), env.clone());
        let (control, directory) = (controller.clone(), directory.clone());
        Membership { node: joined.node, control, directory, holder: None }.keep(&never).await;
    }
}

/// One membership after the other.
async fn live(process: Arc<OsProcess>, machine: Arc<Machine>, registry: Arc<Registry>, env: Env) {
    let remote = WorldDirectory::control(registry.clone(), process.place);
    let control: Arc<dyn Control> = remote.clone();
    let usage: Arc<dyn Usage> = remote;
    let never = CancellationToken::new();
    let capacity_bytes = match machine.kind {
        Kind::Server => SERVER_BYTES,
        Kind::Shard => SHARD_BYTES,
        Kind::Controller | Kind::Gateway => 0,
    };
    while let Some(joined) = join(&*control, spec(&machine, capacity_bytes), &never).await {
        let node = joined.node;
        let directory = WorldDirectory::new(registry.clone(), process.place, joined.view);
        let (holder, sources, seam, up) = start(machine.kind, node, &control, &directory, &env);
        let seam = planted(registry.plant, seam, &env);
        *machine.up.lock() = up;
        registry.serve(node, &process, seam);
        let _monitor = Monitor::start(node, sources, usage.clone(), env.clone());
        let membership = Membership { node, control: control.clone(), directory, holder: Some(holder) };
        membership.keep(&never).await;
        registry.expel(node, machine.name());
        *machine.up.lock() = Up::Nothing;
    }
}

type Started = (Arc<dyn JobHolder>, Vec<Arc<dyn UsageSource>>, Seam, Up);

fn start(
    kind: Kind,
    node: NodeId,
    control: &Arc<dyn Control>,
    directory: &Arc<WorldDirectory>,
    env: &Env,
) -> Started {
    let (directory, env) = (directory.clone(), env.clone());
    match kind {
        Kind::Shard => {
            let budget = ByteBudget::new(SHARD_BYTES);
            let shard = Shard::start(ShardConfig { budget: budget.clone() }, node, directory, env);
            (shard.clone(), vec![shard.clone()], Seam::Shard(shard.clone()), Up::Shard(budget, shard))
        }
        Kind::Server => {
            let budget = ByteBudget::new(SERVER_BYTES);
            let config =
                StorageConfig { capacity_bytes: SERVER_BYTES, budget: budget.clone(), ready_bytes: 0 };
            let server = StorageServer::start(config, node, directory, env).expect("the machine has memory");
            (
                server.clone(),
                vec![server.clone()],
                Seam::Server(server.clone()),
                Up::Server(budget, node, server),
            )
        }
        Kind::Gateway => {
            let mut credentials = Credentials::default();
            let tenant = TenantName::parse(TENANT).expect("it is a name");
            assert!(credentials.add(ACCESS_KEY_ID, SECRET, tenant), "they are credentials");
            let planes = Planes { node, control: control.clone(), directory, env };
            let gateway = Gateway::start(GatewayConfig::default(), credentials, planes);
            (gateway.clone(), vec![gateway.clone()], Seam::Gateway, Up::Gateway(gateway))
        }
        Kind::Controller => unreachable!("it is no member of another"),
    }
}

/// As others call it.
fn planted(plant: Option<Plant>, seam: Seam, env: &Env) -> Seam {
    let Some(plant) = plant else { return seam };
    match seam {
        Seam::Shard(shard) => Seam::Shard(plant.shard(shard, env.clone())),
        Seam::Server(server) => Seam::Server(plant.server(server, env.clone())),
        Seam::Gateway => Seam::Gateway,
    }
}

fn spec(machine: &Machine, capacity_bytes: u64) -> NodeSpec {
    NodeSpec { role: machine.kind.role(), address: machine.address(), host: machine.name(), capacity_bytes }
}
