//! The memory of all processes together, from what their nodes report. Pure.

use pocket_api::control::ClusterStatus;
use pocket_api::usage::SpaceUse;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Space {
    pub(crate) parts: SpaceUse,
    pub(crate) limit_bytes: u64,
    /// What nothing has been taken of yet.
    pub(crate) free_bytes: u64,
}

impl Space {
    pub(crate) fn of(status: &ClusterStatus) -> Self {
        let mut space = Self::default();
        for report in status.nodes.iter().filter_map(|(_, report)| report.as_ref()) {
            space.parts += report.space;
            if let Some(limit) = report.limit {
                space.limit_bytes += limit.limit_bytes;
                space.free_bytes += limit.limit_bytes.saturating_sub(limit.taken_bytes);
            }
        }
        space
    }
}
