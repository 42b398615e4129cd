//! What the wire counts, in one table. Handles are made once and kept.

use metrics::{Counter, Gauge, Unit, counter, describe_counter, describe_gauge, gauge};

const CONNECTIONS: &str = "pocket_wire_connections_count";
const REFUSED: &str = "pocket_wire_refused_connections_total";
const VIOLATIONS: &str = "pocket_wire_violations_total";
const RECEIVED: &str = "pocket_wire_received_bytes_total";
const SENT: &str = "pocket_wire_sent_bytes_total";
const CALLS: &str = "pocket_wire_calls_total";

/// Tells the recorder what the names mean. Once a process.
pub fn describe_metrics() {
    describe_gauge!(CONNECTIONS, Unit::Count, "Framed connections from other planes that are open");
    describe_counter!(REFUSED, Unit::Count, "Connections that failed the handshake");
    describe_counter!(VIOLATIONS, Unit::Count, "Connections closed because of a malformed frame");
    describe_counter!(CALLS, Unit::Count, "Calls taken over framed connections");
    describe_counter!(RECEIVED, Unit::Bytes, "Bytes received over framed connections by a server");
    describe_counter!(SENT, Unit::Bytes, "Bytes sent over framed connections by a server");
}

/// Handles of a server; clones count together.
#[derive(Clone, Debug)]
pub(crate) struct ServerMetrics {
    pub(crate) connections: Gauge,
    pub(crate) refused: Counter,
    pub(crate) violations: Counter,
    pub(crate) calls: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_bytes: Counter,
}

impl ServerMetrics {
    pub(crate) fn new() -> Self {
        Self {
            connections: gauge!(CONNECTIONS),
            refused: counter!(REFUSED),
            violations: counter!(VIOLATIONS),
            calls: counter!(CALLS),
            received_bytes: counter!(RECEIVED),
            sent_bytes: counter!(SENT),
        }
    }
}
