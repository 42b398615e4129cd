//! What the edge asks the operations: for each operation of S3 a typed request and a typed answer. The edge reads the one out of
//! headers, query and body, and writes the other into them; an operation sees neither. Who asks, from where and how it was
//! signed travels beside it.

mod buckets;
mod copies;
mod delete_objects;
mod lists;
mod reads;
mod settings;
mod tagging;
mod uploads;
mod writes;

pub use crate::checksums::NamedChecksum;
pub use crate::documents::lifecycle::of as lifecycle_of;
pub use crate::documents::lifecycle::{LifecycleDocument, LifecycleRules, LifecycleTerms};
pub use crate::listing::Page;
pub use crate::payload_stream::{Document, Payload};
pub use crate::request_head::RequestHead;
pub use buckets::{
    BucketConfiguration, CreateBucket, CreateSession, DeleteBucket, GetBucketLocation, Granted, HeadBucket,
    ListBuckets, ListedBucket, ListedBuckets, SeenBucket, SessionCredentials,
};
pub use copies::{CopyObject, Directive, Directives, PartCopied, RenameObject, SourceObject, UploadPartCopy};
pub use delete_objects::{DeleteList, DeleteObjects, DeletedObjects, NamedObject, ObjectToDelete};
pub use lists::{ListObjects, ListedAs, ListedObjects};
pub use pocket_access::acl::{OwnedAcl, Ownership, Said, SentAcl};
pub use pocket_access::cors::{Cors, CorsRule};
pub use pocket_access::public_access_block::PublicAccessBlock;
pub use reads::{Content, ContentStream, GetObject, GetObjectAttributes, GotObject, HeadObject};
pub use settings::{
    BucketSetting, DeleteBucketSetting, GetBucketSetting, GetObjectAcl, Many, PutBucketAcl, PutBucketCors,
    PutBucketLifecycle, PutBucketOwnershipControls, PutBucketPolicy, PutBucketTagging, PutObjectAcl,
    PutPublicAccessBlock, Removable, Setting, Unmade, Which,
};
pub use tagging::{DeleteObjectTagging, GetObjectTagging, PutObjectTagging};
pub use uploads::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, ListMultipartUploads, ListParts,
    ListedPart, ListedParts, ListedUploads, PromisedWhole, UploadCreated,
};
pub use writes::{BodySize, DeleteObject, PartWritten, PutObject, UploadPart};

use crate::context::RequestContext;
use http::{HeaderMap, HeaderValue, Uri};
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

/// All that a gateway can be asked.
pub trait Operations:
    Serve<GetObject>
    + Serve<HeadObject>
    + Serve<PutObject>
    + Serve<UploadPart>
    + Serve<DeleteObject>
    + Serve<ListObjects>
    + Serve<GetObjectTagging>
    + Serve<PutObjectTagging>
    + Serve<DeleteObjectTagging>
    + Serve<GetBucketSetting>
    + Serve<DeleteBucketSetting>
    + Serve<PutBucketAcl>
    + Serve<PutBucketCors>
    + Serve<PutBucketLifecycle>
    + Serve<PutBucketOwnershipControls>
    + Serve<PutBucketPolicy>
    + Serve<PutBucketTagging>
    + Serve<PutPublicAccessBlock>
    + Serve<GetObjectAcl>
    + Serve<PutObjectAcl>
    + Serve<ListBuckets>
    + Serve<CreateBucket>
    + Serve<HeadBucket>
    + Serve<DeleteBucket>
    + Serve<GetBucketLocation>
    + Serve<CreateSession>
    + Serve<DeleteObjects>
    + Serve<GetObjectAttributes>
    + Serve<CopyObject>
    + Serve<RenameObject>
    + Serve<CreateMultipartUpload>
    + Serve<UploadPartCopy>
    + Serve<CompleteMultipartUpload>
    + Serve<AbortMultipartUpload>
    + Serve<ListParts>
    + Serve<ListMultipartUploads>
    + 'static
{
}

impl<I> Call<I> {
    pub(crate) fn new(context: RequestContext, headers: HeaderMap, uri: Uri, input: I) -> Self {
        let expected_owner = ExpectedOwner::named(headers.get("x-amz-expected-bucket-owner"));
        Self { context, head: RequestHead::new(headers, uri), expected_owner, input }
    }
}

/// Whom a caller takes for a bucket's owner, if it says so.
#[derive(Clone, Debug, Default)]
pub struct ExpectedOwner(Option<HeaderValue>);

impl ExpectedOwner {
    pub(crate) fn named(owner: Option<&HeaderValue>) -> Self {
        Self(owner.cloned())
    }

    /// One that is not text is nobody's name.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(|owner| owner.to_str().unwrap_or(""))
    }
}
