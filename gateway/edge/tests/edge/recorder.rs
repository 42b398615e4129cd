//! An S3 that does nothing but write down which operation was called with what.

use bytes::Bytes;
use futures::StreamExt;
use parking_lot::Mutex;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::acl::Acl;
use pocket_api::budget::ByteBudget;
use pocket_api::clock::Timestamp;
use pocket_api::conformance::plain_object;
use pocket_api::control::Derived;
use pocket_api::env::Env;
use pocket_api::hints::{JobHints, Limit};
use pocket_api::ids::JobId;
use pocket_api::metadata::{Committed, Found, PartsPage, SegmentPage, UploadId, UploadInfo, UploadPage};
use pocket_api::names::TenantName;
use pocket_api::object::ETag;
use pocket_edge::calls::{
    AbortMultipartUpload, CompleteMultipartUpload, CopyObject, CreateMultipartUpload, GetObjectAttributes,
    ListMultipartUploads, ListParts, ListedParts, ListedUploads, PartCopied, RenameObject, UploadCreated,
    UploadPartCopy,
};
use pocket_edge::calls::{
    BodySize, Call, Content, CreateBucket, CreateSession, DeleteBucket, DeleteObject, DeleteObjectTagging,
    DeleteObjects, DeletedObjects, GetBucketLocation, GetObject, GetObjectTagging, GotObject, Granted,
    HeadBucket, HeadObject, Input, ListBuckets, ListObjects, ListedBuckets, ListedObjects, Page, PartWritten,
    PutObject, PutObjectTagging, Said, SeenBucket, Serve, ServeAll, SessionCredentials, UploadPart,
};
use pocket_edge::calls::{
    BucketSetting, DeleteBucketSetting, GetBucketSetting, GetObjectAcl, OwnedAcl, PutBucketAcl,
    PutBucketCors, PutBucketLifecycle, PutBucketOwnershipControls, PutBucketPolicy, PutBucketTagging,
    PutObjectAcl, PutPublicAccessBlock, Unmade,
};
use pocket_edge::compute::Compute;
use pocket_edge::config::BUFFERS_MAX_BYTES;
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

impl ServeAll for Recorder {}

/// Operations of which nothing but their name is written down.
macro_rules! named {
    ($($input:ident -> $answer:expr;)*) => {$(
        impl Serve<$input> for Recorder {
            async fn serve(&self, _: Call<$input>) -> Result<<$input as Input>::Answer, Refusal> {
                self.note(stringify!($input).to_owned());
                Ok($answer)
            }
        }
    )*};
}

named! {
    GetObjectTagging -> Vec::new();
    PutObjectTagging -> ();
    DeleteObjectTagging -> ();
    ListMultipartUploads -> ListedUploads { page: Page { items: Vec::new(), more: false }, owner: me() };
    AbortMultipartUpload -> ();
    CompleteMultipartUpload -> committed(0);
    UploadPartCopy -> PartCopied { etag: ETag::md5([0; 16]), checksum: None, copied_at: Timestamp(0) };
    CreateMultipartUpload -> UploadCreated { upload: UploadId("u".into()), rule_end: None };
    GetObjectAttributes -> PartsPage { meta: plain_object(0), parts: Vec::new(), more: false };
    GetBucketSetting -> BucketSetting::Unmade(Unmade::Versioning);
    DeleteBucketSetting -> ();
    PutBucketAcl -> ();
    PutBucketCors -> ();
    PutBucketLifecycle -> ();
    PutBucketOwnershipControls -> ();
    PutBucketPolicy -> ();
    PutBucketTagging -> ();
    PutPublicAccessBlock -> ();
    GetObjectAcl -> OwnedAcl { acl: Acl::private(), owner: TenantName::parse("me").expect("a good name") };
    PutObjectAcl -> ();
    GetBucketLocation -> "local".into();
}

fn buffers() -> ByteBudget {
    ByteBudget::new(BUFFERS_MAX_BYTES)
}

fn compute() -> Compute {
    Compute::new(Env::system())
}

fn me() -> TenantName {
    TenantName::parse("me").expect("a good name")
}

