//! The one decision: may this request do this to this bucket? Without rules the owner may do everything and nobody else
//! anything, which costs one comparison.

use super::action::{Action, ActionTarget, Actions};
use super::facts::Facts;
use super::pattern::Steps;
use super::policy::Opinion;
use super::rules::Rules;
use crate::caller::Principal;
use pocket_api::names::{BucketName, ObjectKey, TenantName};

/// What is asked for: all of `actions`, each on what it is done to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) bucket: &'a BucketName,
    /// The objects that actions on objects are done to.
    pub(crate) keys: &'a [ObjectKey],
    pub(crate) actions: Actions,
    /// The ACL that is put, if one is, is that of the object that is made.
    pub(crate) makes_object: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allowed,
    Denied,
    /// Allowed by a policy, but nobody else's business than the owner's.
    OwnersAlone,
}

/// Policies are their bucket's owner's alone, who can also never be locked out of changing them.
const POLICY_ACTIONS: [Action; 3] =
    [Action::GetBucketPolicy, Action::PutBucketPolicy, Action::DeleteBucketPolicy];

/// A bucket without rules is its owner's alone.
pub(crate) fn without_rules(caller: Option<&Principal>, owner: &TenantName) -> Verdict {
    match caller.is_some_and(|caller| caller.tenant == *owner) {
        true => Verdict::Allowed,
        false => Verdict::Denied,
    }
}

pub(crate) fn decide(rules: &Rules, question: Question<'_>, facts: &Facts<'_>) -> Verdict {
    let is_owner = without_rules(facts.principal, facts.owner) == Verdict::Allowed;
    let bucket = question.bucket.as_str();
    let mut steps = Steps::new();
    for action in question.actions.iter() {
        let verdict = match action.target() {
            ActionTarget::Bucket => one(rules, is_owner, action, action, bucket, facts, &mut steps),
            ActionTarget::Object => {
                let by_list = match action {
                    // What a new object's list says is part of writing it: no list that is there has a say in that but the
                    // bucket's, which says who may write.
                    Action::PutObjectAcl if question.makes_object => Action::PutObject,
                    action => action,
                };
                let mut resource = format!("{bucket}/");
                let mut verdicts = question.keys.iter().map(|key| {
                    resource.truncate(bucket.len() + 1);
                    resource.push_str(key.as_str());
                    one(rules, is_owner, action, by_list, &resource, facts, &mut steps)
                });
                verdicts.find(|verdict| *verdict != Verdict::Allowed).unwrap_or(Verdict::Allowed)
            }
        };
        if verdict != Verdict::Allowed {
            return verdict;
        }
    }
    Verdict::Allowed
}

