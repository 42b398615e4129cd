//! Access control lists of buckets: who is granted what, by S3's canned names or one by one.

use super::action::Action;
use super::rules::Rules;
use crate::caller::Principal;
use crate::context::Refusal;
use crate::headers::shortened;
use pocket_api::names::TenantName;
use s3s::S3ErrorCode;
use serde::{Deserialize, Serialize};

/// S3's bound on the grants of one list.
pub(crate) const GRANTS_MAX: usize = 100;
const GROUPS: [(&str, Grantee); 2] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::Everybody),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::EveryTenant),
];

/// Who owns objects, and whether ACLs count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Ownership {
    /// ACLs neither count nor can be set. Of a bucket whose owner said nothing.
    #[default]
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    /// Also of a bucket whose owner took the configuration away.
    ObjectWriter,
}

impl Ownership {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter]
            .into_iter()
            .find(|ownership| ownership.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }
}

/// What a bucket's owner grants. The owner's own rights stand in it, but do not depend on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Acl {
    pub(crate) grants: Vec<Grant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    pub(crate) grantee: Grantee,
    pub(crate) permission: Permission,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Grantee {
    Tenant(TenantName),
    /// Anonymous callers too.
    Everybody,
    /// Whoever signs.
    EveryTenant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

impl Acl {
    /// The list behind one of S3's names, for a bucket of `owner`; `None` for a name that is not one of these.
    pub(crate) fn canned(name: &str, owner: &TenantName) -> Option<Self> {
        let others: &[(Grantee, Permission)] = match name {
            // The last two speak of objects; of a bucket they say nothing more.
            "private" | "bucket-owner-read" | "bucket-owner-full-control" => &[],
            "public-read" => &[(Grantee::Everybody, Permission::Read)],
            "public-read-write" => {
                &[(Grantee::Everybody, Permission::Read), (Grantee::Everybody, Permission::Write)]
            }
            "authenticated-read" => &[(Grantee::EveryTenant, Permission::Read)],
            _ => return None,
        };
        let of_owner = Grant { grantee: Grantee::Tenant(owner.clone()), permission: Permission::FullControl };
        let others = others
            .iter()
            .map(|(grantee, permission)| Grant { grantee: grantee.clone(), permission: *permission });
        Some(Self { grants: std::iter::once(of_owner).chain(others).collect() })
    }

    /// By S3's meaning of public.
    pub(crate) fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// Whether it says no more than that the owner may do everything.
    pub(crate) fn is_private(&self, owner: &TenantName) -> bool {
        let is_owners = |grant: &Grant| {
            grant.grantee == Grantee::Tenant(owner.clone()) && grant.permission == Permission::FullControl
        };
        !self.grants.is_empty() && self.grants.iter().all(is_owners)
    }

    /// `ignore_public`: as the bucket's public access block says.
    pub(crate) fn allows(&self, caller: Option<&Principal>, action: Action, ignore_public: bool) -> bool {
        self.grants.iter().any(|grant| {
            grant.permission.covers(action)
                && grant.grantee.is(caller)
                && !(ignore_public && grant.grantee.is_public())
        })
    }
}

/// The list behind one of S3's names; an error names the one that there is not.
pub(crate) fn canned(name: &str, owner: &TenantName) -> Result<Acl, Refusal> {
    Acl::canned(name, owner).ok_or_else(|| match name {
        "aws-exec-read" | "log-delivery-write" => {
            Refusal::new(S3ErrorCode::NotImplemented, format!("the ACL {name} is not implemented"))
        }
        _ => Refusal::new(S3ErrorCode::InvalidArgument, format!("unknown canned ACL {:?}", shortened(name))),
    })
}

/// Whether a bucket or object of a bucket with these rules may have a list.
pub(crate) fn check(acl: &Acl, rules: &Rules, owner: &TenantName) -> Result<(), Refusal> {
    if rules.ownership() == Ownership::BucketOwnerEnforced && !acl.is_private(owner) {
        let message = "The bucket does not allow ACLs";
        return Err(Refusal::new(S3ErrorCode::AccessControlListNotSupported, message));
    }
    if rules.block().block_public_acls && acl.is_public() {
        let message = "Access Denied: public ACLs are prevented by the BlockPublicAcls setting of the bucket's public access \
                       block.";
        return Err(Refusal::new(S3ErrorCode::AccessDenied, message));
    }
    Ok(())
}

/// As [`check`], for an object: none has grants of its own.
pub(crate) fn check_of_object(acl: &Acl, rules: &Rules, owner: &TenantName) -> Result<(), Refusal> {
    check(acl, rules, owner)?;
    if acl.is_private(owner) {
        return Ok(());
    }
    let message = "ACLs of single objects other than private are not implemented: use a bucket policy";
    Err(Refusal::new(S3ErrorCode::NotImplemented, message))
}

/// Whether a caller who may write may make an object, with the ACL that it names or names not.
pub(crate) fn check_new_object(
    named: Option<&str>,
    caller: Option<&Principal>,
    rules: &Rules,
    owner: &TenantName,
) -> Result<(), Refusal> {
    if let Some(name) = named {
        check_of_object(&canned(name, owner)?, rules, owner)?;
    }
    let is_owners = match rules.ownership() {
        Ownership::BucketOwnerEnforced => true,
        Ownership::BucketOwnerPreferred => named == Some("bucket-owner-full-control"),
        Ownership::ObjectWriter => false,
    };
    if is_owners || caller.is_some_and(|caller| caller.tenant == *owner) {
        return Ok(());
    }
    let message = "objects that belong to another tenant than their bucket are not implemented: the bucket needs \
                   BucketOwnerEnforced, or BucketOwnerPreferred and the request x-amz-acl: bucket-owner-full-control";
    Err(Refusal::new(S3ErrorCode::NotImplemented, message))
}

impl Grantee {
    /// S3's URI of a group; `None` for a single tenant.
    pub(crate) fn uri(&self) -> Option<&'static str> {
        GROUPS.iter().find(|(_, group)| group == self).map(|(uri, _)| *uri)
    }

    /// `None` for a group that there is not: nothing here delivers logs.
    pub(crate) fn group(uri: &str) -> Option<Self> {
        GROUPS.iter().find(|(name, _)| *name == uri).map(|(_, group)| group.clone())
    }

    fn is_public(&self) -> bool {
        !matches!(self, Self::Tenant(_))
    }

    fn is(&self, caller: Option<&Principal>) -> bool {
        match self {
            Self::Tenant(tenant) => caller.is_some_and(|caller| caller.tenant == *tenant),
            Self::Everybody => true,
            Self::EveryTenant => caller.is_some(),
        }
    }
}

