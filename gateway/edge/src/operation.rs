//! The operations of S3, as far as the edge has to tell them apart, and what each does with a request's body. Which
//! request makes which operation is said in `allow_list.rs`.

/// An operation of S3, as far as the edge has to tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Operation {
    ListBuckets,
    CreateBucket,
    HeadBucket,
    CreateSession,
    DeleteBucket,
    GetBucketLocation,
    /// GET of a setting that buckets have in S3; most answer that it is not configured.
    GetBucketSetting,
    PutBucketTagging,
    DeleteBucketTagging,
    PutBucketLifecycleConfiguration,
    DeleteBucketLifecycle,
    PutBucketAcl,
    PutBucketCors,
    DeleteBucketCors,
    PutBucketOwnershipControls,
    DeleteBucketOwnershipControls,
    PutBucketPolicy,
    DeleteBucketPolicy,
    PutPublicAccessBlock,
    DeletePublicAccessBlock,
    GetObjectAcl,
    PutObjectAcl,
    ListObjects,
    ListObjectVersions,
    ListMultipartUploads,
    DeleteObjects,
    /// An object by an HTML form.
    PostObject,
    GetObject,
    HeadObject,
    GetObjectAttributes,
    GetObjectTagging,
    PutObjectTagging,
    DeleteObjectTagging,
    PutObject,
    CopyObject,
    RenameObject,
    DeleteObject,
    CreateMultipartUpload,
    UploadPart,
    UploadPartCopy,
    CompleteMultipartUpload,
    AbortMultipartUpload,
    ListParts,
}

/// Longest document. A Complete of 10,000 parts with checksums has 1.7 MB; a Delete of 1,000 keys of 1,024 bytes, each
/// byte escaped to six, 6.2 MB.
const DOCUMENT_MAX_BYTES: u64 = 8 << 20;
/// Longest setting of a bucket: 1,000 lifecycle rules of 250 bytes. S3 bounds a policy by 20 KB and CORS by 64 KB.
const SETTING_MAX_BYTES: u64 = 256 << 10;

/// What an operation does with a request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyUse {
    /// There must be none.
    Refused,
    /// An XML document, read, verified and held against S3's own (`document.rs`) before the operation sees it.
    Document,
    /// Likewise, and short: it is kept with a bucket or an object, and may travel with the bucket's placement.
    Setting,
    /// A setting in JSON, which the operation reads itself.
    Json,
    /// An object's bytes, verified while they pass.
    Stream,
    /// Fields, and a file that is an object's bytes.
    Form,
}

impl BodyUse {
    pub(crate) fn is_xml(self) -> bool {
        matches!(self, Self::Document | Self::Setting)
    }

    /// Longest body that is read as a whole.
    pub(crate) fn document_max_bytes(self) -> Option<u64> {
        match self {
            Self::Document => Some(DOCUMENT_MAX_BYTES),
            Self::Setting | Self::Json => Some(SETTING_MAX_BYTES),
            Self::Refused | Self::Stream | Self::Form => None,
        }
    }
}

impl Operation {
    pub(crate) fn body_use(self) -> BodyUse {
        match self {
            Self::PutObject | Self::UploadPart => BodyUse::Stream,
            Self::PostObject => BodyUse::Form,
            Self::DeleteObjects | Self::CompleteMultipartUpload => BodyUse::Document,
            Self::CreateBucket
            | Self::PutObjectTagging
            | Self::PutObjectAcl
            | Self::PutBucketAcl
            | Self::PutBucketCors
            | Self::PutBucketOwnershipControls
            | Self::PutBucketTagging
            | Self::PutBucketLifecycleConfiguration
            | Self::PutPublicAccessBlock => BodyUse::Setting,
            Self::PutBucketPolicy => BodyUse::Json,
            _ => BodyUse::Refused,
        }
    }

    /// S3's name, for messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::ListBuckets => "ListBuckets",
            Self::CreateBucket => "CreateBucket",
            Self::HeadBucket => "HeadBucket",
            Self::CreateSession => "CreateSession",
            Self::DeleteBucket => "DeleteBucket",
            Self::GetBucketLocation => "GetBucketLocation",
            Self::GetBucketSetting => "GET of a bucket's setting",
            Self::PutBucketTagging => "PutBucketTagging",
            Self::DeleteBucketTagging => "DeleteBucketTagging",
            Self::PutBucketLifecycleConfiguration => "PutBucketLifecycleConfiguration",
            Self::DeleteBucketLifecycle => "DeleteBucketLifecycle",
            Self::PutBucketAcl => "PutBucketAcl",
            Self::PutBucketCors => "PutBucketCors",
            Self::DeleteBucketCors => "DeleteBucketCors",
            Self::PutBucketOwnershipControls => "PutBucketOwnershipControls",
            Self::DeleteBucketOwnershipControls => "DeleteBucketOwnershipControls",
            Self::PutBucketPolicy => "PutBucketPolicy",
            Self::DeleteBucketPolicy => "DeleteBucketPolicy",
            Self::PutPublicAccessBlock => "PutPublicAccessBlock",
            Self::DeletePublicAccessBlock => "DeletePublicAccessBlock",
            Self::GetObjectAcl => "GetObjectAcl",
            Self::PutObjectAcl => "PutObjectAcl",
            Self::ListObjects => "ListObjects",
            Self::ListObjectVersions => "ListObjectVersions",
            Self::ListMultipartUploads => "ListMultipartUploads",
            Self::DeleteObjects => "DeleteObjects",
            Self::PostObject => "POST of an object",
            Self::GetObject => "GetObject",
            Self::HeadObject => "HeadObject",
            Self::GetObjectAttributes => "GetObjectAttributes",
            Self::GetObjectTagging => "GetObjectTagging",
            Self::PutObjectTagging => "PutObjectTagging",
            Self::DeleteObjectTagging => "DeleteObjectTagging",
            Self::PutObject => "PutObject",
            Self::CopyObject => "CopyObject",
            Self::RenameObject => "RenameObject",
            Self::DeleteObject => "DeleteObject",
            Self::CreateMultipartUpload => "CreateMultipartUpload",
            Self::UploadPart => "UploadPart",
            Self::UploadPartCopy => "UploadPartCopy",
            Self::CompleteMultipartUpload => "CompleteMultipartUpload",
            Self::AbortMultipartUpload => "AbortMultipartUpload",
            Self::ListParts => "ListParts",
        }
    }
}
