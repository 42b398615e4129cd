//! `pocket controller`: the controller in this process, which is also a member of its own cluster.

use super::role::{announce, secret};
use super::{Port, end_in_time, spec, start_admin, until};
use crate::admin::readiness::Readiness;
use crate::admin::server::Admin;
use crate::cli::{ControllerArgs, set};
use crate::reload::{Reload, Settings};
use crate::shutdown::HangUps;
use crate::telemetry::{self, Metrics};
use pocket_api::cluster::{ClusterView, NodeSpec, Role};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_controller::{Controller, ControllerConfig, ControllerError};
use pocket_monitor::{Membership, Monitor, Parted, join};
use pocket_wire::{RemoteDirectory, serve_control};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const ROOM_IS_TRIED_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn controller(args: ControllerArgs) -> anyhow::Result<()> {
    let how = args.process.clone();
    let read = move || {
        let args = args.clone();
        let mut config = args.common.load()?;
        set(&mut config.controller.listen, args.listen);
        config.controller.advertise = args.advertise.or(config.controller.advertise);
        config.controller.state_file = args.state_file.or(config.controller.state_file);
        set(&mut config.controller.node_timeout, args.node_timeout);
        config.cluster.host = args.host.or(config.cluster.host);
        config.check()?;
        config.check_plane("controller.listen", &config.controller.listen)?;
        Ok(Settings { config, keys: Vec::new() })
    };
    let settings = read()?;
    let config = settings.config.clone();
    let secret = secret(&config);

    let log = telemetry::log_to_stderr(&config.log.filter)?;
    let port = Port::bind(&config.controller.listen, "the controller", "--listen")?;
    let admin = Port::bind_admin(&config)?;
    let until = until(&how)?;
    let hang_ups = HangUps::listen(&until)?;
    let reload = Reload::new(read, settings, log, &["admin", "cluster", "controller"]);
    tokio::spawn(reload.at_each(hang_ups));
    let metrics = Metrics::record()?;
    let directory = RemoteDirectory::new(NodeId::default(), secret.clone(), ClusterView::default());
    let controller_config = ControllerConfig {
        state_file: config.controller.state_file.clone(),
        node_timeout: config.controller.node_timeout.0,
    };
    let env = Env::system();
    let Some(controller) = start_with_room(controller_config, &directory, &env, &until).await? else {
        return Ok(());
    };
    let readiness = Readiness::starting();
    start_admin(
        admin.as_ref(),
        Admin {
            metrics,
            readiness: readiness.clone(),
            control: controller.clone(),
            shows_jobs_of: Some(controller.clone()),
        },
        &until,
    )?;
    let serving =
        serve_control(port.listener()?, controller.clone(), controller.clone(), secret, until.clone());
    readiness.ready();
    let shown = config.controller.advertise.as_ref().unwrap_or(&port.address).to_string();
    announce(&how, Role::Controller, &shown, admin.as_ref(), None);
    let membership =
        member_of_itself(controller, directory, spec(&config, Role::Controller, shown, 0), env, &until);
    let work = async {
        tokio::select! {
            ended = serving => Ok(ended?),
            never = membership => match never {},
        }
    };
    end_in_time(work, &until).await
}

/// A controller whose disk is full waits for room: whoever sees to that should find it waiting, and not given up by a service
/// manager after so many starts. Data goes on meanwhile. `None` when `until` was cancelled first.
async fn start_with_room(
    config: ControllerConfig,
    directory: &Arc<RemoteDirectory>,
    env: &Env,
    until: &CancellationToken,
) -> anyhow::Result<Option<Arc<Controller>>> {
    let mut is_said = false;
    loop {
        match Controller::start(config.clone(), directory.clone(), env.clone()) {
            Ok(controller) => return Ok(Some(controller)),
            Err(ControllerError::StateFile { source, path })
                if source.kind() == std::io::ErrorKind::StorageFull =>
            {
                if !std::mem::replace(&mut is_said, true) {
                    let path = path.display();
                    tracing::warn!(
                        "cannot start yet: the disk of the state file {path} is full; waiting for room"
                    );
                }
            }
            Err(error) => return Err(error.into()),
        }
        tokio::select! {
            () = until.cancelled() => return Ok(None),
            () = tokio::time::sleep(ROOM_IS_TRIED_EVERY) => {}
        }
    }
}

/// Keeps the controller in its own list of nodes, so that people see it there.
async fn member_of_itself(
    control: Arc<Controller>,
    directory: Arc<RemoteDirectory>,
    spec: NodeSpec,
    env: Env,
    until: &CancellationToken,
) -> std::convert::Infallible {
    while let Some(joined) = join(control.as_ref(), spec.clone(), until).await {
        let _monitor = Monitor::start(joined.node, Vec::new(), control.clone(), env.clone());
        let (control, directory) = (control.clone(), directory.clone());
        let membership = Membership { node: joined.node, control, directory, holder: None };
        if membership.keep(until).await == Parted::Asked {
            break;
        }
    }
    std::future::pending().await
}
