//! Serves the control and usage seams: shakes hands with each peer, then speaks gRPC with it. Translates, tells the
//! controller whose connections are closed, and nothing else.

use super::failure::status_of;
use super::lines::{Line, Lines};
use super::proto::control_server::ControlServer;
use super::proto::usage_server::UsageServer;
use super::{CONTROL_MESSAGE_MAX_BYTES, Malformed, each, optional, proto, required};
use crate::handshake::{Identity, Service};
use crate::metrics::ServerMetrics;
use crate::places::{Place, Places};
use crate::secret::ClusterSecret;
use crate::server::{accept, admit};
use crate::socket::{WireError, check_exposure};
use async_trait::async_trait;
use pocket_api::control::{Control, Heartbeat};
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::Usage;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::{Connected, Server};
use tonic::{Request, Response, Status};

/// Connections that have shaken hands and wait to be taken over: that takes microseconds.
const ADMITTED_MAX: usize = 16;

/// Serves until `shutdown`, on the current runtime. Refuses an address beyond loopback without a secret.
pub async fn serve_control(
    listener: TcpListener,
    control: Arc<dyn Control>,
    usage: Arc<dyn Usage>,
    secret: Option<ClusterSecret>,
    shutdown: CancellationToken,
) -> Result<(), WireError> {
    check_exposure(listener.local_addr()?, secret.as_ref())?;
    let own = Identity { service: Service::Control, node: NodeId(0), secret };
    let (admitted, mut incoming) = mpsc::channel(ADMITTED_MAX);
    let lines = {
        let control = control.clone();
        Lines::new(move |node| control.hung_up(node))
    };
    let door = tokio::spawn(admit_all(listener, own, lines, admitted, shutdown.clone()));
    let incoming = futures::stream::poll_fn(move |cx| incoming.poll_recv(cx).map(|c| c.map(io::Result::Ok)));
    let control = ControlServer::new(ControlService(control))
        .max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
        .max_encoding_message_size(CONTROL_MESSAGE_MAX_BYTES);
    let usage = UsageServer::new(UsageService(usage)).max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES);
    let served = Server::builder()
        .add_service(control)
        .add_service(usage)
        .serve_with_incoming_shutdown(incoming, shutdown.cancelled_owned())
        .await;
    door.abort();
    Ok(served?)
}

/// Accepts and shakes hands, many at a time: a slow peer holds up no other.
async fn admit_all(
    listener: TcpListener,
    own: Identity,
    lines: Arc<Lines>,
    admitted: mpsc::Sender<Admitted>,
    shutdown: CancellationToken,
) {
    let (own, metrics) = (Arc::new(own), ServerMetrics::new());
    let places = Places::new();
    while let Some((stream, peer, place)) = accept(&listener, &places, &shutdown).await {
        let (own, metrics, admitted) = (own.clone(), metrics.clone(), admitted.clone());
        let (lines, places) = (lines.clone(), places.clone());
        tokio::spawn(async move {
            if let Some((stream, place)) = admit(stream, peer, place, &places, &own, &metrics).await
                && let Ok(local) = stream.local_addr()
            {
                let line = lines.open(peer, local);
                // Fails only when the server has ended, and then the connection ends too.
                let _ = admitted.send(Admitted { stream, line, _place: place }).await;
            }
        });
    }
}

/// A connection that counts against the bound for as long as it is open.
struct Admitted {
    stream: TcpStream,
    line: Arc<Line>,
    _place: Place,
}

impl Connected for Admitted {
    type ConnectInfo = Arc<Line>;

    fn connect_info(&self) -> Arc<Line> {
        self.line.clone()
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.line.close();
    }
}

impl AsyncRead for Admitted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Admitted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

struct ControlService(Arc<dyn Control>);

/// The connection that a request came over.
fn line_of<M>(request: &Request<M>) -> Result<Arc<Line>, Status> {
    request.extensions().get::<Arc<Line>>().cloned().ok_or_else(|| Status::internal("no connection"))
}

type Answer<M> = Result<Response<M>, Status>;

fn answer<M>(message: impl Into<M>) -> Answer<M> {
    Ok(Response::new(message.into()))
}

#[async_trait]
impl proto::control_server::Control for ControlService {
    async fn register(&self, request: Request<proto::Registration>) -> Answer<proto::Placement> {
        let registration = request.into_inner().try_into()?;
        answer(self.0.register(registration).await.map_err(status_of)?)
    }

    async fn get_placement(&self, request: Request<proto::PlacementQuery>) -> Answer<proto::Placement> {
        let bucket = BucketName::try_from(request.into_inner().bucket).map_err(Malformed::from)?;
        answer(self.0.placement(&bucket).await.map_err(status_of)?)
    }

    async fn configure(&self, request: Request<proto::Configuration>) -> Answer<proto::Placement> {
        let configuration = request.into_inner().try_into()?;
        answer(self.0.configure(configuration).await.map_err(status_of)?)
    }

    async fn end_job(&self, request: Request<proto::EndJobRequest>) -> Answer<proto::Empty> {
        let end = request.into_inner().try_into()?;
        self.0.end(end).await.map_err(status_of)?;
        answer(proto::Empty {})
    }

    async fn list_jobs(&self, request: Request<proto::JobsQuery>) -> Answer<proto::JobList> {
        let tenant: Option<TenantName> = optional(request.into_inner().tenant).map_err(Malformed::from)?;
        let jobs = self.0.jobs(tenant.as_ref()).await.map_err(status_of)?;
        answer(proto::JobList { jobs: each(jobs) })
    }

    async fn join(&self, request: Request<proto::NodeSpec>) -> Answer<proto::Joined> {
        let line = line_of(&request)?;
        let spec = request.into_inner().try_into()?;
        line.check(&spec).map_err(status_of)?;
        let joined = self.0.join(spec).await.map_err(status_of)?;
        line.speaks_for(joined.node);
        answer(joined)
    }

    async fn beat(&self, request: Request<proto::Heartbeat>) -> Answer<proto::HeartbeatReply> {
        let line = line_of(&request)?;
        let heartbeat = Heartbeat::from(request.into_inner());
        let node = heartbeat.node;
        let reply = self.0.heartbeat(heartbeat).await.map_err(status_of)?;
        line.speaks_for(node);
        answer(reply)
    }

    async fn leave(&self, request: Request<proto::NodeRef>) -> Answer<proto::Empty> {
        self.0.leave(NodeId(request.into_inner().node)).await.map_err(status_of)?;
        answer(proto::Empty {})
    }

    async fn forget(&self, request: Request<proto::NodeRef>) -> Answer<proto::Forgotten> {
        answer(self.0.forget(NodeId(request.into_inner().node)).await.map_err(status_of)?)
    }

    async fn get_status(&self, _: Request<proto::Empty>) -> Answer<proto::ClusterStatus> {
        answer(self.0.status().await.map_err(status_of)?)
    }
}

struct UsageService(Arc<dyn Usage>);

#[async_trait]
impl proto::usage_server::Usage for UsageService {
    async fn report(&self, request: Request<proto::NodeReport>) -> Answer<proto::Empty> {
        let proto::NodeReport { node, report } = request.into_inner();
        let report = required(report, "report")?;
        self.0.report(NodeId(node), report).await.map_err(status_of)?;
        answer(proto::Empty {})
    }
}
