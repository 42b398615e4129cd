//! The one line that a process prints when it is ready: for people, or as JSON for the process that started it.

use pocket_api::cluster::Role;
use pocket_api::ids::NodeId;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct ReadyLine {
    pub(crate) role: Role,
    pub(crate) pid: u32,
    /// Where its seam (for gateways: S3) is served; empty for a monitor.
    pub(crate) address: String,
    /// `http://host:port`
    pub(crate) admin: Option<String>,
    /// `None` for the controller: its clients know it by address.
    pub(crate) node: Option<NodeId>,
}

/// The line of JSON of `pocket serve`. It has no secret.
#[derive(Debug, Serialize)]
pub(crate) struct ServeLine<'a> {
    /// `serve`
    pub(crate) role: &'static str,
    pub(crate) pid: u32,
    /// Where S3 is served: `host:port`, as bound.
    pub(crate) address: String,
    /// `scheme://host:port`, as clients on this machine can call it.
    pub(crate) endpoint: &'a str,
    pub(crate) region: &'a str,
    /// `http://host:port`
    pub(crate) admin: Option<&'a str>,
    /// The file with the access key that was generated, where one was: TOML with `access-key-id` and
    /// `secret-access-key`. Whoever gave keys knows them.
    pub(crate) credentials: Option<PathBuf>,
    /// The authority that clients have to trust, where this machine made it: PEM.
    pub(crate) authority: Option<&'a Path>,
}

impl ReadyLine {
    pub(crate) fn for_people(&self) -> String {
        let mut line = format!("pocket {} is ready", self.role);
        if !self.address.is_empty() {
            line += &format!(" on {}", self.address);
        }
        if let Some(node) = self.node {
            line += &format!(" as {node}");
        }
        if let Some(admin) = &self.admin {
            line += &format!(", admin {admin}");
        }
        line
    }
}
