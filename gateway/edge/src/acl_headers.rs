//! What a request's headers say of an ACL: S3's name for a list, or grant by grant. Read once, before an operation is asked.

use http::{HeaderMap, HeaderValue};
use pocket_access::acl::{Canned, GRANTS_MAX, Said, by_email_address, grantee_by_id, grantee_by_uri};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::acl::{Acl, Grant, Permission};

const CANNED_HEADER: &str = "x-amz-acl";
const GRANT_PREFIX: &str = "x-amz-grant-";
/// What each header grants, in the order in which the grants are kept.
const GRANT_HEADERS: [(&str, Permission); 5] = [
    ("x-amz-grant-full-control", Permission::FullControl),
    ("x-amz-grant-read", Permission::Read),
    ("x-amz-grant-write", Permission::Write),
    ("x-amz-grant-read-acp", Permission::ReadAcp),
    ("x-amz-grant-write-acp", Permission::WriteAcp),
];

/// Reads them; costs one look at each name where there is nothing to read.
pub(crate) fn said(headers: &HeaderMap) -> Result<Said, Refusal> {
    let is_ours = |name: &str| name == CANNED_HEADER || name.starts_with(GRANT_PREFIX);
    if !headers.keys().any(|name| is_ours(name.as_str())) {
        return Ok(Said::Nothing);
    }
    let mut grants = Vec::new();
    for (name, permission) in GRANT_HEADERS {
        if let Some(value) = headers.get(name) {
            read_grants(name, text(name, value)?, permission, &mut grants)?;
        }
    }
    match (headers.get(CANNED_HEADER), grants.is_empty()) {
        (Some(name), true) => canned(text(CANNED_HEADER, name)?).map(Said::Canned),
        (Some(_), false) => {
            let message = "Specifying both Canned ACLs and Header Grants is not allowed";
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        }
        (None, _) => Ok(Said::Grants(Acl { grants })),
    }
}

fn canned(name: &str) -> Result<Canned, Refusal> {
    Canned::parse(name).ok_or_else(|| match name {
        // Nobody here fetches machine images, and nothing delivers logs.
        "aws-exec-read" | "log-delivery-write" => {
            Refusal::new(ErrorCode::NotImplemented, format!("the ACL {name} is not implemented"))
        }
        _ => Refusal::invalid(CANNED_HEADER, name, format!("unknown canned ACL {:?}", shortened(name))),
    })
}

/// `id="...", uri="..."`
fn read_grants(
    header: &'static str,
    value: &str,
    permission: Permission,
    grants: &mut Vec<Grant>,
) -> Result<(), Refusal> {
    for one in value.split(',') {
        let bad = || {
            let message = format!("Argument format not recognized: {header} has {:?}", shortened(one));
            Refusal::invalid(header, one, message)
        };
        let (kind, named) = one.split_once('=').ok_or_else(bad)?;
        let named = named.trim();
        let named = named.strip_prefix('"').and_then(|named| named.strip_suffix('"')).unwrap_or(named);
        let grantee = match kind.trim() {
            "id" => grantee_by_id(named)?,
            "uri" => grantee_by_uri(named)?,
            "emailAddress" => return Err(by_email_address()),
            _ => return Err(bad()),
        };
        let grant = Grant { grantee, permission };
        if !grants.contains(&grant) {
            grants.push(grant);
        }
        if grants.len() > GRANTS_MAX {
            let message = format!("a list has at most {GRANTS_MAX} grants");
            return Err(Refusal::invalid(header, value, message));
        }
    }
    Ok(())
}

fn text<'a>(header: &str, value: &'a HeaderValue) -> Result<&'a str, Refusal> {
    value.to_str().map_err(|_| {
        let value = String::from_utf8_lossy(value.as_bytes());
        Refusal::invalid(header, value, format!("header {header} is not plain ASCII text"))
    })
}

#[cfg(test)]
pub(crate) mod tests;
