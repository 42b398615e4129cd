//! GetBucketOwnershipControls, PutBucketOwnershipControls and DeleteBucketOwnershipControls: whether ACLs count. A bucket
//! has BucketOwnerEnforced, where they do not, until its owner says otherwise.

use super::bucket_settings::check_rules;
use super::documents::{self, Held};
use super::{Operations, ask, context};
use crate::access::acl::Ownership;
use crate::access::action::Action;
use crate::access::rules::document;
use crate::errors::{malformed_xml, s3};
use crate::refusal::{ErrorCode, Refusal};
use http::StatusCode;
use pocket_api::settings::DocumentKind;
use s3s::dto::{
    DeleteBucketOwnershipControlsInput, DeleteBucketOwnershipControlsOutput, GetBucketOwnershipControlsInput,
    GetBucketOwnershipControlsOutput, ObjectOwnership, OwnershipControls, OwnershipControlsRule,
    PutBucketOwnershipControlsInput, PutBucketOwnershipControlsOutput,
};
use s3s::{S3Request, S3Response};

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetBucketOwnershipControlsInput>,
) -> Result<S3Response<GetBucketOwnershipControlsOutput>, Refusal> {
    let (rules, _) =
        check_rules(ops, &request, &request.input.bucket, Action::GetBucketOwnershipControls).await?;
    let ownership = rules.ownership.ok_or_else(|| {
        let message = "The bucket ownership controls were not found";
        s3(ErrorCode::OwnershipControlsNotFoundError, message)
    })?;
    let object_ownership = ObjectOwnership::from_static(ownership.name());
    let rules = vec![OwnershipControlsRule { object_ownership }];
    let ownership_controls = Some(OwnershipControls { rules });
    Ok(S3Response::new(GetBucketOwnershipControlsOutput { ownership_controls }))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutBucketOwnershipControlsInput>,
) -> Result<S3Response<PutBucketOwnershipControlsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ownership = match &input.ownership_controls.rules[..] {
        [rule] => Ownership::parse(rule.object_ownership.as_str()),
        _ => None,
    };
    let ownership = ownership.ok_or_else(malformed_xml)?;
    let put = |held: Held<'_>| {
        let is_private = held.rules.acl.as_ref().is_none_or(|acl| acl.is_private(held.owner));
        match ownership == Ownership::BucketOwnerEnforced && !is_private {
            true => Err(acl_with_enforced_owner()),
            false => Ok(Some(document(&Some(ownership)))),
        }
    };
    let ask = ask!(request, context, Action::PutBucketOwnershipControls);
    let (owner, kind) = (input.expected_bucket_owner.as_deref(), DocumentKind::OwnershipControls);
    documents::change(ops, ask, &input.bucket, owner, kind, put).await?;
    Ok(S3Response::new(PutBucketOwnershipControlsOutput {}))
}

pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteBucketOwnershipControlsInput>,
) -> Result<S3Response<DeleteBucketOwnershipControlsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ask = ask!(request, context, Action::PutBucketOwnershipControls);
    let (owner, kind) = (input.expected_bucket_owner.as_deref(), DocumentKind::OwnershipControls);
    // Not the default, but nothing, which is ObjectWriter.
    let none = document(&None::<Ownership>);
    documents::change(ops, ask, &input.bucket, owner, kind, |_| Ok(Some(none.clone()))).await?;
    Ok(S3Response::with_status(DeleteBucketOwnershipControlsOutput {}, StatusCode::NO_CONTENT))
}

pub(super) fn acl_with_enforced_owner() -> Refusal {
    let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    s3(ErrorCode::InvalidBucketAclWithObjectOwnership, message)
}
