//! TLS for clients: the certificate that a server shows, which can change while it serves, and what it agrees to. HTTP/1.1 over
//! TLS 1.2 and 1.3, by rustls with the primitives of `ring`.

use crate::server::handshake_places::HandshakePlaces;
use parking_lot::RwLock;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ParsedCertificate, ServerSessionMemoryCache};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore, ServerConfig};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Sessions of clients that resume by an identifier (TLS 1.2 without tickets). A ticket needs no memory here.
const REMEMBERED_SESSIONS_MAX: usize = 1_024;
/// Clients that offer HTTP/2 as well take this.
const HTTP_1_1: &[u8] = b"http/1.1";

/// A certificate with its chain and its private key, which belong together.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// Why files are no [`Identity`].
#[derive(Debug, thiserror::Error)]
pub enum BadIdentity {
    /// Of the certificate and its chain.
    #[error("{0}")]
    Certificate(String),
    #[error("{0}")]
    Key(String),
    #[error("the key is not that of the certificate")]
    Mismatch,
}

impl Identity {
    /// `chain`: the server's certificate first, then those between it and what clients trust. `key`: PKCS#8, PKCS#1 or SEC1. Both PEM.
    /// The certificate may be out of its time: see [`Self::out_of_time`].
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, BadIdentity> {
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|error| BadIdentity::Certificate(format!("is not PEM: {error}")))?;
        let first = chain.first().ok_or_else(|| {
            BadIdentity::Certificate("has no certificate in PEM (-----BEGIN CERTIFICATE-----)".into())
        })?;
        ParsedCertificate::try_from(first).map_err(|error| {
            BadIdentity::Certificate(format!("begins with a certificate that cannot be read: {error}"))
        })?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            pem::Error::NoItemsFound => BadIdentity::Key(
                "has no private key in PEM (-----BEGIN PRIVATE KEY-----; encrypted keys are not read)".into(),
            ),
            error => BadIdentity::Key(format!("is not PEM: {error}")),
        })?;
        match CertifiedKey::from_der(chain, key, &provider()) {
            Ok(both) => Ok(Self(Arc::new(both))),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(BadIdentity::Mismatch),
            Err(error) => Err(BadIdentity::Key(format!("has a key that cannot be used: {error}"))),
        }
    }

    /// Why clients will not accept the certificate at `now`, where its time is over or has not come.
    pub fn out_of_time(&self, now: SystemTime) -> Option<OutOfTime> {
        let now = UnixTime::since_unix_epoch(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let certificate = ParsedCertificate::try_from(self.0.end_entity_cert().ok()?).ok()?;
        // Times are looked at before anybody who could vouch for it is looked for, and here is nobody.
        let (nobody, algorithms) = (RootCertStore::empty(), provider().signature_verification_algorithms.all);
        let judged = verify_server_cert_signed_by_trust_anchor(&certificate, &nobody, &[], now, algorithms);
        let at = |time: UnixTime| UNIX_EPOCH + Duration::from_secs(time.as_secs());
        match judged {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
                Some(OutOfTime::Expired(at(not_after)))
            }
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext { not_before, .. })) => {
                Some(OutOfTime::NotYet(at(not_before)))
            }
            _ => None,
        }
    }
}

impl PartialEq for Identity {
    /// By the certificates, which are of one key.
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("certificates", &self.0.cert.len()).finish_non_exhaustive()
    }
}

/// A certificate that clients refuse for the time that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfTime {
    Expired(SystemTime),
    NotYet(SystemTime),
}

/// TLS of one server. Clones show the same certificate.
#[derive(Clone)]
pub struct Tls {
    shown: Arc<RwLock<Shown>>,
    /// Places for those that shake hands.
    pub(crate) handshakes: HandshakePlaces,
}

impl Tls {
    /// Fails where the machine gives no random bytes.
    pub fn new(identity: Identity) -> Result<Self, Error> {
        let shown = Arc::new(RwLock::new(Shown::new(identity)?));
        Ok(Self { shown, handshakes: HandshakePlaces::new() })
    }

    /// Connections from now on see this one, those too that would resume what they began under another. Says whether it is
    /// another. Fails as [`Self::new`] does, and then the old one stays.
    pub fn show(&self, identity: Identity) -> Result<bool, Error> {
        if self.shown.read().identity == identity {
            return Ok(false);
        }
        let shown = Shown::new(identity)?;
        *self.shown.write() = shown;
        Ok(true)
    }

    /// [`Identity::out_of_time`] of what is shown.
    pub fn out_of_time(&self, now: SystemTime) -> Option<OutOfTime> {
        self.shown.read().identity.out_of_time(now)
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.shown.read().config.clone()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("shown", &self.shown.read().identity).finish_non_exhaustive()
    }
}

/// A certificate, with the sessions that began under it: with another one they cannot be resumed.
struct Shown {
    identity: Identity,
    config: Arc<ServerConfig>,
}

impl Shown {
    fn new(identity: Identity) -> Result<Self, Error> {
        // Whatever name the client asks for: it judges by itself what it gets.
        let certificate = SingleCertAndKey::from((*identity.0).clone());
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(certificate));
        config.alpn_protocols = vec![HTTP_1_1.into()];
        config.ticketer = ring::Ticketer::new()?;
        config.session_storage = ServerSessionMemoryCache::new(REMEMBERED_SESSIONS_MAX);
        Ok(Self { identity, config: Arc::new(config) })
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;
    use rustls::ClientConfig;
    use rustls::pki_types::ServerName;
    use std::io;
    use tokio::net::{TcpListener, TcpStream};
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    /// TLS of a server that is `localhost`, and of a client that trusts it.
    pub(crate) fn served() -> (Tls, Arc<ClientConfig>) {
        let made = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
        let identity = Identity::from_pem(certificate.as_bytes(), key.as_bytes()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        (Tls::new(identity).unwrap(), Arc::new(client))
    }

    /// The client's and the server's end of a connection.
    pub(crate) async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (near, listener.accept().await.unwrap().0)
    }

    pub(crate) async fn connect(
        client: Arc<ClientConfig>,
        stream: TcpStream,
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(client).connect(name, stream).await
    }
}
