//! Reading a bucket's settings: those that can be made, and those that S3 has and Pocket has not. Each of the latter answers S3's
//! own "not configured", for a bucket that exists. Setting them is refused by the edge.

use super::{Operations, ask, bucket_tagging, owned};
use crate::errors::{s3, unavailable};
use pocket_access::action::Action;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_access::rules::Rules;
use pocket_api::control::Placement;
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{
    BucketSetting, Call, GetBucketSetting, LifecycleDocument, Many, Serve, Setting, Unmade, Which,
};
use std::sync::Arc;

impl Serve<GetBucketSetting> for Operations {
    /// The shards of the bucket have vouched for its settings: whoever was told of a change finds it here.
    async fn serve(&self, call: Call<GetBucketSetting>) -> Result<BucketSetting, Refusal> {
        let GetBucketSetting { bucket: name, setting } = &call.input;
        let ask = ask!(call, call.context, action(*setting));
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        self.ping(&mut bucket).await?;
        shown(&bucket.placement, *setting)
    }
}

fn action(setting: Setting) -> Action {
    match setting {
        Setting::Accelerate => Action::GetAccelerateConfiguration,
        Setting::Acl => Action::GetBucketAcl,
        Setting::Cors => Action::GetBucketCORS,
        Setting::Encryption => Action::GetEncryptionConfiguration,
        Setting::Lifecycle => Action::GetLifecycleConfiguration,
        Setting::Logging => Action::GetBucketLogging,
        Setting::Many(Many::Analytics, _) => Action::GetAnalyticsConfiguration,
        Setting::Many(Many::IntelligentTiering, _) => Action::GetIntelligentTieringConfiguration,
        Setting::Many(Many::Inventory, _) => Action::GetInventoryConfiguration,
        Setting::Many(Many::Metrics, _) => Action::GetMetricsConfiguration,
        Setting::Notification => Action::GetBucketNotification,
        Setting::ObjectLock => Action::GetBucketObjectLockConfiguration,
        Setting::OwnershipControls => Action::GetBucketOwnershipControls,
        Setting::Policy => Action::GetBucketPolicy,
        Setting::PolicyStatus => Action::GetBucketPolicyStatus,
        Setting::PublicAccessBlock => Action::GetBucketPublicAccessBlock,
        Setting::Replication => Action::GetReplicationConfiguration,
        Setting::RequestPayment => Action::GetBucketRequestPayment,
        Setting::Tagging => Action::GetBucketTagging,
        Setting::Versioning => Action::GetBucketVersioning,
        Setting::Website => Action::GetBucketWebsite,
    }
}

fn shown(placement: &Placement, setting: Setting) -> Result<BucketSetting, Refusal> {
    use BucketSetting as B;
    use ErrorCode as C;
    let settings = &placement.settings;
    let rules = || {
        let rules = Rules::read(settings, &placement.bucket).map_err(unavailable)?;
        Ok::<_, Refusal>(rules.unwrap_or_else(|| Arc::new(Rules::DEFAULT)))
    };
    let none = |code, message| move || s3(code, message);
    Ok(match setting {
        Setting::Acl => B::Acl(owned(rules()?.acl.as_ref(), &placement.tenant)),
        Setting::Cors => {
            let none = none(C::NoSuchCORSConfiguration, "The CORS configuration does not exist");
            B::Cors(rules()?.cors.clone().ok_or_else(none)?)
        }
        Setting::Lifecycle => {
            let none = none(C::NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist");
            B::Lifecycle(LifecycleDocument::of(settings)?.ok_or_else(none)?)
        }
        Setting::OwnershipControls => {
            let none =
                none(C::OwnershipControlsNotFoundError, "The bucket ownership controls were not found");
            B::OwnershipControls(rules()?.ownership.ok_or_else(none)?)
        }
        Setting::Policy => {
            B::Policy(settings.documents.get(&DocumentKind::Policy).ok_or_else(no_policy)?.clone())
        }
        Setting::PolicyStatus => {
            B::PolicyStatus { is_public: rules()?.policy.as_ref().ok_or_else(no_policy)?.is_public }
        }
        Setting::PublicAccessBlock => {
            let none = none(
                C::NoSuchPublicAccessBlockConfiguration,
                "The public access block configuration was not found",
            );
            B::PublicAccessBlock(rules()?.public_access_block.ok_or_else(none)?)
        }
        Setting::Tagging => {
            let tags = bucket_tagging::shown(settings);
            if tags.is_empty() {
                return Err(s3(C::NoSuchTagSet, "The TagSet does not exist"));
            }
            B::Tagging(tags)
        }
        Setting::Accelerate => B::Unmade(Unmade::Accelerate),
        Setting::Logging => B::Unmade(Unmade::Logging),
        Setting::Many(many, Which::All) => B::Unmade(Unmade::NoneOf(many)),
        Setting::Notification => B::Unmade(Unmade::Notification),
        Setting::RequestPayment => B::Unmade(Unmade::RequestPayment),
        Setting::Versioning => B::Unmade(Unmade::Versioning),
        Setting::Many(_, Which::One) => {
            return Err(s3(C::NoSuchConfiguration, "The specified configuration does not exist."));
        }
        Setting::Encryption => {
            let message = "The server side encryption configuration was not found";
            return Err(s3(C::ServerSideEncryptionConfigurationNotFoundError, message));
        }
        Setting::ObjectLock => {
            let message = "Object Lock configuration does not exist for this bucket";
            return Err(s3(C::ObjectLockConfigurationNotFoundError, message));
        }
        Setting::Replication => {
            let message = "The replication configuration was not found";
            return Err(s3(C::ReplicationConfigurationNotFoundError, message));
        }
        Setting::Website => {
            let message = "The specified bucket does not have a website configuration";
            return Err(s3(C::NoSuchWebsiteConfiguration, message));
        }
    })
}

fn no_policy() -> Refusal {
    s3(ErrorCode::NoSuchBucketPolicy, "The bucket policy does not exist")
}
