//! What `pocket jobs --json` and `pocket status --json` print: a contract with scripts, described in docs/operations.md.
//! Ids are text as `pocket end` takes it, times are seconds, sizes are bytes. Pure: data in, values out.

use super::space::Space;
use pocket_api::cluster::{Node, NodeState};
use pocket_api::control::{ClusterStatus, JobSummary};
use pocket_api::hints::{ETagRule, JobHints, WaitOn};
use pocket_api::tier::Tier;
use pocket_api::usage::{Served, SpaceUse, UsageReport};
use serde::Serialize;
use std::time::Duration;

#[derive(Serialize)]
pub(crate) struct Job {
    id: String,
    bucket: String,
    tenant: String,
    /// Since 1970.
    created_at_seconds: f64,
    age_seconds: f64,
    ends_in_seconds: Option<f64>,
    objects: u64,
    logical_bytes: u64,
    shards: u32,
    servers: u32,
    servers_capacity_bytes: u64,
    asked: Hints,
    derived: Derived,
}

/// Hints that were not given are null; `wait_seconds` is 0 then, `wait_on` both and `latency_sensitive` true.
#[derive(Serialize)]
struct Hints {
    workers: Option<u32>,
    capacity_bytes: Option<u64>,
    throughput_bytes_per_second: Option<u64>,
    latency_sensitive: bool,
    ttl_seconds: Option<f64>,
    idle_ttl_seconds: Option<f64>,
    object_ttl_seconds: Option<f64>,
    reads: Option<u32>,
    wait_seconds: f64,
    wait_on: &'static str,
    tier: Option<Tier>,
    etag: Option<&'static str>,
}

#[derive(Serialize)]
struct Derived {
    capacity_bytes: Option<u64>,
    throughput_bytes_per_second: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Status {
    space: SpaceOfAll,
    held_for_seconds: Option<f64>,
    nodes: Vec<NodeStatus>,
    jobs: Vec<Job>,
}

/// `used_bytes` is the sum of metadata, inline and chunks.
#[derive(Serialize)]
struct Parts {
    used_bytes: u64,
    metadata_bytes: u64,
    inline_bytes: u64,
    chunks_bytes: u64,
    vacant_bytes: u64,
}

#[derive(Serialize)]
struct SpaceOfAll {
    #[serde(flatten)]
    parts: Parts,
    limit_bytes: u64,
    free_bytes: u64,
}

#[derive(Serialize)]
struct NodeStatus {
    id: String,
    role: &'static str,
    state: &'static str,
    address: Option<String>,
    host: Option<String>,
    space: Option<Parts>,
    limit: Option<Limit>,
    served: Option<ServedSoFar>,
    machine: Option<Machine>,
}

#[derive(Serialize)]
struct Limit {
    limit_bytes: u64,
    taken_bytes: u64,
}

#[derive(Serialize)]
struct ServedSoFar {
    requests: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Serialize)]
struct Machine {
    cores: usize,
    cores_busy: f32,
    memory_used_bytes: u64,
    memory_total_bytes: u64,
    network_received_bytes_per_second: u64,
    network_sent_bytes_per_second: u64,
}

/// `now_ms`: milliseconds since 1970.
pub(crate) fn jobs(jobs: &[JobSummary], now_ms: u64) -> Vec<Job> {
    jobs.iter().map(|job| shown(job, now_ms)).collect()
}

pub(crate) fn status(status: &ClusterStatus, now_ms: u64) -> Status {
    let Space { parts, limit_bytes, free_bytes, .. } = Space::of(status);
    Status {
        space: SpaceOfAll { parts: parts.into(), limit_bytes, free_bytes },
        held_for_seconds: status.held_for.map(|time| time.as_secs_f64()),
        nodes: status.nodes.iter().map(|(node, report)| node_status(node, report.as_ref())).collect(),
        jobs: jobs(&status.jobs, now_ms),
    }
}

fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

