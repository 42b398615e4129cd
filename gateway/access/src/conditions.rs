//! Conditions of a policy: keys, quantifiers and what values are compared with, read once and then only evaluated.

mod operators;

use super::facts::{Facts, Key, Value};
use super::json::Json;
use super::malformed::{Malformed, syntax};
use super::pattern::{Steps, has_wildcard};
use operators::{Test, parse_bool};

/// One key with what it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Condition {
    pub(crate) key: Key,
    quantifier: Quantifier,
    /// `...IfExists`: a request that does not have the key passes.
    if_exists: bool,
    /// `...Not...`: passes where nothing is alike.
    negated: bool,
    test: Test,
}

/// Which of a request's values have to pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quantifier {
    /// The only one.
    One,
    /// `ForAnyValue:`
    Any,
    /// `ForAllValues:`, which holds where there are none.
    All,
}

impl Condition {
    /// The conditions of a statement: `{operator: {key: value or values}}`. All must hold.
    pub(crate) fn parse_all(json: &Json) -> Result<Vec<Self>, Malformed> {
        let Json::Map(operators) = json else { return Err(syntax("Condition must be an object")) };
        let mut conditions = Vec::new();
        for (operator, keys) in operators {
            let Json::Map(keys) = keys else {
                return Err(syntax(&format!("the condition {operator} must be an object")));
            };
            if keys.is_empty() {
                return Err(syntax(&format!("the condition {operator} is empty")));
            }
            for (key, values) in keys {
                conditions.push(Self::parse(operator, key, &texts(key, values)?)?);
            }
        }
        Ok(conditions)
    }

    fn parse(operator: &str, key: &str, values: &[String]) -> Result<Self, Malformed> {
        let unknown = || Malformed::new(format!("Invalid Condition type : {operator}"));
        let named = Key::parse(key)
            .ok_or_else(|| Malformed::new(format!("Policy has an invalid condition key: {key}")))?;
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::One, operator),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(_) => return Err(unknown()),
        };
        let (rest, if_exists) = rest.strip_suffix("IfExists").map_or((rest, false), |rest| (rest, true));
        if rest == "Null" {
            if if_exists || quantifier != Quantifier::One {
                return Err(unknown());
            }
            let [text] = values else { return Err(syntax("Null takes one value")) };
            let test = Test::Absent(parse_bool(key, text)?);
            return Ok(Self { key: named, quantifier, if_exists, negated: false, test });
        }
        if named == Key::RequestTagNames && quantifier == Quantifier::One {
            return Err(syntax(&format!("the condition key {key} needs ForAnyValue: or ForAllValues:")));
        }
        let (test, negated) = Test::parse(rest, &named, key, values)?.ok_or_else(unknown)?;
        Ok(Self { key: named, quantifier, if_exists, negated, test })
    }

    /// Says nothing where `steps` are spent.
    pub(crate) fn holds(&self, facts: &Facts<'_>, steps: &mut Steps) -> bool {
        if !steps.take(facts.cost(&self.key)) {
            return false;
        }
        let values = facts.values(&self.key);
        if let Test::Absent(absent) = self.test {
            return values.is_empty() == absent;
        }
        if values.is_empty() && self.if_exists {
            return true;
        }
        let passes = |value: &Value<'_>| self.test.is_alike(value, steps) != self.negated;
        match self.quantifier {
            Quantifier::One if values.is_empty() => self.negated,
            Quantifier::One | Quantifier::All => values.iter().all(passes),
            Quantifier::Any => values.iter().any(passes),
        }
    }

    /// Whether it may take all the [`Steps`] of a decision: its values are as long as a client makes its request, or are
    /// searched.
    pub(crate) fn may_take_long(&self) -> bool {
        self.key.is_text_of_request() || self.test.is_searched()
    }

    /// Whether it lets only callers pass that it names, so that a rule for everybody is no public one. As in S3, only
    /// fixed values count, and no network that is a good part of the world.
    pub(crate) fn names_callers(&self) -> bool {
        let is_fixed = match &self.test {
            Test::Equals(_) | Test::EqualsAnyCase(_) => true,
            Test::Like(values) | Test::Arn(values) => !values.iter().any(|value| has_wildcard(value)),
            Test::Network(networks) => !networks.iter().any(|network| network.is_wide()),
            _ => false,
        };
        let may_be_absent = self.if_exists || self.quantifier == Quantifier::All;
        is_fixed && !self.negated && !may_be_absent && self.key.tells_callers_apart()
    }
}

