//! The controller of another process as a value of its seams. Connects when it is first called and again after every
//! failure; each call has a deadline. Whatever the transport does, the caller sees `Unavailable`.

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
use pocket_api::cluster::NodeSpec;
use pocket_api::control::{
    ClusterStatus, Configuration, Control, ControlError, EndJob, Heartbeat, HeartbeatReply, JobSummary,
    Joined, Placement, Registration,
};
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::usage::{Usage, UsageReport};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// A quiet connection is probed this often, and given up when a probe goes unanswered for as long: a controller that
/// hangs is noticed before a node that hangs is declared dead.
const PROBE_EVERY: Duration = Duration::from_secs(3);

/// The controller at an address. Clones share a connection.
#[derive(Clone, Debug)]
pub struct RemoteControl {
    control: ControlClient<Channel>,
    usage: UsageClient<Channel>,
}

impl RemoteControl {
    /// `address` is `host:port`. Does not connect yet. To be called within the runtime that the connection will live
    /// on; calls may come from any.
    pub fn connect(address: &str, secret: Option<ClusterSecret>) -> Self {
        // The name goes no further than the request's header: the connector knows the address.
        let channel = Endpoint::from_static("http://controller.pocket")
            .http2_keep_alive_interval(PROBE_EVERY)
            .keep_alive_timeout(PROBE_EVERY)
            .keep_alive_while_idle(true)
            .connect_with_connector_lazy(Connector::new(address, secret));
        Self {
            control: ControlClient::new(channel.clone())
                .max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
                .max_encoding_message_size(CONTROL_MESSAGE_MAX_BYTES),
            usage: UsageClient::new(channel)
                .max_decoding_message_size(CONTROL_MESSAGE_MAX_BYTES)
                .max_encoding_message_size(CONTROL_MESSAGE_MAX_BYTES),
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
        let placement = answer(self.control.clone().register(request(registration))).await?;
        Ok(placement.try_into()?)
    }

    async fn placement(&self, bucket: &BucketName) -> Result<Placement, ControlError> {
        let query = proto::PlacementQuery { bucket: bucket.to_string() };
        let placement = answer(self.control.clone().get_placement(request(query))).await?;
        Ok(placement.try_into()?)
    }

    async fn configure(&self, configuration: Configuration) -> Result<Placement, ControlError> {
        let placement = answer(self.control.clone().configure(request(configuration))).await?;
        Ok(placement.try_into()?)
    }

    async fn end(&self, end: EndJob) -> Result<(), ControlError> {
        answer(self.control.clone().end_job(request(end))).await.map(|proto::Empty {}| ())
    }

    async fn jobs(&self, tenant: Option<&TenantName>) -> Result<Vec<JobSummary>, ControlError> {
        let query = proto::JobsQuery { tenant: tenant.map(TenantName::to_string) };
        let list = answer(self.control.clone().list_jobs(request(query))).await?;
        Ok(all(list.jobs)?)
    }

    async fn join(&self, spec: NodeSpec) -> Result<Joined, ControlError> {
        let joined = answer(self.control.clone().join(request(spec))).await?;
        Ok(joined.try_into()?)
    }

    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply, ControlError> {
        let reply = answer(self.control.clone().beat(request(heartbeat))).await?;
        Ok(reply.try_into()?)
    }

    async fn leave(&self, node: NodeId) -> Result<(), ControlError> {
        let node = proto::NodeRef { node: node.0 };
        answer(self.control.clone().leave(request(node))).await.map(|proto::Empty {}| ())
    }

    async fn status(&self) -> Result<ClusterStatus, ControlError> {
        let status = answer(self.control.clone().get_status(request(proto::Empty {}))).await?;
        Ok(status.try_into()?)
    }
}

#[async_trait]
impl Usage for RemoteControl {
    async fn report(&self, node: NodeId, report: UsageReport) -> Result<(), ControlError> {
        let report = proto::NodeReport { node: node.0, report: Some(report.into()) };
        answer(self.usage.clone().report(request(report))).await.map(|proto::Empty {}| ())
    }
}
