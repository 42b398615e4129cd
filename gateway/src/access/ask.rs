//! What a request asks of a bucket, borrowed from the request: nothing is copied before a rule wants to know.

use super::acl::check_new_object;
use super::action::Actions;
use super::decide::{Question, Verdict, decide, without_rules};
use super::facts::Facts;
use super::rules::Rules;
use crate::context::{Refusal, RequestContext};
use http::{HeaderMap, HeaderValue, Uri};
use pocket_api::clock::Clock;
use pocket_api::control::Placement;
use pocket_api::names::{ObjectKey, TenantName};
use s3s::S3ErrorCode;

/// One request's wish to do something to a bucket. Asked again whenever the bucket's rules may have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ask<'r> {
    pub(crate) context: &'r RequestContext,
    pub(crate) headers: &'r HeaderMap,
    pub(crate) uri: &'r Uri,
    pub(crate) actions: Actions,
    /// The objects that actions on objects are done to.
    pub(crate) keys: &'r [ObjectKey],
    /// Tags that the request gives to an object.
    pub(crate) tags: &'r [(String, String)],
    pub(crate) effect: Effect,
}

/// What else has to be looked at than who may do what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// An object, which has an owner and an ACL.
    NewObject,
    Other,
}

impl<'r> Ask<'r> {
    pub(crate) fn on(self, key: &'r ObjectKey) -> Self {
        Self { keys: std::slice::from_ref(key), ..self }
    }

    pub(crate) fn tagged(self, tags: &'r [(String, String)]) -> Self {
        Self { tags, ..self }
    }

    pub(crate) fn making_object(self) -> Self {
        Self { effect: Effect::NewObject, ..self }
    }

    /// Whether what the request makes may be as it is asked for.
    pub(crate) fn check_effect(&self, rules: &Rules, owner: &TenantName) -> Result<(), Refusal> {
        if self.effect == Effect::Other {
            return Ok(());
        }
        let named = match self.headers.get("x-amz-acl").map(HeaderValue::to_str) {
            None => None,
            Some(Ok(name)) => Some(name),
            Some(Err(_)) => {
                return Err(Refusal::new(S3ErrorCode::InvalidArgument, "x-amz-acl is not ASCII"));
            }
        };
        check_new_object(named, self.context.caller.principal(), rules, owner)
    }

    /// `existing_tags`: of the one object that is asked for, where a rule asks for them.
    pub(crate) fn decide(
        &self,
        rules: Option<&Rules>,
        placement: &Placement,
        existing_tags: &[(String, String)],
        clock: &dyn Clock,
    ) -> Verdict {
        let principal = self.context.caller.principal();
        let Some(rules) = rules else { return without_rules(principal, &placement.tenant) };
        let facts = Facts {
            principal,
            signing: self.context.signing,
            peer: self.context.connection.peer().map(|peer| peer.ip()),
            now: clock.now(),
            headers: self.headers,
            query: self.uri.query().unwrap_or(""),
            request_tags: self.tags,
            existing_tags,
            owner: &placement.tenant,
        };
        let question = Question { bucket: &placement.bucket, keys: self.keys, actions: self.actions };
        decide(rules, question, &facts)
    }
}
