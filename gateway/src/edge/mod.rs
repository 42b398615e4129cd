//! Everything that can be refused before an operation is known to S3's data types, in the order in which a request
//! passes: `target` and `query` read the URI, `signature` proves who sent it, `routing` finds its operation in the
//! `allow_list`, `headers` is the one of headers, `payload` reads the promises about the body, `body` holds the client to
//! them, `document` to S3's documents where the body has to be one; `form` makes a PUT of a form. What passes goes to s3s
//! with an [`RequestContext`](crate::context::RequestContext) and without any trace of signing or framing.
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
pub(crate) mod form;
pub(crate) mod headers;
pub(crate) mod operation;
pub(crate) mod payload;
pub(crate) mod percent;
pub(crate) mod presigned;
pub(crate) mod query;
pub(crate) mod routing;
pub(crate) mod session;
pub(crate) mod signature;
pub(crate) mod signature_v2;
pub(crate) mod signing_keys;
pub(crate) mod stamp;
pub(crate) mod target;

use crate::bucket_tags::split_tags;
use crate::caller::Caller;
use crate::context::{BodyOutcome, Connection, RenameRequest, RequestContext, StoredExpires};
use crate::credentials::Credentials;
use crate::details::Asked;
use crate::metrics::count_refusal;
use crate::refusal::{ErrorCode, Refusal};
use answer::RequestIds;
use body::VerifiedBody;
use bytes::Bytes;
use cors::{CorsSource, Page};
use http::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPIRES, HOST, RANGE, TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::BodyExt;
use operation::Operation;
use payload::Promise;
use pocket_api::clock::Clock;
use pocket_api::ids::NodeId;
use query::Query;
use routing::{Source, classify};
use s3s::Body;
use s3s::service::S3Service;
use session::Session;
use signature::{Proof, Signed};
use signing_keys::SigningKeys;
use std::sync::{Arc, OnceLock};
use target::Target;

const COPY_SOURCE: HeaderName = HeaderName::from_static("x-amz-copy-source");

/// The front of one gateway.
pub(crate) struct Edge {
    keys: SigningKeys,
    clock: Arc<dyn Clock>,
    domain: Option<String>,
    request_ids: RequestIds,
    host_id: HeaderValue,
    service: S3Service,
    /// Without it there are no preflights, and no page reads anything.
    cors: Option<Arc<dyn CorsSource>>,
}

/// A request for s3s.
struct Passed {
    request: Request<Body>,
    context: Arc<RequestContext>,
    /// How to answer, where it came as a form.
    form: Option<Box<form::Success>>,
}

/// A request that may pass.
struct Admitted {
    operation: Operation,
    proof: Proof,
    promise: Option<Promise>,
    /// Where what is passed on differs from what came.
    uri: Option<Uri>,
}

impl Edge {
    /// `seed`: random. `service` must be without its own authentication and host parsing.
    pub(crate) fn new(
        credentials: Credentials,
        domain: Option<String>,
        node: NodeId,
        clock: Arc<dyn Clock>,
        seed: u64,
        service: S3Service,
        cors: Option<Arc<dyn CorsSource>>,
    ) -> Self {
        let host_id = HeaderValue::from_str(&node.to_string()).unwrap_or(HeaderValue::from_static("pocket"));
        let (keys, request_ids) = (SigningKeys::new(credentials), RequestIds::new(seed));
        Self { keys, clock, domain, request_ids, host_id, service, cors }
    }

