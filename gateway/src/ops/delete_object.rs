//! DeleteObject. What is not there counts as deleted, unless there is a condition.

use super::{Operations, ask, context, object_key};
use crate::access::action::{Action, Actions};
use crate::errors::not_implemented;
use crate::headers;
use crate::refusal::Refusal;
use http::StatusCode;
use pocket_api::conditions::WriteCondition;
use pocket_api::metadata::Request;
use s3s::dto::{DeleteObjectInput, DeleteObjectOutput};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<DeleteObjectInput>,
) -> Result<S3Response<DeleteObjectOutput>, Refusal> {
    let context = context(&request)?;
    let condition = headers::write_condition(&request.headers)?;
    let input = request.input;
    if condition == WriteCondition::Absent {
        return Err(not_implemented("If-None-Match is not implemented for DELETE"));
    }
    if input.if_match_last_modified_time.is_some() || input.if_match_size.is_some() {
        return Err(not_implemented("conditions on an object's time or size are not implemented for DELETE"));
    }
    let key = object_key(&input.key)?;
    let deletes =
        super::of_version(input.version_id.as_ref(), Action::DeleteObject, Action::DeleteObjectVersion);
    // The answer to a condition tells what is there.
    let asked = Actions::from(deletes).and_if(condition != WriteCondition::None, Action::GetObject);
    let mut bucket = ops
        .bucket(ask!(request, context, asked).on(&key), &input.bucket, input.expected_bucket_owner.as_deref())
        .await?;
    let make = || Request::Delete { key: key.clone(), condition: condition.clone() };
    ops.call(&mut bucket, &key, make).await?;
    let output = DeleteObjectOutput { version_id: input.version_id, ..Default::default() };
    Ok(S3Response::with_status(output, StatusCode::NO_CONTENT))
}
