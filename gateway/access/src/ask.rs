//! What a request asks of a bucket, borrowed from the request: nothing is copied before a rule wants to know.

use super::acl::{On, Said};
use super::action::{Action, Actions};
use super::decide::{Question, Verdict, decide, without_rules};
use super::facts::{Attributes, Facts};
use super::put_acl;
use super::rules::Rules;
use crate::caller::{Caller, Signing};
use crate::refusal::Refusal;
use pocket_api::acl::Acl;
use pocket_api::clock::Clock;
use pocket_api::names::{BucketName, ObjectKey, TenantName};
use pocket_api::object::ObjectHeaders;
use std::net::IpAddr;

/// One request's wish to do something to a bucket. Asked again whenever the bucket's rules may have changed.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'r> {
    pub caller: &'r Caller,
    /// There whenever the caller has a key.
    pub signing: Option<Signing>,
    /// The other end of the connection.
    pub peer: Option<IpAddr>,
    /// The connection is TLS that ends in this process.
    pub is_secure: bool,
    pub attributes: &'r dyn Attributes,
    pub actions: Actions,
    /// The objects that actions on objects are done to.
    pub keys: &'r [ObjectKey],
    /// Tags that the request gives to an object.
    pub tags: &'r [(String, String)],
    pub effect: SideEffect<'r>,
}

/// What else has to be looked at than who may do what.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SideEffect<'r> {
    /// An object, which has an owner, and the ACL that the request names.
    NewObject(&'r Said),
    /// Another ACL for an object that is there.
    ObjectAcl(&'r Acl),
    /// The tags of an object that is there, if it has any, come along to where the caller may read them.
    TakesTags,
    Other,
}

impl<'r> Ask<'r> {
    pub fn on(self, key: &'r ObjectKey) -> Self {
        Self { keys: std::slice::from_ref(key), ..self }
    }

    pub fn tagged(self, tags: &'r [(String, String)]) -> Self {
        Self { tags, ..self }
    }

    pub fn making_object(self, acl: &'r Said) -> Self {
        Self { effect: SideEffect::NewObject(acl), ..self }
    }

    pub fn taking_tags(self) -> Self {
        Self { effect: SideEffect::TakesTags, ..self }
    }

    /// The same wish for an object that has tags, where that is another one.
    pub fn for_tags(self) -> Option<Self> {
        let actions = self.actions.and(Action::GetObjectTagging);
        (self.effect == SideEffect::TakesTags).then_some(Self { actions, effect: SideEffect::Other, ..self })
    }

    pub fn setting_acl(self, acl: &'r Acl) -> Self {
        Self { effect: SideEffect::ObjectAcl(acl), ..self }
    }

    /// Whether what the request makes may be as it is asked for.
    pub fn check_effect(&self, rules: &Rules, owner: &TenantName) -> Result<(), Refusal> {
        match self.effect {
            SideEffect::NewObject(said) => {
                put_acl::check_new_object(said, self.caller.principal(), rules, owner)
            }
            SideEffect::ObjectAcl(acl) => put_acl::check(acl, rules, owner),
            SideEffect::TakesTags | SideEffect::Other => Ok(()),
        }
    }

    /// Whether the ACL of an object has a say.
    pub fn asks_for_acl(&self, rules: &Rules, owner: &TenantName) -> bool {
        let is_owner = self.caller.tenant() == Some(owner);
        let asks =
            |action| On::Object.decides(action) && !(self.makes_object() && action == Action::PutObjectAcl);
        rules.acls_count() && !is_owner && self.actions.iter().any(asks)
    }

    fn makes_object(&self) -> bool {
        matches!(self.effect, SideEffect::NewObject(_))
    }

    /// `existing`: of the one object that is asked for, where a rule asks for it.
    pub fn decide(
        &self,
        rules: Option<&Rules>,
        bucket: &BucketName,
        owner: &TenantName,
        existing: Option<&ObjectHeaders>,
        clock: &dyn Clock,
    ) -> Verdict {
        let has_tags = existing.is_some_and(|headers| !headers.tags.is_empty());
        if let Some(for_tags) = self.for_tags().filter(|_| has_tags) {
            return for_tags.decide(rules, bucket, owner, existing, clock);
        }
        let principal = self.caller.principal();
        let Some(rules) = rules else { return without_rules(principal, owner) };
        let facts = Facts {
            principal,
            signing: self.signing,
            peer: self.peer,
            is_secure: self.is_secure,
            now: clock.now(),
            attributes: self.attributes,
            request_tags: self.tags,
            existing_tags: existing.map_or(&[], |headers| &headers.tags),
            existing_acl: existing.and_then(|headers| headers.acl.as_deref()),
            owner,
        };
        let question =
            Question { bucket, keys: self.keys, actions: self.actions, makes_object: self.makes_object() };
        decide(rules, question, &facts)
    }
}
