//! What a call is, whatever it asks for, and the trait of those who carry it out.

use crate::context::RequestContext;
use crate::request_head::RequestHead;
use http::{HeaderMap, HeaderValue};
use pocket_access::refusal::Refusal;
use std::future::Future;

/// One request that the edge has let through.
pub struct Call<I> {
    pub context: RequestContext,
    /// For rules about requests alone.
    pub head: RequestHead,
    /// Whom the caller takes for the bucket's owner.
    pub expected_owner: ExpectedOwner,
    pub input: I,
}

/// A typed request.
pub trait Input: Send {
    type Answer: Send;
}

/// Carries out requests of one kind.
pub trait Serve<I: Input>: Send + Sync {
    /// Dropped when the client has gone; what it has done by then stays done.
    fn serve(&self, call: Call<I>) -> impl Future<Output = Result<I::Answer, Refusal>> + Send;
}

/// Whom a caller takes for a bucket's owner, if it says so.
#[derive(Clone, Debug, Default)]
pub struct ExpectedOwner(Option<HeaderValue>);

impl ExpectedOwner {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self::named(headers.get("x-amz-expected-bucket-owner"))
    }

    pub(crate) fn named(owner: Option<&HeaderValue>) -> Self {
        Self(owner.cloned())
    }

    /// One that is not text is nobody's name.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(|owner| owner.to_str().unwrap_or(""))
    }
}
