//! What a rule may ask about a request. Only told, never judged: see [`super::conditions`] and [`super::policy`].

use crate::caller::{Principal, SignatureVersion, SignedIn, Signing};
use crate::edge::percent::{self, Part};
use crate::edge::query::Query;
use http::{HeaderMap, HeaderValue};
use pocket_api::acl::Acl;
use pocket_api::clock::Timestamp;
use pocket_api::names::TenantName;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::net::IpAddr;

/// One request, as far as rules can ask about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts<'a> {
    /// `None` for an anonymous caller.
    pub(crate) principal: Option<&'a Principal>,
    /// There whenever `principal` is.
    pub(crate) signing: Option<Signing>,
    /// The other end of the connection. Nobody's claims of being another one are believed.
    pub(crate) peer: Option<IpAddr>,
    pub(crate) now: Timestamp,
    pub(crate) headers: &'a HeaderMap,
    /// As it came, without the parameters of a signature.
    pub(crate) query: &'a str,
    /// Tags that the request gives to an object.
    pub(crate) request_tags: &'a [(String, String)],
    /// Tags of the object that is there; empty where there is none, or where no rule asks.
    pub(crate) existing_tags: &'a [(String, String)],
    /// ACL of the object that is there; `None` where there is none, or where ACLs have no say.
    pub(crate) existing_acl: Option<&'a Acl>,
    /// Of the bucket.
    pub(crate) owner: &'a TenantName,
}

/// What a condition compares with.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Address(IpAddr),
    Number(f64),
    /// Milliseconds since 1970.
    Moment(i64),
    Bool(bool),
}

/// All values of one key: none where the request does not have it.
pub(crate) type Values<'a> = SmallVec<[Value<'a>; 1]>;

/// What a key's values are, and so which operators it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Arn,
    Address,
    Number,
    Date,
    /// A number of seconds that can also be read as a date.
    Epoch,
    Bool,
}

