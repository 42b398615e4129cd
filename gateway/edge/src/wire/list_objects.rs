//! Lists of objects: what is asked of them, out of the query, and their documents, which are written here whole because a page has a
//! thousand items.

use super::{Head, Wire};
use crate::answer::{Body, xml_answer};
use crate::calls::{ListObjects, ListedAs, ListedObjects};
use crate::listing::{self, Encoding, read_token, start_after, url_encode};
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use crate::query::Query;
use crate::versions::{NULL_VERSION, check_version};
use crate::xml;
use http::Response;
use pocket_access::refusal::{Refusal, shortened};
use pocket_api::clock::Timestamp;
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{ListItem, ListStart, ListedObject};
use pocket_api::names::{BucketName, TenantName};
use std::fmt::Write;

/// Room for an item: its tags, a key of some length, and what else is shown.
const ITEM_BYTES: usize = 320;
/// Room for what stands before the items.
const HEAD_BYTES: usize = 640;

/// The three forms of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    V1,
    V2,
    Versions,
}

/// How a list is shown: what its document repeats of the request.
pub(crate) struct ListShown {
    bucket: BucketName,
    form: Form,
    encoding: Encoding,
    prefix: String,
    delimiter: Option<String>,
    max: usize,
    /// `marker`, `continuation-token` or `key-marker`.
    from: Option<String>,
    /// `start-after` or `version-id-marker`.
    behind: Option<String>,
    with_owner: bool,
}

impl Wire for ListObjects {
    type Shown = ListShown;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ListShown), Refusal> {
        read(head.operation, head.bucket()?, head.query)
    }

    fn write(listed: ListedObjects, shown: ListShown) -> Response<Body> {
        shown.write(&listed)
    }

    fn counted(shown: &ListShown) -> Counted {
        match shown.form {
            Form::V1 => Counted::ListObjects,
            Form::V2 => Counted::ListObjectsV2,
            Form::Versions => Counted::ListObjectVersions,
        }
    }
}

/// Reads the query of a list.
fn read(
    operation: Operation,
    bucket: BucketName,
    query: &Query<'_>,
) -> Result<(ListObjects, ListShown), Refusal> {
    let form = match operation {
        Operation::ListObjectVersions => Form::Versions,
        // Any other number is the first version, as S3 has it.
        _ if query.get("list-type") == Some("2") => Form::V2,
        _ => Form::V1,
    };
    let owned = |name: &str| query.get(name).map(str::to_owned);
    let some = |name: &str| query.get(name).filter(|value| !value.is_empty()).map(str::to_owned);
    let encoding = Encoding::parse(query.get("encoding-type"))?;
    let max = max_keys(query)?;
    let prefix = owned("prefix").unwrap_or_default();
    let delimiter = some("delimiter");
    let (from, behind, start) = match form {
        Form::V1 => {
            let marker = some("marker");
            let start = start_after(marker.clone(), &prefix, delimiter.as_deref());
            (marker, None, start)
        }
        Form::V2 => {
            let (token, after) = (some("continuation-token"), owned("start-after"));
            let start = match (&token, &after) {
                (Some(token), _) => read_token(token)?,
                (None, Some(after)) if !after.is_empty() => ListStart::After(after.clone()),
                (None, _) => ListStart::Beginning,
            };
            (token, after, start)
        }
        Form::Versions => {
            let (marker, version) = (some("key-marker"), owned("version-id-marker"));
            if let Some(version) = &version {
                if marker.is_none() {
                    let text = "A version-id marker cannot be specified without a key marker.";
                    return Err(Refusal::invalid("version-id-marker", version, text));
                }
                check_version(version)?;
            }
            // With or without a version, the list goes on behind the key: it has no second version.
            let start = start_after(marker.clone(), &prefix, delimiter.as_deref());
            (marker, version, start)
        }
    };
    let with_owner = match form {
        Form::V1 | Form::Versions => true,
        Form::V2 => flag(query, "fetch-owner")?,
    };
    let listed_as = if form == Form::Versions { ListedAs::Versions } else { ListedAs::Objects };
    let list = ListObjects {
        bucket: bucket.clone(),
        prefix: prefix.clone(),
        delimiter: delimiter.clone(),
        start,
        max,
        listed_as,
    };
    Ok((list, ListShown { bucket, form, encoding, prefix, delimiter, max, from, behind, with_owner }))
}

