//! A bucket policy: read once, with everything refused that it could not be held to, then evaluated. Pure: who asks for
//! what, and when, are arguments.

use super::action::{self, Action, ActionTarget, Actions};
use super::conditions::Condition;
use super::facts::{Attribute, Facts, Key};
use super::json::Json;
use super::malformed::Malformed;
use super::pattern::{Steps, is_searched_for, matches};
use crate::caller::Principal;
use pocket_api::names::{BucketName, TenantName};

/// S3's bound on the length of a policy.
pub const POLICY_MAX_BYTES: usize = 20 * 1024;
const RESOURCE_PREFIX: &str = "arn:aws:s3:::";
const PRINCIPAL_PREFIX: &str = "arn:aws:iam::";

/// What a bucket's owner allows and denies.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    effect: Effect,
    principals: Principals,
    actions: Actions,
    resources: Resources,
    /// All must hold.
    conditions: Vec<Condition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Principals {
    These(Vec<Who>),
    /// `NotPrincipal`
    Others(Vec<Who>),
}

/// One principal of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Who {
    /// Anonymous callers too.
    Everybody,
    /// Every key of a tenant.
    Tenant(TenantName),
    /// One access key of a tenant.
    Key(Principal),
}

/// Patterns for `bucket` and `bucket/key`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Resources {
    These(Vec<String>),
    /// `NotResource`
    Others(Vec<String>),
}

/// What a policy says to one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Whatever else is said.
    Denies,
    Allows,
    None,
}

impl Policy {
    /// Reads the policy of a bucket. Errors name what is wrong in S3's words, where S3 has some.
    pub fn parse(text: &str, bucket: &BucketName) -> Result<Self, Malformed> {
        if text.len() > POLICY_MAX_BYTES {
            return Err(Malformed::new("Policy exceeds the maximum allowed document size."));
        }
        if !text.trim_start().starts_with('{') {
            return Err(Malformed::new("Policies must be valid JSON and the first byte must be '{'"));
        }
        let json = Json::parse(text)
            .map_err(|error| Malformed::new(format!("This policy contains invalid Json: {error}")))?;
        let Json::Map(fields) = json else { return Err(Malformed::new("Policies must be JSON objects")) };
        let mut statements = None;
        for (name, value) in &fields {
            match (name.as_str(), value) {
                ("Version", Json::Text(version)) if matches!(&**version, "2008-10-17" | "2012-10-17") => {}
                ("Version", _) => {
                    return Err(Malformed::new("The policy must contain a valid version string"));
                }
                ("Id", Json::Text(_)) => {}
                ("Statement", Json::List(list)) => statements = Some(&list[..]),
                ("Statement", one) => statements = Some(std::slice::from_ref(one)),
                _ => return Err(Malformed::new(format!("Unknown field {name}"))),
            }
        }
        let statements = statements.ok_or_else(|| missing("Statement"))?;
        if statements.is_empty() {
            return Err(Malformed::new("Could not parse the policy: Statement is empty!"));
        }
        let mut steps = Steps::new();
        let statements = statements.iter().map(|json| Statement::parse(json, bucket, &mut steps));
        let statements = statements.collect::<Result<_, _>>();
        match steps.are_spent() {
            true => Err(Malformed::new("Policy has too many wildcards in its actions and resources")),
            false => Ok(Self { statements: statements? }),
        }
    }

    /// What it says to `action` on `resource`, which is `bucket` or `bucket/key`. Where `steps` do not last until it is known, it
    /// says no.
    pub(crate) fn opinion(
        &self,
        action: Action,
        resource: &str,
        facts: &Facts<'_>,
        steps: &mut Steps,
    ) -> Opinion {
        let mut opinion = Opinion::None;
        for statement in &self.statements {
            let applies = statement.applies(action, resource, facts, steps);
            if steps.are_spent() {
                return Opinion::Denies;
            }
            if applies {
                match statement.effect {
                    Effect::Deny => return Opinion::Denies,
                    Effect::Allow => opinion = Opinion::Allows,
                }
            }
        }
        opinion
    }

