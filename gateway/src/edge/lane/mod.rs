//! The direct way of the operations that are hot: a typed request is read out of headers and query here, given to its operation,
//! and the answer is written into a header map. One file for what reads, one for what writes; what the operations do is theirs.

mod listed;
mod object;
mod read;
mod written;

use super::answer::Body;
use super::operation::Operation;
use super::payload::Promise;
use super::payload_stream::Payload;
use super::query::Query;
use super::target::Target;
use crate::calls::{
    BodySize, Call, DeleteObject, GetObject, HeadObject, Input, ListObjects, Operations, Serve,
};
use crate::context::RequestContext;
use crate::metrics::{self, Metrics};
use crate::refusal::Refusal;
use http::{HeaderMap, HeaderValue, Response, Uri};
use listed::ListShown;
use object::ObjectShown;
use pocket_api::names::{BucketName, ObjectKey};
use read::{PutFields, UploadFields};

/// A typed request, and what of the request the answer goes by. A body comes later.
pub(in crate::edge) enum Wanted {
    Get(GetObject, ObjectShown),
    Head(HeadObject, ObjectShown),
    Put(Box<PutFields>),
    UploadPart(Box<UploadFields>),
    Delete(DeleteObject),
    List(ListObjects, Box<ListShown>),
}

impl Wanted {
    /// `None` for the operations that do not go this way.
    pub(in crate::edge) fn read(
        operation: Operation,
        target: &mut Target<'_>,
        headers: &HeaderMap,
        query: &Query<'_>,
        promise: Option<&Promise>,
    ) -> Result<Option<Self>, Refusal> {
        Ok(Some(match operation {
            Operation::GetObject => {
                Self::Get(read::get_object(target, headers, query)?, ObjectShown::read(headers, query))
            }
            Operation::HeadObject => {
                Self::Head(read::head_object(target, headers, query)?, ObjectShown::read(headers, query))
            }
            Operation::PutObject => Self::Put(Box::new(PutFields::read(target, headers, promise)?)),
            Operation::UploadPart => Self::UploadPart(Box::new(UploadFields::read(target, query, promise)?)),
            Operation::DeleteObject => Self::Delete(read::delete_object(target, headers, query)?),
            Operation::ListObjects | Operation::ListObjectVersions => {
                let (list, shown) = listed::read(operation, query)?;
                Self::List(list, Box::new(shown))
            }
            _ => return Ok(None),
        }))
    }
}

/// What a form asks for, whose file has at most `max_bytes`.
pub(in crate::edge) fn put_of_form(
    key: ObjectKey,
    headers: &HeaderMap,
    max_bytes: u64,
    md5: Option<[u8; 16]>,
) -> Result<Wanted, Refusal> {
    let fields = PutFields::of_body(key, headers, BodySize::AtMost(max_bytes), md5)?;
    Ok(Wanted::Put(Box::new(fields)))
}

/// A request without what it wants.
pub(in crate::edge) struct Sent {
    pub(in crate::edge) context: RequestContext,
    pub(in crate::edge) bucket: BucketName,
    pub(in crate::edge) headers: HeaderMap,
    pub(in crate::edge) uri: Uri,
}

impl Sent {
    fn asking<I: Input>(self, input: I) -> Call<I> {
        let Self { context, bucket, headers, uri } = self;
        let expected_owner: Option<HeaderValue> = headers.get("x-amz-expected-bucket-owner").cloned();
        Call { context, bucket, headers, uri, expected_owner, input }
    }
}

/// Carries a request out. `body`: of a request that has one.
pub(in crate::edge) async fn serve<O: Operations>(
    operations: &O,
    metrics: &Metrics,
    sent: Sent,
    wanted: Wanted,
    body: Option<Payload>,
) -> Result<Response<Body>, Refusal> {
    use metrics::Operation as Counted;
    let bodiless =
        || Refusal::new(crate::refusal::ErrorCode::MissingRequestBodyError, "Request body is empty");
    match wanted {
        Wanted::Get(input, shown) => {
            let got = run(operations, metrics, Counted::GetObject, sent.asking(input)).await?;
            Ok(object::got(got, &shown))
        }
        Wanted::Head(input, shown) => {
            let select = input.select;
            let found = run(operations, metrics, Counted::HeadObject, sent.asking(input)).await?;
            Ok(object::found(&found, select, &shown))
        }
        Wanted::Put(fields) => {
            let input = fields.with(body.ok_or_else(bodiless)?);
            let appends = input.append_at.is_some();
            let committed = run(operations, metrics, Counted::PutObject, sent.asking(input)).await?;
            Ok(written::object(&committed, appends))
        }
        Wanted::UploadPart(fields) => {
            let input = fields.with(body.ok_or_else(bodiless)?);
            let part = run(operations, metrics, Counted::UploadPart, sent.asking(input)).await?;
            Ok(written::part(&part))
        }
        Wanted::Delete(input) => {
            let of_version = input.of_version;
            run(operations, metrics, Counted::DeleteObject, sent.asking(input)).await?;
            Ok(written::deleted(of_version))
        }
        Wanted::List(input, shown) => {
            let bucket = sent.bucket.clone();
            let listed = run(operations, metrics, shown.counted(), sent.asking(input)).await?;
            Ok(shown.write(&bucket, &listed))
        }
    }
}

async fn run<O, I>(
    operations: &O,
    metrics: &Metrics,
    counted: metrics::Operation,
    call: Call<I>,
) -> Result<I::Answer, Refusal>
where
    O: Serve<I>,
    I: Input,
{
    metrics.count(counted, operations.serve(call)).await
}
