//! A server to talk to, and raw HTTP/1.1 to talk with: what is sent is exactly what a test wrote.

use crate::recorder::Recorder;
use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SignatureLocation,
    SigningSettings, UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use pocket_api::clock::{ManualClock, Timestamp};
use pocket_api::env::Env;
use pocket_api::ids::NodeId;
use pocket_api::names::TenantName;
use pocket_edge::config::EdgeConfig;
use pocket_edge::credentials::Credentials;
use pocket_edge::front::Front;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The server's clock stands at the moment of AWS's published examples.
pub(crate) const MOMENT_SECS: u64 = 1_369_353_600;
/// Of nothing.
pub(crate) const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A front on loopback; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) address: std::net::SocketAddr,
    pub(crate) recorder: Recorder,
    pub(crate) front: Arc<Front<Recorder>>,
    pub(crate) served: tokio::task::JoinHandle<std::io::Result<()>>,
    pub(crate) shutdown: CancellationToken,
    _stop: DropGuard,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(EdgeConfig { domain: Some("s3.local".into()), ..EdgeConfig::default() })
    }

    pub(crate) fn with_threads(threads: usize) -> Self {
        Self::with(EdgeConfig { threads, ..EdgeConfig::default() })
    }

    pub(crate) fn with(config: EdgeConfig) -> Self {
        let mut credentials = Credentials::default();
        assert!(credentials.add(KEY, SECRET, TenantName::parse("tenant").unwrap()));
        let recorder = Recorder::default();
        let env = Env::with_clock(Arc::new(ManualClock::at(Timestamp(MOMENT_SECS * 1_000))));
        let front = Arc::new(Front::new(&config, credentials, NodeId(7), env, recorder.clone()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let serving = (front.clone(), shutdown.clone());
        let served = tokio::spawn(async move { serving.0.serve(listener, serving.1).await });
        Self { address, recorder, front, served, shutdown: shutdown.clone(), _stop: shutdown.drop_guard() }
    }

    pub(crate) async fn connect(&self) -> Client {
        Client::on(TcpStream::connect(self.address).await.unwrap())
    }

    /// A connection that is served in the caller's runtime, so that its clock is the server's.
    pub(crate) async fn connect_on_one_clock(&self) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        // A piece that the kernel holds back would come when that clock is hours further.
        stream.set_nodelay(true).unwrap();
        let (accepted, _) = listener.accept().await.unwrap();
        let (front, shutdown) = (self.front.clone(), self.shutdown.clone());
        tokio::spawn(async move { front.serve_connection(accepted, shutdown).await });
        Client::on(stream)
    }

    /// One request on a connection of its own.
    pub(crate) async fn send(&self, request: &Raw) -> Reply {
        let mut client = self.connect().await;
        client.write(&request.bytes()).await;
        client.read_reply(&request.method).await
    }
}

/// One connection.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) stream: S,
    buffer: Vec<u8>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: String,
}

impl Reply {
    /// S3's code in the error document.
    pub(crate) fn code(&self) -> Option<&str> {
        self.body.split_once("<Code>")?.1.split_once("</Code>").map(|(code, _)| code)
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let line =
            self.headers.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        line.split_once(':').map(|(_, value)| value.trim())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn on(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Reads one head; `None` at the end of the connection.
    pub(crate) async fn read_head(&mut self) -> Option<(u16, String)> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head: Vec<u8> = self.buffer.drain(..at + 4).collect();
                let head = String::from_utf8(head).unwrap();
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Some((status, head));
            }
            if self.fill().await == 0 {
                return None;
            }
        }
    }

    /// Reads a final answer with its body.
    pub(crate) async fn read_reply(&mut self, method: &str) -> Reply {
        let (status, headers) = loop {
            let (status, head) = self.read_head().await.expect("an answer before the end of the connection");
            if status != 100 {
                break (status, head);
            }
        };
        let mut reply = Reply { status, headers, body: String::new() };
        let length = reply.header("content-length").map_or(0, |length| length.parse().unwrap());
        if method != "HEAD" {
            while self.buffer.len() < length {
                assert!(self.fill().await > 0, "the body of the answer was cut short");
            }
            reply.body = String::from_utf8(self.buffer.drain(..length).collect()).unwrap();
        }
        reply
    }

    /// Whether the server has closed the connection, after whatever it still had to say.
    pub(crate) async fn is_closed(&mut self) -> bool {
        while self.fill().await > 0 {}
        true
    }

    async fn fill(&mut self) -> usize {
        let mut block = [0; 8_192];
        let read = self.stream.read(&mut block).await.unwrap_or(0);
        self.buffer.extend_from_slice(&block[..read]);
        read
    }
}

/// A request, line by line.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    /// Not signed yet, and without any header but `host`.
    pub(crate) fn new(method: &str, target: &str) -> Self {
        let headers = vec![("host".into(), "localhost".into())];
        Self { method: method.into(), target: target.into(), headers, body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.retain(|(other, _)| other != name || name != "host");
        self.headers.push((name.into(), value.to_string()));
        self
    }

    /// A body with its length.
    pub(crate) fn body(self, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref().to_vec();
        Self { body: body.clone(), ..self }.header("content-length", body.len())
    }

    /// Signs everything that is there; `payload` is what x-amz-content-sha256 says.
    pub(crate) fn sign(mut self, payload: &str) -> Self {
        let mut settings = settings();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let added = self.signed(settings, SignableBody::Precomputed(payload.into()));
        self.headers.extend(added.0);
        self
    }

    /// Signs what is there by query.
    pub(crate) fn presign(mut self) -> Self {
        let mut settings = settings();
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = Some(Duration::from_secs(60));
        for (name, value) in self.signed(settings, SignableBody::UnsignedPayload).1 {
            let mark = if self.target.contains('?') { '&' } else { '?' };
            let value: String = value.bytes().map(escaped).collect();
            self.target += &format!("{mark}{name}={value}");
        }
        self
    }

    #[allow(clippy::type_complexity)]
    fn signed(
        &self,
        settings: SigningSettings,
        body: SignableBody<'_>,
    ) -> (Vec<(String, String)>, Vec<(String, String)>) {
        let identity = AwsCredentials::from_keys(KEY, SECRET, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_secs(MOMENT_SECS))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = format!("http://localhost{}", self.target);
        let headers = self.headers.iter().map(|(name, value)| (&**name, &**value));
        let signable = SignableRequest::new(&self.method, &uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let parameters = instructions.params().iter().map(|(name, value)| own((name, value))).collect();
        (instructions.headers().map(own).collect(), parameters)
    }

    pub(crate) fn head(&self) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target);
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        (head + "\r\n").into_bytes()
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [self.head(), self.body.clone()].concat()
    }
}

fn settings() -> SigningSettings {
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = PercentEncodingMode::Single;
    settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
    settings
}

fn escaped(byte: u8) -> String {
    match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02X}"),
    }
}