    /// Whether it allows `action` to this caller on some resource and on some conditions.
    pub(crate) fn may_allow(&self, action: Action, caller: Option<&Principal>) -> bool {
        self.statements.iter().any(|statement| {
            statement.effect == Effect::Allow
                && statement.actions.has(action)
                && statement.principals.has(caller)
        })
    }

    /// The tenants that it names, one as often as it does.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantName> {
        let named = self.statements.iter().flat_map(|statement| {
            let (Principals::These(named) | Principals::Others(named)) = &statement.principals;
            named
        });
        named.filter_map(|who| match who {
            Who::Everybody => None,
            Who::Tenant(tenant) | Who::Key(Principal { tenant, .. }) => Some(tenant),
        })
    }

    /// Whether it may take all the [`Steps`] of a decision, and not just the few of fixed values and beginnings of keys.
    pub fn may_take_long(&self) -> bool {
        self.statements.iter().any(|statement| {
            let (Resources::These(patterns) | Resources::Others(patterns)) = &statement.resources;
            patterns.iter().any(|pattern| is_searched_for(pattern))
                || statement.conditions.iter().any(Condition::may_take_long)
        })
    }

    /// By S3's meaning of public: whether somebody whom it does not name may do something.
    pub fn is_public(&self) -> bool {
        self.statements.iter().any(Statement::is_public)
    }

    /// Whether an answer for one of `actions` depends on the tags of the object that is there.
    pub fn asks_for_tags(&self, actions: Actions) -> bool {
        self.statements.iter().any(|statement| {
            let asks = |condition: &Condition| matches!(condition.key, Key::ExistingTag(_));
            actions.iter().any(|action| statement.actions.has(action))
                && statement.conditions.iter().any(asks)
        })
    }
}

impl Statement {
    fn parse(json: &Json, bucket: &BucketName, steps: &mut Steps) -> Result<Self, Malformed> {
        let Json::Map(fields) = json else { return Err(Malformed::new("Invalid policy syntax.")) };
        let (mut effect, mut principals, mut actions, mut resources) = (None, None, None, None);
        let mut conditions = Vec::new();
        for (name, value) in fields {
            match name.as_str() {
                "Sid" => match value {
                    Json::Text(_) => {}
                    _ => return Err(Malformed::new("Sid must be text")),
                },
                "Effect" => effect = Some(parse_effect(value)?),
                "Principal" | "NotPrincipal" => {
                    let these = parse_principals(value)?;
                    let parsed = match &**name {
                        "Principal" => Principals::These(these),
                        _ => Principals::Others(these),
                    };
                    only_one(&mut principals, parsed, "Principal")?;
                }
                "Action" | "NotAction" => {
                    let named = NamedActions::parse(value, name == "NotAction", steps)?;
                    only_one(&mut actions, named, "Action")?;
                }
                "Resource" | "NotResource" => {
                    let these = parse_resources(value, bucket)?;
                    let parsed = match &**name {
                        "Resource" => Resources::These(these),
                        _ => Resources::Others(these),
                    };
                    only_one(&mut resources, parsed, "Resource")?;
                }
                "Condition" => conditions = Condition::parse_all(value)?,
                _ => return Err(Malformed::new(format!("Unknown field {name}"))),
            }
        }
        let effect = effect.ok_or_else(|| missing("Effect"))?;
        let principals = principals.ok_or_else(|| missing("Principal"))?;
        let actions = actions.ok_or_else(|| missing("Action"))?;
        let resources = resources.ok_or_else(|| missing("Resource"))?;
        if effect == Effect::Allow && matches!(principals, Principals::Others(_)) {
            // Whoever is forgotten in the list would be let in.
            return Err(Malformed::new("Allow with NotPrincipal is not supported."));
        }
        actions.check(&resources, bucket, steps)?;
        let actions = actions.actions();
        if !conditions.iter().all(|condition| applies_to_some(&condition.key, actions)) {
            let text = "Conditions do not apply to combination of actions and resources in statement";
            return Err(Malformed::new(text));
        }
        Ok(Self { effect, principals, actions, resources, conditions })
    }

