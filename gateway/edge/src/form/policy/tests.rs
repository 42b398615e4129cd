use super::*;
use pocket_access::refusal::{ErrorCode, Refusal};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp(1_369_353_600_000);
const LATER: &str = "2013-05-24T00:00:01Z";

fn fields(pairs: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::default();
    pairs.iter().for_each(|(name, value)| fields.add(name.to_string(), value.as_bytes().into()).unwrap());
    fields
}

fn parse(json: &str) -> Result<PostPolicy, Refusal> {
    PostPolicy::parse(&BASE64_STANDARD.encode(json))
}

/// Of a policy with these conditions beside those on the bucket and the key `user/eric/k`.
fn check(conditions: &str, more: &[(&str, &str)]) -> Result<RangeInclusive<u64>, Refusal> {
    let comma = if conditions.is_empty() { "" } else { "," };
    let json = format!(
        r#"{{"expiration":"{LATER}","conditions":[{{"bucket":"b"}},["starts-with","$key","user/"]{comma}{conditions}]}}"#
    );
    let pairs: Vec<_> = [("key", "user/eric/k")].iter().chain(more).copied().collect();
    parse(&json)?.check(&fields(&pairs), "b", NOW)
}

fn message(outcome: Result<RangeInclusive<u64>, Refusal>) -> String {
    let refusal = outcome.unwrap_err();
    format!("{}: {}", refusal.code.as_str(), refusal.message)
}

