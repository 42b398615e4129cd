//! What S3's errors repeat of the line of their request, in elements of their own: `Key`, `UploadId`, `BucketName`. One place
//! for the errors of the edge and of the operations.

use crate::arrived::Came;
use crate::percent::{self, Part};
use crate::query::Query;
use crate::routing;
use crate::target::Level;
use http::header::RANGE;
use http::{HeaderMap, HeaderValue, Method, Uri};
use pocket_access::refusal::{ErrorCode, Refusal};

/// What a request asked for, as far as an error repeats it.
pub(crate) struct Asked {
    method: Method,
    /// In path style.
    pub(crate) uri: Uri,
    /// The first condition, as S3 spells it.
    condition: Option<&'static str>,
    source_condition: Option<&'static str>,
    range: Option<HeaderValue>,
}

impl Asked {
    pub(crate) fn new(method: Method, uri: Uri) -> Self {
        Self { method, uri, condition: None, source_condition: None, range: None }
    }

    /// With what these headers ask for, as far as it came.
    pub(crate) fn saying(self, headers: &HeaderMap, came: Came) -> Self {
        let first = |names: [&'static str; 4]| names.into_iter().find(|name| headers.contains_key(*name));
        Self {
            condition: came.conditions.then(|| first(CONDITIONS)).flatten(),
            source_condition: came.copy_source.then(|| first(SOURCE_CONDITIONS)).flatten(),
            range: came.range.then(|| headers.get(RANGE).cloned()).flatten(),
            ..self
        }
    }

    /// Adds the elements that errors of this code have, without those that are there already: a copy's error may be about its
    /// source, which the line of the request does not name.
    pub(crate) fn explain(&self, refusal: Refusal) -> Refusal {
        use ErrorCode as C;
        let path = percent::decode(self.uri.path(), Part::Path).unwrap_or_default();
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = Query::parse(self.uri.query().unwrap_or("")).unwrap_or_default();
        let with = |refusal: Refusal, element, parameter| match query.get(parameter) {
            Some(value) => refusal.with(element, value),
            None => refusal,
        };
        match refusal.code {
            C::NoSuchKey | C::NoSuchVersion if !refusal.has("Key") => {
                with(refusal.with("Key", key), "VersionId", "versionId")
            }
            C::NoSuchBucket | C::BucketNotEmpty | C::BucketAlreadyExists | C::BucketAlreadyOwnedByYou
                if !refusal.has("BucketName") =>
            {
                refusal.with("BucketName", bucket)
            }
            // Of a setting that the bucket does not have.
            C::NoSuchBucketPolicy
            | C::NoSuchCORSConfiguration
            | C::NoSuchLifecycleConfiguration
            | C::NoSuchPublicAccessBlockConfiguration
            | C::NoSuchTagSet
            | C::NoSuchWebsiteConfiguration
            | C::ObjectLockConfigurationNotFoundError
            | C::OwnershipControlsNotFoundError
            | C::ReplicationConfigurationNotFoundError
            | C::ServerSideEncryptionConfigurationNotFoundError
                if key.is_empty() =>
            {
                refusal.with("BucketName", bucket)
            }
            C::PreconditionFailed => {
                let of_source = refusal.is_of_source();
                match if of_source { self.source_condition } else { self.condition } {
                    Some(name) => refusal.with("Condition", name),
                    None => refusal,
                }
            }
            C::InvalidRange => match self.range.as_ref().and_then(|range| range.to_str().ok()) {
                Some(range) => refusal.with("RangeRequested", range),
                None => refusal,
            },
            C::NoSuchUpload | C::InvalidPart => with(refusal, "UploadId", "uploadId"),
            C::InvalidPartNumber => with(refusal, "PartNumberRequested", "partNumber"),
            C::MethodNotAllowed if !refusal.has("Method") => {
                routing::saying_methods(refusal, &self.method, level(bucket, key), &query)
            }
            _ => refusal,
        }
    }
}

fn level(bucket: &str, key: &str) -> Level {
    match (bucket, key) {
        ("", _) => Level::Service,
        (_, "") => Level::Bucket,
        _ => Level::Object,
    }
}

/// Conditions of a request in the order in which they are judged, as S3 spells them in `Condition`.
const CONDITIONS: [&str; 4] = ["If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"];
/// The same of a copy's source.
const SOURCE_CONDITIONS: [&str; 4] = [
    "x-amz-copy-source-If-Match",
    "x-amz-copy-source-If-Unmodified-Since",
    "x-amz-copy-source-If-None-Match",
    "x-amz-copy-source-If-Modified-Since",
];

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn explained(refusal: Refusal, method: Method, uri: &str) -> Vec<(&'static str, String)> {
        Asked::new(method, uri.parse().unwrap()).explain(refusal).elements().to_vec()
    }

