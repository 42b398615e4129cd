//! What TLS costs the server: GETs on connections that are kept, by one client for all sides.

use crate::client::Client;
use crate::servers::Server;
use crate::turns::median;
use crate::{Line, Options};
use anyhow::{Context, ensure};
use pocket_bench::ProcessUse;
use rcgen::generate_simple_self_signed;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

const CONNECTIONS: usize = 16;
const WARM_UP: Duration = Duration::from_millis(500);

/// A certificate for both sides, in files.
struct Certificate {
    folder: tempfile::TempDir,
    der: CertificateDer<'static>,
}

impl Certificate {
    fn make() -> anyhow::Result<Self> {
        let made = generate_simple_self_signed(["localhost".to_owned()])?;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("tls.crt"), made.cert.pem())?;
        std::fs::write(folder.path().join("tls.key"), made.signing_key.serialize_pem())?;
        Ok(Self { folder, der: made.cert.der().clone() })
    }

    fn options(&self) -> anyhow::Result<[String; 4]> {
        let path = |name| -> anyhow::Result<String> {
            let path: PathBuf = self.folder.path().join(name);
            Ok(path.to_str().context("the folder has a name in UTF-8")?.to_owned())
        };
        Ok(["--tls-cert".into(), path("tls.crt")?, "--tls-key".into(), path("tls.key")?])
    }

    fn connector(&self) -> anyhow::Result<TlsConnector> {
        let mut roots = RootCertStore::empty();
        roots.add(self.der.clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// One side: who is asked, by what, and whether in TLS.
struct Side<'a> {
    server: &'a Server,
    tls: Option<TlsConnector>,
    request: Vec<u8>,
}

/// 1 MiB against hyper and rustls alone.
pub(crate) async fn large(options: &Options) -> anyhow::Result<Vec<Line>> {
    let certificate = Certificate::make()?;
    let files = certificate.options()?;
    let [cert, cert_file, key, key_file] = files.each_ref().map(String::as_str);
    let ours = Server::serve(&["--capacity", "1GiB", cert, cert_file, key, key_file])?;
    let floor = Server::floor_hyper_with(&["--size", "1MiB", cert, cert_file, key, key_file])?;
    let tls = Some(certificate.connector()?);
    let request = request(&ours, tls.as_ref(), 1 << 20).await?;
    let sides = [
        Side { server: &ours, tls: tls.clone(), request: request.clone() },
        Side { server: &floor, tls, request },
    ];
    compare("1 MiB GET in TLS / hyper and rustls alone", &sides, 1.15, options).await
}

/// 1 KiB against the same without TLS.
pub(crate) async fn small(options: &Options) -> anyhow::Result<Vec<Line>> {
    let certificate = Certificate::make()?;
    let files = certificate.options()?;
    let [cert, cert_file, key, key_file] = files.each_ref().map(String::as_str);
    let secure = Server::serve(&["--capacity", "1GiB", cert, cert_file, key, key_file])?;
    let plain = Server::embedded("1GiB")?;
    let tls = Some(certificate.connector()?);
    let of_secure = request(&secure, tls.as_ref(), 1 << 10).await?;
    let of_plain = request(&plain, None, 1 << 10).await?;
    let sides = [
        Side { server: &secure, tls, request: of_secure },
        Side { server: &plain, tls: None, request: of_plain },
    ];
    compare("1 KiB GET in TLS / in plain", &sides, 1.4, options).await
}

/// Puts an object and gives the signed GET of it.
async fn request(server: &Server, tls: Option<&TlsConnector>, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let client = Client::of(server);
    for (path, body) in [("/bars", Vec::new()), ("/bars/k", vec![7; bytes])] {
        let mut connection = connect(server, tls).await?;
        let head = client.head("PUT", path, &[], &[("content-length", body.len().to_string().as_str())])?;
        connection.write_all(&[head, body].concat()).await?;
        ensure!(
            read_answer(&mut connection, &mut Vec::new()).await? == 0,
            "a PUT is answered without a body"
        );
    }
    client.head("GET", "/bars/k", &[], &[])
}

async fn compare(
    what: &str,
    sides: &[Side<'_>; 2],
    bar: f64,
    options: &Options,
) -> anyhow::Result<Vec<Line>> {
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..options.rounds.max(1) {
        for (side, found) in sides.iter().zip(&mut found) {
            let us = side.turn(Duration::from_secs(options.seconds.into())).await?;
            eprintln!("  {what}: {us:.2} us");
            found.push(us);
        }
    }
    let [ours, against] = found.map(median);
    Ok(vec![Line::ratio(what, ours, against, bar)])
}

impl Side<'_> {
    /// Server CPU a request, in microseconds. Handshakes are over when it begins.
    async fn turn(&self, length: Duration) -> anyhow::Result<f64> {
        let began = Instant::now() + WARM_UP;
        let ends = began + length;
        let mut clients = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let (mut connection, request) =
                (connect(self.server, self.tls.as_ref()).await?, self.request.clone());
            clients.spawn(async move {
                let (mut requests, mut buffer) = (0_u64, Vec::new());
                while Instant::now() < ends {
                    connection.write_all(&request).await?;
                    ensure!(
                        read_answer(&mut connection, &mut buffer).await? > 0,
                        "the object came without bytes"
                    );
                    requests += u64::from(Instant::now() >= began);
                }
                Ok(requests)
            });
        }
        let pid = i32::try_from(self.server.gateway)?;
        tokio::time::sleep_until(began.into()).await;
        let before = ProcessUse::of(pid)?;
        let mut requests = 0;
        while let Some(of_one) = clients.join_next().await {
            requests += of_one??;
        }
        Ok(ProcessUse::of(pid)?.cpu_us_since(&before) / requests as f64)
    }
}

trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

async fn connect(server: &Server, tls: Option<&TlsConnector>) -> anyhow::Result<Box<dyn Bytes>> {
    let stream = TcpStream::connect(server.endpoint.trim_start_matches("http://")).await?;
    stream.set_nodelay(true)?;
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(ServerName::try_from("localhost")?, stream).await?),
    })
}

/// Reads one answer, which must be 200, and tells how long its body was.
async fn read_answer(connection: &mut Box<dyn Bytes>, buffer: &mut Vec<u8>) -> anyhow::Result<usize> {
    buffer.resize(256 << 10, 0);
    let mut filled = 0;
    let (head_bytes, length) = loop {
        let read = connection.read(&mut buffer[filled..]).await?;
        ensure!(read > 0, "the connection ended before the answer");
        filled += read;
        let Some(at) = buffer[..filled].windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..at])?.to_ascii_lowercase();
        ensure!(head.starts_with("http/1.1 200"), "{head}");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        break (at + 4, length.map_or(Ok(0), |length| length.trim().parse::<usize>())?);
    };
    let mut left = (head_bytes + length).checked_sub(filled).context("more than one answer")?;
    while left > 0 {
        let read = connection.read(buffer).await?;
        ensure!(read > 0, "the connection ended within the answer");
        left = left.checked_sub(read).context("more than one answer")?;
    }
    Ok(length)
}
