//! Fuzz target for the messages of control and usage, both ways: what is taken reads back the same after it is written
//! again, and what is refused says what is wrong with it.

use super::failure::status_of;
use super::jobs::tests::{full_hints, full_settings};
use super::nodes::tests::{beat, changes, forgotten, reply, report, view};
use super::proto;
use pocket_api::cluster::{NodeSpec, ViewUpdate};
use pocket_api::control::{
    ClusterStatus, Configuration, ControlError, Derived, EndJob, EndMode, Forgotten, Heartbeat,
    HeartbeatReply, JobSummary, Joined, Placement, Registration, Weight, WeightMap,
};
use pocket_api::ids::{Epoch, JobId, MapId, NodeId};
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::UsageReport;
use pocket_fuzz::{GUIDED, Mutant, Mutants, check, within_memory};
use prost::Message;
use std::fmt::{Debug, Display};
use std::sync::atomic::{AtomicU64, Ordering};

/// A byte may be an item of a list, which is a struct here.
const MEMORY_FACTOR: usize = 256;

/// One of each message, by its name.
pub(crate) fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let bucket = || BucketName::parse("stage-1").unwrap();
    let tenant = || TenantName::parse("etl").unwrap();
    let (job, epoch, settings) = (JobId(1 << 40), Epoch(3), full_settings());
    let registration = Registration { tenant: tenant(), bucket: bucket(), settings: settings.clone() };
    let configuration = Configuration { bucket: bucket(), job, epoch, settings: settings.clone() };
    let end = EndJob { tenant: Some(tenant()), bucket: bucket(), job: Some(job), mode: EndMode::Force };
    let placement = Placement {
        job,
        epoch,
        bucket: bucket(),
        tenant: tenant(),
        created_at_ms: 1_800_000_000_000,
        hints: full_hints(),
        settings: settings.into(),
        shards: vec![NodeId(4), NodeId(2)],
        weights: WeightMap {
            id: MapId(6),
            version: 7,
            weights: [Weight { server: NodeId(9), weight: 0.5 }].into(),
        },
    };
    let summary = JobSummary {
        job,
        bucket: bucket(),
        tenant: tenant(),
        created_at_ms: 5,
        hints: full_hints(),
        shards: 2,
        servers: 3,
        objects: 1,
        bytes: 2,
        ends_in: None,
        derived: Derived { capacity: Some(4), throughput: None },
        servers_capacity_bytes: 5,
    };
    let summary = proto::JobSummary::from(summary);
    let nodes = view().nodes.into_iter().map(|node| (node, Some(report()))).collect();
    let failed = status_of(ControlError::BucketExists { tenant: tenant() });
    let joined = Joined { node: NodeId(1), view: view() };
    let reply = |view| proto::HeartbeatReply::from(reply(Some(view))).encode_to_vec();
    let report = proto::UsageReport::from(report());
    vec![
        ("Registration", proto::Registration::from(registration).encode_to_vec()),
        ("Configuration", proto::Configuration::from(configuration).encode_to_vec()),
        ("EndJobRequest", proto::EndJobRequest::from(end).encode_to_vec()),
        ("PlacementQuery", proto::PlacementQuery { bucket: bucket().to_string() }.encode_to_vec()),
        ("JobsQuery", proto::JobsQuery { tenant: Some(tenant().to_string()) }.encode_to_vec()),
        ("Placement", proto::Placement::from(placement).encode_to_vec()),
        ("JobSummary", summary.encode_to_vec()),
        ("JobList", proto::JobList { jobs: vec![summary] }.encode_to_vec()),
        ("NodeSpec", proto::NodeSpec::from(view().nodes.remove(0).spec).encode_to_vec()),
        ("NodeRef", proto::NodeRef { node: 3 }.encode_to_vec()),
        ("Joined", proto::Joined::from(joined).encode_to_vec()),
        ("HeartbeatReply", reply(ViewUpdate::Whole(view()))),
        ("HeartbeatReply of changes", reply(ViewUpdate::Changes(changes()))),
        ("Heartbeat", proto::Heartbeat::from(beat()).encode_to_vec()),
        (
            "ClusterStatus",
            proto::ClusterStatus::from(ClusterStatus { nodes, jobs: vec![], held_for: None }).encode_to_vec(),
        ),
        ("Forgotten", proto::Forgotten::from(forgotten()).encode_to_vec()),
        ("UsageReport", report.encode_to_vec()),
        ("NodeReport", proto::NodeReport { node: 3, report: Some(report) }.encode_to_vec()),
        ("ControlFailure", failed.details().to_vec()),
    ]
}

/// Whether the bytes are a message `P` that means a `T`.
fn read<P, T>(bytes: &[u8]) -> bool
where
    P: Message + Default + From<T>,
    T: TryFrom<P, Error: Display> + Clone + Debug,
{
    let read = |bytes: &[u8]| P::decode(bytes).ok().map(T::try_from);
    match within_memory(bytes.len(), MEMORY_FACTOR, || read(bytes)) {
        None => false,
        Some(Err(refused)) => {
            assert!(!refused.to_string().is_empty());
            false
        }
        Some(Ok(value)) => {
            let again = read(&P::from(value.clone()).encode_to_vec()).and_then(Result::ok);
            // As text, because a share that is no number does not equal itself.
            assert_eq!(format!("{again:?}"), format!("{:?}", Some(value)));
            true
        }
    }
}

#[test]
fn messages_that_are_taken_read_back_the_same() {
    let taken = AtomicU64::new(0);
    check!(10_000, Mutants::of(messages().into_iter().map(|(_, bytes)| bytes)), |bytes: &Mutant| {
        let read = [
            read::<proto::Registration, Registration>(bytes),
            read::<proto::Configuration, Configuration>(bytes),
            read::<proto::EndJobRequest, EndJob>(bytes),
            read::<proto::Placement, Placement>(bytes),
            read::<proto::JobSummary, JobSummary>(bytes),
            read::<proto::NodeSpec, NodeSpec>(bytes),
            read::<proto::Joined, Joined>(bytes),
            read::<proto::HeartbeatReply, HeartbeatReply>(bytes),
            read::<proto::Heartbeat, Heartbeat>(bytes),
            read::<proto::Forgotten, Forgotten>(bytes),
            read::<proto::UsageReport, UsageReport>(bytes),
        ];
        taken.fetch_add(read.iter().filter(|taken| **taken).count() as u64, Ordering::Relaxed);
    });
    assert!(GUIDED || taken.into_inner() > 1_000);
}
