//! What a rule may ask about a request. Only told, never judged: see [`super::conditions`] and [`super::policy`].

use crate::caller::{Principal, SignatureVersion, SignedIn, Signing};
use pocket_api::acl::Acl;
use pocket_api::clock::Timestamp;
use pocket_api::names::TenantName;
use smallvec::{SmallVec, smallvec};
use std::borrow::Cow;
use std::fmt::Debug;
use std::net::IpAddr;

/// One request, as far as rules can ask about it.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `None` for an anonymous caller.
    pub principal: Option<&'a Principal>,
    /// There whenever `principal` is.
    pub signing: Option<Signing>,
    /// The other end of the connection. Nobody's claims of being another one are believed.
    pub peer: Option<IpAddr>,
    /// The connection is TLS that ends in this process. What a proxy before it speaks, nothing here can know.
    pub is_secure: bool,
    pub now: Timestamp,
    pub attributes: &'a dyn Attributes,
    /// Tags that the request gives to an object.
    pub request_tags: &'a [(String, String)],
    /// Tags of the object that is there; empty where there is none, or where no rule asks.
    pub existing_tags: &'a [(String, String)],
    /// ACL of the object that is there; `None` where there is none, or where ACLs have no say.
    pub existing_acl: Option<&'a Acl>,
    /// Of the bucket.
    pub owner: &'a TenantName,
}

/// What a request says of itself beside who sends it. Found out when a rule asks, so that a request that no rule is about pays
/// nothing for it.
pub trait Attributes: Debug + Send + Sync {
    /// Decoded; `None` where the request does not say it.
    fn get(&self, attribute: Attribute) -> Option<Cow<'_, str>>;

    /// Bytes that have to be gone through to find it.
    fn cost(&self, attribute: Attribute) -> usize;
}

/// One thing that a request may say of itself, as S3's condition keys name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    Referer,
    UserAgent,
    Delimiter,
    MaxKeys,
    Prefix,
    VersionId,
    IfMatch,
    IfNoneMatch,
    Acl,
    ContentSha256,
    /// `BUCKET/KEY` of what is copied.
    CopySource,
    GrantFullControl,
    GrantRead,
    GrantReadAcp,
    GrantWrite,
    GrantWriteAcp,
    MetadataDirective,
    /// No request here gets through with it, so conditions find it absent, which is the truth.
    ServerSideEncryption,
    /// Likewise.
    ServerSideEncryptionKey,
    StorageClass,
}

/// What a condition compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    Text(Cow<'a, str>),
    Address(IpAddr),
    Number(f64),
    /// Milliseconds since 1970.
    Moment(i64),
    Bool(bool),
}

/// All values of one key: none where the request does not have it.
pub type Values<'a> = SmallVec<[Value<'a>; 1]>;

/// What a key's values are, and so which operators it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
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
pub enum Key {
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
    /// Anything else that the request says, as text.
    Said(Attribute),
    /// A tag of the object that is there, by its name.
    ExistingTag(String),
    /// A tag that the request gives, by its name.
    RequestTag(String),
    /// The names of all tags that the request gives.
    RequestTagNames,
}

/// Keys by their names in lower case.
const KEYS: &[(&str, Key)] = &[
    ("aws:currenttime", Key::CurrentTime),
    ("aws:epochtime", Key::EpochTime),
    ("aws:principalaccount", Key::PrincipalAccount),
    ("aws:principalarn", Key::PrincipalArn),
    ("aws:principaltype", Key::PrincipalType),
    ("aws:referer", Key::Said(Attribute::Referer)),
    ("aws:resourceaccount", Key::ResourceAccount),
    ("aws:securetransport", Key::SecureTransport),
    ("aws:sourceip", Key::SourceIp),
    ("aws:useragent", Key::Said(Attribute::UserAgent)),
    ("aws:userid", Key::UserId),
    ("aws:username", Key::UserName),
    ("s3:authtype", Key::AuthType),
    ("s3:delimiter", Key::Said(Attribute::Delimiter)),
    ("s3:if-match", Key::Said(Attribute::IfMatch)),
    ("s3:if-none-match", Key::Said(Attribute::IfNoneMatch)),
    ("s3:max-keys", Key::MaxKeys),
    ("s3:prefix", Key::Said(Attribute::Prefix)),
    ("s3:requestobjecttagkeys", Key::RequestTagNames),
    ("s3:resourceaccount", Key::ResourceAccount),
    ("s3:signatureage", Key::SignatureAge),
    ("s3:signatureversion", Key::SignatureVersion),
    ("s3:versionid", Key::Said(Attribute::VersionId)),
    ("s3:x-amz-acl", Key::Said(Attribute::Acl)),
    ("s3:x-amz-content-sha256", Key::Said(Attribute::ContentSha256)),
    ("s3:x-amz-copy-source", Key::Said(Attribute::CopySource)),
    ("s3:x-amz-grant-full-control", Key::Said(Attribute::GrantFullControl)),
    ("s3:x-amz-grant-read", Key::Said(Attribute::GrantRead)),
    ("s3:x-amz-grant-read-acp", Key::Said(Attribute::GrantReadAcp)),
    ("s3:x-amz-grant-write", Key::Said(Attribute::GrantWrite)),
    ("s3:x-amz-grant-write-acp", Key::Said(Attribute::GrantWriteAcp)),
    ("s3:x-amz-metadata-directive", Key::Said(Attribute::MetadataDirective)),
    ("s3:x-amz-server-side-encryption", Key::Said(Attribute::ServerSideEncryption)),
    ("s3:x-amz-server-side-encryption-aws-kms-key-id", Key::Said(Attribute::ServerSideEncryptionKey)),
    ("s3:x-amz-storage-class", Key::Said(Attribute::StorageClass)),
];
const EXISTING_TAG: &str = "s3:existingobjecttag/";
const REQUEST_TAG: &str = "s3:requestobjecttag/";

