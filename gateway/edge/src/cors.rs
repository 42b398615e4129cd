//! The edge's part of CORS: preflights, which are answered here and never get further, and the headers that go with every
//! other answer to a page, refusals too, so that the page can read why. What the rules are is the bucket's business.

use super::query::Query;
use super::routing;
use super::target::Target;
use crate::answer::Body;
use crate::calls::CorsSource;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, HOST, ORIGIN, VARY,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use pocket_access::cors::{Cors, CorsRule, Preflight};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::names::BucketName;

/// What an answer to a page depends on, for caches on the way.
const VARIES_BY: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Headers, Access-Control-Request-Method");

/// A request that a browser sent for a page.
pub(crate) struct WebPage {
    origin: HeaderValue,
    method: Method,
    bucket: BucketName,
}

impl WebPage {
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
        let rule = cors.lets_read(origin, self.method.as_str());
        let headers = rule.and_then(|rule| headers(rule, origin));
        response.headers_mut().extend(headers.into_iter().flatten());
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
    let Some(allowed) = allowed(&cors, origin, method, headers) else {
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

/// The headers of an answer to a preflight; `None` where no rule fits.
pub(crate) fn allowed(cors: &Cors, origin: &str, method: &str, asked: Option<&str>) -> Option<HeaderMap> {
    let asked: Vec<&str> =
        asked.unwrap_or("").split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    let rule = cors.lets_send(Preflight { origin, method, headers: &asked })?;
    let mut answer = headers(rule, origin)?;
    if !asked.is_empty() {
        let names = asked.join(", ").to_ascii_lowercase();
        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::try_from(names).ok()?);
    }
    Some(answer)
}

/// What a rule lets a page read; `None` where the origin is nothing that a header can carry.
fn headers(rule: &CorsRule, origin: &str) -> Option<HeaderMap> {
    let mut answer = HeaderMap::new();
    if rule.takes_every_origin() {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    } else {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_str(origin).ok()?);
        answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::try_from(rule.methods.join(", ")).ok()?);
    if !rule.expose.is_empty() {
        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::try_from(rule.expose.join(", ")).ok()?);
    }
    if let Some(secs) = rule.max_age_secs {
        answer.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from(secs));
    }
    answer.insert(VARY, VARIES_BY);
    Some(answer)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_its_rule_lets_a_page_do() {
        let texts = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let first = CorsRule {
            origins: texts(&["https://*.example.com"]),
            methods: texts(&["PUT", "GET"]),
            headers: texts(&["x-amz-*", "Content-Type"]),
            expose: texts(&["ETag", "x-amz-request-id"]),
            max_age_secs: Some(600),
            ..CorsRule::default()
        };
        let everybody = CorsRule { origins: texts(&["*"]), methods: texts(&["GET"]), ..CorsRule::default() };
        let cors = Cors { rules: vec![first, everybody] };
        let asked = Some("Content-Type,, X-Amz-Date");
        let answer = allowed(&cors, "https://a.example.com", "PUT", asked).unwrap();
        for (name, value) in [
            ("access-control-allow-origin", "https://a.example.com"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-methods", "PUT, GET"),
            ("access-control-allow-headers", "content-type, x-amz-date"),
            ("access-control-expose-headers", "ETag, x-amz-request-id"),
            ("access-control-max-age", "600"),
        ] {
            assert_eq!(answer[name], value, "{name}");
        }
        let everybody = allowed(&cors, "https://example.org", "GET", None).unwrap();
        assert_eq!(everybody["access-control-allow-origin"], "*");
        assert!(!everybody.contains_key("access-control-allow-credentials"));
        assert!(!everybody.contains_key("access-control-allow-headers"));
        assert!(allowed(&cors, "https://example.org", "PUT", None).is_none());
    }
}