    fn applies(&self, action: Action, resource: &str, facts: &Facts<'_>, steps: &mut Steps) -> bool {
        self.actions.has(action)
            && self.principals.has(facts.principal)
            && self.resources.has(resource, steps)
            && self.conditions.iter().all(|condition| condition.holds(facts, steps))
    }

    fn is_public(&self) -> bool {
        let for_everybody = match &self.principals {
            Principals::These(these) => these.contains(&Who::Everybody),
            Principals::Others(_) => true,
        };
        let names_callers = self.conditions.iter().any(Condition::names_callers);
        self.effect == Effect::Allow && for_everybody && !names_callers
    }
}

impl Principals {
    fn has(&self, caller: Option<&Principal>) -> bool {
        match self {
            Self::These(these) => these.iter().any(|who| who.is(caller)),
            Self::Others(others) => !others.iter().any(|who| who.is(caller)),
        }
    }
}

impl Who {
    fn is(&self, caller: Option<&Principal>) -> bool {
        match self {
            Self::Everybody => true,
            Self::Tenant(tenant) => caller.is_some_and(|caller| caller.tenant == *tenant),
            Self::Key(key) => caller == Some(key),
        }
    }
}

impl Resources {
    fn has(&self, resource: &str, steps: &mut Steps) -> bool {
        match self {
            Self::These(these) => these.iter().any(|pattern| matches(pattern, resource, steps)),
            Self::Others(others) => !others.iter().any(|pattern| matches(pattern, resource, steps)),
        }
    }
}

/// `Action` or `NotAction`, before it is known what it is for.
struct NamedActions {
    named: Vec<action::Named>,
    negated: bool,
}

impl NamedActions {
    fn parse(json: &Json, negated: bool, steps: &mut Steps) -> Result<Self, Malformed> {
        let invalid = || Malformed::new("Policy has invalid action");
        let texts = one_or_more(json).ok_or_else(invalid)?;
        let named = texts.into_iter().map(|text| {
            let named = action::parse(text, steps);
            named.ok_or_else(|| Malformed::new(format!("Policy has invalid action: {text}")))
        });
        Ok(Self { named: named.collect::<Result<_, _>>()?, negated })
    }

    fn actions(&self) -> Actions {
        let named = self.named.iter().fold(Actions::NONE, |all, named| all.or(named.actions));
        if self.negated { named.others() } else { named }
    }

    /// As S3 does, refuses an action that none of the resources can be the resource of: somebody means something else.
    fn check(&self, resources: &Resources, bucket: &BucketName, steps: &mut Steps) -> Result<(), Malformed> {
        let Resources::These(patterns) = resources else { return Ok(()) };
        if self.negated {
            return Ok(());
        }
        let has_bucket = patterns.iter().any(|pattern| matches(pattern, bucket.as_str(), steps));
        let is_of_objects = |pattern: &String| pattern.len() > bucket.as_str().len();
        let has_objects = patterns.iter().any(is_of_objects);
        let fits =
            |named: &action::Named| (named.of_buckets && has_bucket) || (named.of_objects && has_objects);
        match self.named.iter().all(fits) {
            true => Ok(()),
            false => Err(Malformed::new("Action does not apply to any resource(s) in statement")),
        }
    }
}

/// Whether one of the actions can come with what the key asks for. A condition that could never hold, or never fail,
/// is one that somebody counts on in vain.
fn applies_to_some(key: &Key, actions: Actions) -> bool {
    let lists = [Action::ListBucket, Action::ListBucketVersions, Action::ListBucketMultipartUploads];
    let lists = || lists.into_iter().any(|action| actions.has(action));
    let of_objects = || actions.iter().any(|action| action.target() == ActionTarget::Object);
    match key {
        Key::MaxKeys | Key::Said(Attribute::Prefix | Attribute::Delimiter) => lists(),
        Key::ExistingTag(_) | Key::RequestTag(_) | Key::RequestTagNames | Key::Said(Attribute::VersionId) => {
            of_objects()
        }
        _ => true,
    }
}

