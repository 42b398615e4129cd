//! GetObject: one lookup, then the bytes.

use super::shown::{self, show_object};
use super::{Operations, ask, context, object_key, of_version};
use crate::access::action::{Action, Actions};
use crate::headers;
use crate::placements::Bucket;
use crate::reader::Purpose;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use pocket_api::metadata::{Found, Lookup, Select, Want};
use s3s::dto::{GetObjectInput, GetObjectOutput};
use s3s::{S3Request, S3Response};
use std::time::Duration;

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<GetObjectInput>,
) -> Result<S3Response<GetObjectOutput>, Refusal> {
    let context = context(&request)?;
    let (input, headers) = (request.input, &request.headers);
    let key = object_key(&input.key)?;
    let select = headers::select(input.range, input.part_number)?;
    let delete = headers::flag(headers, "x-pocket-delete-after-read")?;
    let wait = headers::wait(headers)?;
    let version = input.version_id.as_ref();
    let asked = Actions::from(of_version(version, Action::GetObject, Action::GetObjectVersion))
        .and_if(delete, of_version(version, Action::DeleteObject, Action::DeleteObjectVersion));
    let mut lookup = Lookup {
        key,
        conditions: headers::read_conditions(
            input.if_match,
            input.if_none_match,
            input.if_modified_since,
            input.if_unmodified_since,
        ),
        select,
        want: if delete { Want::DataAndDelete } else { Want::Data },
        wait: Duration::ZERO,
    };
    let of_range = match select {
        Select::Range(_) => headers::if_range(headers, &lookup.conditions)?,
        _ => None,
    };
    let ask = ask!(request, context, asked).on(&lookup.key);
    let mut bucket = ops.bucket(ask, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    lookup.wait = wait.unwrap_or(bucket.placement.hints.wait);

    let found = match of_range {
        None => find(ops, &mut bucket, &lookup, wait).await,
        Some(conditions) => {
            let others = std::mem::replace(&mut lookup.conditions, conditions);
            match find(ops, &mut bucket, &lookup, wait).await {
                // It is not the object that the client has the rest of.
                Err(error) if error.code == ErrorCode::PreconditionFailed => {
                    (lookup.conditions, lookup.select) = (others, Select::Whole);
                    find(ops, &mut bucket, &lookup, wait).await
                }
                found => found,
            }
        }
    };
    let (found, payload) = found?;

    let mut output = GetObjectOutput::default();
    show_object!(output, &found, lookup.select, input.checksum_mode.as_ref());
    output.version_id = input.version_id;
    let headers = shown::more_headers(&found.meta, input.response_expires.is_some());
    let shard = bucket.shard(&lookup.key);
    let readable = shown::check_readable(&found.meta);
    let body =
        ops.reader.open(bucket.job(), shard, found, payload, &context.connection, Purpose::Deliver).await?;
    // Once there is somebody who gives the lease back.
    readable?;
    output.body = Some(body.into_blob());
    Ok(S3Response::with_headers(output, headers))
}

/// `wait`: as the request says it; where it does not, the job's own holds.
async fn find(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    lookup: &Lookup,
    wait: Option<Duration>,
) -> Result<(Found, Bytes), Refusal> {
    // What was just sent to this client in full may be reserved for it still when the shard looks: a reader of ranges
    // would find that its own last one has taken the object away.
    let settled = ops.transfers.settled();
    match ops.lookup(bucket, lookup).await {
        Err(error)
            if error.code == ErrorCode::NoSuchKey
                && ops.transfers.settle(bucket.shard(&lookup.key), settled).await =>
        {
            ops.lookup(bucket, &Lookup { wait: Duration::ZERO, ..lookup.clone() }).await
        }
        // The job's own wait became longer, and this gateway learned of it from this very answer.
        Err(error)
            if error.code == ErrorCode::NoSuchKey
                && wait.is_none()
                && bucket.placement.hints.wait > lookup.wait =>
        {
            let wait = bucket.placement.hints.wait;
            ops.lookup(bucket, &Lookup { wait, ..lookup.clone() }).await
        }
        found => found,
    }
}
