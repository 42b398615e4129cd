//! Connections in TLS, and those that speak the other protocol than their port.

use crate::wire::{Client, EMPTY, Raw, Server};
use pocket_edge::config::EdgeConfig;
use pocket_edge::tls::{BadIdentity, Identity, OutOfTime, Tls};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A certificate of `localhost` that vouches for itself, in its time for ever.
struct Pem {
    certificate: String,
    key: String,
    der: CertificateDer<'static>,
}

impl Pem {
    fn new() -> Self {
        Self::of(|_| ())
    }

    fn of(change: impl FnOnce(&mut CertificateParams)) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), der: certificate.der().clone() }
    }

    fn identity(&self) -> Identity {
        Identity::from_pem(self.certificate.as_bytes(), self.key.as_bytes()).unwrap()
    }

    /// A client that trusts it, and remembers sessions.
    fn client(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone()).unwrap();
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec!["h2".into(), "http/1.1".into()];
        Arc::new(config)
    }
}

fn served(pem: &Pem) -> (Server, Tls) {
    let tls = Tls::new(pem.identity()).unwrap();
    let config = EdgeConfig { tls: Some(tls.clone()), threads: 1, ..EdgeConfig::default() };
    (Server::with(config), tls)
}

async fn connect(
    server: &Server,
    config: Arc<ClientConfig>,
) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    let stream = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    Ok(Client::on(TlsConnector::from(config).connect(name, stream).await?))
}

#[tokio::test]
async fn requests_are_answered_in_tls_as_in_plain() {
    let pem = Pem::new();
    let (server, _) = served(&pem);
    for (version, spoken) in [(&TLS12, ProtocolVersion::TLSv1_2), (&TLS13, ProtocolVersion::TLSv1_3)] {
        let mut client = connect(&server, pem.client(&[version])).await.unwrap();
        let session = client.stream.get_ref().1;
        assert_eq!(session.protocol_version(), Some(spoken));
        assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));
        for body in [b"hello".to_vec(), vec![7; 3 << 20]] {
            let request = Raw::new("PUT", "/bucket/k").body(&body).sign(UNSIGNED);
            client.write(&request.bytes()).await;
            assert_eq!(client.read_reply("PUT").await.status, 200);
        }
        client.write(&Raw::new("GET", "/bucket/missing").sign(EMPTY).bytes()).await;
        assert_eq!(client.read_reply("GET").await.code(), Some("NoSuchKey"));
        assert_eq!(
            server.recorder.calls(),
            [
                "PutObject bucket k: \"hello\"",
                "PutObject bucket k: \"3145728 bytes\"",
                "GetObject bucket missing"
            ]
        );
    }
}

