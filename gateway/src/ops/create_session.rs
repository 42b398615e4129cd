//! CreateSession: hands out what the edge has made for a caller who may open sessions to the bucket. What is done in one is
//! judged request by request, like everything else.

use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::edge::session::Issued;
use crate::errors;
use crate::headers::timestamp;
use crate::refusal::Refusal;
use s3s::dto::{CreateSessionInput, CreateSessionOutput, SessionCredentials};
use s3s::{S3Request, S3Response};

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<CreateSessionInput>,
) -> Result<S3Response<CreateSessionOutput>, Refusal> {
    let context = context(&request)?;
    let owner = crate::headers::text(&request.headers, "x-amz-expected-bucket-owner")?;
    let ask = ask!(request, context, Action::CreateSession);
    let mut bucket = ops.bucket(ask, &super::bucket_name(&request.input.bucket)?, owner).await?;
    ops.ping(&mut bucket).await?;
    // Nobody in particular has no key that a session could follow from.
    let issued = request.extensions.get::<Issued>().ok_or_else(|| errors::access_denied("Access Denied"))?;
    let credentials = SessionCredentials {
        access_key_id: issued.access_key_id.clone(),
        expiration: timestamp(issued.expires_at),
        secret_access_key: issued.secret.clone(),
        session_token: issued.token.clone(),
    };
    Ok(S3Response::new(CreateSessionOutput { credentials, ..Default::default() }))
}
