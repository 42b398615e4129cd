//! Both sides of the framed seam against each other, and against peers that break its rules.

mod bounds;
mod failures;
mod format;
mod plane;
mod seam;

use crate::client::PlaneClient;
use crate::handshake::{Identity, Service, greet};
use crate::message::{Call, Response};
use crate::queue::FrameQueue;
use crate::reader::FrameReader;
use crate::secret::ClusterSecret;
use crate::server::{ServedPlanes, serve_planes};
use bytes::Bytes;
use plane::Plane;
use pocket_api::ids::NodeId;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

const SERVER: NodeId = NodeId(9);
const CLIENT: NodeId = NodeId(7);

/// How long a test waits for what must happen; never reached in success.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of one [`Plane`]; stops when dropped.
struct Served {
    address: SocketAddr,
    plane: Arc<Plane>,
    shutdown: CancellationToken,
}

impl Served {
    async fn start(secret: Option<&str>) -> Self {
        Self::start_at("127.0.0.1:0", secret).await
    }

    async fn start_at(address: &str, secret: Option<&str>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let plane = Arc::new(Plane::default());
        let planes = ServedPlanes { metadata: Some(plane.clone()), chunks: Some(plane.clone()) };
        let shutdown = CancellationToken::new();
        tokio::spawn(serve_planes(listener, SERVER, planes, secret.map(secret_of), shutdown.clone()));
        Self { address, plane, shutdown }
    }

    fn client(&self) -> PlaneClient {
        PlaneClient::new(CLIENT, None, SERVER, &self.address.to_string())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn secret_of(secret: &str) -> ClusterSecret {
    ClusterSecret::new(secret.into())
}

/// Waits until something that another task brings about holds.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("waited in vain for {what}"));
}

/// A client that has shaken hands and is held to no rules.
struct Raw {
    stream: TcpStream,
    reader: FrameReader<Response>,
}

impl Raw {
    async fn connect(address: SocketAddr) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let own = Identity { service: Service::Planes, node: CLIENT, secret: None };
        greet(&mut stream, &own, SERVER).await.unwrap();
        Self { stream, reader: FrameReader::default() }
    }

    async fn send(&mut self, calls: impl IntoIterator<Item = (u64, Call, Bytes)>, deadline: Duration) {
        let mut queue = FrameQueue::default();
        for (id, call, payload) in calls {
            call.push(&mut queue, id, deadline.as_millis() as u32, payload).unwrap();
        }
        while !queue.is_empty() {
            std::future::poll_fn(|cx| queue.poll_write(&mut self.stream, cx)).await.unwrap();
        }
    }

    /// The next reply; `None` when the server has closed the connection.
    async fn reply(&mut self) -> Option<(u64, Response, Bytes)> {
        let next = async {
            loop {
                if let Some((header, response, payload)) = self.reader.next_frame().unwrap() {
                    return Some((header.id, response, payload));
                }
                match std::future::poll_fn(|cx| self.reader.poll_fill(&mut self.stream, cx)).await {
                    Ok(0) | Err(_) => return None,
                    Ok(_) => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the server answers or closes")
    }
}
