//! ListBuckets, HeadBucket, DeleteBucket, GetBucketLocation and CreateSession.

use super::{Head, Wire, done};
use crate::answer::{Body, xml_answer};
use crate::calls::{
    CreateSession, DeleteBucket, GetBucketLocation, Granted, HeadBucket, ListBuckets, ListedBuckets,
    SeenBucket, SessionCredentials,
};
use crate::edge::BUCKET_REGION;
use crate::headers;
use crate::metrics::Counted;
use crate::payload_stream::Unread;
use crate::xml;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use pocket_access::refusal::Refusal;
use pocket_api::control::Derived;
use pocket_api::hints::HINTS;
use std::fmt::Write;
use std::sync::Arc;

/// S3's bounds on a page.
const BUCKETS_MAX: usize = 10_000;
/// What GetBucketLocation shows as nothing: the region that S3 had when it had no other.
const FIRST_REGION: &str = "us-east-1";
const JOB: HeaderName = HeaderName::from_static("x-pocket-job");
const DERIVED_CAPACITY: HeaderName = HeaderName::from_static("x-pocket-derived-capacity");
const DERIVED_THROUGHPUT: HeaderName = HeaderName::from_static("x-pocket-derived-throughput");
const SERVERS_CAPACITY: HeaderName = HeaderName::from_static("x-pocket-servers-capacity");

impl Wire for ListBuckets {
    /// The prefix.
    type Shown = String;

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, String), Refusal> {
        let query = head.query;
        let some = |name: &str| query.get(name).filter(|value| !value.is_empty());
        let max = match some("max-buckets") {
            None => BUCKETS_MAX,
            Some(text) => {
                let asked = text.parse().ok().filter(|asked| (1..=BUCKETS_MAX).contains(asked));
                asked.ok_or_else(|| {
                    let why = format!("Argument max-buckets must be an integer between 1 and {BUCKETS_MAX}");
                    Refusal::invalid("max-buckets", text, why)
                })?
            }
        };
        let after = some("continuation-token").map(|token| {
            let name = hex::decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let why = "The continuation token provided is incorrect";
            name.ok_or_else(|| Refusal::invalid("continuation-token", token, why))
        });
        let prefix = query.get("prefix").unwrap_or("").to_owned();
        let region = query.get("bucket-region").map(str::to_owned);
        Ok((Self { prefix: prefix.clone(), after: after.transpose()?, max, region }, prefix))
    }

    fn write(listed: ListedBuckets, prefix: String) -> Response<Body> {
        let mut document = String::from(xml::DECLARATION);
        // Writing to a string cannot fail.
        let _ = write!(document, "<ListAllMyBucketsResult xmlns=\"{}\"><Buckets>", xml::NAMESPACE);
        for bucket in &listed.buckets {
            document.push_str("<Bucket>");
            xml::element("BucketRegion", &listed.region, &mut document);
            xml::element("CreationDate", &xml::time(bucket.created_at), &mut document);
            xml::element("Name", bucket.name.as_str(), &mut document);
            document.push_str("</Bucket>");
        }
        document.push_str("</Buckets>");
        if let Some(last) = listed.buckets.last().filter(|_| listed.more) {
            xml::element("ContinuationToken", &hex::encode(last.name.as_str()), &mut document);
        }
        let owner = &listed.owner;
        let _ = write!(document, "<Owner><DisplayName>{owner}</DisplayName><ID>{owner}</ID></Owner>");
        if !prefix.is_empty() {
            xml::element("Prefix", &prefix, &mut document);
        }
        document.push_str("</ListAllMyBucketsResult>");
        xml_answer(document)
    }

    fn counted(_: &String) -> Counted {
        Counted::ListBuckets
    }
}

impl Wire for HeadBucket {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        Ok((Self { bucket: head.bucket()? }, ()))
    }

    fn write(seen: SeenBucket, (): ()) -> Response<Body> {
        let mut response = done(StatusCode::OK, false);
        let headers = response.headers_mut();
        headers::put(headers, BUCKET_REGION, seen.region.to_string());
        show_granted(&seen.granted, headers);
        response
    }

    fn counted((): &()) -> Counted {
        Counted::HeadBucket
    }
}

impl Wire for DeleteBucket {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        let force = headers::flag(head.headers, "x-pocket-force-delete")?;
        Ok((Self { bucket: head.bucket()?, force }, ()))
    }

    fn write((): (), (): ()) -> Response<Body> {
        done(StatusCode::NO_CONTENT, false)
    }

    fn counted((): &()) -> Counted {
        Counted::DeleteBucket
    }
}

impl Wire for GetBucketLocation {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        Ok((Self { bucket: head.bucket()? }, ()))
    }

    fn write(region: Arc<str>, (): ()) -> Response<Body> {
        let mut document = String::from(xml::DECLARATION);
        // Writing to a string cannot fail.
        let _ = write!(document, "<LocationConstraint xmlns=\"{}\">", xml::NAMESPACE);
        if *region != *FIRST_REGION {
            xml::escape_all(&region, &mut document);
        }
        document.push_str("</LocationConstraint>");
        xml_answer(document)
    }

    fn counted((): &()) -> Counted {
        Counted::GetBucketLocation
    }
}

