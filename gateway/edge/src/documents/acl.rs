//! AccessControlPolicy: the list of a bucket or an object.

use super::{parsed_if_any, write};
use crate::answer::Body;
use crate::errors::{MALFORMED_XML, s3};
use bytes::Bytes;
use http::Response;
use pocket_access::acl::{self, GRANTS_MAX, OwnedAcl, SentAcl};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::acl::{Acl, Grant};
use pocket_api::names::TenantName;
use s3s::dto::{self, AccessControlPolicy, Grantee, Owner, Permission, Type};

/// `None` where headers have to say it.
pub(crate) fn read(document: Bytes) -> Result<Option<SentAcl>, Refusal> {
    let Some(sent) = parsed_if_any::<AccessControlPolicy>(&document)? else { return Ok(None) };
    let owner = sent.owner.and_then(|owner| owner.id);
    let grants = sent.grants.unwrap_or_default();
    if grants.is_empty() || grants.len() > GRANTS_MAX {
        return Err(malformed(format!("a list has 1 to {GRANTS_MAX} grants, not {}", grants.len())));
    }
    let grants = grants.iter().map(parse_grant).collect::<Result<_, Refusal>>()?;
    Ok(Some(SentAcl { owner, acl: Acl { grants } }))
}

pub(crate) fn shown(shown: &OwnedAcl) -> Response<Body> {
    let OwnedAcl { acl, owner } = shown;
    let grants = acl.grants.iter().map(|grant| show_grant(grant, owner)).collect();
    let owner = Owner { display_name: Some(owner.to_string()), id: Some(owner.to_string()) };
    write("AccessControlPolicy", &AccessControlPolicy { grants: Some(grants), owner: Some(owner) })
}

fn parse_grant(sent: &dto::Grant) -> Result<Grant, Refusal> {
    let permission = sent.permission.as_ref().map_or("", |permission| permission.as_str());
    let permission = acl::parse_permission(permission)
        .ok_or_else(|| malformed(format!("unknown permission {:?}", shortened(permission))))?;
    let named = sent.grantee.as_ref().ok_or_else(|| malformed("a grant has no grantee".into()))?;
    let grantee = match (named.id.as_deref(), named.uri.as_deref(), named.email_address.as_deref()) {
        (Some(id), None, None) => acl::grantee_by_id(id),
        (None, Some(uri), None) => acl::grantee_by_uri(uri),
        (None, None, Some(_)) => Err(acl::by_email_address()),
        _ => return Err(malformed("a grantee is one of ID, URI and EmailAddress".into())),
    };
    Ok(Grant { grantee: grantee?, permission })
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

fn malformed(why: String) -> Refusal {
    s3(ErrorCode::MalformedACLError, format!("{MALFORMED_XML}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::acl::{self, Grantee};

    fn document(grants: &str) -> Bytes {
        format!("<AccessControlPolicy><AccessControlList>{grants}</AccessControlList></AccessControlPolicy>")
            .into()
    }

    fn grant(grantee: &str, permission: &str) -> String {
        let xsi = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\" xsi:type=\"Group\"";
        format!("<Grant><Grantee {xsi}>{grantee}</Grantee><Permission>{permission}</Permission></Grant>")
    }

    #[test]
    fn what_is_shown_can_be_put_again() {
        let owner = TenantName::parse("me").unwrap();
        let grant = |grantee, permission| Grant { grantee, permission };
        let tenant = |name| Grantee::Tenant(TenantName::parse(name).unwrap());
        let grants = vec![
            grant(tenant("me"), acl::Permission::FullControl),
            grant(Grantee::Everybody, acl::Permission::Read),
            grant(Grantee::EveryTenant, acl::Permission::WriteAcp),
            grant(tenant("you"), acl::Permission::ReadAcp),
        ];
        let owned = OwnedAcl { acl: Acl { grants }, owner };
        let sent = read(shown(&owned).body().bytes().unwrap()).unwrap().unwrap();
        assert_eq!((sent.owner.as_deref(), sent.acl), (Some("me"), owned.acl));
        assert_eq!(read(Bytes::new()), Ok(None));
    }

    #[test]
    fn grants_that_nobody_could_hold_to_are_refused() {
        let (id, fine) = ("<ID>me</ID>", grant("<ID>me</ID>", "READ"));
        for (grants, code) in [
            (String::new(), ErrorCode::MalformedACLError),
            (fine.repeat(GRANTS_MAX + 1), ErrorCode::MalformedACLError),
            (grant(id, "LOOK"), ErrorCode::MalformedACLError),
            (grant("", "READ"), ErrorCode::MalformedACLError),
            (grant(&format!("{id}<URI>u</URI>"), "READ"), ErrorCode::MalformedACLError),
            ("<Grant><Permission>READ</Permission></Grant>".into(), ErrorCode::MalformedACLError),
            (grant("<URI>http://nowhere.example</URI>", "READ"), ErrorCode::InvalidArgument),
            (grant("<EmailAddress>a@b.example</EmailAddress>", "READ"), ErrorCode::MethodNotAllowed),
        ] {
            assert_eq!(read(document(&grants)).unwrap_err().code, code, "{grants:.200}");
        }
        assert!(read(document(&fine.repeat(GRANTS_MAX))).is_ok());
    }
}
