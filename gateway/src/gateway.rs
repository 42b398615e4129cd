//! A gateway: the operations behind their front, and what it tells the rest of the cluster about itself.

use crate::config::GatewayConfig;
use crate::ops::Operations;
use crate::planes::Planes;
use crate::profiles::Profiles;
use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use pocket_api::control::{JobHolder, WeightMap};
use pocket_api::ids::JobId;
use pocket_api::usage::{UsageReport, UsageSource};
use pocket_edge::context::Connection;
use pocket_edge::credentials::Credentials;
use pocket_edge::front::{Body, Front};
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// One gateway. It keeps nothing that it cannot lose: another one can take over any client at any time.
pub struct Gateway {
    operations: Arc<Operations>,
    front: Front<Operations>,
}

impl Gateway {
    /// Work in the background runs until the gateway is dropped.
    pub fn start(config: GatewayConfig, credentials: Credentials, planes: Planes) -> Arc<Self> {
        let operations = Operations::start(&config, credentials.tenants(), planes.clone());
        let s3 = (*operations).clone();
        let front = Front::with_cors(&config.edge, credentials, planes.node, planes.env, s3);
        Arc::new(Self { operations, front })
    }

    /// Takes over other access keys and profiles: for requests that come, and buckets that are made, from here on.
    /// Nothing that is going on is touched.
    pub fn reload(&self, credentials: Credentials, profiles: Profiles) {
        self.operations.replace_tenants(credentials.tenants());
        self.front.replace_credentials(credentials);
        self.operations.replace_profiles(profiles);
    }

    /// See [`Front::serve`].
    pub async fn serve(&self, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
        self.front.serve(listener, shutdown).await
    }

    /// See [`Front::answer`].
    pub async fn answer<B>(&self, request: Request<B>, connection: Arc<Connection>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
    {
        self.front.answer(request, connection).await
    }
}

#[async_trait]
impl UsageSource for Gateway {
    async fn fill(&self, report: &mut UsageReport) {
        self.operations.show_buffers();
        report.served = Some(self.front.served());
    }
}

impl JobHolder for Gateway {
    fn jobs(&self) -> Vec<JobId> {
        self.operations.jobs()
    }

    fn drop_jobs(&self, ended: &[JobId]) {
        self.operations.drop_jobs(ended);
    }

    fn learn_weights(&self, maps: &[WeightMap]) {
        self.operations.learn_weights(maps);
    }
}
