//! PutObject, of a request or of a form.

use super::{Head, Wire};
use crate::acl_headers;
use crate::answer::Body;
use crate::arrived::{Arrived, Came};
use crate::calls::{BodySize, PutObject, Said};
use crate::checksums;
use crate::headers::{self, text};
use crate::metrics::Counted;
use crate::payload::missing_length;
use crate::payload_stream::{Payload, Unread};
use crate::stamped::Stamped;
use http::header::{CONTENT_LENGTH, ETAG};
use http::{HeaderMap, HeaderName, HeaderValue, Response};
use pocket_access::refusal::{Refusal, shortened};
use pocket_api::checksum::Checksum;
use pocket_api::conditions::WriteCondition;
use pocket_api::hints::ObjectHints;
use pocket_api::metadata::Committed;
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::ETag;

/// What most answers have, with those that every answer gets.
const HEADERS: usize = 12;
const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");
const OBJECT_SIZE: HeaderName = HeaderName::from_static("x-amz-object-size");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");

impl Wire for PutObject {
    /// Whether it appends.
    type Shown = bool;

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, bool), Refusal> {
        let size = BodySize::Exactly(body.size_bytes().ok_or_else(|| missing_length("content-length"))?);
        let (md5, payload) = (body.md5(), body.payload()?);
        let put = described(head.bucket()?, head.key()?, head.headers, head.came, size, md5, payload)?;
        let appends = put.append_at.is_some();
        Ok((put, appends))
    }

    fn write(committed: Committed, appends: bool) -> Response<Body> {
        let mut headers = tagged(&committed.etag, committed.checksum.as_ref());
        if let Some(expiration) = headers::expiration(committed.expires_at, committed.rule_end.as_ref()) {
            headers::put(&mut headers, EXPIRATION, expiration);
        }
        if appends {
            headers.insert(OBJECT_SIZE, HeaderValue::from(committed.size));
        }
        if let Some(checksum) = &committed.checksum {
            headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksums::show_kind(checksum.kind)));
        }
        answer(headers)
    }

    fn counted(_: &bool) -> Counted {
        Counted::PutObject
    }
}

/// What a form asks for: its fields are headers, and its file has at most `max_bytes`.
pub(crate) fn put_of_form(
    bucket: BucketName,
    key: ObjectKey,
    headers: &HeaderMap,
    max_bytes: u64,
    md5: Option<[u8; 16]>,
    file: Payload,
) -> Result<PutObject, Refusal> {
    let came = Arrived::of(headers).came;
    described(bucket, key, headers, came, BodySize::AtMost(max_bytes), md5, file)
}

fn described(
    bucket: BucketName,
    key: ObjectKey,
    headers: &HeaderMap,
    came: Came,
    size: BodySize,
    md5: Option<[u8; 16]>,
    body: Payload,
) -> Result<PutObject, Refusal> {
    let acl = if came.says { acl_headers::said(headers)? } else { Said::Nothing };
    let described = if came.describes { headers::describe(headers, &acl)? } else { None };
    let hints = match came.wishes || described.is_some() {
        true => headers::object_hints(headers, described.as_deref())?,
        false => ObjectHints::default(),
    };
    let condition = match came.conditions {
        true => headers::write_condition(headers)?,
        false => WriteCondition::None,
    };
    Ok(PutObject {
        bucket,
        key,
        size,
        md5,
        condition,
        headers: described,
        says_tags: came.says && headers.contains_key("x-amz-tagging"),
        acl,
        hints,
        append_at: if came.says { append_at(headers)? } else { None },
        body,
    })
}

fn append_at(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    const NAME: &str = "x-amz-write-offset-bytes";
    let Some(offset) = text(headers, NAME)? else { return Ok(None) };
    let is_number = offset.bytes().all(|b| b.is_ascii_digit());
    offset.parse().ok().filter(|_| is_number).map(Some).ok_or_else(|| {
        let text = format!("{NAME} must be a number of bytes, not negative: {:?}", shortened(offset));
        Refusal::invalid(NAME, offset, text)
    })
}

/// What the writer of an object or a part is told first.
pub(super) fn tagged(etag: &ETag, checksum: Option<&Checksum>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    let mut values = Stamped::new();
    let etag = values.etag(etag);
    headers.insert(ETAG, values.finish().get(etag));
    if let Some(checksum) = checksum {
        let name = HeaderName::from_static(checksum.algorithm.header());
        headers::put(&mut headers, name, checksums::show(checksum, None));
    }
    headers
}

pub(super) fn answer(mut headers: HeaderMap) -> Response<Body> {
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    let mut response = Response::new(Body::Empty);
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;

    #[test]
    fn an_offset_is_a_number_of_bytes() {
        let with = |value: &'static str| {
            let name = HeaderName::from_static("x-amz-write-offset-bytes");
            append_at(&HeaderMap::from_iter([(name, HeaderValue::from_static(value))]))
        };
        assert_eq!(append_at(&HeaderMap::new()).unwrap(), None);
        assert_eq!(with("7").unwrap(), Some(7));
        for bad in ["-1", "+1", "x", ""] {
            assert_eq!(with(bad).unwrap_err().code, ErrorCode::InvalidArgument, "{bad}");
        }
    }
}
