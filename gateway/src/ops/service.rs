//! Hands what s3s has routed to the files of the operations, and counts it. What is not named here, s3s answers with
//! NotImplemented.

use super::*;
use crate::edge::answer::said_headers;
use crate::metrics::Operation;
use crate::refusal::Refusal;
use http::StatusCode;
use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Response, S3Result};

/// The edge answers with the refusal itself; of this error s3s makes an answer that nobody sees.
pub(super) fn tell(context: Option<Arc<RequestContext>>, refusal: Refusal) -> S3Error {
    let code = S3ErrorCode::from_bytes(refusal.code.as_str().as_bytes());
    let mut error =
        S3Error::with_message(code.unwrap_or(S3ErrorCode::InternalError), refusal.message.clone());
    error.set_status_code(StatusCode::from_u16(refusal.code.status()).unwrap_or_default());
    error.set_headers(refusal.said().map(said_headers).unwrap_or_default());
    if let Some(context) = context {
        let _ = context.refusal.set(refusal);
    }
    error
}

macro_rules! operations {
    ($($method:ident($input:ty) -> $output:ty = $operation:ident, $run:path;)*) => {
        #[async_trait::async_trait]
        impl S3 for Operations {
            $(async fn $method(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                let context = context(&request).ok();
                let outcome = self.metrics.count(Operation::$operation, $run(self, request)).await;
                outcome.map_err(|refusal| tell(context, refusal))
            })*
        }
    };
}

