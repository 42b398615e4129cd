//! GetBucketAcl, PutBucketAcl, GetObjectAcl and PutObjectAcl. A list counts where the bucket's ownership controls let it.

use super::bucket_settings::check_rules;
use super::documents::{self, Held};
use super::{Operations, ask, context, object_key, of_version};
use crate::access::acl::{self, GRANTS_MAX, Ownership, Said};
use crate::access::action::Action;
use crate::access::rules::document;
use crate::errors::{CallError, MALFORMED_XML, access_denied, from_call, s3};
use crate::headers;
use crate::placements::Follow;
use crate::refusal::{ErrorCode, Refusal};
use bytes::Bytes;
use pocket_api::acl::{Acl, Grant};
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Lookup, MetadataError, Request, Select, Want};
use pocket_api::names::TenantName;
use pocket_api::object::ObjectHeaders;
use pocket_api::settings::DocumentKind;
use s3s::dto::{self, *};
use s3s::{S3Request, S3Response};
use std::time::Duration;

/// How often a PutObjectAcl looks again because another one came between its look and its change.
const LOOKS_MAX: usize = 4;

pub(super) async fn get_of_bucket(
    ops: &Operations,
    request: S3Request<GetBucketAclInput>,
) -> Result<S3Response<GetBucketAclOutput>, Refusal> {
    let (rules, owner) = check_rules(ops, &request, &request.input.bucket, Action::GetBucketAcl).await?;
    let grants = show_grants(rules.acl.as_ref(), &owner);
    Ok(S3Response::new(GetBucketAclOutput { grants: Some(grants), owner: Some(show_owner(&owner)) }))
}

pub(super) async fn put_of_bucket(
    ops: &Operations,
    request: S3Request<PutBucketAclInput>,
) -> Result<S3Response<PutBucketAclOutput>, Refusal> {
    let context = context(&request)?;
    let said = Said::read(&request.headers)?;
    let input = request.input;
    let put = |held: Held<'_>| {
        let acl = wanted(&said, input.access_control_policy.as_ref(), held.owner)?;
        acl::check(&acl, held.rules, held.owner)?;
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
) -> Result<S3Response<GetObjectAclOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let lookup = looking_up(&input.key)?;
    let asked = of_version(input.version_id.is_some(), Action::GetObjectAcl, Action::GetObjectVersionAcl);
    let ask = ask!(request, context, asked).on(&lookup.key);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    let (found, _) = ops.lookup(&mut bucket, &lookup).await?;
    let acl = acl_of(found.meta.headers.as_deref()).filter(|_| bucket.rules().acls_count());
    let owner = &bucket.placement.tenant;
    let (grants, owner) = (Some(show_grants(acl, owner)), Some(show_owner(owner)));
    Ok(S3Response::new(GetObjectAclOutput { grants, owner, ..Default::default() }))
}

pub(super) async fn put_of_object(
    ops: &Operations,
    request: S3Request<PutObjectAclInput>,
) -> Result<S3Response<PutObjectAclOutput>, Refusal> {
    let context = context(&request)?;
    let said = Said::read(&request.headers)?;
    let input = request.input;
    let lookup = looking_up(&input.key)?;
    let asked = of_version(input.version_id.is_some(), Action::PutObjectAcl, Action::PutObjectVersionAcl);
    let ask = ask!(request, context, asked).on(&lookup.key);
    let expected_owner = input.expected_bucket_owner.as_deref();
    let bucket = ops.bucket(ask, &super::bucket_name(&input.bucket)?, expected_owner).await?;
    let acl = wanted(&said, input.access_control_policy.as_ref(), &bucket.placement.tenant)?;
    let mut bucket =
        ops.bucket(ask.setting_acl(&acl), &super::bucket_name(&input.bucket)?, expected_owner).await?;
    let kept = acl::kept(acl.clone());
    for looks in 1.. {
        let (found, _) = ops.lookup(&mut bucket, &lookup).await?;
        let seen = acl_of(found.meta.headers.as_deref()).cloned().map(Box::new);
        let make = || Request::SetAcl { key: lookup.key.clone(), seen: seen.clone(), acl: kept.clone() };
        match ops.placements.call(&mut bucket, &lookup.key, Follow::Key, Bytes::new(), make).await {
            Ok(_) => break,
            // Whoever was let in by what it was before is asked again.
            Err(CallError::Metadata(MetadataError::Changed { .. })) if looks < LOOKS_MAX => {}
            Err(error) => return Err(from_call(ops.placements.shown(&bucket, error))),
        }
    }
    Ok(S3Response::new(PutObjectAclOutput::default()))
}

