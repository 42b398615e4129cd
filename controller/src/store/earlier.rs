//! The state file of the build before: one JSON document with all members and jobs. It is read once and carried over.

use super::Content;
use crate::state::job::{Job, Work};
use crate::state::maps::Maps;
use crate::state::operation::{Cause, Operation, Stage};
use crate::state::record::{About, Key, written};
use pocket_api::cluster::NodeSpec;
use pocket_api::control::Weight;
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, MapId, NodeId, OperationId, Term};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::JobSettings;
use serde::Deserialize;

const FORMAT: u32 = 2;

#[derive(Deserialize)]
struct Version {
    format: u32,
}

#[derive(Deserialize)]
struct Document {
    state: Kept,
}

#[derive(Deserialize)]
struct Kept {
    highest_id: u64,
    view_version: u64,
    nodes: Vec<(NodeId, NodeSpec)>,
    jobs: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    placement: Placement,
    phase: Phase,
    unsettled: bool,
}

#[derive(Deserialize)]
struct Placement {
    job: JobId,
    epoch: Epoch,
    bucket: BucketName,
    tenant: TenantName,
    created_at_ms: u64,
    hints: JobHints,
    settings: JobSettings,
    shards: Vec<NodeId>,
    weights: Vec<Weight>,
}

#[derive(Deserialize)]
enum Phase {
    Opening,
    Opened,
    Live,
    Ending { fence: Fence, cause: Cause },
}

#[derive(Deserialize, PartialEq, Eq)]
enum Fence {
    IfFrozen,
    Anyway,
}

/// `None` where it is no document of that build.
pub(super) fn read(text: &[u8]) -> Result<Option<Content>, String> {
    let version: Version = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    if version.format != FORMAT {
        return Ok(None);
    }
    let document: Document = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    Ok(Some(carried(document.state)))
}

fn carried(kept: Kept) -> Content {
    let mut records = Content::new();
    let mut fresh = kept.highest_id.max(kept.view_version);
    let mut maps = Maps::default();
    for Known { placement, phase, unsettled } in kept.jobs {
        fresh += 1;
        let map = maps.share(placement.weights, MapId(fresh));
        let job = Job {
            job: placement.job,
            epoch: placement.epoch,
            bucket: placement.bucket,
            tenant: placement.tenant,
            created_at_ms: placement.created_at_ms,
            hints: placement.hints,
            settings: placement.settings.into(),
            shards: placement.shards,
            weights: map,
            work: Work::default(),
        };
        fresh += 1;
        let stage = match phase {
            Phase::Opening => Some(Stage::Opening),
            // Whether it may end was not certain yet: whoever wanted it asks again.
            Phase::Ending { fence: Fence::IfFrozen, .. } => Some(Stage::Thawing),
            Phase::Ending { cause, .. } => Some(Stage::Dropping { cause, name_is_free: false }),
            Phase::Opened | Phase::Live => unsettled.then_some(Stage::Renewing),
        };
        if let Some(stage) = stage {
            let shards = job.shards.iter().copied().collect();
            let operation = Operation::new(OperationId(fresh), job.job, stage, shards);
            records.insert(Key::Operation(operation.id), written(&operation));
        }
        records.insert(Key::Job(job.job), written(&job));
    }
    for map in maps.ids() {
        records.extend(maps.get(map).map(|found| (Key::Weights(map), written(found))));
    }
    for (id, spec) in kept.nodes {
        records.insert(Key::Node(id), written(&spec));
    }
    let about = About { term: Term(0), highest_id: fresh, view_version: kept.view_version, born: 0 };
    records.insert(Key::Controller, written(&about));
    records
}
