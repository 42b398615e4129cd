//! Operations as HTTP carries them: one file reads the typed request of an operation out of headers, query and document, and writes
//! its answer into a header map. What operations do is theirs; nothing here knows.

mod bucket_settings;
mod buckets;
pub(crate) mod copies;
mod create_bucket;
mod delete_objects;
mod list_objects;
mod listed_uploads;
mod object_acl;
mod object_attributes;
mod object_requests;
pub(crate) mod put_object;
mod put_settings;
mod read_object;
mod shown_object;
mod tagging;
mod upload_part;
mod uploads;

use super::answer::Body;
use super::arrived::Came;
use super::location::Style;
use super::operation::Operation;
use super::payload_stream::Unread;
use super::query::Query;
use crate::calls::{self, Call, ExpectedOwner, Input, RequestHead, Serve, ServeAll, SessionCredentials};
use crate::edge::{Edge, Request};
use crate::errors::s3;
use crate::metrics::Counted;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::names::{BucketName, ObjectKey};
use tokio::time::Instant;

/// What of a request the typed one is read out of.
pub(super) struct Head<'a, 'q> {
    pub(super) operation: Operation,
    /// `None` for the service alone.
    pub(super) bucket: Option<BucketName>,
    /// `None` for the service and for buckets.
    pub(super) key: Option<ObjectKey>,
    pub(super) style: Style,
    /// The request came in TLS.
    pub(super) is_secure: bool,
    pub(super) headers: &'a HeaderMap,
    pub(super) query: &'a Query<'q>,
    /// What is known of the headers without a look for it.
    pub(super) came: Came,
    /// Of a request for a session.
    pub(super) session: Option<Box<SessionCredentials>>,
}

#[cfg(test)]
impl<'a, 'q> Head<'a, 'q> {
    /// Of a bucket, or of the service.
    fn of(
        operation: Operation,
        bucket: Option<BucketName>,
        headers: &'a HeaderMap,
        query: &'a Query<'q>,
    ) -> Self {
        let came = super::arrived::Arrived::of(headers).came;
        Self {
            operation,
            bucket,
            key: None,
            style: Style::Path,
            is_secure: false,
            headers,
            query,
            came,
            session: None,
        }
    }
}

impl Head<'_, '_> {
    /// Of an operation on a bucket or an object, or it would be another operation.
    fn bucket(&mut self) -> Result<BucketName, Refusal> {
        self.bucket.take().ok_or_else(|| s3(ErrorCode::InvalidRequest, "the request names no bucket"))
    }

    /// Of an operation on an object.
    fn key(&mut self) -> Result<ObjectKey, Refusal> {
        self.key.take().ok_or_else(|| s3(ErrorCode::InvalidRequest, "the request names no key"))
    }

    fn names_version(&self) -> bool {
        self.query.has("versionId")
    }
}

/// An operation as HTTP carries it.
pub(super) trait Wire: Input + Sized {
    /// What of the request the answer goes by.
    type Shown: Send;

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, Self::Shown), Refusal>;

    fn write(answer: Self::Answer, shown: Self::Shown) -> Response<Body>;

    fn counted(shown: &Self::Shown) -> Counted;
}

