use super::super::decide::{Question, Verdict, decide};
use super::super::facts::Facts;
use super::super::facts::tests::{key_of, nobody};
use super::super::policy::Policy;
use super::super::public_access_block::PublicAccessBlock;
use super::super::rules::BucketPolicy;
use super::*;
use crate::refusal::ErrorCode;
use http::HeaderName;
use pocket_api::names::{BucketName, ObjectKey};
use proptest::prelude::*;

const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const EVERY_TENANT: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

fn said(headers: &[(&'static str, &str)]) -> Result<Said, (ErrorCode, String)> {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    let map = headers.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect();
    Said::read(&map).map_err(|refusal| (refusal.code, refusal.message.into_owned()))
}

fn grant(grantee: Grantee, permission: Permission) -> Grant {
    Grant { grantee, permission }
}

fn team(name: &str) -> Grantee {
    Grantee::Tenant(TenantName::parse(name).unwrap())
}

/// The headers that say a list, whose owner has to have a name.
pub(crate) fn as_headers(list: &Acl) -> Vec<(&'static str, String)> {
    let said = |grantee: &Grantee| match (grantee, uri_of(grantee)) {
        (Grantee::Tenant(tenant), _) => format!("id={tenant}"),
        (_, uri) => format!("uri=\"{}\"", uri.unwrap()),
    };
    let header = |(name, permission)| {
        let grants = list.grants.iter().filter(|grant| grant.permission == permission);
        (name, grants.map(|grant| said(&grant.grantee)).collect::<Vec<_>>().join(", "))
    };
    GRANT_HEADERS.map(header).into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

#[test]
fn headers_name_a_canned_list_or_grants() {
    assert_eq!(said(&[("x-amz-meta-acl", "public-read"), ("x-amz-date", "now")]), Ok(Said::Nothing));
    assert_eq!(said(&[("x-amz-acl", "public-read")]), Ok(Said::Canned(Canned::PublicRead)));
    let read = format!("uri={EVERYBODY}, id=\"team-a\",id=team-a , uri=\"{EVERY_TENANT}\"");
    let found = said(&[("x-amz-grant-write-acp", "id=team-b"), ("x-amz-grant-read", &read)]);
    let grants = vec![
        grant(Grantee::Everybody, Permission::Read),
        grant(team("team-a"), Permission::Read),
        grant(Grantee::EveryTenant, Permission::Read),
        grant(team("team-b"), Permission::WriteAcp),
    ];
    assert_eq!(found, Ok(Said::Grants(Acl { grants })));
}

#[test]
fn what_could_not_be_held_to_is_refused_by_name() {
    use ErrorCode as C;
    let many = (0..=GRANTS_MAX).map(|n| format!("id=t{n}")).collect::<Vec<_>>().join(",");
    for (name, value, code, named) in [
        ("x-amz-acl", "publik", C::InvalidArgument, "publik"),
        ("x-amz-acl", "", C::InvalidArgument, "canned"),
        ("x-amz-acl", "aws-exec-read", C::NotImplemented, "aws-exec-read"),
        ("x-amz-acl", "log-delivery-write", C::NotImplemented, "log-delivery-write"),
        ("x-amz-grant-read", "", C::InvalidArgument, "x-amz-grant-read"),
        ("x-amz-grant-read", "team-a", C::InvalidArgument, "team-a"),
        ("x-amz-grant-read", "id=team-a,", C::InvalidArgument, "x-amz-grant-read"),
        ("x-amz-grant-read", "name=team-a", C::InvalidArgument, "name=team-a"),
        ("x-amz-grant-read", "id=no tenant", C::InvalidArgument, "no tenant"),
        ("x-amz-grant-read", "uri=http://example.com/all", C::InvalidArgument, "example.com"),
        ("x-amz-grant-read", "emailAddress=\"a@b.example\"", C::MethodNotAllowed, "id or uri"),
        ("x-amz-grant-read", &many, C::InvalidArgument, "100"),
    ] {
        let (found, message) = said(&[(name, value)]).unwrap_err();
        assert_eq!(found, code, "{name}: {value}");
        assert!(message.contains(named), "{message} does not name {named}");
    }
    for (name, before) in [("x-amz-acl", ""), ("x-amz-grant-read", ""), ("x-amz-grant-read", "uri=")] {
        let (_, message) = said(&[(name, &format!("{before}{}", "x".repeat(1_000)))]).unwrap_err();
        assert!(message.contains("xxx") && message.len() < 200, "{message}");
    }
    let both = said(&[("x-amz-acl", "private"), ("x-amz-grant-read", "id=team-a")]);
    assert_eq!(both.unwrap_err().0, C::InvalidRequest);
}

#[test]
fn canned_lists_grant_what_their_names_say() {
    let (owner, alice) = (key_of("owner"), key_of("alice"));
    for (name, by_nobody, by_alice, written_by_nobody, public) in [
        ("private", false, false, false, false),
        ("public-read", true, true, false, true),
        ("public-read-write", true, true, true, true),
        ("authenticated-read", false, true, false, true),
        ("bucket-owner-read", false, false, false, false),
        ("bucket-owner-full-control", false, false, false, false),
    ] {
        let acl = Canned::parse(name).unwrap().list();
        let may = |on, caller, action, ignore| allows(&acl, on, caller, &owner.tenant, action, ignore);
        for (on, reads) in [(On::Bucket, Action::ListBucket), (On::Object, Action::GetObject)] {
            assert_eq!(may(on, None, reads, false), by_nobody, "{name} {on:?}");
            assert_eq!(may(on, Some(&alice), reads, false), by_alice, "{name} {on:?}");
            assert!(may(on, Some(&owner), reads, true), "{name} {on:?}");
            assert!(!may(on, Some(&alice), reads, true), "{name}: public grants are ignored");
        }
        assert_eq!(may(On::Bucket, None, Action::PutObject, false), written_by_nobody, "{name}");
        for action in
            [Action::PutObject, Action::GetObjectAcl, Action::GetObjectTagging, Action::DeleteObject]
        {
            assert!(!may(On::Object, None, action, false), "{name} {action:?}");
        }
        assert!(
            !may(On::Bucket, None, Action::GetObject, false),
            "{name}: a bucket's list is not its objects'"
        );
        assert!(!may(On::Object, None, Action::ListBucket, false), "{name}: nor the other way round");
        assert_eq!((acl.is_public(), acl.is_private(&owner.tenant)), (public, !public), "{name}");
        assert_eq!(kept(acl).is_none(), !public, "{name}: what grants nothing takes no space");
    }
}

#[test]
fn a_permission_lets_do_what_s3s_table_says_of_it() {
    use Action as A;
    let names = |on, permission| {
        let covered = A::ALL.iter().filter(|action| covers(on, permission, **action));
        covered.map(|action| action.name()).collect::<Vec<_>>().join(" ")
    };
    for (on, permission, actions) in [
        (On::Bucket, Permission::Read, "ListBucket ListBucketMultipartUploads ListBucketVersions"),
        (On::Bucket, Permission::Write, "DeleteObject PutObject"),
        (On::Bucket, Permission::ReadAcp, "GetBucketAcl"),
        (On::Bucket, Permission::WriteAcp, "PutBucketAcl"),
        (On::Object, Permission::Read, "GetObject GetObjectVersion"),
        (On::Object, Permission::Write, ""),
        (On::Object, Permission::ReadAcp, "GetObjectAcl GetObjectVersionAcl"),
        (On::Object, Permission::WriteAcp, "PutObjectAcl PutObjectVersionAcl"),
        (
            On::Object,
            Permission::FullControl,
            "GetObject GetObjectAcl GetObjectVersion GetObjectVersionAcl PutObjectAcl PutObjectVersionAcl",
        ),
    ] {
        assert_eq!(names(on, permission), actions, "{permission:?} on {on:?}");
    }
}

#[test]
fn an_object_is_made_for_its_buckets_owner_or_not_at_all() {
    use Ownership::*;
    let (owner, alice) = (key_of("owner"), key_of("alice"));
    let code = |ownership, headers: &[(&'static str, &str)], caller| {
        let rules = Rules { ownership: Some(ownership), public_access_block: None, ..Rules::DEFAULT };
        let made = said(headers).unwrap().check_new_object(caller, &rules, &owner.tenant);
        made.err().map_or("made".to_owned(), |refusal| refusal.code.as_str().to_owned())
    };
    let canned = |name| [("x-amz-acl", name)];
    let (full_control, public, private) =
        (&canned("bucket-owner-full-control"), &canned("public-read"), &canned("private"));
    let to_owner = &[("x-amz-grant-full-control", "id=owner")];
    let to_bob = &[("x-amz-grant-read", "id=bob")];
    for (ownership, headers, caller, expected) in [
        (BucketOwnerEnforced, &[][..], Some(&owner), "made"),
        (BucketOwnerEnforced, &[], Some(&alice), "made"),
        (BucketOwnerEnforced, &[], None, "made"),
        (BucketOwnerEnforced, private, Some(&owner), "made"),
        (BucketOwnerEnforced, private, Some(&alice), "AccessControlListNotSupported"),
        (BucketOwnerEnforced, full_control, Some(&alice), "made"),
        (BucketOwnerEnforced, to_owner, Some(&alice), "made"),
        (BucketOwnerEnforced, to_bob, Some(&owner), "AccessControlListNotSupported"),
        (BucketOwnerEnforced, public, Some(&owner), "AccessControlListNotSupported"),
        (BucketOwnerPreferred, &[], Some(&owner), "made"),
        (BucketOwnerPreferred, public, Some(&owner), "made"),
        (BucketOwnerPreferred, to_bob, Some(&owner), "made"),
        (BucketOwnerPreferred, &[], Some(&alice), "NotImplemented"),
        (BucketOwnerPreferred, public, Some(&alice), "NotImplemented"),
        (BucketOwnerPreferred, full_control, Some(&alice), "made"),
        (BucketOwnerPreferred, full_control, None, "made"),
        (ObjectWriter, &[], Some(&owner), "made"),
        (ObjectWriter, public, Some(&owner), "made"),
        (ObjectWriter, full_control, Some(&alice), "NotImplemented"),
    ] {
        assert_eq!(code(ownership, headers, caller), expected, "{ownership:?} {headers:?} {caller:?}");
    }
    let blocked = Rules { ownership: Some(ObjectWriter), ..Rules::DEFAULT };
    let check =
        |headers: &[_]| said(headers).unwrap().check_new_object(Some(&owner), &blocked, &owner.tenant);
    assert_eq!(check(public).unwrap_err().code, ErrorCode::AccessDenied);
    assert_eq!(check(to_bob), Ok(()), "what is granted to one tenant is not public");
}

// ---- for any list ----

fn any_grantee() -> impl Strategy<Value = Grantee> {
    prop_oneof![
        Just(Grantee::Owner),
        Just(Grantee::Everybody),
        Just(Grantee::EveryTenant),
        "(owner|alice|bob)".prop_map(|name| team(&name)),
    ]
}

fn any_acl() -> impl Strategy<Value = Acl> {
    let permission = (0..GRANT_HEADERS.len()).prop_map(|i| GRANT_HEADERS[i].1);
    let grant = (any_grantee(), permission).prop_map(|(grantee, permission)| grant(grantee, permission));
    prop::collection::vec(grant, 0..6).prop_map(|grants| Acl { grants })
}

fn any_caller() -> impl Strategy<Value = Option<Principal>> {
    prop::option::of("(owner|alice|bob)".prop_map(|name| key_of(&name)))
}

fn any_action() -> impl Strategy<Value = Action> {
    (0..Action::ALL.len()).prop_map(|i| Action::ALL[i])
}

/// Rules of every kind but policies that name somebody.
fn any_rules() -> impl Strategy<Value = Rules> {
    let ownership = prop::option::of(prop_oneof![
        Just(Ownership::BucketOwnerEnforced),
        Just(Ownership::BucketOwnerPreferred),
        Just(Ownership::ObjectWriter)
    ]);
    let block = prop::option::of(any::<[bool; 4]>().prop_map(|[a, b, c, d]| PublicAccessBlock {
        block_public_acls: a,
        ignore_public_acls: b,
        block_public_policy: c,
        restrict_public_buckets: d,
    }));
    (ownership, block, prop::option::of(any_acl())).prop_map(|(ownership, public_access_block, acl)| Rules {
        ownership,
        public_access_block,
        acl,
        ..Rules::DEFAULT
    })
}

fn verdict(rules: &Rules, of_object: Option<&Acl>, caller: Option<&Principal>, action: Action) -> Verdict {
    let (bucket, keys) = (BucketName::parse("data").unwrap(), [ObjectKey::parse("k").unwrap()]);
    let question = Question { bucket: &bucket, keys: &keys, actions: action.into(), makes_object: false };
    decide(rules, question, &Facts { principal: caller, existing_acl: of_object, ..nobody() })
}

fn denying_all(rules: Rules) -> Rules {
    let text = r#"{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*",
        "Resource": ["arn:aws:s3:::data", "arn:aws:s3:::data/*"]}}"#;
    let policy = Policy::parse(text, &BucketName::parse("data").unwrap()).unwrap();
    let is_public = policy.is_public();
    Rules { policy: Some(BucketPolicy { policy, is_public }), ..rules }
}

proptest! {
    #[test]
    fn lists_let_in_exactly_whom_one_grant_means(
        rules in any_rules(), of_object in prop::option::of(any_acl()), caller in any_caller(), action in any_action()
    ) {
        let owner = key_of("owner").tenant;
        let name = caller.as_ref().map(|caller| caller.tenant.as_str());
        let ignores = rules.public_access_block.is_some_and(|block| block.ignore_public_acls);
        let means = |grant: &Grant| match &grant.grantee {
            Grantee::Owner => name == Some("owner"),
            Grantee::Tenant(tenant) => name == Some(tenant.as_str()),
            Grantee::Everybody => !ignores,
            Grantee::EveryTenant => !ignores && name.is_some(),
        };
        let lets = |acl: &Option<Acl>, on| acl.iter().flat_map(|acl| &acl.grants).any(|grant| {
            means(grant) && covers(on, grant.permission, action)
        });
        let counts = rules.ownership != Some(Ownership::BucketOwnerEnforced);
        let expected = name == Some(owner.as_str())
            || counts && (lets(&rules.acl, On::Bucket) || lets(&of_object, On::Object));
        let found = verdict(&rules, of_object.as_ref(), caller.as_ref(), action);
        prop_assert_eq!(found == Verdict::Allowed, expected, "{:?}", found);
    }

    #[test]
    fn nothing_opens_a_bucket_whose_owner_did_not_take_its_defaults_away(
        of_object in any_acl(), caller in any_caller(), action in any_action()
    ) {
        let is_owner = caller.as_ref().is_some_and(|caller| caller.tenant.as_str() == "owner");
        let found = verdict(&Rules::DEFAULT, Some(&of_object), caller.as_ref(), action);
        prop_assert_eq!(found == Verdict::Allowed, is_owner);
    }

    #[test]
    fn a_denial_outweighs_every_list(
        rules in any_rules(), of_object in any_acl(), caller in any_caller(), action in any_action()
    ) {
        let is_owner = caller.as_ref().is_some_and(|caller| caller.tenant.as_str() == "owner");
        let found = verdict(&denying_all(rules), Some(&of_object), caller.as_ref(), action);
        prop_assert!(found != Verdict::Allowed || is_owner && action.name().ends_with("BucketPolicy"));
    }

    #[test]
    fn a_further_grant_never_takes_anything_away(
        acl in any_acl(), more in any_acl(), caller in any_caller(), action in any_action(), ignore in any::<bool>()
    ) {
        let owner = key_of("owner").tenant;
        let both = Acl { grants: [acl.grants.clone(), more.grants].concat() };
        for on in [On::Bucket, On::Object] {
            let may = |acl| allows(acl, on, caller.as_ref(), &owner, action, ignore);
            prop_assert!(!may(&acl) || may(&both));
        }
    }

    #[test]
    fn what_may_be_put_lets_nobody_in_that_its_block_keeps_out(
        rules in any_rules(), acl in any_acl(), caller in any_caller(), action in any_action()
    ) {
        let owner = key_of("owner").tenant;
        let Ok(()) = check(&acl, &rules, &owner) else { return Ok(()) };
        let named = |tenant: &TenantName| acl.grants.iter().any(|grant| grant.grantee.tenant(&owner) == Some(tenant));
        let blocked = rules.block().block_public_acls;
        if blocked && allows(&acl, On::Object, caller.as_ref(), &owner, action, false) {
            prop_assert!(caller.is_some_and(|caller| named(&caller.tenant)));
        }
    }

    #[test]
    fn grants_read_back_as_they_were_said(mut acl in any_acl()) {
        for grant in acl.grants.iter_mut().filter(|grant| grant.grantee == Grantee::Owner) {
            grant.grantee = team("owner");
        }
        let lines = as_headers(&acl);
        let headers: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut grants: Vec<Grant> = Vec::new();
        for (_, permission) in GRANT_HEADERS {
            for grant in acl.grants.iter().filter(|grant| grant.permission == permission) {
                if !grants.contains(grant) {
                    grants.push(grant.clone());
                }
            }
        }
        let expected = if grants.is_empty() { Said::Nothing } else { Said::Grants(Acl { grants }) };
        prop_assert_eq!(said(&headers), Ok(expected));
    }

    #[test]
    fn no_header_makes_the_reader_panic(value in "[ -~]{0,60}|(id|uri|emailAddress)[=\", ]{0,4}[a-z:/.]{0,8}") {
        for (name, _) in GRANT_HEADERS {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_str(&value).unwrap())]);
            let _ = Said::read(&headers);
        }
    }
}
