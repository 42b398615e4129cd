//! What the parts of one connection know of each other: the socket, the HTTP state machine around it, the request
//! that is being answered.

use super::drains::Drains;
use crate::context::Connection;
use crate::metrics::{Handshake, count_handshake};
use hyper::body::Incoming;
use parking_lot::Mutex;
use pocket_api::budget::Share;
use pocket_api::usage::Served;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

/// How often a thread says that clients speak TLS to the plain port.
const TOLD_EVERY: Duration = Duration::from_secs(60);

/// Counters of one serving thread, which only grow, and what it shares with the others of its front.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    requests: AtomicU64,
    received_bytes: AtomicU64,
    sent_bytes: AtomicU64,
    drains: Drains,
    /// When it was last said that clients speak TLS to the plain port.
    told_of_tls: Mutex<Option<Instant>>,
}

impl Traffic {
    pub(crate) fn sharing(drains: Drains) -> Self {
        Self { drains, ..Self::default() }
    }

    pub(crate) fn add_to(&self, served: &mut Served) {
        served.requests += self.requests.load(Relaxed);
        served.received_bytes += self.received_bytes.load(Relaxed);
        served.sent_bytes += self.sent_bytes.load(Relaxed);
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) connection: Arc<Connection>,
    traffic: Arc<Traffic>,
    /// Moves with each request and each write that the socket takes.
    progress: AtomicU64,
    /// A request is with the edge or an operation: silence is not the client's fault.
    in_call: AtomicBool,
    /// The last answer has been handed out to its end.
    answered: AtomicBool,
    /// It is in the kernel as well, and no other request was read: what is written now is no part of an answer.
    between: AtomicBool,
    /// Part of the request's body has not arrived or was not wanted.
    body_unread: AtomicBool,
    /// What the operation did not want of the body, until its answer is known.
    leftover: Mutex<Option<Incoming>>,
    continue_due: AtomicBool,
    /// Room for what the kernel has of answers and the network has not, where that is more than the least.
    unsent: Mutex<Option<Share>>,
    /// What comes is of no use to anybody.
    draining: AtomicBool,
}

impl Link {
    pub(crate) fn new(traffic: Arc<Traffic>, connection: Connection) -> Self {
        Self {
            connection: Arc::new(connection),
            traffic,
            progress: AtomicU64::new(0),
            in_call: AtomicBool::new(false),
            answered: AtomicBool::new(false),
            between: AtomicBool::new(true),
            body_unread: AtomicBool::new(false),
            leftover: Mutex::new(None),
            continue_due: AtomicBool::new(false),
            unsent: Mutex::new(None),
            draining: AtomicBool::new(false),
        }
    }

    pub(super) fn unsent_bytes(&self) -> u64 {
        self.unsent.lock().as_ref().map_or(0, Share::bytes)
    }

    /// Instead of what is held.
    pub(super) fn hold_unsent(&self, share: Option<Share>) {
        *self.unsent.lock() = share;
    }

    /// The client speaks TLS, and its port does not. Said once in a while: such a client tries again and again.
    pub(crate) fn spoke_tls(&self) {
        count_handshake(Handshake::ToPlainPort);
        let mut told = self.traffic.told_of_tls.lock();
        if told.is_none_or(|told| told.elapsed() > TOLD_EVERY) {
            *told = Some(Instant::now());
            let peer = self.connection.peer().map(|peer| peer.ip());
            tracing::warn!(
                ?peer,
                "a client speaks TLS to the plain port: use https only with --tls-cert or --tls auto"
            );
        }
    }

    pub(crate) fn received(&self, bytes: usize) {
        self.traffic.received_bytes.fetch_add(bytes as u64, Relaxed);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        self.traffic.sent_bytes.fetch_add(bytes as u64, Relaxed);
        self.progress.fetch_add(1, Relaxed);
        self.connection.sent(bytes);
    }

    /// No request was read since the last answer was sent.
    pub(crate) fn is_between_calls(&self) -> bool {
        self.between.load(Relaxed)
    }

    /// The body of an answer has been handed out to its end, or will not be.
    pub(crate) fn answer_ended(&self) {
        self.answered.store(true, Relaxed);
    }

    /// Everything that was handed out is in the kernel.
    pub(crate) fn flushed(&self) {
        if self.answered.swap(false, Relaxed) {
            self.between.store(true, Relaxed);
        }
        self.connection.flushed();
    }

    /// What is said from here on is the last of this connection.
    pub(super) fn ends(&self) {
        self.between.store(false, Relaxed);
    }

    /// A request's head has arrived.
    pub(crate) fn call_began(&self, has_body: bool) {
        self.traffic.requests.fetch_add(1, Relaxed);
        self.progress.fetch_add(1, Relaxed);
        self.body_unread.store(has_body, Relaxed);
        self.in_call.store(true, Relaxed);
        self.answered.store(false, Relaxed);
        self.between.store(false, Relaxed);
    }

    /// The head of its answer is known. Gives what is left of an unwanted body, with the place that it is drained in. Where there is
    /// no place it is gone, which closes the connection behind the answer.
    pub(crate) fn call_ended(&self) -> Option<(Incoming, OwnedSemaphorePermit)> {
        self.in_call.store(false, Relaxed);
        if !self.is_body_unread() {
            return None;
        }
        let leftover = self.leftover.lock().take()?;
        let place = self.traffic.drains.place()?;
        self.draining.store(true, Relaxed);
        Some((leftover, place))
    }

    /// Keeps an unwanted body until the answer is known. After that it is not read any more, which closes the connection.
    pub(crate) fn leave(&self, rest: Incoming) {
        if self.in_call.load(Relaxed) {
            *self.leftover.lock() = Some(rest);
        }
    }

    pub(crate) fn body_read(&self) {
        self.body_unread.store(false, Relaxed);
    }

    pub(crate) fn is_body_unread(&self) -> bool {
        self.body_unread.load(Relaxed)
    }

    /// What is left of a request is read and forgotten. The connection ends with it.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Relaxed)
    }

    /// The next write is to begin with an interim answer.
    pub(crate) fn owe_continue(&self) {
        self.continue_due.store(true, Relaxed);
    }

    pub(crate) fn take_continue(&self) -> bool {
        self.continue_due.load(Relaxed) && self.continue_due.swap(false, Relaxed)
    }

    /// How far the connection has come; `None` while a request is being worked on.
    pub(crate) fn progress(&self) -> Option<u64> {
        (!self.in_call.load(Relaxed)).then(|| self.progress.load(Relaxed))
    }
}
