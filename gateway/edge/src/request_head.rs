//! The head of a request as it is kept while an operation runs: for rules that ask what the request says of itself, and nobody
//! else.

use super::copy_source::NamedSource;
use super::query::Query;
use http::{HeaderMap, HeaderValue, Uri};
use pocket_access::facts::{Attribute, Attributes};
use std::borrow::Cow;
use std::sync::OnceLock;

/// Headers and URI of a request. Operations hand it on and cannot look inside.
#[derive(Clone, Debug, Default)]
pub struct RequestHead {
    headers: HeaderMap,
    /// In path style, without the parameters of a signature.
    uri: Uri,
    /// Of the query, those that some rule may ask for: read when the first one does, and once, since a request may be decided for
    /// a thousand keys by a hundred conditions.
    parameters: OnceLock<Box<[Parameter]>>,
}

/// With its value.
type Parameter = (&'static str, Box<str>);

impl RequestHead {
    pub(crate) fn new(headers: HeaderMap, uri: Uri) -> Self {
        Self { headers, uri, parameters: OnceLock::new() }
    }

    fn parameter(&self, name: &str) -> Option<&str> {
        let read = || self.uri.query().map_or_else(Box::default, parameters);
        let parameters = self.parameters.get_or_init(read);
        parameters.iter().find(|(other, _)| *other == name).map(|(_, value)| &**value)
    }
}

fn parameters(query: &str) -> Box<[Parameter]> {
    // A query that cannot be read was refused before anything is decided.
    let query = Query::parse(query).unwrap_or_default();
    [DELIMITER, MAX_KEYS, PREFIX, VERSION_ID]
        .into_iter()
        .filter_map(|name| Some((name, query.get(name)?.into())))
        .collect()
}

const DELIMITER: &str = "delimiter";
const MAX_KEYS: &str = "max-keys";
const PREFIX: &str = "prefix";
const VERSION_ID: &str = "versionId";

/// Where a request says something.
enum Place {
    Header(&'static str),
    Parameter(&'static str),
}

fn place(attribute: Attribute) -> Place {
    use Attribute as A;
    Place::Header(match attribute {
        A::Delimiter => return Place::Parameter(DELIMITER),
        A::MaxKeys => return Place::Parameter(MAX_KEYS),
        A::Prefix => return Place::Parameter(PREFIX),
        A::VersionId => return Place::Parameter(VERSION_ID),
        A::Referer => "referer",
        A::UserAgent => "user-agent",
        A::IfMatch => "if-match",
        A::IfNoneMatch => "if-none-match",
        A::Acl => "x-amz-acl",
        A::ContentSha256 => "x-amz-content-sha256",
        A::CopySource => "x-amz-copy-source",
        A::GrantFullControl => "x-amz-grant-full-control",
        A::GrantRead => "x-amz-grant-read",
        A::GrantReadAcp => "x-amz-grant-read-acp",
        A::GrantWrite => "x-amz-grant-write",
        A::GrantWriteAcp => "x-amz-grant-write-acp",
        A::MetadataDirective => "x-amz-metadata-directive",
        A::ServerSideEncryption => "x-amz-server-side-encryption",
        A::ServerSideEncryptionKey => "x-amz-server-side-encryption-aws-kms-key-id",
        A::StorageClass => "x-amz-storage-class",
    })
}

impl Attributes for RequestHead {
    fn get(&self, attribute: Attribute) -> Option<Cow<'_, str>> {
        let name = match place(attribute) {
            Place::Parameter(name) => return self.parameter(name).map(Cow::Borrowed),
            Place::Header(name) => name,
        };
        let said = String::from_utf8_lossy(self.headers.get(name)?.as_bytes());
        if attribute != Attribute::CopySource {
            return Some(said);
        }
        // What cannot be read names nothing that is copied: the request is refused for it.
        let path = NamedSource::parse(&said).map(|source| source.path.into_owned());
        Some(path.map_or(said, Cow::Owned))
    }

    fn cost(&self, attribute: Attribute) -> usize {
        match place(attribute) {
            Place::Parameter(_) => self.uri.query().map_or(0, str::len),
            Place::Header(name) => self.headers.get(name).map_or(0, HeaderValue::len),
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

    #[test]
    fn rules_see_the_source_that_is_copied_however_it_is_written() {
        for (named, seen) in [
            ("/b/k", "b/k"),
            ("b/k?versionId=null", "b/k"),
            ("b/100%", "b/100%"),
            ("%2Fb/100%%20", "b/100% "),
            ("b//k", "b//k"),
            ("b/k%3FversionId=null", "b/k?versionId=null"),
            ("b/%ff", "b/%ff"),
        ] {
            let headers = [(HeaderName::from_static("x-amz-copy-source"), HeaderValue::from_static(named))];
            let head = RequestHead::new(HeaderMap::from_iter(headers), Uri::default());
            assert_eq!(head.get(Attribute::CopySource).as_deref(), Some(seen), "{named}");
        }
    }

    #[test]
    fn a_query_is_read_once_however_often_it_is_asked_for() {
        let head = RequestHead::new(HeaderMap::new(), Uri::from_static("/b?prefix=a%2Fb"));
        let asked = || match head.get(Attribute::Prefix) {
            Some(Cow::Borrowed(prefix)) => prefix.as_ptr(),
            other => panic!("{other:?} is not kept"),
        };
        assert_eq!(asked(), asked());
        assert_eq!(head.cost(Attribute::Prefix), "prefix=a%2Fb".len());
    }
}
