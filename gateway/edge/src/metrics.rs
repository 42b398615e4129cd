//! The gateway's metrics: names, help texts, and the handles by which operations count. Labels come from closed sets.

use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::budget::ByteBudget;
use std::sync::OnceLock;
use tokio::time::Instant;

const REQUESTS: &str = "pocket_gateway_requests_total";
const REQUEST_SECONDS: &str = "pocket_gateway_request_seconds";
const REFUSALS: &str = "pocket_gateway_refusals_total";
const HANDSHAKES: &str = "pocket_gateway_tls_handshakes_total";
const BUFFERS: &str = "pocket_gateway_buffers_bytes";
const BUFFERS_LIMIT: &str = "pocket_gateway_buffers_limit_bytes";

macro_rules! operations {
    ($($name:ident),* $(,)?) => {
        /// The S3 operations that are counted, by their names in S3.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Counted { $($name),* }

        const OPERATIONS: &[&str] = &[$(stringify!($name)),*];
    };
}

operations!(
    AbortMultipartUpload,
    CompleteMultipartUpload,
    CopyObject,
    CreateBucket,
    CreateMultipartUpload,
    CreateSession,
    DeleteBucket,
    DeleteBucketCors,
    DeleteBucketLifecycle,
    DeleteBucketOwnershipControls,
    DeleteBucketPolicy,
    DeleteBucketTagging,
    DeleteObject,
    DeleteObjectTagging,
    DeleteObjects,
    DeletePublicAccessBlock,
    GetBucketLocation,
    GetBucketSetting,
    GetObject,
    GetObjectAcl,
    GetObjectAttributes,
    GetObjectTagging,
    HeadBucket,
    HeadObject,
    ListBuckets,
    ListMultipartUploads,
    ListObjectVersions,
    ListObjects,
    ListObjectsV2,
    ListParts,
    PutBucketAcl,
    PutBucketCors,
    PutBucketLifecycleConfiguration,
    PutBucketOwnershipControls,
    PutBucketPolicy,
    PutBucketTagging,
    PutObject,
    PutObjectAcl,
    PutObjectTagging,
    PutPublicAccessBlock,
    RenameObject,
    UploadPart,
    UploadPartCopy,
);

/// Outcomes that are told apart.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Tells the installed recorder what the metrics mean. Once a process.
pub fn describe_metrics() {
    describe_counter!(REQUESTS, "S3 requests that reached an operation, by operation and class of status");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "Time from an operation's start to its answer, body excluded, by operation"
    );
    describe_counter!(
        REFUSALS,
        "Requests that were refused before they reached an operation, by S3's error code"
    );
    describe_counter!(
        HANDSHAKES,
        "TLS handshakes by outcome: done, failed, too-slow, plain-http (a client that spoke HTTP instead), to-plain-port"
    );
    describe_gauge!(
        BUFFERS,
        Unit::Bytes,
        "Memory for bodies that pass: documents, bytes on their way to storage, bytes read ahead of their client"
    );
    describe_gauge!(
        BUFFERS_LIMIT,
        Unit::Bytes,
        "What it may be before writers and documents are told to slow down"
    );
}

/// The edge has refused a request. Its codes are few; what it costs to look the handle up, a refusal may cost.
pub(crate) fn count_refusal(code: ErrorCode) {
    counter!(REFUSALS, "code" => code.as_str()).increment(1);
}

/// How a client's TLS handshake ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handshake {
    Done,
    Failed,
    TooSlow,
    /// The client spoke plain HTTP to a port that speaks TLS.
    PlainHttp,
    /// The client spoke TLS to a port that speaks plain HTTP.
    ToPlainPort,
}

/// A connection each, which costs far more than to look the handle up.
pub(crate) fn count_handshake(outcome: Handshake) {
    let outcome = match outcome {
        Handshake::Done => "done",
        Handshake::Failed => "failed",
        Handshake::TooSlow => "too-slow",
        Handshake::PlainHttp => "plain-http",
        Handshake::ToPlainPort => "to-plain-port",
    };
    counter!(HANDSHAKES, "outcome" => outcome).increment(1);
}

/// Says how much of the memory for bodies is in use.
pub fn show_buffers(buffers: &ByteBudget) {
    gauge!(BUFFERS).set(buffers.used_bytes() as f64);
    gauge!(BUFFERS_LIMIT).set(buffers.limit_bytes() as f64);
}

/// Handles, made once: looking one up by name costs as much as a small request's lookup. Those of an operation are made
/// when it is first asked for, so that `/metrics` shows what is used and no more.
pub(crate) struct Metrics {
    by_operation: [OnceLock<OperationMetrics>; OPERATIONS.len()],
}

struct OperationMetrics {
    by_class: [Counter; CLASSES.len()],
    seconds: Histogram,
}

impl OperationMetrics {
    fn new(operation: Counted) -> Self {
        let operation = OPERATIONS[operation as usize];
        Self {
            by_class: CLASSES.map(|class| counter!(REQUESTS, "operation" => operation, "class" => class)),
            seconds: histogram!(REQUEST_SECONDS, "operation" => operation),
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self { by_operation: [const { OnceLock::new() }; OPERATIONS.len()] }
    }

    /// An operation that began at `started` has ended. For those that are hot: their futures are large, and moving them costs.
    pub(crate) fn record(&self, operation: Counted, started: Instant, refused: Option<&Refusal>) {
        let metrics = self.by_operation[operation as usize].get_or_init(|| OperationMetrics::new(operation));
        metrics.seconds.record(started.elapsed());
        metrics.by_class[class(refused)].increment(1);
    }
}

fn class(error: Option<&Refusal>) -> usize {
    let status = error.map_or(200, |error| error.code.status());
    usize::from(status / 100).clamp(2, 5) - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_fall_into_the_class_of_their_status() {
        let of = |code| CLASSES[class(Some(&Refusal::new(code, "")))];
        assert_eq!(CLASSES[class(None)], "2xx");
        assert_eq!(of(ErrorCode::NotModified), "3xx");
        assert_eq!(of(ErrorCode::NoSuchKey), "4xx");
        assert_eq!(of(ErrorCode::SlowDown), "5xx");
    }
}
