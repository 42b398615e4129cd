//! Changing one document of a bucket's settings: what the operations for policies, ACLs, CORS and the like share.

use super::Operations;
use crate::errors::unavailable;
use crate::placements::Bucket;
use crate::settings;
use pocket_access::refusal::Refusal;
use pocket_access::rules::Rules;
use pocket_api::control::Placement;
use pocket_api::names::TenantName;
use pocket_api::settings::{DocumentKind, JobSettings};
use std::sync::Arc;

/// What a change of a bucket's document has to look at: what holds when it is made.
pub(super) struct Held<'a> {
    pub(super) rules: &'a Rules,
    pub(super) owner: &'a TenantName,
}

/// Puts what `decide` says in the place of the document. Where `decide` refuses, nothing changes.
pub(super) async fn put(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    kind: DocumentKind,
    decide: impl Fn(Held<'_>) -> Result<Arc<str>, Refusal>,
) -> Result<(), Refusal> {
    let changed = |old: &Placement| {
        let rules = Rules::read(&old.settings, &old.bucket).map_err(unavailable)?;
        let rules = rules.as_deref().unwrap_or(&Rules::DEFAULT);
        let mut settings = JobSettings::clone(&old.settings);
        settings.documents.insert(kind, decide(Held { rules, owner: &old.tenant })?);
        Ok(settings)
    };
    settings::change(&*ops.control, &ops.placements, bucket, changed).await
}