fn shown(job: &JobSummary, now_ms: u64) -> Job {
    Job {
        id: job.job.to_string(),
        bucket: job.bucket.to_string(),
        tenant: job.tenant.to_string(),
        created_at_seconds: seconds(job.created_at_ms),
        age_seconds: seconds(now_ms.saturating_sub(job.created_at_ms)),
        ends_in_seconds: job.ends_in.map(|left| left.as_secs_f64()),
        objects: job.objects,
        logical_bytes: job.bytes,
        shards: job.shards,
        servers: job.servers,
        servers_capacity_bytes: job.servers_capacity_bytes,
        asked: hints(&job.hints),
        derived: Derived {
            capacity_bytes: job.derived.capacity,
            throughput_bytes_per_second: job.derived.throughput,
        },
    }
}

fn hints(hints: &JobHints) -> Hints {
    let time = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    Hints {
        workers: hints.workers,
        capacity_bytes: hints.capacity,
        throughput_bytes_per_second: hints.throughput,
        latency_sensitive: hints.latency_sensitive,
        ttl_seconds: time(hints.ttl),
        idle_ttl_seconds: time(hints.idle_ttl),
        object_ttl_seconds: time(hints.object_ttl),
        reads: hints.reads,
        wait_seconds: hints.wait.as_secs_f64(),
        wait_on: match hints.wait_on {
            WaitOn::GetAndHead => "get,head",
            WaitOn::Get => "get",
        },
        tier: hints.tier,
        etag: match hints.etag {
            ETagRule::ByClient => None,
            ETagRule::Md5 => Some("md5"),
            ETagRule::Fast => Some("fast"),
        },
    }
}

impl From<SpaceUse> for Parts {
    fn from(space: SpaceUse) -> Self {
        Self {
            used_bytes: space.used_bytes(),
            metadata_bytes: space.metadata_bytes,
            inline_bytes: space.inline_bytes,
            chunks_bytes: space.chunks_bytes,
            vacant_bytes: space.vacant_bytes,
        }
    }
}

