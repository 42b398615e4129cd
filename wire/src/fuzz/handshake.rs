//! Fuzz target for the handshake, both sides: without the cluster's secret nobody gets in, whatever he says, and nobody
//! is waited for who has said all he has to say.

use crate::handshake::{HandshakeError, Identity, Service, greet_with, welcome_with};
use crate::secret::ClusterSecret;
use pocket_api::ids::NodeId;
use pocket_fuzz::{Mutant, Mutants, check, within_memory};
use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Hellos are of a fixed size.
const MEMORY_FACTOR: usize = 1;
const CLIENT_NONCE: [u8; 32] = [1; 32];
const SERVER_NONCE: [u8; 32] = [2; 32];
const SERVER: NodeId = NodeId(7);

fn identity(node: NodeId, secret: Option<&str>) -> Identity {
    let secret = secret.map(|secret| ClusterSecret::new(secret.into()));
    Identity { service: Service::Planes, node, secret }
}

/// A future that never has to wait, because its peer has said everything.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => outcome,
        Poll::Pending => panic!("it waits for more than there is"),
    }
}

/// What the server makes of a client that says this; with what it said itself.
fn welcomed(secret: Option<&str>, said: &[u8]) -> (Result<NodeId, HandshakeError>, Vec<u8>) {
    let mut answer = Vec::new();
    let mut stream = tokio::io::join(said, &mut answer);
    let outcome = now(welcome_with(&mut stream, &identity(SERVER, secret), SERVER_NONCE));
    (outcome, answer)
}

fn greeted(secret: Option<&str>, said: &[u8]) -> (Result<(), HandshakeError>, Vec<u8>) {
    let mut hello = Vec::new();
    let mut stream = tokio::io::join(said, &mut hello);
    let outcome = now(greet_with(&mut stream, &identity(NodeId(3), secret), SERVER, CLIENT_NONCE));
    (outcome, hello)
}

/// What both sides say when they meet: of the client, of the server.
pub(crate) fn genuine(secret: Option<&str>) -> (Vec<u8>, Vec<u8>) {
    let (_, hello) = greeted(secret, b"");
    let (_, answer) = welcomed(secret, &hello);
    let (_, client) = greeted(secret, &answer);
    let (outcome, server) = welcomed(secret, &client);
    assert_eq!(outcome.unwrap(), NodeId(3));
    assert!(greeted(secret, &server).0.is_ok());
    (client, server)
}

/// Every error says what was wrong.
fn assert_told(error: &HandshakeError) {
    match error {
        HandshakeError::Io(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        error => assert!(!error.to_string().is_empty()),
    }
}

#[test]
fn nobody_is_welcomed_who_does_not_know_the_secret() {
    let (client, _) = genuine(Some("secret"));
    let other = genuine(Some("another")).0;
    check!(10_000, Mutants::of([client.clone(), other, genuine(None).0]), |said: &Mutant| {
        match within_memory(said.len(), MEMORY_FACTOR, || welcomed(Some("secret"), said)).0 {
            Ok(node) => assert!(said.starts_with(&client) && node == NodeId(3)),
            Err(error) => assert_told(&error),
        }
    });
}

#[test]
fn nobody_is_greeted_who_does_not_know_the_secret() {
    let (_, server) = genuine(Some("secret"));
    let other = genuine(Some("another")).1;
    // The node's own bytes and the verdict; what a server's hello leaves open is proven with the rest.
    check!(10_000, Mutants::of([server.clone(), other, genuine(None).1]), |said: &Mutant| {
        match within_memory(said.len(), MEMORY_FACTOR, || greeted(Some("secret"), said)).0 {
            Ok(()) => assert!(said.starts_with(&server)),
            Err(error) => assert_told(&error),
        }
    });
}

#[test]
fn without_a_secret_both_sides_still_agree_on_version_service_and_node() {
    let (client, server) = genuine(None);
    check!(10_000, Mutants::of([client.clone(), server.clone()]), |said: &Mutant| {
        match welcomed(None, said).0 {
            // Magic, version, service, no secret; the node that it wants.
            Ok(_) => {
                assert!(said[..11] == client[..11] && said[11] == 0);
                assert!(said[24..32] == client[24..32] || said[24..32] == [0; 8]);
            }
            Err(error) => assert_told(&error),
        }
        match greeted(None, said).0 {
            Ok(()) => assert!(said[..12] == server[..12] && said[16..24] == server[16..24]),
            Err(error) => assert_told(&error),
        }
    });
}
