//! DeleteObjects: the list out of its document, and what came of each object. The answer is written by hand, because keys may have
//! any character.

use super::{Head, Wire};
use crate::answer::{Body, xml_answer};
use crate::calls::{DeleteList, DeleteObjects, DeletedObjects, NamedObject, ObjectToDelete};
use crate::documents::parsed;
use crate::errors::{not_implemented, s3};
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use crate::xml;
use bytes::Bytes;
use http::Response;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::conditions::ETagMatch;
use pocket_api::limits::LIST_MAX_KEYS;
use s3s::dto::{Delete, ObjectIdentifier};
use std::fmt::Write;

/// Room for an object in the answer: its tags and a key of some length.
const OBJECT_BYTES: usize = 120;

impl Wire for DeleteObjects {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, ()), Refusal> {
        Ok((Self { bucket: head.bucket()?, list: body.document(Operation::DeleteObjects, list) }, ()))
    }

    fn write(done: DeletedObjects, (): ()) -> Response<Body> {
        let mut document = String::with_capacity(OBJECT_BYTES * (2 + done.deleted.len() + done.failed.len()));
        document.push_str(xml::DECLARATION);
        // Writing to a string cannot fail.
        let _ = write!(document, "<DeleteResult xmlns=\"{}\">", xml::NAMESPACE);
        for object in &done.deleted {
            document.push_str("<Deleted>");
            xml::element("Key", &object.key, &mut document);
            version(object, &mut document);
            document.push_str("</Deleted>");
        }
        for (object, refusal) in &done.failed {
            document.push_str("<Error>");
            xml::element("Code", refusal.code.as_str(), &mut document);
            xml::element("Key", &object.key, &mut document);
            document.push_str("<Message>");
            xml::escape(&refusal.message, &mut document);
            document.push_str("</Message>");
            version(object, &mut document);
            document.push_str("</Error>");
        }
        document.push_str("</DeleteResult>");
        xml_answer(document)
    }

    fn counted((): &()) -> Counted {
        Counted::DeleteObjects
    }
}

fn version(object: &NamedObject, document: &mut String) {
    if let Some(version) = &object.version {
        xml::element("VersionId", version, document);
    }
}

fn list(document: Bytes) -> Result<DeleteList, Refusal> {
    let Delete { objects, quiet } = parsed(&document)?;
    if objects.is_empty() || objects.len() > LIST_MAX_KEYS as usize {
        let text = format!("a request deletes 1 to {LIST_MAX_KEYS} objects, not {}", objects.len());
        return Err(s3(ErrorCode::MalformedXML, text));
    }
    let objects = objects.into_iter().map(object).collect::<Result<_, Refusal>>()?;
    Ok(DeleteList { objects, quiet: quiet.unwrap_or(false) })
}

fn object(read: ObjectIdentifier) -> Result<ObjectToDelete, Refusal> {
    if read.last_modified_time.is_some() || read.size.is_some() {
        return Err(not_implemented("conditions on an object's time or size are not implemented"));
    }
    let if_match = read.e_tag.map(|tag| ETagMatch::parse(tag.value()));
    Ok(ObjectToDelete { named: NamedObject { key: read.key, version: read.version_id }, if_match })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(objects: &str) -> Result<DeleteList, ErrorCode> {
        list(Bytes::from(format!("<Delete>{objects}</Delete>"))).map_err(|refusal| refusal.code)
    }

    fn named(key: &str, version: Option<&str>) -> NamedObject {
        NamedObject { key: key.into(), version: version.map(str::to_owned) }
    }

    #[test]
    fn a_list_names_1_to_1000_objects() {
        let some =
            read("<Object><Key>a</Key><VersionId>null</VersionId><ETag>x</ETag></Object><Quiet>true</Quiet>");
        let if_match = Some(ETagMatch::parse("x"));
        let objects = vec![ObjectToDelete { named: named("a", Some("null")), if_match }];
        assert_eq!(some, Ok(DeleteList { objects, quiet: true }));
        let many = |n| read(&"<Object><Key>a</Key></Object>".repeat(n));
        assert_eq!(many(1_000).map(|list| list.objects.len()), Ok(1_000));
        assert_eq!(many(1_001), Err(ErrorCode::MalformedXML));
        assert_eq!(many(0), Err(ErrorCode::MalformedXML));
        assert_eq!(read("<Object><Key>a</Key><Size>1</Size></Object>"), Err(ErrorCode::NotImplemented));
        assert_eq!(list(Bytes::new()).unwrap_err().code, ErrorCode::MissingRequestBodyError);
    }

    #[test]
    fn the_answer_repeats_names_as_they_came() {
        let failed = vec![(named("\r&", None), Refusal::new(ErrorCode::AccessDenied, "no"))];
        let done = DeletedObjects { deleted: vec![named("a\u{1}", Some("null"))], failed };
        let document = DeleteObjects::write(done, ()).body().bytes().unwrap();
        let text = std::str::from_utf8(&document).unwrap();
        let expected = "<Deleted><Key>a&#x1;</Key><VersionId>null</VersionId></Deleted><Error><Code>AccessDenied</Code>\
                        <Key>&#xd;&amp;</Key><Message>no</Message></Error></DeleteResult>";
        assert!(text.ends_with(expected), "{text}");
    }
}