impl Serve<ListBuckets> for Recorder {
    async fn serve(&self, call: Call<ListBuckets>) -> Result<ListedBuckets, Refusal> {
        let tenant = call.context.caller.tenant().map_or("nobody", |tenant| tenant.as_str());
        self.note(format!("ListBuckets by {tenant}"));
        Ok(ListedBuckets { buckets: Vec::new(), more: false, owner: me(), region: "local".into() })
    }
}

fn granted() -> Granted {
    let (hints, derived) = (JobHints::default(), Derived::default());
    Granted { job: JobId(1), hints, derived, servers_capacity_bytes: 0 }
}

/// Refuses anonymous callers before it reads, as operations must.
impl Serve<CreateBucket> for Recorder {
    async fn serve(&self, mut call: Call<CreateBucket>) -> Result<Granted, Refusal> {
        if call.context.caller.tenant().is_none() {
            return Err(Refusal::new(ErrorCode::AccessDenied, "Access Denied"));
        }
        let configuration = call.input.configuration.read(&buffers(), &compute()).await?;
        let mut note = format!("CreateBucket {}", call.input.bucket);
        for (name, value) in &call.input.hints {
            note += &format!(", {name} {value}");
        }
        for (key, value) in &configuration.tags {
            note += &format!(", tagged {key}={value}");
        }
        self.note(note);
        Ok(granted())
    }
}

impl Serve<HeadBucket> for Recorder {
    async fn serve(&self, call: Call<HeadBucket>) -> Result<SeenBucket, Refusal> {
        self.note(format!("HeadBucket {}", call.input.bucket));
        match call.input.bucket.as_str() {
            "forbidden" => Err(Refusal::new(ErrorCode::AccessDenied, "Access Denied")),
            _ => {
                let granted = granted();
                Ok(SeenBucket { granted, region: "local".into() })
            }
        }
    }
}

impl Serve<DeleteBucket> for Recorder {
    async fn serve(&self, call: Call<DeleteBucket>) -> Result<(), Refusal> {
        self.note(format!("DeleteBucket {}", call.input.bucket));
        Ok(())
    }
}

impl Serve<CreateSession> for Recorder {
    async fn serve(&self, call: Call<CreateSession>) -> Result<Box<SessionCredentials>, Refusal> {
        self.note(format!("CreateSession {}", call.input.bucket));
        call.input.credentials.ok_or_else(|| Refusal::new(ErrorCode::AccessDenied, "Access Denied"))
    }
}

impl Serve<DeleteObjects> for Recorder {
    async fn serve(&self, mut call: Call<DeleteObjects>) -> Result<DeletedObjects, Refusal> {
        let list = call.input.list.read(&buffers(), &compute()).await?;
        self.note(format!("DeleteObjects {}", list.objects.len()));
        let deleted = list.objects.into_iter().map(|object| object.named).collect();
        Ok(DeletedObjects { deleted, failed: Vec::new() })
    }
}

fn committed(size: u64) -> Committed {
    Committed {
        etag: ETag::md5([0; 16]),
        checksum: None,
        size,
        last_modified: Timestamp(0),
        expires_at: None,
        rule_end: None,
    }
}

impl Serve<CopyObject> for Recorder {
    async fn serve(&self, call: Call<CopyObject>) -> Result<Committed, Refusal> {
        self.note(format!("CopyObject {} {}", call.input.bucket, call.input.key));
        Ok(committed(0))
    }
}

impl Serve<RenameObject> for Recorder {
    async fn serve(&self, call: Call<RenameObject>) -> Result<(), Refusal> {
        self.note(format!("RenameObject {} {}", call.input.bucket, call.input.to));
        Ok(())
    }
}

impl Serve<ListParts> for Recorder {
    async fn serve(&self, call: Call<ListParts>) -> Result<ListedParts, Refusal> {
        let ListParts { key, upload, .. } = call.input;
        self.note(format!("ListParts {upload}"));
        let (initiated, checksum, storage_class) = (Timestamp(0), None, None);
        let info = UploadInfo { key, upload, initiated, checksum, storage_class };
        let page = UploadPage { info, parts: Vec::new(), more: false, completed: None, rule_end: None };
        Ok(ListedParts { page, owner: me() })
    }
}

