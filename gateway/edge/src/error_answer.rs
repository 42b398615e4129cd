//! Answers to what is refused, in S3's XML, and what every answer carries.

use super::answer::Body;
use super::xml::{self, escape, reference};
use crate::context::RequestId;
use crate::headers::not_modified;
use bytes::Bytes;
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use pocket_access::refusal::{HeadNote, Refusal};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const LOST: HeaderName = HeaderName::from_static("x-pocket-lost");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// Issues request ids: a counter whose bits are mixed with a random seed, so that ids of different gateways and runs
/// differ and none tells how many there were.
#[derive(Debug)]
pub(crate) struct RequestIds {
    next: AtomicU64,
    seed: u64,
}

impl RequestIds {
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: AtomicU64::new(0), seed }
    }

    pub(crate) fn issue(&self) -> RequestId {
        // SplitMix64: a bijection, so no id comes twice.
        let mut z = self
            .seed
            .wrapping_add(self.next.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mut digits = [0; 16];
        let encoded = hex::encode_to_slice((z ^ (z >> 31)).to_be_bytes(), &mut digits);
        debug_assert!(encoded.is_ok(), "8 bytes are 16 digits");
        RequestId(digits)
    }
}

/// S3's error document for a refusal. `path` as it came.
pub(crate) fn refuse(
    refusal: &Refusal,
    path: &str,
    request_id: RequestId,
    host_id: &HeaderValue,
) -> Response<Body> {
    let mut xml = String::with_capacity(320);
    xml.push_str(xml::DECLARATION);
    xml.push_str("<Error><Code>");
    escape(refusal.code.as_str(), &mut xml);
    xml.push_str("</Code><Message>");
    escape(&refusal.message, &mut xml);
    xml.push_str("</Message>");
    for (name, value) in refusal.elements() {
        // Writing to a string cannot fail.
        let _ = write!(xml, "<{name}>");
        escape_value(value, &mut xml);
        let _ = write!(xml, "</{name}>");
    }
    xml.push_str(&about(path, request_id, host_id));
    xml.push_str("</Error>");
    let mut response = Response::new(Body::from(xml));
    *response.status_mut() =
        StatusCode::from_u16(refusal.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(said) = refusal.said() {
        *headers = said_headers(said);
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

/// What the head of an error says.
pub(crate) fn said_headers(said: &HeadNote) -> HeaderMap {
    match said {
        HeadNote::Lost => HeaderMap::from_iter([(LOST, HeaderValue::from_static("true"))]),
        HeadNote::Size(size) => HeaderValue::try_from(format!("bytes */{size}"))
            .map(|value| (CONTENT_RANGE, value))
            .into_iter()
            .collect(),
        HeadNote::NotModified(meta) => not_modified(meta),
        HeadNote::Allowed(methods) => {
            HeaderValue::try_from(methods.join(", ")).map(|value| (ALLOW, value)).into_iter().collect()
        }
    }
}

/// As [`escape`], for a value that may have blanks in it of which readers of XML would make others.
fn escape_value(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{7f}' => reference(c, out),
            c => escape(c.encode_utf8(&mut [0; 4]), out),
        }
    }
}

/// What an error's document says of its request. `path` as it came.
fn about(path: &str, request_id: RequestId, host_id: &HeaderValue) -> String {
    let mut xml = String::with_capacity(path.len() + 128);
    xml.push_str("<Resource>");
    escape(path, &mut xml);
    // Writing to a string cannot fail.
    let _ = write!(xml, "</Resource><RequestId>{request_id}</RequestId><HostId>");
    escape(host_id.to_str().unwrap_or(""), &mut xml);
    xml.push_str("</HostId>");
    xml
}

/// Adds what every answer has. Errors of HEAD lose their document, as in S3, and so does 304.
pub(crate) fn finish(
    response: &mut Response<Body>,
    method: &Method,
    request_id: RequestId,
    host_id: &HeaderValue,
) {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if (is_error && method == Method::HEAD) || status == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_bytes(&request_id.0) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(HOST_ID, host_id.clone());
    headers.insert(http::header::SERVER, HeaderValue::from_static("Pocket"));
}

/// An answer as it goes over the wire, for one that no request stands behind. Nothing follows it.
pub(crate) fn last_of_connection(response: &Response<Body>) -> Bytes {
    let body = response.body().bytes().unwrap_or_default();
    let mut out = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    out.extend_from_slice(format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()).as_bytes());
    out.extend_from_slice(&body);
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;
    use std::collections::HashSet;

    #[test]
    fn request_ids_are_16_digits_and_differ() {
        let ids = RequestIds::new(7);
        let issued: HashSet<RequestId> = (0..1_000).map(|_| ids.issue()).collect();
        assert_eq!(issued.len(), 1_000);
        assert!(issued.iter().all(|id| id.0.iter().all(u8::is_ascii_hexdigit)));
    }

    #[test]
    fn refusals_are_xml_with_everything_escaped() {
        let refusal = Refusal::new(ErrorCode::InvalidArgument, "no <b> & \u{1}");
        let host = HeaderValue::from_static("n1");
        let response = refuse(&refusal, "/a&b", RequestId(*b"00ff00ff00ff00ff"), &host);
        let body = response.body().bytes().unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            text.contains("<Message>no &lt;b&gt; &amp; \u{fffd}</Message><Resource>/a&amp;b</Resource>"),
            "{text}"
        );
        let ids = "<RequestId>00ff00ff00ff00ff</RequestId><HostId>n1</HostId></Error>";
        assert!(text.ends_with(ids), "{text}");
        assert_eq!(response.status(), 400);
    }

    #[test]
    fn every_text_arrives_in_an_element() {
        let refusal =
            Refusal::new(ErrorCode::SignatureDoesNotMatch, "no").with("StringToSign", "a\r\n\tü<&>\u{7f}");
        let host = HeaderValue::from_static("n1");
        let body = refuse(&refusal, "/", RequestId(*b"00ff00ff00ff00ff"), &host).body().bytes().unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let element = "<StringToSign>a&#xd;&#xa;&#x9;ü&lt;&amp;&gt;&#x7f;</StringToSign>";
        assert!(text.contains(element), "{text}");
    }
}
