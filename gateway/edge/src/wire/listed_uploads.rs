//! ListMultipartUploads and ListParts.

use super::object_requests::{items_max, marker, upload_id};
use super::uploads::show_abort;
use super::{Head, Wire};
use crate::answer::Body;
use crate::calls::{ListMultipartUploads, ListParts, ListedParts, ListedUploads};
use crate::checksums;
use crate::listing::{Encoding, Item, is_common_prefix};
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use crate::xml::{self, Writer};
use http::Response;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{UploadInfo, UploadedPart, UploadsItem, UploadsStart};
use pocket_api::names::{BucketName, ObjectKey, TenantName};

/// What a list of uploads repeats of its request.
pub(crate) struct UploadsShown {
    bucket: BucketName,
    encoding: Encoding,
    prefix: String,
    delimiter: Option<String>,
    key_marker: String,
    upload_marker: String,
    max: usize,
}

impl Wire for ListMultipartUploads {
    type Shown = UploadsShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, UploadsShown), Refusal> {
        let query = head.query;
        let some = |name: &str| query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
        let encoding = Encoding::parse(query.get("encoding-type"))?;
        let max = items_max("max-uploads", query.get("max-uploads"))?;
        let prefix = some("prefix").unwrap_or_default();
        let delimiter = some("delimiter");
        let key_marker = some("key-marker");
        // Without a key marker the other one has no meaning, and S3 ignores it.
        let upload_marker = some("upload-id-marker").filter(|_| key_marker.is_some());
        let start = match (key_marker.clone(), upload_marker.clone()) {
            (None, _) => UploadsStart::Beginning,
            (Some(key), Some(upload)) => UploadsStart::AfterUpload(key, upload),
            (Some(key), None) if is_common_prefix(&key, &prefix, delimiter.as_deref()) => {
                UploadsStart::AfterPrefix(key)
            }
            (Some(key), None) => UploadsStart::AfterKey(key),
        };
        let bucket = head.bucket()?;
        let (key_marker, upload_marker) = (key_marker.unwrap_or_default(), upload_marker.unwrap_or_default());
        let list =
            Self { bucket: bucket.clone(), prefix: prefix.clone(), delimiter: delimiter.clone(), start, max };
        Ok((list, UploadsShown { bucket, encoding, prefix, delimiter, key_marker, upload_marker, max }))
    }

    fn write(listed: ListedUploads, shown: UploadsShown) -> Response<Body> {
        let ListedUploads { page, owner } = listed;
        let encoding = shown.encoding;
        let name =
            |xml: &mut Writer, element, name: &str| xml.text(element, &encoding.write(name.to_owned()));
        let mut xml = Writer::new("ListMultipartUploadsResult");
        xml.text("Bucket", shown.bucket.as_str());
        for item in &page.items {
            if let UploadsItem::Prefix(prefix) = item {
                xml.within("CommonPrefixes", |xml| name(xml, "Prefix", prefix));
            }
        }
        if let Some(delimiter) = &shown.delimiter {
            name(&mut xml, "Delimiter", delimiter);
        }
        if encoding == Encoding::Url {
            xml.text("EncodingType", "url");
        }
        xml.value("IsTruncated", page.more);
        name(&mut xml, "KeyMarker", &shown.key_marker);
        xml.value("MaxUploads", shown.max);
        if let Some(last) = page.items.last().filter(|_| page.more) {
            name(&mut xml, "NextKeyMarker", last.name());
            if let UploadsItem::Upload(upload) = last {
                xml.text("NextUploadIdMarker", &upload.upload.0);
            }
        }
        name(&mut xml, "Prefix", &shown.prefix);
        xml.text("UploadIdMarker", &shown.upload_marker);
        for item in &page.items {
            if let UploadsItem::Upload(upload) = item {
                xml.within("Upload", |xml| show_upload(xml, upload, encoding, &owner));
            }
        }
        xml.answer()
    }

    fn counted(_: &UploadsShown) -> Counted {
        Counted::ListMultipartUploads
    }
}

/// Nobody knows any more who began an upload, so it is the bucket's owner.
fn show_upload(xml: &mut Writer, upload: &UploadInfo, encoding: Encoding, owner: &TenantName) {
    show_checksum_kind(xml, upload);
    xml.value("Initiated", xml::time(upload.initiated));
    xml.tenant("Initiator", owner);
    xml.text("Key", &encoding.write(upload.key.as_str().to_owned()));
    xml.tenant("Owner", owner);
    xml.value("StorageClass", storage_class(upload));
    xml.text("UploadId", &upload.upload.0);
}

fn show_checksum_kind(xml: &mut Writer, upload: &UploadInfo) {
    if let Some((algorithm, kind)) = upload.checksum {
        xml.value("ChecksumAlgorithm", algorithm);
        xml.value("ChecksumType", checksums::show_kind(kind));
    }
}

fn storage_class(upload: &UploadInfo) -> &'static str {
    upload.storage_class.map_or("STANDARD", |class| class.as_str())
}

/// What a list of parts repeats of its request.
pub(crate) struct PartsShown {
    bucket: BucketName,
    key: ObjectKey,
    /// As it came: one beyond the highest number is allowed and leads to nothing.
    marker: u32,
    max: usize,
}

impl Wire for ListParts {
    type Shown = PartsShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, PartsShown), Refusal> {
        let query = head.query;
        let max = items_max("max-parts", query.get("max-parts"))?;
        let marker = marker("part-number-marker", query.get("part-number-marker"))?;
        let (bucket, key) = (head.bucket()?, head.key()?);
        let after = marker.min(u16::MAX.into()) as u16;
        let list = Self { bucket: bucket.clone(), key: key.clone(), upload: upload_id(query), after, max };
        Ok((list, PartsShown { bucket, key, marker, max }))
    }

    fn write(listed: ListedParts, shown: PartsShown) -> Response<Body> {
        let ListedParts { page, owner } = listed;
        let mut xml = Writer::new("ListPartsResult");
        xml.text("Bucket", shown.bucket.as_str());
        show_checksum_kind(&mut xml, &page.info);
        xml.tenant("Initiator", &owner);
        xml.value("IsTruncated", page.more);
        xml.text("Key", shown.key.as_str());
        xml.value("MaxParts", shown.max);
        if let Some(last) = page.parts.last() {
            xml.value("NextPartNumberMarker", last.number);
        }
        xml.tenant("Owner", &owner);
        xml.value("PartNumberMarker", shown.marker);
        for part in &page.parts {
            xml.within("Part", |xml| show_part(xml, part));
        }
        xml.value("StorageClass", storage_class(&page.info));
        xml.text("UploadId", &page.info.upload.0);
        let mut response = xml.answer();
        show_abort(page.rule_end.as_ref(), response.headers_mut());
        response
    }

    fn counted(_: &PartsShown) -> Counted {
        Counted::ListParts
    }
}

fn show_part(xml: &mut Writer, part: &UploadedPart) {
    if let Some(checksum) = &part.checksum {
        xml.checksum(checksum, None);
    }
    xml.etag(&part.etag);
    xml.value("LastModified", xml::time(part.last_modified));
    xml.value("PartNumber", part.number);
    xml.value("Size", part.size);
}