#[test]
fn every_kind_of_condition_lets_pass_what_meets_it() {
    for (conditions, more) in [
        ("", &[][..]),
        (r#"{"acl":"private"}"#, &[("acl", "private")]),
        (r#"["eq","$acl","private"]"#, &[("Acl", "private")]),
        (r#"["EQ","$aCL","private"]"#, &[("acl", "private")]),
        (r#"["Starts-With","$x-amz-meta-a","b"]"#, &[("X-Amz-Meta-A", "bc")]),
        (r#"["starts-with","$success_action_redirect",""]"#, &[("success_action_redirect", "")]),
        (r#"["starts-with","$Content-Type","image/"]"#, &[("Content-Type", "image/png, image/gif")]),
        (
            r#"["eq","$x-amz-meta-a","\$5\u0021\\"],["eq","$X-Amz-Meta-B","\v"]"#,
            &[("x-amz-meta-a", r"$5!\"), ("x-amz-meta-b", "\u{b}")],
        ),
        (r#"["starts-with","$x-amz-meta-a","a"],["eq","$x-amz-meta-a","ab"]"#, &[("x-amz-meta-a", "ab")]),
        ("", &[("policy", "p"), ("X-Amz-Signature", "s"), ("x-ignore-me", "1"), ("X-Ignore-", "2")]),
    ] {
        assert_eq!(check(conditions, more), Ok(0..=u64::MAX), "{conditions}");
    }
}

#[test]
fn what_meets_no_condition_is_denied_in_s3s_words() {
    let failed =
        |shown: &str| format!("AccessDenied: Invalid according to Policy: Policy Condition failed: {shown}");
    let extra =
        |names: &str| format!("AccessDenied: Invalid according to Policy: Extra input fields: {names}");
    for (conditions, more, expected) in [
        (r#"{"acl":"private"}"#, &[("acl", "public-read")][..], failed(r#"["eq", "$acl", "private"]"#)),
        (r#"{"acl":"private"}"#, &[("acl", "Private")], failed(r#"["eq", "$acl", "private"]"#)),
        (r#"["eq","$Acl","a\"b"]"#, &[("acl", "c")], failed(r#"["eq", "$Acl", "a\"b"]"#)),
        (r#"["eq","acl","private"]"#, &[("acl", "private")], failed(r#"["eq", "acl", "private"]"#)),
        (
            r#"["starts-with","$x-amz-meta-a","b"]"#,
            &[("x-amz-meta-a", "B")],
            failed(r#"["starts-with", "$x-amz-meta-a", "b"]"#),
        ),
        // A field that is not there does not begin with nothing either.
        (r#"["starts-with","$Content-Type",""]"#, &[], failed(r#"["starts-with", "$Content-Type", ""]"#)),
        (
            r#"["starts-with","$Content-Type","image/"]"#,
            &[("Content-Type", "image/png,text/plain")],
            failed(r#"["starts-with", "$Content-Type", "image/"]"#),
        ),
        (r#"["eq","$bucket","c"]"#, &[("bucket", "c")], failed(r#"["eq", "$bucket", "c"]"#)),
        (r#"["eq","$file",""]"#, &[], failed(r#"["eq", "$file", ""]"#)),
        (r#"["content-length-range","x","9"]"#, &[], failed(r#"["content-length-range", "x", "9"]"#)),
        ("", &[("acl", "private")], extra("acl")),
        ("", &[("StorageClass", "x"), ("x-amz-date", "y")], extra("StorageClass, x-amz-date")),
        ("", &[("x-amz-meta-ignore-me", "1")], extra("x-amz-meta-ignore-me")),
    ] {
        assert_eq!(message(check(conditions, more)), expected, "{conditions}");
    }
    let no_bucket = format!(r#"{{"expiration":"{LATER}","conditions":[{{"key":"k"}}]}}"#);
    let outcome = parse(&no_bucket).unwrap().check(&fields(&[("key", "k")]), "b", NOW);
    assert_eq!(message(outcome), extra("bucket"));
}

#[test]
fn ranges_of_the_length_are_given_back_all_at_once() {
    assert_eq!(check(r#"["content-length-range",5,10]"#, &[]), Ok(5..=10));
    assert_eq!(check(r#"["Content-Length-Range","5","10"]"#, &[]), Ok(5..=10));
    let both = r#"["content-length-range",0,10],["content-length-range",3,1000]"#;
    assert_eq!(check(both, &[]), Ok(3..=10));
    assert!(check(r#"["content-length-range",10,5]"#, &[]).unwrap().is_empty());
}

#[test]
fn a_policy_ends_at_its_moment() {
    let at = |expiration: &str| {
        let json =
            format!(r#"{{"expiration":"{expiration}","conditions":[{{"bucket":"b"}},{{"key":"k"}}]}}"#);
        parse(&json)?.check(&fields(&[("key", "k")]), "b", NOW)
    };
    for good in
        ["2013-05-24T00:00:00Z", "2013-05-24T00:00:00.000Z", "2013-05-24T00:00:00.5Z", "2099-12-31T23:59:59Z"]
    {
        assert!(at(good).is_ok(), "{good}");
    }
    for ended in ["2013-05-23T23:59:59Z", "2013-05-23T23:59:59.999Z", "1970-01-01T00:00:00Z"] {
        assert_eq!(
            message(at(ended)),
            "AccessDenied: Invalid according to Policy: Policy expired.",
            "{ended}"
        );
    }
    for bad in [
        "",
        "2013-05-25",
        "2013-05-25 00:00:00Z",
        "2013-05-25T00:00:00",
        "2013-05-25T00:00:00+00:00",
        "tomorrow",
        "2013-05-25T00:00:00.Z",
        "2013-05-25T00:00:00,5Z",
        "2013-13-25T00:00:00Z",
        "ü013-05-25T00:00:00Z",
    ] {
        let expected = format!("InvalidPolicyDocument: Invalid Policy: Invalid 'expiration' value: '{bad}'");
        assert_eq!(message(at(bad)), expected);
    }
}

#[test]
fn what_is_no_policy_is_refused() {
    let with = |conditions: &str| format!(r#"{{"expiration":"{LATER}","conditions":{conditions}}}"#);
    for (json, expected) in [
        ("".into(), "Invalid JSON."),
        ("[]".into(), "Invalid JSON."),
        (format!(r#"{{"conditions":[],"conditions":[],"expiration":"{LATER}"}}"#), "Invalid JSON."),
        (r#"{"conditions":[]}"#.into(), "Policy missing expiration."),
        (r#"{"EXPIRATION":"x"}"#.into(), "Unexpected: 'EXPIRATION'"),
        (format!(r#"{{"expiration":"{LATER}"}}"#), "Policy missing conditions."),
        (with("{}"), "Invalid JSON."),
        (with(r#"[{"bucket":"b"},]"#), "Invalid JSON."),
        (with("[5]"), "Invalid JSON."),
        (with("[{}]"), "Invalid Simple-Condition: Simple-Conditions must have exactly one property"),
        (with(r#"[{"a":"1","b":"2"}]"#), "Invalid Simple-Condition: Simple-Conditions must have exactly one"),
        (with(r#"[{"a":"1","a":"2"}]"#), "Invalid JSON."),
        (with(r#"[{"Content-Length":5}]"#), "Invalid Simple-Condition: value must be a string."),
        (with(r#"[{"acl":null}]"#), "Invalid JSON."),
        (with("[[]]"), "Invalid Condition: missing operation identifier."),
        (with("[[5]]"), "Invalid Condition: missing operation identifier."),
        (with(r#"[["ends-with","$key","x"]]"#), "Invalid Condition: unknown operation 'ends-with'."),
        (with(r#"[["eq","$key"]]"#), "Invalid eq: wrong number of arguments."),
        (with(r#"[["eq","$key",5]]"#), "Invalid JSON."),
        (with(r#"[["content-length-range",0]]"#), "Invalid content-length-range: wrong number of arguments."),
        (with(r#"[["content-length-range",-1,0]]"#), "Invalid content-length-range: a length is negative."),
        (with(r#"[["content-length-range",0,512.5]]"#), "Invalid JSON."),
        (with(&"[".repeat(500)), "Invalid JSON."),
    ] {
        let refusal = parse(&json).unwrap_err();
        assert_eq!(refusal.code, ErrorCode::InvalidPolicyDocument, "{json:.80}");
        assert!(
            refusal.message.starts_with(&format!("Invalid Policy: {expected}")),
            "{json:.80}: {}",
            refusal.message
        );
    }
    for bad in ["%", "e", "/////w=="] {
        assert_eq!(PostPolicy::parse(bad).unwrap_err().code, ErrorCode::InvalidPolicyDocument, "{bad}");
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// One condition as data, apart from how the policy writes it down.
#[derive(Clone, Debug)]
enum Rule {
    Equals(String, String),
    StartsWith(String, String),
    Range(u64, u64),
}

fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let (name, value) = ("(acl|x-amz-meta-a|X-Amz-Meta-B|tagging)", "[ab\"\\\\$é]{0,2}");
    proptest::collection::vec(
        prop_oneof![
            (name, value).prop_map(|(name, value)| Rule::Equals(name, value)),
            (name, value).prop_map(|(name, value)| Rule::StartsWith(name, value)),
            (0_u64..9, 0_u64..9).prop_map(|(a, b)| Rule::Range(a, b)),
        ],
        0..5,
    )
}

proptest! {
    /// A form passes when each rule holds and each field has one: said again, in the plainest way.
    #[test]
    fn a_form_passes_exactly_when_all_its_fields_are_covered_and_all_conditions_hold(
        rules in rules(),
        given in proptest::collection::btree_map("(acl|x-amz-meta-[ab]|tagging|x-ignore-c)", "[ab\"\\\\$é]{0,3}", 0..4),
        simple in any::<bool>(),
    ) {
        let written: Vec<String> = rules.iter().map(|rule| match rule {
            Rule::Equals(name, value) if simple => format!("{{{}:{}}}", quoted(name), quoted(value)),
            Rule::Equals(name, value) => shown(&["eq", &format!("${name}"), value]),
            Rule::StartsWith(name, value) => {
                shown(&["starts-with", &format!("${name}"), value])
            }
            Rule::Range(min, max) => format!("[\"content-length-range\",{min},{max}]"),
        }).collect();
        let more: Vec<(&str, &str)> = given.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let value_of = |name: &str| given.get(&name.to_lowercase());
        let hold = rules.iter().all(|rule| match rule {
            Rule::Equals(name, value) => value_of(name) == Some(value),
            Rule::StartsWith(name, prefix) => value_of(name).is_some_and(|value| value.starts_with(prefix)),
            Rule::Range(..) => true,
        });
        let covered = given.keys().filter(|name| !name.starts_with("x-ignore-")).all(|field| {
            rules.iter().any(|rule| match rule {
                Rule::Equals(name, _) | Rule::StartsWith(name, _) => name.to_lowercase() == *field,
                Rule::Range(..) => false,
            })
        });
        let outcome = check(&written.join(","), &more);
        prop_assert_eq!(outcome.is_ok(), hold && covered, "{:?}", outcome);
        if let Ok(sizes) = outcome {
            for size in 0..10 {
                let allowed = rules.iter().all(|rule| match rule {
                    Rule::Range(min, max) => (min..=max).contains(&&size),
                    _ => true,
                });
                prop_assert_eq!(sizes.contains(&size), allowed);
            }
        }
    }

    #[test]
    fn no_policy_makes_the_parser_panic(json in "[\\[\\]{}\":,$a5\\\\ .-]{0,30}", base64 in "[A-Za-z0-9+/=%]{0,20}") {
        let _ = (parse(&json), PostPolicy::parse(&base64));
        let _ = parse(&format!("{{\"expiration\":\"{LATER}\",\"conditions\":[{json}]}}"));
        let _ = parse_expiration(&json);
    }
}
