//! Everything that can be refused before an operation is known to S3's data types, in the order in which a request
//! passes: `target` and `query` read the URI, `signature` proves who sent it, `routing` finds its operation in the
//! `allow_list`, `headers` is the one of headers, `payload` reads the promises about the body, `body` holds the client to
//! them, `document` to S3's documents where the body has to be one; `form` makes a PUT of a form. What is hot goes on by the
//! `wire`; the rest goes to s3s with an [`RequestContext`](crate::context::RequestContext). Both without any trace of signing
//! or framing.
//!
//! The edge never touches another plane, and never lets a header or parameter pass that nobody behind it acts on.

mod allow_list;
pub(crate) mod answer;
pub(crate) mod authorization;
pub(crate) mod body;
pub(crate) mod chunked;
pub(crate) mod cors;
#[cfg(test)]
pub(crate) mod coverage;
pub(crate) mod digests;
pub(crate) mod document;
pub(crate) mod documents;
pub(crate) mod form;
pub(crate) mod headers;
mod location;
pub(crate) mod operation;
pub(crate) mod payload;
pub(crate) mod payload_stream;
pub(crate) mod percent;
pub(crate) mod presigned;
pub(crate) mod query;
pub(crate) mod rfc2047;
pub(crate) mod routing;
pub(crate) mod session;
pub(crate) mod signature;
pub(crate) mod signature_v2;
pub(crate) mod signing_keys;
pub(crate) mod stamp;
pub(crate) mod stamped;
pub(crate) mod target;
pub(crate) mod wire;
pub(crate) mod xml;

use crate::bucket_tags::split_tags;
use crate::caller::Caller;
use crate::calls::Operations;
use crate::context::{Connection, RequestContext};
use crate::credentials::Credentials;
use crate::details::Asked;
use crate::metrics::{Metrics, count_refusal};
use crate::refusal::{ErrorCode, Refusal};
use answer::{Body, RequestId, RequestIds};
use bytes::Bytes;
use cors::{CorsSource, Page};
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use location::Style;
use operation::Operation;
use payload::Promise;
use payload_stream::{Source, Unread};
use pocket_api::clock::Clock;
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, ObjectKey};
use query::Query;
use routing::classify;
use s3s::service::S3Service;
use session::Session;
use signature::{Proof, Signed};
use signing_keys::SigningKeys;
use std::sync::Arc;
use target::Target;

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// The front of one gateway.
pub(crate) struct Edge<O> {
    keys: SigningKeys,
    clock: Arc<dyn Clock>,
    domain: Option<String>,
    request_ids: RequestIds,
    host_id: HeaderValue,
    operations: O,
    metrics: Metrics,
    service: S3Service,
    /// Without it there are no preflights, and no page reads anything.
    cors: Option<Arc<dyn CorsSource>>,
}

/// A request that may pass, before its body.
struct Admitted {
    operation: Operation,
    /// `None` for the service.
    bucket: Option<BucketName>,
    /// `None` for the service and for buckets.
    key: Option<ObjectKey>,
    proof: Proof,
    promise: Option<Promise>,
    /// Where what is passed on differs from what came.
    uri: Option<Uri>,
    style: Style,
}

/// A request that may pass.
pub(in crate::edge) struct Request {
    operation: Operation,
    bucket: Option<BucketName>,
    key: Option<ObjectKey>,
    headers: HeaderMap,
    /// In path style, without the parameters of a signature.
    uri: Uri,
    style: Style,
    context: RequestContext,
    body: Unread,
}

impl<O: Operations> Edge<O> {
    /// `seed`: random. `service` must be without its own authentication and host parsing.
    #[expect(clippy::too_many_arguments)]
    pub(crate) fn new(
        credentials: Credentials,
        domain: Option<String>,
        node: NodeId,
        clock: Arc<dyn Clock>,
        seed: u64,
        operations: O,
        service: S3Service,
        cors: Option<Arc<dyn CorsSource>>,
    ) -> Self {
        let host_id = HeaderValue::from_str(&node.to_string()).unwrap_or(HeaderValue::from_static("pocket"));
        let (keys, request_ids) = (SigningKeys::new(credentials), RequestIds::new(seed));
        let metrics = Metrics::new();
        Self { keys, clock, domain, request_ids, host_id, operations, metrics, service, cors }
    }

