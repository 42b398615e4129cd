//! S3 requests as clients send them, and as they should never be sent: every part can be bent after signing.

mod signing;

use crate::http::{Connection, Response};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::io;
use std::time::{Duration, SystemTime};

/// What a path shows as it is.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');
const QUERY: &AsciiSet = &PATH.add(b'/');

/// An endpoint and an identity.
#[derive(Clone, Debug)]
pub struct Client {
    /// `host:port`
    pub address: String,
    pub access_key: String,
    pub secret_key: String,
    pub region: String,
}

/// How the body travels.
#[derive(Clone, Debug, Default)]
pub enum Framing {
    /// As it is.
    #[default]
    Plain,
    /// STREAMING-UNSIGNED-PAYLOAD-TRAILER
    Unsigned { trailer: (String, String) },
    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD
    Signed,
    /// STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER
    SignedTrailer { trailer: (String, String) },
}

/// Changes the bytes on the wire after everything was signed.
type Bend = Box<dyn Fn(&mut Vec<u8>)>;

/// One request; nothing is sent before [`Request::send`].
pub struct Request {
    client: Client,
    method: &'static str,
    path: String,
    query: Vec<(String, String)>,
    signed: Vec<(String, String)>,
    unsigned: Vec<(String, String)>,
    body: Vec<u8>,
    payload: Option<String>,
    framing: Framing,
    chunk_bytes: usize,
    presigned: Option<Duration>,
    time: SystemTime,
    length: Option<usize>,
    bend: Option<Bend>,
}

impl Client {
    pub fn new(address: &str, access_key: &str, secret_key: &str) -> Self {
        let region = "us-east-1".into();
        Self { address: address.into(), access_key: access_key.into(), secret_key: secret_key.into(), region }
    }

    /// `path`: `/bucket/key`, not encoded yet.
    pub fn request(&self, method: &'static str, path: &str) -> Request {
        Request {
            client: self.clone(),
            method,
            path: utf8_percent_encode(path, PATH).to_string(),
            query: Vec::new(),
            signed: Vec::new(),
            unsigned: Vec::new(),
            body: Vec::new(),
            payload: None,
            framing: Framing::Plain,
            chunk_bytes: 64 << 10,
            presigned: None,
            time: SystemTime::now(),
            length: None,
            bend: None,
        }
    }

    pub fn put(&self, path: &str, body: &[u8]) -> Response {
        self.request("PUT", path).body(body).send()
    }

    pub fn get(&self, path: &str) -> Response {
        self.request("GET", path).send()
    }

    pub fn head(&self, path: &str) -> Response {
        self.request("HEAD", path).send()
    }

    pub fn delete(&self, path: &str) -> Response {
        self.request("DELETE", path).send()
    }

    /// Makes a bucket with hints, as `("ttl", "5s")`.
    #[track_caller]
    pub fn create_bucket(&self, bucket: &str, hints: &[(&str, &str)]) -> Response {
        let mut request = self.request("PUT", &format!("/{bucket}"));
        for (name, value) in hints {
            request = request.header(&format!("x-pocket-{name}"), value);
        }
        request.send().expect(200)
    }

    /// Ends a bucket with everything in it.
    #[track_caller]
    pub fn end_bucket(&self, bucket: &str) -> Response {
        self.request("DELETE", &format!("/{bucket}"))
            .header("x-pocket-force-delete", "true")
            .send()
            .expect(204)
    }

    /// All keys of a bucket, page by page.
    pub fn list_all(&self, bucket: &str, page: usize) -> Vec<String> {
        let mut keys = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let request = self.request("GET", &format!("/{bucket}")).query("list-type", "2");
            let mut request = request.query("max-keys", &page.to_string());
            if let Some(token) = &token {
                request = request.query("continuation-token", token);
            }
            let xml = request.send().expect(200).text();
            keys.extend(crate::xml::texts(&xml, "Key"));
            token = crate::xml::text(&xml, "NextContinuationToken");
            assert_eq!(
                crate::xml::text(&xml, "IsTruncated").as_deref() == Some("true"),
                token.is_some(),
                "{xml}"
            );
            if token.is_none() {
                return keys;
            }
        }
    }
}

