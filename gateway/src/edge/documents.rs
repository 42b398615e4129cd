//! Documents of the operations that are not hot, between XML and s3s's types of them. What comes in was held against S3's documents
//! before (`document.rs`).

use super::answer::{Body, xml_answer};
use super::xml;
use crate::errors::{malformed_xml, s3};
use crate::refusal::{ErrorCode, Refusal};
use http::Response;
use s3s::xml::{Deserialize, Deserializer, SerializeContent, Serializer};

/// Reads a document of a request that has to have one.
pub(crate) fn parsed<'xml, T: Deserialize<'xml>>(document: &'xml [u8]) -> Result<T, Refusal> {
    if document.is_empty() {
        return Err(s3(ErrorCode::MissingRequestBodyError, "Request body is empty"));
    }
    let mut xml = Deserializer::new(document);
    let parsed = T::deserialize(&mut xml).and_then(|parsed| xml.expect_eof().map(|()| parsed));
    parsed.map_err(|_| malformed_xml())
}

/// The answer whose document has `root` around `content`.
pub(crate) fn write(root: &'static str, content: &impl SerializeContent) -> Response<Body> {
    let mut document = xml::DECLARATION.as_bytes().to_vec();
    let written = Serializer::new(&mut document).content_with_ns(root, xml::NAMESPACE, content);
    match (written, String::from_utf8(document)) {
        (Ok(()), Ok(document)) => xml_answer(document),
        // Writing to memory does not fail.
        (error, _) => {
            tracing::error!(?error, root, "a document could not be written");
            xml_answer(String::new())
        }
    }
}