/// One value or a list of them, as text.
fn texts(key: &str, json: &Json) -> Result<Vec<String>, Malformed> {
    let text = |json: &Json| match json {
        Json::Text(text) if text.contains("${") => {
            Err(syntax(&format!("policy variables are not implemented: {text:?}")))
        }
        Json::Text(text) | Json::Number(text) => Ok(text.clone()),
        Json::Bool(value) => Ok(value.to_string()),
        _ => Err(syntax(&format!("the condition key {key} needs a value or a list of values"))),
    };
    match json {
        Json::List(values) if values.is_empty() => {
            Err(syntax(&format!("the condition key {key} has no values")))
        }
        Json::List(values) => values.iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::Attribute;
    use super::super::facts::tests::{Says, key_of, nobody};
    use super::*;
    use pocket_api::clock::Timestamp;

    fn read(text: &str) -> Result<Vec<Condition>, String> {
        Condition::parse_all(&Json::parse(text).unwrap()).map_err(|error| error.to_string())
    }

    fn holds(text: &str, facts: Facts<'_>) -> bool {
        read(text).unwrap().iter().all(|condition| condition.holds(&facts, &mut Steps::new()))
    }

    #[test]
    fn operators_compare_as_their_names_say() {
        let principal = key_of("alice");
        let attributes = Says(&[
            (Attribute::Referer, "https://www.example.com/page"),
            (Attribute::Prefix, "home/a"),
            (Attribute::MaxKeys, "10"),
        ]);
        // 21 November 2026, 12:00:00 UTC.
        let now = Timestamp(1_795_262_400_000);
        let facts = Facts {
            principal: Some(&principal),
            attributes: &attributes,
            peer: Some("192.0.2.77".parse().unwrap()),
            now,
            ..nobody()
        };
        for (text, expected) in [
            (r#"{"StringEquals": {"s3:prefix": "home/a"}}"#, true),
            (r#"{"StringEquals": {"s3:prefix": ["home/b", "home/a"]}}"#, true),
            (r#"{"StringEquals": {"s3:prefix": "home/*"}}"#, false),
            (r#"{"StringEquals": {"s3:prefix": "HOME/a"}}"#, false),
            (r#"{"StringEqualsIgnoreCase": {"s3:prefix": "HOME/a"}}"#, true),
            (r#"{"StringNotEquals": {"s3:prefix": ["home/b", "home/a"]}}"#, false),
            (r#"{"StringNotEqualsIgnoreCase": {"s3:prefix": "HOME/b"}}"#, true),
            (r#"{"StringLike": {"aws:Referer": ["https://www.example.com/*"]}}"#, true),
            (r#"{"StringNotLike": {"aws:Referer": ["https://www.example.com/*"]}}"#, false),
            (r#"{"StringLike": {"s3:prefix": "home/*", "aws:Referer": "other"}}"#, false),
            (r#"{"NumericLessThanEquals": {"s3:max-keys": 10}}"#, true),
            (r#"{"NumericLessThan": {"s3:max-keys": "10"}}"#, false),
            (r#"{"NumericGreaterThan": {"s3:max-keys": [20, 9.5]}}"#, true),
            (r#"{"NumericGreaterThanEquals": {"s3:max-keys": 11}}"#, false),
            (r#"{"NumericEquals": {"s3:max-keys": 10}}"#, true),
            (r#"{"NumericNotEquals": {"s3:max-keys": 10}}"#, false),
            (r#"{"DateLessThan": {"aws:CurrentTime": "2026-11-22T00:00:00Z"}}"#, true),
            (r#"{"DateLessThan": {"aws:CurrentTime": "2026-11-21T13:00:00+02:00"}}"#, false),
            (r#"{"DateGreaterThan": {"aws:CurrentTime": "2026-11-21"}}"#, true),
            (r#"{"DateGreaterThanEquals": {"aws:EpochTime": "1795262400"}}"#, true),
            (r#"{"DateNotEquals": {"aws:CurrentTime": "2026-11-21T12:00:00Z"}}"#, false),
            (r#"{"NumericLessThanEquals": {"aws:EpochTime": 1795262399}}"#, false),
            (r#"{"Bool": {"aws:SecureTransport": "false"}}"#, true),
            (r#"{"Bool": {"aws:SecureTransport": true}}"#, false),
            (r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "192.0.2.64/27"]}}"#, true),
            (r#"{"IpAddress": {"aws:SourceIp": "192.0.2.77"}}"#, true),
            (r#"{"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}"#, false),
            (r#"{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#, false),
            (r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#, true),
            (r#"{"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::alice:user/*"}}"#, true),
            (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:*:user/AKID"}}"#, false),
            (r#"{"ArnNotLike": {"aws:PrincipalArn": "arn:aws:iam::bob:*"}}"#, true),
            (r#"{"StringEquals": {"aws:PrincipalAccount": "alice"}}"#, true),
            (r#"{"Null": {"s3:prefix": "false", "s3:delimiter": true}}"#, true),
            (r#"{"Null": {"s3:prefix": "true"}}"#, false),
            ("{}", true),
        ] {
            assert_eq!(holds(text, facts), expected, "{text}");
        }
    }

    #[test]
    fn what_a_request_does_not_have_is_unlike_everything() {
        for (text, expected) in [
            (r#"{"StringEquals": {"s3:prefix": ""}}"#, false),
            (r#"{"StringLike": {"s3:prefix": "*"}}"#, false),
            (r#"{"StringNotEquals": {"s3:prefix": "a"}}"#, true),
            (r#"{"StringEqualsIfExists": {"s3:prefix": "a"}}"#, true),
            (r#"{"StringNotEqualsIfExists": {"s3:prefix": "a"}}"#, true),
            (r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#, false),
            (r#"{"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#, true),
            (r#"{"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#, false),
            (r#"{"ForAnyValue:StringNotEquals": {"s3:RequestObjectTagKeys": "a"}}"#, false),
            (r#"{"Null": {"s3:RequestObjectTagKeys": "true"}}"#, true),
        ] {
            assert_eq!(holds(text, nobody()), expected, "{text}");
        }
    }

    #[test]
    fn quantifiers_say_how_many_values_have_to_pass() {
        let tags = ["a", "b"].map(|name| (name.to_owned(), String::new()));
        let facts = Facts { request_tags: &tags, ..nobody() };
        for (text, expected) in [
            (r#"{"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a", "b", "c"]}}"#, true),
            (r#"{"ForAllValues:StringEquals": {"s3:RequestObjectTagKeys": ["a"]}}"#, false),
            (r#"{"ForAnyValue:StringLike": {"s3:RequestObjectTagKeys": ["b*"]}}"#, true),
            (r#"{"ForAnyValue:StringEquals": {"s3:RequestObjectTagKeys": ["c"]}}"#, false),
            (r#"{"ForAllValues:StringNotEquals": {"s3:RequestObjectTagKeys": ["c"]}}"#, true),
            (r#"{"ForAllValues:StringNotEquals": {"s3:RequestObjectTagKeys": ["b"]}}"#, false),
            (r#"{"ForAnyValue:StringNotEquals": {"s3:RequestObjectTagKeys": ["b"]}}"#, true),
        ] {
            assert_eq!(holds(text, facts), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused_by_name() {
        for (text, named) in [
            (r#"{"StringEqual": {"s3:prefix": "a"}}"#, "StringEqual"),
            (r#"{"BinaryEquals": {"s3:prefix": "a"}}"#, "BinaryEquals"),
            (r#"{"NumericIsh": {"s3:max-keys": 1}}"#, "NumericIsh"),
            (r#"{"NullIfExists": {"s3:prefix": true}}"#, "NullIfExists"),
            (r#"{"StringEquals": {"s3:RequestObjectTagKeys": "a"}}"#, "ForAnyValue"),
            (r#"{"ForSomeValues:StringEquals": {"s3:prefix": "a"}}"#, "ForSomeValues"),
            (r#"{"StringEquals": {"s3:colour": "a"}}"#, "s3:colour"),
            (r#"{"StringEquals": {"aws:SourceVpc": "a"}}"#, "aws:SourceVpc"),
            (r#"{"StringEquals": {"aws:SourceIp": "10.0.0.1"}}"#, "aws:SourceIp"),
            (r#"{"IpAddress": {"aws:Referer": "10.0.0.1"}}"#, "aws:Referer"),
            (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/33"}}"#, "10.0.0.0/33"),
            (r#"{"IpAddress": {"aws:SourceIp": "10.0.0.0/+8"}}"#, "10.0.0.0/+8"),
            (r#"{"NumericEquals": {"s3:max-keys": "many"}}"#, "many"),
            (r#"{"NumericEquals": {"s3:max-keys": "NaN"}}"#, "NaN"),
            (r#"{"DateEquals": {"aws:CurrentTime": "tomorrow"}}"#, "tomorrow"),
            (r#"{"Bool": {"aws:SecureTransport": "maybe"}}"#, "maybe"),
            (r#"{"StringEquals": {"s3:prefix": "${aws:username}"}}"#, "${aws:username}"),
            (r#"{"StringEquals": {"s3:prefix": []}}"#, "s3:prefix"),
            (r#"{"StringEquals": {"s3:prefix": {"a": 1}}}"#, "s3:prefix"),
            (r#"{"StringEquals": "s3:prefix"}"#, "StringEquals"),
            ("[]", "Condition"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }

    #[test]
    fn a_condition_may_take_long_where_its_values_are_long_or_are_searched() {
        for (text, expected) in [
            (r#"{"StringEquals": {"s3:prefix": "a"}}"#, true),
            (r#"{"NumericEquals": {"s3:max-keys": 1}}"#, true),
            (r#"{"StringLike": {"s3:ExistingObjectTag/a": ["x", "*a?a*"]}}"#, true),
            (r#"{"ForAnyValue:StringNotLike": {"s3:RequestObjectTagKeys": "*a*b"}}"#, true),
            (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*a*:user/AKID"}}"#, true),
            (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:*::alice:user/*"}}"#, false),
            (r#"{"StringLike": {"s3:ExistingObjectTag/a": "a*b"}}"#, false),
            (r#"{"StringEquals": {"s3:ExistingObjectTag/a": "*a*"}}"#, false),
        ] {
            assert_eq!(read(text).unwrap()[0].may_take_long(), expected, "{text}");
        }
    }

    #[test]
    fn to_take_an_arn_apart_takes_steps() {
        let alice = key_of("alice");
        let facts = Facts { principal: Some(&alice), ..nobody() };
        let spends = |length: usize| {
            let pattern = "x".repeat(length);
            let conditions = read(&format!(r#"{{"ArnLike": {{"aws:PrincipalArn": "{pattern}"}}}}"#)).unwrap();
            let mut steps = Steps::new();
            assert!(!conditions[0].holds(&facts, &mut steps));
            steps.are_spent()
        };
        assert_eq!((spends(20 << 10), spends(2 << 20)), (false, true));
    }

    #[test]
    fn only_fixed_callers_make_a_rule_for_everybody_one_for_some() {
        for (text, expected) in [
            (r#"{"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#, true),
            (r#"{"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/1"]}}"#, false),
            (r#"{"IpAddress": {"aws:SourceIp": "2001::/16"}}"#, false),
            (r#"{"IpAddressIfExists": {"aws:SourceIp": "192.0.2.0/24"}}"#, false),
            (r#"{"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#, false),
            (r#"{"StringEquals": {"aws:PrincipalAccount": "alice"}}"#, true),
            (r#"{"StringLike": {"aws:PrincipalAccount": "al*"}}"#, false),
            (r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::alice:user/*"}}"#, false),
            (r#"{"ForAllValues:StringEquals": {"aws:PrincipalAccount": "alice"}}"#, false),
            (r#"{"StringLike": {"aws:Referer": "https://example.com/"}}"#, false),
            (r#"{"Null": {"aws:PrincipalArn": "false"}}"#, false),
        ] {
            assert_eq!(read(text).unwrap()[0].names_callers(), expected, "{text}");
        }
    }
}
