//! Changing one document of a bucket's settings: what the operations for policies, ACLs, CORS and the like share.

use super::Operations;
use crate::access::Ask;
use crate::access::rules::Rules;
use crate::errors::unavailable;
use crate::refusal::Refusal;
use crate::settings;
use pocket_api::control::Placement;
use pocket_api::names::TenantName;
use pocket_api::settings::{DocumentKind, JobSettings};
use std::sync::Arc;

/// What a change of a bucket's document has to look at: what holds when it is made.
pub(super) struct Held<'a> {
    pub(super) rules: &'a Rules,
    pub(super) owner: &'a TenantName,
}

/// Replaces the document by what `decide` says, or takes it away. Where `decide` refuses, nothing changes.
pub(super) async fn change(
    ops: &Operations,
    ask: Ask<'_>,
    bucket: &str,
    expected_owner: Option<&str>,
    kind: DocumentKind,
    decide: impl Fn(Held<'_>) -> Result<Option<Arc<str>>, Refusal>,
) -> Result<(), Refusal> {
    let mut bucket = ops.bucket(ask, &super::bucket_name(bucket)?, expected_owner).await?;
    let changed = |old: &Placement| {
        let rules = Rules::read(&old.settings, &old.bucket).map_err(unavailable)?;
        let rules = rules.as_deref().unwrap_or(&Rules::DEFAULT);
        let mut settings = JobSettings::clone(&old.settings);
        match decide(Held { rules, owner: &old.tenant })? {
            Some(text) => settings.documents.insert(kind, text),
            None => settings.documents.remove(&kind),
        };
        Ok(settings)
    };
    settings::change(&*ops.control, &ops.placements, &mut bucket, changed).await
}