impl<O: ServeAll> Edge<O> {
    /// Carries out an operation. The request is large: it stays where it is until its parts are taken.
    pub(super) async fn carry_out(
        &self,
        operation: Operation,
        request: &mut Option<Request>,
        query: &Query<'_>,
    ) -> Result<Response<Body>, Refusal> {
        use Operation as Op;
        match operation {
            // Those that are hot live in the future of the request.
            Op::GetObject => self.run::<calls::GetObject>(request, query).await,
            Op::HeadObject => self.run::<calls::HeadObject>(request, query).await,
            Op::PutObject => self.run::<calls::PutObject>(request, query).await,
            Op::UploadPart => self.run::<calls::UploadPart>(request, query).await,
            Op::DeleteObject => self.run::<calls::DeleteObject>(request, query).await,
            Op::ListObjects | Op::ListObjectVersions => self.run::<calls::ListObjects>(request, query).await,
            // The rest would make it large.
            Op::GetObjectTagging => Box::pin(self.run::<calls::GetObjectTagging>(request, query)).await,
            Op::PutObjectTagging => Box::pin(self.run::<calls::PutObjectTagging>(request, query)).await,
            Op::DeleteObjectTagging => Box::pin(self.run::<calls::DeleteObjectTagging>(request, query)).await,
            Op::GetBucketSetting => Box::pin(self.run::<calls::GetBucketSetting>(request, query)).await,
            Op::DeleteBucketCors
            | Op::DeleteBucketLifecycle
            | Op::DeleteBucketOwnershipControls
            | Op::DeleteBucketPolicy
            | Op::DeleteBucketTagging
            | Op::DeletePublicAccessBlock => {
                Box::pin(self.run::<calls::DeleteBucketSetting>(request, query)).await
            }
            Op::PutBucketAcl => Box::pin(self.run::<calls::PutBucketAcl>(request, query)).await,
            Op::PutBucketCors => Box::pin(self.run::<calls::PutBucketCors>(request, query)).await,
            Op::PutBucketLifecycleConfiguration => {
                Box::pin(self.run::<calls::PutBucketLifecycle>(request, query)).await
            }
            Op::PutBucketOwnershipControls => {
                Box::pin(self.run::<calls::PutBucketOwnershipControls>(request, query)).await
            }
            Op::PutBucketPolicy => Box::pin(self.run::<calls::PutBucketPolicy>(request, query)).await,
            Op::PutBucketTagging => Box::pin(self.run::<calls::PutBucketTagging>(request, query)).await,
            Op::PutPublicAccessBlock => {
                Box::pin(self.run::<calls::PutPublicAccessBlock>(request, query)).await
            }
            Op::GetObjectAcl => Box::pin(self.run::<calls::GetObjectAcl>(request, query)).await,
            Op::PutObjectAcl => Box::pin(self.run::<calls::PutObjectAcl>(request, query)).await,
            Op::ListBuckets => Box::pin(self.run::<calls::ListBuckets>(request, query)).await,
            Op::CreateBucket => Box::pin(self.run::<calls::CreateBucket>(request, query)).await,
            Op::HeadBucket => Box::pin(self.run::<calls::HeadBucket>(request, query)).await,
            Op::DeleteBucket => Box::pin(self.run::<calls::DeleteBucket>(request, query)).await,
            Op::GetBucketLocation => Box::pin(self.run::<calls::GetBucketLocation>(request, query)).await,
            Op::CreateSession => Box::pin(self.run::<calls::CreateSession>(request, query)).await,
            Op::DeleteObjects => Box::pin(self.run::<calls::DeleteObjects>(request, query)).await,
            Op::GetObjectAttributes => Box::pin(self.run::<calls::GetObjectAttributes>(request, query)).await,
            Op::CopyObject => Box::pin(self.run::<calls::CopyObject>(request, query)).await,
            Op::RenameObject => Box::pin(self.run::<calls::RenameObject>(request, query)).await,
            Op::CreateMultipartUpload => {
                Box::pin(self.run::<calls::CreateMultipartUpload>(request, query)).await
            }
            Op::UploadPartCopy => Box::pin(self.run::<calls::UploadPartCopy>(request, query)).await,
            Op::CompleteMultipartUpload => {
                Box::pin(self.run::<calls::CompleteMultipartUpload>(request, query)).await
            }
            Op::AbortMultipartUpload => {
                Box::pin(self.run::<calls::AbortMultipartUpload>(request, query)).await
            }
            Op::ListParts => Box::pin(self.run::<calls::ListParts>(request, query)).await,
            Op::ListMultipartUploads => {
                Box::pin(self.run::<calls::ListMultipartUploads>(request, query)).await
            }
            // A form is a PUT by then.
            Op::PostObject => Err(s3(ErrorCode::InvalidRequest, "the request is no form")),
        }
    }

    async fn run<I>(
        &self,
        request: &mut Option<Request>,
        query: &Query<'_>,
    ) -> Result<Response<Body>, Refusal>
    where
        I: Wire,
        O: Serve<I>,
    {
        let (call, shown) = read::<I>(request, query)?;
        let started = Instant::now();
        let answer = self.operations.serve(call).await;
        self.written::<I>(started, answer, shown)
    }

    /// What came of a call.
    fn written<I: Wire>(
        &self,
        started: Instant,
        answer: Result<I::Answer, Refusal>,
        shown: I::Shown,
    ) -> Result<Response<Body>, Refusal> {
        self.metrics.record(I::counted(&shown), started, answer.as_ref().err());
        Ok(I::write(answer?, shown))
    }

    /// The PUT of a form.
    pub(super) async fn put(&self, call: Call<calls::PutObject>) -> Result<Response<Body>, Refusal> {
        let appends = call.input.append_at.is_some();
        let started = Instant::now();
        let answer = self.operations.serve(call).await;
        self.written::<calls::PutObject>(started, answer, appends)
    }
}

/// Part of its callers, so that what it makes is made where it is used.
#[inline(always)]
fn read<I: Wire>(request: &mut Option<Request>, query: &Query<'_>) -> Result<(Call<I>, I::Shown), Refusal> {
    let Some(request) = request.take() else {
        return Err(s3(ErrorCode::InternalError, "the request was read already"));
    };
    let Request { operation, bucket, key, came, session, headers, uri, style, context, body } = request;
    let is_secure = context.connection.is_secure();
    let mut head = Head { operation, bucket, key, style, is_secure, headers: &headers, query, came, session };
    let (input, shown) = I::read(&mut head, body)?;
    // An owner that is expected is something that a request says.
    let expected_owner = if came.says { ExpectedOwner::of(&headers) } else { ExpectedOwner::default() };
    let head = RequestHead::new(headers, uri);
    Ok((Call { context, head, expected_owner, input }, shown))
}

/// The answer of operations that have nothing to say.
fn done(status: StatusCode, names_version: bool) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = status;
    if names_version {
        let version = HeaderValue::from_static(crate::versions::NULL_VERSION);
        response.headers_mut().insert(shown_object::VERSION_ID, version);
    }
    response
}
