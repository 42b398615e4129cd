//! GetBucketAcl, PutBucketAcl, GetObjectAcl and PutObjectAcl. A bucket's list counts where its ownership controls let it.
//! Objects belong to their bucket's owner and have no grants of their own: a list that would give some is refused.

use super::bucket_settings::check_rules;
use super::documents::{self, Held};
use super::{Operations, ask, context, object_key, of_version};
use crate::access::acl::{self, Acl, GRANTS_MAX, Grant, Grantee, Ownership, Permission};
use crate::access::action::Action;
use crate::access::rules::document;
use crate::errors::{MALFORMED_XML, access_denied, custom, invalid_argument, not_implemented, refused, s3};
use crate::headers;
use http::StatusCode;
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Lookup, Select, Want};
use pocket_api::names::TenantName;
use pocket_api::settings::DocumentKind;
use s3s::dto::{self, *};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use std::time::Duration;

pub(super) async fn get_of_bucket(
    ops: &Operations,
    request: S3Request<GetBucketAclInput>,
) -> S3Result<S3Response<GetBucketAclOutput>> {
    let (rules, owner) = check_rules(ops, &request, &request.input.bucket, Action::GetBucketAcl).await?;
    let acl = rules.acl.clone().unwrap_or_else(|| private(&owner));
    let grants = acl.grants.iter().map(show_grant).collect();
    Ok(S3Response::new(GetBucketAclOutput { grants: Some(grants), owner: Some(show_owner(&owner)) }))
}

pub(super) async fn put_of_bucket(
    ops: &Operations,
    request: S3Request<PutBucketAclInput>,
) -> S3Result<S3Response<PutBucketAclOutput>> {
    let context = context(&request)?;
    let input = request.input;
    let canned = input.acl.as_ref().map(|acl| acl.as_str());
    let put = |held: Held<'_>| {
        let acl = wanted(canned, input.access_control_policy.as_ref(), held.owner)?;
        acl::check(&acl, held.rules, held.owner).map_err(refused)?;
        Ok(Some(document(&acl)))
    };
    let ask = ask!(request, context, Action::PutBucketAcl);
    let owner = input.expected_bucket_owner.as_deref();
    documents::change(ops, ask, &input.bucket, owner, DocumentKind::Acl, put).await?;
    Ok(S3Response::new(PutBucketAclOutput {}))
}

