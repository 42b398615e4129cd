//! Nodes and jobs as tables for people, in human units. Pure: data in, text out.

use super::space::Space;
use crate::table::{Column, fitted};
use bytesize::ByteSize;
use pocket_api::cluster::{Node, NodeState, Role};
use pocket_api::control::{ClusterStatus, Forgotten, JobSummary};
use pocket_api::duration::show_duration;
use pocket_api::usage::{MachineSample, SpaceLimit, SpaceUse, UsageReport};
use std::time::Duration;

/// In the order in which they stand, with the rank by which they stay where there is no room for all.
const JOB_COLUMNS: [Column; 10] = [
    Column { name: "BUCKET", rank: 0 },
    Column { name: "JOB", rank: 1 },
    Column { name: "TENANT", rank: 5 },
    Column { name: "AGE", rank: 6 },
    Column { name: "OBJECTS", rank: 2 },
    Column { name: "BYTES", rank: 3 },
    Column { name: "SHARDS", rank: 9 },
    Column { name: "SERVERS", rank: 8 },
    Column { name: "ENDS IN", rank: 4 },
    Column { name: "HINTS", rank: 7 },
];

const NODE_COLUMNS: [Column; 15] = [
    Column { name: "ROLE", rank: 0 },
    Column { name: "NODE", rank: 1 },
    Column { name: "STATE", rank: 2 },
    Column { name: "ADDRESS", rank: 7 },
    Column { name: "HOST", rank: 13 },
    Column { name: "METADATA", rank: 4 },
    Column { name: "INLINE", rank: 5 },
    Column { name: "CHUNKS", rank: 6 },
    Column { name: "TAKEN", rank: 3 },
    Column { name: "REQUESTS", rank: 10 },
    Column { name: "IN", rank: 11 },
    Column { name: "OUT", rank: 12 },
    Column { name: "CPU", rank: 8 },
    Column { name: "MEMORY", rank: 9 },
    Column { name: "NETWORK", rank: 14 },
];

/// All that `pocket status` says, at most `width` wide.
pub(crate) fn status(status: &ClusterStatus, now_ms: u64, width: usize) -> String {
    let (space, nodes) = (space(&Space::of(status)), nodes(&status.nodes, width));
    let held = status.held_for.map(held).unwrap_or_default();
    format!("{held}{space}\n\n{nodes}\n\n{}", jobs(&status.jobs, now_ms, width))
}

/// What a person must know before he believes the rest.
fn held(held_for: Duration) -> String {
    format!(
        "HELD for {}: more than half of the other hosts are silent, so the controller may be cut off.\n\
         Nobody is declared dead for silence until they are heard again; see docs/operations.md.\n\n",
        time(held_for)
    )
}

/// What is used of the memory of all processes, and for what.
fn space(Space { parts, limit_bytes, free_bytes, free_for_keys_bytes }: &Space) -> String {
    let percent = parts.used_bytes() * 100 / (*limit_bytes).max(1);
    let free = match free_for_keys_bytes {
        None => format!("{} free", bytes(*free_bytes)),
        // One may be full beside the other.
        Some(for_keys) => format!(
            "{} free for chunks, {} for keys and small objects",
            bytes(free_bytes - for_keys),
            bytes(*for_keys)
        ),
    };
    format!(
        "{} used ({percent} %): metadata {}, inline {}, chunks {}\n{free}, {} vacant in spans of jobs",
        of(parts.used_bytes(), *limit_bytes),
        bytes(parts.metadata_bytes),
        bytes(parts.inline_bytes),
        bytes(parts.chunks_bytes),
        bytes(parts.vacant_bytes),
    )
}

/// Jobs in the order given. `now_ms`: milliseconds since 1970.
pub(crate) fn jobs(jobs: &[JobSummary], now_ms: u64, width: usize) -> String {
    let row = |job: &JobSummary| {
        vec![
            job.bucket.to_string(),
            job.job.to_string(),
            job.tenant.to_string(),
            time(Duration::from_millis(now_ms.saturating_sub(job.created_at_ms))),
            job.objects.to_string(),
            bytes(job.bytes),
            job.shards.to_string(),
            job.servers.to_string(),
            job.ends_in.map_or("-".into(), time),
            hints(job),
        ]
    };
    fitted(&JOB_COLUMNS, jobs.iter().map(row).collect(), width)
}

