//! What a bucket's owner can change while its job lives. The controller keeps it, every placement carries it, and it
//! changes only as a new epoch: whoever still goes by the old settings is refused by the shards and asks again.

use crate::hints::JobHints;
use crate::lifecycle::{Lifecycle, LifecycleRule};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All settings of one job.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobSettings {
    /// Hints as asked for: those of the creation with what the tags say over them. A placement has them as granted
    /// beside it.
    pub asked: JobHints,
    /// Hints that the creation asked for by other means than tags: what holds where no tag says otherwise.
    pub created_with: JobHints,
    /// The bucket's tags as they were sent, those that carry hints included.
    pub tags: Vec<(String, String)>,
    /// What shards do with the lifecycle document.
    pub lifecycle: Lifecycle,
    /// What gateways alone understand.
    pub documents: BTreeMap<DocumentKind, Arc<str>>,
}

/// A document that a gateway stores with a job and gives back as it was sent. One that is not there has S3's default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DocumentKind {
    Acl,
    Cors,
    Lifecycle,
    OwnershipControls,
    Policy,
    PublicAccessBlock,
}

impl JobSettings {
    /// Of a job that says nothing but hints.
    pub fn asking(hints: JobHints) -> Self {
        Self { asked: hints.clone(), created_with: hints, ..Self::default() }
    }

    /// About what they take in memory beyond this struct.
    pub fn size_bytes(&self) -> usize {
        let tags: usize = self.tags.iter().map(|(key, value)| key.len() + value.len()).sum();
        let documents: usize = self.documents.values().map(|text| text.len()).sum();
        // Each comes from an element of the lifecycle document that is longer.
        let rules = self.lifecycle.rules.len() * size_of::<LifecycleRule>();
        tags + documents + rules
    }
}
