//! Sockets between planes: their options, whom they may connect to, and the way from an address to a connection that
//! has shaken hands.

use crate::handshake::{HANDSHAKE_TIMEOUT, HandshakeError, Identity, greet};
use crate::secret::ClusterSecret;
use pocket_api::ids::NodeId;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;

/// A peer that acknowledges nothing, or takes nothing, for this long is gone. Equal to the deadline of a call: nobody
/// waits longer for it anyway.
const PEER_SILENT_MAX: Duration = Duration::from_secs(10);

/// On an idle connection the first probe goes out after this long, and the next ones as often.
const KEEPALIVE_EVERY: Duration = Duration::from_secs(3);

/// How long it may take to find out that nobody listens at an address: a host that is there says so at once.
const REFUSES_WITHIN: Duration = Duration::from_millis(250);

/// Why a seam is not served.
#[derive(Debug, Error)]
pub enum WireError {
    #[error("{0} is not a loopback address: set a cluster secret to use it between planes")]
    Exposed(SocketAddr),
    #[error("cannot serve: {0}")]
    Io(#[from] io::Error),
    #[error("cannot serve grpc: {0}")]
    Grpc(#[from] tonic::transport::Error),
}

/// Refuses an address that others than this machine reach, unless there is a secret to prove.
pub fn check_exposure(address: SocketAddr, secret: Option<&ClusterSecret>) -> Result<(), WireError> {
    if address.ip().to_canonical().is_loopback() || secret.is_some() {
        Ok(())
    } else {
        Err(WireError::Exposed(address))
    }
}

/// Sends small frames at once, and finds out when a peer dies without a word.
pub(crate) fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_EVERY).with_interval(KEEPALIVE_EVERY);
    socket.set_tcp_keepalive(&keepalive)?;
    socket.set_tcp_user_timeout(Some(PEER_SILENT_MAX))
}

/// Connects to the first address of `address` (`host:port`) that answers, and shakes hands.
pub(crate) async fn dial(address: &str, own: &Identity, reach: NodeId) -> Result<TcpStream, HandshakeError> {
    let mut stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, connect(address, own))
        .await
        .unwrap_or(Err(HandshakeError::Timeout(HANDSHAKE_TIMEOUT)))?;
    greet(&mut stream, own, reach).await?;
    Ok(stream)
}

async fn connect(address: &str, own: &Identity) -> Result<TcpStream, HandshakeError> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, format!("{address:?} has no address"));
    for resolved in tokio::net::lookup_host(address).await? {
        check_exposure(resolved, own.secret.as_ref()).map_err(io::Error::other)?;
        match TcpStream::connect(resolved).await {
            Ok(stream) => {
                prepare(&stream)?;
                return Ok(stream);
            }
            Err(e) => last = e,
        }
    }
    Err(last.into())
}

/// Whether `address` (`host:port`) refuses a connection, in time and wherever it resolves to: then nobody listens there.
pub(crate) async fn refuses(address: &str, secret: Option<&ClusterSecret>) -> bool {
    let ask = async {
        let Ok(resolved) = tokio::net::lookup_host(address).await else { return false };
        let mut refused = false;
        for at in resolved {
            match check_exposure(at, secret).map(|()| TcpStream::connect(at)) {
                Ok(connecting) => match connecting.await {
                    Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => refused = true,
                    _ => return false,
                },
                Err(_) => return false,
            }
        }
        refused
    };
    tokio::time::timeout(REFUSES_WITHIN, ask).await.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_port_that_nobody_listens_on_refuses() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert!(!refuses(&address, None).await, "somebody listens, though he never accepts");
        drop(listener);
        assert!(refuses(&address, None).await);
        for unknown in ["", "nowhere", "no such host:1", "192.0.2.1:9"] {
            assert!(!refuses(unknown, None).await, "{unknown:?} cannot be asked");
        }
    }

    #[test]
    fn only_loopback_is_used_without_a_secret() {
        let secret = ClusterSecret::new("s3cret".into());
        for loopback in ["127.0.0.1:9", "127.1.2.3:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert!(check_exposure(loopback.parse().unwrap(), None).is_ok(), "{loopback}");
        }
        for exposed in ["0.0.0.0:9", "[::]:9", "10.0.0.1:9", "192.0.2.1:9"] {
            let exposed = exposed.parse().unwrap();
            assert!(matches!(check_exposure(exposed, None), Err(WireError::Exposed(_))), "{exposed}");
            assert!(check_exposure(exposed, Some(&secret)).is_ok(), "{exposed}");
        }
    }

    #[tokio::test]
    async fn connecting_elsewhere_without_a_secret_is_refused_before_a_packet_is_sent() {
        let own = Identity { service: crate::handshake::Service::Planes, node: NodeId(1), secret: None };
        let refused = dial("192.0.2.1:9", &own, NodeId(2)).await.unwrap_err().to_string();
        assert!(refused.contains("set a cluster secret"), "{refused}");
    }
}
