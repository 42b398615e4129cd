//! Documents of the operations that are not hot, between XML and the domain's types, by s3s's types of them: one file a document.
//! What comes in was held against S3's documents before (`document.rs`); what goes out is written whole.

pub(crate) mod acl;
pub(crate) mod cors;
pub(crate) mod lifecycle;
pub(crate) mod ownership_controls;
pub(crate) mod public_access_block;
pub(crate) mod tagging;

use super::answer::{Body, xml_answer};
use super::xml::{self, needs_reference};
use crate::errors::{malformed_xml, s3};
use http::Response;
use pocket_access::refusal::{ErrorCode, Refusal};
use s3s::xml::{Deserialize, Deserializer, SerializeContent, Serializer};

/// Reads a document that has to be there.
pub(crate) fn parsed<'xml, T: Deserialize<'xml>>(document: &'xml [u8]) -> Result<T, Refusal> {
    parsed_if_any(document)?.ok_or_else(|| s3(ErrorCode::MissingRequestBodyError, "Request body is empty"))
}

/// Reads a document; `None` where the request has none.
pub(crate) fn parsed_if_any<'xml, T: Deserialize<'xml>>(document: &'xml [u8]) -> Result<Option<T>, Refusal> {
    if document.is_empty() {
        return Ok(None);
    }
    let mut xml = Deserializer::new(document);
    let parsed = T::deserialize(&mut xml).and_then(|parsed| xml.expect_eof().map(|()| parsed));
    parsed.map(Some).map_err(|_| malformed_xml())
}

/// The answer whose document has `root` around `content`.
pub(crate) fn write(root: &'static str, content: &impl SerializeContent) -> Response<Body> {
    let mut document = xml::DECLARATION.as_bytes().to_vec();
    let written = Serializer::new(&mut document).content_with_ns(root, xml::NAMESPACE, content);
    match (written, String::from_utf8(document)) {
        (Ok(()), Ok(document)) => xml_answer(with_references(document)),
        // Writing to memory does not fail.
        (error, _) => {
            tracing::error!(?error, root, "a document could not be written");
            xml_answer(String::new())
        }
    }
}

/// The answer whose document has `root` around text that is XML already.
pub(crate) fn write_text(root: &'static str, inside: &str) -> Response<Body> {
    let (declaration, namespace) = (xml::DECLARATION, xml::NAMESPACE);
    xml_answer(format!("{declaration}<{root} xmlns=\"{namespace}\">{inside}</{root}>"))
}

/// Control characters become references, as S3 writes them. s3s leaves them raw: then a parser would read a carriage return as a
/// line feed.
fn with_references(document: String) -> String {
    if !document.bytes().any(needs_reference) {
        return document;
    }
    let mut written = String::with_capacity(document.len() + 64);
    for c in document.chars() {
        match u8::try_from(c).is_ok_and(needs_reference) {
            true => xml::reference(c, &mut written),
            false => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use s3s::dto;

    #[test]
    fn a_document_that_is_not_there_is_told_from_one_that_is_wrong() {
        let code = |document: &[u8]| parsed::<dto::Tagging>(document).unwrap_err().code;
        assert_eq!(code(b""), ErrorCode::MissingRequestBodyError);
        assert_eq!(code(b"<Tagging/>"), ErrorCode::MalformedXML);
        assert_eq!(code(b"<Tagging><TagSet/></Tagging><Tagging/>"), ErrorCode::MalformedXML);
        assert!(parsed_if_any::<dto::Tagging>(b"").unwrap().is_none());
        assert!(parsed::<dto::Tagging>(b"<Tagging><TagSet/></Tagging>").unwrap().tag_set.is_empty());
    }

    #[test]
    fn documents_are_written_so_that_they_read_back_the_same() {
        let tag = dto::Tag { key: Some("a\r\n<b>\u{1}".into()), value: Some("\u{fc}".into()) };
        let answer = write("Tagging", &dto::Tagging { tag_set: vec![tag] });
        assert_eq!(answer.headers()["content-type"], "application/xml");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                        <Tagging xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><TagSet><Tag><Key>a&#xd;\n&lt;b&gt;&#x1;</Key>\
                        <Value>\u{fc}</Value></Tag></TagSet></Tagging>";
        assert_eq!(answer.body().bytes().unwrap(), expected);
        let answer = write_text("Status", "<On>yes</On>");
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
                        <Status xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><On>yes</On></Status>";
        assert_eq!(answer.body().bytes().unwrap(), expected);
    }
}