impl Permission {
    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Read, Self::Write, Self::ReadAcp, Self::WriteAcp, Self::FullControl]
            .into_iter()
            .find(|permission| permission.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "READ",
            Self::Write => "WRITE",
            Self::ReadAcp => "READ_ACP",
            Self::WriteAcp => "WRITE_ACP",
            Self::FullControl => "FULL_CONTROL",
        }
    }

    /// What it lets its grantee do to a bucket and what is in it, by S3's table.
    fn covers(self, action: Action) -> bool {
        use Action as A;
        let reads = matches!(action, A::ListBucket | A::ListBucketVersions | A::ListBucketMultipartUploads);
        let writes = matches!(action, A::PutObject | A::DeleteObject);
        match self {
            Self::Read => reads,
            Self::Write => writes,
            Self::ReadAcp => action == A::GetBucketAcl,
            Self::WriteAcp => action == A::PutBucketAcl,
            Self::FullControl => reads || writes || matches!(action, A::GetBucketAcl | A::PutBucketAcl),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::tests::key_of;
    use super::*;

    #[test]
    fn a_name_that_is_no_canned_list_is_shown_cut() {
        let refusal = canned(&"x".repeat(1_000), &TenantName::parse("owner").unwrap()).unwrap_err();
        assert!(refusal.message.contains("xxx") && refusal.message.len() < 200, "{refusal:?}");
    }

    #[test]
    fn canned_lists_grant_what_their_names_say() {
        let owner = TenantName::parse("owner").unwrap();
        let alice = key_of("alice");
        for (name, listed_by_nobody, listed_by_alice, written_by_nobody, public) in [
            ("private", false, false, false, false),
            ("public-read", true, true, false, true),
            ("public-read-write", true, true, true, true),
            ("authenticated-read", false, true, false, true),
            ("bucket-owner-full-control", false, false, false, false),
        ] {
            let acl = Acl::canned(name, &owner).unwrap();
            assert_eq!(acl.allows(None, Action::ListBucket, false), listed_by_nobody, "{name}");
            assert_eq!(acl.allows(Some(&alice), Action::ListBucket, false), listed_by_alice, "{name}");
            assert_eq!(acl.allows(None, Action::PutObject, false), written_by_nobody, "{name}");
            assert!(!acl.allows(Some(&alice), Action::ListBucket, true), "{name}: public grants are ignored");
            assert!(
                !acl.allows(None, Action::GetObject, false),
                "{name}: a bucket's list is not its objects'"
            );
            assert_eq!((acl.is_public(), acl.is_private(&owner)), (public, !public), "{name}");
        }
        assert_eq!(Acl::canned("log-delivery-write", &owner), None);
    }

    #[test]
    fn an_object_is_made_for_its_buckets_owner_or_not_at_all() {
        use Ownership::*;
        let (owner, alice) = (key_of("owner"), key_of("alice"));
        let code = |ownership, named, caller| {
            let rules = Rules { ownership: Some(ownership), public_access_block: None, ..Rules::DEFAULT };
            let made = check_new_object(named, caller, &rules, &owner.tenant);
            made.err().map_or("made".to_owned(), |refusal| refusal.code.as_str().to_owned())
        };
        let full_control = Some("bucket-owner-full-control");
        for (ownership, named, caller, expected) in [
            (BucketOwnerEnforced, None, Some(&owner), "made"),
            (BucketOwnerEnforced, None, Some(&alice), "made"),
            (BucketOwnerEnforced, None, None, "made"),
            (BucketOwnerEnforced, Some("private"), Some(&owner), "made"),
            (BucketOwnerEnforced, Some("public-read"), Some(&owner), "AccessControlListNotSupported"),
            (BucketOwnerEnforced, Some("publik"), Some(&owner), "InvalidArgument"),
            (BucketOwnerPreferred, None, Some(&owner), "made"),
            (BucketOwnerPreferred, Some("public-read"), Some(&owner), "NotImplemented"),
            (BucketOwnerPreferred, None, Some(&alice), "NotImplemented"),
            (BucketOwnerPreferred, full_control, Some(&alice), "made"),
            (BucketOwnerPreferred, full_control, None, "made"),
            (ObjectWriter, None, Some(&owner), "made"),
            (ObjectWriter, full_control, Some(&alice), "NotImplemented"),
        ] {
            assert_eq!(code(ownership, named, caller), expected, "{ownership:?} {named:?} {caller:?}");
        }
        let blocked = Rules { ownership: Some(ObjectWriter), ..Rules::DEFAULT };
        let public = check_new_object(Some("public-read"), Some(&owner), &blocked, &owner.tenant);
        assert_eq!(public.unwrap_err().code, S3ErrorCode::AccessDenied);
    }

    #[test]
    fn single_grants_are_their_tenants() {
        let (alice, bob) = (key_of("alice"), key_of("bob"));
        let grant = |permission| Grant { grantee: Grantee::Tenant(alice.tenant.clone()), permission };
        let acl = Acl { grants: vec![grant(Permission::WriteAcp), grant(Permission::Write)] };
        for action in [Action::PutBucketAcl, Action::PutObject, Action::DeleteObject] {
            assert!(acl.allows(Some(&alice), action, true) && !acl.allows(Some(&bob), action, true));
        }
        assert!(!acl.allows(Some(&alice), Action::ListBucket, true));
        assert!(!acl.allows(Some(&alice), Action::PutBucketPolicy, true));
    }
}
