//! All rules of one bucket, read from the documents of its settings. A bucket without such documents has none, and is
//! its owner's alone.

use super::action::Actions;
use super::policy::Policy;
use super::public_access_block::PublicAccessBlock;
use pocket_api::names::BucketName;
use pocket_api::settings::{DocumentKind, JobSettings};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Read once for each epoch of a job.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rules {
    pub(crate) policy: Option<BucketPolicy>,
    /// `None` where the owner took it away.
    pub(crate) public_access_block: Option<PublicAccessBlock>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BucketPolicy {
    pub(crate) policy: Policy,
    pub(crate) is_public: bool,
}

impl Rules {
    /// Of a bucket whose owner said nothing.
    pub(crate) const DEFAULT: Self =
        Self { policy: None, public_access_block: Some(PublicAccessBlock::DEFAULT) };

    /// `None` where no document is there. Documents were checked before they were stored, so one that cannot be read
    /// came from another version of the gateway, and it is better to serve nothing than to guess.
    pub(crate) fn read(settings: &JobSettings, bucket: &BucketName) -> Result<Option<Arc<Self>>, String> {
        let mut rules = Self::DEFAULT;
        let mut any = false;
        for (kind, text) in &settings.documents {
            match kind {
                DocumentKind::Policy => {
                    let policy = Policy::parse(text, bucket).map_err(|error| unreadable(*kind, &error))?;
                    let is_public = policy.is_public();
                    rules.policy = Some(BucketPolicy { policy, is_public });
                }
                DocumentKind::PublicAccessBlock => rules.public_access_block = read(*kind, text)?,
                DocumentKind::Acl
                | DocumentKind::Cors
                | DocumentKind::Lifecycle
                | DocumentKind::OwnershipControls => continue,
            }
            any = true;
        }
        Ok(any.then(|| Arc::new(rules)))
    }

    pub(crate) fn block(&self) -> PublicAccessBlock {
        self.public_access_block.unwrap_or(PublicAccessBlock::NONE)
    }

    /// Whether an answer for one of `actions` depends on the tags of the object that is there.
    pub(crate) fn asks_for_tags(&self, actions: Actions) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.policy.asks_for_tags(actions))
    }
}

fn read<T: DeserializeOwned>(kind: DocumentKind, text: &str) -> Result<T, String> {
    serde_json::from_str(text).map_err(|error| unreadable(kind, &error))
}

fn unreadable(kind: DocumentKind, error: &dyn std::fmt::Display) -> String {
    format!("the bucket's {kind:?} cannot be read: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(documents: &[(DocumentKind, &str)]) -> Result<Option<Arc<Rules>>, String> {
        let documents = documents.iter().map(|(kind, text)| (*kind, Arc::from(*text))).collect();
        let settings = JobSettings { documents, ..JobSettings::default() };
        Rules::read(&settings, &BucketName::parse("data").unwrap())
    }

    #[test]
    fn a_bucket_without_documents_has_no_rules() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[(DocumentKind::Lifecycle, "<x/>")]), Ok(None));
    }

    #[test]
    fn what_was_taken_away_is_another_thing_than_what_was_never_said() {
        let rules = |block: &str| read(&[(DocumentKind::PublicAccessBlock, block)]).unwrap().unwrap();
        let some = serde_json::to_string(&PublicAccessBlock::NONE).unwrap();
        assert_eq!(rules(&some).public_access_block, Some(PublicAccessBlock::NONE));
        assert_eq!(
            (rules("null").public_access_block, rules("null").block()),
            (None, PublicAccessBlock::NONE)
        );
        assert_eq!(Rules::DEFAULT.block(), PublicAccessBlock::DEFAULT);
    }

    #[test]
    fn a_document_that_cannot_be_read_is_no_reason_to_guess() {
        for kind in [DocumentKind::Policy, DocumentKind::PublicAccessBlock] {
            assert!(read(&[(kind, "<x/>")]).unwrap_err().contains(&format!("{kind:?}")));
        }
    }
}
