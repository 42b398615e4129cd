//! Nodes and jobs as tables for people, in human units. Pure: data in, text out.

use crate::table::{rendered, with_header};
use bytesize::ByteSize;
use pocket_api::cluster::{Node, NodeState};
use pocket_api::control::JobSummary;
use pocket_api::duration::show_duration;
use pocket_api::usage::{MachineSample, UsageReport};
use std::time::Duration;

/// Jobs in the order given. `now_ms`: milliseconds since 1970.
pub(crate) fn jobs(jobs: &[JobSummary], now_ms: u64) -> String {
    let mut table = with_header(&[
        "BUCKET", "JOB", "TENANT", "AGE", "OBJECTS", "BYTES", "SHARDS", "SERVERS", "ENDS IN", "HINTS",
    ]);
    for job in jobs {
        let hints: Vec<String> =
            job.hints.shown().iter().map(|(name, value)| format!("{name}={value}")).collect();
        table.add_row([
            job.bucket.to_string(),
            job.job.to_string(),
            job.tenant.to_string(),
            time(Duration::from_millis(now_ms.saturating_sub(job.created_at_ms))),
            job.objects.to_string(),
            bytes(job.bytes),
            job.shards.to_string(),
            job.servers.to_string(),
            job.ends_in.map_or("-".into(), time),
            hints.join(" "),
        ]);
    }
    rendered(table)
}

/// Nodes in the order given, each with its latest report.
pub(crate) fn nodes(nodes: &[(Node, Option<UsageReport>)]) -> String {
    let mut table = with_header(&[
        "ROLE", "NODE", "STATE", "ADDRESS", "HOST", "USED", "REQUESTS", "IN", "OUT", "CPU", "MEMORY",
        "NETWORK",
    ]);
    for (node, report) in nodes {
        let state = match node.state {
            NodeState::Live => "live",
            NodeState::Suspect => "suspect",
        };
        let or_dash = |text: Option<String>| text.filter(|t| !t.is_empty()).unwrap_or_else(|| "-".into());
        let served = report.as_ref().and_then(|report| report.served);
        let machine = report.as_ref().and_then(|report| report.machine.as_ref());
        table.add_row([
            node.spec.role.to_string(),
            node.id.to_string(),
            state.to_string(),
            or_dash(Some(node.spec.address.clone())),
            or_dash(Some(node.spec.host.clone())),
            or_dash(report.as_ref().map(tiers)),
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
        ]);
    }
    rendered(table)
}

/// A job's content in a sentence.
pub(crate) fn content(objects: u64, total_bytes: u64) -> String {
    format!("{objects} {}, {}", if objects == 1 { "object" } else { "objects" }, bytes(total_bytes))
}

fn tiers(report: &UsageReport) -> String {
    let shown: Vec<String> = report
        .tiers
        .iter()
        .map(|tier| format!("{} {}", tier.tier, of(tier.used_bytes, tier.capacity_bytes)))
        .collect();
    shown.join(", ")
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
    use pocket_api::cluster::{NodeSpec, Role};
    use pocket_api::hints::JobHints;
    use pocket_api::ids::{JobId, NodeId};
    use pocket_api::names::{BucketName, TenantName};
    use pocket_api::tier::Tier;
    use pocket_api::usage::{Served, TierUse};

    fn words(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split_whitespace().map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_job_is_a_row_in_human_units() {
        let job = JobSummary {
            job: JobId(0x1a),
            bucket: BucketName::parse("stage-1").unwrap(),
            tenant: TenantName::parse("team").unwrap(),
            created_at_ms: 1_000_000,
            hints: JobHints { ttl: Some(Duration::from_secs(900)), ..JobHints::default() },
            shards: 2,
            servers: 3,
            objects: 12,
            bytes: 3 << 20,
            ends_in: Some(Duration::from_millis(810_400)),
        };
        let rows = words(&jobs(&[job], 1_090_000));
        assert_eq!(rows[0][..3], ["BUCKET", "JOB", "TENANT"]);
        let row = rows[1].join(" ");
        assert!(row.starts_with("stage-1 j1a team 1m30s 12 3.0 MiB 2 3 13m30s"), "{row}");
        assert!(row.contains("ttl=15m"), "{row}");
    }

    #[test]
    fn a_node_shows_what_it_reports_and_dashes_for_the_rest() {
        let node = |role, state| Node {
            id: NodeId(5),
            spec: NodeSpec { role, address: "127.0.0.1:1".into(), host: "h".into(), capacity_bytes: 0 },
            state,
        };
        let report = UsageReport {
            tiers: vec![TierUse { tier: Tier::Dram, capacity_bytes: 1 << 30, used_bytes: 512 << 20 }],
            served: Some(Served { requests: 7, received_bytes: 2048, sent_bytes: 0 }),
            ..UsageReport::default()
        };
        let rows = words(&nodes(&[
            (node(Role::Storage, NodeState::Live), Some(report)),
            (node(Role::Gateway, NodeState::Suspect), None),
        ]));
        let storage = rows[1].join(" ");
        assert!(
            storage.starts_with("storage n5 live 127.0.0.1:1 h dram 512.0 MiB of 1.0 GiB 7 2.0 KiB 0 B"),
            "{storage}"
        );
        assert_eq!(rows[2].join(" "), "gateway n5 suspect 127.0.0.1:1 h - - - - - - -");
    }
}