fn missing(field: &str) -> Malformed {
    Malformed::new(format!("Missing required field {field}"))
}

fn only_one<T>(slot: &mut Option<T>, value: T, name: &str) -> Result<(), Malformed> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(Malformed::new(format!("Statement has both {name} and Not{name}"))),
    }
}

fn parse_effect(json: &Json) -> Result<Effect, Malformed> {
    match json {
        Json::Text(text) if text == "Allow" => Ok(Effect::Allow),
        Json::Text(text) if text == "Deny" => Ok(Effect::Deny),
        Json::Text(text) => Err(Malformed::new(format!("Invalid effect: {text}"))),
        _ => Err(Malformed::new("Invalid effect")),
    }
}

fn parse_principals(json: &Json) -> Result<Vec<Who>, Malformed> {
    let invalid = |what: &str| Malformed::new(format!("Invalid principal in policy: {what}"));
    let kinds = match json {
        Json::Text(text) if text == "*" => return Ok(vec![Who::Everybody]),
        Json::Map(kinds) if !kinds.is_empty() => kinds,
        _ => return Err(Malformed::new("Invalid principal in policy")),
    };
    let mut found = Vec::new();
    for (kind, value) in kinds {
        for text in one_or_more(value).ok_or_else(|| invalid(kind))? {
            let who = match kind.as_str() {
                "AWS" => Who::parse(text),
                "CanonicalUser" => TenantName::parse(text).ok().map(Who::Tenant),
                _ => None,
            };
            found.push(who.ok_or_else(|| invalid(&format!("\"{kind}\" : \"{text}\"")))?);
        }
    }
    Ok(found)
}

impl Who {
    /// `*`, an account, its root, or one access key of it.
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Everybody);
        }
        let Some(rest) = text.strip_prefix(PRINCIPAL_PREFIX) else {
            return TenantName::parse(text).ok().map(Self::Tenant);
        };
        let (account, name) = rest.split_once(':')?;
        let tenant = TenantName::parse(account).ok()?;
        if name == "root" {
            return Some(Self::Tenant(tenant));
        }
        // Not a pattern, in S3 neither.
        let key = name.strip_prefix("user/").filter(|key| !key.is_empty() && !key.contains(['*', '?']))?;
        Some(Self::Key(Principal { tenant, access_key_id: key.into() }))
    }
}

/// Without the part that all have in common. Of another bucket there is nothing to say here.
fn parse_resources(json: &Json, bucket: &BucketName) -> Result<Vec<String>, Malformed> {
    let invalid = || Malformed::new("Policy has invalid resource");
    let texts = one_or_more(json).ok_or_else(invalid)?;
    let resources = texts.into_iter().map(|text| {
        if text.contains("${") {
            return Err(Malformed::new(format!("policy variables are not implemented: {text:?}")));
        }
        let named = text.strip_prefix(RESOURCE_PREFIX);
        let rest = named.and_then(|named| named.strip_prefix(bucket.as_str()));
        match rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '*', '?'])) {
            true => Ok(named.unwrap_or_default().to_owned()),
            false => Err(Malformed::new(format!("Policy has invalid resource: {text}"))),
        }
    });
    resources.collect()
}

/// A text or a list of texts; `None` for anything else, and for a list of none.
fn one_or_more(json: &Json) -> Option<Vec<&str>> {
    match json {
        Json::List(list) if list.is_empty() => None,
        Json::List(list) => list.iter().map(text).collect(),
        one => Some(vec![text(one)?]),
    }
}

fn text(json: &Json) -> Option<&str> {
    match json {
        Json::Text(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
