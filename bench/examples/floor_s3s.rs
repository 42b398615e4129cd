//! A floor to compare with: the smallest S3 server that s3s allows, on one thread. Objects are `Bytes` in a map behind a lock,
//! requests are verified by s3s's own SigV4, and an ETag is a number, not an MD5.

use bytes::{Bytes, BytesMut};
use clap::Parser;
use futures::{StreamExt, stream};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::dto::*;
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use tokio::net::TcpListener;
use tokio::task::LocalSet;

// The same as Pocket's, so that a ratio compares servers and not allocators.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Options {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    #[arg(long, default_value = "floor")]
    access_key: String,
    #[arg(long, default_value = "floor-secret")]
    secret_key: String,
}

#[derive(Default)]
struct Floor {
    objects: RwLock<HashMap<String, (Bytes, u64)>>,
    versions: AtomicU64,
}

fn etag(version: u64) -> Option<ETag> {
    Some(ETag::Strong(format!("{version:032x}-1")))
}

impl Floor {
    fn find(&self, key: &str) -> S3Result<(Bytes, u64)> {
        let objects = self.objects.read().unwrap_or_else(PoisonError::into_inner);
        objects.get(key).cloned().ok_or_else(|| s3_error!(NoSuchKey))
    }
}

#[async_trait::async_trait]
impl S3 for Floor {
    /// Every bucket is there: whoever asks for one first need not make it.
    async fn head_bucket(&self, _: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        Ok(S3Response::new(HeadBucketOutput::default()))
    }

    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let length = input.content_length.ok_or_else(|| s3_error!(MissingContentLength))?;
        let mut body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let mut bytes = BytesMut::with_capacity(usize::try_from(length).unwrap_or(0));
        while let Some(piece) = body.next().await {
            bytes.extend_from_slice(&piece.map_err(|_| s3_error!(IncompleteBody))?);
        }
        let version = self.versions.fetch_add(1, Ordering::Relaxed);
        let mut objects = self.objects.write().unwrap_or_else(PoisonError::into_inner);
        objects.insert(input.key, (bytes.freeze(), version));
        Ok(S3Response::new(PutObjectOutput { e_tag: etag(version), ..Default::default() }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let (bytes, version) = self.find(&request.input.key)?;
        Ok(S3Response::new(GetObjectOutput {
            content_length: Some(bytes.len() as i64),
            body: Some(StreamingBlob::wrap(stream::iter([Ok::<_, Infallible>(bytes)]))),
            e_tag: etag(version),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let (bytes, version) = self.find(&request.input.key)?;
        let content_length = Some(bytes.len() as i64);
        Ok(S3Response::new(HeadObjectOutput { content_length, e_tag: etag(version), ..Default::default() }))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let mut builder = S3ServiceBuilder::new(Floor::default());
    builder.set_auth(SimpleAuth::from_single(options.access_key, options.secret_key));
    let service = builder.build();
    let listener = TcpListener::bind(options.listen).await?;
    println!("ready on {}", listener.local_addr()?);
    let accept = async move {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let service = service.clone();
            tokio::task::spawn_local(async move {
                // A client that goes away is none of the floor's business.
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    };
    LocalSet::new().run_until(accept).await
}
