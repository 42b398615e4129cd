//! What S3's errors say beside their code and message, in elements of their own: `Key`, `UploadId`, `ProposedSize`. SDKs
//! and people read there what the message does not say. One shape for the errors of the edge and of the operations;
//! what follows from the line of the request alone is added in one place, [`explain`].
//!
//! Never a secret: nothing but what the client sent, and sizes, sums and times.

use crate::edge::answer;
use crate::edge::percent::{self, Part};
use crate::edge::query::Query;
use crate::edge::target::Level;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, Uri};
use s3s::{Body, S3Error};
use std::fmt::{Display, Write};

/// Longest value that is shown: more than the longest key, and than the canonical form of every ordinary head. A longer
/// one is left out.
const VALUE_MAX_BYTES: usize = 16 << 10;
/// Carries the elements of an operation's error through s3s, which has no place for them. Never leaves the edge.
const CARRIER: HeaderName = HeaderName::from_static("x-pocket-error-elements");

/// Elements of an error's document.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Details(Option<Box<str>>);

impl Details {
    pub(crate) fn add(&mut self, name: &'static str, value: impl Display) {
        let value = value.to_string();
        if value.len() > VALUE_MAX_BYTES {
            return;
        }
        let mut xml = self.0.take().unwrap_or_default().into_string();
        // Writing to a string cannot fail.
        let _ = write!(xml, "<{name}>");
        for c in value.chars() {
            match c {
                // They go through a header, and readers of XML make other blanks of them.
                '\t' | '\n' | '\r' | '\u{7f}' => {
                    let _ = write!(xml, "&#x{:x};", u32::from(c));
                }
                c => answer::escape(c.encode_utf8(&mut [0; 4]), &mut xml),
            }
        }
        let _ = write!(xml, "</{name}>");
        self.0 = Some(xml.into());
    }

    /// As XML.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or("")
    }

    /// Gives an operation's error these elements, behind those that it has.
    pub(crate) fn give(&self, error: &mut S3Error) {
        let mut headers = error.headers().cloned().unwrap_or_default();
        let before = headers.get(CARRIER).map_or(&b""[..], HeaderValue::as_bytes);
        // There is nothing in it that a header cannot have.
        if let Ok(value) = HeaderValue::from_bytes(&[before, self.as_str().as_bytes()].concat()) {
            headers.insert(CARRIER, value);
            error.set_headers(headers);
        }
    }
}

/// An operation's error with one element more.
pub(crate) fn with(mut error: S3Error, name: &'static str, value: impl Display) -> S3Error {
    let mut details = Details::default();
    details.add(name, value);
    details.give(&mut error);
    error
}

/// What a request asked for, as far as an error repeats it.
pub(crate) struct Asked {
    pub(crate) method: Method,
    /// In path style.
    pub(crate) uri: Uri,
}

/// Puts the elements of an operation's error into its document, with those that follow from what was asked.
pub(crate) fn explain(response: &mut Response<Body>, asked: &Asked) {
    if !(response.status().is_client_error() || response.status().is_server_error()) {
        return;
    }
    let carried = response.headers_mut().remove(CARRIER);
    let Some(document) = response.body().bytes() else { return };
    let Some(code) = std::str::from_utf8(&document).ok().and_then(code_of) else { return };
    let mut elements = carried.as_ref().map_or(&b""[..], HeaderValue::as_bytes).to_vec();
    let of_request = asked.details(code, &elements);
    elements.extend_from_slice(of_request.as_str().as_bytes());
    answer::add_to_error(response, &elements);
}

fn code_of(document: &str) -> Option<&str> {
    Some(document.split_once("<Code>")?.1.split_once("</Code>")?.0)
}