    /// Answers a request. The body is read only as far as the answer needs it; the rest stays in `body`, whose owner
    /// drops or drains it.
    pub(crate) async fn answer(
        &self,
        request: http::Request<Source>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        let request_id = self.request_ids.issue();
        let (mut parts, body) = request.into_parts();
        let method = parts.method.clone();
        let target = parts.uri.path_and_query().cloned();
        let path = target.as_ref().map_or("/", |target| target.path());
        let cors = self.cors.as_deref();
        let page = cors.and_then(|_| Page::of(&parts, self.domain.as_deref()));
        let outcome = match cors {
            Some(cors) if method == Method::OPTIONS => {
                cors::preflight(&parts, self.domain.as_deref(), cors).await
            }
            _ => self.pass(&mut parts, body, connection, request_id).await,
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            count_refusal(refusal.code);
            answer::refuse(&refusal, path, request_id)
        });
        if let (Some(cors), Some(page)) = (cors, page) {
            page.let_read(cors, &mut response).await;
        }
        answer::finish(&mut response, &method, path, request_id, &self.host_id);
        response
    }

    async fn pass(
        &self,
        parts: &mut Parts,
        body: Source,
        connection: Arc<Connection>,
        request_id: RequestId,
    ) -> Result<Response<Body>, Refusal> {
        let uri = std::mem::take(&mut parts.uri);
        let query = Query::parse(uri.query().unwrap_or(""))?;
        let admitted = self.admit(parts, &uri, &query)?;
        if admitted.operation == Operation::PostObject {
            return Box::pin(self.serve_form(parts, admitted, body, connection, request_id)).await;
        }
        let Admitted { operation, bucket, key, proof, promise, uri: rewritten, style } = admitted;
        let headers = std::mem::take(&mut parts.headers);
        let uri = rewritten.unwrap_or_else(|| uri.clone());
        let asked = Asked { method: parts.method.clone(), uri: uri.clone() };
        let context = RequestContext::new(request_id, proof.caller, proof.signing, connection);
        let body = Unread::new(body, promise, proof.seed);
        let request = Request { operation, bucket, key, headers, uri, style, context, body };
        let answered = match self.carry_out(request, &query).await {
            Ok(Err(request)) => Box::pin(self.pass_on(parts, request)).await,
            Ok(Ok(response)) => Ok(response),
            Err(refusal) => Err(refusal),
        };
        answered.map_err(|refusal| asked.explain(refusal))
    }

    /// What s3s takes apart.
    async fn pass_on(&self, parts: &mut Parts, request: Request) -> Result<Response<Body>, Refusal> {
        let Request { operation, mut headers, uri, context, body, .. } = request;
        let context = Arc::new(context);
        let mut passed = http::Request::new(s3s::Body::empty());
        if let Some(document) = body.whole(operation).await? {
            let mut document = document;
            if operation == Operation::CreateBucket {
                let tags;
                (document, tags) = split_tags(&document)?;
                parts.extensions.insert(tags);
            }
            unframe(&mut headers, Some(document.len() as u64));
            *passed.body_mut() = s3s::Body::from(document);
        }
        headers.remove(AUTHORIZATION);
        parts.extensions.insert(context.clone());
        *passed.method_mut() = parts.method.clone();
        *passed.uri_mut() = uri;
        *passed.headers_mut() = headers;
        *passed.extensions_mut() = std::mem::take(&mut parts.extensions);
        let response = self.service.call(passed).await.map_err(|error| {
            tracing::error!(?error, request_id = %context.request_id, "request failed inside");
            Refusal::new(ErrorCode::InternalError, "we encountered an internal error")
        })?;
        match context.refusal.get() {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(response.map(Body::Foreign)),
        }
    }

    /// What is answered, as it goes over the wire, to a head that could not be read.
    pub(crate) fn unread(&self, refusal: &Refusal) -> Bytes {
        let request_id = self.request_ids.issue();
        count_refusal(refusal.code);
        let mut response = answer::refuse(refusal, "/", request_id);
        answer::finish(&mut response, &Method::GET, "/", request_id, &self.host_id);
        answer::last_of_connection(&response)
    }

    /// All checks that need no body.
    fn admit(&self, parts: &mut Parts, uri: &Uri, query: &Query<'_>) -> Result<Admitted, Refusal> {
        let raw_path = uri.path();
        let host = match parts.headers.get(HOST).map(HeaderValue::to_str) {
            Some(Ok(host)) => host,
            _ => return Err(Refusal::new(ErrorCode::InvalidRequest, "the request needs a header Host")),
        };
        let target = Target::parse(raw_path, host, self.domain.as_deref())?;
        if ![Method::GET, Method::PUT, Method::HEAD, Method::POST, Method::DELETE].contains(&parts.method) {
            return Err(routing::not_allowed(&parts.method, target.level));
        }
        let now = self.clock.now();
        let signed = Signed {
            method: &parts.method,
            host_bucket: target.host_bucket,
            raw_path,
            query,
            headers: &parts.headers,
        };
        let proof = signature::verify(signed, &self.keys, now)?;

        let is_signing = |name: &str| proof.presigned.is_some_and(|presigned| presigned.takes(name));
        let uri = match proof.presigned.is_some() || target.host_bucket.is_some() {
            true => Some(rewritten(&target, raw_path, query, is_signing)?),
            false => None,
        };
        let moved = proof.presigned.map(|presigned| presigned.headers(query)).transpose()?;
        let has_source = |headers: &HeaderMap| headers.contains_key(COPY_SOURCE);
        let source = match parts.method == Method::PUT
            && (has_source(&parts.headers) || moved.as_ref().is_some_and(has_source))
        {
            true => routing::Source::Copy,
            false => routing::Source::Body,
        };
        let operation = classify(&parts.method, target.level, query, source, is_signing)?;
        if proof.caller == Caller::Anonymous {
            refuse_overrides(query)?;
        }
        let style = if target.host_bucket.is_some() { Style::VirtualHost } else { Style::Path };
        let target = target.without_host();
        if let Some(moved) = moved {
            presigned::put_back(&moved, &mut parts.headers)?;
        }
        headers::check(&parts.headers, operation)?;
        if let Some(session) = &proof.session {
            session.check(operation, target.bucket_str(), &parts.headers)?;
        }
        if let (Operation::CreateSession, Some(principal)) = (operation, proof.caller.principal()) {
            let session = Session::begin(target.bucket_str(), &parts.headers, now)?;
            let credential = self.keys.credential(&principal.access_key_id)?;
            parts.extensions.insert(session.issue(&principal.access_key_id, &credential.secret));
        }
        if parts.method == Method::POST && operation != Operation::PostObject {
            refuse_forms(parts)?;
        }
        let promise = Promise::read(&parts.headers, operation, proof.payload)?;
        Ok(Admitted { operation, bucket: target.bucket, key: target.key, proof, promise, uri, style })
    }
}

