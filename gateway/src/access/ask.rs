//! What a request asks of a bucket, borrowed from the request: nothing is copied before a rule wants to know.

use super::action::Actions;
use super::decide::{Question, Verdict, decide, without_rules};
use super::facts::Facts;
use super::rules::Rules;
use crate::context::RequestContext;
use http::{HeaderMap, Uri};
use pocket_api::clock::Clock;
use pocket_api::control::Placement;
use pocket_api::names::ObjectKey;

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
}

impl<'r> Ask<'r> {
    pub(crate) fn on(self, key: &'r ObjectKey) -> Self {
        Self { keys: std::slice::from_ref(key), ..self }
    }

    pub(crate) fn tagged(self, tags: &'r [(String, String)]) -> Self {
        Self { tags, ..self }
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
