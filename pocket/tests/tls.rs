//! S3 in TLS as `pocket serve` starts it: the flags, the authority of its own, and certificates that change meanwhile.

mod support;

use rcgen::{CertifiedKey, KeyPair, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use support::{Running, eventually, output, pocket_with_credentials};

/// The answer to a request of nobody, over TLS with a server that has to prove that it is `host`.
fn get(endpoint: &str, authority: &[u8], host: &str) -> io::Result<String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let session = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, TcpStream::connect(endpoint)?);
    write!(stream, "GET /a-bucket HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn made() -> CertifiedKey<KeyPair> {
    generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

fn write_files(folder: &Path, made: &CertifiedKey<KeyPair>) -> [String; 2] {
    let (certificate, key) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    [certificate, key].map(|path| path.to_str().unwrap().to_owned())
}

#[test]
fn an_authority_of_its_own_is_printed_and_stays_the_same() {
    let home = tempfile::tempdir().unwrap();
    let mut authorities = Vec::new();
    for _ in 0..2 {
        let mut command = pocket_with_credentials(home.path());
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", "64MiB"]);
        command.args(["--tls", "auto"]);
        let mut serve = Running::start(command, tempfile::tempdir().unwrap());
        let banner = serve.banner();
        let endpoint = banner.value("endpoint").strip_prefix("https://").unwrap().to_owned();
        let file = banner.value("export AWS_CA_BUNDLE=");
        assert_eq!(file, banner.value("export SSL_CERT_FILE="));
        let authority = std::fs::read(file).unwrap();
        for host in ["127.0.0.1", "localhost", "a-bucket.s3.localhost"] {
            let answer = get(&endpoint, &authority, host).unwrap();
            assert!(answer.starts_with("HTTP/1.1 4") && answer.contains("<RequestId>"), "{host}: {answer}");
        }
        assert!(get(&endpoint, &authority, "elsewhere.example").is_err());
        authorities.push(authority);
    }
    assert_eq!(authorities[0], authorities[1]);
}

#[test]
fn certificates_in_files_are_served_and_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (made(), made());
    let [certificate, key] = write_files(folder.path(), &old);
    let mut serve = Running::serve(&["--tls-cert", &certificate, "--tls-key", &key]);
    let banner = serve.banner();
    let endpoint = banner.value("endpoint").strip_prefix("https://").unwrap().to_owned();
    get(&endpoint, old.cert.pem().as_bytes(), "localhost").unwrap();
    assert!(get(&endpoint, new.cert.pem().as_bytes(), "localhost").is_err());
    write_files(folder.path(), &new);
    eventually("the new certificate", || get(&endpoint, new.cert.pem().as_bytes(), "localhost").ok());

    // On a signal without waiting for the next look, and said with all that is reloaded.
    write_files(folder.path(), &old);
    serve.signal("HUP");
    eventually("a line about it", || serve.log().contains("taken over: another certificate").then_some(()));
    get(&endpoint, old.cert.pem().as_bytes(), "localhost").unwrap();
    std::fs::write(&certificate, "half a certificate").unwrap();
    serve.signal("HUP");
    eventually("a line about it", || serve.log().contains("nothing was taken over").then_some(()));
    get(&endpoint, old.cert.pem().as_bytes(), "localhost").unwrap();
}

#[test]
fn a_gateway_of_a_cluster_serves_files_too_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let made = made();
    let [certificate, key] = write_files(folder.path(), &made);
    let role = |arguments: &[&str]| {
        let home = tempfile::tempdir().unwrap();
        let mut command = pocket_with_credentials(home.path());
        command.args(arguments).args(["--listen", "127.0.0.1:0", "--admin", "off", "--json"]);
        Running::start(command, home)
    };
    let address = |role: &mut Running| {
        let line: serde_json::Value = serde_json::from_str(&role.line().unwrap()).unwrap();
        line["address"].as_str().unwrap().to_owned()
    };
    let mut controller = role(&["controller"]);
    let controller_at = address(&mut controller);
    let mut gateway =
        role(&["gateway", "--controller", &controller_at, "--tls-cert", &certificate, "--tls-key", &key]);
    let answer = get(&address(&mut gateway), made.cert.pem().as_bytes(), "localhost").unwrap();
    assert!(answer.contains("<RequestId>"), "{answer}");

    let config = folder.path().join("auto.toml");
    std::fs::write(&config, "[gateway]\ntls = \"auto\"\n").unwrap();
    let mut command = pocket_with_credentials(folder.path());
    command.args(["gateway", "--config", config.to_str().unwrap()]);
    let ended = output(command);
    assert!(String::from_utf8(ended.stderr).unwrap().contains("`pocket serve`"));
    assert!(!ended.status.success());
}

#[test]
fn a_certificate_that_cannot_be_served_is_one_line_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let [certificate, key] = write_files(folder.path(), &made());
    std::fs::write(folder.path().join("other.key"), made().signing_key.serialize_pem()).unwrap();
    let other = folder.path().join("other.key").to_str().unwrap().to_owned();
    for (options, said) in [
        (vec!["--tls-cert", &certificate], "tls-key"),
        (vec!["--tls-cert", "/nowhere.pem", "--tls-key", &key], "cannot read tls-cert /nowhere.pem"),
        (vec!["--tls-cert", &key, "--tls-key", &key], "has no certificate"),
        (vec!["--tls-cert", &certificate, "--tls-key", &certificate], "has no private key"),
        (vec!["--tls-cert", &certificate, "--tls-key", &other], "other.key is not that of the certificate"),
        (vec!["--tls", "auto", "--tls-cert", &certificate, "--tls-key", &key], "leave out"),
        (vec!["--tls", "on"], "possible values: off, auto"),
    ] {
        let mut command = pocket_with_credentials(folder.path());
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--capacity", "64MiB"])
            .args(&options);
        let ended = output(command);
        let text = String::from_utf8(ended.stderr).unwrap();
        let last = text.lines().last().unwrap_or_default();
        assert!(!ended.status.success() && last.starts_with("pocket: "), "{options:?}: {text}");
        assert!(last.contains(said), "{options:?}: {text}");
    }
}
