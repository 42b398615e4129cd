//! Which lists may be put where, by a bucket's rules.

use super::acl::{Canned, Ownership, Said};
use super::rules::Rules;
use crate::caller::Principal;
use crate::refusal::{ErrorCode, Refusal};
use pocket_api::acl::Acl;
use pocket_api::names::TenantName;

/// Whether a bucket with these rules, or an object in it, may have a list.
pub fn check(acl: &Acl, rules: &Rules, owner: &TenantName) -> Result<(), Refusal> {
    if rules.ownership() == Ownership::BucketOwnerEnforced && !acl.is_private(owner) {
        return Err(no_acls());
    }
    if rules.block().block_public_acls && acl.is_public() {
        let message = "Access Denied: public ACLs are prevented by the BlockPublicAcls setting of the bucket's public access \
                       block.";
        return Err(Refusal::new(ErrorCode::AccessDenied, message));
    }
    Ok(())
}

/// Whether a caller who may write may make an object with it.
pub(crate) fn check_new_object(
    said: &Said,
    caller: Option<&Principal>,
    rules: &Rules,
    owner: &TenantName,
) -> Result<(), Refusal> {
    if let Some(acl) = said.list() {
        check(&acl, rules, owner)?;
    }
    if caller.is_some_and(|caller| caller.tenant == *owner) {
        return Ok(());
    }
    match (rules.ownership(), said) {
        // Said by another tenant, these mean that tenant.
        (Ownership::BucketOwnerEnforced, Said::Canned(Canned::Private | Canned::BucketOwnerRead)) => {
            Err(no_acls())
        }
        (Ownership::BucketOwnerEnforced, _)
        | (Ownership::BucketOwnerPreferred, Said::Canned(Canned::BucketOwnerFullControl)) => Ok(()),
        _ => {
            let message = "objects that belong to another tenant than their bucket are not implemented: the bucket \
                           needs BucketOwnerEnforced, or BucketOwnerPreferred and the request the canned ACL \
                           bucket-owner-full-control";
            Err(Refusal::new(ErrorCode::NotImplemented, message))
        }
    }
}

fn no_acls() -> Refusal {
    Refusal::new(ErrorCode::AccessControlListNotSupported, "The bucket does not allow ACLs")
}
