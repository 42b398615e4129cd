//! The way from one runtime to one node: the connection of the moment, made when it is first needed and again, with
//! growing pauses, after it broke. Fails at once while it pauses, and for good once the node has left.

use crate::backoff::backoff;
use crate::connection::Connection;
use crate::handshake::Identity;
use crate::socket::dial;
use parking_lot::Mutex;
use pocket_api::ids::NodeId;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

/// A connection that was of use for this long was not a failure, however it ended: the next attempt is made at once.
pub(crate) const GOOD_AFTER: Duration = Duration::from_secs(1);

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
    /// The one before it never came up.
    is_behind_failure: bool,
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
                    let was_good = closed.lived.is_some_and(|lived| lived >= GOOD_AFTER);
                    state.failures = if was_good { 0 } else { state.failures + 1 };
                    closed.at + backoff(state.failures, rand::random())
                }
            };
            state.retry_at = Some(retry_at);
            if Instant::now() < retry_at {
                return Err(closed.reason);
            }
            state.is_behind_failure = closed.lived.is_none();
        }
        let target = self.target.clone();
        let connection =
            Connection::open(async move { dial(&target.address, &target.own, target.node).await });
        state.connection = Some(connection.clone());
        state.retry_at = None;
        Ok(connection)
    }

    /// Whether the node cannot be reached now: the last try has failed, also while the next goes on, or calls fail until
    /// there is another. That a connection ended says nothing: the next is tried, and waited for.
    pub(crate) async fn is_away(&self) -> bool {
        let Ok(connection) = self.connection() else { return true };
        if self.state.lock().is_behind_failure && !connection.is_ready() {
            return true;
        }
        !connection.becomes_ready().await
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