impl Serve<GetObject> for Recorder {
    async fn serve(&self, call: Call<GetObject>) -> Result<GotObject, Refusal> {
        let GetObject { bucket, key, select, .. } = call.input;
        self.note(format!("GetObject {bucket} {key}"));
        match key.as_str() {
            "missing" => return Err(Refusal::new(ErrorCode::NoSuchKey, "no such key")),
            "cut" => {
                call.context.connection.cut();
                std::future::pending::<()>().await;
            }
            "held" => self.release.notified().await,
            _ => {}
        }
        let found = Box::new(Found {
            meta: plain_object(0),
            now: Timestamp(0),
            offset: 0,
            len: 0,
            part_checksum: None,
            page: SegmentPage::default(),
            lease: None,
            counted: false,
        });
        Ok(GotObject { found, select, content: Content::Whole(Bytes::new()) })
    }
}

impl Serve<HeadObject> for Recorder {
    async fn serve(&self, call: Call<HeadObject>) -> Result<Box<Found>, Refusal> {
        self.note(format!("HeadObject {} {}", call.input.bucket, call.input.key));
        Err(Refusal::new(ErrorCode::NoSuchKey, "no such key"))
    }
}

impl Serve<DeleteObject> for Recorder {
    async fn serve(&self, call: Call<DeleteObject>) -> Result<(), Refusal> {
        self.note(format!("DeleteObject {} {}", call.input.bucket, call.input.key));
        Ok(())
    }
}

impl Serve<ListObjects> for Recorder {
    async fn serve(&self, call: Call<ListObjects>) -> Result<ListedObjects, Refusal> {
        self.note(format!("ListObjects {}", call.input.bucket));
        let page = Page { items: Vec::new(), more: false };
        Ok(ListedObjects { page, owner: me() })
    }
}

impl Serve<UploadPart> for Recorder {
    async fn serve(&self, call: Call<UploadPart>) -> Result<PartWritten, Refusal> {
        self.note(format!("UploadPart {} {}", call.input.bucket, call.input.key));
        Ok(PartWritten { etag: ETag::md5([0; 16]), checksum: None })
    }
}

/// Writes an object down only if its body is whole and right, as operations must. Refuses the key `full` before it
/// reads.
impl Serve<PutObject> for Recorder {
    async fn serve(&self, mut call: Call<PutObject>) -> Result<Committed, Refusal> {
        let input = &mut call.input;
        if input.key.as_str() == "full" {
            return Err(Refusal::new(ErrorCode::SlowDown, "no room"));
        }
        let mut body = Vec::new();
        while let Some(data) = input.body.next().await {
            body.extend_from_slice(&data?);
        }
        let checksum = input.body.checksum()?;
        let text = match body.len() {
            0..=32 => String::from_utf8_lossy(&body).into_owned(),
            len => format!("{len} bytes"),
        };
        let mut note = format!("PutObject {} {}: {text:?}", input.bucket, input.key);
        match input.size {
            BodySize::Exactly(size) if size != body.len() as u64 => note += &format!(", wrong length {size}"),
            BodySize::AtMost(max) => assert!(body.len() as u64 <= max),
            BodySize::Exactly(_) => {}
        }
        if let Some(checksum) = &checksum {
            note += &format!(", {}", checksum.algorithm);
        }
        if let Some(encoding) = input.headers.as_ref().and_then(|headers| headers.content_encoding.as_ref()) {
            note += &format!(", encoded {encoding}");
        }
        for (name, value) in input.headers.iter().flat_map(|headers| &headers.user) {
            note += &format!(", x-amz-meta-{name}={value}");
        }
        if let Some(Limit::Of(ttl)) = input.hints.ttl {
            note += &format!(", x-pocket-ttl={ttl:?}");
        }
        if let Some(expires) = input.headers.as_ref().and_then(|headers| headers.expires.as_ref()) {
            note += &format!(", expires {expires}");
        }
        if let Said::Canned(canned) = &input.acl {
            note += &format!(", {canned:?}");
        }
        self.note(note);
        Ok(Committed {
            etag: ETag::md5([0; 16]),
            checksum,
            size: body.len() as u64,
            last_modified: Timestamp(0),
            expires_at: None,
            rule_end: None,
        })
    }
}
