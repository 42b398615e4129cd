//! What the edge asks the operations: for each operation of S3 a typed request and a typed answer. The edge reads the one out of
//! headers, query and body, and writes the other into them; an operation sees neither. Who asks, from where and how it was
//! signed travels beside it.

mod buckets;
mod call;
mod copies;
mod cors_source;
mod delete_objects;
mod lists;
mod reads;
mod settings;
mod tagging;
mod uploads;
mod writes;

pub use crate::checksums::NamedChecksum;
pub use crate::content::{Content, ContentStream};
pub use crate::documents::lifecycle::of as lifecycle_of;
pub use crate::documents::lifecycle::{LifecycleDocument, LifecycleRules, LifecycleTerms};
pub use crate::listing::Page;
pub use crate::payload_stream::{Document, Payload};
pub use crate::request_head::RequestHead;
pub use crate::session::SessionCredentials;
pub use buckets::{
    BucketConfiguration, CreateBucket, CreateSession, DeleteBucket, GetBucketLocation, Granted, HeadBucket,
    ListBuckets, ListedBucket, ListedBuckets, SeenBucket,
};
pub use call::{Call, ExpectedOwner, Input, Serve};
pub use copies::{CopyObject, Directive, Directives, PartCopied, RenameObject, SourceObject, UploadPartCopy};
pub use cors_source::CorsSource;
pub use delete_objects::{DeleteList, DeleteObjects, DeletedObjects, NamedObject, ObjectToDelete};
pub use lists::{ListObjects, ListedAs, ListedObjects};
pub use pocket_access::acl::{OwnedAcl, Ownership, Said, SentAcl};
pub use pocket_access::cors::{Cors, CorsRule};
pub use pocket_access::public_access_block::PublicAccessBlock;
pub use reads::{GetObject, GetObjectAttributes, GotObject, HeadObject};
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

/// All that a gateway can be asked.
pub trait ServeAll:
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