/// How many items a request asks for: S3 answers at most 1,000 whatever was asked.
fn max_keys(query: &Query<'_>) -> Result<usize, Refusal> {
    let Some(text) = query.get("max-keys").filter(|text| !text.is_empty()) else {
        return Ok(LIST_MAX_KEYS as usize);
    };
    match text.parse::<i32>() {
        Ok(asked) => listing::max_items(Some(asked), "maxKeys"),
        Err(_) => {
            let why =
                format!("Provided max-keys not an integer or within integer range: {:?}", shortened(text));
            Err(Refusal::invalid("max-keys", text, why))
        }
    }
}

fn flag(query: &Query<'_>, name: &str) -> Result<bool, Refusal> {
    match query.get(name) {
        None | Some("" | "false" | "False") => Ok(false),
        Some("true" | "True") => Ok(true),
        Some(other) => {
            let why = format!("{name} must be true or false: {:?}", shortened(other));
            Err(Refusal::invalid(name, other, why))
        }
    }
}

impl ListShown {
    /// The document of a page.
    fn write(&self, listed: &ListedObjects) -> Response<Body> {
        let page = &listed.page;
        let root = if self.form == Form::Versions { "ListVersionsResult" } else { "ListBucketResult" };
        let mut document = ListDocument {
            xml: String::with_capacity(HEAD_BYTES + page.items.len() * ITEM_BYTES),
            encoding: self.encoding,
            owner: if self.with_owner { owner(&listed.owner) } else { String::new() },
            second: (0, String::new()),
        };
        document.xml.push_str(xml::DECLARATION);
        // Writing to a string cannot fail.
        let _ = write!(document.xml, "<{root} xmlns=\"{}\">", xml::NAMESPACE);
        document.text("Name", self.bucket.as_str());
        document.name("Prefix", &self.prefix);
        let (from, behind) = (self.from.as_deref(), self.behind.as_deref());
        match self.form {
            Form::V1 => document.name("Marker", from.unwrap_or("")),
            Form::V2 => {
                document.number("KeyCount", page.items.len());
                from.into_iter().for_each(|token| document.text("ContinuationToken", token));
                behind.into_iter().for_each(|after| document.name("StartAfter", after));
            }
            Form::Versions => {
                document.name("KeyMarker", from.unwrap_or(""));
                document.text("VersionIdMarker", behind.unwrap_or(""));
            }
        }
        if let Some(last) = page.items.last().filter(|_| page.more) {
            match self.form {
                // S3 names it only where the client could not know it: the last item may be a prefix.
                Form::V1 if self.delimiter.is_some() => document.name("NextMarker", last.name()),
                Form::V1 => {}
                Form::V2 => document.text("NextContinuationToken", &listing::token(last)),
                Form::Versions => {
                    document.name("NextKeyMarker", last.name());
                    if let ListItem::Object(_) = last {
                        document.text("NextVersionIdMarker", NULL_VERSION);
                    }
                }
            }
        }
        document.number("MaxKeys", self.max);
        if let Some(delimiter) = &self.delimiter {
            document.name("Delimiter", delimiter);
        }
        if self.encoding == Encoding::Url {
            document.text("EncodingType", "url");
        }
        document.text("IsTruncated", if page.more { "true" } else { "false" });
        document.items(&page.items, self.form);
        let _ = write!(document.xml, "</{root}>");
        xml_answer(document.xml)
    }
}

struct ListDocument {
    xml: String,
    encoding: Encoding,
    /// The element, or nothing.
    owner: String,
    /// The second of the last time written, and its text: objects of a page are often of the same.
    second: (u64, String),
}

impl ListDocument {
    fn text(&mut self, element: &str, text: &str) {
        let _ = write!(self.xml, "<{element}>");
        xml::escape_all(text, &mut self.xml);
        let _ = write!(self.xml, "</{element}>");
    }

    /// A name as the client asked for it.
    fn name(&mut self, element: &str, name: &str) {
        let _ = write!(self.xml, "<{element}>");
        self.encoded(name);
        let _ = write!(self.xml, "</{element}>");
    }

    fn number(&mut self, element: &str, number: usize) {
        let _ = write!(self.xml, "<{element}>{number}</{element}>");
    }

    fn encoded(&mut self, name: &str) {
        match self.encoding {
            Encoding::Raw => xml::escape_all(name, &mut self.xml),
            // Leaves nothing that would have to be escaped.
            Encoding::Url => self.xml.extend(url_encode(name)),
        }
    }