/// What was asked, what follows from it, and what there is where that is less.
fn hints(job: &JobSummary) -> String {
    let mut said: Vec<String> =
        job.hints.said().into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let derived = [
        job.derived.capacity.map(|capacity| format!("capacity {}", bytes(capacity))),
        job.derived.throughput.map(|throughput| format!("throughput {}/s", bytes(throughput))),
    ];
    let derived: Vec<String> = derived.into_iter().flatten().collect();
    if !derived.is_empty() {
        said.push(format!("(derived: {})", derived.join(", ")));
    }
    let wanted = job.hints.capacity.or(job.derived.capacity);
    if wanted.is_some_and(|wanted| wanted > job.servers_capacity_bytes) {
        said.push(format!("(there is {})", bytes(job.servers_capacity_bytes)));
    }
    said.join(" ")
}

/// Nodes in the order given, each with its latest report.
fn nodes(nodes: &[(Node, Option<UsageReport>)], width: usize) -> String {
    let row = |(node, report): &(Node, Option<UsageReport>)| {
        let state = match node.state {
            NodeState::Live => "live",
            NodeState::Suspect => "suspect",
        };
        let or_dash = |text: Option<String>| text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into());
        let served = report.as_ref().and_then(|report| report.served);
        let machine = report.as_ref().and_then(|report| report.machine.as_ref());
        let part = |role: Role, part: fn(&SpaceUse) -> u64| {
            or_dash(
                report.as_ref().filter(|_| node.spec.role == role).map(|report| bytes(part(&report.space))),
            )
        };
        vec![
            node.spec.role.to_string(),
            node.id.to_string(),
            state.to_string(),
            or_dash(Some(node.spec.address.clone())),
            or_dash(Some(node.spec.host.clone())),
            part(Role::Metadata, |space| space.metadata_bytes),
            part(Role::Metadata, |space| space.inline_bytes),
            part(Role::Storage, |space| space.chunks_bytes),
            or_dash(report.as_ref().and_then(|report| report.limit).map(taken)),
            or_dash(served.map(|served| served.requests.to_string())),
            or_dash(served.map(|served| bytes(served.received_bytes))),
            or_dash(served.map(|served| bytes(served.sent_bytes))),
            or_dash(machine.map(cores)),
            or_dash(machine.map(|m| of(m.memory_used_bytes, m.memory_total_bytes))),
            or_dash(machine.map(|m| {
                format!(
                    "{}/s in, {}/s out",
                    bytes(m.network_received_bytes_per_second),
                    bytes(m.network_sent_bytes_per_second)
                )
            })),
        ]
    };
    fitted(&NODE_COLUMNS, nodes.iter().map(row).collect(), width)
}

/// Buckets named in a sentence; the rest are counted.
const NAMED_MAX: usize = 8;

/// A node that was forgotten, and what is lost with it.
pub(crate) fn forgotten(Forgotten { spec, chunks_bytes, buckets }: &Forgotten) -> String {
    let mut lost = Vec::new();
    if *chunks_bytes > 0 {
        lost.push(format!("objects with a part in its {} of chunks", bytes(*chunks_bytes)));
    }
    if !buckets.is_empty() {
        let mut named: Vec<String> = buckets.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        if buckets.len() > NAMED_MAX {
            named.push(format!("and {} more", buckets.len() - NAMED_MAX));
        }
        lost.push(format!("the buckets that had a shard there: {}", named.join(" ")));
    }
    let lost = if lost.is_empty() { "nothing that it reported".into() } else { lost.join(", and ") };
    let at = if spec.address.is_empty() { String::new() } else { format!(" at {}", spec.address) };
    format!("{}{at} on {}; lost with it: {lost}", spec.role, spec.host)
}

/// A job's content in a sentence.
pub(crate) fn content(objects: u64, total_bytes: u64) -> String {
    format!("{objects} {}, {}", if objects == 1 { "object" } else { "objects" }, bytes(total_bytes))
}

fn taken(limit: SpaceLimit) -> String {
    of(limit.taken_bytes, limit.limit_bytes)
}