    fn pairs(elements: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
        elements.iter().map(|(name, value)| (*name, value.to_string())).collect()
    }

    #[test]
    fn errors_repeat_what_was_asked_for() {
        use ErrorCode as C;
        for (code, uri, elements) in [
            (
                C::NoSuchKey,
                "/abc/a%20%26b?versionId=null",
                &[("Key", "a &b"), ("VersionId", "null")] as &[(&'static str, &str)],
            ),
            (C::NoSuchBucket, "/abc/a", &[("BucketName", "abc")]),
            (C::NoSuchTagSet, "/abc?tagging", &[("BucketName", "abc")]),
            (C::NoSuchTagSet, "/abc/k?tagging", &[]),
            (C::NoSuchUpload, "/abc/k?uploadId=u1", &[("UploadId", "u1")]),
            (C::InvalidPartNumber, "/abc/k?partNumber=7", &[("PartNumberRequested", "7")]),
            (C::SlowDown, "/abc/k", &[]),
        ] {
            assert_eq!(
                explained(Refusal::new(code, "why"), Method::GET, uri),
                pairs(elements),
                "{code:?} {uri}"
            );
        }
        for (uri, resource) in
            [("/", "SERVICE"), ("/abc", "BUCKET"), ("/abc/", "BUCKET"), ("/abc/k", "OBJECT")]
        {
            let found = explained(Refusal::new(C::MethodNotAllowed, "why"), Method::PATCH, uri);
            assert_eq!(found, pairs(&[("Method", "PATCH"), ("ResourceType", resource)]));
        }
    }

    #[test]
    fn what_an_error_says_itself_counts_before_what_was_asked_for() {
        let refusal = Refusal::new(ErrorCode::NoSuchKey, "why").with("Key", "source");
        assert_eq!(explained(refusal, Method::PUT, "/abc/target"), pairs(&[("Key", "source")]));
    }

    #[test]
    fn the_condition_that_failed_is_named_as_s3_names_it_and_so_is_the_range() {
        let headers = HeaderMap::from_iter([
            (http::header::IF_NONE_MATCH, HeaderValue::from_static("*")),
            (RANGE, HeaderValue::from_static("bytes=9-")),
            (HeaderName::from_static("x-amz-copy-source-if-match"), HeaderValue::from_static("*")),
        ]);
        let came = Came { conditions: true, copy_source: true, range: true, ..Came::default() };
        let asked = Asked::new(Method::GET, Uri::from_static("/abc/k")).saying(&headers, came);
        let failed = || Refusal::new(ErrorCode::PreconditionFailed, "why");
        assert_eq!(asked.explain(failed()).elements(), pairs(&[("Condition", "If-None-Match")]));
        let of_source = asked.explain(failed().of_source());
        assert_eq!(of_source.elements(), pairs(&[("Condition", "x-amz-copy-source-If-Match")]));
        let plain = Asked::new(Method::GET, Uri::from_static("/abc/k"));
        assert!(plain.explain(failed()).elements().is_empty());
        let range = asked.explain(Refusal::new(ErrorCode::InvalidRange, "why"));
        assert_eq!(range.elements(), pairs(&[("RangeRequested", "bytes=9-")]));
    }
}
