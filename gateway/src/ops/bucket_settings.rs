//! Reading bucket settings that S3 has and Pocket has not: each answers S3's own "not configured", for a bucket that
//! exists. Setting them is refused by the edge. Settings that can be made have files of their own.

use super::{Operations, ask, context};
use crate::access::action::Action;
use crate::access::rules::Rules;
use crate::errors::{s3, unavailable};
use crate::headers;
use crate::placements::PlacementRef;
use crate::refusal::{ErrorCode, Refusal};
use pocket_api::names::TenantName;
use s3s::dto::*;
use s3s::{S3Request, S3Response};
use std::sync::Arc;

/// Settings whose absence is an error.
macro_rules! not_configured {
    ($($name:ident($input:ty) -> $output:ty = $action:ident, $error:expr;)*) => {$(
        pub(super) async fn $name(ops: &Operations, request: S3Request<$input>) -> Result<S3Response<$output>, Refusal> {
            check(ops, &request, &request.input.bucket, Action::$action).await?;
            Err($error)
        }
    )*};
}

/// Settings that answer what holds anyway.
macro_rules! as_it_is {
    ($($name:ident($input:ty) -> $output:ty = $action:ident, $answer:expr;)*) => {$(
        pub(super) async fn $name(ops: &Operations, request: S3Request<$input>) -> Result<S3Response<$output>, Refusal> {
            check(ops, &request, &request.input.bucket, Action::$action).await?;
            Ok(S3Response::new($answer))
        }
    )*};
}

not_configured! {
    analytics(GetBucketAnalyticsConfigurationInput) -> GetBucketAnalyticsConfigurationOutput
        = GetAnalyticsConfiguration, no_such_configuration();
    intelligent_tiering(GetBucketIntelligentTieringConfigurationInput)
        -> GetBucketIntelligentTieringConfigurationOutput = GetIntelligentTieringConfiguration, no_such_configuration();
    inventory(GetBucketInventoryConfigurationInput) -> GetBucketInventoryConfigurationOutput
        = GetInventoryConfiguration, no_such_configuration();
    metrics(GetBucketMetricsConfigurationInput) -> GetBucketMetricsConfigurationOutput
        = GetMetricsConfiguration, no_such_configuration();
    encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput
        = GetEncryptionConfiguration, missing(ErrorCode::ServerSideEncryptionConfigurationNotFoundError,
            "The server side encryption configuration was not found",
        );
    object_lock(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput
        = GetBucketObjectLockConfiguration, missing(ErrorCode::ObjectLockConfigurationNotFoundError, "Object Lock configuration does not exist for this bucket");
    replication(GetBucketReplicationInput) -> GetBucketReplicationOutput
        = GetReplicationConfiguration, missing(ErrorCode::ReplicationConfigurationNotFoundError, "The replication configuration was not found");
    website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput
        = GetBucketWebsite, s3(ErrorCode::NoSuchWebsiteConfiguration, "The specified bucket does not have a website configuration");
}

as_it_is! {
    analytics_list(ListBucketAnalyticsConfigurationsInput) -> ListBucketAnalyticsConfigurationsOutput
        = GetAnalyticsConfiguration, ListBucketAnalyticsConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    intelligent_tiering_list(ListBucketIntelligentTieringConfigurationsInput) -> ListBucketIntelligentTieringConfigurationsOutput
        = GetIntelligentTieringConfiguration, ListBucketIntelligentTieringConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    inventory_list(ListBucketInventoryConfigurationsInput) -> ListBucketInventoryConfigurationsOutput
        = GetInventoryConfiguration, ListBucketInventoryConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    metrics_list(ListBucketMetricsConfigurationsInput) -> ListBucketMetricsConfigurationsOutput
        = GetMetricsConfiguration, ListBucketMetricsConfigurationsOutput { is_truncated: Some(false), ..Default::default() };
    accelerate(GetBucketAccelerateConfigurationInput) -> GetBucketAccelerateConfigurationOutput
        = GetAccelerateConfiguration, GetBucketAccelerateConfigurationOutput::default();
    logging(GetBucketLoggingInput) -> GetBucketLoggingOutput = GetBucketLogging, GetBucketLoggingOutput::default();
    notification(GetBucketNotificationConfigurationInput) -> GetBucketNotificationConfigurationOutput
        = GetBucketNotification, GetBucketNotificationConfigurationOutput::default();
    request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput
        = GetBucketRequestPayment, GetBucketRequestPaymentOutput { payer: Some(Payer::from_static(Payer::BUCKET_OWNER)) };
    versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput = GetBucketVersioning, GetBucketVersioningOutput::default();
}

fn no_such_configuration() -> Refusal {
    missing(ErrorCode::NoSuchConfiguration, "The specified configuration does not exist.")
}

fn missing(code: ErrorCode, message: &'static str) -> Refusal {
    s3(code, message)
}

/// The bucket, which is alive and lets the caller do this. Its shards have vouched for its settings: whoever was told of
/// a change finds it here.
pub(super) async fn check<T>(
    ops: &Operations,
    request: &S3Request<T>,
    bucket: &str,
    action: Action,
) -> Result<PlacementRef, Refusal> {
    let context = context(request)?;
    // From the header, because some of S3's types here lack it.
    let owner = headers::text(&request.headers, "x-amz-expected-bucket-owner")?;
    let mut bucket = ops.bucket(ask!(request, context, action), &super::bucket_name(bucket)?, owner).await?;
    ops.ping(&mut bucket).await?;
    Ok(bucket.placement)
}

/// As [`check`]: the rules of the bucket, and whose it is.
pub(super) async fn check_rules<T>(
    ops: &Operations,
    request: &S3Request<T>,
    bucket: &str,
    action: Action,
) -> Result<(Arc<Rules>, TenantName), Refusal> {
    let placement = check(ops, request, bucket, action).await?;
    let rules = Rules::read(&placement.settings, &placement.bucket).map_err(unavailable)?;
    Ok((rules.unwrap_or_else(|| Arc::new(Rules::DEFAULT)), placement.tenant.clone()))
}
