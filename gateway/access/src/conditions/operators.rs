//! The operators of conditions, with the values that a policy gives them: what one value of a request is held against.

use crate::facts::{Key, Kind, Value};
use crate::malformed::{Malformed, syntax};
use crate::pattern::{Steps, is_searched_for, matches};
use std::cmp::Ordering;
use std::net::IpAddr;
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime};

/// One value must be alike with one of these.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Equals(Vec<String>),
    /// In lower case.
    EqualsAnyCase(Vec<String>),
    Like(Vec<String>),
    Arn(Vec<String>),
    Number(Order, Vec<f64>),
    /// Milliseconds since 1970.
    Date(Order, Vec<i64>),
    Bool(Vec<bool>),
    Network(Vec<Network>),
    /// `Null`: whether the key must be absent.
    Absent(bool),
}

/// What the request's value must be to the policy's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, ordering: Option<Ordering>) -> bool {
        let Some(ordering) = ordering else { return false };
        match self {
            Self::Equal => ordering.is_eq(),
            Self::Less => ordering.is_lt(),
            Self::LessOrEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// Addresses that begin alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    /// `address` or `address/bits`.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, bits)| (a, Some(bits)));
        let address: IpAddr = address.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let digits = |bits: &str| !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
        let prefix_bits = match bits {
            None => longest,
            Some(bits) => Some(bits).filter(|bits| digits(bits))?.parse().ok().filter(|n| *n <= longest)?,
        };
        Some(Self { address, prefix_bits })
    }

    fn has(self, other: IpAddr) -> bool {
        let differing = match (self.address, other) {
            (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros(),
            _ => return false,
        };
        differing >= u32::from(self.prefix_bits)
    }

    /// So wide that S3 takes it for everybody.
    pub(super) fn is_wide(self) -> bool {
        self.prefix_bits < if self.address.is_ipv4() { 8 } else { 32 }
    }
}

impl Test {
    /// The test of an operator without prefix and suffix, and whether it is negated; `None` where there is no such
    /// operator. `name` is the key as it was written.
    pub(super) fn parse(
        operator: &str,
        key: &Key,
        name: &str,
        values: &[String],
    ) -> Result<Option<(Self, bool)>, Malformed> {
        let kind = key.kind();
        let texts = || values.to_vec();
        let in_lower_case = || values.iter().map(|text| text.to_lowercase()).collect();
        let numbers = || values.iter().map(|text| parse_number(name, text)).collect::<Result<_, _>>();
        let dates = || values.iter().map(|text| parse_date(name, text)).collect::<Result<_, _>>();
        let (takes, test, negated): (&[Kind], _, _) = match operator {
            "StringEquals" => (&[Kind::Text, Kind::Arn], Self::Equals(texts()), false),
            "StringNotEquals" => (&[Kind::Text, Kind::Arn], Self::Equals(texts()), true),
            "StringEqualsIgnoreCase" => {
                (&[Kind::Text, Kind::Arn], Self::EqualsAnyCase(in_lower_case()), false)
            }
            "StringNotEqualsIgnoreCase" => {
                (&[Kind::Text, Kind::Arn], Self::EqualsAnyCase(in_lower_case()), true)
            }
            "StringLike" => (&[Kind::Text, Kind::Arn], Self::Like(texts()), false),
            "StringNotLike" => (&[Kind::Text, Kind::Arn], Self::Like(texts()), true),
            // In S3 the two are the same.
            "ArnEquals" | "ArnLike" => (&[Kind::Arn], Self::Arn(texts()), false),
            "ArnNotEquals" | "ArnNotLike" => (&[Kind::Arn], Self::Arn(texts()), true),
            "Bool" => {
                let values = values.iter().map(|text| parse_bool(name, text)).collect::<Result<_, _>>();
                (&[Kind::Bool], Self::Bool(values?), false)
            }
            "IpAddress" | "NotIpAddress" => {
                let networks = values.iter().map(|text| parse_network(name, text)).collect::<Result<_, _>>();
                (&[Kind::Address], Self::Network(networks?), operator == "NotIpAddress")
            }
            _ => match (operator.strip_prefix("Numeric"), operator.strip_prefix("Date")) {
                (Some(rest), _) => {
                    let Some((order, negated)) = parse_order(rest) else { return Ok(None) };
                    (&[Kind::Number, Kind::Epoch], Self::Number(order, numbers()?), negated)
                }
                (_, Some(rest)) => {
                    let Some((order, negated)) = parse_order(rest) else { return Ok(None) };
                    (&[Kind::Date, Kind::Epoch], Self::Date(order, dates()?), negated)
                }
                _ => return Ok(None),
            },
        };
        if !takes.contains(&kind) {
            return Err(syntax(&format!("the condition key {name} does not take the operator {operator}")));
        }
        Ok(Some((test, negated)))
    }

