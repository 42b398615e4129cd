//! The controller of another process as a value of its seams. Connects when it is first called and again after every
//! failure; each call has a deadline. Whatever the transport does, the caller sees `Unavailable`.
//!
//! Where a heartbeat is not answered well within its period the next one goes over a new connection: an old one may be
//! long in finding out that the network is back. Whichever is through first serves: whoever is far away or behind a full
//! link gets through, too, though it takes three round trips to connect and shake hands.

use super::failure::error_of;
use super::proto::control_client::ControlClient;
use super::proto::usage_client::UsageClient;
use super::{CONTROL_DEADLINE, CONTROL_MESSAGE_MAX_BYTES, all, proto};
use crate::handshake::{HandshakeError, Identity, Service};
use crate::secret::ClusterSecret;
use crate::socket::dial;
use async_trait::async_trait;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use pocket_api::cluster::NodeSpec;
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply,
    JobSummary, Joined, Placement, Registration,
};
use pocket_api::ids::NodeId;
use pocket_api::limits::HEARTBEAT_EVERY;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{Usage, UsageReport};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// A quiet connection is probed this often, and given up when a probe goes unanswered for as long: a controller that
/// hangs is noticed before a node that hangs is declared dead.
const PROBE_EVERY: Duration = Duration::from_secs(3);

/// Below [`HEARTBEAT_EVERY`], so that the next one finds the new connection.
const HEARTBEAT_WITHIN: Duration = Duration::from_millis(400);
/// No other one is tried before a connection has been silent for so long.
const REDIAL_EVERY: Duration = HEARTBEAT_EVERY;

/// The controller at an address. Clones share a connection.
#[derive(Clone, Debug)]
pub struct RemoteControl {
    connector: Connector,
    current: Arc<Mutex<Connection>>,
}

/// Calls that began on one go on there when another one takes its place.
#[derive(Debug)]
struct Connection {
    channel: Channel,
    /// When it last answered a heartbeat, or was made.
    heard: Instant,
    has_answered: bool,
    number: u64,
}

impl RemoteControl {
    /// `address` is `host:port`. Does not connect yet. To be called within the runtime that the connection will live
    /// on; calls may come from any.
    pub fn connect(address: &str, secret: Option<ClusterSecret>) -> Self {
        let connector = Connector::new(address, secret);
        let current = Arc::new(Mutex::new(connector.connection(0)));
        Self { connector, current }
    }

    fn control(&self) -> ControlClient<Channel> {
        Self::control_over(self.current.lock().channel.clone())
    }

    fn control_over(channel: Channel) -> ControlClient<Channel> {
        ControlClient::new(channel)
            .max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
            .max_encoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
    }

    fn usage(&self) -> UsageClient<Channel> {
        UsageClient::new(self.current.lock().channel.clone())
            .max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
            .max_encoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
    }

    /// From now on calls go over a new connection, unless this one was heard or made just now.
    fn redial(&self) {
        let mut current = self.current.lock();
        if current.heard.elapsed() >= REDIAL_EVERY {
            *current = self.connector.connection(current.number + 1);
        }
    }

    /// This connection answered. Where a later one took its place and did not answer yet, calls go over this one again.
    fn heard(&self, channel: Channel, number: u64) {
        let mut current = self.current.lock();
        if current.number == number || !current.has_answered {
            *current = Connection { channel, heard: Instant::now(), has_answered: true, number };
        }
    }
}

/// Opens the stream that HTTP/2 then runs on: a connection that has shaken hands.
#[derive(Clone, Debug)]
struct Connector {
    address: Arc<str>,
    own: Identity,
}

impl Connector {
    fn new(address: &str, secret: Option<ClusterSecret>) -> Self {
        // Before a node has joined it has no id, and afterwards its calls name it.
        let own = Identity { service: Service::Control, node: NodeId(0), secret };
        Self { address: address.into(), own }
    }

    /// Not open yet.
    fn connection(&self, number: u64) -> Connection {
        // The name goes no further than the request's header: the connector knows the address.
        let channel = Endpoint::from_static("http://controller.pocket")
            .http2_keep_alive_interval(PROBE_EVERY)
            .keep_alive_timeout(PROBE_EVERY)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(self.clone());
        Connection { channel, heard: Instant::now(), has_answered: false, number }
    }
}

impl tonic::codegen::Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = HandshakeError;
    type Future = BoxFuture<'static, Result<Self::Response, HandshakeError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), HandshakeError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { address, own } = self.clone();
        Box::pin(async move { dial(&address, &own, NodeId(0)).await.map(TokioIo::new) })
    }
}

/// Tells the server how long this side waits.
fn request<M>(message: impl Into<M>) -> Request<M> {
    let mut request = Request::new(message.into());
    request.set_timeout(CONTROL_DEADLINE);
    request
}

/// Waits for an answer no longer than the deadline, connecting included, which the transport's own does not cover.
async fn answer<M>(call: impl Future<Output = Result<Response<M>, Status>>) -> Result<M, ControlError> {
    match tokio::time::timeout(CONTROL_DEADLINE, call).await {
        Ok(Ok(response)) => Ok(response.into_inner()),
        Ok(Err(status)) => Err(error_of(&status)),
        Err(_) => Err(ControlError::Unavailable(format!("no answer within {CONTROL_DEADLINE:?}"))),
    }
}

#[async_trait]
impl Control for RemoteControl {
    async fn register(&self, registration: Registration) -> Result<Placement, ControlError> {
        let placement = answer(self.control().register(request(registration))).await?;
        Ok(placement.try_into()?)
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        let query = proto::PlacementQuery { bucket: bucket.to_string() };
        let placement = answer(self.control().get_placement(request(query))).await?;
        Ok(placement.try_into()?)
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        let placement = answer(self.control().configure(request(configuration))).await?;
        Ok(placement.try_into()?)
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        answer(self.control().end_job(request(end))).await.map(|proto::Empty {}| ())
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        let query = proto::JobsQuery { tenant: tenant.map(TenantName::to_string) };
        let list = answer(self.control().list_jobs(request(query))).await?;
        Ok(all(list.jobs)?)
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        let joined = answer(self.control().join(request(spec))).await?;
        Ok(joined.try_into()?)
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        let (channel, number) = {
            let current = self.current.lock();
            (current.channel.clone(), current.number)
        };
        let mut control = Self::control_over(channel.clone());
        let mut beat = pin!(answer(control.beat(request(heartbeat))));
        let reply = match tokio::time::timeout(HEARTBEAT_WITHIN, &mut beat).await {
            Ok(reply) => reply,
            Err(_) => {
                self.redial();
                beat.await
            }
        };
        let reply = reply?;
        self.heard(channel, number);
        Ok(reply.try_into()?)
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        let node = proto::NodeRef { node: node.0 };
        answer(self.control().leave(request(node))).await.map(|proto::Empty {}| ())
    }

    async fn forget(&self, node: NodeId) -> Result<Forgotten, ControlError> {
        let node = proto::NodeRef { node: node.0 };
        let forgotten = answer(self.control().forget(request(node))).await?;
        Ok(forgotten.try_into()?)
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        let status = answer(self.control().get_status(request(proto::Empty {}))).await?;
        Ok(status.try_into()?)
    }
}

#[async_trait]
impl Usage for RemoteControl {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
        let report = proto::NodeReport { node: node.0, report: Some(report.into()) };
        answer(self.usage().report(request(report))).await.map(|proto::Empty {}| ())
    }
}
