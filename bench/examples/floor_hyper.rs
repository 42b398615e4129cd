//! A floor to compare with: bare hyper on one thread, without a store. GET rotates over 256 buffers, PUT drops what it
//! gets, everything is answered 200. What it costs is what HTTP and the kernel cost.

use bytes::Bytes;
use clap::Parser;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;
use tokio_rustls::TlsAcceptor;

// The same as Pocket's, so that a ratio compares servers and not allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Different buffers: with 1 MiB each they are larger than any cache, as a working set would be.
const BUFFERS: usize = 256;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Speak TLS, by rustls and nothing else, with this certificate and key in PEM.
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// Bytes of an answer to GET.
    #[arg(long, default_value = "1KiB")]
    size: bytesize::ByteSize,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let size = options.size.as_u64() as usize;
    let buffers: Rc<[Bytes]> = (0..BUFFERS).map(|n| vec![n as u8; size].into()).collect();
    let turn = Rc::new(Cell::new(0));
    let listener = TcpListener::bind(options.listen).await?;
    let tls = match (&options.tls_cert, &options.tls_key) {
        (Some(certificate), Some(key)) => Some(acceptor(certificate, key)?),
        _ => None,
    };
    println!("ready on {}", listener.local_addr()?);
    let accept = async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (buffers, turn) = (buffers.clone(), turn.clone());
            let service = service_fn(move |request| answer(request, buffers.clone(), turn.clone()));
            let tls = tls.clone();
            tokio::task::spawn_local(async move {
                let http = http1::Builder::new();
                // A client that goes away is none of the floor's business.
                match tls {
                    None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        drop(http.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            });
        }
    };
    LocalSet::new().run_until(accept).await
}

fn acceptor(certificate: &Path, key: &Path) -> anyhow::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn answer(
    request: Request<Incoming>,
    buffers: Rc<[Bytes]>,
    turn: Rc<Cell<usize>>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    if request.method() == Method::GET {
        let n = turn.get();
        turn.set((n + 1) % buffers.len());
        return Ok(Response::new(Full::new(buffers[n].clone())));
    }
    let mut body = request.into_body();
    while let Some(Ok(_)) = body.frame().await {}
    Ok(Response::new(Full::default()))
}
