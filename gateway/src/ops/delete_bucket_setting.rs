//! Taking a bucket's setting away. Of some that leaves another thing than S3's default.

use super::{Operations, ask, bucket_lifecycle, bucket_tagging};
use crate::settings;
use pocket_access::acl::Ownership;
use pocket_access::action::Action;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_access::refusal::Refusal;
use pocket_access::rules::document;
use pocket_api::control::Placement;
use pocket_api::object::Tags;
use pocket_api::settings::{DocumentKind, JobSettings};
use pocket_edge::calls::{Call, DeleteBucketSetting, Removable, Serve};
use pocket_edge::context::RequestContext;

impl Serve<DeleteBucketSetting> for Operations {
    async fn serve(&self, call: Call<DeleteBucketSetting>) -> Result<(), Refusal> {
        let DeleteBucketSetting { bucket: name, setting } = &call.input;
        let ask = ask!(call, call.context, action(*setting));
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let decide = |old: &Placement| without(*setting, old, &call.context);
        settings::change(&*self.control, &self.placements, &mut bucket, decide).await
    }
}

/// Where nothing but putting is named in S3, taking away is putting nothing.
fn action(setting: Removable) -> Action {
    match setting {
        Removable::Cors => Action::PutBucketCORS,
        Removable::Lifecycle => Action::PutLifecycleConfiguration,
        Removable::OwnershipControls => Action::PutBucketOwnershipControls,
        Removable::Policy => Action::DeleteBucketPolicy,
        Removable::PublicAccessBlock => Action::PutBucketPublicAccessBlock,
        Removable::Tagging => Action::PutBucketTagging,
    }
}

fn without(setting: Removable, old: &Placement, context: &RequestContext) -> Result<JobSettings, Refusal> {
    let mut new = JobSettings::clone(&old.settings);
    match setting {
        Removable::Cors => new.documents.remove(&DocumentKind::Cors),
        Removable::Policy => new.documents.remove(&DocumentKind::Policy),
        // Not the default, but nothing, which is ObjectWriter.
        Removable::OwnershipControls => {
            new.documents.insert(DocumentKind::OwnershipControls, document(&None::<Ownership>))
        }
        // Not the default, but nothing.
        Removable::PublicAccessBlock => {
            new.documents.insert(DocumentKind::PublicAccessBlock, document(&None::<PublicAccessBlock>))
        }
        Removable::Lifecycle => {
            new.documents.remove(&DocumentKind::Lifecycle);
            return bucket_lifecycle::by_caller(context, old, new);
        }
        Removable::Tagging => return bucket_tagging::by_caller(context, old, Tags::new()),
    };
    Ok(new)
}
