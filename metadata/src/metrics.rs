//! The metrics of a shard: names, help, handles. Nothing else in this crate names a metric.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use pocket_api::metadata::Request;
use pocket_api::tally::Tally;

const REQUESTS: &str = "pocket_metadata_requests_total";
const EXPIRED: &str = "pocket_metadata_expired_objects_total";
const JOBS: &str = "pocket_metadata_jobs";
const OBJECTS: &str = "pocket_metadata_objects";
const LOGICAL: &str = "pocket_metadata_logical_bytes";
const MEMORY: &str = "pocket_metadata_memory_bytes";
const LEASES: &str = "pocket_metadata_leases";
const WAITERS: &str = "pocket_metadata_waiting_reads";
const OUTBOX: &str = "pocket_metadata_outbox_items";

/// Operations in the order of [`operation`].
const OPERATIONS: [&str; 24] = [
    "ping",
    "lookup",
    "segments",
    "commit",
    "delete",
    "delete_many",
    "list",
    "add_reference",
    "fork_reference",
    "create_upload",
    "put_part",
    "upload",
    "complete",
    "abort",
    "list_uploads",
    "set_tags",
    "append",
    "check_epoch",
    "parts",
    "rename",
    "arrive",
    "ask_arrival",
    "set_acl",
    "describe",
];

fn operation(request: &Request) -> usize {
    match request {
        Request::Ping => 0,
        Request::CheckEpoch => 17,
        Request::Lookup(_) => 1,
        Request::Segments(_) => 2,
        Request::Commit(_) => 3,
        Request::Delete { .. } => 4,
        Request::DeleteMany { .. } => 5,
        Request::List(_) => 6,
        Request::AddReference(_) => 7,
        Request::ForkReference { .. } => 8,
        Request::CreateUpload(_) => 9,
        Request::PutPart(_) => 10,
        Request::Upload { .. } => 11,
        Request::Complete(_) => 12,
        Request::Abort { .. } => 13,
        Request::ListUploads(_) => 14,
        Request::SetTags { .. } => 15,
        Request::Append(_) => 16,
        Request::Parts { .. } => 18,
        Request::Rename(_) => 19,
        Request::Arrive(_) => 20,
        Request::AskArrival { .. } => 21,
        Request::SetAcl { .. } => 22,
        Request::Describe { .. } => 23,
    }
}

/// Tells the installed recorder what the metrics mean. Once a process.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, Unit::Count, "Requests to the shard, by operation");
    describe_counter!(EXPIRED, Unit::Count, "Objects removed because their TTL was over");
    describe_gauge!(JOBS, Unit::Count, "Jobs that the shard serves");
    describe_gauge!(
        OBJECTS,
        Unit::Count,
        "Objects in them; those that were lost with a server are not counted"
    );
    describe_gauge!(LOGICAL, Unit::Bytes, "Logical bytes of objects and parts");
    describe_gauge!(
        MEMORY,
        Unit::Bytes,
        "Memory of the shard, by kind: inline (bytes of small objects), metadata (all else)"
    );
    describe_gauge!(LEASES, Unit::Count, "Open read leases");
    describe_gauge!(WAITERS, Unit::Count, "Reads that wait for their key");
    describe_gauge!(OUTBOX, Unit::Count, "Frees and releases that were not delivered yet");
}

/// Handles, taken once.
pub(crate) struct ShardMetrics {
    /// Counted here by every request, and shown with the rest.
    counted: Tally<{ OPERATIONS.len() }>,
    requests: [Counter; OPERATIONS.len()],
    expired: Counter,
    jobs: Gauge,
    objects: Gauge,
    logical_bytes: Gauge,
    metadata_bytes: Gauge,
    inline_bytes: Gauge,
    leases: Gauge,
    waiters: Gauge,
    outbox: Gauge,
}

/// What a shard holds at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Holdings {
    pub(crate) jobs: usize,
    pub(crate) objects: u64,
    pub(crate) logical_bytes: u64,
    pub(crate) metadata_bytes: u64,
    pub(crate) inline_bytes: u64,
    pub(crate) leases: usize,
    pub(crate) waiters: usize,
    pub(crate) outbox: usize,
}

impl ShardMetrics {
    pub(crate) fn new() -> Self {
        Self {
            counted: Tally::default(),
            requests: OPERATIONS.map(|operation| counter!(REQUESTS, "operation" => operation)),
            expired: counter!(EXPIRED),
            jobs: gauge!(JOBS),
            objects: gauge!(OBJECTS),
            logical_bytes: gauge!(LOGICAL),
            metadata_bytes: gauge!(MEMORY, "kind" => "metadata"),
            inline_bytes: gauge!(MEMORY, "kind" => "inline"),
            leases: gauge!(LEASES),
            waiters: gauge!(WAITERS),
            outbox: gauge!(OUTBOX),
        }
    }

    pub(crate) fn count(&self, request: &Request) {
        self.counted.add(operation(request), 1);
    }

    pub(crate) fn count_expired(&self, objects: u64) {
        if objects > 0 {
            self.expired.increment(objects);
        }
    }

    pub(crate) fn show(&self, holdings: Holdings) {
        self.counted.news().into_iter().zip(&self.requests).for_each(|(news, shown)| shown.increment(news));
        self.jobs.set(holdings.jobs as f64);
        self.objects.set(holdings.objects as f64);
        self.logical_bytes.set(holdings.logical_bytes as f64);
        self.metadata_bytes.set(holdings.metadata_bytes as f64);
        self.inline_bytes.set(holdings.inline_bytes as f64);
        self.leases.set(holdings.leases as f64);
        self.waiters.set(holdings.waiters as f64);
        self.outbox.set(holdings.outbox as f64);
    }
}
