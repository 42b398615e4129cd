//! The items of a list as S3's documents show them: objects, versions and common prefixes. What stands around them is
//! written by s3s; these are not, because a page has a thousand: with a type for every item and an event for every tag,
//! two thirds of the CPU of a list went into its document.

use crate::checksums::show_kind;
use crate::context::ListItems;
use crate::edge::answer::needs_reference;
use crate::headers;
use crate::listing::{Encoding, url_encode};
use crate::versions::NULL_VERSION;
use pocket_api::clock::Timestamp;
use pocket_api::metadata::{ListItem, ListedObject};
use pocket_api::names::TenantName;
use std::fmt::Write;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

/// What objects are called in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// ListObjects: `Contents`.
    Objects,
    /// ListObjectVersions: `Version`, the null version and the latest.
    Versions,
}

/// Room for an item: its tags, a key of some length, and what else is shown.
const ITEM_BYTES: usize = 320;

/// Objects first, then common prefixes, as in S3. `owner`: shown with every object.
pub(super) fn write(
    items: &[ListItem],
    shown: Shown,
    encoding: Encoding,
    owner: Option<&TenantName>,
) -> ListItems {
    let mut document = Document {
        xml: String::with_capacity(items.len() * ITEM_BYTES),
        encoding,
        owner: owner.map(show_owner).unwrap_or_default(),
        second: (0, String::new()),
    };
    for item in items {
        if let ListItem::Object(object) = item {
            document.object(object, shown);
        }
    }
    for item in items {
        if let ListItem::Prefix(prefix) = item {
            document.xml.push_str("<CommonPrefixes><Prefix>");
            encode(encoding, prefix, &mut document.xml);
            document.xml.push_str("</Prefix></CommonPrefixes>");
        }
    }
    ListItems(document.xml)
}

struct Document {
    xml: String,
    encoding: Encoding,
    /// The element, or nothing.
    owner: String,
    /// The second of the last time written, and its text: objects of a page are often of the same.
    second: (u64, String),
}

impl Document {
    fn object(&mut self, object: &ListedObject, shown: Shown) {
        let (start, end) = match shown {
            Shown::Objects => ("<Contents><Key>", "</StorageClass></Contents>"),
            Shown::Versions => ("<Version><Key>", "</StorageClass></Version>"),
        };
        self.xml.push_str(start);
        encode(self.encoding, object.key.as_str(), &mut self.xml);
        self.xml.push_str("</Key>");
        if shown == Shown::Versions {
            let _ = write!(self.xml, "<VersionId>{NULL_VERSION}</VersionId><IsLatest>true</IsLatest>");
        }
        self.xml.push_str("<LastModified>");
        self.time(object.last_modified);
        // Writing to a string cannot fail.
        let _ = write!(self.xml, "</LastModified><ETag>&quot;{}&quot;</ETag>", object.etag);
        if let Some((algorithm, kind)) = object.checksum {
            let (algorithm, kind) = (algorithm.as_str(), show_kind(kind));
            let _ = write!(
                self.xml,
                "<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"
            );
        }
        let _ = write!(self.xml, "<Size>{}</Size>", object.size);
        self.xml.push_str(&self.owner);
        self.xml.push_str("<StorageClass>");
        self.xml.push_str(object.storage_class.map_or("STANDARD", |class| class.as_str()));
        self.xml.push_str(end);
    }