    /// Whether a part of a pattern may stand at any place of a value.
    pub(super) fn is_searched(&self) -> bool {
        match self {
            Self::Like(patterns) => patterns.iter().any(|pattern| is_searched_for(pattern)),
            Self::Arn(patterns) => {
                patterns.iter().flat_map(|pattern| arn_parts(pattern)).any(is_searched_for)
            }
            _ => false,
        }
    }

    /// Values of another kind than the test's do not get here: the key's kind was checked when it was read.
    pub(super) fn is_alike(&self, value: &Value<'_>, steps: &mut Steps) -> bool {
        match (self, value) {
            (Self::Equals(wanted), Value::Text(text)) => wanted.iter().any(|w| w == text),
            (Self::EqualsAnyCase(wanted), Value::Text(text)) => wanted.contains(&text.to_lowercase()),
            (Self::Like(wanted), Value::Text(text)) => wanted.iter().any(|w| matches(w, text, steps)),
            (Self::Arn(wanted), Value::Text(text)) => wanted.iter().any(|w| arn_matches(w, text, steps)),
            (Self::Number(order, wanted), Value::Number(number)) => {
                wanted.iter().any(|w| order.holds(number.partial_cmp(w)))
            }
            (Self::Number(order, wanted), Value::Moment(ms)) => {
                let secs = ms.div_euclid(1_000) as f64;
                wanted.iter().any(|w| order.holds(secs.partial_cmp(w)))
            }
            (Self::Date(order, wanted), Value::Moment(ms)) => {
                wanted.iter().any(|w| order.holds(Some(ms.cmp(w))))
            }
            (Self::Bool(wanted), Value::Bool(value)) => wanted.contains(value),
            (Self::Network(wanted), Value::Address(address)) => wanted.iter().any(|w| w.has(*address)),
            _ => false,
        }
    }
}

/// Each of the six parts by itself, so that `*` in one does not reach into the next.
fn arn_matches(pattern: &str, arn: &str, steps: &mut Steps) -> bool {
    // To find where the parts end both are gone through, before anything is compared.
    if !steps.take(pattern.len() + arn.len()) {
        return false;
    }
    let (mut patterns, mut parts) = (arn_parts(pattern), arn_parts(arn));
    loop {
        match (patterns.next(), parts.next()) {
            (Some(pattern), Some(part)) if matches(pattern, part, steps) => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

fn arn_parts(arn: &str) -> impl Iterator<Item = &str> {
    arn.splitn(6, ':')
}

fn parse_order(text: &str) -> Option<(Order, bool)> {
    match text {
        "Equals" => Some((Order::Equal, false)),
        "NotEquals" => Some((Order::Equal, true)),
        "LessThan" => Some((Order::Less, false)),
        "LessThanEquals" => Some((Order::LessOrEqual, false)),
        "GreaterThan" => Some((Order::Greater, false)),
        "GreaterThanEquals" => Some((Order::GreaterOrEqual, false)),
        _ => None,
    }
}

fn parse_number(key: &str, text: &str) -> Result<f64, Malformed> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite());
    number.ok_or_else(|| syntax(&format!("the condition key {key} needs numbers, not {text:?}")))
}

pub(super) fn parse_bool(key: &str, text: &str) -> Result<bool, Malformed> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Ok(true),
        _ if text.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err(syntax(&format!("the condition key {key} needs true or false, not {text:?}"))),
    }
}

fn parse_network(key: &str, text: &str) -> Result<Network, Malformed> {
    let bad = || syntax(&format!("the condition key {key} needs addresses such as 10.0.0.0/8, not {text:?}"));
    Network::parse(text).ok_or_else(bad)
}

/// An ISO 8601 date with or without a time, or seconds since 1970.
fn parse_date(key: &str, text: &str) -> Result<i64, Malformed> {
    let secs = text.parse::<i64>().ok().and_then(|secs| secs.checked_mul(1_000));
    let in_ms = |moment: OffsetDateTime| i64::try_from(moment.unix_timestamp_nanos() / 1_000_000).ok();
    secs.or_else(|| OffsetDateTime::parse(text, &Iso8601::DEFAULT).ok().and_then(in_ms))
        .or_else(|| Date::parse(text, &Iso8601::DATE).ok().and_then(|day| in_ms(day.midnight().assume_utc())))
        .ok_or_else(|| syntax(&format!("the condition key {key} needs ISO 8601 dates, not {text:?}")))
}
