//! The edge and the HTTP server around an implementation of S3: all of the gateway that does not know the other
//! planes.

pub use crate::answer::Body;
use crate::calls::{CorsSource, ServeAll};
use crate::config::EdgeConfig;
use crate::context::Connection;
use crate::credentials::Credentials;
use crate::edge::Edge;
use crate::payload_stream::ByteSource;
use crate::server;
use crate::server::drains::Drains;
use crate::server::link::Traffic;
use crate::signing_keys::SigningKeys;
use crate::tls::Tls;
use bytes::Bytes;
use http::{Request, Response};
use pocket_api::budget::ByteBudget;
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::usage::Served;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

/// A front for one S3 implementation.
pub struct Front<O> {
    edge: Arc<Edge<O>>,
    tls: Option<Tls>,
    max_connections: usize,
    buffers: ByteBudget,
    /// One for each thread that serves.
    traffic: Vec<Arc<Traffic>>,
}

impl<O: ServeAll> Front<O> {
    /// Only requests signed with `credentials`, or not signed at all, reach `operations`, each with a
    /// [`RequestContext`](crate::context::RequestContext) that says whose it is.
    pub fn new(config: &EdgeConfig, credentials: Credentials, node: NodeId, env: Env, operations: O) -> Self {
        Self::assemble(config, credentials, node, env, operations, None)
    }

    /// As [`Self::new`], for an implementation whose buckets have CORS configurations.
    pub fn with_cors(
        config: &EdgeConfig,
        credentials: Credentials,
        node: NodeId,
        env: Env,
        operations: O,
    ) -> Self
    where
        O: CorsSource + Clone,
    {
        let cors = Arc::new(operations.clone());
        Self::assemble(config, credentials, node, env, operations, Some(cors))
    }

    fn assemble(
        config: &EdgeConfig,
        credentials: Credentials,
        node: NodeId,
        env: Env,
        operations: O,
        cors: Option<Arc<dyn CorsSource>>,
    ) -> Self {
        let (domain, region) = (config.domain.clone(), config.region.as_str());
        let edge = Edge::new(credentials, domain, region, node, &env, operations, cors);
        let drains = Drains::default();
        Self {
            edge: Arc::new(edge),
            tls: config.tls.clone(),
            max_connections: config.max_connections,
            buffers: config.buffers.clone(),
            traffic: (0..config.threads.max(1)).map(|_| Arc::new(Traffic::sharing(drains.clone()))).collect(),
        }
    }

    /// From here on requests are verified with `credentials` and no others. What was verified before goes on.
    pub fn replace_credentials(&self, credentials: Credentials) {
        self.edge.keys.store(Arc::new(SigningKeys::new(credentials)));
    }

    /// Serves until `shutdown`; then requests that are going on may finish within a bound. Fails when the listener or a
    /// thread cannot be used.
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        let (edge, tls, buffers) = (self.edge.clone(), self.tls.as_ref(), &self.buffers);
        server::serve(listener, edge, tls, self.max_connections, buffers, &self.traffic, shutdown).await
    }

    /// Serves one connection that somebody else has accepted, on the runtime of the caller, until its end or `shutdown`.
    pub async fn serve_connection(&self, stream: TcpStream, shutdown: CancellationToken) {
        let (tls, traffic, buffers) = (self.tls.clone(), self.traffic[0].clone(), self.buffers.clone());
        server::connection::serve(stream, self.edge.clone(), tls, traffic, buffers, shutdown).await;
    }

    /// Answers one request as if it had come on `connection`.
    pub async fn answer<B>(&self, request: Request<B>, connection: Arc<Connection>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        self.edge.answer(request.map(ByteSource::of), connection).await
    }

    /// What was served since the start.
    pub fn served(&self) -> Served {
        let mut served = Served::default();
        self.traffic.iter().for_each(|traffic| traffic.add_to(&mut served));
        served
    }
}