    /// Answers a request. The body is read only as far as the answer needs it; the rest stays in `body`, whose owner
    /// drops or drains it.
    pub(crate) async fn answer<B>(&self, request: Request<B>, connection: Arc<Connection>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    {
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
            _ => self.serve(&mut parts, body, connection, &request_id).await,
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            count_refusal(refusal.code);
            answer::refuse(&refusal, path, &request_id)
        });
        if let (Some(cors), Some(page)) = (cors, page) {
            page.let_read(cors, &mut response).await;
        }
        answer::finish(&mut response, &method, path, &request_id, &self.host_id);
        response
    }

    async fn serve<B>(
        &self,
        parts: &mut Parts,
        body: B,
        connection: Arc<Connection>,
        request_id: &str,
    ) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    {
        let Passed { request, context, form } = self.pass(parts, body, connection, request_id).await?;
        let asked = Asked { method: request.method().clone(), uri: request.uri().clone() };
        let mut response = self.service.call(request).await.map_err(|error| {
            tracing::error!(?error, request_id, "request failed inside");
            Refusal::new(ErrorCode::InternalError, "we encountered an internal error")
        })?;
        if let Some(refusal) = context.refusal.get() {
            return Err(asked.explain(refusal.clone()));
        }
        if let Some(form) = form {
            form.shape(&mut response);
        }
        Ok(response)
    }

    /// What is answered, as it goes over the wire, to a head that could not be read.
    pub(crate) fn unread(&self, refusal: &Refusal) -> Bytes {
        let request_id = self.request_ids.issue();
        count_refusal(refusal.code);
        let mut response = answer::refuse(refusal, "/", &request_id);
        answer::finish(&mut response, &Method::GET, "/", &request_id, &self.host_id);
        answer::last_of_connection(&response)
    }

    /// Makes of what came what s3s may see, or refuses it.
    async fn pass<B>(
        &self,
        parts: &mut Parts,
        body: B,
        connection: Arc<Connection>,
        request_id: &str,
    ) -> Result<Passed, Refusal>
    where
        B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
    {
        let admitted = self.admit(parts)?;
        if admitted.operation == Operation::PostObject {
            return self.pass_form(parts, admitted, body, connection, request_id).await;
        }
        let Admitted { operation, proof, promise, uri } = admitted;
        let context = Arc::new(RequestContext {
            request_id: request_id.to_owned(),
            caller: proof.caller,
            connection,
            signing: proof.signing,
            body_max_bytes: None,
            body: BodyOutcome::default(),
            refusal: OnceLock::new(),
        });
        let body = match promise {
            None => {
                context.body.settle(Ok(None));
                Body::empty()
            }
            Some(promise) => {
                let verified = VerifiedBody::new(body, &promise, proof.seed, Some(context.clone()));
                let nothing_to_stream = promise.decoded_bytes == Some(0);
                let document_max = operation.body_use().document_max_bytes();
                if document_max.is_some() || nothing_to_stream {
                    let mut document = collect(verified, &promise, document_max.unwrap_or(0)).await?;
                    if operation.body_use().is_xml() {
                        document = document::checked(document)?;
                    }
                    if operation == Operation::CreateBucket {
                        let tags;
                        (document, tags) = split_tags(&document)?;
                        parts.extensions.insert(tags);
                    }
                    unframe(&mut parts.headers, Some(document.len() as u64));
                    Body::from(document)
                } else {
                    if promise.form.is_chunked() {
                        unframe(&mut parts.headers, promise.decoded_bytes);
                    }
                    Body::http_body(verified)
                }
            }
        };
        keep_stored_encoding(&mut parts.headers);
        keep_expires(&mut parts.headers, &mut parts.extensions);
        parts.headers.remove(AUTHORIZATION);
        if operation == Operation::RenameObject {
            parts.extensions.insert(RenameRequest);
        }
        parts.extensions.insert(context.clone());
        let mut passed = Request::new(body);
        *passed.method_mut() = parts.method.clone();
        *passed.uri_mut() = uri.unwrap_or_else(|| std::mem::take(&mut parts.uri));
        *passed.headers_mut() = std::mem::take(&mut parts.headers);
        *passed.extensions_mut() = std::mem::take(&mut parts.extensions);
        Ok(Passed { request: passed, context, form: None })
    }

    /// All checks that need no body.
    fn admit(&self, parts: &mut Parts) -> Result<Admitted, Refusal> {
        let raw_path = parts.uri.path();
        let query = Query::parse(parts.uri.query().unwrap_or(""))?;
        let host = match parts.headers.get(HOST).map(HeaderValue::to_str) {
            Some(Ok(host)) => host,
            _ => return Err(Refusal::new(ErrorCode::InvalidRequest, "the request needs a header Host")),
        };
        let target = Target::parse(raw_path, host, self.domain.as_deref())?;
        let Target { host_bucket, .. } = target;
        if ![Method::GET, Method::PUT, Method::HEAD, Method::POST, Method::DELETE].contains(&parts.method) {
            return Err(routing::not_allowed(&parts.method, target.level));
        }
        let signed =
            Signed { method: &parts.method, host_bucket, raw_path, query: &query, headers: &parts.headers };
        let proof = signature::verify(signed, &self.keys, self.clock.now())?;

        let is_signing = |name: &str| proof.presigned.is_some_and(|presigned| presigned.takes(name));
        let uri = match proof.presigned.is_some() || target.host_bucket.is_some() {
            true => Some(rewritten(&target, raw_path, &query, is_signing)?),
            false => None,
        };
        let moved = proof.presigned.map(|presigned| presigned.headers(&query)).transpose()?;
        let has_source = |headers: &HeaderMap| headers.contains_key(COPY_SOURCE);
        let source = match has_source(&parts.headers) || moved.as_ref().is_some_and(has_source) {
            true => Source::Copy,
            false => Source::Body,
        };
        let operation = classify(&parts.method, target.level, &query, source, is_signing)?;
        if proof.caller == Caller::Anonymous {
            refuse_overrides(&query)?;
        }
        let opens_session = operation == Operation::CreateSession;
        let bucket = match proof.session.is_some() || opens_session {
            true => target.bucket(raw_path)?,
            false => String::new(),
        };
        if let Some(moved) = moved {
            presigned::put_back(&moved, &mut parts.headers)?;
        }
        headers::check(&parts.headers, operation)?;
        if let Some(session) = &proof.session {
            session.check(operation, &bucket, &parts.headers)?;
        }
        if let (true, Some(principal)) = (opens_session, proof.caller.principal()) {
            let session = Session::begin(&bucket, &parts.headers, self.clock.now())?;
            let credential = self.keys.credential(&principal.access_key_id)?;
            parts.extensions.insert(session.issue(&principal.access_key_id, &credential.secret));
        }
        if operation != Operation::PostObject {
            refuse_forms(parts)?;
        }
        settle_range(&mut parts.headers, operation);
        let promise = Promise::read(&parts.headers, operation, proof.payload)?;
        Ok(Admitted { operation, proof, promise, uri })
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

/// What is not one range of bytes is no Range: S3 and HTTP answer with the whole object, and with 200 say so.
fn settle_range(headers: &mut HeaderMap, operation: Operation) {
    let reads = matches!(operation, Operation::GetObject | Operation::HeadObject);
    let is_bad = |text: &str| s3s::dto::Range::parse(text).is_err();
    let Some(range) = headers.get(RANGE).filter(|_| reads) else { return };
    let range = range.to_str().unwrap_or("");
    if is_bad(range) {
        let within = within_bounds(range).filter(|range| !is_bad(range));
        match within.and_then(|range| HeaderValue::try_from(range).ok()) {
            Some(range) => headers.insert(RANGE, range),
            None => headers.remove(RANGE),
        };
    }
}

/// A range of which s3s cannot count an end, with the largest that it can: what is behind every object is so either way.
fn within_bounds(range: &str) -> Option<String> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let bounded = |digits: &str| match digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        true => digits.to_owned(),
        false => digits.parse().unwrap_or(i64::MAX).to_string(),
    };
    Some(format!("bytes={}-{}", bounded(first), bounded(last)))
}

