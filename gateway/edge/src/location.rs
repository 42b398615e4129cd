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
    /// Whoever speaks TLS for this server is not known here, so that the scheme is always its own.
    pub(crate) fn location(self, headers: &HeaderMap, bucket: &BucketName, key: &ObjectKey) -> String {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("");
        let key = utf8_percent_encode(key.as_str(), KEY);
        match self {
            Self::Path => format!("http://{host}/{bucket}/{key}"),
            Self::VirtualHost => format!("http://{host}/{key}"),
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
        let path = Style::Path.location(&at("localhost:9000"), &bucket, &key);
        assert_eq!(path, "http://localhost:9000/bucket/a%20b%2F%C3%BC%25%26%2B");
        let host = Style::VirtualHost.location(&at("bucket.s3.local"), &bucket, &key);
        assert_eq!(host, "http://bucket.s3.local/a%20b%2F%C3%BC%25%26%2B");
    }
}
