//! The one line that a role prints when it is ready: for people, or as JSON for the process that started it.

use pocket_api::cluster::Role;
use pocket_api::ids::NodeId;
use serde::{Deserialize, Serialize};

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
