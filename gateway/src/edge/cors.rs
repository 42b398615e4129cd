//! The edge's part of CORS: preflights, which are answered here and never get further, and the headers that go with every
//! other answer to a page, refusals too, so that the page can read why. What the rules are is the bucket's business.

use super::query::Query;
use super::routing;
use super::target::Target;
use crate::access::cors::{Cors, Preflight};
use crate::edge::answer::Body;
use crate::refusal::{ErrorCode, Refusal};
use async_trait::async_trait;
use http::header::{ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use pocket_api::names::BucketName;
use std::sync::Arc;

/// Knows the CORS configurations of buckets.
#[async_trait]
pub(crate) trait CorsSource: Send + Sync + 'static {
    /// For a preflight, which nobody behind the edge looks at again: what holds now. `None` where the bucket has no
    /// configuration.
    async fn current(&self, bucket: &BucketName) -> Result<Option<Arc<Cors>>, Refusal>;

    /// For an answer that is on its way: what was found out for the request itself.
    async fn remembered(&self, bucket: &BucketName) -> Option<Arc<Cors>>;
}

/// A request that a browser sent for a page.
pub(crate) struct Page {
    origin: HeaderValue,
    method: Method,
    bucket: BucketName,
}

impl Page {
    /// `None` for requests of others, and for those that are aimed at no bucket.
    pub(crate) fn of(parts: &Parts, domain: Option<&str>) -> Option<Self> {
        let origin = parts.headers.get(ORIGIN)?.clone();
        let bucket = target(parts, domain).ok()?.bucket?;
        Some(Self { origin, method: parts.method.clone(), bucket })
    }

    /// Adds what lets the page read the answer, where a rule of the bucket says that it may.
    pub(crate) async fn let_read(&self, source: &dyn CorsSource, response: &mut Response<Body>) {
        let Ok(origin) = self.origin.to_str() else { return };
        let Some(cors) = source.remembered(&self.bucket).await else { return };
        response.headers_mut().extend(cors.headers(origin, &self.method).into_iter().flatten());
    }
}

/// Answers a preflight.
pub(crate) async fn preflight(
    parts: &Parts,
    domain: Option<&str>,
    source: &dyn CorsSource,
) -> Result<Response<Body>, Refusal> {
    let target = target(parts, domain)?;
    let Some(bucket) = target.bucket else {
        return Err(routing::not_allowed(&parts.method, target.level, &Query::default()));
    };
    let origin = text(&parts.headers, ORIGIN)
        .ok_or_else(|| insufficient("Insufficient information. Origin request header needed.".into()))?;
    let method = text(&parts.headers, ACCESS_CONTROL_REQUEST_METHOD).unwrap_or("null");
    if !["GET", "PUT", "POST", "DELETE", "HEAD"].contains(&method) {
        return Err(insufficient(format!("Invalid Access-Control-Request-Method: {method:.40}")));
    }
    let headers = text(&parts.headers, ACCESS_CONTROL_REQUEST_HEADERS);
    let cors = match source.current(&bucket).await {
        Ok(Some(cors)) => cors,
        Ok(None) => return Err(forbidden("CORSResponse: CORS is not enabled for this bucket.")),
        Err(refusal) if refusal.code == ErrorCode::NoSuchBucket => {
            return Err(forbidden("CORSResponse: Bucket not found"));
        }
        Err(refusal) => return Err(refusal),
    };
    let Some(allowed) = cors.preflight(Preflight { origin, method, headers }) else {
        return Err(forbidden(
            "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of Origin, request \
             method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the \
             resource's CORS spec.",
        ));
    };
    let mut response = Response::new(Body::empty());
    *response.headers_mut() = allowed;
    Ok(response)
}

fn target<'a>(parts: &'a Parts, domain: Option<&str>) -> Result<Target<'a>, Refusal> {
    Target::parse(parts.uri.path(), text(&parts.headers, HOST).unwrap_or(""), domain)
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

fn insufficient(message: String) -> Refusal {
    Refusal::new(ErrorCode::BadRequest, message)
}

fn forbidden(message: &'static str) -> Refusal {
    Refusal::new(ErrorCode::AccessForbidden, message)
}
