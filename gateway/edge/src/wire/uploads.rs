//! CreateMultipartUpload, CompleteMultipartUpload and AbortMultipartUpload.

use super::object_requests::{number, upload_id};
use super::{Head, Wire, done};
use crate::acl_headers;
use crate::answer::Body;
use crate::calls::{
    AbortMultipartUpload, CompleteMultipartUpload, CreateMultipartUpload, ListedPart, PromisedWhole,
    UploadCreated,
};
use crate::checksums::{self, NamedChecksum};
use crate::documents::parsed_if_any;
use crate::errors::malformed_xml;
use crate::headers::{self, text};
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use crate::xml::Writer;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pocket_access::refusal::Refusal;
use pocket_api::checksum::{ChecksumAlgorithm, ChecksumKind};
use pocket_api::lifecycle::RuleEnd;
use pocket_api::metadata::Committed;
use pocket_api::names::{BucketName, ObjectKey};
use s3s::dto;

pub(super) const ABORT_DATE: HeaderName = HeaderName::from_static("x-amz-abort-date");
pub(super) const ABORT_RULE_ID: HeaderName = HeaderName::from_static("x-amz-abort-rule-id");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("x-amz-checksum-algorithm");
const CHECKSUM_TYPE: HeaderName = HeaderName::from_static("x-amz-checksum-type");
const OBJECT_SIZE: &str = "x-amz-mp-object-size";
const EXPIRATION: HeaderName = HeaderName::from_static("x-amz-expiration");

/// What the answer to a new upload repeats of the request.
pub(crate) struct CreateShown {
    bucket: BucketName,
    key: ObjectKey,
    checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
}

impl Wire for CreateMultipartUpload {
    type Shown = CreateShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, CreateShown), Refusal> {
        let map = head.headers;
        let acl = acl_headers::said(map)?;
        let described = headers::describe(map, &acl)?;
        let hints = headers::object_hints(map, described.as_deref())?;
        let (algorithm, kind) = (text(map, &CHECKSUM_ALGORITHM)?, text(map, &CHECKSUM_TYPE)?);
        let create = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            headers: described,
            says_tags: map.contains_key("x-amz-tagging"),
            acl,
            hints,
            checksum: checksums::announced(algorithm, kind)?,
        };
        let (bucket, key, checksum) = (create.bucket.clone(), create.key.clone(), create.checksum);
        Ok((create, CreateShown { bucket, key, checksum }))
    }

    fn write(created: UploadCreated, shown: CreateShown) -> Response<Body> {
        let mut xml = Writer::new("InitiateMultipartUploadResult");
        xml.text("Bucket", shown.bucket.as_str());
        xml.text("Key", shown.key.as_str());
        xml.text("UploadId", &created.upload.0);
        let mut response = xml.answer();
        let headers = response.headers_mut();
        show_abort(created.rule_end.as_ref(), headers);
        if let Some((algorithm, kind)) = shown.checksum {
            headers.insert(CHECKSUM_ALGORITHM, HeaderValue::from_static(algorithm.as_str()));
            headers.insert(CHECKSUM_TYPE, HeaderValue::from_static(checksums::show_kind(kind)));
        }
        response
    }

    fn counted(_: &CreateShown) -> Counted {
        Counted::CreateMultipartUpload
    }
}

/// When an upload is aborted, and by which rule.
pub(super) fn show_abort(end: Option<&RuleEnd>, headers: &mut HeaderMap) {
    if let Some(end) = end {
        let (date, rule) = headers::abort(end);
        headers::put(headers, ABORT_DATE, date);
        headers::put(headers, ABORT_RULE_ID, rule);
    }
}

/// What the answer to a Complete repeats of the request.
pub(crate) struct CompleteShown {
    bucket: BucketName,
    key: ObjectKey,
    location: String,
}

impl Wire for CompleteMultipartUpload {
    type Shown = CompleteShown;

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, CompleteShown), Refusal> {
        let headers = head.headers;
        let complete = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            upload: upload_id(head.query),
            condition: headers::write_condition(headers)?,
            promised: promised(headers)?,
            parts: body.document(Operation::CompleteMultipartUpload, read_parts),
        };
        let (bucket, key) = (complete.bucket.clone(), complete.key.clone());
        let location = head.style.location(head.is_secure, headers, &bucket, &key);
        Ok((complete, CompleteShown { bucket, key, location }))
    }

    fn write(committed: Committed, shown: CompleteShown) -> Response<Body> {
        let mut xml = Writer::new("CompleteMultipartUploadResult");
        xml.text("Bucket", shown.bucket.as_str());
        if let Some(checksum) = &committed.checksum {
            xml.checksum(checksum, Some(committed.etag.parts));
            xml.value("ChecksumType", checksums::show_kind(checksum.kind));
        }
        xml.etag(&committed.etag);
        xml.text("Key", shown.key.as_str());
        xml.text("Location", &shown.location);
        let mut response = xml.answer();
        show_expiration(&committed, response.headers_mut());
        response
    }

    fn counted(_: &CompleteShown) -> Counted {
        Counted::CompleteMultipartUpload
    }
}