#[tokio::test]
async fn a_client_that_comes_again_resumes_its_session() {
    let pem = Pem::new();
    let (server, _) = served(&pem);
    for version in [&TLS12, &TLS13] {
        let config = pem.client(&[version]);
        for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let mut client = connect(&server, config.clone()).await.unwrap();
            // TLS 1.3 sends tickets behind the handshake.
            client.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
            assert_eq!(client.read_reply("GET").await.status, 200);
            assert_eq!(client.stream.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[tokio::test]
async fn another_certificate_is_shown_to_new_connections_and_the_others_go_on() {
    let (old, new) = (Pem::new(), Pem::new());
    let (server, tls) = served(&old);
    let mut before = connect(&server, old.client(&[&TLS13])).await.unwrap();
    assert!(!tls.show(old.identity()).unwrap(), "the same is no change");
    let comes_again = old.client(&[&TLS13]);
    let mut begun = connect(&server, comes_again.clone()).await.unwrap();
    // Tickets come behind the handshake.
    begun.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
    assert_eq!(begun.read_reply("GET").await.status, 200);
    assert!(tls.show(new.identity()).unwrap());
    assert!(connect(&server, comes_again).await.is_err(), "a session of the old one cannot be resumed");
    connect(&server, new.client(&[&TLS13])).await.unwrap();
    assert!(connect(&server, old.client(&[&TLS13])).await.is_err());
    before.write(&Raw::new("GET", "/bucket/k").sign(EMPTY).bytes()).await;
    assert_eq!(before.read_reply("GET").await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_does_not_end_is_closed_after_ten_seconds() {
    let (server, _) = served(&Pem::new());
    // Nothing at all, and the beginning of a hello that says it is longer.
    for sent in [&b""[..], &[22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3]] {
        let began = Instant::now();
        let mut client = server.connect_on_one_clock().await;
        client.write(sent).await;
        assert!(client.is_closed().await);
        assert!((Duration::from_secs(10)..Duration::from_secs(11)).contains(&began.elapsed()), "{sent:?}");
    }
}

#[tokio::test]
async fn connections_above_the_limit_are_closed_by_an_alert() {
    let pem = Pem::new();
    let tls = Tls::new(pem.identity()).unwrap();
    let server = Server::with(EdgeConfig { tls: Some(tls), max_connections: 1, ..EdgeConfig::default() });
    let _first = connect(&server, pem.client(&[&TLS13])).await.unwrap();
    let refusal = connect(&server, pem.client(&[&TLS13])).await.err().unwrap();
    assert!(refusal.to_string().contains("InternalError"), "{refusal}");
}

#[tokio::test]
async fn plain_http_to_a_tls_port_is_told_so() {
    let (server, _) = served(&Pem::new());
    // A body behind it does not become a reset.
    for request in [
        Raw::new("GET", "/bucket/k").sign(EMPTY),
        Raw::new("PUT", "/bucket/k").body(vec![7; 200_000]).sign(UNSIGNED),
    ] {
        let mut client = server.connect().await;
        client.write(&request.bytes()).await;
        let reply = client.read_reply("GET").await;
        assert_eq!((reply.status, reply.code()), (400, Some("BadRequest")));
        assert!(reply.body.contains("https://"), "{reply:?}");
        assert!(client.is_closed().await);
    }
    assert_eq!(server.recorder.calls(), [""; 0]);
}

#[tokio::test]
async fn a_tls_client_on_the_plain_port_gets_an_alert_and_others_are_served() {
    let server = Server::start();
    let refusal = connect(&server, Pem::new().client(&[&TLS13])).await.err().unwrap();
    assert!(refusal.to_string().contains("HandshakeFailure"), "{refusal}");
    assert_eq!(server.send(&Raw::new("GET", "/bucket/k").sign(EMPTY)).await.status, 200);
}

#[tokio::test]
async fn locations_have_the_scheme_of_the_connection_whatever_a_header_claims() {
    let pem = Pem::new();
    let (secure, _) = served(&pem);
    let body = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag></Part></CompleteMultipartUpload>";
    let request = |claimed: &str| {
        let request = Raw::new("POST", "/bucket/k?uploadId=u").header("x-forwarded-proto", claimed);
        request.body(body).sign(UNSIGNED).bytes()
    };
    let mut client = connect(&secure, pem.client(&[&TLS13])).await.unwrap();
    client.write(&request("http")).await;
    let reply = client.read_reply("POST").await;
    assert!(reply.body.contains("<Location>https://localhost/bucket/k</Location>"), "{reply:?}");

    let plain = Server::start();
    let mut client = plain.connect().await;
    client.write(&request("https")).await;
    let reply = client.read_reply("POST").await;
    assert!(reply.body.contains("<Location>http://localhost/bucket/k</Location>"), "{reply:?}");
}

#[test]
fn what_is_wrong_with_a_certificate_is_said() {
    let (one, other) = (Pem::new(), Pem::new());
    let both = format!("{}{}", one.key, one.certificate);
    assert!(Identity::from_pem(both.as_bytes(), both.as_bytes()).is_ok(), "one file for both");
    let refused = |chain: &str, key: &str| Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap_err();
    let broken = one.certificate.replace("MII", "!!!");
    for chain in ["", "hello", &one.key, &broken] {
        assert!(matches!(refused(chain, &one.key), BadIdentity::Certificate(_)), "{chain}");
    }
    for key in ["", "hello", &one.certificate] {
        assert!(matches!(refused(&one.certificate, key), BadIdentity::Key(_)), "{key}");
    }
    assert!(matches!(refused(&one.certificate, &other.key), BadIdentity::Mismatch));
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap().serialize_pem();
    assert!(matches!(refused(&one.certificate, &key), BadIdentity::Mismatch));
}

#[test]
fn a_certificate_out_of_its_time_is_known() {
    let now = SystemTime::now();
    assert_eq!(Pem::new().identity().out_of_time(now), None);
    let at = |year| SystemTime::from(date_time_ymd(year, 1, 1));
    let old = Pem::of(|params| params.not_after = date_time_ymd(2020, 1, 1));
    assert_eq!(old.identity().out_of_time(now), Some(OutOfTime::Expired(at(2020))));
    let early = Pem::of(|params| params.not_before = date_time_ymd(2090, 1, 1));
    assert_eq!(early.identity().out_of_time(now), Some(OutOfTime::NotYet(at(2090))));
}
