use super::super::decide::{Question, Verdict, decide};
use super::super::facts::Facts;
use super::super::facts::tests::{key_of, nobody};
use super::super::policy::Policy;
use super::super::public_access_block::PublicAccessBlock;
use super::super::put_acl::{check, check_new_object};
use super::super::rules::{BucketPolicy, Rules};
use super::*;
use crate::refusal::ErrorCode;
use pocket_api::names::{BucketName, ObjectKey};
use proptest::prelude::*;

fn grant(grantee: Grantee, permission: Permission) -> Grant {
    Grant { grantee, permission }
}

fn team(name: &str) -> Grantee {
    Grantee::Tenant(TenantName::parse(name).unwrap())
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
    let code = |ownership, said: &Said, caller| {
        let rules = Rules { ownership: Some(ownership), public_access_block: None, ..Rules::DEFAULT };
        let made = check_new_object(said, caller, &rules, &owner.tenant);
        made.err().map_or("made".to_owned(), |refusal| refusal.code.as_str().to_owned())
    };
    let (full_control, public, private) = (
        &Said::Canned(Canned::BucketOwnerFullControl),
        &Said::Canned(Canned::PublicRead),
        &Said::Canned(Canned::Private),
    );
    let granted = |name, permission| Said::Grants(Acl { grants: vec![grant(team(name), permission)] });
    let to_owner = &granted("owner", Permission::FullControl);
    let to_bob = &granted("bob", Permission::Read);
    let nothing = &Said::Nothing;
    for (ownership, said, caller, expected) in [
        (BucketOwnerEnforced, nothing, Some(&owner), "made"),
        (BucketOwnerEnforced, nothing, Some(&alice), "made"),
        (BucketOwnerEnforced, nothing, None, "made"),
        (BucketOwnerEnforced, private, Some(&owner), "made"),
        (BucketOwnerEnforced, private, Some(&alice), "AccessControlListNotSupported"),
        (BucketOwnerEnforced, full_control, Some(&alice), "made"),
        (BucketOwnerEnforced, to_owner, Some(&alice), "made"),
        (BucketOwnerEnforced, to_bob, Some(&owner), "AccessControlListNotSupported"),
        (BucketOwnerEnforced, public, Some(&owner), "AccessControlListNotSupported"),
        (BucketOwnerPreferred, nothing, Some(&owner), "made"),
        (BucketOwnerPreferred, public, Some(&owner), "made"),
        (BucketOwnerPreferred, to_bob, Some(&owner), "made"),
        (BucketOwnerPreferred, nothing, Some(&alice), "NotImplemented"),
        (BucketOwnerPreferred, public, Some(&alice), "NotImplemented"),
        (BucketOwnerPreferred, full_control, Some(&alice), "made"),
        (BucketOwnerPreferred, full_control, None, "made"),
        (ObjectWriter, nothing, Some(&owner), "made"),
        (ObjectWriter, public, Some(&owner), "made"),
        (ObjectWriter, full_control, Some(&alice), "NotImplemented"),
    ] {
        assert_eq!(code(ownership, said, caller), expected, "{ownership:?} {said:?} {caller:?}");
    }
    let blocked = Rules { ownership: Some(ObjectWriter), ..Rules::DEFAULT };
    let check = |said: &Said| check_new_object(said, Some(&owner), &blocked, &owner.tenant);
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
    let permission = (0..PERMISSIONS.len()).prop_map(|i| PERMISSIONS[i]);
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
}
