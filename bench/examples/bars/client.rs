//! Single signed requests, for what `pocket bench` does not send.

use crate::servers::{ACCESS_KEY, SECRET_KEY, Server};
use anyhow::bail;
use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime};

const ANSWER_WITHIN: Duration = Duration::from_secs(120);

pub(crate) struct Client {
    /// `host:port`
    host: String,
}

impl Client {
    pub(crate) fn of(server: &Server) -> Self {
        Self { host: server.endpoint.trim_start_matches("http://").to_owned() }
    }

    /// The head of a request on a connection that may be kept, with headers that are signed and others.
    pub(crate) fn head(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        unsigned: &[(&str, &str)],
    ) -> anyhow::Result<Vec<u8>> {
        let identity = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "bars").into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region("us-east-1")
            .name("s3")
            .time(SystemTime::now())
            .settings({
                let mut settings = SigningSettings::default();
                settings.percent_encoding_mode = aws_sigv4::http_request::PercentEncodingMode::Single;
                settings.payload_checksum_kind = aws_sigv4::http_request::PayloadChecksumKind::XAmzSha256;
                settings
            })
            .build()?
            .into();
        let signed = headers.iter().copied().chain([("host", self.host.as_str())]);
        let uri = format!("http://{}{path}", self.host);
        let request = SignableRequest::new(method, uri, signed, SignableBody::UnsignedPayload)?;
        let (instructions, _) = sign(request, &params)?.into_parts();
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\n", self.host);
        for (name, value) in headers.iter().chain(unsigned).copied().chain(instructions.headers()) {
            head += &format!("{name}: {value}\r\n");
        }
        Ok((head + "\r\n").into_bytes())
    }

    /// One request on a connection of its own; head and body of the answer, which must be 200.
    pub(crate) fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> anyhow::Result<String> {
        let length = body.len().to_string();
        let unsigned = [("connection", "close"), ("content-length", length.as_str())];
        let head = self.head(method, path, headers, &unsigned)?;
        let mut stream = TcpStream::connect(&self.host)?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        stream.write_all(&head)?;
        stream.write_all(body)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.starts_with("HTTP/1.1 20") {
            bail!("{method} {path}: {answer}");
        }
        Ok(answer)
    }
}

pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}
