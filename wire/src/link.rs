//! The way from one runtime to one node: the connection of the moment, made when it is first needed and again, with
//! growing pauses, after it broke. Fails at once while it pauses, and for good once the node has left.

use crate::backoff::backoff;
use crate::connection::Connection;
use crate::handshake::Identity;
use crate::socket::dial;
use parking_lot::Mutex;
use pocket_api::ids::NodeId;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A connection that was of use for this long was not a failure, however it ended: the next attempt is made at once.
const GOOD_AFTER: Duration = Duration::from_secs(1);

/// A node and how to reach it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) node: NodeId,
    /// `host:port`
    pub(crate) address: String,
    pub(crate) own: Identity,
    /// Why there will be no connection any more, once that is so.
    pub(crate) left: OnceLock<&'static str>,
}

#[derive(Debug)]
pub(crate) struct Link {
    target: Arc<Target>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    /// It is not the first.
    is_another: bool,
    /// Connections in a row that failed to come up or to stay.
    failures: u32,
    retry_at: Option<Instant>,
}

impl Link {
    pub(crate) fn new(target: Arc<Target>) -> Self {
        Self { target, state: Mutex::default() }
    }

    /// The connection to call on, or why there is none now.
    pub(crate) fn connection(&self) -> Result<Arc<Connection>, String> {
        let mut state = self.state.lock();
        // Under the lock: whoever sets it closes the connection afterwards, so none stays open.
        if let Some(reason) = self.target.left.get() {
            return Err((*reason).into());
        }
        if let Some(connection) = &state.connection {
            let Some(closed) = connection.closed() else { return Ok(connection.clone()) };
            let retry_at = match state.retry_at {
                Some(retry_at) => retry_at,
                None => {
                    state.failures = if closed.lived >= GOOD_AFTER { 0 } else { state.failures + 1 };
                    closed.at + backoff(state.failures, rand::random())
                }
            };
            state.retry_at = Some(retry_at);
            if Instant::now() < retry_at {
                return Err(closed.reason);
            }
        }
        let target = self.target.clone();
        let connection =
            Connection::open(async move { dial(&target.address, &target.own, target.node).await });
        state.is_another = state.connection.replace(connection.clone()).is_some();
        state.retry_at = None;
        Ok(connection)
    }

    /// Whether the connection broke, or did not come up, and there is none again yet. Connects where it is time to.
    pub(crate) fn is_away(&self) -> bool {
        match self.connection() {
            Ok(connection) => self.state.lock().is_another && !connection.is_ready(),
            Err(_) => true,
        }
    }

    /// Ends the connection, if there is one. The next call makes another unless the node has left.
    pub(crate) fn close(&self, reason: &str) {
        if let Some(connection) = self.state.lock().connection.take() {
            connection.close(reason);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.close("no longer in use");
    }
}
