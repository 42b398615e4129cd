//! The first bytes of every connection between planes, framed or gRPC: both sides are Pocket, of one version, the one
//! is whom the other meant to reach, and both know the cluster's secret where there is one.
//!
//! ```text
//! client -> server   hello   64 bytes: magic, version, service, has a secret, own node, node to reach, nonce
//! server -> client   hello   96 bytes: magic, version, verdict, has a secret, own node, nonce, proof
//! client -> server   proof   32 bytes
//! server -> client   verdict  1 byte
//! ```
//! A proof is HMAC-SHA256 of the side's name and both hellos with the secret, so it is good for one connection only;
//! without a secret proofs are zero. A refusal by either hello ends the connection. The handshake says who is there;
//! it does not encrypt what follows.

use crate::secret::{ClusterSecret, PROOF_BYTES, Proof};
use pocket_api::ids::NodeId;
use std::io;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Grows with every change of what is said over a connection, which `tests/format.txt` shows. Only equal versions talk to
/// each other.
pub(crate) const VERSION: u16 = 7;

/// The first byte is no text, so no text protocol begins like this.
const MAGIC: [u8; 8] = *b"\x89POCKET\n";

/// A handshake takes two round trips. Whoever needs longer is dead, hostile or stuck.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a server waits for whoever has not proven itself: three messages over any network, and little for a stranger.
const WELCOME_TIMEOUT: Duration = Duration::from_secs(1);

const CLIENT_HELLO_BYTES: usize = 64;
const SERVER_HELLO_BYTES: usize = 96;
/// The part of the server's hello that its proof covers.
const SERVER_PROVEN_BYTES: usize = SERVER_HELLO_BYTES - PROOF_BYTES;
/// The part that says magic, version and verdict, the same in all versions.
const SERVER_PREFIX_BYTES: usize = 16;
const NONCE_BYTES: usize = 32;

/// What is served on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Service {
    /// Metadata and chunks, framed.
    Planes = 1,
    /// Control and usage, gRPC.
    Control = 2,
}

/// Who this side is and what it asks of the other.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) service: Service,
    /// This side's node; 0 for one that has not joined, and for the controller.
    pub(crate) node: NodeId,
    pub(crate) secret: Option<ClusterSecret>,
}

/// Why there is no connection. All of it is for people to read; a caller knows only that the peer is unavailable.
#[derive(Debug, Error)]
pub(crate) enum HandshakeError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("peer closed the connection before it said anything")]
    Silent,
    #[error("no handshake within {0:?}")]
    Timeout(Duration),
    #[error("peer is not pocket: it began with {0:02x?}")]
    Magic([u8; 8]),
    #[error("peer speaks version {theirs} of the protocol, this side {VERSION}")]
    Version { theirs: u16 },
    #[error("peer asked for node {wanted}, this is {here}")]
    WrongNode { wanted: NodeId, here: NodeId },
    #[error("reached node {found} instead of {wanted}")]
    ReachedOther { wanted: NodeId, found: NodeId },
    #[error("peer asked for service {0}, which is not served here")]
    WrongService(u8),
    #[error("this side has a cluster secret, the peer has none")]
    PeerWithoutSecret,
    #[error("the peer has a cluster secret, this side has none")]
    SecretMissing,
    #[error("the peer's cluster secret is another one")]
    SecretDiffers,
    #[error("peer refused: {0}")]
    Refused(&'static str),
}

/// How the server sees a hello, or in the end a proof.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Verdict {
    Welcome = 0,
    Version = 1,
    Node = 2,
    Service = 3,
    Secret = 4,
}

impl Verdict {
    /// What the refused client says of it.
    fn reason(byte: u8) -> Option<&'static str> {
        match byte {
            b if b == Self::Welcome as u8 => None,
            b if b == Self::Version as u8 => Some("another version of the protocol"),
            b if b == Self::Node as u8 => Some("it is another node"),
            b if b == Self::Service as u8 => Some("it does not serve this"),
            b if b == Self::Secret as u8 => Some("only one side has a cluster secret, or they differ"),
            _ => Some("for a reason that this version does not know"),
        }
    }
}