/// The ACL that a new bucket's headers say, where it is one to keep: nothing that its other settings would not let it
/// have.
pub(super) fn of_new_bucket(
    said: &Said,
    ownership: Ownership,
    owner: &TenantName,
) -> Result<Option<Acl>, Refusal> {
    let Some(acl) = said.list().filter(|acl| !acl.is_private(owner)) else { return Ok(None) };
    if ownership == Ownership::BucketOwnerEnforced {
        return Err(super::ownership_controls::acl_with_enforced_owner());
    }
    // A new bucket has its public access block.
    if acl.is_public() {
        return Err(s3(
            ErrorCode::InvalidBucketAclWithBlockPublicAccessError,
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        ));
    }
    Ok(Some(acl.into_owned()))
}

fn looking_up(key: &str) -> Result<Lookup, Refusal> {
    let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
    Ok(Lookup { key: object_key(key)?, conditions, select, want, wait: Duration::ZERO })
}

fn acl_of(headers: Option<&ObjectHeaders>) -> Option<&Acl> {
    headers?.acl.as_deref()
}

/// The list that a request names in one way or the other.
fn wanted(said: &Said, sent: Option<&AccessControlPolicy>, owner: &TenantName) -> Result<Acl, Refusal> {
    match (said.list(), sent) {
        (Some(acl), None) => Ok(acl.into_owned()),
        (None, Some(sent)) => parse(sent, owner),
        (None, None) => Err(s3(
            ErrorCode::MissingSecurityHeader,
            "Your request was missing a required header: x-amz-acl, x-amz-grant-*, or an AccessControlPolicy as body",
        )),
        (Some(_), Some(_)) => {
            let text = "This request does not support content beside x-amz-acl or x-amz-grant-*";
            Err(s3(ErrorCode::UnexpectedContent, text))
        }
    }
}

fn parse(sent: &AccessControlPolicy, owner: &TenantName) -> Result<Acl, Refusal> {
    let named = sent.owner.as_ref().and_then(|named| named.id.as_deref());
    if named.is_some_and(|named| named != owner.as_str()) {
        return Err(access_denied("Access Denied"));
    }
    let grants = sent.grants.as_deref().unwrap_or_default();
    if grants.is_empty() || grants.len() > GRANTS_MAX {
        return Err(malformed(format!("a list has 1 to {GRANTS_MAX} grants, not {}", grants.len())));
    }
    Ok(Acl { grants: grants.iter().map(parse_grant).collect::<Result<_, Refusal>>()? })
}

fn parse_grant(sent: &dto::Grant) -> Result<Grant, Refusal> {
    let permission = sent.permission.as_ref().map_or("", |permission| permission.as_str());
    let permission = acl::parse_permission(permission)
        .ok_or_else(|| malformed(format!("unknown permission {:?}", headers::shortened(permission))))?;
    let named = sent.grantee.as_ref().ok_or_else(|| malformed("a grant has no grantee".into()))?;
    let grantee = match (named.id.as_deref(), named.uri.as_deref(), named.email_address.as_deref()) {
        (Some(id), None, None) => acl::grantee_by_id(id),
        (None, Some(uri), None) => acl::grantee_by_uri(uri),
        (None, None, Some(_)) => Err(acl::by_email_address()),
        _ => return Err(malformed("a grantee is one of ID, URI and EmailAddress".into())),
    };
    Ok(Grant { grantee: grantee?, permission })
}

/// Those of a list, or what holds without one.
fn show_grants(acl: Option<&Acl>, owner: &TenantName) -> Vec<dto::Grant> {
    let private = Acl::private();
    acl.unwrap_or(&private).grants.iter().map(|grant| show_grant(grant, owner)).collect()
}

fn show_grant(grant: &Grant, owner: &TenantName) -> dto::Grant {
    let id = grant.grantee.tenant(owner).map(|tenant| tenant.to_string());
    let grantee = Grantee {
        display_name: id.clone(),
        email_address: None,
        type_: Type::from_static(if id.is_some() { Type::CANONICAL_USER } else { Type::GROUP }),
        id,
        uri: acl::uri_of(&grant.grantee).map(str::to_owned),
    };
    let permission = Permission::from_static(acl::name_of(grant.permission));
    dto::Grant { grantee: Some(grantee), permission: Some(permission) }
}

fn show_owner(owner: &TenantName) -> Owner {
    Owner { display_name: Some(owner.to_string()), id: Some(owner.to_string()) }
}

fn malformed(why: String) -> Refusal {
    s3(ErrorCode::MalformedACLError, format!("{MALFORMED_XML}: {why}"))
}
