//! The policy of a form: until when it holds, and what the fields and the file must be. Pure; the time is an argument.
//!
//! The texts of refusals are S3's: people look for them.

use super::fields::Fields;
use crate::stamp::Stamp;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pocket_access::json::Json;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::clock::Timestamp;
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

/// Fields that need no condition, beside those whose names begin with `x-ignore-`.
const WITHOUT_CONDITION: [&str; 5] = ["policy", "x-amz-signature", "file", "AWSAccessKeyId", "signature"];

/// A policy that was understood.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PostPolicy {
    expires_at: Timestamp,
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug, PartialEq)]
enum Condition {
    Equals {
        /// With its `$`, as it stands in the policy.
        name: String,
        value: String,
    },
    StartsWith {
        name: String,
        prefix: String,
    },
    /// Bytes of the file.
    Length(RangeInclusive<u64>),
    /// S3 reads it and lets nothing pass; the text is how it is shown.
    Never(String),
}

impl PostPolicy {
    /// Reads the text of the field `policy`.
    pub(crate) fn parse(base64: &str) -> Result<Self, Refusal> {
        let json = BASE64_STANDARD.decode(base64.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let json = json.ok_or_else(|| invalid("it is not UTF-8 in Base64"))?;
        let Ok(Json::Map(members)) = Json::parse(&plain_escapes(&json)) else {
            return Err(invalid("Invalid JSON."));
        };
        let (mut expiration, mut conditions) = (None, None);
        for (name, value) in members {
            match (&*name, value) {
                ("expiration", Json::Text(text)) => expiration = Some(text),
                ("conditions", Json::List(list)) => conditions = Some(list),
                ("expiration" | "conditions", _) => return Err(invalid("Invalid JSON.")),
                _ => return Err(invalid(format!("Unexpected: '{name:.40}'"))),
            }
        }
        let expiration = expiration.ok_or_else(|| invalid("Policy missing expiration."))?;
        let conditions = conditions.ok_or_else(|| invalid("Policy missing conditions."))?;
        let expires_at = parse_expiration(&expiration)
            .ok_or_else(|| invalid(format!("Invalid 'expiration' value: '{expiration:.40}'")))?;
        let conditions = conditions.into_iter().map(Condition::read).collect::<Result<_, _>>()?;
        Ok(Self { expires_at, conditions })
    }

    /// Holds a form against the policy; answers with the sizes that its file may have.
    pub(crate) fn check(
        &self,
        fields: &Fields,
        bucket: &str,
        now: Timestamp,
    ) -> Result<RangeInclusive<u64>, Refusal> {
        if now > self.expires_at {
            return Err(denied("Policy expired."));
        }
        let (mut min, mut max) = (0, u64::MAX);
        for condition in &self.conditions {
            if let Condition::Length(range) = condition {
                (min, max) = (min.max(*range.start()), max.min(*range.end()));
            } else if !condition.holds(fields, bucket) {
                return Err(denied(format!("Policy Condition failed: {condition}")));
            }
        }
        // The bucket counts as a field, which every form has.
        let given = fields.iter().map(|(name, _)| name).chain(["bucket"]);
        let extra: Vec<&str> = given.filter(|name| !self.covers(name)).collect();
        if !extra.is_empty() {
            return Err(denied(format!("Extra input fields: {}", extra.join(", "))));
        }
        Ok(min..=max)
    }

    fn covers(&self, field: &str) -> bool {
        let is_free = WITHOUT_CONDITION.iter().any(|free| free.eq_ignore_ascii_case(field))
            || field.get(..9).is_some_and(|start| start.eq_ignore_ascii_case("x-ignore-"));
        is_free
            || self.conditions.iter().any(|condition| match condition {
                Condition::Equals { name, .. } | Condition::StartsWith { name, .. } => {
                    name[1..].eq_ignore_ascii_case(field)
                }
                Condition::Length(_) | Condition::Never(_) => false,
            })
    }
}

impl Condition {
    fn read(value: Json) -> Result<Self, Refusal> {
        match value {
            Json::Map(mut members) => match (members.pop(), members.is_empty()) {
                (Some((name, Json::Text(value))), true) => {
                    Ok(Self::Equals { name: format!("${name}"), value })
                }
                (Some((_, Json::Null)), true) => Err(invalid("Invalid JSON.")),
                (Some(_), true) => Err(invalid("Invalid Simple-Condition: value must be a string.")),
                _ => Err(invalid(
                    "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
                )),
            },
            Json::List(items) => Self::read_list(&items),
            _ => Err(invalid("Invalid JSON.")),
        }
    }