fn node_status(node: &Node, report: Option<&UsageReport>) -> NodeStatus {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let machine = report.and_then(|report| report.machine.as_ref());
    NodeStatus {
        id: node.id.to_string(),
        role: node.spec.role.as_str(),
        state: match node.state {
            NodeState::Live => "live",
            NodeState::Suspect => "suspect",
        },
        address: some(&node.spec.address),
        host: some(&node.spec.host),
        space: report.map(|report| report.space.into()),
        limit: report
            .and_then(|report| report.limit)
            .map(|limit| Limit { limit_bytes: limit.limit_bytes, taken_bytes: limit.taken_bytes }),
        served: report.and_then(|report| report.served).map(
            |Served { requests, received_bytes, sent_bytes }| ServedSoFar {
                requests,
                received_bytes,
                sent_bytes,
            },
        ),
        machine: machine.map(|machine| Machine {
            cores: machine.cores_busy.len(),
            cores_busy: machine.cores_busy.iter().sum(),
            memory_used_bytes: machine.memory_used_bytes,
            memory_total_bytes: machine.memory_total_bytes,
            network_received_bytes_per_second: machine.network_received_bytes_per_second,
            network_sent_bytes_per_second: machine.network_sent_bytes_per_second,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::operator::tests::job;
    use pocket_api::cluster::{NodeSpec, Role};
    use pocket_api::control::Derived as OfJob;
    use pocket_api::hints::HINTS;
    use pocket_api::ids::NodeId;
    use pocket_api::usage::SpaceLimit;
    use serde_json::json;

    #[test]
    fn a_job_has_text_for_ids_seconds_for_times_and_bytes_for_sizes() {
        let job = JobSummary {
            created_at_ms: 1_000_500,
            ends_in: Some(Duration::from_millis(90_250)),
            hints: JobHints {
                workers: Some(8),
                ttl: Some(Duration::from_secs(900)),
                wait: Duration::from_millis(1_500),
                wait_on: WaitOn::Get,
                tier: Some(Tier::Dram),
                etag: ETagRule::Fast,
                ..JobHints::default()
            },
            derived: OfJob { capacity: Some(7), throughput: None },
            objects: 2,
            bytes: 30,
            ..job(0x1a, "stage-1", "team")
        };
        let expected = json!([{
            "id": "j1a", "bucket": "stage-1", "tenant": "team", "created_at_seconds": 1000.5, "age_seconds": 60.0,
            "ends_in_seconds": 90.25, "objects": 2, "logical_bytes": 30, "shards": 1, "servers": 1,
            "servers_capacity_bytes": 1_u64 << 30,
            "asked": {
                "workers": 8, "capacity_bytes": null, "throughput_bytes_per_second": null, "latency_sensitive": true,
                "ttl_seconds": 900.0, "idle_ttl_seconds": null, "object_ttl_seconds": null, "reads": null,
                "wait_seconds": 1.5, "wait_on": "get", "tier": "dram", "etag": "fast",
            },
            "derived": { "capacity_bytes": 7, "throughput_bytes_per_second": null },
        }]);
        assert_eq!(serde_json::to_value(jobs(&[job], 1_060_500)).unwrap(), expected);
    }

    #[test]
    fn every_hint_that_can_be_given_has_a_name_among_what_was_asked() {
        // Known, and refused unless they say what happens anyway.
        const NOT_BUILT: [&str; 6] = ["seal", "backing", "replicas", "on-full", "persist", "class"];
        let value = serde_json::to_value(jobs(&[job(1, "job", "t")], 0)).unwrap();
        let asked = value[0]["asked"].as_object().unwrap();
        for hint in HINTS.into_iter().filter(|hint| !NOT_BUILT.contains(hint)) {
            let name = hint.replace('-', "_");
            let with_unit =
                ["", "_seconds", "_bytes", "_bytes_per_second"].map(|unit| format!("{name}{unit}"));
            assert!(with_unit.iter().any(|name| asked.contains_key(name)), "{hint} is not in the JSON");
        }
    }

    #[test]
    fn the_space_of_all_nodes_adds_up_and_a_shared_limit_counts_once() {
        let node = |role| Node {
            id: NodeId(5),
            spec: NodeSpec { role, address: String::new(), host: "h".into(), capacity_bytes: 0 },
            state: NodeState::Live,
        };
        let shard = UsageReport {
            space: SpaceUse { metadata_bytes: 5, inline_bytes: 6, ..SpaceUse::default() },
            ..UsageReport::default()
        };
        let server = UsageReport {
            space: SpaceUse { chunks_bytes: 7, vacant_bytes: 8, ..SpaceUse::default() },
            limit: Some(SpaceLimit { limit_bytes: 100, taken_bytes: 26 }),
            ..UsageReport::default()
        };
        let of_cluster = ClusterStatus {
            nodes: vec![
                (node(Role::Metadata), Some(shard)),
                (node(Role::Storage), Some(server)),
                (node(Role::Gateway), None),
            ],
            jobs: vec![],
            held_for: Some(Duration::from_millis(12_500)),
        };
        let value = serde_json::to_value(status(&of_cluster, 0)).unwrap();
        let expected = json!({
            "used_bytes": 18, "metadata_bytes": 5, "inline_bytes": 6, "chunks_bytes": 7, "vacant_bytes": 8,
            "limit_bytes": 100, "free_bytes": 74,
        });
        assert_eq!((&value["space"], &value["nodes"][1]["limit"]["taken_bytes"]), (&expected, &json!(26)));
        assert_eq!(value["held_for_seconds"], json!(12.5));
        let gateway = &value["nodes"][2];
        assert_eq!(
            (&gateway["id"], &gateway["role"], &gateway["state"]),
            (&json!("n5"), &json!("gateway"), &json!("live"))
        );
        assert_eq!((&gateway["address"], &gateway["space"]), (&json!(null), &json!(null)));
    }
}
