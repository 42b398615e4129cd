//! A gateway as clients reach it: a request goes there, the real gateway answers it as if its server had read it, and the answer
//! comes back whole or not at all.

use super::net::Net;
use super::process::{Machine, Place};
use super::roles::Up;
use crate::port::S3Port;
use bytes::{Bytes, BytesMut};
use futures::future::{BoxFuture, FutureExt};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use pocket_edge::context::Connection;
use pocket_gateway::gateway::Gateway;
use std::sync::Arc;
use std::time::Duration;

pub(super) struct GatewayPort {
    machine: Arc<Machine>,
    net: Arc<Net>,
}

impl GatewayPort {
    pub(super) fn new(machine: Arc<Machine>, net: Arc<Net>) -> Arc<Self> {
        Arc::new(Self { machine, net })
    }
}

/// A client gives up before.
const LINE_LIVES: Duration = Duration::from_secs(3_600);

impl S3Port for GatewayPort {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'static, Option<Response<Bytes>>> {
        let (machine, net) = (self.machine.clone(), self.net.clone());
        async move {
            let process = machine.process()?;
            let gateway = match &*machine.up.lock() {
                Up::Gateway(gateway) => Some(gateway.clone()),
                _ => None,
            };
            // A process that has not joined yet does not listen.
            let gateway = gateway?;
            let connection = Arc::<Connection>::default();
            // Whoever drops this in the middle is a client that has gone.
            let line = Line(connection.clone());
            let deed = answer(gateway, request, connection).boxed();
            let answer = net.call_for(LINE_LIVES, Place::CLIENTS, &process, "s3", deed).await.ok().flatten();
            if answer.is_some() {
                line.0.flushed();
            }
            answer
        }
        .boxed()
    }
}

struct Line(Arc<Connection>);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.cut();
        self.0.ended();
    }
}

/// `None` where the answer breaks off.
async fn answer(
    gateway: Arc<Gateway>,
    request: Request<Bytes>,
    connection: Arc<Connection>,
) -> Option<Response<Bytes>> {
    let whole = async {
        let answer = gateway.answer(request.map(Full::new), connection.clone()).await;
        let (head, mut body) = answer.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame.ok()?.into_data() {
                // As a socket that takes all at once says.
                connection.sent(data.len());
                bytes.extend_from_slice(&data);
            }
        }
        Some(Response::from_parts(head, bytes.freeze()))
    };
    tokio::select! {
        biased;
        () = connection.until_cut() => None,
        answer = whole => answer,
    }
}