/// When an object that was just made ends.
pub(super) fn show_expiration(committed: &Committed, headers: &mut HeaderMap) {
    if let Some(expiration) = headers::expiration(committed.expires_at, committed.rule_end.as_ref()) {
        headers::put(headers, EXPIRATION, expiration);
    }
}

fn promised(headers: &HeaderMap) -> Result<PromisedWhole, Refusal> {
    let mut sums = [None; ChecksumAlgorithm::ALL.len()];
    for (sum, algorithm) in sums.iter_mut().zip(ChecksumAlgorithm::ALL) {
        *sum = text(headers, algorithm.header())?;
    }
    let kind = text(headers, &CHECKSUM_TYPE)?;
    Ok(PromisedWhole {
        checksum: one_of(sums)?,
        kind: kind.map(|kind| checksums::parse_kind(kind).ok_or_else(checksums::other_kind)).transpose()?,
        size: number(OBJECT_SIZE, text(headers, OBJECT_SIZE)?)?,
    })
}

/// `sums`: in the order of [`ChecksumAlgorithm::ALL`].
fn one_of(sums: [Option<&str>; ChecksumAlgorithm::ALL.len()]) -> Result<Option<NamedChecksum>, Refusal> {
    let mut named = sums.into_iter();
    checksums::only_one(ChecksumAlgorithm::ALL.map(|algorithm| (algorithm, named.next().flatten())))
}

fn read_parts(document: Bytes) -> Result<Vec<ListedPart>, Refusal> {
    let list = parsed_if_any::<dto::CompletedMultipartUpload>(&document)?.ok_or_else(malformed_xml)?;
    list.parts.unwrap_or_default().into_iter().map(listed).collect()
}

fn listed(part: dto::CompletedPart) -> Result<ListedPart, Refusal> {
    let checksum = one_of([
        part.checksum_crc32.as_deref(),
        part.checksum_crc32c.as_deref(),
        part.checksum_crc64nvme.as_deref(),
        part.checksum_sha1.as_deref(),
        part.checksum_sha256.as_deref(),
    ])?;
    let etag = part.e_tag.map(|tag| tag.value().to_owned());
    Ok(ListedPart { number: part.part_number.unwrap_or(0), etag, checksum })
}

impl Wire for AbortMultipartUpload {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let upload = upload_id(head.query);
        Ok((Self { bucket: head.bucket()?, key: head.key()?, upload }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::NO_CONTENT, false)
    }

    fn counted((): &()) -> Counted {
        Counted::AbortMultipartUpload
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|&(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))).collect()
    }

    #[test]
    fn what_is_said_of_the_whole_object_is_read_or_refused() {
        let all = [
            ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk=-3"),
            ("x-amz-checksum-type", "COMPOSITE"),
            ("x-amz-mp-object-size", "7"),
        ];
        let read = promised(&map(&all)).unwrap();
        let sum = read.checksum.unwrap();
        assert_eq!((sum.algorithm, sum.parts), (ChecksumAlgorithm::Sha1, Some(3)));
        assert_eq!((read.kind, read.size), (Some(ChecksumKind::Composite), Some(7)));
        for (headers, code) in [
            (
                &[("x-amz-checksum-crc32", "AAAAAA=="), ("x-amz-checksum-crc32c", "AAAAAA==")][..],
                ErrorCode::InvalidRequest,
            ),
            (&[("x-amz-checksum-crc32", "AA==")], ErrorCode::InvalidRequest),
            (&[("x-amz-checksum-type", "HALF")], ErrorCode::InvalidRequest),
            (&[("x-amz-mp-object-size", "many")], ErrorCode::InvalidArgument),
        ] {
            assert_eq!(promised(&map(headers)).unwrap_err().code, code, "{headers:?}");
        }
    }

    #[test]
    fn a_list_of_parts_is_read_with_tags_in_quotes_or_without() {
        let document = "<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>\"a\"</ETag>\
            <ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part><Part><ETag>b</ETag></Part></CompleteMultipartUpload>";
        let parts = read_parts(document.into()).unwrap();
        let seen: Vec<_> =
            parts.iter().map(|p| (p.number, p.etag.as_deref(), p.checksum.is_some())).collect();
        assert_eq!(seen, [(1, Some("a"), true), (0, Some("b"), false)]);
        for bad in
            ["", "<Delete></Delete>", "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber></Part>"]
        {
            assert_eq!(read_parts(bad.into()).unwrap_err().code, ErrorCode::MalformedXML, "{bad}");
        }
    }
}
