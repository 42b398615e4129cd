//! An object as GET and HEAD show it, straight into a header map.

use crate::answer::Body;
use crate::arrived::Came;
use crate::headers;
use crate::query::Query;
use crate::rfc2047;
use crate::stamped::Stamped;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LANGUAGE, CONTENT_LENGTH,
    CONTENT_RANGE, CONTENT_TYPE, ETAG, EXPIRES, LAST_MODIFIED,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pocket_api::checksum::Checksum;
use pocket_api::metadata::{Found, Select};
use pocket_api::object::ObjectHeaders;
use smallvec::SmallVec;

/// S3's answer where the writer named none.
const DEFAULT_CONTENT_TYPE: HeaderValue = HeaderValue::from_static("binary/octet-stream");
/// What most answers have, so that the map does not grow: those here and those that every answer gets.
const HEADERS: usize = 16;
pub(super) const VERSION_ID: HeaderName = HeaderName::from_static("x-amz-version-id");
const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");
const PARTS_COUNT: HeaderName = HeaderName::from_static("x-amz-mp-parts-count");
const STORAGE_CLASS: HeaderName = HeaderName::from_static("x-amz-storage-class");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const TAGGING_COUNT: HeaderName = HeaderName::from_static("x-amz-tagging-count");
const READS_LEFT: HeaderName = HeaderName::from_static("x-pocket-reads-left");

/// Headers of an answer that a request may put in the place of the object's own.
const OVERRIDES: [(&str, HeaderName); 6] = [
    ("response-cache-control", CACHE_CONTROL),
    ("response-content-disposition", CONTENT_DISPOSITION),
    ("response-content-encoding", CONTENT_ENCODING),
    ("response-content-language", CONTENT_LANGUAGE),
    ("response-content-type", CONTENT_TYPE),
    ("response-expires", EXPIRES),
];

/// How a request wants its object shown.
#[derive(Debug, Default)]
pub(crate) struct ObjectShown {
    with_checksum: bool,
    /// The request names the version, and the answer repeats it.
    with_version: bool,
    overrides: SmallVec<[(HeaderName, HeaderValue); 1]>,
}

impl ObjectShown {
    pub(super) fn read(headers: &HeaderMap, query: &Query<'_>, came: Came) -> Self {
        let value = |name| HeaderValue::try_from(query.get(name).filter(|value| !value.is_empty())?).ok();
        let overrides = match query.is_empty() {
            true => SmallVec::new(),
            false => {
                OVERRIDES.into_iter().filter_map(|(name, header)| Some((header, value(name)?))).collect()
            }
        };
        Self {
            with_checksum: came.checksum_mode
                && headers.get("x-amz-checksum-mode").is_some_and(|mode| mode.as_bytes() == b"ENABLED"),
            with_version: query.has("versionId"),
            overrides,
        }
    }
}

pub(super) fn answer(found: &Found, select: Select, shown: &ObjectShown, body: Body) -> Response<Body> {
    let meta = &found.meta;
    let mut headers = HeaderMap::with_capacity(HEADERS);
    // One piece of memory for all values that are made here.
    let mut values = Stamped::new();
    let etag = values.etag(&meta.etag);
    let modified = values.date(meta.last_modified);
    let length = values.write(format_args!("{}", found.len));
    let is_partial = select != Select::Whole && found.len > 0;
    let range = is_partial.then(|| {
        values.write(format_args!("bytes {}-{}/{}", found.offset, found.offset + found.len - 1, meta.size))
    });
    let values = values.finish();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CONTENT_TYPE, DEFAULT_CONTENT_TYPE);
    headers.insert(CONTENT_LENGTH, values.get(length));
    headers.insert(ETAG, values.get(etag));
    headers.insert(LAST_MODIFIED, values.get(modified));
    if let Some(range) = range {
        headers.insert(CONTENT_RANGE, values.get(range));
    }
    if let Some(expiration) = headers::expiration(meta.expires_at, meta.rule_end.as_ref()) {
        headers::put(&mut headers, EXPIRATION, expiration);
    }
    // Shown to those who read by parts.
    if matches!(select, Select::Part(_)) && meta.parts > 0 {
        headers.insert(PARTS_COUNT, HeaderValue::from(meta.parts));
    }
    if let Some(described) = &meta.headers {
        describe(described, &mut headers);
    }
    if let Some((checksum, parts)) = selected_checksum(found, select).filter(|_| shown.with_checksum) {
        let name = HeaderName::from_static(checksum.algorithm.header());
        headers::put(&mut headers, name, crate::checksums::show(checksum, Some(parts)));
        if let Some(whole) = &meta.checksum {
            headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(crate::checksums::show_kind(whole.kind)));
        }
    }
    if let Some(left) = meta.reads_left {
        headers.insert(READS_LEFT, HeaderValue::from(left));
    }
    if shown.with_version {
        headers.insert(VERSION_ID, HeaderValue::from_static(crate::versions::NULL_VERSION));
    }
    for (name, value) in &shown.overrides {
        headers.insert(name.clone(), value.clone());
    }
    let mut response = Response::new(body);
    *response.status_mut() = if is_partial { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    *response.headers_mut() = headers;
    response
}

/// What its writer said of the object, as it was said.
fn describe(described: &ObjectHeaders, headers: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_TYPE, &described.content_type),
        (CONTENT_ENCODING, &described.content_encoding),
        (CONTENT_DISPOSITION, &described.content_disposition),
        (CONTENT_LANGUAGE, &described.content_language),
        (CACHE_CONTROL, &described.cache_control),
        (EXPIRES, &described.expires),
    ] {
        if let Some(value) = value.as_ref().and_then(|value| HeaderValue::try_from(value.as_str()).ok()) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &described.user {
        let name = HeaderName::try_from(["x-amz-meta-", name].concat());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(&*rfc2047::encode(value))) {
            headers.insert(name, value);
        }
    }
    // STANDARD is not shown, as in S3.
    if let Some(class) =
        described.storage_class.map(|class| class.as_str()).filter(|&class| class != "STANDARD")
    {
        headers.insert(STORAGE_CLASS, HeaderValue::from_static(class));
    }
    if !described.tags.is_empty() {
        headers.insert(TAGGING_COUNT, HeaderValue::from(described.tags.len()));
    }
}

/// The checksum of the selected bytes, where it is known, with the number of parts that it covers the sums of. A range has
/// none.
fn selected_checksum(found: &Found, select: Select) -> Option<(&Checksum, u16)> {
    match select {
        Select::Whole => found.meta.checksum.as_ref().map(|sum| (sum, found.meta.parts)),
        Select::Part(_) => found.part_checksum.as_ref().map(|sum| (sum, 0)),
        Select::Range(_) => None,
    }
}
