//! What a request is aimed at: the service, a bucket or an object, from the path and the host name.

use super::errors::key_too_long;
use super::percent::{self, Part};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::names::{BucketName, NameError, ObjectKey};
use std::borrow::Cow;

/// Domains of an endpoint that was not told its own. Browsers and resolvers take every name below `localhost` for this machine
/// (RFC 6761, 6.3). The longer one comes first.
const LOCAL_DOMAINS: [&str; 2] = ["s3.localhost", "localhost"];

/// S3's three levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    Service,
    Bucket,
    Object,
}

/// A checked target. Nothing in a key is special: it is what follows the first `/` behind the bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) level: Level,
    /// However it was named; `None` for the service.
    pub(crate) bucket: Option<BucketName>,
    /// `None` for the service and for buckets.
    pub(crate) key: Option<ObjectKey>,
    /// The bucket that the host named, so that the path has to be made path style for those behind the edge.
    pub(crate) host_bucket: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// `raw_path` as it came. Refuses broken encoding, bad bucket names and keys that are too long.
    pub(crate) fn parse(raw_path: &str, host: &'a str, domain: Option<&str>) -> Result<Self, Refusal> {
        let path = percent::decode(raw_path, Part::Path)?;
        let Some(path) = path.strip_prefix('/') else {
            return Err(Refusal::new(ErrorCode::InvalidURI, "the path must begin with /"));
        };
        let host_bucket = match domain {
            Some(domain) => host_bucket(host, domain),
            None => local_bucket(host),
        };
        let (bucket, key) = match host_bucket {
            Some(bucket) => (bucket, path),
            None => path.split_once('/').unwrap_or((path, "")),
        };
        if path.is_empty() && host_bucket.is_none() {
            return Ok(Self { level: Level::Service, bucket: None, key: None, host_bucket: None });
        }
        let bucket = BucketName::parse(bucket).map_err(|error| {
            Refusal::new(ErrorCode::InvalidBucketName, error.to_string()).with("BucketName", bucket)
        })?;
        let (level, key) = match ObjectKey::parse(key) {
            Ok(key) => (Level::Object, Some(key)),
            Err(NameError::KeyTooLong(bytes)) => return Err(key_too_long(bytes)),
            Err(_) => (Level::Bucket, None),
        };
        Ok(Self { level, bucket: Some(bucket), key, host_bucket })
    }

    /// The same for those behind the signature, who need not know how the bucket was named.
    pub(crate) fn without_host(self) -> Target<'static> {
        Target { level: self.level, bucket: self.bucket, key: self.key, host_bucket: None }
    }

    /// Empty for the service.
    pub(crate) fn bucket_str(&self) -> &str {
        self.bucket.as_ref().map_or("", BucketName::as_str)
    }

    /// The path to pass on: path style, still encoded as it came.
    pub(crate) fn path_style<'p>(&self, raw_path: &'p str) -> Cow<'p, str> {
        match self.host_bucket {
            Some(bucket) => Cow::Owned(format!("/{bucket}{raw_path}")),
            None => Cow::Borrowed(raw_path),
        }
    }
}

impl Level {
    /// As S3's errors call it.
    pub(crate) fn resource_type(self) -> &'static str {
        match self {
            Self::Service => "SERVICE",
            Self::Bucket => "BUCKET",
            Self::Object => "OBJECT",
        }
    }
}

