//! All rules of one bucket, read from the documents of its settings. A bucket without such documents has none, and is
//! its owner's alone.

use super::acl::{self, On, Ownership};
use super::action::{Action, Actions};
use super::cors::Cors;
use super::policy::Policy;
use super::public_access_block::PublicAccessBlock;
use crate::caller::Principal;
use pocket_api::acl::Acl;
use pocket_api::names::{BucketName, TenantName};
use pocket_api::settings::{DocumentKind, JobSettings};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Read once for each epoch of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    pub policy: Option<BucketPolicy>,
    /// `None` where the owner took it away.
    pub public_access_block: Option<PublicAccessBlock>,
    /// `None` where the owner took it away.
    pub ownership: Option<Ownership>,
    pub acl: Option<Acl>,
    pub cors: Option<Arc<Cors>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BucketPolicy {
    pub policy: Policy,
    pub is_public: bool,
}

impl Rules {
    /// Of a bucket whose owner said nothing.
    pub const DEFAULT: Self = Self {
        policy: None,
        public_access_block: Some(PublicAccessBlock::DEFAULT),
        ownership: Some(Ownership::BucketOwnerEnforced),
        acl: None,
        cors: None,
    };

    /// `None` where no document is there. Documents were checked before they were stored, so one that cannot be read
    /// came from another version of the gateway, and it is better to serve nothing than to guess.
    pub fn read(settings: &JobSettings, bucket: &BucketName) -> Result<Option<Arc<Self>>, String> {
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
                DocumentKind::OwnershipControls => rules.ownership = read(*kind, text)?,
                DocumentKind::Acl => rules.acl = Some(read(*kind, text)?),
                DocumentKind::Cors => rules.cors = Some(Arc::new(read(*kind, text)?)),
                DocumentKind::Lifecycle => continue,
            }
            any = true;
        }
        Ok(any.then(|| Arc::new(rules)))
    }

    pub fn block(&self) -> PublicAccessBlock {
        self.public_access_block.unwrap_or(PublicAccessBlock::NONE)
    }

    pub fn ownership(&self) -> Ownership {
        self.ownership.unwrap_or(Ownership::ObjectWriter)
    }

    /// Whether nothing counts that the policy allows, because it is a public one and those are restricted.
    pub(crate) fn restrict_policy(&self) -> bool {
        self.block().restrict_public_buckets && self.policy.as_ref().is_some_and(|policy| policy.is_public)
    }

    /// Whether a caller who was denied might be allowed one of `actions` on other keys, or with other tags: nothing but a
    /// policy tells those apart.
    pub fn may_yet_allow(&self, actions: Actions, caller: Option<&Principal>, owner: &TenantName) -> bool {
        let Some(BucketPolicy { policy, .. }) = &self.policy else { return false };
        let is_owner = caller.is_some_and(|caller| caller.tenant == *owner);
        let may_allow = |action| !self.restrict_policy() && policy.may_allow(action, caller);
        is_owner
            || actions.iter().any(|action| may_allow(action) || self.acls_allow(None, caller, owner, action))
    }

    /// Whether an answer for one of `actions` depends on the tags of the object that is there.
    pub fn asks_for_tags(&self, actions: Actions) -> bool {
        self.policy.as_ref().is_some_and(|policy| policy.policy.asks_for_tags(actions))
    }

    /// Whether ACLs have a say.
    pub fn acls_count(&self) -> bool {
        self.ownership() != Ownership::BucketOwnerEnforced
    }

    /// Whether the bucket's list, or that of the object that is asked for, lets a caller do something.
    pub fn acls_allow(
        &self,
        of_object: Option<&Acl>,
        caller: Option<&Principal>,
        owner: &TenantName,
        action: Action,
    ) -> bool {
        let ignore_public = self.block().ignore_public_acls;
        let allows = |acl: Option<&Acl>, on| {
            acl.is_some_and(|acl| acl::allows(acl, on, caller, owner, action, ignore_public))
        };
        self.acls_count() && (allows(self.acl.as_ref(), On::Bucket) || allows(of_object, On::Object))
    }
}

/// The text that a setting is stored as, for [`Rules::read`]. Where S3 has a default that an owner can take away, `None`
/// says so: it is another thing than no document.
pub fn document<T: Serialize>(value: &T) -> Arc<str> {
    // Only maps with keys that are no text, and writers that fail, make errors.
    serde_json::to_string(value).unwrap_or_default().into()
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
        let rules = read(&[
            (DocumentKind::PublicAccessBlock, &document(&None::<PublicAccessBlock>)),
            (DocumentKind::OwnershipControls, &document(&None::<Ownership>)),
        ]);
        let rules = rules.unwrap().unwrap();
        assert_eq!((rules.block(), rules.ownership()), (PublicAccessBlock::NONE, Ownership::ObjectWriter));
        let only_block = document(&Some(PublicAccessBlock::NONE));
        let rules = read(&[(DocumentKind::PublicAccessBlock, &only_block)]).unwrap().unwrap();
        assert_eq!(rules.ownership(), Ownership::BucketOwnerEnforced);
        assert_eq!(rules.public_access_block, Some(PublicAccessBlock::NONE));
    }

    #[test]
    fn a_document_that_cannot_be_read_is_no_reason_to_guess() {
        for kind in [DocumentKind::Policy, DocumentKind::Acl, DocumentKind::PublicAccessBlock] {
            assert!(read(&[(kind, "<x/>")]).unwrap_err().contains(&format!("{kind:?}")));
        }
    }
}