impl Asked {
    /// Elements that errors of this code have, without those that are `there` already: a copy's error may be about its
    /// source, which the line of the request does not name.
    fn details(&self, code: &str, there: &[u8]) -> Details {
        let mut details = Details::default();
        let lacks = |element: &[u8]| !there.windows(element.len()).any(|window| window == element);
        let path = percent::decode(self.uri.path(), Part::Path).unwrap_or_default();
        let path = path.strip_prefix('/').unwrap_or(&path);
        let (bucket, key) = path.split_once('/').unwrap_or((path, ""));
        let query = Query::parse(self.uri.query().unwrap_or("")).unwrap_or_default();
        match code {
            "NoSuchKey" | "NoSuchVersion" if lacks(b"<Key>") => {
                details.add("Key", key);
                if let Some(version) = query.get("versionId") {
                    details.add("VersionId", version);
                }
            }
            "NoSuchBucket" | "BucketNotEmpty" | "BucketAlreadyExists" | "BucketAlreadyOwnedByYou"
                if lacks(b"<BucketName>") =>
            {
                details.add("BucketName", bucket);
            }
            // Of a setting that the bucket does not have.
            "NoSuchBucketPolicy"
            | "NoSuchCORSConfiguration"
            | "NoSuchLifecycleConfiguration"
            | "NoSuchPublicAccessBlockConfiguration"
            | "NoSuchTagSet"
            | "NoSuchWebsiteConfiguration"
            | "ObjectLockConfigurationNotFoundError"
            | "OwnershipControlsNotFoundError"
            | "ReplicationConfigurationNotFoundError"
            | "ServerSideEncryptionConfigurationNotFoundError"
                if key.is_empty() =>
            {
                details.add("BucketName", bucket);
            }
            "NoSuchUpload" | "InvalidPart" => {
                if let Some(upload) = query.get("uploadId") {
                    details.add("UploadId", upload);
                }
            }
            "InvalidPartNumber" => {
                if let Some(number) = query.get("partNumber") {
                    details.add("PartNumberRequested", number);
                }
            }
            "MethodNotAllowed" => {
                details.add("Method", &self.method);
                details.add("ResourceType", level(bucket, key).resource_type());
            }
            _ => {}
        }
        details
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
pub(crate) const CONDITIONS: [&str; 4] =
    ["If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since"];
/// The same of a copy's source.
pub(crate) const SOURCE_CONDITIONS: [&str; 4] = [
    "x-amz-copy-source-If-Match",
    "x-amz-copy-source-If-Unmodified-Since",
    "x-amz-copy-source-If-None-Match",
    "x-amz-copy-source-If-Modified-Since",
];

/// A failed condition, with the name of the first one that the request has.
pub(crate) fn with_condition(error: S3Error, headers: &HeaderMap, conditions: &[&'static str]) -> S3Error {
    match conditions.iter().find(|name| headers.contains_key(**name)) {
        Some(name) => with(error, "Condition", name),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use s3s::S3ErrorCode;

    /// The document of an error of this code on its way out.
    fn explained(
        code: &str,
        status: u16,
        carried: &[(&'static str, &str)],
        method: Method,
        uri: &str,
    ) -> String {
        let mut error = S3Error::with_message(S3ErrorCode::Custom(code.to_owned().into()), "why");
        for (name, value) in carried {
            error = with(error, name, value);
        }
        error.set_status_code(StatusCode::from_u16(status).unwrap());
        let mut response = error.to_http_response().unwrap();
        explain(&mut response, &Asked { method, uri: uri.parse().unwrap() });
        assert!(!response.headers().contains_key(CARRIER));
        let body = response.body().bytes().unwrap();
        let text = std::str::from_utf8(&body).unwrap();
        let (_, text) = text.split_once("<Message>why</Message>").unwrap();
        text.strip_suffix("</Error>").unwrap().to_owned()
    }

    #[test]
    fn errors_repeat_what_was_asked_for() {
        let get = |code, uri| explained(code, 404, &[], Method::GET, uri);
        assert_eq!(
            get("NoSuchKey", "/abc/a%20%26b?versionId=null"),
            "<Key>a &amp;b</Key><VersionId>null</VersionId>"
        );
        assert_eq!(get("NoSuchBucket", "/abc/a"), "<BucketName>abc</BucketName>");
        assert_eq!(get("NoSuchTagSet", "/abc?tagging"), "<BucketName>abc</BucketName>");
        assert_eq!(get("NoSuchTagSet", "/abc/k?tagging"), "");
        assert_eq!(get("NoSuchUpload", "/abc/k?uploadId=u1"), "<UploadId>u1</UploadId>");
        assert_eq!(
            get("InvalidPartNumber", "/abc/k?partNumber=7"),
            "<PartNumberRequested>7</PartNumberRequested>"
        );
        assert_eq!(get("SlowDown", "/abc/k"), "");
        for (uri, resource) in
            [("/", "SERVICE"), ("/abc", "BUCKET"), ("/abc/", "BUCKET"), ("/abc/k", "OBJECT")]
        {
            let found = explained("MethodNotAllowed", 405, &[], Method::PATCH, uri);
            assert_eq!(found, format!("<Method>PATCH</Method><ResourceType>{resource}</ResourceType>"));
        }
    }

    #[test]
    fn what_an_error_says_itself_counts_before_what_was_asked_for() {
        let found = explained("NoSuchKey", 404, &[("Key", "source")], Method::PUT, "/abc/target");
        assert_eq!(found, "<Key>source</Key>");
    }

    #[test]
    fn every_text_arrives_and_what_is_too_long_is_left_out() {
        let text = "a\r\n\tü<&>\u{7f}";
        let long = "x".repeat(VALUE_MAX_BYTES + 1);
        let carried = [("StringToSign", text), ("CanonicalRequest", &long), ("Size", "7")];
        let found = explained("SignatureDoesNotMatch", 403, &carried, Method::GET, "/");
        assert_eq!(found, "<StringToSign>a&#xd;&#xa;&#x9;ü&lt;&amp;&gt;&#x7f;</StringToSign><Size>7</Size>");
    }

    #[test]
    fn the_condition_that_failed_is_named_as_s3_names_it() {
        let headers = HeaderMap::from_iter([(http::header::IF_NONE_MATCH, HeaderValue::from_static("*"))]);
        let error = || S3Error::new(S3ErrorCode::PreconditionFailed);
        let named = with_condition(error(), &headers, &CONDITIONS);
        assert_eq!(named.headers().unwrap()[CARRIER], "<Condition>If-None-Match</Condition>");
        assert!(with_condition(error(), &headers, &SOURCE_CONDITIONS).headers().is_none());
    }
}
