//! Asks an admin port one question: one connection, one request, bounded in time and size.

use crate::admin::operator::Refused;
use crate::config::address::Address;
use bytes::Bytes;
use http::{Method, Request, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longer than the controller takes to end a job whose shards are slow.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// Some 100,000 jobs.
const ANSWER_MAX_BYTES: usize = 64 << 20;

pub(crate) struct AdminClient {
    address: Address,
}

#[derive(Debug)]
pub(crate) enum AskError {
    /// The question was understood and not granted.
    Refused { status: u16, why: String },
    /// There was no answer, or none that could be read.
    Failed(String),
}

impl std::fmt::Display for AskError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused { why, .. } | Self::Failed(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for AskError {}

impl AdminClient {
    pub(crate) fn new(address: Address) -> Self {
        Self { address }
    }

    /// The answer to a question, read as JSON.
    pub(crate) async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str) -> Result<T, AskError> {
        let failed = |why: String| AskError::Failed(format!("admin port {}: {why}", self.address));
        let exchange = timeout(ANSWER_WITHIN, self.exchange(method, path)).await;
        let (status, body) = match exchange {
            Ok(answer) => answer.map_err(failed)?,
            Err(_) => return Err(failed(format!("no answer within {}s", ANSWER_WITHIN.as_secs()))),
        };
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|e| failed(format!("unreadable answer: {e}")));
        }
        match serde_json::from_slice::<Refused>(&body) {
            Ok(Refused { error: why }) => Err(AskError::Refused { status, why }),
            Err(_) => Err(failed(format!("answered {status}: is this an admin port of pocket?"))),
        }
    }

    async fn exchange(&self, method: Method, path: &str) -> Result<(u16, Bytes), String> {
        let address = self.address.to_string();
        let stream = TcpStream::connect(&address).await.map_err(|e| {
            format!("cannot connect ({e}); is pocket running there? name another address with --admin")
        })?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, address)
            .body(Empty::<Bytes>::new())
            .map_err(|e| e.to_string())?;
        let answer = async {
            let answer = sender.send_request(request).await.map_err(|e| e.to_string())?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), ANSWER_MAX_BYTES);
            Ok((status, body.collect().await.map_err(|e| e.to_string())?.to_bytes()))
        };
        // The connection moves the bytes while the answer is awaited, and is dropped with it.
        tokio::pin!(answer, connection);
        let mut open = true;
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                _ = &mut connection, if open => open = false,
            }
        }
    }
}