/// The client's side. `reach` is the node that the address should belong to; 0 for whoever is there.
pub(crate) async fn greet<S>(stream: &mut S, own: &Identity, reach: NodeId) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(HANDSHAKE_TIMEOUT, greet_with(stream, own, reach, rand::random())).await
}

/// The server's side. Answers the client's node.
pub(crate) async fn welcome<S>(stream: &mut S, own: &Identity) -> Result<NodeId, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    within(WELCOME_TIMEOUT, welcome_with(stream, own, rand::random())).await
}

async fn within<T>(
    time: Duration,
    handshake: impl Future<Output = Result<T, HandshakeError>>,
) -> Result<T, HandshakeError> {
    tokio::time::timeout(time, handshake).await.unwrap_or(Err(HandshakeError::Timeout(time)))
}

/// Without a bound in time, and with this nonce.
pub(crate) async fn greet_with<S>(
    stream: &mut S,
    own: &Identity,
    reach: NodeId,
    nonce: [u8; NONCE_BYTES],
) -> Result<(), HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut hello = [0; CLIENT_HELLO_BYTES];
    hello[..8].copy_from_slice(&MAGIC);
    hello[8..10].copy_from_slice(&VERSION.to_le_bytes());
    hello[10] = own.service as u8;
    hello[11] = own.secret.is_some().into();
    hello[16..24].copy_from_slice(&own.node.0.to_le_bytes());
    hello[24..32].copy_from_slice(&reach.0.to_le_bytes());
    hello[32..].copy_from_slice(&nonce);
    stream.write_all(&hello).await?;

    let mut theirs = [0; SERVER_HELLO_BYTES];
    stream.read_exact(&mut theirs[..SERVER_PREFIX_BYTES]).await?;
    check_magic_and_version(&theirs)?;
    if let Some(reason) = Verdict::reason(theirs[10]) {
        return Err(HandshakeError::Refused(reason));
    }
    stream.read_exact(&mut theirs[SERVER_PREFIX_BYTES..]).await?;
    let found = NodeId(word(&theirs, 16));
    if reach != NodeId(0) && found != reach {
        return Err(HandshakeError::ReachedOther { wanted: reach, found });
    }
    check_secrets(own, theirs[11] != 0)?;
    let (proven, proof) = theirs.split_at(SERVER_PROVEN_BYTES);
    let proof: Proof = proof.try_into().expect("split at its length");
    let transcript: [&[u8]; 2] = [&hello, proven];
    if own.secret.as_ref().is_some_and(|s| !s.proves(&proof, "server", &transcript)) {
        return Err(HandshakeError::SecretDiffers);
    }
    let proof = own.secret.as_ref().map_or([0; PROOF_BYTES], |s| s.prove("client", &transcript));
    stream.write_all(&proof).await?;
    match Verdict::reason(stream.read_u8().await?) {
        None => Ok(()),
        Some(reason) => Err(HandshakeError::Refused(reason)),
    }
}