fn cores(machine: &MachineSample) -> String {
    let busy: f32 = machine.cores_busy.iter().sum();
    format!("{busy:.1} of {}", machine.cores_busy.len())
}

fn of(used: u64, total: u64) -> String {
    format!("{} of {}", bytes(used), bytes(total))
}

fn bytes(count: u64) -> String {
    ByteSize(count).display().iec().to_string()
}

/// To the second: nobody reads milliseconds of an hour.
fn time(duration: Duration) -> String {
    show_duration(Duration::from_secs(duration.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::operator::tests::job;
    use pocket_api::cluster::NodeSpec;
    use pocket_api::control::Derived;
    use pocket_api::hints::JobHints;
    use pocket_api::ids::{JobId, NodeId};
    use pocket_api::names::BucketName;
    use pocket_api::usage::Served;

    fn words(text: &str) -> Vec<String> {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
    }

    #[test]
    fn a_job_is_a_row_in_human_units() {
        let job = JobSummary {
            created_at_ms: 1_000_000,
            hints: JobHints { ttl: Some(Duration::from_secs(900)), ..JobHints::default() },
            shards: 2,
            servers: 3,
            objects: 12,
            bytes: 3 << 20,
            ends_in: Some(Duration::from_millis(810_400)),
            ..job(0x1a, "stage-1", "team")
        };
        let rows = words(&jobs(&[job], 1_090_000, 120));
        assert_eq!(rows[0], "BUCKET JOB TENANT AGE OBJECTS BYTES SHARDS SERVERS ENDS IN HINTS");
        assert_eq!(rows[1], "stage-1 j1a team 1m30s 12 3.0 MiB 2 3 13m30s ttl=15m");
    }

    #[test]
    fn asked_derived_and_what_there_is_are_told_apart() {
        let asked = |hints, derived| hints_of(JobSummary { hints, derived, ..job(1, "job", "t") });
        let hints_of_silent = asked(JobHints::default(), Derived::default());
        assert_eq!(hints_of_silent, "", "nothing is made up");
        let capacity = |capacity| JobHints { capacity: Some(capacity), ..JobHints::default() };
        assert_eq!(asked(capacity(1 << 20), Derived::default()), "capacity=1048576");
        assert_eq!(asked(capacity(1 << 40), Derived::default()), "capacity=1099511627776 (there is 1.0 GiB)");
        let workers = JobHints { workers: Some(8), ..JobHints::default() };
        let derived = Derived { capacity: Some(1 << 40), throughput: Some(600 << 20) };
        let expected = "workers=8 (derived: capacity 1.0 TiB, throughput 600.0 MiB/s) (there is 1.0 GiB)";
        assert_eq!(asked(workers, derived), expected);
    }

    fn hints_of(job: JobSummary) -> String {
        hints(&job)
    }

    fn node(role: Role, state: NodeState) -> Node {
        let spec = NodeSpec { role, address: "127.0.0.1:1".into(), host: "h".into(), capacity_bytes: 0 };
        Node { id: NodeId(5), spec, state }
    }

    #[test]
    fn a_node_shows_what_it_reports_and_dashes_for_the_rest() {
        let report = UsageReport {
            space: SpaceUse { chunks_bytes: 512 << 20, ..SpaceUse::default() },
            limit: Some(SpaceLimit { limit_bytes: 1 << 30, taken_bytes: 768 << 20 }),
            served: Some(Served { requests: 7, received_bytes: 2048, sent_bytes: 0 }),
            ..UsageReport::default()
        };
        let all = [
            (node(Role::Storage, NodeState::Live), Some(report)),
            (node(Role::Gateway, NodeState::Suspect), None),
        ];
        let rows = words(&nodes(&all, 500));
        assert_eq!(
            rows[1],
            "storage n5 live 127.0.0.1:1 h - - 512.0 MiB 768.0 MiB of 1.0 GiB 7 2.0 KiB 0 B - - -"
        );
        assert_eq!(rows[2], "gateway n5 suspect 127.0.0.1:1 h - - - - - - - - - -");
    }

    #[test]
    fn the_space_of_all_is_one_sentence() {
        let parts = SpaceUse {
            metadata_bytes: 1 << 20,
            inline_bytes: 2 << 20,
            chunks_bytes: 5 << 20,
            vacant_bytes: 4 << 20,
        };
        let all = Space { parts, limit_bytes: 16 << 20, free_bytes: 4 << 20, free_for_keys_bytes: None };
        let lines = words(&space(&all));
        assert_eq!(
            lines[0],
            "8.0 MiB of 16.0 MiB used (50 %): metadata 1.0 MiB, inline 2.0 MiB, chunks 5.0 MiB"
        );
        assert_eq!(lines[1], "4.0 MiB free, 4.0 MiB vacant in spans of jobs");
        let apart = Space { free_for_keys_bytes: Some(4 << 20), ..all };
        assert_eq!(
            words(&space(&apart))[1],
            "0 B free for chunks, 4.0 MiB for keys and small objects, 4.0 MiB vacant in spans of jobs"
        );
    }

    #[test]
    fn what_is_lost_with_a_node_is_a_sentence() {
        let spec = node(Role::Metadata, NodeState::Suspect).spec;
        let bucket = |n| BucketName::parse(&format!("b-{n:02}")).unwrap();
        let mut gone = Forgotten { spec, chunks_bytes: 0, buckets: vec![] };
        assert_eq!(forgotten(&gone), "metadata at 127.0.0.1:1 on h; lost with it: nothing that it reported");
        gone.buckets = (0..10).map(bucket).collect();
        assert!(
            forgotten(&gone).ends_with("a shard there: b-00 b-01 b-02 b-03 b-04 b-05 b-06 b-07 and 2 more")
        );
        gone.chunks_bytes = 3 << 20;
        assert!(
            forgotten(&gone).contains("lost with it: objects with a part in its 3.0 MiB of chunks, and the")
        );
    }

    #[test]
    fn a_controller_that_is_held_says_so_first() {
        let mut all = ClusterStatus { nodes: vec![], jobs: vec![], held_for: None };
        assert!(!status(&all, 0, 120).contains("HELD"));
        all.held_for = Some(Duration::from_millis(75_300));
        let text = status(&all, 0, 120);
        assert!(text.starts_with("HELD for 1m15s: ") && text.contains("cut off"), "{text}");
    }

    #[test]
    fn the_longest_that_there_is_fits_and_what_is_wider_shows_more() {
        let machine = MachineSample {
            cores_busy: vec![0.5; 128],
            memory_used_bytes: 999 << 30,
            memory_total_bytes: 999 << 30,
            network_received_bytes_per_second: 999 << 20,
            network_sent_bytes_per_second: 999 << 20,
        };
        let space = SpaceUse {
            metadata_bytes: 999 << 30,
            inline_bytes: 999 << 30,
            chunks_bytes: 999 << 30,
            vacant_bytes: 999 << 30,
        };
        let report = UsageReport {
            machine: Some(machine),
            space,
            limit: Some(SpaceLimit { limit_bytes: 999 << 30, taken_bytes: 999 << 30 }),
            served: Some(Served { requests: u64::MAX, received_bytes: 999 << 40, sent_bytes: 999 << 40 }),
            ..UsageReport::default()
        };
        let mut long = node(Role::Controller, NodeState::Suspect);
        long.id = NodeId(u64::MAX);
        long.spec.address = "255.255.255.255:65535".into();
        long.spec.host = "h".repeat(64);
        let job = JobSummary {
            hints: JobHints { workers: Some(u32::MAX), capacity: Some(u64::MAX), ..JobHints::default() },
            job: JobId(u64::MAX),
            objects: u64::MAX,
            bytes: u64::MAX,
            ..job(0, &"b".repeat(63), &"t".repeat(60))
        };
        let all = ClusterStatus { nodes: vec![(long, Some(report))], jobs: vec![job], held_for: None };
        let mut shown = 0;
        for width in [120, 160, 200, 500] {
            let text = status(&all, 0, width);
            assert!(text.lines().all(|line| line.chars().count() <= width), "{width}:\n{text}");
            let more = words(&text)[3].split(' ').count() + words(&text)[6].split(' ').count();
            assert!(more > shown, "{width} shows no more columns than less does:\n{text}");
            shown = more;
        }
        assert_eq!(shown, NODE_COLUMNS.len() + JOB_COLUMNS.len() + 1, "all of them, and one has two words");
    }
}
