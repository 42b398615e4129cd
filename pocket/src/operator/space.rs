//! The memory of all processes together, from what their nodes report. Pure.

use pocket_api::cluster::Role;
use pocket_api::control::ClusterStatus;
use pocket_api::usage::SpaceUse;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) parts: SpaceUse,
    pub(crate) limit_bytes: u64,
    /// What nothing has been taken of yet.
    pub(crate) free_bytes: u64,
    /// Those of it that are behind shards' own limits and no chunk can take; `None` where chunks share the limit of the shard.
    pub(crate) free_for_keys_bytes: Option<u64>,
}

impl Space {
    pub(crate) fn of(status: &ClusterStatus) -> Self {
        let mut space = Self::default();
        for (node, report) in &status.nodes {
            let Some(report) = report else { continue };
            space.parts += report.space;
            if let Some(limit) = report.limit {
                let free_bytes = limit.limit_bytes.saturating_sub(limit.taken_bytes);
                space.limit_bytes += limit.limit_bytes;
                space.free_bytes += free_bytes;
                if node.spec.role == Role::Metadata {
                    *space.free_for_keys_bytes.get_or_insert_default() += free_bytes;
                }
            }
        }
        space
    }
}
