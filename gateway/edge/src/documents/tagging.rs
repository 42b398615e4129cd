//! Tagging: the tags of an object or a bucket.

use super::{parsed, write};
use crate::answer::Body;
use crate::errors::malformed_xml;
use crate::tags::{Tagged, check_all, check_count};
use bytes::Bytes;
use http::Response;
use pocket_access::refusal::Refusal;
use pocket_api::object::Tags;
use s3s::dto::{self, Tag, TagSet};

pub(crate) fn of_object(document: Bytes) -> Result<Tags, Refusal> {
    from_set(parsed::<dto::Tagging>(&document)?.tag_set, Tagged::Object)
}

pub(crate) fn of_bucket(document: Bytes) -> Result<Tags, Refusal> {
    from_set(parsed::<dto::Tagging>(&document)?.tag_set, Tagged::Bucket)
}

pub(crate) fn shown(tags: &[(String, String)]) -> Response<Body> {
    write("Tagging", &dto::Tagging { tag_set: to_set(tags) })
}

pub(crate) fn from_set(set: TagSet, of: Tagged) -> Result<Tags, Refusal> {
    let mut tags = Tags::new();
    for tag in set {
        let (Some(key), Some(value)) = (tag.key, tag.value) else { return Err(malformed_xml()) };
        tags.push((key, value));
        check_count(&tags, of)?;
    }
    check_all(&tags)?;
    Ok(tags)
}

pub(crate) fn to_set(tags: &[(String, String)]) -> TagSet {
    let tag = |(key, value): &(String, String)| Tag { key: Some(key.clone()), value: Some(value.clone()) };
    tags.iter().map(tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;

    #[test]
    fn tags_of_a_document_are_held_to_s3s_limits() {
        let code = |outcome: Result<Tags, Refusal>| outcome.unwrap_err().code;
        let many = |n| (0..n).map(|i| (format!("k{i}"), "v".to_owned())).collect::<Tags>();
        for (of, most) in [(Tagged::Object, 10), (Tagged::Bucket, 50)] {
            assert_eq!(from_set(to_set(&many(most)), of).unwrap(), many(most));
            assert_eq!(code(from_set(to_set(&many(most + 1)), of)), ErrorCode::BadRequest);
        }
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let twice = to_set(&[pair("k", "1"), pair("k", "2")]);
        assert_eq!(code(from_set(twice, Tagged::Object)), ErrorCode::InvalidTag);
        let keyless = vec![Tag { key: None, value: Some("v".into()) }];
        assert_eq!(code(from_set(keyless, Tagged::Object)), ErrorCode::MalformedXML);
    }
}
