//! The head of a request as it is kept while an operation runs: for rules that ask what the request says of itself, and nobody
//! else.

use super::percent::{self, Part};
use super::query::Query;
use http::{HeaderMap, HeaderValue, Uri};
use pocket_access::facts::{Attribute, Attributes};
use std::borrow::Cow;

/// Headers and URI of a request. Operations hand it on and cannot look inside.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    headers: HeaderMap,
    /// In path style, without the parameters of a signature.
    uri: Uri,
}

impl RequestHead {
    pub(crate) fn new(headers: HeaderMap, uri: Uri) -> Self {
        Self { headers, uri }
    }

    fn header(&self, name: &str) -> Option<Cow<'_, str>> {
        self.headers.get(name).map(HeaderValue::as_bytes).map(String::from_utf8_lossy)
    }

    fn parameter(&self, name: &str) -> Option<Cow<'_, str>> {
        let query = Query::parse(self.uri.query()?).ok()?;
        query.get(name).map(|value| value.to_owned().into())
    }
}

impl Attributes for RequestHead {
    fn get(&self, attribute: Attribute) -> Option<Cow<'_, str>> {
        use Attribute as A;
        match attribute {
            A::Delimiter => self.parameter("delimiter"),
            A::MaxKeys => self.parameter("max-keys"),
            A::Prefix => self.parameter("prefix"),
            A::VersionId => self.parameter("versionId"),
            A::Referer => self.header("referer"),
            A::UserAgent => self.header("user-agent"),
            A::IfMatch => self.header("if-match"),
            A::IfNoneMatch => self.header("if-none-match"),
            A::Acl => self.header("x-amz-acl"),
            A::ContentSha256 => self.header("x-amz-content-sha256"),
            A::CopySource => {
                let source = self.header("x-amz-copy-source")?;
                let source = percent::decode(&source, Part::Path).unwrap_or(Cow::Borrowed(&source));
                Some(source.strip_prefix('/').unwrap_or(&source).to_owned().into())
            }
            A::GrantFullControl => self.header("x-amz-grant-full-control"),
            A::GrantRead => self.header("x-amz-grant-read"),
            A::GrantReadAcp => self.header("x-amz-grant-read-acp"),
            A::GrantWrite => self.header("x-amz-grant-write"),
            A::GrantWriteAcp => self.header("x-amz-grant-write-acp"),
            A::MetadataDirective => self.header("x-amz-metadata-directive"),
            A::ServerSideEncryption => self.header("x-amz-server-side-encryption"),
            A::ServerSideEncryptionKey => self.header("x-amz-server-side-encryption-aws-kms-key-id"),
            A::StorageClass => self.header("x-amz-storage-class"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    #[test]
    fn what_rules_ask_about_is_read_out_of_headers_and_query() {
        let headers = [("referer", "https://a.example/"), ("x-amz-copy-source", "/b/k%20k")];
        let headers =
            headers.map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let uri = Uri::from_static("/b?prefix=a%2Fb&max-keys=7&delimiter");
        let head = RequestHead::new(HeaderMap::from_iter(headers), uri);
        for (attribute, said) in [
            (Attribute::Referer, Some("https://a.example/")),
            (Attribute::UserAgent, None),
            (Attribute::CopySource, Some("b/k k")),
            (Attribute::Prefix, Some("a/b")),
            (Attribute::MaxKeys, Some("7")),
            (Attribute::Delimiter, Some("")),
            (Attribute::VersionId, None),
        ] {
            assert_eq!(head.get(attribute).as_deref(), said, "{attribute:?}");
        }
    }
}
