//! Between HTTP and the operations, in the order in which a request
//! passes: `target` and `query` read the URI, `signature` proves who sent it, `routing` finds its operation in the
//! `allow_list`, `header_rules` is the one of headers, `payload` reads the promises about the body, `body` holds the client to
//! them, `document` to S3's documents where the body has to be one; `form` makes a PUT of a form; `wire` reads the typed
//! call of the operation and writes its answer. What comes to an operation bears no trace of signing or framing.
//!
//! The edge never touches another plane, and never lets a header or parameter pass that nobody behind it acts on.

use crate::answer::Body;
use crate::arrived::{Arrived, Came};
use crate::calls::{CorsSource, ServeAll, SessionCredentials};
use crate::context::{Connection, RequestContext, RequestId};
use crate::cors::WebPage;
use crate::credentials::Credentials;
use crate::details::Asked;
use crate::error_answer::RequestIds;
use crate::location::Style;
use crate::metrics::{Metrics, count_refusal};
use crate::operation::Operation;
use crate::payload::Promise;
use crate::payload_stream::{ByteSource, Unread};
use crate::proof::{Proof, Signed};
use crate::query::Query;
use crate::routing::classify;
use crate::session::Session;
use crate::signing_keys::SigningKeys;
use crate::target::{Level, Target};
use crate::{cors, error_answer, header_rules, presigned, routing, signature};
use arc_swap::ArcSwap;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use pocket_access::caller::Caller;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::clock::Clock;
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::names::{BucketName, ObjectKey};
use std::sync::Arc;

pub(crate) const BUCKET_REGION: HeaderName = HeaderName::from_static("x-amz-bucket-region");

/// The front of one gateway.
pub(crate) struct Edge<O> {
    /// Replaced as a whole, and with it all that was derived of the secrets.
    pub(crate) keys: ArcSwap<SigningKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    domain: Option<String>,
    request_ids: RequestIds,
    host_id: HeaderValue,
    region: HeaderValue,
    pub(crate) operations: O,
    pub(crate) metrics: Metrics,
    /// Without it there are no preflights, and no page reads anything.
    cors: Option<Arc<dyn CorsSource>>,
}

/// A request that may pass, before its body.
pub(crate) struct Admitted {
    pub(crate) operation: Operation,
    /// `None` for the service.
    pub(crate) bucket: Option<BucketName>,
    /// `None` for the service and for buckets.
    pub(crate) key: Option<ObjectKey>,
    pub(crate) proof: Proof,
    pub(crate) promise: Option<Promise>,
    /// Where what is passed on differs from what came.
    pub(crate) uri: Option<Uri>,
    pub(crate) came: Came,
    /// What a request for a session is about.
    pub(crate) session: Option<Box<SessionCredentials>>,
    pub(crate) style: Style,
}

/// A request that may pass.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) bucket: Option<BucketName>,
    pub(crate) key: Option<ObjectKey>,
    pub(crate) came: Came,
    pub(crate) session: Option<Box<SessionCredentials>>,
    pub(crate) headers: HeaderMap,
    /// In path style, without the parameters of a signature.
    pub(crate) uri: Uri,
    pub(crate) style: Style,
    pub(crate) context: RequestContext,
    pub(crate) body: Unread,
}

impl<O: ServeAll> Edge<O> {
    pub(crate) fn new(
        credentials: Credentials,
        domain: Option<String>,
        region: &str,
        node: NodeId,
        env: &Env,
        operations: O,
        cors: Option<Arc<dyn CorsSource>>,
    ) -> Self {
        let host_id = HeaderValue::from_str(&node.to_string()).unwrap_or(HeaderValue::from_static("pocket"));
        let keys = ArcSwap::from_pointee(SigningKeys::new(credentials));
        let (clock, request_ids) = (env.clock(), RequestIds::new(env.draw()));
        let (metrics, region) = (Metrics::new(), HeaderValue::from_str(region));
        let region = region.unwrap_or(HeaderValue::from_static(""));
        Self { keys, clock, domain, request_ids, host_id, region, operations, metrics, cors }
    }

    /// Answers a request. The body is read only as far as the answer needs it; the rest stays in `body`, whose owner
    /// drops or drains it.
    pub(crate) async fn answer(
        &self,
        request: http::Request<ByteSource>,
        connection: Arc<Connection>,
    ) -> Response<Body> {
        let request_id = self.request_ids.issue();
        let (mut parts, body) = request.into_parts();
        let method = parts.method.clone();
        let target = parts.uri.path_and_query().cloned();
        let path = target.as_ref().map_or("/", |target| target.path());
        let host_of_head = parts.headers.get(HOST).filter(|_| method == Method::HEAD).cloned();
        let cors = self.cors.as_deref();
        let page = cors.and_then(|_| WebPage::of(&parts, self.domain.as_deref()));
        let outcome = match cors {
            Some(cors) if method == Method::OPTIONS => {
                cors::preflight(&parts, self.domain.as_deref(), cors).await
            }
            _ => self.pass(&mut parts, body, connection, request_id).await,
        };
        let mut response = outcome.unwrap_or_else(|refusal| {
            count_refusal(refusal.code);
            let mut response = error_answer::refuse(&refusal, path, request_id, &self.host_id);
            if let Some(host) = &host_of_head {
                self.tell_region(path, host, &mut response);
            }
            response
        });
        if let (Some(cors), Some(page)) = (cors, page) {
            page.let_read(cors, &mut response).await;
        }
        error_answer::finish(&mut response, &method, request_id, &self.host_id);
        response
    }

