//! Signs requests with signature version 4, as SDKs do. The body is not vouched for: its bytes say themselves what they are.

use super::request::Plain;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use pocket_api::clock::Timestamp;
use std::time::{Duration, UNIX_EPOCH};

const REGION: &str = "us-east-1";
const AUTHORITY: &str = "localhost";

/// One identity.
pub struct Signer(Credentials);

impl Signer {
    pub fn new(access_key_id: &str, secret: &str) -> Self {
        Self(Credentials::from_keys(access_key_id, secret, None))
    }

    pub(super) fn signed(&self, plain: Plain, now: Timestamp) -> Request<Bytes> {
        let Plain { method, target, headers: said, body } = plain;
        let mut headers = HeaderMap::from_iter([(HOST, HeaderValue::from_static(AUTHORITY))]);
        headers.insert(CONTENT_LENGTH, body.len().into());
        for (name, value) in said {
            let value = HeaderValue::try_from(value).expect("what clients say is ASCII");
            headers.insert(HeaderName::from_static(name), value);
        }
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let identity = self.0.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name("s3")
            .time(UNIX_EPOCH + Duration::from_millis(now.0))
            .settings(settings)
            .build()
            .expect("all of it is said");
        let uri = format!("http://{AUTHORITY}{target}");
        let signed = {
            let shown = headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("")));
            let body = SignableBody::UnsignedPayload;
            let signable = SignableRequest::new(method.as_str(), &uri, shown, body);
            sign(signable.expect("a request that is well formed"), &params.into()).expect("a signature")
        };
        for (name, value) in signed.into_parts().0.headers() {
            let name = HeaderName::try_from(name).expect("a header's name");
            headers.insert(name, HeaderValue::from_str(value).expect("a header's value"));
        }
        let mut request = Request::new(body);
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().expect("a target that is escaped");
        *request.headers_mut() = headers;
        request
    }
}
