//! CopyObject, UploadPartCopy and RenameObject.

use super::object_requests::{byte_range, part_number, upload_id};
use super::uploads::show_expiration;
use super::{Head, Wire, done};
use crate::acl_headers;
use crate::answer::Body;
use crate::calls::{
    CopyObject, Directive, Directives, ExpectedOwner, PartCopied, RenameObject, SourceObject, UploadPartCopy,
};
use crate::checksums::{self, parse_algorithm};
use crate::copy_source::NamedSource;
use crate::errors::{from_name, not_implemented, s3};
use crate::headers::{self, date_to_keep, http_date, text};
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use crate::percent::{self, Part};
use crate::versions::check_version;
use crate::xml::{self, Writer};
use http::{HeaderMap, Response, StatusCode};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::conditions::{ETagMatch, ReadConditions, WriteCondition};
use pocket_api::hints::is_meant_for_hint;
use pocket_api::metadata::{ByteRange, Committed, Select};
use pocket_api::names::{BucketName, ObjectKey};
use pocket_api::object::ObjectHeaders;
use std::sync::Arc;

const SOURCE: &str = "x-amz-copy-source";
const SOURCE_RANGE: &str = "x-amz-copy-source-range";
/// S3's bound on `x-amz-client-token`.
const TOKEN_MAX_BYTES: usize = 64;

impl Wire for CopyObject {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let map = head.headers;
        let acl = acl_headers::said(map)?;
        let directives =
            Directives { metadata: directive(map, "metadata")?, tags: directive(map, "tagging")? };
        let described = taken(headers::describe(map, &acl)?, directives)?;
        let copy = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            condition: headers::write_condition(map)?,
            source: source(map)?,
            directives,
            says_tags: directives.tags == Directive::Replace && map.contains_key("x-amz-tagging"),
            hints: headers::object_hints(map, described.as_deref())?,
            headers: described,
            acl,
            checksum: text(map, "x-amz-checksum-algorithm")?.map(parse_algorithm).transpose()?,
        };
        Ok((copy, ()))
    }

    fn write(committed: Committed, (): ()) -> Response<Body> {
        let mut xml = Writer::bare("CopyObjectResult");
        if let Some(checksum) = &committed.checksum {
            xml.checksum(checksum, None);
            xml.value("ChecksumType", checksums::show_kind(checksum.kind));
        }
        xml.etag(&committed.etag);
        xml.value("LastModified", xml::time(committed.last_modified));
        let mut response = xml.answer();
        show_expiration(&committed, response.headers_mut());
        response
    }

    fn counted((): &()) -> Counted {
        Counted::CopyObject
    }
}

fn directive(headers: &HeaderMap, of: &str) -> Result<Directive, Refusal> {
    let name = format!("x-amz-{of}-directive");
    match text(headers, &*name)? {
        None | Some("COPY") => Ok(Directive::Copy),
        Some("REPLACE") => Ok(Directive::Replace),
        Some(other) => {
            let text = format!("Unknown {of} directive: {:?}", shortened(other));
            Err(Refusal::invalid(&name, other, text))
        }
    }
}

/// What counts of that which a request says. As S3 does, a copy that takes metadata or tags from its source passes over those of
/// the request; but not over hints in them, which are Pocket's own and which somebody counts on.
fn taken(
    said: Option<Arc<ObjectHeaders>>,
    directives: Directives,
) -> Result<Option<Arc<ObjectHeaders>>, Refusal> {
    let Some(said) = said else { return Ok(None) };
    let hint = said.user.iter().find(|(name, _)| is_meant_for_hint(name));
    if let Some((name, value)) = hint.filter(|_| directives.metadata == Directive::Copy) {
        let text = format!("x-amz-meta-{name} of a copy needs x-amz-metadata-directive: REPLACE");
        return Err(Refusal::invalid(&format!("x-amz-meta-{name}"), value, text));
    }
    if directives.tags == Directive::Replace || said.tags.is_empty() {
        return Ok(Some(said));
    }
    if let Some((key, value)) = said.tags.iter().find(|(key, _)| is_meant_for_hint(key)) {
        let text = format!("the tag {key} of a copy needs x-amz-tagging-directive: REPLACE");
        return Err(Refusal::invalid(key, value, text));
    }
    let kept = ObjectHeaders { tags: Vec::new(), ..ObjectHeaders::clone(&said) };
    Ok((kept != ObjectHeaders::default()).then(|| Arc::new(kept)))
}

impl Wire for UploadPartCopy {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let (headers, query) = (head.headers, head.query);
        let copy = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            upload: upload_id(query),
            number: part_number(query.get("partNumber").unwrap_or(""))?,
            source: source(headers)?,
            select: match text(headers, SOURCE_RANGE)? {
                Some(range) => Select::Range(source_range(range)?),
                None => Select::Whole,
            },
        };
        Ok((copy, ()))
    }

    fn write(copied: PartCopied, (): ()) -> Response<Body> {
        let mut xml = Writer::bare("CopyPartResult");
        if let Some(checksum) = &copied.checksum {
            xml.checksum(checksum, None);
        }
        xml.etag(&copied.etag);
        xml.value("LastModified", xml::time(copied.copied_at));
        xml.answer()
    }

    fn counted((): &()) -> Counted {
        Counted::UploadPartCopy
    }
}

