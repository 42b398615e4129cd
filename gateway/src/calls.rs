//! What the edge asks the operations: for each operation of S3 a typed request and a typed answer. The edge reads the one out of
//! headers, query and body, and writes the other into them; an operation sees neither. Who asks, from where and how it was
//! signed travels beside it.

mod lists;
mod reads;
mod writes;

pub use crate::access::acl::Said;
pub use crate::edge::payload_stream::Payload;
pub use crate::listing::Page;
pub use lists::{ListObjects, ListedAs, ListedObjects};
pub use reads::{Content, ContentStream, GetObject, GotObject, HeadObject};
pub use writes::{BodySize, DeleteObject, PartWritten, PutObject, UploadPart};

use crate::context::RequestContext;
use crate::refusal::Refusal;
use http::{HeaderMap, HeaderValue, Uri};
use pocket_api::names::BucketName;
use std::future::Future;

/// One request that the edge has let through.
pub struct Call<I> {
    pub context: RequestContext,
    pub bucket: BucketName,
    /// For rules about requests alone.
    pub headers: HeaderMap,
    /// Likewise; in path style, without the parameters of a signature.
    pub uri: Uri,
    /// Whom the caller takes for the bucket's owner.
    pub expected_owner: Option<HeaderValue>,
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

/// What a gateway can be asked on the direct way.
pub trait Operations:
    Serve<GetObject>
    + Serve<HeadObject>
    + Serve<PutObject>
    + Serve<UploadPart>
    + Serve<DeleteObject>
    + Serve<ListObjects>
    + 'static
{
}

impl<I> Call<I> {
    /// The owner as text. One that is not text is nobody's name.
    pub(crate) fn expected_owner(&self) -> Option<&str> {
        self.expected_owner.as_ref().map(|owner| owner.to_str().unwrap_or(""))
    }
}