impl Request {
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// A header that is signed.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.signed.push((name.into(), value.into()));
        self
    }

    /// A header that is sent and not signed.
    pub fn unsigned_header(mut self, name: &str, value: &str) -> Self {
        self.unsigned.push((name.into(), value.into()));
        self
    }

    pub fn body(mut self, body: &[u8]) -> Self {
        self.body = body.into();
        self
    }

    /// Value of `x-amz-content-sha256` instead of the body's digest.
    pub fn payload(mut self, payload: &str) -> Self {
        self.payload = Some(payload.into());
        self
    }

    pub fn framing(mut self, framing: Framing) -> Self {
        self.framing = framing;
        self
    }

    /// Sign in the query, good for this long.
    pub fn presigned(mut self, expires: Duration) -> Self {
        self.presigned = Some(expires);
        self
    }

    /// Sign as if it were another time.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.time = time;
        self
    }

    /// Content-Length instead of the true one.
    pub fn content_length(mut self, length: usize) -> Self {
        self.length = Some(length);
        self
    }

    /// Change the body on the wire, framing included, after signing. The length is that of the result unless
    /// [`Request::content_length`] says otherwise.
    pub fn bend(mut self, bend: impl Fn(&mut Vec<u8>) + 'static) -> Self {
        self.bend = Some(Box::new(bend));
        self
    }

    /// Sends on a connection of its own and takes the answer in. Panics when there is none.
    #[track_caller]
    pub fn send(self) -> Response {
        let what = format!("{} {}", self.method, self.path);
        self.try_send().unwrap_or_else(|e| panic!("{what} has no answer: {e}"))
    }

    /// As [`Request::send`], for servers that may die.
    pub fn try_send(self) -> io::Result<Response> {
        let mut connection = Connection::open(&self.client.address)?;
        self.send_on(&mut connection)
    }

    pub fn send_on(self, connection: &mut Connection) -> io::Result<Response> {
        let bodiless = self.method == "HEAD";
        let (head, body) = self.into_parts();
        connection.send(&head)?;
        // A server that refuses early may not read the rest; its answer is what counts.
        let sent = connection.send(&body);
        match connection.receive(bodiless) {
            Ok(response) => Ok(response),
            Err(e) => Err(sent.err().unwrap_or(e)),
        }
    }

    /// Head and body as they go over the wire.
    pub fn into_parts(mut self) -> (Vec<u8>, Vec<u8>) {
        let payload = self.announce_payload();
        let query: Vec<String> = self
            .query
            .iter()
            .map(|(n, v)| format!("{}={}", utf8_percent_encode(n, QUERY), utf8_percent_encode(v, QUERY)))
            .collect();
        let mut target = self.path.clone();
        if !query.is_empty() {
            target = format!("{target}?{}", query.join("&"));
        }
        let (added_headers, added_query, signature) = self.sign(&target, &payload);
        for (name, value) in added_query {
            let joint = if target.contains('?') { '&' } else { '?' };
            target = format!("{target}{joint}{}={}", name, utf8_percent_encode(&value, QUERY));
        }
        let mut body = self.framed_body(&signature);
        if let Some(bend) = &self.bend {
            bend(&mut body);
        }
        let mut head = format!("{} {target} HTTP/1.1\r\nhost: {}\r\n", self.method, self.client.address);
        for (name, value) in self.signed.iter().chain(&added_headers).chain(&self.unsigned) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let length = self.length.unwrap_or(body.len());
        if length > 0 || matches!(self.method, "PUT" | "POST") {
            head.push_str(&format!("content-length: {length}\r\n"));
        }
        head.push_str("\r\n");
        (head.into_bytes(), body)
    }
}
