//! GetBucketCors, PutBucketCors and DeleteBucketCors. Who acts on them is the edge.

use super::bucket_settings::check_rules;
use super::{Operations, ask, context, documents};
use crate::access::action::Action;
use crate::access::cors::{Cors, CorsRule};
use crate::access::rules::document;
use crate::errors::{malformed_xml, s3};
use crate::refusal::{ErrorCode, Refusal};
use http::StatusCode;
use pocket_api::settings::DocumentKind;
use s3s::dto::{
    CORSRule, DeleteBucketCorsInput, DeleteBucketCorsOutput, GetBucketCorsInput, GetBucketCorsOutput,
    PutBucketCorsInput, PutBucketCorsOutput,
};
use s3s::{S3Request, S3Response};

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetBucketCorsInput>,
) -> Result<S3Response<GetBucketCorsOutput>, Refusal> {
    let (rules, _) = check_rules(ops, &request, &request.input.bucket, Action::GetBucketCORS).await?;
    let cors = rules
        .cors
        .as_ref()
        .ok_or_else(|| s3(ErrorCode::NoSuchCORSConfiguration, "The CORS configuration does not exist"))?;
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    let shown = cors.rules.iter().map(|rule| CORSRule {
        allowed_headers: some(&rule.headers),
        allowed_methods: rule.methods.clone(),
        allowed_origins: rule.origins.clone(),
        expose_headers: some(&rule.expose),
        id: rule.id.clone(),
        max_age_seconds: rule.max_age_secs,
    });
    Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(shown.collect()) }))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutBucketCorsInput>,
) -> Result<S3Response<PutBucketCorsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let rules = input.cors_configuration.cors_rules;
    if rules.is_empty() || rules.iter().any(|r| r.allowed_origins.is_empty() || r.allowed_methods.is_empty())
    {
        return Err(malformed_xml());
    }
    let rules = rules.into_iter().map(|rule| CorsRule {
        id: rule.id,
        origins: rule.allowed_origins,
        methods: rule.allowed_methods,
        headers: rule.allowed_headers.unwrap_or_default(),
        expose: rule.expose_headers.unwrap_or_default(),
        max_age_secs: rule.max_age_seconds,
    });
    let cors = Cors { rules: rules.collect() };
    cors.check().map_err(|message| s3(ErrorCode::InvalidRequest, message))?;
    let ask = ask!(request, context, Action::PutBucketCORS);
    let (owner, text) = (input.expected_bucket_owner.as_deref(), document(&cors));
    documents::change(ops, ask, &input.bucket, owner, DocumentKind::Cors, |_| Ok(Some(text.clone()))).await?;
    Ok(S3Response::new(PutBucketCorsOutput {}))
}

/// Deleting what is not there succeeds.
pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteBucketCorsInput>,
) -> Result<S3Response<DeleteBucketCorsOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ask = ask!(request, context, Action::PutBucketCORS);
    let owner = input.expected_bucket_owner.as_deref();
    documents::change(ops, ask, &input.bucket, owner, DocumentKind::Cors, |_| Ok(None)).await?;
    Ok(S3Response::with_status(DeleteBucketCorsOutput {}, StatusCode::NO_CONTENT))
}