    /// Objects first, then common prefixes, as in S3.
    fn items(&mut self, items: &[ListItem], form: Form) {
        for item in items {
            if let ListItem::Object(object) = item {
                self.object(object, form);
            }
        }
        for item in items {
            if let ListItem::Prefix(prefix) = item {
                self.xml.push_str("<CommonPrefixes><Prefix>");
                self.encoded(prefix);
                self.xml.push_str("</Prefix></CommonPrefixes>");
            }
        }
    }

    fn object(&mut self, object: &ListedObject, form: Form) {
        let (start, end) = match form {
            Form::V1 | Form::V2 => ("<Contents><Key>", "</StorageClass></Contents>"),
            Form::Versions => ("<Version><Key>", "</StorageClass></Version>"),
        };
        self.xml.push_str(start);
        self.encoded(object.key.as_str());
        self.xml.push_str("</Key>");
        if form == Form::Versions {
            let _ = write!(self.xml, "<VersionId>{NULL_VERSION}</VersionId><IsLatest>true</IsLatest>");
        }
        self.xml.push_str("<LastModified>");
        self.time(object.last_modified);
        self.xml.push_str("</LastModified><ETag>&quot;");
        self.xml.push_str(std::str::from_utf8(&object.etag.digits()).unwrap_or(""));
        if object.etag.parts > 0 {
            let _ = write!(self.xml, "-{}", object.etag.parts);
        }
        self.xml.push_str("&quot;</ETag>");
        if let Some((algorithm, kind)) = object.checksum {
            let (algorithm, kind) = (algorithm.as_str(), crate::checksums::show_kind(kind));
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

    fn time(&mut self, at: Timestamp) {
        let second = at.0 / 1_000;
        if self.second.1.is_empty() || self.second.0 != second {
            self.second = (second, xml::time(at));
        }
        self.xml.push_str(&self.second.1);
    }
}

fn owner(tenant: &TenantName) -> String {
    format!("<Owner><DisplayName>{tenant}</DisplayName><ID>{tenant}</ID></Owner>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing::Page;
    use pocket_api::checksum::{ChecksumAlgorithm, ChecksumKind};
    use pocket_api::names::ObjectKey;
    use pocket_api::object::ETag;
    use pocket_api::storage_class::StorageClass;
    use proptest::prelude::*;
    use roxmltree::{Document as Xml, Node};
    use time::OffsetDateTime;

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

    fn written(operation: Operation, query: &str, items: Vec<ListItem>, more: bool) -> String {
        let (_, shown) =
            read(operation, BucketName::parse("abc").unwrap(), &Query::parse(query).unwrap()).unwrap();
        let page = Page { items, more };
        let listed = ListedObjects { page, owner: TenantName::parse("me").unwrap() };
        let response = shown.write(&listed);
        String::from_utf8(response.body().bytes().unwrap().to_vec()).unwrap()
    }

    fn text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
        let namespace = xml::NAMESPACE;
        node.children()
            .find(|child| child.has_tag_name((namespace, name)))
            .map(|child| child.text().unwrap_or(""))
    }

    #[test]
    fn every_element_of_s3_is_there_in_its_order() {
        let ListItem::Object(plain) = object("a&b", 1_700_000_000_007) else { unreachable!() };
        let checksum = Some((ChecksumAlgorithm::Crc32c, ChecksumKind::FullObject));
        let full = ListedObject { checksum, storage_class: Some(StorageClass::StandardIa), ..plain.clone() };
        let items = vec![ListItem::Object(plain), ListItem::Prefix("p<".into()), ListItem::Object(full)];
        let tag = "&quot;abababababababababababababababab-2&quot;";
        let found = written(
            Operation::ListObjects,
            "list-type=2&prefix=%3C&delimiter=/&max-keys=3",
            items.clone(),
            true,
        );
        let expected = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Name>abc</Name><Prefix>&lt;</Prefix><KeyCount>3</KeyCount>\
             <NextContinuationToken>k612662</NextContinuationToken><MaxKeys>3</MaxKeys><Delimiter>/</Delimiter>\
             <IsTruncated>true</IsTruncated>\
             <Contents><Key>a&amp;b</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag>\
             <Size>7</Size><StorageClass>STANDARD</StorageClass></Contents>\
             <Contents><Key>a&amp;b</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag>\
             <ChecksumAlgorithm>CRC32C</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>\
             <Size>7</Size><StorageClass>STANDARD_IA</StorageClass></Contents>\
             <CommonPrefixes><Prefix>p&lt;</Prefix></CommonPrefixes></ListBucketResult>"
        );
        assert_eq!(found, expected);

        let found =
            written(Operation::ListObjectVersions, "versions&encoding-type=url", items[..1].to_vec(), true);
        let expected = format!(
            "<KeyMarker></KeyMarker><VersionIdMarker></VersionIdMarker><NextKeyMarker>a%26b</NextKeyMarker>\
             <NextVersionIdMarker>null</NextVersionIdMarker><MaxKeys>1000</MaxKeys><EncodingType>url</EncodingType>\
             <IsTruncated>true</IsTruncated>\
             <Version><Key>a%26b</Key><VersionId>null</VersionId><IsLatest>true</IsLatest>\
             <LastModified>2023-11-14T22:13:20.000Z</LastModified><ETag>{tag}</ETag><Size>7</Size>\
             <Owner><DisplayName>me</DisplayName><ID>me</ID></Owner><StorageClass>STANDARD</StorageClass></Version>"
        );
        assert!(found.contains(&expected), "{found}");
    }

    #[test]
    fn the_first_version_of_the_list_names_its_next_marker_where_there_is_a_delimiter() {
        let named = |query| {
            written(Operation::ListObjects, query, vec![object("a", 0)], true).contains("<NextMarker>a<")
        };
        assert!(named("delimiter=/"));
        assert!(!named("list-type=1"));
    }

    #[test]
    fn queries_of_lists_that_make_no_sense_are_refused() {
        // A number that is out of range goes by S3's own name of it.
        for (operation, query, name, value) in [
            (Operation::ListObjects, "max-keys=-1", "maxKeys", "-1"),
            (Operation::ListObjectVersions, "max-keys=-1", "maxKeys", "-1"),
            (Operation::ListObjects, "max-keys=x", "max-keys", "x"),
            (Operation::ListObjects, "encoding-type=gzip", "encoding-type", "gzip"),
            (Operation::ListObjects, "list-type=2&fetch-owner=maybe", "fetch-owner", "maybe"),
            (Operation::ListObjects, "list-type=2&continuation-token=x", "continuation-token", "x"),
            (Operation::ListObjectVersions, "version-id-marker=null", "version-id-marker", "null"),
            (Operation::ListObjectVersions, "key-marker=a&version-id-marker=", "versionId", ""),
        ] {
            let refusal = read(operation, BucketName::parse("abc").unwrap(), &Query::parse(query).unwrap())
                .err()
                .unwrap();
            assert_eq!(refusal.code, pocket_access::refusal::ErrorCode::InvalidArgument, "{query}");
            let named = [("ArgumentName", name.to_owned()), ("ArgumentValue", value.to_owned())];
            assert_eq!(refusal.elements(), named, "{query}");
            let says_so =
                refusal.message.contains("Argument maxKeys must be an integer between 0 and 2147483647");
            assert_eq!(says_so, name == "maxKeys", "{query}");
        }
    }

    proptest! {
        /// XML cannot carry other control characters, not even as references; clients that have such keys ask for
        /// `encoding-type=url`.
        #[test]
        fn keys_and_times_read_back(
            keys in proptest::collection::vec(("[\t\r\n -\u{7e}\u{a0}-\u{2fff}]{1,20}", 0_u64..4_000_000_000_000), 0..20),
            url in any::<bool>(),
        ) {
            let query = if url { "encoding-type=url" } else { "" };
            let items: Vec<ListItem> = keys.iter().map(|(key, at)| object(key, *at)).collect();
            let found = written(Operation::ListObjects, query, items, false);
            let read = Xml::parse(&found).unwrap();
            let read: Vec<_> =
                read.root_element().children().filter(|n| n.has_tag_name((xml::NAMESPACE, "Contents"))).collect();
            prop_assert_eq!(read.len(), keys.len());
            for (node, (key, at)) in read.into_iter().zip(keys) {
                let shown = text(node, "Key").unwrap();
                let shown = if url { percent_encoding::percent_decode_str(shown).decode_utf8().unwrap() } else { shown.into() };
                prop_assert_eq!(shown, key);
                let format = time::format_description::well_known::Rfc3339;
                let time = OffsetDateTime::parse(text(node, "LastModified").unwrap(), &format).unwrap();
                prop_assert_eq!(time.unix_timestamp() as u64, at / 1_000);
            }
        }
    }

    #[test]
    fn control_characters_are_references() {
        let found = written(Operation::ListObjects, "", vec![object("a\r\u{1}b", 0)], false);
        assert!(found.contains("<Key>a&#xd;&#x1;b</Key>"), "{found}");
    }
}
