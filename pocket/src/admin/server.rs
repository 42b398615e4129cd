//! Serves the admin port: `/metrics`, `/livez`, `/readyz` to anybody who can connect, `/v1/...` to callers on this
//! machine alone, because whoever may ask there may end jobs.

use super::operator::{self, FORCE, Forget, JOBS_PATH, NODES_PATH, Refused, STATUS_PATH};
use super::readiness::Readiness;
use super::usage_metrics;
use crate::telemetry::Metrics;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pocket_api::control::{Control, ControlError, EndMode};
use serde::Serialize;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Connections at once: a few scrapers, probes and operators.
const MAX_CONNECTIONS: usize = 64;
/// How long a caller may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long a connection may live: longer than ending the largest job, short enough that leaked ones go away.
const CONNECTION_WITHIN: Duration = Duration::from_secs(120);
/// Pause after a failed accept, which is most often a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What the admin port shows of a process.
pub(crate) struct Admin {
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) control: Arc<dyn Control>,
    /// Whose jobs `/metrics` shows by tenant and bucket: the controller, in its own process and in no other.
    pub(crate) shows_jobs_of: Option<Arc<dyn Control>>,
}

type Answer = Response<Full<Bytes>>;

/// Serves until `until` is cancelled.
pub(crate) async fn serve(listener: TcpListener, admin: Arc<Admin>, until: CancellationToken) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = until.cancelled() => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(why) => {
                warn!("admin port cannot accept a connection: {why}");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Ok(place) = places.clone().try_acquire_owned() else {
            debug!(%peer, "admin port is full");
            continue;
        };
        let (admin, until) = (admin.clone(), until.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = converse(stream, peer, admin) => {}
                () = tokio::time::sleep(CONNECTION_WITHIN) => {}
                () = until.cancelled() => {}
            }
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, peer: SocketAddr, admin: Arc<Admin>) {
    let service = service_fn(move |request| {
        let admin = admin.clone();
        async move { Ok::<_, Infallible>(admin.answer(request, peer.ip()).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .serve_connection(TokioIo::new(stream), service);
    if let Err(why) = connection.await {
        debug!(%peer, "admin connection ended: {why}");
    }
}

impl Admin {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Answer {
        let path = request.uri().path();
        let get = request.method() == Method::GET || request.method() == Method::HEAD;
        match path {
            "/livez" if get => text(StatusCode::OK, "ok\n".into()),
            "/readyz" if get => match self.readiness.missing() {
                None => text(StatusCode::OK, "ok\n".into()),
                Some(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
            },
            "/metrics" if get => {
                let mut answer = text(StatusCode::OK, self.metrics().await);
                let kind = header::HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
                answer.headers_mut().insert(header::CONTENT_TYPE, kind);
                answer
            }
            "/metrics" | "/livez" | "/readyz" => refuse(StatusCode::METHOD_NOT_ALLOWED, "use GET"),
            _ if path.starts_with("/v1/") => match on_this_machine(peer, host(&request)) {
                true => self.operate(&request).await,
                false => refuse(
                    StatusCode::FORBIDDEN,
                    "asked from another machine: run pocket where the process is",
                ),
            },
            _ => refuse(StatusCode::NOT_FOUND, "there are /metrics, /livez and /readyz"),
        }
    }

    async fn metrics(&self) -> String {
        let mut text = self.metrics.render();
        if let Some(controller) = &self.shows_jobs_of
            && let Ok(jobs) = controller.jobs(None).await
        {
            text += &usage_metrics::rendered(&jobs);
        }
        text
    }

    async fn operate(&self, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path();
        let below = |folder| path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
        let force = request.uri().query() == Some(FORCE);
        match (request.method(), path, below(JOBS_PATH), below(NODES_PATH)) {
            (&Method::GET, JOBS_PATH, ..) => json(self.control.jobs(None).await),
            (&Method::GET, STATUS_PATH, ..) => json(self.control.status().await),
            (&Method::DELETE, _, Some(job), _) => {
                let mode = if force { EndMode::Force } else { EndMode::IfEmpty };
                json(operator::end(self.control.as_ref(), job, mode).await)
            }
            (&Method::DELETE, _, _, Some(node)) => {
                let which = if force { Forget::Any } else { Forget::Suspect };
                json(operator::forget(self.control.as_ref(), node, which).await)
            }
            _ => refuse(StatusCode::NOT_FOUND, "unknown question: is this pocket of another version?"),
        }
    }
}

fn host<B>(request: &Request<B>) -> Option<&str> {
    request.headers().get(header::HOST)?.to_str().ok()
}

/// Whether the caller is on this machine, and called it by an address: a web page cannot make a browser on this
/// machine ask in its own name, because that name would stand in `Host`.
fn on_this_machine(peer: IpAddr, host: Option<&str>) -> bool {
    let Some(host) = host else { return false };
    let name = host
        .rsplit_once(':')
        .filter(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()))
        .map_or(host, |h| h.0);
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    peer.to_canonical().is_loopback() && (bare == "localhost" || bare.parse::<IpAddr>().is_ok())
}

fn text(status: StatusCode, body: String) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    answer
}

fn refuse(status: StatusCode, why: &str) -> Answer {
    let body = serde_json::to_string(&Refused { error: why.into() }).unwrap_or_default();
    text(status, body)
}

/// The one table from the controller's errors to HTTP.
fn json<T: Serialize>(answer: Result<T, ControlError>) -> Answer {
    let why = match answer.map(|value| serde_json::to_string(&value)) {
        Ok(Ok(body)) => return text(StatusCode::OK, body),
        Ok(Err(why)) => return refuse(StatusCode::INTERNAL_SERVER_ERROR, &why.to_string()),
        Err(why) => why,
    };
    let status = match why {
        ControlError::NoSuchBucket | ControlError::NotAMember => StatusCode::NOT_FOUND,
        ControlError::NotEmpty
        | ControlError::BucketExists { .. }
        | ControlError::Stale
        | ControlError::Conflict
        | ControlError::Refused(_) => StatusCode::CONFLICT,
        ControlError::WrongTenant => StatusCode::FORBIDDEN,
        ControlError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    refuse(status, &why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_on_this_machine_and_call_it_by_address() {
        let near: IpAddr = "127.0.0.1".parse().unwrap();
        let mapped: IpAddr = "::ffff:127.0.0.1".parse().unwrap();
        let far: IpAddr = "10.1.2.3".parse().unwrap();
        for host in ["127.0.0.1:9001", "localhost:9001", "[::1]:9001", "127.0.0.1", "localhost"] {
            assert!(on_this_machine(near, Some(host)) && on_this_machine(mapped, Some(host)), "{host}");
            assert!(!on_this_machine(far, Some(host)), "{host}");
        }
        for host in ["evil.example:9001", "evil.example", "", "127.0.0.1.evil.example"] {
            assert!(!on_this_machine(near, Some(host)), "{host}");
        }
        assert!(!on_this_machine(near, None));
    }
}