/// A key of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    CurrentTime,
    EpochTime,
    PrincipalAccount,
    PrincipalArn,
    PrincipalType,
    ResourceAccount,
    SecureTransport,
    SourceIp,
    UserId,
    UserName,
    AuthType,
    SignatureAge,
    SignatureVersion,
    MaxKeys,
    CopySource,
    /// A query parameter.
    Parameter(&'static str),
    /// A header.
    Header(&'static str),
    /// A tag of the object that is there, by its name.
    ExistingTag(String),
    /// A tag that the request gives, by its name.
    RequestTag(String),
    /// The names of all tags that the request gives.
    RequestTagNames,
}

/// Keys by their names in lower case. `s3:x-amz-server-side-encryption` is a header that no request here gets through
/// with, so conditions find it absent, which is the truth.
const KEYS: &[(&str, Key)] = &[
    ("aws:currenttime", Key::CurrentTime),
    ("aws:epochtime", Key::EpochTime),
    ("aws:principalaccount", Key::PrincipalAccount),
    ("aws:principalarn", Key::PrincipalArn),
    ("aws:principaltype", Key::PrincipalType),
    ("aws:referer", Key::Header("referer")),
    ("aws:resourceaccount", Key::ResourceAccount),
    ("aws:securetransport", Key::SecureTransport),
    ("aws:sourceip", Key::SourceIp),
    ("aws:useragent", Key::Header("user-agent")),
    ("aws:userid", Key::UserId),
    ("aws:username", Key::UserName),
    ("s3:authtype", Key::AuthType),
    ("s3:delimiter", Key::Parameter("delimiter")),
    ("s3:if-match", Key::Header("if-match")),
    ("s3:if-none-match", Key::Header("if-none-match")),
    ("s3:max-keys", Key::MaxKeys),
    ("s3:prefix", Key::Parameter("prefix")),
    ("s3:requestobjecttagkeys", Key::RequestTagNames),
    ("s3:resourceaccount", Key::ResourceAccount),
    ("s3:signatureage", Key::SignatureAge),
    ("s3:signatureversion", Key::SignatureVersion),
    ("s3:versionid", Key::Parameter("versionId")),
    ("s3:x-amz-acl", Key::Header("x-amz-acl")),
    ("s3:x-amz-content-sha256", Key::Header("x-amz-content-sha256")),
    ("s3:x-amz-copy-source", Key::CopySource),
    ("s3:x-amz-grant-full-control", Key::Header("x-amz-grant-full-control")),
    ("s3:x-amz-grant-read", Key::Header("x-amz-grant-read")),
    ("s3:x-amz-grant-read-acp", Key::Header("x-amz-grant-read-acp")),
    ("s3:x-amz-grant-write", Key::Header("x-amz-grant-write")),
    ("s3:x-amz-grant-write-acp", Key::Header("x-amz-grant-write-acp")),
    ("s3:x-amz-metadata-directive", Key::Header("x-amz-metadata-directive")),
    ("s3:x-amz-server-side-encryption", Key::Header("x-amz-server-side-encryption")),
    (
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
        Key::Header("x-amz-server-side-encryption-aws-kms-key-id"),
    ),
    ("s3:x-amz-storage-class", Key::Header("x-amz-storage-class")),
];
const EXISTING_TAG: &str = "s3:existingobjecttag/";
const REQUEST_TAG: &str = "s3:requestobjecttag/";

impl Key {
    /// `None` for one that nothing here could be compared with. Case does not matter but in the name of a tag.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let lower = text.to_ascii_lowercase();
        for (prefix, make) in [
            (EXISTING_TAG, Self::ExistingTag as fn(String) -> Self),
            (REQUEST_TAG, Self::RequestTag as fn(String) -> Self),
        ] {
            if lower.starts_with(prefix) {
                let name = &text[prefix.len()..];
                return (!name.is_empty()).then(|| make(name.to_owned()));
            }
        }
        KEYS.iter().find(|(name, _)| *name == lower).map(|(_, key)| key.clone())
    }

    pub(crate) fn kind(&self) -> Kind {
        match self {
            Self::CurrentTime => Kind::Date,
            Self::EpochTime => Kind::Epoch,
            Self::PrincipalArn => Kind::Arn,
            Self::SecureTransport => Kind::Bool,
            Self::SourceIp => Kind::Address,
            Self::SignatureAge | Self::MaxKeys => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// Whether its values are as long as a client makes its request.
    pub(crate) fn is_text_of_request(&self) -> bool {
        matches!(self, Self::MaxKeys | Self::Parameter(_) | Self::Header(_) | Self::CopySource)
    }

    /// Whether it says who or from where the caller is, so that a condition on it makes a rule for everybody one for
    /// some.
    pub(crate) fn tells_callers_apart(&self) -> bool {
        matches!(self, Self::SourceIp | Self::PrincipalArn | Self::PrincipalAccount | Self::UserId)
    }
}

impl<'a> Facts<'a> {
    pub(crate) fn values(&self, key: &Key) -> Values<'a> {
        let one = |value| smallvec![value];
        let maybe = |value: Option<Value<'a>>| value.into_iter().collect();
        let text = |text: &'a str| Value::Text(Cow::Borrowed(text));
        match key {
            Key::CurrentTime | Key::EpochTime => one(Value::Moment(self.now_ms())),
            Key::PrincipalAccount => maybe(self.principal.map(|p| text(p.tenant.as_str()))),
            Key::PrincipalArn => maybe(self.principal.map(|p| Value::Text(arn_of(p).into()))),
            Key::PrincipalType => one(text(self.principal.map_or("Anonymous", |_| "User"))),
            Key::ResourceAccount => one(text(self.owner.as_str())),
            // The gateway speaks plain HTTP; what a proxy before it does, nothing here can know.
            Key::SecureTransport => one(Value::Bool(false)),
            Key::SourceIp => maybe(self.peer.map(|peer| Value::Address(peer.to_canonical()))),
            Key::UserId => one(text(self.principal.map_or("anonymous", |p| &p.access_key_id))),
            Key::UserName => maybe(self.principal.map(|p| text(&p.access_key_id))),
            Key::AuthType => maybe(self.signing.map(|signing| {
                text(match signing.signed_in {
                    SignedIn::Header => "REST-HEADER",
                    SignedIn::Query => "REST-QUERY-STRING",
                    SignedIn::Form => "POST",
                })
            })),
            Key::SignatureVersion => maybe(self.signing.map(|signing| {
                text(match signing.version {
                    SignatureVersion::V4 => "AWS4-HMAC-SHA256",
                    SignatureVersion::V2 => "AWS",
                })
            })),
            Key::SignatureAge => maybe(self.signing.and_then(|signing| signing.at_secs).map(|at| {
                let age_ms = self.now_ms().saturating_sub_unsigned(at.saturating_mul(1_000));
                Value::Number(age_ms.max(0) as f64)
            })),
            Key::MaxKeys => maybe(self.parameter("max-keys").and_then(|n| n.parse().ok()).map(Value::Number)),
            Key::CopySource => maybe(self.header("x-amz-copy-source").map(|source| {
                let source = percent::decode(&source, Part::Path).unwrap_or(Cow::Borrowed(&source));
                Value::Text(source.strip_prefix('/').unwrap_or(&source).to_owned().into())
            })),
            Key::Parameter(name) => maybe(self.parameter(name).map(|text| Value::Text(text.into()))),
            Key::Header(name) => maybe(self.header(name).map(Value::Text)),
            Key::ExistingTag(name) => maybe(tag(self.existing_tags, name).map(text)),
            Key::RequestTag(name) => maybe(tag(self.request_tags, name).map(text)),
            Key::RequestTagNames => self.request_tags.iter().map(|(name, _)| text(name)).collect(),
        }
    }

    /// Bytes that have to be gone through to find the values of a key, where a request can have many.
    pub(crate) fn length(&self, key: &Key) -> usize {
        let header = |name: &str| self.headers.get(name).map_or(0, HeaderValue::len);
        match key {
            Key::MaxKeys | Key::Parameter(_) => self.query.len(),
            Key::Header(name) => header(name),
            Key::CopySource => header("x-amz-copy-source"),
            _ => 0,
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.now.0).unwrap_or(i64::MAX)
    }

    fn header(&self, name: &str) -> Option<Cow<'a, str>> {
        self.headers.get(name).map(HeaderValue::as_bytes).map(String::from_utf8_lossy)
    }

    fn parameter(&self, name: &str) -> Option<String> {
        Query::parse(self.query).ok()?.get(name).map(str::to_owned)
    }
}

