//! GetObjectAttributes: shows those that the request names, and no others.

use super::object_requests::{items_max, marker};
use super::shown_object::VERSION_ID;
use super::{Head, Wire};
use crate::answer::Body;
use crate::calls::GetObjectAttributes;
use crate::checksums;
use crate::errors::s3;
use crate::headers::text;
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use crate::stamped::Stamped;
use crate::versions::NULL_VERSION;
use crate::xml::Writer;
use http::header::LAST_MODIFIED;
use http::{HeaderMap, HeaderValue, Response};
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::metadata::PartsPage;

const NAME: &str = "x-amz-object-attributes";
const ATTRIBUTES: [&str; 5] = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"];

/// Which attributes are shown, and how.
pub(crate) struct AttributesShown {
    /// In the order of [`ATTRIBUTES`].
    wants: [bool; ATTRIBUTES.len()],
    after: u16,
    max: usize,
    names_version: bool,
}

impl Wire for GetObjectAttributes {
    type Shown = AttributesShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, AttributesShown), Refusal> {
        let headers = head.headers;
        let wants = wanted(headers)?;
        let max = items_max("x-amz-max-parts", text(headers, "x-amz-max-parts")?)?;
        let marker = marker("x-amz-part-number-marker", text(headers, "x-amz-part-number-marker")?)?;
        let after = marker.min(u16::MAX.into()) as u16;
        let shown = AttributesShown { wants, after, max, names_version: head.names_version() };
        let attributes = Self {
            bucket: head.bucket()?,
            key: head.key()?,
            after,
            max_parts: if shown.wants("ObjectParts") { max } else { 0 },
            of_version: shown.names_version,
        };
        Ok((attributes, shown))
    }

    fn write(page: PartsPage, shown: AttributesShown) -> Response<Body> {
        let meta = &page.meta;
        let mut xml = Writer::new("GetObjectAttributesResponse");
        if let Some(checksum) = meta.checksum.as_ref().filter(|_| shown.wants("Checksum")) {
            xml.within("Checksum", |xml| {
                // Without the number of parts, unlike everywhere else, as in S3.
                xml.checksum(checksum, None);
                xml.value("ChecksumType", checksums::show_kind(checksum.kind));
            });
        }
        if shown.wants("ETag") {
            // Without quotes, likewise.
            xml.value("ETag", meta.etag);
        }
        if shown.wants("ObjectParts") && meta.parts > 0 {
            xml.within("ObjectParts", |xml| shown.parts(xml, &page));
        }
        if shown.wants("ObjectSize") {
            xml.value("ObjectSize", meta.size);
        }
        if shown.wants("StorageClass") {
            let class = meta.headers.as_ref().and_then(|headers| headers.storage_class);
            xml.value("StorageClass", class.map_or("STANDARD", |class| class.as_str()));
        }
        let mut response = xml.answer();
        let headers = response.headers_mut();
        let mut values = Stamped::new();
        let modified = values.date(meta.last_modified);
        headers.insert(LAST_MODIFIED, values.finish().get(modified));
        if shown.names_version {
            headers.insert(VERSION_ID, HeaderValue::from_static(NULL_VERSION));
        }
        response
    }

    fn counted(_: &AttributesShown) -> Counted {
        Counted::GetObjectAttributes
    }
}

impl AttributesShown {
    fn wants(&self, attribute: &str) -> bool {
        ATTRIBUTES.iter().zip(self.wants).any(|(name, wanted)| wanted && *name == attribute)
    }

    fn parts(&self, xml: &mut Writer, page: &PartsPage) {
        xml.value("IsTruncated", self.max > 0 && page.more);
        xml.value("MaxParts", self.max);
        xml.value("NextPartNumberMarker", page.parts.last().map_or(self.after, |part| part.number));
        xml.value("PartNumberMarker", self.after);
        for part in &page.parts {
            xml.within("Part", |xml| {
                if let Some(checksum) = &part.checksum {
                    xml.checksum(checksum, None);
                }
                xml.value("PartNumber", part.number);
                xml.value("Size", part.size);
            });
        }
        xml.value("PartsCount", page.meta.parts);
    }
}

