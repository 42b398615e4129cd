//! XML documents before s3s's types are read out of them. s3s passes over elements that it does not know and over text that stands where
//! none belongs, leaves CDATA out (`<Key>a<![CDATA[b]]></Key>` would delete `a`), takes raw line ends as they are and no
//! character reference beyond U+FFFF. So what nobody would act on is refused here, against a table of S3's documents,
//! and what s3s would read wrong is written in the form that it reads right. Pure.

use crate::errors::MALFORMED_XML;
use bytes::Bytes;
use pocket_access::refusal::{ErrorCode, Refusal};
use quick_xml::Reader;
use quick_xml::escape::{partial_escape, resolve_xml_entity};
use quick_xml::events::{BytesDecl, BytesRef, Event};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Most elements of a document. A Complete of 10,000 parts with all that may be said of each has 80,001.
const ELEMENTS_MAX: usize = 100_000;

/// The name of an element, and the elements that may stand within it; without any it holds text.
struct Element(&'static str, &'static [Element]);

const TEXT: &[Element] = &[];
const TAG: Element = Element("Tag", &[Element("Key", TEXT), Element("Value", TEXT)]);
const PREFIX: Element = Element("Prefix", TEXT);
const SIZE_GREATER: Element = Element("ObjectSizeGreaterThan", TEXT);
const SIZE_LESS: Element = Element("ObjectSizeLessThan", TEXT);
const NEWER_VERSIONS: Element = Element("NewerNoncurrentVersions", TEXT);
const ID: Element = Element("ID", TEXT);
const DISPLAY_NAME: Element = Element("DisplayName", TEXT);

/// The documents that clients send, by the name of the root. All that S3 knows stands here: what of it an operation does
/// not act on, the operation refuses by name.
static DOCUMENTS: [Element; 9] = [
    Element(
        "AccessControlPolicy",
        &[
            Element("Owner", &[ID, DISPLAY_NAME]),
            Element(
                "AccessControlList",
                &[Element(
                    "Grant",
                    &[
                        Element(
                            "Grantee",
                            &[ID, DISPLAY_NAME, Element("EmailAddress", TEXT), Element("URI", TEXT)],
                        ),
                        Element("Permission", TEXT),
                    ],
                )],
            ),
        ],
    ),
    Element(
        "CORSConfiguration",
        &[Element(
            "CORSRule",
            &[
                Element("AllowedHeader", TEXT),
                Element("AllowedMethod", TEXT),
                Element("AllowedOrigin", TEXT),
                Element("ExposeHeader", TEXT),
                ID,
                Element("MaxAgeSeconds", TEXT),
            ],
        )],
    ),
    Element(
        "CompleteMultipartUpload",
        &[Element(
            "Part",
            &[
                Element("ETag", TEXT),
                Element("PartNumber", TEXT),
                Element("ChecksumCRC32", TEXT),
                Element("ChecksumCRC32C", TEXT),
                Element("ChecksumCRC64NVME", TEXT),
                Element("ChecksumSHA1", TEXT),
                Element("ChecksumSHA256", TEXT),
            ],
        )],
    ),
    Element(
        "CreateBucketConfiguration",
        &[
            Element("LocationConstraint", TEXT),
            Element("Location", &[Element("Name", TEXT), Element("Type", TEXT)]),
            Element("Bucket", &[Element("DataRedundancy", TEXT), Element("Type", TEXT)]),
            Element("Tags", &[TAG]),
        ],
    ),
    Element(
        "Delete",
        &[
            Element(
                "Object",
                &[
                    Element("Key", TEXT),
                    Element("VersionId", TEXT),
                    Element("ETag", TEXT),
                    Element("LastModifiedTime", TEXT),
                    Element("Size", TEXT),
                ],
            ),
            Element("Quiet", TEXT),
        ],
    ),
    Element(
        "LifecycleConfiguration",
        &[Element(
            "Rule",
            &[
                ID,
                PREFIX,
                Element("Status", TEXT),
                Element(
                    "Filter",
                    &[
                        PREFIX,
                        TAG,
                        SIZE_GREATER,
                        SIZE_LESS,
                        Element("And", &[PREFIX, TAG, SIZE_GREATER, SIZE_LESS]),
                    ],
                ),
                Element(
                    "Expiration",
                    &[
                        Element("Date", TEXT),
                        Element("Days", TEXT),
                        Element("ExpiredObjectDeleteMarker", TEXT),
                    ],
                ),
                Element(
                    "Transition",
                    &[Element("Date", TEXT), Element("Days", TEXT), Element("StorageClass", TEXT)],
                ),
                Element("NoncurrentVersionExpiration", &[Element("NoncurrentDays", TEXT), NEWER_VERSIONS]),
                Element(
                    "NoncurrentVersionTransition",
                    &[Element("NoncurrentDays", TEXT), Element("StorageClass", TEXT), NEWER_VERSIONS],
                ),
                Element("AbortIncompleteMultipartUpload", &[Element("DaysAfterInitiation", TEXT)]),
            ],
        )],
    ),
    Element("OwnershipControls", &[Element("Rule", &[Element("ObjectOwnership", TEXT)])]),
    Element(
        "PublicAccessBlockConfiguration",
        &[
            Element("BlockPublicAcls", TEXT),
            Element("BlockPublicPolicy", TEXT),
            Element("IgnorePublicAcls", TEXT),
            Element("RestrictPublicBuckets", TEXT),
        ],
    ),
    Element("Tagging", &[Element("TagSet", &[TAG])]),
];