/// How policies name one access key.
fn arn_of(principal: &Principal) -> String {
    format!("arn:aws:iam::{}:user/{}", principal.tenant, principal.access_key_id)
}

fn tag<'a>(tags: &'a [(String, String)], name: &str) -> Option<&'a str> {
    tags.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::LazyLock;

    /// Of nobody, from nowhere, at the beginning of time.
    pub(crate) fn nobody() -> Facts<'static> {
        static HEADERS: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        static OWNER: LazyLock<TenantName> = LazyLock::new(|| TenantName::parse("owner").unwrap());
        Facts {
            principal: None,
            signing: None,
            peer: None,
            now: Timestamp(0),
            headers: &HEADERS,
            query: "",
            request_tags: &[],
            existing_tags: &[],
            existing_acl: None,
            owner: &OWNER,
        }
    }

    pub(crate) fn key_of(tenant: &str) -> Principal {
        Principal { tenant: TenantName::parse(tenant).unwrap(), access_key_id: "AKID".into() }
    }

    fn shown(facts: Facts<'_>, key: &str) -> String {
        let values = facts.values(&Key::parse(key).unwrap());
        let texts: Vec<String> = values
            .iter()
            .map(|value| match value {
                Value::Text(text) => text.to_string(),
                Value::Address(address) => address.to_string(),
                Value::Number(number) => number.to_string(),
                Value::Moment(ms) => ms.to_string(),
                Value::Bool(value) => value.to_string(),
            })
            .collect();
        texts.join(",")
    }

    #[test]
    fn a_signed_request_tells_all_that_it_has() {
        let principal = key_of("alice");
        let signing =
            Signing { signed_in: SignedIn::Query, version: SignatureVersion::V4, at_secs: Some(10) };
        let headers = HeaderMap::from_iter([
            (http::header::REFERER, HeaderValue::from_static("https://a.example/")),
            (http::HeaderName::from_static("x-amz-copy-source"), HeaderValue::from_static("/b/k%20k")),
        ]);
        let tags = [("a".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        let facts = Facts {
            principal: Some(&principal),
            signing: Some(signing),
            peer: Some("::ffff:10.1.2.3".parse().unwrap()),
            now: Timestamp(12_500),
            headers: &headers,
            query: "prefix=a%2Fb&max-keys=7&delimiter",
            request_tags: &tags,
            existing_tags: &tags,
            ..nobody()
        };
        for (key, value) in [
            ("aws:CurrentTime", "12500"),
            ("aws:PrincipalArn", "arn:aws:iam::alice:user/AKID"),
            ("aws:PrincipalAccount", "alice"),
            ("AWS:SOURCEIP", "10.1.2.3"),
            ("aws:Referer", "https://a.example/"),
            ("aws:UserAgent", ""),
            ("aws:SecureTransport", "false"),
            ("s3:prefix", "a/b"),
            ("s3:delimiter", ""),
            ("s3:max-keys", "7"),
            ("s3:signatureAge", "2500"),
            ("s3:authType", "REST-QUERY-STRING"),
            ("s3:signatureversion", "AWS4-HMAC-SHA256"),
            ("s3:x-amz-copy-source", "b/k k"),
            ("s3:ExistingObjectTag/B", "2"),
            ("s3:requestobjecttag/b", ""),
            ("s3:RequestObjectTagKeys", "a,B"),
            ("s3:ResourceAccount", "owner"),
        ] {
            assert_eq!(shown(facts, key), value, "{key}");
        }
        for unknown in ["aws:PrincipalOrgID", "s3:x-amz-colour", "prefix", "s3:ExistingObjectTag/", ""] {
            assert_eq!(Key::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn an_anonymous_request_has_no_principal_to_compare() {
        for (key, value) in [
            ("aws:PrincipalArn", ""),
            ("aws:PrincipalType", "Anonymous"),
            ("aws:userid", "anonymous"),
            ("aws:SourceIp", ""),
            ("s3:authType", ""),
            ("s3:signatureAge", ""),
        ] {
            assert_eq!(shown(nobody(), key), value, "{key}");
        }
    }
}
