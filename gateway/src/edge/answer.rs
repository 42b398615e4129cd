//! Answers made at the edge: S3's XML errors, and the ids that every answer carries.

use super::xml::{self, escape, needs_reference};
use crate::calls::{Content, ContentStream};
use crate::context::ListItems;
pub(crate) use crate::context::RequestId;
use crate::errors::MALFORMED_XML;
use crate::headers::not_modified;
use crate::refusal::{Refusal, Said};
use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body::{Frame, SizeHint};
use memchr::memmem;
use std::fmt::Write;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amz-request-id");
const LOST: HeaderName = HeaderName::from_static("x-pocket-lost");
const HOST_ID: HeaderName = HeaderName::from_static("x-amz-id-2");

/// The body of an answer.
pub enum Body {
    Empty,
    Whole(Bytes),
    /// Bytes of an object, as they come.
    Stream(ContentStream),
    /// A document of an operation that s3s answers.
    Foreign(s3s::Body),
}

impl Body {
    pub fn empty() -> Self {
        Self::Empty
    }

    /// All of it, where it is in memory.
    pub fn bytes(&self) -> Option<Bytes> {
        match self {
            Self::Empty => Some(Bytes::new()),
            Self::Whole(bytes) => Some(bytes.clone()),
            Self::Stream(_) => None,
            Self::Foreign(body) => body.bytes(),
        }
    }
}

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        match content {
            Content::Whole(bytes) => bytes.into(),
            Content::Stream(stream) => Self::Stream(stream),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(bytes) }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Box<dyn std::error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            body @ Self::Whole(_) => match std::mem::replace(body, Self::Empty) {
                Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Self::Stream(stream) => stream.as_mut().poll_frame(cx),
            Self::Foreign(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(_) => false,
            Self::Stream(stream) => stream.is_end_stream(),
            Self::Foreign(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Stream(stream) => stream.size_hint(),
            Self::Foreign(body) => body.size_hint(),
        }
    }
}

/// A document that was written here.
pub(crate) fn xml_answer(document: String) -> Response<Body> {
    let mut response = Response::new(Body::from(document));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

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
pub(crate) fn refuse(refusal: &Refusal, path: &str, request_id: RequestId) -> Response<Body> {
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
    xml.push_str(&about(path, request_id));
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
pub(crate) fn said_headers(said: &Said) -> HeaderMap {
    match said {
        Said::Lost => HeaderMap::from_iter([(LOST, HeaderValue::from_static("true"))]),
        Said::Size(size) => HeaderValue::try_from(format!("bytes */{size}"))
            .map(|value| (CONTENT_RANGE, value))
            .into_iter()
            .collect(),
        Said::NotModified(meta) => not_modified(meta),
    }
}

/// As [`escape`], for a value that may have blanks in it of which readers of XML would make others.
fn escape_value(value: &str, out: &mut String) {
    for c in value.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{7f}' => {
                let _ = write!(out, "&#x{:x};", u32::from(c));
            }
            c => escape(c.encode_utf8(&mut [0; 4]), out),
        }
    }
}

/// What an error's document says of its request. `path` as it came.
fn about(path: &str, request_id: RequestId) -> String {
    let mut xml = String::with_capacity(path.len() + 64);
    xml.push_str("<Resource>");
    escape(path, &mut xml);
    // Writing to a string cannot fail.
    let _ = write!(xml, "</Resource><RequestId>{request_id}</RequestId>");
    xml
}

