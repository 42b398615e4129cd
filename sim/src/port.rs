//! Where clients and the world meet.

/// A gateway as a client reaches it across the world's network. `None`: no answer came (lost, cut off, or the gateway died); the
/// request may have happened.
pub trait S3Port: Send + Sync + 'static {
    fn call(
        &self,
        request: http::Request<bytes::Bytes>,
    ) -> futures::future::BoxFuture<'static, Option<http::Response<bytes::Bytes>>>;
}