/// Where in a document the reader stands.
#[derive(Default)]
struct Place {
    /// The elements around it, the root first; no deeper than [`DOCUMENTS`] goes.
    open: SmallVec<[&'static Element; 8]>,
    elements: usize,
}

impl Place {
    fn enter(&mut self, name: &str) -> Result<(), Refusal> {
        let here: &'static [Element] = match self.open.last() {
            Some(parent) => parent.1,
            None if self.elements == 0 => &DOCUMENTS,
            None => &[],
        };
        let found = here.iter().find(|element| element.0 == name).ok_or_else(malformed)?;
        self.elements += 1;
        if self.elements > ELEMENTS_MAX {
            return Err(malformed());
        }
        self.open.push(found);
        Ok(())
    }

    fn leave(&mut self) {
        self.open.pop();
    }

    fn holds_text(&self) -> bool {
        self.open.last().is_some_and(|element| element.1.is_empty())
    }
}

/// The document as s3s reads it. Copies only where something has to be written anew.
pub(crate) fn checked(document: Bytes) -> Result<Bytes, Refusal> {
    // Whether there has to be a document is the operation's to say.
    if document.is_empty() {
        return Ok(document);
    }
    let mut reader = Reader::from_str(std::str::from_utf8(&document).map_err(|_| malformed())?);
    let mut place = Place::default();
    let (mut rewritten, mut copied) = (Vec::new(), 0);
    loop {
        let from = reader.buffer_position() as usize;
        let anew = match reader.read_event().map_err(|_| malformed())? {
            Event::Start(element) => {
                place.enter(element.name().as_ref())?;
                None
            }
            Event::Empty(element) => {
                place.enter(element.name().as_ref())?;
                place.leave();
                None
            }
            // The reader has seen that it matches its start.
            Event::End(_) => {
                place.leave();
                None
            }
            Event::Text(text) if place.holds_text() => match text.xml10_content() {
                Cow::Borrowed(_) => None,
                Cow::Owned(other_line_ends) => Some(Cow::Owned(other_line_ends)),
            },
            Event::Text(text) if is_space(&text) => None,
            Event::CData(text) if place.holds_text() => Some(Cow::Owned(text.xml10_content().into_owned())),
            Event::GeneralRef(entity) if place.holds_text() => {
                Some(resolved(&entity)?).filter(|_| entity.is_char_ref())
            }
            Event::Decl(declaration) if is_utf8(&declaration) || document.is_ascii() => None,
            Event::Comment(_) | Event::PI(_) => None,
            Event::Eof if place.open.is_empty() && place.elements > 0 => break,
            // Among them a DOCTYPE, which could say what names of entities mean.
            _ => return Err(malformed()),
        };
        if let Some(text) = anew {
            rewritten.extend_from_slice(&document[copied..from]);
            rewritten.extend_from_slice(partial_escape(text).as_bytes());
            copied = reader.buffer_position() as usize;
        }
    }
    if copied == 0 {
        return Ok(document);
    }
    rewritten.extend_from_slice(&document[copied..]);
    Ok(rewritten.into())
}

