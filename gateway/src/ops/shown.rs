//! What GET and HEAD show of an object, the same in both.

use crate::errors::s3;
use crate::headers;
use crate::refusal::{ErrorCode, Refusal};
use http::{HeaderMap, HeaderName, HeaderValue};
use pocket_api::checksum::Checksum;
use pocket_api::metadata::{Found, Select};
use pocket_api::object::ObjectMeta;
use s3s::dto::{self, ChecksumMode};

/// S3's answer where the writer named none.
pub(super) const DEFAULT_CONTENT_TYPE: &str = "binary/octet-stream";

/// Fills the fields that the outputs of GetObject and HeadObject share.
macro_rules! show_object {
    ($output:expr, $found:expr, $select:expr, $checksum_mode:expr) => {{
        let (output, found): (&mut _, &pocket_api::metadata::Found) = (&mut $output, $found);
        let meta = &found.meta;
        output.accept_ranges = Some("bytes".into());
        output.content_length = i64::try_from(found.len).ok();
        output.content_range = $crate::ops::shown::content_range(found, $select);
        output.content_type = Some($crate::ops::shown::DEFAULT_CONTENT_TYPE.into());
        output.e_tag = Some($crate::headers::etag(&meta.etag));
        output.last_modified = Some($crate::headers::timestamp(meta.last_modified));
        output.expiration = $crate::headers::expiration(meta.expires_at, meta.rule_end.as_ref());
        output.parts_count = $crate::ops::shown::parts_count(meta, $select);
        if let Some(headers) = &meta.headers {
            if headers.content_type.is_some() {
                output.content_type = headers.content_type.clone();
            }
            output.content_encoding = headers.content_encoding.clone();
            output.content_disposition = headers.content_disposition.clone();
            output.content_language = headers.content_language.clone();
            output.cache_control = headers.cache_control.clone();
            output.metadata = (!headers.user.is_empty()).then(|| headers.user.iter().cloned().collect());
            output.storage_class = $crate::ops::shown::storage_class(headers);
        }
        if let Some((checksum, parts)) = $crate::ops::shown::checksum(found, $select, $checksum_mode) {
            $crate::checksums::show_checksum!(output, Some(checksum), parts);
            output.checksum_type = meta.checksum.as_ref().map(|c| $crate::ops::shown::checksum_type(c.kind));
        }
    }};
}
pub(super) use show_object;

pub(super) fn content_range(found: &Found, select: Select) -> Option<String> {
    let partial = select != Select::Whole && found.len > 0;
    partial.then(|| headers::content_range(found.offset, found.len, found.meta.size))
}

/// Shown to those who read by parts.
pub(super) fn parts_count(meta: &ObjectMeta, select: Select) -> Option<i32> {
    (matches!(select, Select::Part(_)) && meta.parts > 0).then(|| meta.parts.into())
}

/// The checksum of the selected bytes, if it was asked for and is known, with the number of parts that it covers the sums
/// of. A range has none.
pub(super) fn checksum<'a>(
    found: &'a Found,
    select: Select,
    mode: Option<&ChecksumMode>,
) -> Option<(&'a Checksum, u16)> {
    if mode.is_none_or(|mode| mode.as_str() != ChecksumMode::ENABLED) {
        return None;
    }
    match select {
        Select::Whole => found.meta.checksum.as_ref().map(|sum| (sum, found.meta.parts)),
        Select::Part(_) => found.part_checksum.as_ref().map(|sum| (sum, 0)),
        Select::Range(_) => None,
    }
}

pub(super) fn checksum_type(kind: pocket_api::checksum::ChecksumKind) -> dto::ChecksumType {
    dto::ChecksumType::from_static(crate::checksums::show_kind(kind))
}

/// STANDARD is not shown, as in S3.
pub(super) fn storage_class(headers: &pocket_api::object::ObjectHeaders) -> Option<dto::StorageClass> {
    let class = headers.storage_class.map(|class| class.as_str()).filter(|&class| class != "STANDARD");
    class.map(dto::StorageClass::from_static)
}

/// Nothing is ever restored here, so what is archived can be moved, shown and deleted, but not read or copied: S3's own
/// answer, which clients look for.
pub(super) fn check_readable(meta: &ObjectMeta) -> Result<(), Refusal> {
    match meta.headers.as_ref().and_then(|headers| headers.storage_class) {
        Some(class) if class.is_archive() => {
            let text =
                format!("The operation is not valid for the object's storage class {}", class.as_str());
            Err(s3(ErrorCode::InvalidObjectState, text))
        }
        _ => Ok(()),
    }
}

/// Headers that S3's types have no field for. `Expires` is given back as it came, date or not.
pub(super) fn more_headers(meta: &ObjectMeta, expires_is_overridden: bool) -> HeaderMap {
    let mut map = HeaderMap::new();
    if let Some(expires) = meta.headers.as_ref().and_then(|h| h.expires.clone())
        && !expires_is_overridden
    {
        headers::put(&mut map, http::header::EXPIRES, expires);
    }
    let tags = meta.headers.as_ref().map_or(0, |headers| headers.tags.len());
    if tags > 0 {
        map.insert(HeaderName::from_static("x-amz-tagging-count"), HeaderValue::from(tags));
    }
    if let Some(left) = meta.reads_left {
        map.insert(HeaderName::from_static("x-pocket-reads-left"), HeaderValue::from(left));
    }
    map
}
