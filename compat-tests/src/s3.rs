//! S3 requests as clients send them, and as they should never be sent: every part can be bent after signing.

use crate::checksums::sha256_hex;
use crate::http::{Connection, Response};
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::{self, calculate_signature, generate_signing_key};
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

    /// The value of `x-amz-content-sha256`; adds the headers that go with the framing.
    fn announce_payload(&mut self) -> String {
        let of_framing = match &self.framing {
            Framing::Plain => None,
            Framing::Unsigned { trailer } => {
                Some(("STREAMING-UNSIGNED-PAYLOAD-TRAILER", Some(trailer.0.clone())))
            }
            Framing::Signed => Some(("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", None)),
            Framing::SignedTrailer { trailer } => {
                Some(("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", Some(trailer.0.clone())))
            }
        };
        let Some((payload, trailer)) = of_framing else {
            let digest =
                || if self.presigned.is_some() { "UNSIGNED-PAYLOAD".into() } else { sha256_hex(&self.body) };
            return self.payload.clone().unwrap_or_else(digest);
        };
        let has = |name: &str| self.signed.iter().any(|(n, _)| n == name);
        let length = self.body.len().to_string();
        let mut more =
            vec![("content-encoding", "aws-chunked".to_owned()), ("x-amz-decoded-content-length", length)];
        more.extend(trailer.map(|name| ("x-amz-trailer", name)));
        more.retain(|(name, _)| !has(name));
        self.signed.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
        payload.into()
    }

    /// Headers and query parameters that carry the signature, and the signature itself.
    #[allow(clippy::type_complexity)]
    fn sign(&self, target: &str, payload: &str) -> (Vec<(String, String)>, Vec<(String, String)>, String) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        if let Some(expires) = self.presigned {
            settings.signature_location = SignatureLocation::QueryParams;
            settings.expires_in = Some(expires);
            settings.payload_checksum_kind = PayloadChecksumKind::NoHeader;
        }
        let identity = Credentials::from_keys(&self.client.access_key, &self.client.secret_key, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.client.region)
            .name("s3")
            .time(self.time)
            .settings(settings)
            .build()
            .expect("all parameters are given");
        let uri = format!("http://{}{target}", self.client.address);
        let body = match payload {
            "UNSIGNED-PAYLOAD" => SignableBody::UnsignedPayload,
            other => SignableBody::Precomputed(other.into()),
        };
        let headers = self.signed.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        let request =
            SignableRequest::new(self.method, uri, headers, body).expect("a request that can be signed");
        let (instructions, signature) =
            sign(request, &params.into()).expect("a request that can be signed").into_parts();
        let (headers, query) = instructions.into_parts();
        let headers = headers.into_iter().map(|h| (h.name().to_owned(), h.value().to_owned())).collect();
        let query = query.into_iter().map(|(n, v)| (n.to_owned(), v.into_owned())).collect();
        (headers, query, signature)
    }

    fn framed_body(&self, seed: &str) -> Vec<u8> {
        let (signs, trailer) = match &self.framing {
            Framing::Plain => return self.body.clone(),
            Framing::Unsigned { trailer } => (false, Some(trailer)),
            Framing::Signed => (true, None),
            Framing::SignedTrailer { trailer } => (true, Some(trailer)),
        };
        let chain = ChunkSigner::new(&self.client, self.time);
        let mut previous = seed.to_owned();
        let mut out = Vec::new();
        for chunk in self.body.chunks(self.chunk_bytes).chain([&[][..]]) {
            out.extend_from_slice(format!("{:x}", chunk.len()).as_bytes());
            if signs {
                previous = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &previous, Some(chunk));
                out.extend_from_slice(format!(";chunk-signature={previous}").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
            out.extend_from_slice(chunk);
            if !chunk.is_empty() || trailer.is_none() {
                out.extend_from_slice(b"\r\n");
            }
        }
        if let Some((name, value)) = trailer {
            out.extend_from_slice(format!("{name}:{value}\r\n").as_bytes());
            if signs {
                let signature = chain.sign_trailer(&previous, &format!("{name}:{value}\n"));
                out.extend_from_slice(format!("x-amz-trailer-signature:{signature}\r\n").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
        }
        out
    }
}

/// The chain of signatures over a body in chunks.
struct ChunkSigner {
    key: Vec<u8>,
    stamp: String,
    scope: String,
}

impl ChunkSigner {
    fn new(client: &Client, time: SystemTime) -> Self {
        let key = generate_signing_key(&client.secret_key, time, &client.region, "s3").as_ref().to_vec();
        let stamp = stamp(time);
        let scope = format!("{}/{}/s3/aws4_request", &stamp[..8], client.region);
        Self { key, stamp, scope }
    }

    fn sign(&self, algorithm: &str, previous: &str, chunk: Option<&[u8]>) -> String {
        let (empty, digest) = (sha256_hex(b""), sha256_hex(chunk.unwrap_or_default()));
        let text = format!("{algorithm}\n{}\n{}\n{previous}\n{empty}\n{digest}", self.stamp, self.scope);
        calculate_signature(&self.key, text.as_bytes())
    }

    fn sign_trailer(&self, previous: &str, trailer: &str) -> String {
        let digest = sha256_hex(trailer.as_bytes());
        let text = format!("AWS4-HMAC-SHA256-TRAILER\n{}\n{}\n{previous}\n{digest}", self.stamp, self.scope);
        calculate_signature(&self.key, text.as_bytes())
    }
}

/// `20130524T000000Z`
fn stamp(time: SystemTime) -> String {
    let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    // Days to a date of the Gregorian calendar, years beginning in March.
    let z = days as i64 + 719_468;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", of_day / 3_600, of_day / 60 % 60, of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in AWS's documentation of chunked uploads: 66,560 bytes of "a" in two chunks.
    #[test]
    fn chunk_signatures_are_those_of_the_documentation() {
        let mut client = Client::new(
            "s3.amazonaws.com",
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        );
        client.region = "us-east-1".into();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_369_353_600);
        let chain = ChunkSigner::new(&client, time);
        assert_eq!(chain.stamp, "20130524T000000Z");
        let seed = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
        let first = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", seed, Some(&[b'a'; 65_536]));
        assert_eq!(first, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648");
        let second = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &first, Some(&[b'a'; 1_024]));
        assert_eq!(second, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497");
        let last = chain.sign("AWS4-HMAC-SHA256-PAYLOAD", &second, None);
        assert_eq!(last, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9");
    }

    #[test]
    fn stamps_are_dates_of_the_calendar() {
        for (seconds, expected) in [
            (0, "19700101T000000Z"),
            (951_782_399, "20000228T235959Z"),
            (951_782_400, "20000229T000000Z"),
            (1_735_689_599, "20241231T235959Z"),
        ] {
            assert_eq!(stamp(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)), expected);
        }
    }
}
