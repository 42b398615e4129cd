//! HeadObject: a lookup that touches no data and uses no read up.

use super::shown::{self, show_object};
use super::{Operations, ask, context, object_key};
use crate::access::action::Action;
use crate::headers;
use crate::refusal::Refusal;
use pocket_api::metadata::{Lookup, Want};
use s3s::dto::{HeadObjectInput, HeadObjectOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<HeadObjectInput>,
) -> Result<S3Response<HeadObjectOutput>, Refusal> {
    let context = context(&request)?;
    let (input, headers) = (request.input, &request.headers);
    let select = headers::select(input.range, input.part_number)?;
    let lookup = Lookup {
        key: object_key(&input.key)?,
        conditions: headers::read_conditions(
            input.if_match,
            input.if_none_match,
            input.if_modified_since,
            input.if_unmodified_since,
        ),
        select,
        want: Want::Meta,
        // Clients probe by HEAD and must not hang because the job waits by default.
        wait: headers::wait(headers)?.unwrap_or_default(),
    };
    let mut bucket = ops
        .bucket(
            ask!(
                request,
                context,
                super::of_version(input.version_id.as_ref(), Action::GetObject, Action::GetObjectVersion)
            )
            .on(&lookup.key),
            &input.bucket,
            input.expected_bucket_owner.as_deref(),
        )
        .await?;
    let (found, _) = ops.lookup(&mut bucket, &lookup).await?;

    let mut output = HeadObjectOutput::default();
    show_object!(output, &found, select, input.checksum_mode.as_ref());
    // s3s does this for GET only.
    output.cache_control = input.response_cache_control.or(output.cache_control);
    output.content_disposition = input.response_content_disposition.or(output.content_disposition);
    output.content_encoding = input.response_content_encoding.or(output.content_encoding);
    output.content_language = input.response_content_language.or(output.content_language);
    output.content_type = input.response_content_type.or(output.content_type);
    output.version_id = input.version_id;
    let headers = shown::more_headers(&found.meta, input.response_expires.is_some());
    output.expires = input.response_expires;
    Ok(S3Response::with_headers(output, headers))
}
