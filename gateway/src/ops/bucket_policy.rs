//! GetBucketPolicy, PutBucketPolicy, DeleteBucketPolicy and GetBucketPolicyStatus. A policy is read when it is put: what
//! could not be held to is refused then.

use super::bucket_settings::{check, check_rules};
use super::documents::{self, Held};
use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::access::policy::Policy;
use crate::errors::{access_denied, from_name, s3};
use crate::refusal::{ErrorCode, Refusal};
use http::StatusCode;
use pocket_api::names::BucketName;
use pocket_api::settings::DocumentKind;
use s3s::dto::{
    DeleteBucketPolicyInput, DeleteBucketPolicyOutput, GetBucketPolicyInput, GetBucketPolicyOutput,
    GetBucketPolicyStatusInput, GetBucketPolicyStatusOutput, PolicyStatus, PutBucketPolicyInput,
    PutBucketPolicyOutput,
};
use s3s::{S3Request, S3Response};

/// As it was sent.
pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetBucketPolicyInput>,
) -> Result<S3Response<GetBucketPolicyOutput>, Refusal> {
    let placement = check(ops, &request, &request.input.bucket, Action::GetBucketPolicy).await?;
    let policy = placement.settings.documents.get(&DocumentKind::Policy).ok_or_else(none)?;
    Ok(S3Response::new(GetBucketPolicyOutput { policy: Some(policy.to_string()) }))
}

pub(super) async fn status(
    ops: &Operations,
    request: S3Request<GetBucketPolicyStatusInput>,
) -> Result<S3Response<GetBucketPolicyStatusOutput>, Refusal> {
    let (rules, _) = check_rules(ops, &request, &request.input.bucket, Action::GetBucketPolicyStatus).await?;
    let policy = rules.policy.as_ref().ok_or_else(none)?;
    let policy_status = PolicyStatus { is_public: Some(policy.is_public) };
    Ok(S3Response::new(GetBucketPolicyStatusOutput { policy_status: Some(policy_status) }))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutBucketPolicyInput>,
) -> Result<S3Response<PutBucketPolicyOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let name = BucketName::parse(&input.bucket).map_err(from_name)?;
    let policy = Policy::parse(&input.policy, &name);
    let put = |held: Held<'_>| {
        // Whose bucket it is not learns nothing of its own mistakes either, so this comes after the admission.
        let policy = policy.as_ref().map_err(|error| s3(ErrorCode::MalformedPolicy, error.to_string()))?;
        if held.rules.block().block_public_policy && policy.is_public() {
            return Err(access_denied(
                "Access Denied: public policies are prevented by the BlockPublicPolicy setting of the bucket's public \
                 access block.",
            ));
        }
        Ok(Some(input.policy.as_str().into()))
    };
    let ask = ask!(request, context, Action::PutBucketPolicy);
    let owner = input.expected_bucket_owner.as_deref();
    documents::change(ops, ask, &input.bucket, owner, DocumentKind::Policy, put).await?;
    Ok(S3Response::with_status(PutBucketPolicyOutput {}, StatusCode::NO_CONTENT))
}

/// Deleting a policy that is not there succeeds.
pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteBucketPolicyInput>,
) -> Result<S3Response<DeleteBucketPolicyOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ask = ask!(request, context, Action::DeleteBucketPolicy);
    let owner = input.expected_bucket_owner.as_deref();
    documents::change(ops, ask, &input.bucket, owner, DocumentKind::Policy, |_| Ok(None)).await?;
    Ok(S3Response::with_status(DeleteBucketPolicyOutput {}, StatusCode::NO_CONTENT))
}

fn none() -> Refusal {
    s3(ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist")
}
