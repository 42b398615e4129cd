//! PutBucketLifecycleConfiguration. The bucket's shards act on it before the answer.

use super::{Operations, ask, check_owner};
use crate::settings;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::control::Placement;
use pocket_api::settings::{DocumentKind, JobSettings};
use pocket_edge::calls::{self, Call, LifecycleDocument, PutBucketLifecycle, Serve};
use pocket_edge::context::RequestContext;

impl Serve<PutBucketLifecycle> for Operations {
    async fn serve(&self, mut call: Call<PutBucketLifecycle>) -> Result<(), Refusal> {
        let PutBucketLifecycle { bucket: name, terms, rules } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutLifecycleConfiguration);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let kept =
            LifecycleDocument::new(rules.read(&self.buffers, &self.compute).await?, terms.clone()).kept()?;
        let with_document = |old: &Placement| {
            let mut new = JobSettings::clone(&old.settings);
            new.documents.insert(DocumentKind::Lifecycle, kept.clone());
            by_caller(&call.context, old, new)
        };
        settings::change(&*self.control, &self.placements, &mut bucket, with_document).await
    }
}

/// The settings with what their document means, for a caller whom the bucket admits. Rules of S3 end no bucket, so a
/// policy that lets others put them does not mean the one that does.
pub(super) fn by_caller(
    context: &RequestContext,
    old: &Placement,
    mut new: JobSettings,
) -> Result<JobSettings, Refusal> {
    new.lifecycle = calls::lifecycle_of(&new)?;
    if new.lifecycle.job_ends != old.settings.lifecycle.job_ends {
        check_owner(context, old)?;
    }
    Ok(new)
}