impl Wire for CreateSession {
    type Shown = ();

    fn read(head: &mut Head<'_, '_>, _: Unread) -> Result<(Self, ()), Refusal> {
        Ok((Self { bucket: head.bucket()?, credentials: head.session.take() }, ()))
    }

    fn write(credentials: Box<SessionCredentials>, (): ()) -> Response<Body> {
        let SessionCredentials { access_key_id, secret, token, expires_at } = *credentials;
        let mut document = String::from(xml::DECLARATION);
        // Writing to a string cannot fail.
        let _ = write!(document, "<CreateSessionResult xmlns=\"{}\"><Credentials>", xml::NAMESPACE);
        xml::element("AccessKeyId", &access_key_id, &mut document);
        xml::element("Expiration", &xml::time(expires_at), &mut document);
        xml::element("SecretAccessKey", &secret, &mut document);
        xml::element("SessionToken", &token, &mut document);
        document.push_str("</Credentials></CreateSessionResult>");
        xml_answer(document)
    }

    fn counted((): &()) -> Counted {
        Counted::CreateSession
    }
}

/// What CreateBucket and HeadBucket show of a job: what was asked, what follows from that, and, where either says how much
/// it will hold, what there is to hold it.
pub(super) fn show_granted(granted: &Granted, headers: &mut HeaderMap<HeaderValue>) {
    headers::put(headers, JOB, granted.job.to_string());
    for (hint, value) in granted.hints.shown() {
        debug_assert!(HINTS.contains(&hint));
        if let Ok(name) = HeaderName::try_from(format!("x-pocket-{hint}")) {
            headers::put(headers, name, value);
        }
    }
    let Derived { capacity, throughput } = granted.derived;
    let there_is = granted.hints.capacity.or(capacity).map(|_| granted.servers_capacity_bytes);
    for (name, value) in
        [(DERIVED_CAPACITY, capacity), (DERIVED_THROUGHPUT, throughput), (SERVERS_CAPACITY, there_is)]
    {
        if let Some(value) = value {
            headers::put(headers, name, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calls::ListedBucket;
    use crate::operation::Operation;
    use crate::query::Query;
    use pocket_access::refusal::ErrorCode;
    use pocket_api::clock::Timestamp;
    use pocket_api::names::{BucketName, TenantName};

    fn read(query: &str) -> Result<ListBuckets, Refusal> {
        let (headers, query) = (HeaderMap::new(), Query::parse(query).unwrap());
        let mut head = Head::of(Operation::ListBuckets, None, &headers, &query);
        ListBuckets::read(&mut head, Unread::none()).map(|(list, _)| list)
    }

    #[test]
    fn pages_of_buckets_have_s3s_bounds_and_their_errors_name_the_argument() {
        assert_eq!(read("").unwrap().max, 10_000);
        assert_eq!(read("max-buckets=").unwrap().max, 10_000);
        assert_eq!(read("max-buckets=1&continuation-token=616263").unwrap().after.as_deref(), Some("abc"));
        for (name, value) in [
            ("max-buckets", "0"),
            ("max-buckets", "10001"),
            ("max-buckets", "-1"),
            ("max-buckets", "x"),
            ("continuation-token", "x"),
        ] {
            let refusal = read(&format!("{name}={value}")).unwrap_err();
            assert_eq!(refusal.code, ErrorCode::InvalidArgument);
            let named = [("ArgumentName", name.to_owned()), ("ArgumentValue", value.to_owned())];
            assert_eq!(refusal.elements(), named);
        }
    }

    #[test]
    fn a_page_of_buckets_is_written_as_s3_writes_it() {
        let name = BucketName::parse("abc").unwrap();
        let listed = ListedBuckets {
            buckets: vec![ListedBucket { name, created_at: Timestamp(1_999) }],
            more: true,
            owner: TenantName::parse("me").unwrap(),
            region: "local".into(),
        };
        let document = ListBuckets::write(listed, "a<".into()).body().bytes().unwrap();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListAllMyBucketsResult \
            xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Buckets><Bucket><BucketRegion>local</BucketRegion>\
            <CreationDate>1970-01-01T00:00:01.000Z</CreationDate><Name>abc</Name></Bucket></Buckets>\
            <ContinuationToken>616263</ContinuationToken><Owner><DisplayName>me</DisplayName><ID>me</ID></Owner>\
            <Prefix>a&lt;</Prefix></ListAllMyBucketsResult>";
        assert_eq!(std::str::from_utf8(&document).unwrap(), expected);
    }

    #[test]
    fn the_first_region_is_shown_as_nothing() {
        for (region, shown) in [("us-east-1", ""), ("local", "local")] {
            let document = GetBucketLocation::write(region.into(), ()).body().bytes().unwrap();
            let text = std::str::from_utf8(&document).unwrap();
            assert!(text.ends_with(&format!("2006-03-01/\">{shown}</LocationConstraint>")), "{text}");
        }
    }
}