/// Adds what every answer has. Errors made behind the edge get what they are about and the request id into their document
/// too; answers to HEAD lose theirs, as in S3, and so does 304. What s3s cannot express is put right: HEAD of a part of an
/// object is partial content, [`ListItems`].
pub(crate) fn finish(
    response: &mut Response<Body>,
    method: &Method,
    path: &str,
    request_id: RequestId,
    host_id: &HeaderValue,
) {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if (is_error && method == Method::HEAD) || status == StatusCode::NOT_MODIFIED {
        *response.body_mut() = Body::empty();
        response.headers_mut().remove(CONTENT_TYPE);
        response.headers_mut().remove(CONTENT_LENGTH);
    } else if is_error {
        complete_error(response, path, request_id);
    } else if method == Method::HEAD && response.headers().contains_key(CONTENT_RANGE) {
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    escape_controls(response);
    if let Some(ListItems(items)) = response.extensions_mut().remove() {
        insert_items(response, items.as_bytes());
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

/// Adds to a document from behind the edge what s3s leaves out.
fn complete_error(response: &mut Response<Body>, path: &str, request_id: RequestId) {
    let Some(document) = response.body().bytes() else { return };
    let has = |tag: &[u8]| document.windows(tag.len()).any(|window| window == tag);
    if has(b"<RequestId>") {
        return;
    }
    let message = if has(b"<Message>") {
        String::new()
    } else if has(b"<Code>MalformedXML</Code>") {
        format!("<Message>{MALFORMED_XML}</Message>")
    } else if has(b"<Code>MissingRequestBodyError</Code>") {
        "<Message>Request body is empty</Message>".to_owned()
    } else {
        "<Message>The request could not be understood</Message>".to_owned()
    };
    add_to_error(response, [message, about(path, request_id)].concat().as_bytes());
}

/// Puts elements behind those that an error's document has.
pub(crate) fn add_to_error(response: &mut Response<Body>, elements: &[u8]) {
    const END: &[u8] = b"</Error>";
    let Some(document) = response.body().bytes() else { return };
    let Some(at) = document.windows(END.len()).rposition(|window| window == END) else { return };
    *response.body_mut() = Body::from(Bytes::from([&document[..at], elements, &document[at..]].concat()));
    // Headers of an error, such as Content-Range, have put it out.
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
}

/// Looked through at once for control characters: some vectors' worth.
const CONTROLS_BLOCK_BYTES: usize = 1 << 10;

/// Writes control characters of keys as references, as S3 does. s3s leaves them raw: then a parser would read a
/// carriage return as a line feed, which is another key.
fn escape_controls(response: &mut Response<Body>) {
    let is_xml = response.headers().get(CONTENT_TYPE).is_some_and(|t| t.as_bytes() == b"application/xml");
    // An object may be XML too, but its bytes are not at hand when they go out under a lease, and are none of ours.
    let is_object = response.headers().contains_key(ACCEPT_RANGES);
    if !is_xml || is_object {
        return;
    }
    // Without a branch for each byte: a page of a list of uploads has 300 KB, and next to none of them has one of these.
    let has_raw = |block: &[u8]| block.iter().fold(false, |found, &byte| found | needs_reference(byte));
    let Some(document) = response.body().bytes().filter(|d| d.chunks(CONTROLS_BLOCK_BYTES).any(has_raw))
    else {
        return;
    };
    let mut escaped = Vec::with_capacity(document.len() + 256);
    for &byte in &document {
        match needs_reference(byte) {
            true => escaped.extend_from_slice(format!("&#x{byte:x};").as_bytes()),
            false => escaped.push(byte),
        }
    }
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(escaped);
}

/// Writes the items of a list before the end tag of its document.
fn insert_items(response: &mut Response<Body>, items: &[u8]) {
    let Some(document) = response.body().bytes() else { return };
    let Some(end) = memmem::rfind(&document, b"</") else { return };
    let whole = [&document[..end], items, &document[end..]].concat();
    response.headers_mut().remove(CONTENT_LENGTH);
    *response.body_mut() = Body::from(Bytes::from(whole));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusal::ErrorCode;
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
        let response = refuse(&refusal, "/a&b", RequestId(*b"00ff00ff00ff00ff"));
        let body = response.body().bytes().unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        assert!(
            text.contains("<Message>no &lt;b&gt; &amp; \u{fffd}</Message><Resource>/a&amp;b</Resource>"),
            "{text}"
        );
        assert_eq!(response.status(), 400);
    }

    #[test]
    fn every_text_arrives_in_an_element() {
        let refusal =
            Refusal::new(ErrorCode::SignatureDoesNotMatch, "no").with("StringToSign", "a\r\n\tü<&>\u{7f}");
        let body = refuse(&refusal, "/", RequestId(*b"00ff00ff00ff00ff")).body().bytes().unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let element = "<StringToSign>a&#xd;&#xa;&#x9;ü&lt;&amp;&gt;&#x7f;</StringToSign>";
        assert!(text.contains(element), "{text}");
    }

    #[test]
    fn control_characters_of_keys_are_references_and_objects_stay_as_they_are() {
        let host = HeaderValue::from_static("n1");
        let raw = "<Key>a\rb\u{1}\tc\n</Key>";
        for (is_object, expected) in [(false, "<Key>a&#xd;b&#x1;\tc\n</Key>"), (true, raw)] {
            let mut response = Response::new(Body::from(raw.to_owned()));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/xml"));
            if is_object {
                response.headers_mut().insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            }
            finish(&mut response, &Method::GET, "/b/k", RequestId(*b"00ff00ff00ff00ff"), &host);
            assert_eq!(response.body().bytes().unwrap(), expected);
        }
    }

    #[test]
    fn a_head_of_a_part_is_partial_content() {
        let host = HeaderValue::from_static("n1");
        for (range, expected) in [(None, 200), (Some("bytes 0-0/9"), 206)] {
            let mut response = Response::new(Body::empty());
            response.headers_mut().extend(range.map(|r| (CONTENT_RANGE, HeaderValue::from_static(r))));
            finish(&mut response, &Method::HEAD, "/b/k", RequestId(*b"00ff00ff00ff00ff"), &host);
            assert_eq!(response.status(), expected);
        }
    }

    #[test]
    fn errors_from_behind_the_edge_say_once_what_they_are_about() {
        let host = HeaderValue::from_static("n1");
        let mut response = Response::new(Body::from(String::from("<Error><Code>NoSuchKey</Code></Error>")));
        *response.status_mut() = StatusCode::NOT_FOUND;
        for _ in 0..2 {
            finish(&mut response, &Method::GET, "/b/k", RequestId(*b"00ff00ff00ff00ff"), &host);
            let expected = "<Error><Code>NoSuchKey</Code><Message>The request could not be understood</Message>\
                            <Resource>/b/k</Resource><RequestId>00ff00ff00ff00ff</RequestId></Error>";
            assert_eq!(response.body().bytes().unwrap(), expected);
        }
        finish(&mut response, &Method::HEAD, "/b/k", RequestId(*b"00ff00ff00ff00ff"), &host);
        assert!(response.body().bytes().unwrap().is_empty());
        assert_eq!(response.headers()["x-amz-request-id"], "00ff00ff00ff00ff");
    }
}
