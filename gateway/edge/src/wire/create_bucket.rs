//! CreateBucket: what a new bucket is to be, out of headers and a document.

use super::buckets::show_granted;
use super::{Head, Wire, done};
use crate::acl_headers;
use crate::answer::Body;
use crate::bucket_tags::split_tags;
use crate::calls::{BucketConfiguration, CreateBucket, Granted};
use crate::documents::parsed;
use crate::headers;
use crate::metrics::Counted;
use crate::operation::Operation;
use crate::payload_stream::Unread;
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, Response, StatusCode};
use pocket_access::acl::Ownership;
use pocket_access::refusal::{Refusal, shortened};
use pocket_api::names::BucketName;
use s3s::dto::CreateBucketConfiguration;

const OBJECT_OWNERSHIP: &str = "x-amz-object-ownership";

impl Wire for CreateBucket {
    type Shown = BucketName;

    fn read(head: &mut Head<'_, '_>, body: Unread) -> Result<(Self, BucketName), Refusal> {
        let bucket = head.bucket()?;
        let create = Self {
            bucket: bucket.clone(),
            hints: hints(head.headers)?,
            ownership: ownership(head.headers)?,
            acl: acl_headers::said(head.headers)?,
            configuration: body.document(Operation::CreateBucket, configuration),
        };
        Ok((create, bucket))
    }

    fn write(granted: Granted, bucket: BucketName) -> Response<Body> {
        let mut response = done(StatusCode::OK, false);
        let headers = response.headers_mut();
        headers::put(headers, LOCATION, format!("/{bucket}"));
        show_granted(&granted, headers);
        response
    }

    fn counted(_: &BucketName) -> Counted {
        Counted::CreateBucket
    }
}

/// As they came; what they mean is the operation's to say.
fn hints(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refusal> {
    let mut hints = Vec::new();
    for name in headers.keys() {
        if let (Some(hint), Some(value)) =
            (name.as_str().strip_prefix("x-pocket-"), headers::text(headers, name)?)
        {
            hints.push((hint.to_owned(), value.to_owned()));
        }
    }
    Ok(hints)
}

fn ownership(headers: &HeaderMap) -> Result<Option<Ownership>, Refusal> {
    let Some(name) = headers::text(headers, OBJECT_OWNERSHIP)? else { return Ok(None) };
    let unknown = || {
        let text = format!("Invalid {OBJECT_OWNERSHIP} header: {:?}", shortened(name));
        Refusal::invalid(OBJECT_OWNERSHIP, name, text)
    };
    Ownership::parse(name).map(Some).ok_or_else(unknown)
}

/// A request without a document asks for nothing in particular.
fn configuration(document: Bytes) -> Result<BucketConfiguration, Refusal> {
    if document.is_empty() {
        return Ok(BucketConfiguration::default());
    }
    let (rest, tags) = split_tags(&document)?;
    let read: CreateBucketConfiguration = parsed(&rest)?;
    Ok(BucketConfiguration {
        location: read.location_constraint.map_or_else(String::new, |location| location.as_str().to_owned()),
        is_directory: read.bucket.is_some() || read.location.is_some(),
        tags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use pocket_access::refusal::ErrorCode;

    #[test]
    fn a_configuration_has_a_location_and_tags_or_is_not_there() {
        let read = |text: &'static str| configuration(Bytes::from_static(text.as_bytes()));
        assert_eq!(read(""), Ok(BucketConfiguration::default()));
        let said = read(
            "<CreateBucketConfiguration><LocationConstraint>here</LocationConstraint><Tags><Tag><Key>k</Key>\
             <Value>v</Value></Tag></Tags></CreateBucketConfiguration>",
        );
        let tags = vec![("k".to_owned(), "v".to_owned())];
        assert_eq!(said, Ok(BucketConfiguration { location: "here".into(), is_directory: false, tags }));
        let directory = read(
            "<CreateBucketConfiguration><Bucket><Type>Directory</Type></Bucket></CreateBucketConfiguration>",
        );
        assert!(directory.unwrap().is_directory);
        assert_eq!(read("<Delete/>").unwrap_err().code, ErrorCode::MalformedXML);
    }

    #[test]
    fn hints_are_all_headers_of_pocket_and_have_to_be_text() {
        let map = |name: &'static str, value: &'static [u8]| {
            let value = HeaderValue::from_bytes(value).unwrap();
            HeaderMap::from_iter([(HeaderName::from_static(name), value)])
        };
        assert_eq!(hints(&map("x-pocket-ttl", b"5s")).unwrap(), [("ttl".to_owned(), "5s".to_owned())]);
        assert_eq!(hints(&map("x-amz-acl", b"private")).unwrap(), []);
        let refusal = hints(&map("x-pocket-ttl", b"\xff")).unwrap_err();
        assert!(refusal.code == ErrorCode::InvalidArgument && refusal.has("ArgumentName"), "{refusal:?}");
    }
}