/// Which attributes a request names: one header may name several, and there may be several.
fn wanted(headers: &HeaderMap) -> Result<[bool; ATTRIBUTES.len()], Refusal> {
    let mut wants = [false; ATTRIBUTES.len()];
    for value in headers.get_all(NAME) {
        let value = value
            .to_str()
            .map_err(|_| Refusal::invalid(NAME, "", format!("header {NAME} is not plain ASCII text")))?;
        for name in value.split(',').map(str::trim) {
            let known = ATTRIBUTES.iter().position(|attribute| *attribute == name);
            let unknown = || {
                let text = format!("Invalid attribute name specified: {:?}", shortened(name));
                Refusal::invalid(NAME, name, text)
            };
            wants[known.ok_or_else(unknown)?] = true;
        }
    }
    match wants.contains(&true) {
        true => Ok(wants),
        false => Err(s3(ErrorCode::InvalidRequest, format!("{NAME} names no attribute"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;
    use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
    use pocket_api::clock::Timestamp;
    use pocket_api::conformance::plain_object;
    use pocket_api::metadata::ObjectPart;
    use pocket_api::object::{ETag, ObjectMeta};

    fn named(values: &[&'static str]) -> Result<[bool; ATTRIBUTES.len()], ErrorCode> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(HeaderName::from_static(NAME), HeaderValue::from_static(value));
        }
        wanted(&headers).map_err(|refusal| refusal.code)
    }

    #[test]
    fn attributes_are_named_in_one_header_or_in_several() {
        assert_eq!(named(&["ETag, ObjectSize"]), Ok([true, false, false, false, true]));
        assert_eq!(
            named(&["ETag", "Checksum,ObjectParts", "StorageClass"]),
            Ok([true, true, true, true, false])
        );
        assert_eq!(named(&["Etag"]), Err(ErrorCode::InvalidArgument));
        assert_eq!(named(&[""]), Err(ErrorCode::InvalidArgument));
        assert_eq!(named(&[]), Err(ErrorCode::InvalidRequest));
    }

    #[test]
    fn a_composite_sum_is_shown_without_the_number_of_its_parts_and_a_tag_without_quotes() {
        let sum = |kind| {
            Some(Checksum { algorithm: ChecksumAlgorithm::Crc32, kind, value: [0; 4].as_slice().into() })
        };
        let meta = ObjectMeta {
            etag: ETag { parts: 2, ..ETag::md5([0xab; 16]) },
            last_modified: Timestamp(2_500),
            checksum: sum(ChecksumKind::Composite),
            parts: 2,
            ..plain_object(9)
        };
        let parts = vec![ObjectPart { number: 1, size: 5, checksum: sum(ChecksumKind::FullObject) }];
        let page = PartsPage { meta, parts, more: true };
        let shown = AttributesShown { wants: [true; 5], after: 0, max: 1, names_version: true };
        let answer = GetObjectAttributes::write(page, shown);
        assert_eq!(answer.headers()["last-modified"], "Thu, 01 Jan 1970 00:00:02 GMT");
        assert_eq!(answer.headers()["x-amz-version-id"], "null");
        let document = String::from_utf8(answer.body().bytes().unwrap().to_vec()).unwrap();
        let (_, document) = document.split_once("2006-03-01/\">").unwrap();
        let expected = format!(
            "<Checksum><ChecksumCRC32>AAAAAA==</ChecksumCRC32><ChecksumType>COMPOSITE</ChecksumType></Checksum>\
             <ETag>{}-2</ETag><ObjectParts><IsTruncated>true</IsTruncated><MaxParts>1</MaxParts>\
             <NextPartNumberMarker>1</NextPartNumberMarker><PartNumberMarker>0</PartNumberMarker>\
             <Part><ChecksumCRC32>AAAAAA==</ChecksumCRC32><PartNumber>1</PartNumber><Size>5</Size></Part>\
             <PartsCount>2</PartsCount></ObjectParts><ObjectSize>9</ObjectSize>\
             <StorageClass>STANDARD</StorageClass></GetObjectAttributesResponse>",
            "ab".repeat(16)
        );
        assert_eq!(document, expected);
    }
}