    /// As `2026-01-31T23:59:59.000Z`: in whole seconds, see [`headers::timestamp`].
    fn time(&mut self, at: Timestamp) {
        const SECOND: &[BorrowedFormatItem<'_>] =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].000Z");
        let second = at.0 / 1_000;
        if self.second.1.is_empty() || self.second.0 != second {
            let text = OffsetDateTime::from(headers::timestamp(at)).format(SECOND);
            // Fails on years of five digits alone.
            self.second = (second, text.unwrap_or_default());
        }
        self.xml.push_str(&self.second.1);
    }
}

fn show_owner(tenant: &TenantName) -> String {
    format!("<Owner><DisplayName>{tenant}</DisplayName><ID>{tenant}</ID></Owner>")
}

/// A name as the client asked for it, as text of an element.
fn encode(encoding: Encoding, name: &str, xml: &mut String) {
    match encoding {
        Encoding::Raw => escape(name, xml),
        // Leaves nothing that would have to be escaped.
        Encoding::Url => xml.extend(url_encode(name)),
    }
}

/// Keys may have any character: those that a parser would take for another one are references.
fn escape(text: &str, xml: &mut String) {
    let is_plain = |byte: u8| byte >= b' ' && !matches!(byte, b'<' | b'>' | b'&');
    if text.bytes().all(is_plain) {
        return xml.push_str(text);
    }
    for c in text.chars() {
        match c {
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '&' => xml.push_str("&amp;"),
            c if u8::try_from(c).is_ok_and(needs_reference) => {
                let _ = write!(xml, "&#x{:x};", u32::from(c));
            }
            c => xml.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::checksum::{ChecksumAlgorithm, ChecksumKind};
    use pocket_api::names::ObjectKey;
    use pocket_api::object::ETag;
    use pocket_api::storage_class::StorageClass;
    use proptest::prelude::*;
    use roxmltree::{Document as Xml, Node};

    fn object(key: &str, at: u64) -> ListItem {
        ListItem::Object(ListedObject {
            key: ObjectKey::parse(key).unwrap(),
            size: 7,
            etag: ETag { digest: [0xab; 16], parts: 2 },
            last_modified: Timestamp(at),
            checksum: None,
            storage_class: None,
        })
    }

    fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
        node.children().find(|child| child.has_tag_name(name)).map(|child| child.text().unwrap_or(""))
    }

    #[test]
    fn every_element_of_s3_is_there_in_its_order() {
        let ListItem::Object(plain) = object("a&b", 1_700_000_000_007) else { unreachable!() };
        let checksum = Some((ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject));
        let full = ListedObject { checksum, storage_class: Some(StorageClass::StandardIa), ..plain.clone() };
        let items = [ListItem::Object(plain), ListItem::Prefix("p<".into()), ListItem::Object(full)];
        let tag = "&quot;abababababababababababababababab-2&quot;";
        let ListItems(xml) = write(&items, Shown::Objects, Encoding::Raw, None);
        let expected = format!(
            "<Contents><Key>a&amp;b</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag>\
             <Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>\
             <Contents><Key>a&amp;b</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag>\
             <ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Size>7</Size><StorageClass>STANDARD_IA</StorageClass></Contents>\
             <CommonPrefixes><Prefix>p&lt;</Prefix></CommonPrefixes>"
        );
        assert_eq!(xml, expected);

        let owner = TenantName::parse("me").unwrap();
        let ListItems(xml) = write(&items[..1], Shown::Versions, Encoding::Url, Some(&owner));
        let expected = format!(
            "<Version><Key>a%26b</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>\
             <LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag><Size>7</Size>\
             <Owner><DisplayName>me</DisplayName><ID>me</ID></Owner><StorageClass>STANDARD</StorageClass></Version>"
        );
        assert_eq!(xml, expected);
    }

    proptest! {
        /// XML cannot carry other control characters, not even as references; clients that have such keys ask for
        /// `encoding-type=url`.
        #[test]
        fn keys_and_times_read_back(
            keys in proptest::collection::vec(("[\t\r\n -\u{7e}\u{a0}-\u{2fff}]{1,20}", 0_u64..4_000_000_000_000), 0..20),
            url in any::<bool>(),
        ) {
            let encoding = if url { Encoding::Url } else { Encoding::Raw };
            let items: Vec<ListItem> = keys.iter().map(|(key, at)| object(key, *at)).collect();
            let ListItems(xml) = write(&items, Shown::Objects, encoding, None);
            let xml = format!("<L>{xml}</L>");
            let read = Xml::parse(&xml).unwrap();
            let read: Vec<_> = read.root_element().children().collect();
            prop_assert_eq!(read.len(), keys.len());
            for (node, (key, at)) in read.into_iter().zip(keys) {
                let shown = text(node, "Key").unwrap();
                let shown = if url { percent_encoding::percent_decode_str(shown).decode_utf8().unwrap() } else { shown.into() };
                prop_assert_eq!(shown, key);
                let s3s = headers::timestamp(Timestamp(at));
                let mut expected = Vec::new();
                s3s.format(s3s::dto::TimestampFormat::DateTime, &mut expected).unwrap();
                prop_assert_eq!(text(node, "LastModified").unwrap().as_bytes(), expected);
            }
        }
    }

    #[test]
    fn control_characters_are_references() {
        let ListItems(xml) = write(&[object("a\r\u{1}b", 0)], Shown::Objects, Encoding::Raw, None);
        assert!(xml.contains("<Key>a&#xd;&#x1;b</Key>"), "{xml}");
    }
}
