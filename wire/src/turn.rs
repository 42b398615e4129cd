//! How much one poll of a connection does before other tasks have their turn, however much its peer has queued.

/// Payload of one turn: copied in some 0.1 ms.
const TURN_BYTES: usize = 256 << 10;

/// What may still be done in this one. The call that goes beyond it is the last.
#[derive(Debug)]
pub(crate) struct Turn {
    calls: usize,
    bytes: usize,
}

impl Turn {
    pub(crate) fn new(calls: usize) -> Self {
        Self { calls, bytes: TURN_BYTES }
    }

    /// A call, or the reply to one, with so much payload.
    pub(crate) fn spend(&mut self, payload_bytes: usize) {
        self.calls = self.calls.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(payload_bytes);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.calls == 0 || self.bytes == 0
    }
}