/// See [`greet_with`].
pub(crate) async fn welcome_with<S>(
    stream: &mut S,
    own: &Identity,
    nonce: [u8; NONCE_BYTES],
) -> Result<NodeId, HandshakeError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut theirs = [0; CLIENT_HELLO_BYTES];
    // Whoever is not Pocket is told nothing, and is found out by its first bytes.
    let first = stream.read(&mut theirs[..MAGIC.len()]).await?;
    if first == 0 {
        return Err(HandshakeError::Silent);
    }
    stream.read_exact(&mut theirs[first..MAGIC.len()]).await?;
    check_magic(&theirs)?;
    stream.read_exact(&mut theirs[MAGIC.len()..]).await?;

    let judged = judge(&theirs, own);
    let mut hello = [0; SERVER_HELLO_BYTES];
    hello[..8].copy_from_slice(&MAGIC);
    hello[8..10].copy_from_slice(&VERSION.to_le_bytes());
    hello[10] = judged.as_ref().map_or_else(|(verdict, _)| *verdict, |_| Verdict::Welcome) as u8;
    hello[11] = own.secret.is_some().into();
    hello[16..24].copy_from_slice(&own.node.0.to_le_bytes());
    hello[32..64].copy_from_slice(&nonce);
    if let (Ok(()), Some(secret)) = (&judged, &own.secret) {
        let proof = secret.prove("server", &[&theirs, &hello[..SERVER_PROVEN_BYTES]]);
        hello[SERVER_PROVEN_BYTES..].copy_from_slice(&proof);
    }
    stream.write_all(&hello).await?;
    judged.map_err(|(_, error)| error)?;

    let mut proof = [0; PROOF_BYTES];
    stream.read_exact(&mut proof).await?;
    let transcript: [&[u8]; 2] = [&theirs, &hello[..SERVER_PROVEN_BYTES]];
    if own.secret.as_ref().is_some_and(|s| !s.proves(&proof, "client", &transcript)) {
        stream.write_u8(Verdict::Secret as u8).await?;
        return Err(HandshakeError::SecretDiffers);
    }
    stream.write_u8(Verdict::Welcome as u8).await?;
    Ok(NodeId(word(&theirs, 16)))
}

/// What a server makes of a client's hello.
fn judge(theirs: &[u8; CLIENT_HELLO_BYTES], own: &Identity) -> Result<(), (Verdict, HandshakeError)> {
    check_magic_and_version(theirs).map_err(|e| (Verdict::Version, e))?;
    if theirs[10] != own.service as u8 {
        return Err((Verdict::Service, HandshakeError::WrongService(theirs[10])));
    }
    let wanted = NodeId(word(theirs, 24));
    if wanted != NodeId(0) && wanted != own.node {
        return Err((Verdict::Node, HandshakeError::WrongNode { wanted, here: own.node }));
    }
    check_secrets(own, theirs[11] != 0).map_err(|e| (Verdict::Secret, e))
}

fn check_secrets(own: &Identity, peer_has_secret: bool) -> Result<(), HandshakeError> {
    match (own.secret.is_some(), peer_has_secret) {
        (true, false) => Err(HandshakeError::PeerWithoutSecret),
        (false, true) => Err(HandshakeError::SecretMissing),
        _ => Ok(()),
    }
}

fn check_magic(hello: &[u8]) -> Result<(), HandshakeError> {
    match hello.first_chunk() {
        Some(&MAGIC) => Ok(()),
        other => Err(HandshakeError::Magic(other.copied().unwrap_or_default())),
    }
}