/// `by_list`: the action that an ACL has to allow for it.
fn one(
    rules: &Rules,
    is_owner: bool,
    action: Action,
    by_list: Action,
    resource: &str,
    facts: &Facts<'_>,
    steps: &mut Steps,
) -> Verdict {
    let is_policy_action = POLICY_ACTIONS.contains(&action);
    let policy = rules.policy.as_ref();
    let opinion =
        policy.map_or(Opinion::None, |policy| policy.policy.opinion(action, resource, facts, steps));
    if is_owner {
        let is_denied = opinion == Opinion::Denies && !is_policy_action;
        return if is_denied { Verdict::Denied } else { Verdict::Allowed };
    }
    let is_restricted = rules.restrict_policy();
    match opinion {
        Opinion::Denies => Verdict::Denied,
        Opinion::Allows if !is_restricted && is_policy_action => Verdict::OwnersAlone,
        Opinion::Allows if !is_restricted => Verdict::Allowed,
        _ if rules.acls_allow(facts.existing_acl, facts.principal, facts.owner, by_list) => Verdict::Allowed,
        _ => Verdict::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::super::acl::{Canned, Ownership};
    use super::super::facts::tests::{key_of, nobody};
    use super::super::policy::Policy;
    use super::super::public_access_block::PublicAccessBlock;
    use super::super::rules::BucketPolicy;
    use super::*;

    fn verdict(rules: Option<&Rules>, caller: Option<&Principal>, action: Action) -> Verdict {
        let bucket = BucketName::parse("data").unwrap();
        let keys = [ObjectKey::parse("k").unwrap()];
        let question = Question { bucket: &bucket, keys: &keys, actions: action.into(), makes_object: false };
        let facts = Facts { principal: caller, ..nobody() };
        rules.map_or_else(|| without_rules(caller, facts.owner), |rules| decide(rules, question, &facts))
    }

    fn with_policy(effect: &str, principal: &str, action: &str) -> Rules {
        let text = format!(
            r#"{{"Statement": {{"Effect": "{effect}", "Principal": {principal}, "Action": "{action}",
                "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]}}}}"#
        );
        let policy = Policy::parse(&text, &BucketName::parse("data").unwrap()).unwrap();
        let is_public = policy.is_public();
        Rules {
            policy: Some(BucketPolicy { policy, is_public }),
            public_access_block: None,
            ..Rules::DEFAULT
        }
    }

    #[test]
    fn without_rules_the_owner_may_everything_and_nobody_else_anything() {
        let (owner, alice) = (key_of("owner"), key_of("alice"));
        for rules in [None, Some(&Rules::DEFAULT)] {
            for &action in Action::ALL {
                assert_eq!(verdict(rules, Some(&owner), action), Verdict::Allowed, "{action:?}");
                assert_eq!(verdict(rules, Some(&alice), action), Verdict::Denied, "{action:?}");
                assert_eq!(verdict(rules, None, action), Verdict::Denied, "{action:?}");
            }
        }
    }

    #[test]
    fn a_policy_lets_in_whom_it_names_and_no_further() {
        let (alice, bob) = (key_of("alice"), key_of("bob"));
        let rules = with_policy("Allow", r#"{"AWS": "alice"}"#, "s3:GetObject");
        assert_eq!(verdict(Some(&rules), Some(&alice), Action::GetObject), Verdict::Allowed);
        assert_eq!(verdict(Some(&rules), Some(&alice), Action::PutObject), Verdict::Denied);
        assert_eq!(verdict(Some(&rules), Some(&bob), Action::GetObject), Verdict::Denied);
        assert_eq!(verdict(Some(&rules), None, Action::GetObject), Verdict::Denied);
    }

    #[test]
    fn an_owner_can_be_denied_everything_but_the_policy() {
        let owner = key_of("owner");
        let rules = with_policy("Deny", r#""*""#, "*");
        for &action in Action::ALL {
            let expected = if POLICY_ACTIONS.contains(&action) { Verdict::Allowed } else { Verdict::Denied };
            assert_eq!(verdict(Some(&rules), Some(&owner), action), expected, "{action:?}");
        }
    }

    #[test]
    fn policies_are_no_business_of_others_even_where_a_policy_says_so() {
        let alice = key_of("alice");
        let rules = with_policy("Allow", r#"{"AWS": "alice"}"#, "*");
        for &action in Action::ALL {
            let expected =
                if POLICY_ACTIONS.contains(&action) { Verdict::OwnersAlone } else { Verdict::Allowed };
            assert_eq!(verdict(Some(&rules), Some(&alice), action), expected, "{action:?}");
        }
    }

    #[test]
    fn a_public_policy_lets_nobody_in_while_public_buckets_are_restricted() {
        let (owner, alice) = (key_of("owner"), key_of("alice"));
        let public = with_policy("Allow", r#""*""#, "s3:GetObject");
        let restrict = PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::NONE };
        let restricted = Rules { public_access_block: Some(restrict), ..public.clone() };
        for caller in [None, Some(&alice)] {
            assert_eq!(verdict(Some(&public), caller, Action::GetObject), Verdict::Allowed);
            assert_eq!(verdict(Some(&restricted), caller, Action::GetObject), Verdict::Denied);
        }
        assert_eq!(verdict(Some(&restricted), Some(&owner), Action::GetObject), Verdict::Allowed);
        let named = with_policy("Allow", r#"{"AWS": "alice"}"#, "s3:GetObject");
        let restricted = Rules { public_access_block: Some(restrict), ..named };
        assert_eq!(verdict(Some(&restricted), Some(&alice), Action::GetObject), Verdict::Allowed);
    }

    #[test]
    fn an_acl_counts_only_where_ownership_lets_it_and_a_denial_outweighs_it() {
        let open = Rules {
            acl: Some(Canned::PublicRead.list()),
            ownership: Some(Ownership::BucketOwnerPreferred),
            public_access_block: None,
            ..Rules::DEFAULT
        };
        let list = |rules: &Rules| verdict(Some(rules), None, Action::ListBucket);
        assert_eq!(list(&open), Verdict::Allowed);
        assert_eq!(verdict(Some(&open), None, Action::GetObject), Verdict::Denied);
        let enforced = Rules { ownership: Some(Ownership::BucketOwnerEnforced), ..open.clone() };
        let ignoring = Rules { public_access_block: Some(PublicAccessBlock::DEFAULT), ..open.clone() };
        let denying = Rules { policy: with_policy("Deny", r#""*""#, "s3:List*").policy, ..open };
        for closed in [enforced, ignoring, denying] {
            assert_eq!(list(&closed), Verdict::Denied);
        }
    }

    #[test]
    fn whoever_is_denied_might_be_allowed_only_where_something_lets_him_in() {
        let (owner, alice, bob) = (key_of("owner"), key_of("alice"), key_of("bob"));
        let may_yet = |rules: &Rules, caller: Option<&Principal>| {
            let actions = Actions::from(Action::DeleteObject).and(Action::DeleteObjectVersion);
            rules.may_yet_allow(actions, caller, nobody().owner)
        };
        let denying = with_policy("Deny", r#""*""#, "s3:DeleteObject");
        let other = with_policy("Allow", r#""*""#, "s3:GetObject");
        for rules in [&denying, &other] {
            assert!(may_yet(rules, Some(&owner)));
            assert!(!may_yet(rules, Some(&alice)) && !may_yet(rules, None));
        }
        for action in ["s3:DeleteObject", "s3:DeleteObjectVersion"] {
            let named = with_policy("Allow", r#"{"AWS": "alice"}"#, action);
            assert!(may_yet(&named, Some(&alice)) && !may_yet(&named, Some(&bob)) && !may_yet(&named, None));
        }
        let public = with_policy("Allow", r#""*""#, "s3:DeleteObject");
        let restrict = PublicAccessBlock { restrict_public_buckets: true, ..PublicAccessBlock::NONE };
        let restricted = Rules { public_access_block: Some(restrict), ..public.clone() };
        assert!(may_yet(&public, None) && !may_yet(&restricted, None));
        let by_list = Rules {
            acl: Some(Canned::PublicReadWrite.list()),
            ownership: Some(Ownership::BucketOwnerPreferred),
            ..denying
        };
        assert!(may_yet(&by_list, None));
        assert!(!may_yet(&Rules { policy: None, ..by_list }, None), "it would have been allowed before");
    }

    #[test]
    fn all_actions_must_be_allowed_on_all_keys() {
        let rules = with_policy("Allow", r#""*""#, "s3:GetObject");
        let bucket = BucketName::parse("data").unwrap();
        let key = ObjectKey::parse("k").unwrap();
        let both = Actions::from(Action::GetObject).and(Action::GetObjectTagging);
        for (actions, expected) in [(Action::GetObject.into(), Verdict::Allowed), (both, Verdict::Denied)] {
            let question =
                Question { bucket: &bucket, keys: std::slice::from_ref(&key), actions, makes_object: false };
            assert_eq!(decide(&rules, question, &nobody()), expected);
        }
    }
}