pub(super) async fn get_of_object(
    ops: &Operations,
    request: S3Request<GetObjectAclInput>,
) -> S3Result<S3Response<GetObjectAclOutput>> {
    let context = context(&request)?;
    let input = request.input;
    let lookup = looking_up(&input.key)?;
    let asked = of_version(input.version_id.as_ref(), Action::GetObjectAcl, Action::GetObjectVersionAcl);
    let ask = ask!(request, context, asked).on(&lookup.key);
    let mut bucket = ops.bucket(ask, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    ops.lookup(&mut bucket, &lookup).await?;
    let owner = &bucket.placement.tenant;
    let grants = private(owner).grants.iter().map(show_grant).collect();
    let (grants, owner) = (Some(grants), Some(show_owner(owner)));
    Ok(S3Response::new(GetObjectAclOutput { grants, owner, ..Default::default() }))
}

pub(super) async fn put_of_object(
    ops: &Operations,
    request: S3Request<PutObjectAclInput>,
) -> S3Result<S3Response<PutObjectAclOutput>> {
    let context = context(&request)?;
    let input = request.input;
    let lookup = looking_up(&input.key)?;
    let asked = of_version(input.version_id.as_ref(), Action::PutObjectAcl, Action::PutObjectVersionAcl);
    let ask = ask!(request, context, asked).on(&lookup.key);
    let mut bucket = ops.bucket(ask, &input.bucket, input.expected_bucket_owner.as_deref()).await?;
    ops.lookup(&mut bucket, &lookup).await?;
    let owner = &bucket.placement.tenant;
    let acl =
        wanted(input.acl.as_ref().map(|acl| acl.as_str()), input.access_control_policy.as_ref(), owner)?;
    acl::check_of_object(&acl, bucket.rules(), owner).map_err(refused)?;
    Ok(S3Response::new(PutObjectAclOutput::default()))
}

/// What a new bucket's headers say about its ACL: nothing that its other settings would not let it have.
pub(super) fn check_new_bucket(name: &str, ownership: Ownership, owner: &TenantName) -> S3Result<()> {
    let acl = acl::canned(name, owner).map_err(refused)?;
    match ownership {
        _ if acl.is_private(owner) => Ok(()),
        Ownership::BucketOwnerEnforced => Err(super::ownership_controls::acl_with_enforced_owner()),
        // Every other canned list is public, and a new bucket has its public access block.
        _ => Err(custom(
            "InvalidBucketAclWithBlockPublicAccessError",
            StatusCode::BAD_REQUEST,
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        )),
    }
}

fn looking_up(key: &str) -> S3Result<Lookup> {
    let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
    Ok(Lookup { key: object_key(key)?, conditions, select, want, wait: Duration::ZERO })
}

/// The list that a request names in one way or the other.
fn wanted(canned: Option<&str>, sent: Option<&AccessControlPolicy>, owner: &TenantName) -> S3Result<Acl> {
    match (canned, sent) {
        (Some(name), None) => acl::canned(name, owner).map_err(refused),
        (None, Some(sent)) => parse(sent, owner),
        (None, None) => Err(custom(
            "MissingSecurityHeader",
            StatusCode::BAD_REQUEST,
            "Your request was missing a required header: x-amz-acl, or an AccessControlPolicy as body",
        )),
        (Some(_), Some(_)) => {
            Err(s3(S3ErrorCode::UnexpectedContent, "This request does not support content beside x-amz-acl"))
        }
    }
}

fn parse(sent: &AccessControlPolicy, owner: &TenantName) -> S3Result<Acl> {
    let named = sent.owner.as_ref().and_then(|named| named.id.as_deref());
    if named.is_some_and(|named| named != owner.as_str()) {
        return Err(access_denied("Access Denied"));
    }
    let grants = sent.grants.as_deref().unwrap_or_default();
    if grants.is_empty() || grants.len() > GRANTS_MAX {
        return Err(malformed(format!("a list has 1 to {GRANTS_MAX} grants, not {}", grants.len())));
    }
    Ok(Acl { grants: grants.iter().map(parse_grant).collect::<S3Result<_>>()? })
}

fn parse_grant(sent: &dto::Grant) -> S3Result<Grant> {
    let permission = sent.permission.as_ref().map_or("", |permission| permission.as_str());
    let permission = Permission::parse(permission)
        .ok_or_else(|| malformed(format!("unknown permission {:?}", headers::shortened(permission))))?;
    let named = sent.grantee.as_ref().ok_or_else(|| malformed("a grant has no grantee".into()))?;
    let grantee = match (named.id.as_deref(), named.uri.as_deref(), named.email_address.as_deref()) {
        (Some(id), None, None) => TenantName::parse(id).map(Grantee::Tenant).map_err(|_| {
            invalid_argument(format!("Invalid id: {:?} is no tenant", headers::shortened(id)))
        })?,
        (None, Some(uri), None) => Grantee::group(uri)
            .ok_or_else(|| invalid_argument(format!("Invalid group uri: {:?}", headers::shortened(uri))))?,
        (None, None, Some(_)) => {
            return Err(not_implemented("grantees by e-mail address are not implemented"));
        }
        _ => return Err(malformed("a grantee is one of ID, URI and EmailAddress".into())),
    };
    Ok(Grant { grantee, permission })
}

fn private(owner: &TenantName) -> Acl {
    let grantee = Grantee::Tenant(owner.clone());
    Acl { grants: vec![Grant { grantee, permission: Permission::FullControl }] }
}

fn show_grant(grant: &Grant) -> dto::Grant {
    let (id, type_) = match &grant.grantee {
        Grantee::Tenant(tenant) => (Some(tenant.to_string()), Type::CANONICAL_USER),
        _ => (None, Type::GROUP),
    };
    let grantee = dto::Grantee {
        display_name: id.clone(),
        email_address: None,
        id,
        type_: Type::from_static(type_),
        uri: grant.grantee.uri().map(str::to_owned),
    };
    dto::Grant {
        grantee: Some(grantee),
        permission: Some(dto::Permission::from_static(grant.permission.name())),
    }
}

fn show_owner(owner: &TenantName) -> Owner {
    Owner { display_name: Some(owner.to_string()), id: Some(owner.to_string()) }
}

fn malformed(why: String) -> S3Error {
    s3(S3ErrorCode::MalformedACLError, format!("{MALFORMED_XML}: {why}"))
}
