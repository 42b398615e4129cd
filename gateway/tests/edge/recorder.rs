//! An S3 that does nothing but write down which operation was called with what.

use futures::StreamExt;
use http::{Extensions, HeaderMap, Method, Uri};
use parking_lot::Mutex;
use pocket_gateway::context::{RenameRequest, RequestContext};
use s3s::dto::*;
use s3s::route::S3Route;
use s3s::{Body, S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use std::sync::Arc;
use tokio::sync::Notify;

/// Everything that got through.
#[derive(Clone, Default)]
pub(crate) struct Recorder {
    calls: Arc<Mutex<Vec<String>>>,
    /// What GETs wait for when their key is `held`.
    pub(crate) release: Arc<Notify>,
}

impl Recorder {
    pub(crate) fn calls(&self) -> Vec<String> {
        std::mem::take(&mut *self.calls.lock())
    }

    fn note(&self, call: String) {
        self.calls.lock().push(call);
    }
}

fn context<T>(request: &S3Request<T>) -> Arc<RequestContext> {
    request.extensions.get::<Arc<RequestContext>>().expect("the edge adds a context").clone()
}

#[async_trait::async_trait]
impl S3Route for Recorder {
    fn is_match(&self, _: &Method, _: &Uri, _: &HeaderMap, extensions: &mut Extensions) -> bool {
        extensions.get::<RenameRequest>().is_some()
    }

    async fn check_access(&self, _: &mut S3Request<Body>) -> S3Result<()> {
        Ok(())
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        self.note(format!("RenameObject {}", request.uri.path()));
        Ok(S3Response::new(Body::empty()))
    }
}

#[async_trait::async_trait]
impl S3 for Recorder {
    async fn list_buckets(
        &self,
        request: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        let context = context(&request);
        let tenant = context.caller.tenant().map_or("nobody", |tenant| tenant.as_str());
        self.note(format!("ListBuckets by {tenant}"));
        Ok(S3Response::new(ListBucketsOutput::default()))
    }

    async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.note(format!("CreateBucket {}", request.input.bucket));
        Ok(S3Response::new(CreateBucketOutput::default()))
    }

    async fn delete_bucket(
        &self,
        request: S3Request<DeleteBucketInput>,
    ) -> S3Result<S3Response<DeleteBucketOutput>> {
        self.note(format!("DeleteBucket {}", request.input.bucket));
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn list_objects(
        &self,
        request: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.note(format!("ListObjects {}", request.input.bucket));
        Ok(S3Response::new(ListObjectsOutput::default()))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.note(format!("GetObject {} {}", request.input.bucket, request.input.key));
        match &*request.input.key {
            "missing" => Err(S3Error::with_message(S3ErrorCode::NoSuchKey, "no such key")),
            "cut" => {
                context(&request).connection.cut();
                std::future::pending().await
            }
            "held" => {
                self.release.notified().await;
                Ok(S3Response::new(GetObjectOutput::default()))
            }
            _ => Ok(S3Response::new(GetObjectOutput::default())),
        }
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        self.note(format!("HeadObject {} {}", request.input.bucket, request.input.key));
        Err(S3Error::new(S3ErrorCode::NoSuchKey))
    }

    async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        self.note(format!("DeleteObject {} {}", request.input.bucket, request.input.key));
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.note(format!("DeleteObjects {}", request.input.delete.objects.len()));
        Ok(S3Response::new(DeleteObjectsOutput::default()))
    }

    async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        self.note(format!("CopyObject {} {}", request.input.bucket, request.input.key));
        Ok(S3Response::new(CopyObjectOutput::default()))
    }

    /// Writes an object down only if its body is whole and right, as operations must. Refuses the key `full` before it
    /// reads.
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let context = context(&request);
        let (input, headers) = (request.input, request.headers);
        if input.key == "full" {
            return Err(S3Error::with_message(S3ErrorCode::SlowDown, "no room"));
        }
        let mut body = Vec::new();
        if let Some(mut stream) = input.body {
            while let Some(data) = stream.next().await {
                match data {
                    Ok(data) => body.extend_from_slice(&data),
                    Err(_) => break,
                }
            }
        }
        let checksum = context.body.verified().map_err(|refusal| {
            let _ = context.refusal.set(refusal);
            S3Error::new(S3ErrorCode::InternalError)
        })?;
        assert!(context.body_max_bytes.is_none_or(|max| body.len() as u64 <= max));
        let text = match body.len() {
            0..=32 => String::from_utf8_lossy(&body).into_owned(),
            len => format!("{len} bytes"),
        };
        let mut call = format!("PutObject {} {}: {text:?}", input.bucket, input.key);
        if context.body_max_bytes.is_none() && input.content_length != Some(body.len() as i64) {
            call += &format!(", wrong length {:?}", input.content_length);
        }
        if let Some(checksum) = checksum {
            call += &format!(", {}", checksum.algorithm);
        }
        if let Some(encoding) = input.content_encoding {
            call += &format!(", encoded {encoding}");
        }
        for (name, value) in &headers {
            if name.as_str().starts_with("x-amz-meta-") || name.as_str().starts_with("x-pocket-") {
                call += &format!(", {name}={}", value.to_str().unwrap_or("?"));
            }
        }
        self.note(call);
        Ok(S3Response::new(PutObjectOutput::default()))
    }
}