/// What `x-amz-copy-source` and its family say.
pub(crate) fn source(headers: &HeaderMap) -> Result<SourceObject, Refusal> {
    let named = text(headers, SOURCE)?.unwrap_or("");
    let bad = || {
        let why = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey";
        Refusal::invalid(SOURCE, named, why)
    };
    let NamedSource { path, version } = NamedSource::parse(named).ok_or_else(bad)?;
    // No bucket has a colon in its name.
    if path.starts_with("arn:") {
        return Err(not_implemented("copies from access points are not implemented"));
    }
    let (bucket, key) = path.split_once('/').ok_or_else(bad)?;
    let (bucket, key) = (BucketName::parse(bucket), ObjectKey::parse(key));
    version.as_deref().map_or(Ok(()), check_version)?;
    Ok(SourceObject {
        bucket: bucket.map_err(|_| bad())?,
        key: key.map_err(|_| bad())?,
        of_version: version.is_some(),
        conditions: source_conditions(headers, SOURCE)?,
        expected_owner: ExpectedOwner::named(headers.get("x-amz-source-expected-bucket-owner")),
    })
}

/// Conditions on the object that a header named `source` names: they are in headers of longer names.
fn source_conditions(headers: &HeaderMap, source: &str) -> Result<ReadConditions, Refusal> {
    let tags = |condition| {
        let name = [source, condition].concat();
        Ok::<_, Refusal>(text(headers, &*name)?.map(ETagMatch::parse))
    };
    // A rename that passes over a condition takes an object away.
    let date = |condition| {
        let name = [source, condition].concat();
        if source == RENAME_SOURCE { date_to_keep(headers, &name) } else { Ok(http_date(headers, &*name)) }
    };
    Ok(ReadConditions {
        if_match: tags("-if-match")?,
        if_none_match: tags("-if-none-match")?,
        if_modified_since: date("-if-modified-since")?,
        if_unmodified_since: date("-if-unmodified-since")?,
    })
}

/// `bytes=a-b`: S3 takes no other form here.
pub(crate) fn source_range(value: &str) -> Result<ByteRange, Refusal> {
    match byte_range(value) {
        Some(range @ ByteRange::FromTo(..)) => Ok(range),
        _ => {
            let why = format!(
                "The {SOURCE_RANGE} value must be of the form bytes=first-last: {:?}",
                shortened(value)
            );
            Err(Refusal::invalid(SOURCE_RANGE, value, why))
        }
    }
}

impl Wire for RenameObject {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let headers = head.headers;
        let rename = Self {
            bucket: head.bucket()?,
            to: head.key()?,
            from: renamed(headers)?,
            conditions: source_conditions(headers, RENAME_SOURCE)?,
            condition: destination_condition(headers)?,
            token: token(headers)?,
        };
        Ok((rename, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::OK, false)
    }

    fn counted((): &()) -> Counted {
        Counted::RenameObject
    }
}

const RENAME_SOURCE: &str = "x-amz-rename-source";

/// The key in `x-amz-rename-source`. S3 writes it with a slash before it or without.
fn renamed(headers: &HeaderMap) -> Result<ObjectKey, Refusal> {
    let raw = text(headers, RENAME_SOURCE)?;
    let raw = raw.ok_or_else(|| s3(ErrorCode::InvalidRequest, "x-amz-rename-source is missing"))?;
    let raw = raw.strip_prefix('/').unwrap_or(raw);
    ObjectKey::parse(&percent::decode(raw, Part::Path)?).map_err(from_name)
}

fn destination_condition(headers: &HeaderMap) -> Result<WriteCondition, Refusal> {
    let on_what_is_there = ReadConditions {
        if_match: text(headers, "if-match")?.map(ETagMatch::parse),
        if_none_match: None,
        if_modified_since: date_to_keep(headers, "if-modified-since")?,
        if_unmodified_since: date_to_keep(headers, "if-unmodified-since")?,
    };
    match (text(headers, "if-none-match")?, on_what_is_there.is_empty()) {
        (None, true) => Ok(WriteCondition::None),
        (None, false) => Ok(WriteCondition::Meets(Box::new(on_what_is_there))),
        (Some("*"), true) => Ok(WriteCondition::Absent),
        (Some("*"), false) => Err(not_implemented(
            "If-None-Match together with other conditions on the destination is not implemented",
        )),
        (Some(_), _) => Err(not_implemented("If-None-Match of a rename is implemented for * only")),
    }
}

fn token(headers: &HeaderMap) -> Result<Option<Arc<str>>, Refusal> {
    let Some(token) = text(headers, "x-amz-client-token")? else { return Ok(None) };
    let is_good = (1..=TOKEN_MAX_BYTES).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_graphic());
    if !is_good {
        let text = format!(
            "x-amz-client-token must be 1 to {TOKEN_MAX_BYTES} characters without spaces: {:?}",
            shortened(token)
        );
        return Err(Refusal::invalid("x-amz-client-token", shortened(token), text));
    }
    Ok(Some(token.into()))
}

#[cfg(test)]
mod tests;
