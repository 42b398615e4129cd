//! The URL of an object, as the client that is told it addressed the server. Pure.

use http::HeaderMap;
use http::header::HOST;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pocket_api::names::{BucketName, ObjectKey};

/// What stands for itself in a key that is part of a URL: no slash, as in S3.
pub(crate) const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Where a request names its bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    Path,
    VirtualHost,
}

impl Style {
    /// `is_secure`: the request came in TLS. What a proxy speaks before this server is not known here, so that the scheme is always
    /// the server's own.
    pub(crate) fn location(
        self,
        is_secure: bool,
        headers: &HeaderMap,
        bucket: &BucketName,
        key: &ObjectKey,
    ) -> String {
        let scheme = if is_secure { "https" } else { "http" };
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let key = utf8_percent_encode(key.as_str(), KEY);
        match self {
            Self::Path => format!("{scheme}://{host}/{bucket}/{key}"),
            Self::VirtualHost => format!("{scheme}://{host}/{key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_location_is_the_url_that_the_object_has_for_its_client() {
        let (bucket, key) = (BucketName::parse("bucket").unwrap(), ObjectKey::parse("a b/ü%&+").unwrap());
        let at = |host| HeaderMap::from_iter([(HOST, HeaderValue::from_static(host))]);
        let path = Style::Path.location(false, &at("localhost:9000"), &bucket, &key);
        assert_eq!(path, "http://localhost:9000/bucket/a%20b%2F%C3%BC%25%26%2B");
        let host = Style::VirtualHost.location(true, &at("bucket.s3.local"), &bucket, &key);
        assert_eq!(host, "https://bucket.s3.local/a%20b%2F%C3%BC%25%26%2B");
    }
}
