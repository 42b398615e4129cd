//! Access control lists of buckets and objects: who is granted what. Gateways evaluate them; shards keep those of objects
//! with their headers and never look into them. An object without a list is its bucket's owner's alone, and costs nothing.

use crate::names::TenantName;
use serde::{Deserialize, Serialize};

/// What is granted to whom. The owner's own rights may stand in it, but do not depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acl {
    pub grants: Vec<Grant>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub grantee: Grantee,
    pub permission: Permission,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Grantee {
    /// Of the bucket, and so of its objects: whoever that is.
    Owner,
    Tenant(TenantName),
    /// Anonymous callers too.
    Everybody,
    /// Whoever signs.
    EveryTenant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Permission {
    Read,
    Write,
    ReadAcp,
    WriteAcp,
    FullControl,
}

impl Acl {
    /// No more than that the owner may do everything.
    pub fn private() -> Self {
        Self { grants: vec![Grant { grantee: Grantee::Owner, permission: Permission::FullControl }] }
    }

    /// By S3's meaning of public.
    pub fn is_public(&self) -> bool {
        self.grants.iter().any(|grant| grant.grantee.is_public())
    }

    /// Whether it says no more than that the owner may do everything.
    pub fn is_private(&self, owner: &TenantName) -> bool {
        let is_owners = |grant: &Grant| {
            grant.grantee.tenant(owner) == Some(owner) && grant.permission == Permission::FullControl
        };
        !self.grants.is_empty() && self.grants.iter().all(is_owners)
    }

    /// For accounting: the list itself, and the names in it.
    pub fn len_bytes(&self) -> usize {
        let name = |grant: &Grant| match &grant.grantee {
            Grantee::Tenant(tenant) => tenant.as_str().len(),
            _ => 0,
        };
        size_of::<Self>() + self.grants.iter().map(|grant| size_of::<Grant>() + name(grant)).sum::<usize>()
    }
}

impl Grantee {
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Everybody | Self::EveryTenant)
    }

    /// The one tenant that it names, where `owner` is the bucket's; `None` for a group.
    pub fn tenant<'a>(&'a self, owner: &'a TenantName) -> Option<&'a TenantName> {
        match self {
            Self::Owner => Some(owner),
            Self::Tenant(tenant) => Some(tenant),
            Self::Everybody | Self::EveryTenant => None,
        }
    }

    /// Whether a caller of this tenant, or of none, is meant.
    pub fn is(&self, caller: Option<&TenantName>, owner: &TenantName) -> bool {
        match self {
            Self::Owner | Self::Tenant(_) => caller.is_some() && caller == self.tenant(owner),
            Self::Everybody => true,
            Self::EveryTenant => caller.is_some(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grantees_are_whom_they_name() {
        let [owner, alice, bob] = ["owner", "alice", "bob"].map(|name| TenantName::parse(name).unwrap());
        for (grantee, meant) in [
            (Grantee::Owner, [false, true, false, false]),
            (Grantee::Tenant(alice.clone()), [false, false, true, false]),
            (Grantee::Everybody, [true; 4]),
            (Grantee::EveryTenant, [false, true, true, true]),
        ] {
            let found =
                [None, Some(&owner), Some(&alice), Some(&bob)].map(|caller| grantee.is(caller, &owner));
            assert_eq!(found, meant, "{grantee:?}");
        }
    }

    #[test]
    fn a_list_is_private_if_the_owner_alone_is_in_it_under_either_name() {
        let [owner, alice] = ["owner", "alice"].map(|name| TenantName::parse(name).unwrap());
        let full = |grantee| Grant { grantee, permission: Permission::FullControl };
        let named = full(Grantee::Tenant(owner.clone()));
        assert!(Acl::private().is_private(&owner));
        assert!(Acl { grants: vec![named.clone(), full(Grantee::Owner)] }.is_private(&owner));
        for other in [
            vec![],
            vec![Grant { permission: Permission::Read, ..named.clone() }],
            vec![named.clone(), full(Grantee::Tenant(alice))],
            vec![named, full(Grantee::EveryTenant)],
        ] {
            let acl = Acl { grants: other };
            assert!(!acl.is_private(&owner), "{acl:?}");
        }
    }
}
