use super::*;
use http::HeaderName;
use pocket_access::acl::uri_of;
use pocket_api::acl::Grantee;
use pocket_api::names::TenantName;
use proptest::prelude::*;

const EVERYBODY: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
const EVERY_TENANT: &str = "http://acs.amazonaws.com/groups/global/AuthenticatedUsers";

fn said(headers: &[(&'static str, &str)]) -> Result<Said, (ErrorCode, String)> {
    let value = |text: &str| HeaderValue::from_str(text).unwrap();
    let map = headers.iter().map(|(name, text)| (HeaderName::from_static(name), value(text))).collect();
    super::said(&map).map_err(|refusal| (refusal.code, refusal.message.into_owned()))
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

/// Whose owner has a name.
fn any_acl() -> impl Strategy<Value = Acl> {
    let grantee = prop_oneof![
        Just(Grantee::Everybody),
        Just(Grantee::EveryTenant),
        "(owner|alice|bob)".prop_map(|name| team(&name)),
    ];
    let permission = (0..GRANT_HEADERS.len()).prop_map(|i| GRANT_HEADERS[i].1);
    let grant = (grantee, permission).prop_map(|(grantee, permission)| grant(grantee, permission));
    prop::collection::vec(grant, 0..6).prop_map(|grants| Acl { grants })
}

proptest! {
    #[test]
    fn grants_read_back_as_they_were_said(acl in any_acl()) {
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
            let _ = super::said(&headers);
        }
    }
}