operations! {
    list_buckets(ListBucketsInput) -> ListBucketsOutput = ListBuckets, list_buckets::run;
    create_bucket(CreateBucketInput) -> CreateBucketOutput = CreateBucket, create_bucket::run;
    create_session(CreateSessionInput) -> CreateSessionOutput = CreateSession, create_session::run;
    head_bucket(HeadBucketInput) -> HeadBucketOutput = HeadBucket, head_bucket::run;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput = DeleteBucket, delete_bucket::run;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput
        = GetBucketLocation, get_bucket_location::run;

    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput = DeleteObjects, delete_objects::run;

    get_bucket_accelerate_configuration(GetBucketAccelerateConfigurationInput)
        -> GetBucketAccelerateConfigurationOutput = GetBucketSetting, bucket_settings::accelerate;
    get_bucket_acl(GetBucketAclInput) -> GetBucketAclOutput = GetBucketSetting, acl::get_of_bucket;
    put_bucket_acl(PutBucketAclInput) -> PutBucketAclOutput = PutBucketAcl, acl::put_of_bucket;
    get_object_acl(GetObjectAclInput) -> GetObjectAclOutput = GetObjectAcl, acl::get_of_object;
    put_object_acl(PutObjectAclInput) -> PutObjectAclOutput = PutObjectAcl, acl::put_of_object;
    get_bucket_analytics_configuration(GetBucketAnalyticsConfigurationInput)
        -> GetBucketAnalyticsConfigurationOutput = GetBucketSetting, bucket_settings::analytics;
    list_bucket_analytics_configurations(ListBucketAnalyticsConfigurationsInput)
        -> ListBucketAnalyticsConfigurationsOutput = GetBucketSetting, bucket_settings::analytics_list;
    get_bucket_intelligent_tiering_configuration(GetBucketIntelligentTieringConfigurationInput)
        -> GetBucketIntelligentTieringConfigurationOutput = GetBucketSetting, bucket_settings::intelligent_tiering;
    list_bucket_intelligent_tiering_configurations(ListBucketIntelligentTieringConfigurationsInput)
        -> ListBucketIntelligentTieringConfigurationsOutput = GetBucketSetting, bucket_settings::intelligent_tiering_list;
    get_bucket_inventory_configuration(GetBucketInventoryConfigurationInput)
        -> GetBucketInventoryConfigurationOutput = GetBucketSetting, bucket_settings::inventory;
    list_bucket_inventory_configurations(ListBucketInventoryConfigurationsInput)
        -> ListBucketInventoryConfigurationsOutput = GetBucketSetting, bucket_settings::inventory_list;
    get_bucket_metrics_configuration(GetBucketMetricsConfigurationInput)
        -> GetBucketMetricsConfigurationOutput = GetBucketSetting, bucket_settings::metrics;
    list_bucket_metrics_configurations(ListBucketMetricsConfigurationsInput)
        -> ListBucketMetricsConfigurationsOutput = GetBucketSetting, bucket_settings::metrics_list;
    get_bucket_cors(GetBucketCorsInput) -> GetBucketCorsOutput = GetBucketSetting, bucket_cors::get;
    put_bucket_cors(PutBucketCorsInput) -> PutBucketCorsOutput = PutBucketCors, bucket_cors::put;
    delete_bucket_cors(DeleteBucketCorsInput) -> DeleteBucketCorsOutput = DeleteBucketCors, bucket_cors::delete;
    get_bucket_encryption(GetBucketEncryptionInput) -> GetBucketEncryptionOutput
        = GetBucketSetting, bucket_settings::encryption;
    get_bucket_lifecycle_configuration(GetBucketLifecycleConfigurationInput)
        -> GetBucketLifecycleConfigurationOutput = GetBucketSetting, bucket_lifecycle::get;
    put_bucket_lifecycle_configuration(PutBucketLifecycleConfigurationInput)
        -> PutBucketLifecycleConfigurationOutput = PutBucketLifecycleConfiguration, bucket_lifecycle::put;
    delete_bucket_lifecycle(DeleteBucketLifecycleInput) -> DeleteBucketLifecycleOutput
        = DeleteBucketLifecycle, bucket_lifecycle::delete;
    get_bucket_logging(GetBucketLoggingInput) -> GetBucketLoggingOutput
        = GetBucketSetting, bucket_settings::logging;
    get_bucket_notification_configuration(GetBucketNotificationConfigurationInput)
        -> GetBucketNotificationConfigurationOutput = GetBucketSetting, bucket_settings::notification;
    get_bucket_ownership_controls(GetBucketOwnershipControlsInput) -> GetBucketOwnershipControlsOutput
        = GetBucketSetting, ownership_controls::get;
    put_bucket_ownership_controls(PutBucketOwnershipControlsInput) -> PutBucketOwnershipControlsOutput
        = PutBucketOwnershipControls, ownership_controls::put;
    delete_bucket_ownership_controls(DeleteBucketOwnershipControlsInput) -> DeleteBucketOwnershipControlsOutput
        = DeleteBucketOwnershipControls, ownership_controls::delete;
    get_bucket_policy(GetBucketPolicyInput)
        -> GetBucketPolicyOutput = GetBucketSetting, bucket_policy::get;
    put_bucket_policy(PutBucketPolicyInput) -> PutBucketPolicyOutput = PutBucketPolicy, bucket_policy::put;
    delete_bucket_policy(DeleteBucketPolicyInput) -> DeleteBucketPolicyOutput
        = DeleteBucketPolicy, bucket_policy::delete;
    get_bucket_policy_status(GetBucketPolicyStatusInput) -> GetBucketPolicyStatusOutput
        = GetBucketSetting, bucket_policy::status;
    get_bucket_replication(GetBucketReplicationInput) -> GetBucketReplicationOutput
        = GetBucketSetting, bucket_settings::replication;
    get_bucket_request_payment(GetBucketRequestPaymentInput) -> GetBucketRequestPaymentOutput
        = GetBucketSetting, bucket_settings::request_payment;
    get_bucket_tagging(GetBucketTaggingInput) -> GetBucketTaggingOutput
        = GetBucketSetting, bucket_tagging::get;
    put_bucket_tagging(PutBucketTaggingInput) -> PutBucketTaggingOutput
        = PutBucketTagging, bucket_tagging::put;
    delete_bucket_tagging(DeleteBucketTaggingInput) -> DeleteBucketTaggingOutput
        = DeleteBucketTagging, bucket_tagging::delete;
    get_bucket_versioning(GetBucketVersioningInput) -> GetBucketVersioningOutput
        = GetBucketSetting, bucket_settings::versioning;
    get_bucket_website(GetBucketWebsiteInput) -> GetBucketWebsiteOutput
        = GetBucketSetting, bucket_settings::website;
    get_object_lock_configuration(GetObjectLockConfigurationInput) -> GetObjectLockConfigurationOutput
        = GetBucketSetting, bucket_settings::object_lock;
    get_public_access_block(GetPublicAccessBlockInput) -> GetPublicAccessBlockOutput
        = GetBucketSetting, public_access_block::get;
    put_public_access_block(PutPublicAccessBlockInput) -> PutPublicAccessBlockOutput
        = PutPublicAccessBlock, public_access_block::put;
    delete_public_access_block(DeletePublicAccessBlockInput) -> DeletePublicAccessBlockOutput
        = DeletePublicAccessBlock, public_access_block::delete;
}
