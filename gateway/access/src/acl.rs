//! Access control lists of buckets and objects: what a request says of one, by S3's canned names or grant by grant, what
//! may be put where, and what a list lets its grantees do. Objects belong to their bucket's owner.

use super::action::Action;
use crate::caller::Principal;
use crate::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::acl::{Acl, Grant, Grantee, Permission};
use pocket_api::names::TenantName;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// S3's bound on the grants of one list.
pub const GRANTS_MAX: usize = 100;
const GROUPS: [(&str, Grantee); 2] = [
    ("http://acs.amazonaws.com/groups/global/AllUsers", Grantee::Everybody),
    ("http://acs.amazonaws.com/groups/global/AuthenticatedUsers", Grantee::EveryTenant),
];
/// What can be granted.
pub const PERMISSIONS: [Permission; 5] =
    [Permission::FullControl, Permission::Read, Permission::Write, Permission::ReadAcp, Permission::WriteAcp];

/// Who owns objects, and whether ACLs count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ownership {
    /// ACLs neither count nor can be set. Of a bucket whose owner said nothing.
    #[default]
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    /// Also of a bucket whose owner took the configuration away.
    ObjectWriter,
}

impl Ownership {
    pub fn parse(name: &str) -> Option<Self> {
        [Self::BucketOwnerEnforced, Self::BucketOwnerPreferred, Self::ObjectWriter]
            .into_iter()
            .find(|ownership| ownership.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::BucketOwnerEnforced => "BucketOwnerEnforced",
            Self::BucketOwnerPreferred => "BucketOwnerPreferred",
            Self::ObjectWriter => "ObjectWriter",
        }
    }
}

/// What a request's headers say of an ACL.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Nothing,
    Canned(Canned),
    Grants(Acl),
}

/// A list as a document says it.
#[derive(Clone, Debug, PartialEq)]
pub struct SentAcl {
    /// Whom the sender takes for the owner, where it says so.
    pub owner: Option<String>,
    pub acl: Acl,
}

/// What is granted on something that has an owner.
#[derive(Clone, Debug, PartialEq)]
pub struct OwnedAcl {
    pub acl: Acl,
    pub owner: TenantName,
}

/// S3's names for lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canned {
    Private,
    PublicRead,
    PublicReadWrite,
    AuthenticatedRead,
    BucketOwnerRead,
    BucketOwnerFullControl,
}

impl Canned {
    const ALL: [(&str, Self); 6] = [
        ("private", Self::Private),
        ("public-read", Self::PublicRead),
        ("public-read-write", Self::PublicReadWrite),
        ("authenticated-read", Self::AuthenticatedRead),
        ("bucket-owner-read", Self::BucketOwnerRead),
        ("bucket-owner-full-control", Self::BucketOwnerFullControl),
    ];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, canned)| *canned)
    }

    /// The list that it stands for.
    pub fn list(self) -> Acl {
        let others: &[(Grantee, Permission)] = match self {
            // The bucket's owner is the object's, so that the last two say nothing more.
            Self::Private | Self::BucketOwnerRead | Self::BucketOwnerFullControl => &[],
            Self::PublicRead => &[(Grantee::Everybody, Permission::Read)],
            Self::PublicReadWrite => {
                &[(Grantee::Everybody, Permission::Read), (Grantee::Everybody, Permission::Write)]
            }
            Self::AuthenticatedRead => &[(Grantee::EveryTenant, Permission::Read)],
        };
        let mut acl = Acl::private();
        acl.grants.extend(
            others
                .iter()
                .map(|(grantee, permission)| Grant { grantee: grantee.clone(), permission: *permission }),
        );
        acl
    }
}

