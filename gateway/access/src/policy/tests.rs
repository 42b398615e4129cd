use super::super::facts::Attribute::{MaxKeys, Prefix};
use super::super::facts::tests::{Says, key_of, nobody};
use super::*;
use proptest::prelude::*;

fn bucket() -> BucketName {
    BucketName::parse("data").unwrap()
}

fn policy(statements: &str) -> Result<Policy, String> {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statements}]}}"#);
    Policy::parse(&text, &bucket()).map_err(|error| error.to_string())
}

/// A statement with S3's most common parts; later fields come behind.
fn statement(effect: &str, principal: &str, action: &str, resource: &str, more: &str) -> String {
    format!(
        r#"{{"Effect": "{effect}", "Principal": {principal}, "Action": {action}, "Resource": {resource}{more}}}"#
    )
}

/// What a policy says where nothing else was looked at before.
fn opinion_of(policy: &Policy, action: Action, resource: &str, facts: &Facts<'_>) -> Opinion {
    policy.opinion(action, resource, facts, &mut Steps::new())
}

const EVERYBODY: &str = r#""*""#;
const OBJECTS: &str = r#""arn:aws:s3:::data/*""#;

#[test]
fn a_public_read_policy_lets_everybody_read_objects_and_nothing_else() {
    let policy = policy(&statement("Allow", EVERYBODY, r#""s3:GetObject""#, OBJECTS, "")).unwrap();
    let opinion = |action, resource| opinion_of(&policy, action, resource, &nobody());
    assert_eq!(opinion(Action::GetObject, "data/a/b"), Opinion::Allows);
    assert_eq!(opinion(Action::GetObject, "data2/a"), Opinion::None);
    assert_eq!(opinion(Action::PutObject, "data/a"), Opinion::None);
    assert_eq!(opinion(Action::ListBucket, "data"), Opinion::None);
    assert!(policy.is_public());
}

#[test]
fn principals_are_tenants_or_single_keys() {
    let alice = key_of("alice");
    let other_key = Principal { access_key_id: "OTHER".into(), ..alice.clone() };
    let bob = key_of("bob");
    for (principal, of_alice, of_other_key, of_bob, of_nobody) in [
        (r#""*""#, true, true, true, true),
        (r#"{"AWS": "*"}"#, true, true, true, true),
        (r#"{"AWS": "alice"}"#, true, true, false, false),
        (r#"{"AWS": "arn:aws:iam::alice:root"}"#, true, true, false, false),
        (r#"{"CanonicalUser": "alice"}"#, true, true, false, false),
        (r#"{"AWS": ["arn:aws:iam::alice:user/AKID", "bob"]}"#, true, false, true, false),
    ] {
        let policy = policy(&statement("Allow", principal, r#""s3:*""#, OBJECTS, "")).unwrap();
        for (caller, expected) in [
            (Some(&alice), of_alice),
            (Some(&other_key), of_other_key),
            (Some(&bob), of_bob),
            (None, of_nobody),
        ] {
            let facts = Facts { principal: caller, ..nobody() };
            let allowed = opinion_of(&policy, Action::GetObject, "data/k", &facts) == Opinion::Allows;
            assert_eq!(allowed, expected, "{principal} {caller:?}");
        }
    }
}

#[test]
fn negated_elements_mean_everything_else() {
    let not_principal = r#"{"Effect": "Deny", "NotPrincipal": {"AWS": "alice"}, "Action": "s3:*",
        "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]}"#;
    let alice = key_of("alice");
    let of = |policy: &Policy, principal, action, resource| {
        opinion_of(policy, action, resource, &Facts { principal, ..nobody() })
    };
    let policy_of = |text: &str| policy(text).unwrap();
    let denies_others = policy_of(not_principal);
    assert_eq!(of(&denies_others, Some(&alice), Action::GetObject, "data/k"), Opinion::None);
    assert_eq!(of(&denies_others, None, Action::ListBucket, "data"), Opinion::Denies);

    let not_action = r#"{"Effect": "Allow", "Principal": "*", "NotAction": "s3:Delete*",
        "Resource": "arn:aws:s3:::data/*"}"#;
    let all_but_delete = policy_of(not_action);
    assert_eq!(of(&all_but_delete, None, Action::DeleteObject, "data/k"), Opinion::None);
    assert_eq!(of(&all_but_delete, None, Action::PutObject, "data/k"), Opinion::Allows);

    let not_resource = r#"{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject",
        "NotResource": ["arn:aws:s3:::data/private/*"]}"#;
    let all_but_private = policy_of(not_resource);
    assert_eq!(of(&all_but_private, None, Action::GetObject, "data/private/k"), Opinion::None);
    assert_eq!(of(&all_but_private, None, Action::GetObject, "data/k"), Opinion::Allows);
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let allow = statement("Allow", EVERYBODY, r#""s3:GetObject""#, OBJECTS, "");
    let deny = statement("Deny", EVERYBODY, r#""s3:Get*""#, r#""arn:aws:s3:::data/secret*""#, "");
    for both in [format!("{allow}, {deny}"), format!("{deny}, {allow}")] {
        let policy = policy(&both).unwrap();
        assert_eq!(opinion_of(&policy, Action::GetObject, "data/secret.txt", &nobody()), Opinion::Denies);
        assert_eq!(opinion_of(&policy, Action::GetObject, "data/k", &nobody()), Opinion::Allows);
    }
}

#[test]
fn conditions_are_all_held_to() {
    let prefix = r#", "Condition": {"StringLike": {"s3:prefix": "home/*"},
        "NumericLessThanEquals": {"s3:max-keys": 100}}"#;
    let list = statement("Allow", EVERYBODY, r#""s3:ListBucket""#, r#""arn:aws:s3:::data""#, prefix);
    let policy = policy(&list).unwrap();
    let opinion = |attributes| {
        let facts = Facts { attributes: &Says(attributes), ..nobody() };
        opinion_of(&policy, Action::ListBucket, "data", &facts)
    };
    assert_eq!(opinion(&[(Prefix, "home/a"), (MaxKeys, "10")]), Opinion::Allows);
    assert_eq!(opinion(&[(Prefix, "home/a")]), Opinion::None);
    assert_eq!(opinion(&[(Prefix, "other"), (MaxKeys, "10")]), Opinion::None);
}

#[test]
fn only_policies_that_ask_for_tags_need_them() {
    let tagged = r#", "Condition": {"StringEquals": {"s3:ExistingObjectTag/public": "yes"}}"#;
    let policy = policy(&statement("Allow", EVERYBODY, r#""s3:GetObject""#, OBJECTS, tagged)).unwrap();
    assert!(
        policy.asks_for_tags(Action::GetObject.into()) && !policy.asks_for_tags(Action::PutObject.into())
    );
    let tags = [("public".to_owned(), "yes".to_owned())];
    let with = Facts { existing_tags: &tags, ..nobody() };
    assert_eq!(opinion_of(&policy, Action::GetObject, "data/k", &with), Opinion::Allows);
    assert_eq!(opinion_of(&policy, Action::GetObject, "data/k", &nobody()), Opinion::None);
}

#[test]
fn what_is_public_is_what_names_nobody() {
    let to = |effect, principal, more: &str| {
        policy(&statement(effect, principal, r#""s3:GetObject""#, OBJECTS, more)).unwrap().is_public()
    };
    let network = r#", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}"#;
    let referer = r#", "Condition": {"StringLike": {"aws:Referer": "https://a.example/*"}}"#;
    assert!(to("Allow", EVERYBODY, ""));
    assert!(to("Allow", r#"{"AWS": ["alice", "*"]}"#, ""));
    assert!(to("Allow", EVERYBODY, referer));
    assert!(!to("Allow", EVERYBODY, network));
    assert!(!to("Allow", r#"{"AWS": "alice"}"#, ""));
    assert!(!to("Deny", EVERYBODY, ""));
}

#[test]
fn documents_that_cannot_be_held_to_are_refused_with_the_reason() {
    let with = |field: &str| {
        format!(
            r#"{{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": {OBJECTS}, {field}}}"#
        )
    };
    let allow =
        |principal: &str, action: &str, resource: &str| statement("Allow", principal, action, resource, "");
    let get = r#""s3:GetObject""#;
    for (statements, reason) in [
        (with(r#""Colour": "blue""#), "Unknown field Colour"),
        (with(r#""Principals": "*""#), "Unknown field Principals"),
        (with(r#""NotAction": "s3:PutObject""#), "both Action and NotAction"),
        (with(r#""Effect": "Deny""#), "given twice"),
        (with(r#""Condition": {"StringLikes": {}}"#), "StringLikes"),
        (with(r#""Condition": {"StringLikes": {"s3:prefix": "a"}}"#), "StringLikes"),
        (with(r#""Condition": {"StringLike": {"s3:prefix": "a"}}"#), "Conditions do not apply"),
        (with(r#""Sid": 7"#), "Sid"),
        (String::new(), "Statement is empty"),
        (r#""text""#.into(), "Invalid policy syntax"),
        (r#"{"Effect": "Allow"}"#.into(), "Missing required field Principal"),
        (statement("Permit", EVERYBODY, get, OBJECTS, ""), "Invalid effect: Permit"),
        (allow(r#"{"AWS": "arn:aws:iam::alice:role/x"}"#, get, OBJECTS), "role/x"),
        (allow(r#"{"AWS": "arn:aws:iam::alice:user/*"}"#, get, OBJECTS), "user/*"),
        (allow(r#"{"AWS": "arn:aws:sts::alice:root"}"#, get, OBJECTS), "sts"),
        (allow(r#"{"Service": "logging.s3.amazonaws.com"}"#, get, OBJECTS), "Service"),
        (allow(r#"{"AWS": []}"#, get, OBJECTS), "AWS"),
        (allow("{}", get, OBJECTS), "Invalid principal"),
        (allow(r#""alice""#, get, OBJECTS), "Invalid principal"),
        (allow(EVERYBODY, r#""s3:FetchObject""#, OBJECTS), "s3:FetchObject"),
        (allow(EVERYBODY, r#"["s3:GetObject", 7]"#, OBJECTS), "invalid action"),
        (allow(EVERYBODY, "[]", OBJECTS), "invalid action"),
        (allow(EVERYBODY, get, r#""*""#), "invalid resource: *"),
        (allow(EVERYBODY, get, r#""arn:aws:s3:::other/*""#), "other"),
        (allow(EVERYBODY, get, r#""arn:aws:s3:::data2/*""#), "data2"),
        (allow(EVERYBODY, get, r#""arn:aws:s3:::data/${aws:username}/*""#), "policy variables"),
        (allow(EVERYBODY, get, r#""arn:aws:s3:::data""#), "Action does not apply"),
        (allow(EVERYBODY, r#"["s3:GetObject", "s3:ListBucket"]"#, OBJECTS), "Action does not apply"),
        (allow(r#"{"AWS": "alice"}"#, get, OBJECTS).replace("Principal", "NotPrincipal"), "NotPrincipal"),
    ] {
        let error = policy(&statements).unwrap_err();
        assert!(error.contains(reason), "{statements}: {error}");
    }
    let ok = allow(EVERYBODY, get, OBJECTS);
    for (text, reason) in [
        (String::new(), "first byte"),
        ("[]".to_owned(), "first byte"),
        ("{".to_owned(), "invalid Json"),
        ("{}".to_owned(), "Missing required field Statement"),
        (format!(r#"{{"Version": "2020-01-01", "Statement": {ok}}}"#), "valid version"),
        (format!(r#"{{"Statement": {ok}, "Extra": 1}}"#), "Unknown field Extra"),
        (format!(r#"{{"Statement": {ok}, "Statement": {ok}}}"#), "given twice"),
        (format!(r#"{{"Statement": {ok}, "Id": "{}"}}"#, "x".repeat(POLICY_MAX_BYTES)), "maximum"),
    ] {
        let error = Policy::parse(&text, &bucket()).unwrap_err().to_string();
        assert!(error.contains(reason), "{text:.60}: {error}");
    }
    assert!(Policy::parse(&format!(r#"{{"Statement": {ok}}}"#), &bucket()).is_ok(), "one statement, no list");
}

fn random_statement() -> impl Strategy<Value = String> {
    let effect = prop_oneof![Just("Allow"), Just("Deny")];
    let principal = prop_oneof![Just(r#""*""#), Just(r#"{"AWS": "alice"}"#), Just(r#"{"AWS": "bob"}"#)];
    let action =
        prop_oneof![Just(r#""s3:*""#), Just(r#""s3:GetObject""#), Just(r#"["s3:PutObject", "s3:Delete*"]"#)];
    let resource = prop_oneof![
        Just(r#""arn:aws:s3:::data/*""#),
        Just(r#""arn:aws:s3:::data/a*""#),
        Just(r#""arn:aws:s3:::data*""#)
    ];
    let condition = prop_oneof![
        3 => Just(""),
        1 => Just(r#", "Condition": {"StringEquals": {"aws:PrincipalAccount": "alice"}}"#),
        1 => Just(r#", "Condition": {"Null": {"aws:PrincipalArn": "true"}}"#),
    ];
    (effect, principal, action, resource, condition).prop_map(|(e, p, a, r, c)| statement(e, p, a, r, c))
}

/// Opinions on every question that the statements above can tell apart.
fn opinions(statements: &[String]) -> Vec<Opinion> {
    let (alice, bob) = (key_of("alice"), key_of("bob"));
    let Ok(policy) = policy(&statements.join(", ")) else { return Vec::new() };
    let mut found = Vec::new();
    for principal in [None, Some(&alice), Some(&bob)] {
        for action in [Action::GetObject, Action::PutObject, Action::DeleteObject, Action::GetObjectTagging] {
            for resource in ["data/a", "data/b"] {
                found.push(opinion_of(&policy, action, resource, &Facts { principal, ..nobody() }));
            }
        }
    }
    found
}

/// A policy as long as it may be, of as many of the patterns that `resource` makes as it has room for.
fn long_policy(resource: impl Fn(usize) -> String) -> Policy {
    let mut resources = String::new();
    for number in 0.. {
        let next =
            format!(r#"{}"arn:aws:s3:::data/{}""#, if number == 0 { "" } else { "," }, resource(number));
        if resources.len() + next.len() + 200 > POLICY_MAX_BYTES {
            break;
        }
        resources += &next;
    }
    let rest = statement("Allow", EVERYBODY, r#""s3:*""#, OBJECTS, "");
    policy(&format!(
        "{rest}, {}",
        statement("Deny", EVERYBODY, r#""s3:GetObject""#, &format!("[{resources}]"), "")
    ))
    .unwrap()
}

#[test]
fn the_longest_policy_is_held_against_the_longest_key_within_a_bound() {
    let key = format!("data/{}", "a".repeat(1_024));
    let opinion = |policy: &Policy| opinion_of(policy, Action::GetObject, &key, &nobody());
    for usual in [
        long_policy(|number| format!("logs/{number}/*")),
        long_policy(|number| format!("*/{number}.parquet")),
        long_policy(|number| format!("*/part-{number}/*")),
        long_policy(|number| format!("{}b{number}", "*a".repeat(200))),
        long_policy(|number| format!("*{}b{number}*", "a".repeat(1_000))),
    ] {
        assert_eq!(opinion(&usual), Opinion::Allows);
    }
    // What would take longer is as good as denied, whatever it is that it would have said in the end.
    let slow = long_policy(|number| format!("*?{}b{number}*", "a".repeat(500)));
    assert_eq!(opinion(&slow), Opinion::Denies);
    assert_eq!(opinion_of(&slow, Action::GetObject, "data/k", &nobody()), Opinion::Allows);
}

#[test]
fn a_request_with_long_text_finds_an_end_too() {
    let conditions: Vec<String> = (0..100).map(|n| format!(r#""*x{n}*""#)).collect();
    let condition =
        format!(r#", "Condition": {{"StringLike": {{"aws:Referer": [{}]}}}}"#, conditions.join(","));
    let policy = policy(&format!(
        "{}, {}",
        statement("Allow", EVERYBODY, r#""s3:*""#, OBJECTS, ""),
        statement("Deny", EVERYBODY, r#""s3:GetObject""#, OBJECTS, &condition)
    ))
    .unwrap();
    for (length, expected) in [(4 << 10, Opinion::Allows), (64 << 10, Opinion::Denies)] {
        let referer = "x".repeat(length);
        let says = [(Attribute::Referer, referer.as_str())];
        let facts = Facts { attributes: &Says(&says), ..nobody() };
        assert_eq!(opinion_of(&policy, Action::GetObject, "data/k", &facts), expected, "{length}");
    }
}

#[test]
fn a_policy_that_takes_too_long_to_read_is_refused() {
    let of_actions = |actions: &[String]| {
        let actions = format!("[{}]", actions.join(","));
        policy(&statement("Allow", EVERYBODY, &actions, OBJECTS, ""))
    };
    let usual: Vec<String> = (0..400).map(|_| r#""s3:Get*""#.to_owned()).collect();
    assert!(of_actions(&usual).is_ok());
    let slow: Vec<String> = (0..900).map(|_| r#""s3:*????????????g*""#.to_owned()).collect();
    assert!(of_actions(&slow).unwrap_err().contains("too many wildcards"));
}

proptest! {
    #[test]
    fn the_order_of_statements_does_not_matter(
        mut statements in prop::collection::vec(random_statement(), 1..6), seed in any::<usize>()
    ) {
        let before = opinions(&statements);
        let len = statements.len();
        statements.rotate_left(seed % len);
        statements.swap(0, seed % len);
        prop_assert_eq!(before, opinions(&statements));
    }

    #[test]
    fn one_more_statement_moves_opinions_only_its_own_way(
        mut statements in prop::collection::vec(random_statement(), 1..6), one_more in random_statement()
    ) {
        let before = opinions(&statements);
        let is_deny = one_more.contains("Deny");
        statements.push(one_more);
        for (before, after) in before.into_iter().zip(opinions(&statements)) {
            match is_deny {
                // Denies never let anybody in.
                true => prop_assert!(after == before || after == Opinion::Denies),
                // Allows never take anything away, and never lift a denial.
                false => prop_assert!(after == before || (before, after) == (Opinion::None, Opinion::Allows)),
            }
        }
    }

    #[test]
    fn a_denial_that_applies_alone_applies_among_others(
        statements in prop::collection::vec(random_statement(), 1..6)
    ) {
        let all = opinions(&statements);
        for one in &statements {
            let alone = opinions(std::slice::from_ref(one));
            for (alone, all) in alone.into_iter().zip(&all) {
                prop_assert!(alone != Opinion::Denies || *all == Opinion::Denies);
            }
        }
    }

    #[test]
    fn no_document_makes_the_reader_panic(text in r#"\{("(Version|Statement|Effect|Action|Condition|Id)": ?("\*"|\{|\[|[0-9]|true|null|"s3:\*")[,\}\]]?){0,8}"#) {
        let _ = Policy::parse(&text, &bucket());
    }

    #[test]
    fn no_field_makes_the_reader_panic(name in "(Principal|Action|Resource|Condition|Sid|Effect)", value in any::<Junk>()) {
        let others = [("Effect", r#""Allow""#), ("Principal", EVERYBODY), ("Action", r#""s3:*""#), ("Resource", OBJECTS)];
        let others = others.into_iter().filter(|(other, _)| *other != name);
        let fields: Vec<String> = others.map(|(name, value)| format!(r#""{name}": {value}"#)).collect();
        let text = format!(r#"{{"{name}": {}, {}}}"#, value.0, fields.join(", "));
        if let Ok(policy) = policy(&text) {
            opinion_of(&policy, Action::GetObject, "data/k", &nobody());
            policy.is_public();
        }
    }
}

/// Any JSON value, with words of policies in it.
#[derive(Debug)]
struct Junk(String);

impl Arbitrary for Junk {
    type Parameters = ();
    type Strategy = BoxedStrategy<Self>;

    fn arbitrary_with((): ()) -> Self::Strategy {
        let word = r#"(StringLike|ForAnyValue:|Null|IpAddress|NumericEquals|s3:prefix|aws:SourceIp|arn:aws:iam::|AWS|\*|\?|:|/|[a-z0-9.]){0,4}"#;
        let leaf = prop_oneof![
            Just("null".to_owned()),
            any::<bool>().prop_map(|b| b.to_string()),
            any::<i64>().prop_map(|n| n.to_string()),
            word.prop_map(|text| format!("{text:?}")),
        ];
        let tree = leaf.prop_recursive(4, 32, 4, move |inner| {
            let entry = (word, inner.clone()).prop_map(|(name, value)| format!("{name:?}: {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
                prop::collection::vec(entry, 0..4).prop_map(|map| format!("{{{}}}", map.join(", "))),
            ]
        });
        tree.prop_map(Self).boxed()
    }
}