/// The bucket in a virtual host of this machine's own. Each of the domains is itself a name of the server and no bucket.
fn local_bucket(host: &str) -> Option<&str> {
    let is_domain = LOCAL_DOMAINS.iter().any(|domain| without_port(host).eq_ignore_ascii_case(domain));
    if is_domain { None } else { LOCAL_DOMAINS.iter().find_map(|domain| host_bucket(host, domain)) }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// The bucket in a virtual host `bucket.domain[:port]`. Any other host is no bucket but one more name of this server.
fn host_bucket<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    let name = without_port(host);
    let (bucket, rest) = name.split_at_checked(name.len().checked_sub(domain.len() + 1)?)?;
    let is_ours = rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(domain));
    (is_ours && !bucket.is_empty()).then_some(bucket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(path: &str) -> Result<Level, ErrorCode> {
        Target::parse(path, "localhost:9000", None).map(|t| t.level).map_err(|r| r.code)
    }

    #[test]
    fn paths_name_the_service_a_bucket_or_an_object() {
        assert_eq!(level("/"), Ok(Level::Service));
        for bucket in ["/abc", "/abc/", "/a.b-c/"] {
            assert_eq!(level(bucket), Ok(Level::Bucket), "{bucket}");
        }
        for object in ["/abc/x", "/abc//", "/abc//x", "/abc/.", "/abc/../d", "/abc%2Fx", "/abc/%20"] {
            assert_eq!(level(object), Ok(Level::Object), "{object}");
        }
        assert_eq!(level(&format!("/abc/{}", "k".repeat(1_024))), Ok(Level::Object));
    }

    #[test]
    fn bad_paths_are_refused_with_their_code() {
        for (path, code) in [
            ("", ErrorCode::InvalidURI),
            ("*", ErrorCode::InvalidURI),
            ("/abc/%zz", ErrorCode::InvalidURI),
            ("/abc/%ff", ErrorCode::InvalidURI),
            ("//x", ErrorCode::InvalidBucketName),
            ("/ABC/x", ErrorCode::InvalidBucketName),
            ("/a/x", ErrorCode::InvalidBucketName),
            ("/10.0.0.1/", ErrorCode::InvalidBucketName),
        ] {
            assert_eq!(level(path), Err(code), "{path}");
        }
        assert_eq!(level(&format!("/abc/{}", "k".repeat(1_025))), Err(ErrorCode::KeyTooLongError));
    }

    #[test]
    fn hosts_of_this_machine_name_a_bucket_where_no_domain_is_said() {
        for (host, bucket) in [
            ("abc.localhost", Some("abc")),
            ("abc.LocalHost:9000", Some("abc")),
            ("abc.s3.localhost:9000", Some("abc")),
            ("a.b.S3.localhost", Some("a.b")),
            ("s3.localhost:9000", None),
            ("localhost:9000", None),
            ("xlocalhost", None),
            ("abc.localhost.example", None),
            ("127.0.0.1:9000", None),
        ] {
            let target = Target::parse("/key/x", host, None).unwrap();
            let of_path = Target::parse("/key/x", host, Some("s3.local")).unwrap();
            assert_eq!((target.host_bucket, of_path.host_bucket), (bucket, None), "{host}");
            assert_eq!(target.bucket_str(), bucket.unwrap_or("key"), "{host}");
        }
    }

    #[test]
    fn only_hosts_below_the_domain_name_a_bucket() {
        let parse = |path, host| {
            let target = Target::parse(path, host, Some("s3.local"))?;
            Ok::<_, Refusal>((target.level, target.path_style(path).into_owned()))
        };
        for (host, path, level, style) in [
            ("abc.s3.local", "/", Level::Bucket, "/abc/"),
            ("abc.S3.Local:9000", "/x%2F/y", Level::Object, "/abc/x%2F/y"),
            ("a.b.c.s3.local", "//x", Level::Object, "/a.b.c//x"),
            ("s3.local:9000", "/abc/x", Level::Object, "/abc/x"),
            ("xs3.local", "/abc/x", Level::Object, "/abc/x"),
            ("elsewhere.example", "/abc", Level::Bucket, "/abc"),
            ("127.0.0.1:9000", "/", Level::Service, "/"),
            ("[::1]:9000", "/", Level::Service, "/"),
            ("", "/", Level::Service, "/"),
        ] {
            assert_eq!(parse(path, host).unwrap(), (level, style.to_owned()), "{host}{path}");
        }
        assert_eq!(parse("/x", "ABC.s3.local").unwrap_err().code, ErrorCode::InvalidBucketName);
    }
}