/// The URI without signing parameters and in path style.
fn rewritten(
    target: &Target<'_>,
    raw_path: &str,
    query: &Query<'_>,
    is_signing: impl Fn(&str) -> bool,
) -> Result<Uri, Refusal> {
    let mut uri = target.path_style(raw_path).into_owned();
    query.write_kept(|name| !is_signing(name), &mut uri);
    Uri::try_from(uri).map_err(|_| Refusal::new(ErrorCode::InvalidURI, "couldn't parse the specified URI"))
}

/// Only who signs says what headers an answer has, as in S3: else any link could make a page of a public object.
fn refuse_overrides(query: &Query<'_>) -> Result<(), Refusal> {
    match query.iter().find(|pair| pair.name.starts_with("response-")) {
        None => Ok(()),
        Some(pair) => {
            let message = format!(
                "Request specific response headers cannot be used for anonymous GET requests: {}",
                pair.name
            );
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
    }
}

/// s3s would take a form apart before it looks at the operation.
fn refuse_forms(parts: &Parts) -> Result<(), Refusal> {
    let content_type =
        parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes).trim_ascii_start();
    let is_form = content_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    if parts.method == Method::POST && is_form {
        return Err(Refusal::new(ErrorCode::NotImplemented, "multipart forms are not implemented"));
    }
    Ok(())
}

/// Removes from the headers what describes the framing instead of the content.
fn unframe(headers: &mut HeaderMap, decoded_bytes: Option<u64>) {
    headers.remove(TRANSFER_ENCODING);
    headers.remove(&payload::DECODED_CONTENT_LENGTH);
    headers.remove(&payload::TRAILER);
    if let Some(bytes) = decoded_bytes {
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes));
    }
}
