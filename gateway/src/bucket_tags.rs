//! The tags of a CreateBucket request. s3s's type for its body has no field for them and refuses what it does not know,
//! so the edge takes them out of the (small, complete, verified) body before s3s sees it.

use crate::context::Refusal;
use bytes::Bytes;
use quick_xml::Reader;
use quick_xml::events::Event;
use s3s::S3ErrorCode;

/// S3's bound on the tags of a bucket.
const TAGS_MAX: usize = 50;

/// Keys and values in the order of the body; travels in the request's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BucketTags(pub(crate) Vec<(String, String)>);

/// Splits a CreateBucketConfiguration into what s3s knows of it and its tags.
pub(crate) fn split_tags(body: &Bytes) -> Result<(Bytes, BucketTags), Refusal> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).map_err(|_| malformed())?);
    let mut path: Vec<String> = Vec::new();
    let mut cut = None;
    let mut tags = BucketTags::default();
    let (mut key, mut value) = (String::new(), String::new());
    loop {
        let before = reader.buffer_position() as usize;
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(element) => {
                path.push(element.local_name().as_ref().to_owned());
                match path.len() {
                    2 if is(&path, &["Tags"]) => cut = Some((before, before)),
                    3 if is(&path, &["Tags", "Tag"]) => (key, value) = Default::default(),
                    _ => {}
                }
            }
            Event::End(_) => {
                let is_tags = is(&path, &["Tags"]);
                if is(&path, &["Tags", "Tag"]) {
                    tags.0.push((std::mem::take(&mut key), std::mem::take(&mut value)));
                }
                path.pop();
                if is_tags && let Some((from, _)) = cut {
                    cut = Some((from, reader.buffer_position() as usize));
                }
            }
            Event::Text(text) => append(&path, &mut key, &mut value, &text.xml10_content()),
            Event::GeneralRef(entity) => {
                let resolved = match entity.resolve_char_ref().map_err(|_| malformed())? {
                    Some(character) => character.to_string(),
                    None => quick_xml::escape::resolve_xml_entity(&entity).ok_or_else(malformed)?.to_owned(),
                };
                append(&path, &mut key, &mut value, &resolved);
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if tags.0.len() > TAGS_MAX {
        return Err(malformed());
    }
    let Some((from, to)) = cut else { return Ok((body.clone(), tags)) };
    Ok(([&body[..from], &body[to..]].concat().into(), tags))
}

fn is(path: &[String], below_root: &[&str]) -> bool {
    path.len() == below_root.len() + 1 && path[1..].iter().zip(below_root).all(|(a, b)| a == b)
}

fn append(path: &[String], key: &mut String, value: &mut String, text: &str) {
    if is(path, &["Tags", "Tag", "Key"]) {
        key.push_str(text);
    } else if is(path, &["Tags", "Tag", "Value"]) {
        value.push_str(text);
    }
}

fn malformed() -> Refusal {
    let text = "The XML you provided was not well-formed or did not validate against our published schema";
    Refusal::new(S3ErrorCode::MalformedXML, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(body: &str) -> (String, Vec<(String, String)>) {
        let (rest, tags) = split_tags(&Bytes::copy_from_slice(body.as_bytes())).unwrap();
        (String::from_utf8(rest.to_vec()).unwrap(), tags.0)
    }

    #[test]
    fn tags_are_taken_out_and_the_rest_is_left_as_it_was() {
        let (rest, tags) = split(
            "<CreateBucketConfiguration xmlns=\"x\"><LocationConstraint>local</LocationConstraint>\
             <Tags><Tag><Key>pocket:ttl</Key><Value>5m</Value></Tag>\
             <Tag><Value>a&amp;&#98;</Value><Key>k</Key></Tag></Tags></CreateBucketConfiguration>",
        );
        let expected = "<CreateBucketConfiguration xmlns=\"x\"><LocationConstraint>local</LocationConstraint>\
                        </CreateBucketConfiguration>";
        assert_eq!(rest, expected);
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        assert_eq!(tags, [pair("pocket:ttl", "5m"), pair("k", "a&b")]);
    }

    #[test]
    fn a_body_without_tags_passes_unchanged() {
        let plain = "<CreateBucketConfiguration><LocationConstraint/></CreateBucketConfiguration>";
        assert_eq!(split(plain), (plain.into(), vec![]));
        assert_eq!(split(""), (String::new(), vec![]));
        assert!(split_tags(&Bytes::from_static(b"<a><b></a>")).is_err());
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_tags(&body.into());
        }
    }
}