fn check_magic_and_version(hello: &[u8]) -> Result<(), HandshakeError> {
    check_magic(hello)?;
    match u16::from_le_bytes([hello[8], hello[9]]) {
        VERSION => Ok(()),
        theirs => Err(HandshakeError::Version { theirs }),
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    fn identity(node: u64, secret: Option<&str>) -> Identity {
        let secret = secret.map(|s| ClusterSecret::new(s.into()));
        Identity { service: Service::Planes, node: NodeId(node), secret }
    }

    /// Both sides' outcomes, as text.
    async fn meet(client: Identity, reach: u64, server: Identity) -> (String, String) {
        let (mut near, mut far) = duplex(1024);
        let greet = async move {
            let outcome = greet(&mut near, &client, NodeId(reach)).await;
            outcome.map_or_else(|e| e.to_string(), |()| "met".into())
        };
        let welcome = async move {
            let outcome = welcome(&mut far, &server).await;
            outcome.map_or_else(|e| e.to_string(), |node| format!("met {node}"))
        };
        tokio::join!(greet, welcome)
    }

    #[tokio::test]
    async fn peers_with_the_same_secret_or_none_meet() {
        for secret in [None, Some("s3cret")] {
            for reach in [0, 9] {
                let met = meet(identity(7, secret), reach, identity(9, secret)).await;
                assert_eq!(met, ("met".into(), "met n7".into()));
            }
        }
    }

    #[tokio::test]
    async fn a_wrong_or_missing_secret_is_refused_by_both_sides() {
        let (client, server) = meet(identity(7, Some("a")), 9, identity(9, Some("b"))).await;
        assert_eq!(client, "the peer's cluster secret is another one");
        assert!(server.contains("eof"), "{server}");
        for (ours, theirs) in [(Some("a"), None), (None, Some("b"))] {
            let (client, server) = meet(identity(7, ours), 9, identity(9, theirs)).await;
            assert!(client.contains("only one side has a cluster secret"), "{client}");
            assert!(server.contains("cluster secret"), "{server}");
        }
    }

    #[tokio::test]
    async fn a_client_that_cannot_prove_the_secret_is_refused_by_the_server() {
        let (mut near, mut far) = duplex(1024);
        let client = async move {
            let mut hello = [0; CLIENT_HELLO_BYTES];
            hello[..8].copy_from_slice(&MAGIC);
            hello[8] = VERSION as u8;
            hello[10] = Service::Planes as u8;
            hello[11] = 1;
            near.write_all(&hello).await.unwrap();
            let mut theirs = [0; SERVER_HELLO_BYTES];
            near.read_exact(&mut theirs).await.unwrap();
            // The server's own proof, reflected.
            near.write_all(&theirs[SERVER_PROVEN_BYTES..]).await.unwrap();
            near.read_u8().await.unwrap()
        };
        let own = identity(9, Some("s3cret"));
        let (verdict, outcome) = tokio::join!(client, welcome(&mut far, &own));
        assert_eq!(verdict, Verdict::Secret as u8);
        assert!(matches!(outcome, Err(HandshakeError::SecretDiffers)));
    }

    #[tokio::test]
    async fn another_incarnation_is_not_mistaken_for_the_one_that_is_meant() {
        let (client, server) = meet(identity(7, None), 8, identity(9, None)).await;
        assert_eq!(client, "peer refused: it is another node");
        assert_eq!(server, "peer asked for node n8, this is n9");
    }

    #[tokio::test]
    async fn a_client_for_another_service_is_refused() {
        let server = Identity { service: Service::Control, ..identity(9, None) };
        let (client, server) = meet(identity(7, None), 9, server).await;
        assert_eq!(client, "peer refused: it does not serve this");
        assert_eq!(server, "peer asked for service 1, which is not served here");
    }

    #[tokio::test]
    async fn another_version_is_refused_with_both_numbers() {
        let (mut near, mut far) = duplex(1024);
        let client = async move {
            let mut hello = [0; CLIENT_HELLO_BYTES];
            hello[..8].copy_from_slice(&MAGIC);
            hello[8] = VERSION as u8 + 1;
            near.write_all(&hello).await.unwrap();
            let mut theirs = [0; SERVER_HELLO_BYTES];
            near.read_exact(&mut theirs).await.unwrap();
            theirs[10]
        };
        let own = identity(9, None);
        let (verdict, outcome) = tokio::join!(client, welcome(&mut far, &own));
        assert_eq!(verdict, Verdict::Version as u8);
        let expected = format!("peer speaks version {} of the protocol, this side {VERSION}", VERSION + 1);
        assert_eq!(outcome.unwrap_err().to_string(), expected);
    }

    #[tokio::test]
    async fn whoever_is_not_pocket_is_told_nothing() {
        let (mut near, mut far) = duplex(1024);
        near.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        let outcome = welcome(&mut far, &identity(9, None)).await;
        assert!(matches!(outcome, Err(HandshakeError::Magic(_))));
        drop(far);
        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_left_after_the_timeout() {
        let (_near, mut far) = duplex(1024);
        let outcome = welcome(&mut far, &identity(9, None)).await;
        assert!(matches!(outcome, Err(HandshakeError::Timeout(WELCOME_TIMEOUT))));
    }
}
