//! Serves the framed seams on a listener: accepts, shakes hands, and gives each connection to a task of its own. A
//! peer that fails the handshake or breaks the protocol loses its connection and nothing else happens.

use crate::handshake::{HandshakeError, Identity, Service, welcome};
use crate::metrics::ServerMetrics;
use crate::places::{Place, Places};
use crate::secret::ClusterSecret;
use crate::session::{Session, SessionError};
use crate::socket::{WireError, check_exposure, prepare};
use pocket_api::chunks::Chunks;
use pocket_api::ids::NodeId;
use pocket_api::metadata::Metadata;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Pause after a failed accept: most often the process is out of file descriptors, and at once nothing will change.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// How long a shutdown waits for calls in flight.
const DRAIN_MAX: Duration = Duration::from_secs(1);

/// What is served to other processes; calls for the other plane are refused.
#[derive(Clone, Default)]
pub struct ServedPlanes {
    pub metadata: Option<Arc<dyn Metadata>>,
    pub chunks: Option<Arc<dyn Chunks>>,
}

impl fmt::Debug for ServedPlanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (metadata, chunks) = (self.metadata.is_some(), self.chunks.is_some());
        f.debug_struct("ServedPlanes").field("metadata", &metadata).field("chunks", &chunks).finish()
    }
}

/// Serves until `shutdown`, on the current runtime; then finishes the calls in flight, within a second. Refuses an
/// address beyond loopback without a secret. `node` is who this process is: callers that mean another are refused.
pub async fn serve_planes(
    listener: TcpListener,
    node: NodeId,
    planes: ServedPlanes,
    secret: Option<ClusterSecret>,
    shutdown: CancellationToken,
) -> Result<(), WireError> {
    check_exposure(listener.local_addr()?, secret.as_ref())?;
    let own = Arc::new(Identity { service: Service::Planes, node, secret });
    let metrics = ServerMetrics::new();
    let places = Places::new();
    let tasks = TaskTracker::new();
    while let Some((stream, peer, place)) = accept(&listener, &places, &shutdown).await {
        let (own, planes, metrics) = (own.clone(), planes.clone(), metrics.clone());
        let (places, shutdown) = (places.clone(), shutdown.clone());
        tasks.spawn(async move {
            let admitted = shutdown.run_until_cancelled(admit(stream, peer, place, &places, &own, &metrics));
            if let Some((stream, _place)) = admitted.await.flatten() {
                serve_connection(stream, peer, planes, metrics, shutdown).await;
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    Ok(())
}

/// The next connection, with its place while it shakes hands; or `None` at shutdown.
pub(crate) async fn accept(
    listener: &TcpListener,
    places: &Places,
    shutdown: &CancellationToken,
) -> Option<(TcpStream, SocketAddr, Place)> {
    let next = async {
        let mut permit = places.free().await;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => match places.unproven(peer.ip(), permit) {
                    Some(place) => return (stream, peer, place),
                    None => {
                        debug!(%peer, "too many connections of this address have not proven themselves");
                        permit = places.free().await;
                    }
                },
                Err(e) => {
                    warn!(error = %e, "cannot accept connections between planes");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    };
    shutdown.run_until_cancelled(next).await
}

/// Shakes hands; `None` for a peer that is refused, which is logged here. What has proven itself has a place of its own.
pub(crate) async fn admit(
    mut stream: TcpStream,
    peer: SocketAddr,
    unproven: Place,
    places: &Places,
    own: &Identity,
    metrics: &ServerMetrics,
) -> Option<(TcpStream, Place)> {
    let admitted = async {
        prepare(&stream)?;
        welcome(&mut stream, own).await
    };
    match admitted.await {
        Ok(node) => {
            drop(unproven);
            let place = places.proven(node, peer.ip());
            match &place {
                Some(_) => debug!(%peer, %node, "peer connected"),
                None => {
                    metrics.refused.increment(1);
                    warn!(%peer, %node, "closed a connection: this peer, or all together, has too many");
                }
            }
            place.map(|place| (stream, place))
        }
        // The controller asks whether anybody is here.
        Err(HandshakeError::Silent) => None,
        Err(e) => {
            metrics.refused.increment(1);
            warn!(%peer, error = %e, "refused a connection between planes");
            None
        }
    }
}

async fn serve_connection(
    stream: TcpStream,
    peer: SocketAddr,
    planes: ServedPlanes,
    metrics: ServerMetrics,
    shutdown: CancellationToken,
) {
    let mut session = Session::new(stream, &planes, metrics.clone());
    let ended = match shutdown.run_until_cancelled(session.run()).await {
        Some(ended) => ended,
        None => tokio::time::timeout(DRAIN_MAX, session.drain()).await.unwrap_or(Ok(())),
    };
    match ended {
        Ok(()) => debug!(%peer, "peer left"),
        Err(SessionError::Io(e)) => debug!(%peer, error = %e, "connection of a peer broke"),
        Err(e) => {
            metrics.violations.increment(1);
            warn!(%peer, error = %e, "closed the connection of a peer");
        }
    }
}
