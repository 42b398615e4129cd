//! The tags of a CreateBucket request. s3s's type for its body has no field for them and refuses what it does not know,
//! so they are taken out of the (small, complete, verified) body before it is read.

use crate::document::{malformed, resolved};
use crate::tags::Tagged;
use bytes::Bytes;
use pocket_access::refusal::Refusal;
use pocket_api::object::Tags;
use quick_xml::Reader;
use quick_xml::events::Event;

const TAGS_MAX: usize = Tagged::Bucket.tags_max();

/// Splits a CreateBucketConfiguration, as it was checked, into what s3s knows of it and its tags, in the order of the body.
pub(crate) fn split_tags(body: &Bytes) -> Result<(Bytes, Tags), Refusal> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).map_err(|_| malformed())?);
    let mut path: Vec<String> = Vec::new();
    let mut cut: Option<(usize, usize)> = None;
    let mut tags = Tags::new();
    let (mut key, mut value) = (None, None);
    loop {
        let before = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(|_| malformed())?;
        let after = reader.buffer_position() as usize;
        match &event {
            Event::Start(element) | Event::Empty(element) => {
                path.push(element.local_name().as_ref().to_owned());
                let begun = match path.iter().skip(1).map(String::as_str).collect::<Vec<_>>()[..] {
                    ["Tags"] => cut.replace((before, after)).is_none(),
                    ["Tags", "Tag"] => tags.len() < TAGS_MAX,
                    ["Tags", "Tag", "Key"] => key.replace(String::new()).is_none(),
                    ["Tags", "Tag", "Value"] => value.replace(String::new()).is_none(),
                    // Nobody would act on it.
                    ["Tags", ..] => false,
                    _ => true,
                };
                if !begun {
                    return Err(malformed());
                }
            }
            Event::Text(text) => append(&path, &mut key, &mut value, &text.xml10_content()),
            Event::GeneralRef(entity) => append(&path, &mut key, &mut value, &resolved(entity)?),
            Event::Eof => break,
            _ => {}
        }
        if matches!(event, Event::End(_) | Event::Empty(_)) {
            if is(&path, &["Tags", "Tag"]) {
                let (Some(key), Some(value)) = (key.take(), value.take()) else { return Err(malformed()) };
                tags.push((key, value));
            } else if is(&path, &["Tags"])
                && let Some((_, to)) = &mut cut
            {
                *to = after;
            }
            path.pop();
        }
    }
    let Some((from, to)) = cut else { return Ok((body.clone(), tags)) };
    Ok(([&body[..from], &body[to..]].concat().into(), tags))
}

fn is(path: &[String], below_root: &[&str]) -> bool {
    path.len() == below_root.len() + 1 && path[1..].iter().zip(below_root).all(|(a, b)| a == b)
}

fn append(path: &[String], key: &mut Option<String>, value: &mut Option<String>, text: &str) {
    if is(path, &["Tags", "Tag", "Key"]) {
        key.get_or_insert_default().push_str(text);
    } else if is(path, &["Tags", "Tag", "Value"]) {
        value.get_or_insert_default().push_str(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(body: &str) -> (String, Vec<(String, String)>) {
        let (rest, tags) = split_tags(&Bytes::copy_from_slice(body.as_bytes())).unwrap();
        (String::from_utf8(rest.to_vec()).unwrap(), tags)
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
        assert_eq!(split("<a><Tags/></a>"), ("<a></a>".into(), vec![]));
    }

    #[test]
    fn tags_that_are_not_what_they_should_be_are_refused() {
        for tags in [
            "<Tags/><Tags/>",
            "<Tags><Tag/></Tags>",
            "<Tags><Tag><Key>k</Key></Tag></Tags>",
            "<Tags><Tag><Value>v</Value></Tag></Tags>",
            "<Tags><Tag><Key>k</Key><Key>l</Key><Value>v</Value></Tag></Tags>",
            "<Tags><Tag><Key>k</Key><Value>v</Value><Colour/></Tag></Tags>",
            "<Tags><Colour/></Tags>",
            &format!("<Tags>{}</Tags>", "<Tag><Key>k</Key><Value/></Tag>".repeat(TAGS_MAX + 1)),
        ] {
            let refusal = split_tags(&Bytes::from(format!("<a>{tags}</a>"))).unwrap_err();
            assert_eq!(refusal, malformed(), "{tags}");
        }
    }

    proptest! {
        #[test]
        fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = split_tags(&body.into());
        }
    }
}