/// Reads a whole document.
async fn collect<B>(mut body: VerifiedBody<B>, promise: &Promise, max_bytes: u64) -> Result<Bytes, Refusal>
where
    B: http_body::Body<Data = Bytes> + Send + Sync + Unpin + 'static,
{
    let too_long = || {
        let message = format!("your request was too big: this document may have {max_bytes} bytes");
        Refusal::new(ErrorCode::MaxMessageLengthExceeded, message).with("MaxMessageLengthBytes", max_bytes)
    };
    if promise.decoded_bytes.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_long());
    }
    let mut document = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| error.0)?;
        let data = frame.data_ref().map_or(&[][..], |data| data);
        if (document.len() + data.len()) as u64 > max_bytes {
            return Err(too_long());
        }
        document.extend_from_slice(data);
    }
    Ok(document.into())
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

/// Takes `Expires` past s3s.
fn keep_expires(headers: &mut HeaderMap, extensions: &mut Extensions) {
    if let Some(value) = headers.remove(EXPIRES) {
        extensions.insert(StoredExpires(value));
    }
}

/// Leaves of `Content-Encoding` what belongs to the object, in one line: SDKs send the framing in a line of its own.
fn keep_stored_encoding(headers: &mut HeaderMap) {
    if !headers.contains_key(CONTENT_ENCODING) {
        return;
    }
    let lines = headers.get_all(CONTENT_ENCODING).iter().map(|line| line.to_str().ok());
    let Some(lines) = lines.collect::<Option<Vec<&str>>>() else { return };
    match payload::stored_encoding(&lines.join(",")).and_then(|kept| HeaderValue::from_str(&kept).ok()) {
        Some(kept) => {
            headers.insert(CONTENT_ENCODING, kept);
        }
        None => {
            headers.remove(CONTENT_ENCODING);
        }
    }
}
