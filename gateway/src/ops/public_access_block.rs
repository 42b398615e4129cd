//! GetPublicAccessBlock, PutPublicAccessBlock and DeletePublicAccessBlock. A bucket has all four switches on until its
//! owner says otherwise.

use super::bucket_settings::check_rules;
use super::{Operations, ask, context, documents};
use crate::access::action::Action;
use crate::access::public_access_block::PublicAccessBlock;
use crate::access::rules::document;
use crate::errors::s3;
use crate::refusal::{ErrorCode, Refusal};
use http::StatusCode;
use pocket_api::settings::DocumentKind;
use s3s::dto::{
    DeletePublicAccessBlockInput, DeletePublicAccessBlockOutput, GetPublicAccessBlockInput,
    GetPublicAccessBlockOutput, PublicAccessBlockConfiguration, PutPublicAccessBlockInput,
    PutPublicAccessBlockOutput,
};
use s3s::{S3Request, S3Response};

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetPublicAccessBlockInput>,
) -> Result<S3Response<GetPublicAccessBlockOutput>, Refusal> {
    let (rules, _) =
        check_rules(ops, &request, &request.input.bucket, Action::GetBucketPublicAccessBlock).await?;
    let block = rules.public_access_block.ok_or_else(|| {
        let message = "The public access block configuration was not found";
        s3(ErrorCode::NoSuchPublicAccessBlockConfiguration, message)
    })?;
    let configuration = PublicAccessBlockConfiguration {
        block_public_acls: Some(block.block_public_acls),
        block_public_policy: Some(block.block_public_policy),
        ignore_public_acls: Some(block.ignore_public_acls),
        restrict_public_buckets: Some(block.restrict_public_buckets),
    };
    let public_access_block_configuration = Some(configuration);
    Ok(S3Response::new(GetPublicAccessBlockOutput { public_access_block_configuration }))
}

/// A switch that is not named is off, as in S3.
pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutPublicAccessBlockInput>,
) -> Result<S3Response<PutPublicAccessBlockOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let said = input.public_access_block_configuration;
    let block = PublicAccessBlock {
        block_public_acls: said.block_public_acls.unwrap_or(false),
        ignore_public_acls: said.ignore_public_acls.unwrap_or(false),
        block_public_policy: said.block_public_policy.unwrap_or(false),
        restrict_public_buckets: said.restrict_public_buckets.unwrap_or(false),
    };
    let ask = ask!(request, context, Action::PutBucketPublicAccessBlock);
    let (owner, kind) = (input.expected_bucket_owner.as_deref(), DocumentKind::PublicAccessBlock);
    let text = document(&Some(block));
    documents::change(ops, ask, &input.bucket, owner, kind, |_| Ok(Some(text.clone()))).await?;
    Ok(S3Response::new(PutPublicAccessBlockOutput {}))
}

pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeletePublicAccessBlockInput>,
) -> Result<S3Response<DeletePublicAccessBlockOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ask = ask!(request, context, Action::PutBucketPublicAccessBlock);
    let (owner, kind) = (input.expected_bucket_owner.as_deref(), DocumentKind::PublicAccessBlock);
    // Not the default, but nothing.
    let none = document(&None::<PublicAccessBlock>);
    documents::change(ops, ask, &input.bucket, owner, kind, |_| Ok(Some(none.clone()))).await?;
    Ok(S3Response::with_status(DeletePublicAccessBlockOutput {}, StatusCode::NO_CONTENT))
}