fn is_space(text: &str) -> bool {
    text.bytes().all(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
}

fn is_utf8(declaration: &BytesDecl<'_>) -> bool {
    match declaration.encoding() {
        None => true,
        Some(encoding) => encoding.is_ok_and(|name| name.eq_ignore_ascii_case("utf-8")),
    }
}

/// The text that a reference stands for.
pub(crate) fn resolved(entity: &BytesRef<'_>) -> Result<Cow<'static, str>, Refusal> {
    match entity.resolve_char_ref().map_err(|_| malformed())? {
        Some(character) => Ok(character.to_string().into()),
        None => resolve_xml_entity(entity).map(Cow::Borrowed).ok_or_else(malformed),
    }
}

/// S3's error for every document that it does not take.
pub(crate) fn malformed() -> Refusal {
    Refusal::new(ErrorCode::MalformedXML, MALFORMED_XML)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<String, ErrorCode> {
        let checked = checked(Bytes::copy_from_slice(text.as_bytes()));
        checked.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).map_err(|refusal| refusal.code)
    }

    #[test]
    fn documents_that_s3s_reads_right_pass_as_they_are() {
        for text in [
            "",
            "<Delete/>",
            "<?xml version=\"1.0\" encoding='Utf-8'?>\r\n<Delete xmlns=\"x\"><!-- c -->\n\t<Object><Key>a&amp;b\u{fc}</Key>\
             </Object><Quiet/></Delete>\n",
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><Delete/>",
            "<Tagging><TagSet><Tag><Key>k</Key><Value/></Tag><Tag></Tag></TagSet></Tagging>",
            "<LifecycleConfiguration><Rule><Filter><And><Prefix>p</Prefix><Tag><Key>k</Key></Tag></And></Filter>\
             <Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>",
            "<AccessControlPolicy xmlns:xsi=\"y\"><AccessControlList><Grant><Grantee xsi:type=\"Group\"><URI>u</URI>\
             </Grantee><Permission>READ</Permission></Grant></AccessControlList></AccessControlPolicy>",
        ] {
            assert_eq!(check(text).as_deref(), Ok(text));
        }
    }

    #[test]
    fn text_that_s3s_would_drop_or_refuse_is_written_anew() {
        for (text, expected) in [
            ("a<![CDATA[<b>&]]>c", "a&lt;b&gt;&amp;c"),
            ("&#128512;&#x1F600;", "\u{1f600}\u{1f600}"),
            ("&#60;&#x26;&#13;&amp;", "&lt;&amp;&#13;&amp;"),
            ("<![CDATA[]]>", ""),
            ("a\r\nb\rc<![CDATA[\r]]>&#13;", "a\nb\nc\n&#13;"),
        ] {
            let document = |text| format!("<Delete><Object><Key>{text}</Key></Object></Delete>");
            assert_eq!(check(&document(text)), Ok(document(expected)));
            assert_eq!(check(&document(expected)), Ok(document(expected)));
        }
    }

    #[test]
    fn what_nobody_would_act_on_is_refused() {
        for text in [
            " ",
            "k",
            "<!-- nothing -->",
            "<Other/>",
            "<Delete/><Delete/>",
            "<Delete>k</Delete>",
            "<Delete/>k",
            "<Delete><![CDATA[ ]]></Delete>",
            "<Delete><Objects/></Delete>",
            "<Delete><Key>k</Key></Delete>",
            "<Delete><Object><Key>k</Key><Colour/></Object></Delete>",
            "<Delete><Object><Key>k<Key/></Key></Object></Delete>",
            "<Delete><x:Object xmlns:x=\"y\"><Key>k</Key></x:Object></Delete>",
            "<Tagging><TagSet><Colour/></TagSet></Tagging>",
            "<!DOCTYPE d [<!ENTITY e \"k\">]><Delete><Object><Key>&e;</Key></Object></Delete>",
            "<Delete><Object><Key>&e;</Key></Object></Delete>",
            "<Delete><Object><Key>&#xd800;</Key></Object></Delete>",
            "<Delete><Object><Key>&#99999999999;</Key></Object></Delete>",
            "<Delete><Object></Delete>",
            "<Delete>",
            "<?xml version=\"1.0\" encoding=\"iso-8859-1\"?><Delete><Object><Key>\u{fc}</Key></Object></Delete>",
        ] {
            assert_eq!(check(text), Err(ErrorCode::MalformedXML), "{text}");
        }
        assert!(checked(Bytes::from_static(b"\xff")).is_err());
    }

    #[test]
    fn the_number_of_elements_is_bounded() {
        let parts = |n| format!("<CompleteMultipartUpload>{}</CompleteMultipartUpload>", "<Part/>".repeat(n));
        assert!(check(&parts(ELEMENTS_MAX - 1)).is_ok());
        assert_eq!(check(&parts(ELEMENTS_MAX)), Err(ErrorCode::MalformedXML));
    }
}
