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
use std::cell::Cell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::net::TcpListener;
use tokio::task::LocalSet;

// The same as Pocket's, so that a ratio compares servers and not allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Different buffers: with 1 MiB each they are larger than any cache, as a working set would be.
const BUFFERS: usize = 256;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
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
    println!("ready on {}", listener.local_addr()?);
    let accept = async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let (buffers, turn) = (buffers.clone(), turn.clone());
            let service = service_fn(move |request| answer(request, buffers.clone(), turn.clone()));
            tokio::task::spawn_local(async move {
                // A client that goes away is none of the floor's business.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    LocalSet::new().run_until(accept).await
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