    fn read_list(items: &[Json]) -> Result<Self, Refusal> {
        let Some(Json::Text(operation)) = items.first() else {
            return Err(invalid("Invalid Condition: missing operation identifier."));
        };
        let kind = operation.to_ascii_lowercase();
        if !["eq", "starts-with", "content-length-range"].contains(&&*kind) {
            return Err(invalid(format!("Invalid Condition: unknown operation '{operation:.40}'.")));
        }
        let [_, first, second] = items else {
            return Err(invalid(format!("Invalid {kind}: wrong number of arguments.")));
        };
        if kind == "content-length-range" {
            return match (length(first)?, length(second)?) {
                (Some(min), Some(max)) => Ok(Self::Length(min..=max)),
                _ => Ok(Self::Never(shown(&["content-length-range", text_of(first), text_of(second)]))),
            };
        }
        let (Json::Text(name), Json::Text(value)) = (first, second) else {
            return Err(invalid("Invalid JSON."));
        };
        let (name, value) = (name.clone(), value.clone());
        match kind == "eq" {
            _ if !name.starts_with('$') => Ok(Self::Never(shown(&[&kind, &name, &value]))),
            true => Ok(Self::Equals { name, value }),
            false => Ok(Self::StartsWith { name, prefix: value }),
        }
    }

    /// A field that is not there meets no condition, not even one that anything may follow.
    fn holds(&self, fields: &Fields, bucket: &str) -> bool {
        let value_of = |name: &str| match &name[1..] {
            field if field.eq_ignore_ascii_case("bucket") => Some(bucket),
            field => fields.get(field),
        };
        match self {
            Self::Equals { name, value } => value_of(name) == Some(value),
            // A list of types is held to it type by type.
            Self::StartsWith { name, prefix } if name.eq_ignore_ascii_case("$content-type") => value_of(name)
                .is_some_and(|value| value.split(',').all(|one| one.trim_start().starts_with(prefix))),
            Self::StartsWith { name, prefix } => {
                value_of(name).is_some_and(|value| value.starts_with(prefix))
            }
            Self::Length(_) => true,
            Self::Never(_) => false,
        }
    }
}

/// As S3 shows it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals { name, value } => f.write_str(&shown(&["eq", name, value])),
            Self::StartsWith { name, prefix } => f.write_str(&shown(&["starts-with", name, prefix])),
            Self::Length(range) => {
                write!(f, "[\"content-length-range\", {}, {}]", range.start(), range.end())
            }
            Self::Never(shown) => f.write_str(shown),
        }
    }
}

fn shown(items: &[&str]) -> String {
    let items: Vec<String> = items.iter().map(|item| serde_json::Value::from(*item).to_string()).collect();
    format!("[{}]", items.join(", "))
}

/// A bound on the size of the file: a number, or one in quotes. `None` for other text, which S3 reads too.
fn length(value: &Json) -> Result<Option<u64>, Refusal> {
    match value {
        Json::Number(text) if text.starts_with('-') => {
            Err(invalid("Invalid content-length-range: a length is negative."))
        }
        Json::Number(text) => text.parse().map(Some).map_err(|_| invalid("Invalid JSON.")),
        Json::Text(text) => Ok(text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))),
        _ => Err(invalid("Invalid JSON.")),
    }
}

fn text_of(value: &Json) -> &str {
    match value {
        Json::Text(text) | Json::Number(text) => text,
        _ => "",
    }
}

/// `2013-08-01T12:00:00.000Z`, with or without a fraction of the second.
fn parse_expiration(text: &str) -> Option<Timestamp> {
    let (seconds, fraction) = text.strip_suffix('Z')?.split_at_checked(19)?;
    let separators = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if separators.iter().any(|&(at, separator)| seconds.as_bytes()[at] != separator) {
        return None;
    }
    let millis = match fraction.strip_prefix('.') {
        Some(digits) if (1..=9).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{digits:0<3}").get(..3)?.parse::<u64>().ok()?
        }
        None if fraction.is_empty() => 0,
        _ => return None,
    };
    let compact: String = seconds.chars().filter(|c| !matches!(c, '-' | ':')).collect();
    Some(Timestamp(Stamp::parse(&format!("{compact}Z"))?.secs * 1_000 + millis))
}

/// Policies have two escapes that JSON does not: `\$` and `\v`.
fn plain_escapes(json: &str) -> Cow<'_, str> {
    if !json.contains(r"\$") && !json.contains(r"\v") {
        return Cow::Borrowed(json);
    }
    let mut plain = String::with_capacity(json.len());
    let mut chars = json.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('$') => plain.push('$'),
                Some('v') => plain.push_str("\\u000b"),
                other => plain.extend(['\\'].into_iter().chain(other)),
            },
            c => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

fn invalid(why: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::InvalidPolicyDocument, format!("Invalid Policy: {why}"))
}

fn denied(why: impl fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::AccessDenied, format!("Invalid according to Policy: {why}"))
}

#[cfg(test)]
mod tests;
