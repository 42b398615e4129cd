//! The metrics of the storage plane: their names, their help, and the handles that are kept. A recorder must be
//! installed before a server starts, or its handles lead nowhere.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};
use pocket_api::tally::Tally;
use pocket_api::usage::Served;
use std::time::Duration;

const CAPACITY: &str = "pocket_storage_capacity_bytes";
const USED: &str = "pocket_storage_used_bytes";
const RESERVED: &str = "pocket_storage_reserved_bytes";
const CHUNKS: &str = "pocket_storage_chunks_count";
const FAULTED: &str = "pocket_storage_faulted_bytes";
const PREFAULTED: &str = "pocket_storage_prefaulted_bytes_total";
const PREFAULT_CPU: &str = "pocket_storage_prefault_cpu_seconds";
const REQUESTS: &str = "pocket_storage_requests_total";
const RECEIVED: &str = "pocket_storage_received_bytes_total";
const SENT: &str = "pocket_storage_sent_bytes_total";
const OPEN_WRITES: &str = "pocket_storage_open_writes_count";
const ORPHANS: &str = "pocket_storage_orphaned_writes_total";

/// Tells the installed recorder what the metrics mean.
pub fn describe_metrics() {
    describe_gauge!(CAPACITY, Unit::Bytes, "What the tier can hold");
    describe_gauge!(USED, Unit::Bytes, "Space that chunks take, with what rounding to slots costs");
    describe_gauge!(RESERVED, Unit::Bytes, "Spans owned by jobs, their vacant slots included");
    describe_gauge!(CHUNKS, Unit::Count, "Chunks that take space");
    describe_gauge!(FAULTED, Unit::Bytes, "Arena below the frontier of pre-faulting");
    describe_counter!(PREFAULTED, Unit::Bytes, "Memory faulted in ahead of its use");
    describe_gauge!(PREFAULT_CPU, Unit::Seconds, "CPU time of the pre-faulting thread since the start");
    describe_counter!(REQUESTS, Unit::Count, "Calls of the chunk seam by operation, refused ones included");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes written to chunks");
    describe_counter!(SENT, Unit::Bytes, "Bytes of chunks that were read");
    describe_gauge!(OPEN_WRITES, Unit::Count, "Writes that no shard has confirmed yet");
    describe_counter!(ORPHANS, Unit::Count, "Writes that their shard did not know; their chunks were freed");
}

/// Space on the tier. Set under the lock of the space, so that the last value is the true one.
pub(crate) struct SpaceMetrics {
    used: Gauge,
    reserved: Gauge,
    chunks: Gauge,
}

impl SpaceMetrics {
    pub(crate) fn new(capacity_bytes: u64) -> Self {
        gauge!(CAPACITY, "tier" => "dram").set(capacity_bytes as f64);
        Self {
            used: gauge!(USED, "tier" => "dram"),
            reserved: gauge!(RESERVED, "tier" => "dram"),
            chunks: gauge!(CHUNKS, "tier" => "dram"),
        }
    }

    pub(crate) fn set(&self, used_bytes: u64, reserved_bytes: u64, chunks: usize) {
        self.used.set(used_bytes as f64);
        self.reserved.set(reserved_bytes as f64);
        self.chunks.set(chunks as f64);
    }
}

pub(crate) struct PrefaultMetrics {
    faulted: Gauge,
    prefaulted: Counter,
    cpu: Gauge,
}

impl PrefaultMetrics {
    pub(crate) fn new() -> Self {
        let (faulted, prefaulted, cpu) = (gauge!(FAULTED), counter!(PREFAULTED), gauge!(PREFAULT_CPU));
        Self { faulted, prefaulted, cpu }
    }

    /// `frontier_bytes` and `cpu` are since the start, `step_bytes` is this step's.
    pub(crate) fn faulted(&self, frontier_bytes: u64, step_bytes: u32, cpu: Duration) {
        self.faulted.set(frontier_bytes as f64);
        self.prefaulted.increment(u64::from(step_bytes));
        self.cpu.set(cpu.as_secs_f64());
    }
}

/// The calls of the chunk seam.
#[derive(Clone, Copy)]
pub(crate) enum Operation {
    Allocate,
    Write,
    Read,
    Free,
    Touch,
    EndJobs,
}

impl Operation {
    /// In the order of the variants.
    const NAMES: [&str; 6] = ["allocate", "write", "read", "free", "touch", "end_jobs"];
}

/// Where bytes are counted, behind the operations.
const RECEIVED_BYTES: usize = Operation::NAMES.len();
const SENT_BYTES: usize = RECEIVED_BYTES + 1;

/// What was served: counted by every call, shown to the recorder once a second, and summed up for usage reports.
pub(crate) struct TrafficMetrics {
    counted: Tally<{ SENT_BYTES + 1 }>,
    requests: [Counter; Operation::NAMES.len()],
    received: Counter,
    sent: Counter,
    pub(crate) open_writes: Gauge,
    pub(crate) orphans: Counter,
}

impl TrafficMetrics {
    pub(crate) fn new() -> Self {
        Self {
            counted: Tally::default(),
            requests: Operation::NAMES.map(|name| counter!(REQUESTS, "operation" => name)),
            received: counter!(RECEIVED),
            sent: counter!(SENT),
            open_writes: gauge!(OPEN_WRITES),
            orphans: counter!(ORPHANS),
        }
    }

    pub(crate) fn request(&self, operation: Operation) {
        self.counted.add(operation as usize, 1);
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.counted.add(RECEIVED_BYTES, bytes as u64);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.counted.add(SENT_BYTES, bytes as u64);
    }

    pub(crate) fn show(&self) {
        let news = self.counted.news();
        self.requests.iter().zip(news).for_each(|(shown, news)| shown.increment(news));
        self.received.increment(news[RECEIVED_BYTES]);
        self.sent.increment(news[SENT_BYTES]);
    }

    pub(crate) fn served(&self) -> Served {
        let sums = self.counted.sums();
        Served {
            requests: sums[..RECEIVED_BYTES].iter().sum(),
            received_bytes: sums[RECEIVED_BYTES],
            sent_bytes: sums[SENT_BYTES],
        }
    }
}