impl Key {
    /// `None` for one that nothing here could be compared with. Case does not matter but in the name of a tag.
    pub fn parse(text: &str) -> Option<Self> {
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

    pub fn kind(&self) -> Kind {
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
        matches!(self, Self::MaxKeys | Self::Said(_))
    }

    /// Whether it says who or from where the caller is, so that a condition on it makes a rule for everybody one for
    /// some.
    pub(crate) fn tells_callers_apart(&self) -> bool {
        matches!(self, Self::SourceIp | Self::PrincipalArn | Self::PrincipalAccount | Self::UserId)
    }
}

impl<'a> Facts<'a> {
    pub fn values(&self, key: &Key) -> Values<'a> {
        let one = |value| smallvec![value];
        let maybe = |value: Option<Value<'a>>| value.into_iter().collect();
        let text = |text: &'a str| Value::Text(Cow::Borrowed(text));
        match key {
            Key::CurrentTime | Key::EpochTime => one(Value::Moment(self.now_ms())),
            Key::PrincipalAccount => maybe(self.principal.map(|p| text(p.tenant.as_str()))),
            Key::PrincipalArn => maybe(self.principal.map(|p| Value::Text(arn_of(p).into()))),
            Key::PrincipalType => one(text(self.principal.map_or("Anonymous", |_| "User"))),
            Key::ResourceAccount => one(text(self.owner.as_str())),
            Key::SecureTransport => one(Value::Bool(self.is_secure)),
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
            Key::MaxKeys => {
                let asked = self.attributes.get(Attribute::MaxKeys);
                maybe(asked.and_then(|n| n.parse().ok()).map(Value::Number))
            }
            Key::Said(attribute) => maybe(self.attributes.get(*attribute).map(Value::Text)),
            Key::ExistingTag(name) => maybe(tag(self.existing_tags, name).map(text)),
            Key::RequestTag(name) => maybe(tag(self.request_tags, name).map(text)),
            Key::RequestTagNames => self.request_tags.iter().map(|(name, _)| text(name)).collect(),
        }
    }

    /// Bytes that have to be gone through to find the values of a key, where a request can have many.
    pub(crate) fn cost(&self, key: &Key) -> usize {
        match key {
            Key::MaxKeys => self.attributes.cost(Attribute::MaxKeys),
            Key::Said(attribute) => self.attributes.cost(*attribute),
            _ => 0,
        }
    }

    fn now_ms(&self) -> i64 {
        i64::try_from(self.now.0).unwrap_or(i64::MAX)
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

    /// A request that says so much.
    #[derive(Debug)]
    pub(crate) struct Says<'a>(pub(crate) &'a [(Attribute, &'a str)]);

    impl Attributes for Says<'_> {
        fn get(&self, attribute: Attribute) -> Option<Cow<'_, str>> {
            self.0.iter().find(|(said, _)| *said == attribute).map(|(_, text)| Cow::Borrowed(*text))
        }

        fn cost(&self, attribute: Attribute) -> usize {
            self.get(attribute).map_or(0, |said| said.len())
        }
    }

    /// Of nobody, from nowhere, at the beginning of time.
    pub(crate) fn nobody() -> Facts<'static> {
        static OWNER: LazyLock<TenantName> = LazyLock::new(|| TenantName::parse("owner").unwrap());
        Facts {
            principal: None,
            signing: None,
            peer: None,
            is_secure: false,
            now: Timestamp(0),
            attributes: &Says(&[]),
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
        let attributes = Says(&[
            (Attribute::Referer, "https://a.example/"),
            (Attribute::CopySource, "b/k k"),
            (Attribute::Prefix, "a/b"),
            (Attribute::MaxKeys, "7"),
            (Attribute::Delimiter, ""),
        ]);
        let tags = [("a".to_owned(), "1".to_owned()), ("B".to_owned(), "2".to_owned())];
        let facts = Facts {
            principal: Some(&principal),
            signing: Some(signing),
            peer: Some("::ffff:10.1.2.3".parse().unwrap()),
            now: Timestamp(12_500),
            attributes: &attributes,
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
    fn a_request_in_tls_is_secure() {
        for is_secure in [true, false] {
            let facts = Facts { is_secure, ..nobody() };
            assert_eq!(shown(facts, "aws:SecureTransport"), is_secure.to_string());
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
