//! What a writer is told: the tag of what is there now, its checksum, its end.

use crate::calls::PartWritten;
use crate::edge::answer::Body;
use crate::{checksums, headers, versions};
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pocket_api::checksum::Checksum;
use pocket_api::metadata::Committed;
use pocket_api::object::ETag;

/// What most answers have, with those that every answer gets.
const HEADERS: usize = 12;

/// The answer to PutObject.
pub(super) fn object(committed: &Committed, appends: bool) -> Response<Body> {
    let mut headers = tagged(&committed.etag, committed.checksum.as_ref());
    if let Some(expiration) = headers::expiration(committed.expires_at, committed.rule_end.as_ref()) {
        headers::put(&mut headers, HeaderName::from_static("x-amz-expiration"), expiration);
    }
    if appends {
        headers.insert(HeaderName::from_static("x-amz-object-size"), HeaderValue::from(committed.size));
    }
    if let Some(checksum) = &committed.checksum {
        let kind = HeaderValue::from_static(checksums::show_kind(checksum.kind));
        headers.insert(HeaderName::from_static("x-amz-checksum-type"), kind);
    }
    answer(headers)
}

/// The answer to UploadPart.
pub(super) fn part(part: &PartWritten) -> Response<Body> {
    answer(tagged(&part.etag, part.checksum.as_ref()))
}

/// The answer to DeleteObject.
pub(super) fn deleted(of_version: bool) -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    if of_version {
        let version = HeaderValue::from_static(versions::NULL_VERSION);
        response.headers_mut().insert(HeaderName::from_static("x-amz-version-id"), version);
    }
    response
}

fn tagged(etag: &ETag, checksum: Option<&Checksum>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers::put(&mut headers, ETAG, format!("\"{etag}\""));
    if let Some(checksum) = checksum {
        let name = HeaderName::from_static(checksum.algorithm.header());
        headers::put(&mut headers, name, checksums::show(checksum, 0));
    }
    headers
}

fn answer(mut headers: HeaderMap) -> Response<Body> {
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let mut response = Response::new(Body::Empty);
    *response.headers_mut() = headers;
    response
}
