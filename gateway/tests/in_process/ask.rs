//! A request as a client makes it: method, target, headers and a body, signed by a tenant or by nobody. It is handed to a gateway
//! as its server would, and what comes back is read as a client reads it.

use super::reply::Reply;
use aws_credential_types::Credentials as AwsCredentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt};
use http::header::CONTENT_LENGTH;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use pocket_api::clock::Timestamp;
use pocket_edge::context::Connection;
use pocket_edge::front::Body;
use pocket_gateway::gateway::Gateway;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::IntoFuture;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

/// A name with the key that it signs with.
pub(crate) struct Tenant {
    pub(crate) name: &'static str,
    pub(crate) access_key_id: &'static str,
    pub(crate) secret: &'static str,
}

/// Whom all gateways know; requests are the first one's unless they say otherwise. Her key is that of the examples which AWS
/// publishes.
pub(crate) const TENANTS: [Tenant; 2] = [
    Tenant {
        name: "alice",
        access_key_id: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    },
    Tenant { name: "bob", access_key_id: "AKIABOB", secret: "of bob" },
];
/// How a request is signed whose body is not vouched for.
const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";
const HOST: &str = "localhost";

pub(crate) type AskBody = UnsyncBoxBody<Bytes, Infallible>;

/// One request, sent when it is awaited.
#[must_use]
pub(crate) struct Ask {
    gateway: Arc<Gateway>,
    pub(crate) connection: Arc<Connection>,
    now: Timestamp,
    signer: Option<&'static Tenant>,
    method: Method,
    target: String,
    headers: HeaderMap,
    body: AskBody,
    payload: String,
}

impl Ask {
    /// `path` as it goes over the wire.
    pub(crate) fn of(gateway: Arc<Gateway>, method: Method, path: String, now: Timestamp) -> Self {
        Self {
            gateway,
            connection: Arc::default(),
            now,
            signer: Some(&TENANTS[0]),
            method,
            target: path,
            headers: HeaderMap::from_iter([(http::header::HOST, HeaderValue::from_static(HOST))]),
            body: whole(Bytes::new()),
            payload: UNSIGNED_PAYLOAD.into(),
        }
    }

    /// To another gateway than the first.
    pub(crate) fn to(self, gateway: &Arc<Gateway>) -> Self {
        Self { gateway: gateway.clone(), ..self }
    }

    pub(crate) fn by(self, name: &str) -> Self {
        Self { signer: Some(TENANTS.iter().find(|tenant| tenant.name == name).unwrap()), ..self }
    }

    pub(crate) fn anonymous(self) -> Self {
        Self { signer: None, ..self }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl Display) -> Self {
        let value = HeaderValue::try_from(value.to_string()).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    pub(crate) fn headers(self, headers: &[(&'static str, &str)]) -> Self {
        headers.iter().fold(self, |ask, (name, value)| ask.header(name, value))
    }

    pub(crate) fn range(self, range: &str) -> Self {
        self.header("range", range)
    }

    /// A parameter, with a value or without.
    pub(crate) fn query(mut self, name: &str, value: impl Display) -> Self {
        let mark = if self.target.contains('?') { '&' } else { '?' };
        let value = value.to_string();
        let equals = if value.is_empty() { "" } else { "=" };
        self.target += &format!("{mark}{name}{equals}{}", escaped(&value, ""));
        self
    }

    /// A parameter that is there only with a value.
    pub(crate) fn maybe(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.query(name, value),
            None => self,
        }
    }

    pub(crate) fn body(self, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let size = body.len() as u64;
        Self { body: whole(body), ..self }.of_size(size)
    }

    /// What is signed of the body: its SHA-256 or the name of a form.
    pub(crate) fn payload(self, payload: &str) -> Self {
        Self { payload: payload.into(), ..self }
    }

    /// A body of `size` bytes, as its length says. It may be another one.
    pub(crate) fn stream(self, size: u64, frames: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        let body = StreamBody::new(frames.map(|data| Ok(Frame::data(data)))).boxed_unsync();
        Self { body, ..self }.of_size(size)
    }

    fn of_size(mut self, size: u64) -> Self {
        self.headers.insert(CONTENT_LENGTH, size.into());
        self
    }

    /// As the server hands it over.
    pub(crate) fn request(mut self) -> Request<AskBody> {
        if let Some(tenant) = self.signer {
            self.sign(tenant);
        }
        let mut request = Request::new(self.body);
        (*request.method_mut(), *request.uri_mut()) = (self.method, self.target.parse().unwrap());
        *request.headers_mut() = self.headers;
        request
    }

    fn sign(&mut self, tenant: &Tenant) {
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = AwsCredentials::from_keys(tenant.access_key_id, tenant.secret, None).into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(self.now.0))
            .settings(settings)
            .build()
            .unwrap()
            .into();
        let uri = format!("http://{HOST}{}", self.target);
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
        let body = SignableBody::Precomputed(self.payload.clone());
        let signable = SignableRequest::new(self.method.as_str(), &uri, headers, body).unwrap();
        let (instructions, _) = sign(signable, &params).unwrap().into_parts();
        for (name, value) in instructions.headers() {
            let name = HeaderName::try_from(name).unwrap();
            self.headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
    }

    /// The head of the answer, with a body that nobody has read.
    pub(crate) async fn begin(self) -> Response<Body> {
        let (gateway, connection) = (self.gateway.clone(), self.connection.clone());
        gateway.answer(self.request(), connection).await
    }

    /// Reads the answer to its end, which is then in the socket.
    pub(crate) async fn send(self) -> Reply {
        let (connection, asks_for_head) = (self.connection.clone(), self.method == Method::HEAD);
        Reply::read(self.begin().await, &connection, asks_for_head).await
    }
}

impl IntoFuture for Ask {
    type Output = Reply;
    type IntoFuture = BoxFuture<'static, Reply>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn whole(body: Bytes) -> AskBody {
    Full::new(body).boxed_unsync()
}

/// The path of a key, as it goes over the wire.
pub(crate) fn path_of(bucket: &str, key: &str) -> String {
    format!("/{bucket}/{}", escaped(key, "/"))
}

fn escaped(text: &str, but: &str) -> String {
    let escape = |byte: u8| match byte {
        b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) || but.as_bytes().contains(&b) => {
            char::from(b).to_string()
        }
        b => format!("%{b:02X}"),
    };
    text.bytes().map(escape).collect()
}