impl Said {
    /// `None` where nothing was said.
    pub fn list(&self) -> Option<Cow<'_, Acl>> {
        match self {
            Self::Nothing => None,
            Self::Canned(canned) => Some(Cow::Owned(canned.list())),
            Self::Grants(acl) => Some(Cow::Borrowed(acl)),
        }
    }

    /// As a new object keeps it: nothing where nobody but its owner is in it.
    pub fn of_new_object(&self) -> Option<Box<Acl>> {
        kept(self.list()?.into_owned())
    }
}

/// As an object keeps its list: none where it grants no more than no list does.
pub fn kept(acl: Acl) -> Option<Box<Acl>> {
    (acl != Acl::private()).then(|| Box::new(acl))
}

pub fn grantee_by_id(id: &str) -> Result<Grantee, Refusal> {
    TenantName::parse(id)
        .map(Grantee::Tenant)
        .map_err(|_| Refusal::invalid("id", id, format!("Invalid id: {:?} is no tenant", shortened(id))))
}

/// There is no group that logs are delivered by: nothing here delivers any.
pub fn grantee_by_uri(uri: &str) -> Result<Grantee, Refusal> {
    let group = GROUPS.iter().find(|(name, _)| *name == uri).map(|(_, group)| group.clone());
    group.ok_or_else(|| Refusal::invalid("uri", uri, format!("Invalid group uri: {:?}", shortened(uri))))
}

/// S3 knows nobody by an address any more.
pub fn by_email_address() -> Refusal {
    let message = "Email grantees are not supported: name the grantee by id or uri.";
    Refusal::new(ErrorCode::MethodNotAllowed, message)
}

/// S3's URI of a group; `None` for a single tenant.
pub fn uri_of(grantee: &Grantee) -> Option<&'static str> {
    GROUPS.iter().find(|(_, group)| group == grantee).map(|(uri, _)| *uri)
}

pub fn parse_permission(name: &str) -> Option<Permission> {
    PERMISSIONS.into_iter().find(|permission| name_of(*permission) == name)
}

pub fn name_of(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "READ",
        Permission::Write => "WRITE",
        Permission::ReadAcp => "READ_ACP",
        Permission::WriteAcp => "WRITE_ACP",
        Permission::FullControl => "FULL_CONTROL",
    }
}

/// What a list is on: the same permission lets do other things to a bucket than to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Bucket,
    Object,
}

impl On {
    /// Whether a list on it could allow an action at all.
    pub fn decides(self, action: Action) -> bool {
        covers(self, Permission::FullControl, action)
    }
}

/// Whether a list lets a caller do something. `ignore_public`: as the bucket's public access block says.
pub fn allows(
    acl: &Acl,
    on: On,
    caller: Option<&Principal>,
    owner: &TenantName,
    action: Action,
    ignore_public: bool,
) -> bool {
    let caller = caller.map(|caller| &caller.tenant);
    acl.grants.iter().any(|grant| {
        covers(on, grant.permission, action)
            && grant.grantee.is(caller, owner)
            && !(ignore_public && grant.grantee.is_public())
    })
}

/// S3's table of what a permission on something lets its grantee do. WRITE means nothing on an object.
fn covers(on: On, permission: Permission, action: Action) -> bool {
    use Action as A;
    let needed = match (on, action) {
        (On::Bucket, A::ListBucket | A::ListBucketVersions | A::ListBucketMultipartUploads) => {
            Permission::Read
        }
        (On::Bucket, A::PutObject | A::DeleteObject) => Permission::Write,
        (On::Bucket, A::GetBucketAcl) => Permission::ReadAcp,
        (On::Bucket, A::PutBucketAcl) => Permission::WriteAcp,
        (On::Object, A::GetObject | A::GetObjectVersion) => Permission::Read,
        (On::Object, A::GetObjectAcl | A::GetObjectVersionAcl) => Permission::ReadAcp,
        (On::Object, A::PutObjectAcl | A::PutObjectVersionAcl) => Permission::WriteAcp,
        _ => return false,
    };
    permission == needed || permission == Permission::FullControl
}

#[cfg(test)]
mod tests;