    async fn pass(
        &self,
        parts: &mut Parts,
        body: ByteSource,
        connection: Arc<Connection>,
        request_id: RequestId,
    ) -> Result<Response<Body>, Refusal> {
        let uri = std::mem::take(&mut parts.uri);
        let query = Query::parse(uri.query().unwrap_or(""))?;
        let admitted = self.admit(parts, &uri, &query)?;
        if admitted.operation == Operation::PostObject {
            return Box::pin(self.serve_form(parts, admitted, body, connection, request_id)).await;
        }
        let Admitted { operation, bucket, key, proof, promise, uri: rewritten, came, session, style } =
            admitted;
        let headers = std::mem::take(&mut parts.headers);
        let uri = rewritten.unwrap_or_else(|| uri.clone());
        let asked = Asked::new(parts.method.clone(), uri.clone()).saying(&headers, came);
        let context = RequestContext::new(request_id, proof.caller, proof.signing, connection);
        let body = Unread::new(body, promise, proof.seed);
        let request = Request { operation, bucket, key, came, session, headers, uri, style, context, body };
        let answered = self.carry_out(operation, &mut Some(request), &query).await;
        answered.map_err(|refusal| asked.explain(refusal))
    }

    /// Who may not see a bucket, or has to look for it elsewhere, may still know where it is: SDKs ask so for a region.
    fn tell_region(&self, path: &str, host: &HeaderValue, response: &mut Response<Body>) {
        let is_told = matches!(response.status(), StatusCode::FORBIDDEN | StatusCode::MOVED_PERMANENTLY);
        let target = host.to_str().map(|host| Target::parse(path, host, self.domain.as_deref()));
        if is_told && target.is_ok_and(|target| target.is_ok_and(|target| target.level == Level::Bucket)) {
            response.headers_mut().insert(BUCKET_REGION, self.region.clone());
        }
    }

    /// What is answered, as it goes over the wire, to a head that could not be read.
    pub(crate) fn unread(&self, refusal: &Refusal) -> Bytes {
        let request_id = self.request_ids.issue();
        count_refusal(refusal.code);
        let mut response = error_answer::refuse(refusal, "/", request_id, &self.host_id);
        error_answer::finish(&mut response, &Method::GET, request_id, &self.host_id);
        error_answer::last_of_connection(&response)
    }

    /// All checks that need no body.
    fn admit(&self, parts: &mut Parts, uri: &Uri, query: &Query<'_>) -> Result<Admitted, Refusal> {
        let raw_path = uri.path();
        let arrived = Arrived::of(&parts.headers);
        let host = match arrived.get(HOST.as_str()).map(HeaderValue::to_str) {
            Some(Ok(host)) => host,
            _ => return Err(Refusal::new(ErrorCode::InvalidRequest, "the request needs a header Host")),
        };
        let target = Target::parse(raw_path, host, self.domain.as_deref())?;
        if ![Method::GET, Method::PUT, Method::HEAD, Method::POST, Method::DELETE].contains(&parts.method) {
            return Err(routing::not_allowed(&parts.method, target.level, query));
        }
        let now = self.clock.now();
        let signed = Signed {
            method: &parts.method,
            host_bucket: target.host_bucket,
            raw_path,
            query,
            headers: &parts.headers,
        };
        let keys = self.keys.load();
        let proof = signature::verify(signed, &arrived, &keys, now)?;
        let mut came = arrived.came;
        // From here on the headers may change.
        drop(arrived);

        let is_signing = |name: &str| proof.presigned.is_some_and(|presigned| presigned.takes(name));
        let uri = match proof.presigned.is_some() || target.host_bucket.is_some() {
            true => Some(rewritten(&target, raw_path, query, is_signing)?),
            false => None,
        };
        let moved = proof.presigned.map(|presigned| presigned.headers(query)).transpose()?;
        if let Some(moved) = &moved {
            came = came.or(Arrived::of(moved).came);
        }
        let source = match parts.method == Method::PUT && came.copy_source {
            true => routing::ContentFrom::Copy,
            false => routing::ContentFrom::Body,
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
        header_rules::check(&parts.headers, operation)?;
        if let Some(session) = &proof.session {
            session.check(operation, target.bucket_str(), &parts.headers)?;
        }
        let session = match (operation, proof.caller.principal()) {
            (Operation::CreateSession, Some(principal)) => {
                let session = Session::begin(target.bucket_str(), &parts.headers, now)?;
                let credential = keys.credential(&principal.access_key_id)?;
                Some(Box::new(session.issue(&principal.access_key_id, &credential.secret)))
            }
            _ => None,
        };
        if parts.method == Method::POST && operation != Operation::PostObject {
            refuse_forms(parts)?;
        }
        let promise = Promise::read(&parts.headers, came, operation, proof.payload)?;
        let Target { bucket, key, .. } = target;
        Ok(Admitted { operation, bucket, key, proof, promise, uri, came, session, style })
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

/// A form is a POST to a bucket alone (`form`); anywhere else it would be stored or read as if it were no form.
fn refuse_forms(parts: &Parts) -> Result<(), Refusal> {
    let content_type =
        parts.headers.get(CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes).trim_ascii_start();
    let is_form = content_type.get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"multipart/"));
    if parts.method == Method::POST && is_form {
        return Err(Refusal::new(ErrorCode::NotImplemented, "multipart forms are not implemented"));
    }
    Ok(())
}
