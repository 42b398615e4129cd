//! The assembly: the only place that chooses whether the value behind a seam is in this process or across a network.
//! One file a mode; everything below them gets `Arc<dyn Trait>` and cannot tell.

pub(crate) mod controller;
pub(crate) mod embedded;
pub(crate) mod role;

use crate::admin::server::{self, Admin};
use crate::cli::ProcessArgs;
use crate::config::Config;
use crate::config::address::{Address, AddressOrOff};
use crate::config::host::HostLabel;
use crate::shutdown::{self, END_WITHIN};
use anyhow::Context;
use pocket_api::cluster::{NodeSpec, Role};
use std::net::TcpListener;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The options that limits come from, as people are told who come up against one.
const CAPACITY_OPTION: &str = "--capacity";
const MEMORY_OPTION: &str = "--memory";

/// A port that is bound, and where.
struct Port {
    listener: TcpListener,
    address: Address,
}

impl Port {
    fn bind(address: &Address, what: &str, option: &str) -> anyhow::Result<Self> {
        let listener = address.bind(what, option)?;
        let address = address.of(&listener)?;
        Ok(Self { listener, address })
    }

    /// The listener for the runtime that this is called on. Can be called again: all copies share the port.
    fn listener(&self) -> anyhow::Result<tokio::net::TcpListener> {
        let copy = self.listener.try_clone().and_then(tokio::net::TcpListener::from_std);
        copy.with_context(|| format!("cannot use the listener on {}", self.address))
    }

    /// The admin port of the configuration, where there is one.
    fn bind_admin(config: &Config) -> anyhow::Result<Option<Self>> {
        match &config.admin.listen {
            AddressOrOff::Off => Ok(None),
            AddressOrOff::At(address) => {
                Self::bind(address, "the admin port", "--admin (or --admin off)").map(Some)
            }
        }
    }
}

/// Serves the admin port in the background, where there is one.
fn start_admin(port: Option<&Port>, admin: Admin, until: &CancellationToken) -> anyhow::Result<()> {
    if let Some(port) = port {
        tokio::spawn(server::serve(port.listener()?, Arc::new(admin), until.clone()));
    }
    Ok(())
}

fn admin_url(port: Option<&Port>) -> Option<String> {
    port.map(|port| crate::endpoint::url("http", &port.address))
}

/// What a node says of itself when it joins.
fn spec(config: &Config, role: Role, address: String, capacity_bytes: u64) -> NodeSpec {
    let host = config.cluster.host.clone().unwrap_or_else(HostLabel::of_this_machine).into();
    NodeSpec { role, address, host, capacity_bytes }
}

/// Cancelled when the process is asked to end.
fn until(how: &ProcessArgs) -> anyhow::Result<CancellationToken> {
    let until = shutdown::on_signal()?;
    if how.end_with_stdin {
        shutdown::on_end_of_stdin(until.clone());
    }
    Ok(until)
}

/// Runs `work`, which ends in good order once `until` is cancelled, and stops waiting for it when that takes too long.
async fn end_in_time(
    work: impl Future<Output = anyhow::Result<()>>,
    until: &CancellationToken,
) -> anyhow::Result<()> {
    let too_long = async {
        until.cancelled().await;
        tokio::time::sleep(END_WITHIN).await;
    };
    tokio::select! {
        ended = work => ended,
        () = too_long => {
            warn!("still busy {}s after being asked to end: ending anyway", END_WITHIN.as_secs());
            Ok(())
        }
    }
}
