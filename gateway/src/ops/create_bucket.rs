//! CreateBucket: registers a job with its hints.

use super::bucket_tagging::tagged;
use super::{Operations, acl, context, tenant};
use crate::access::acl::{Ownership, Said};
use crate::access::rules::document;
use crate::bucket_tags::BucketTags;
use crate::errors::{
    bad_argument, from_control, from_hint, from_name, invalid_argument, not_implemented, s3,
};
use crate::headers;
use crate::profiles::{self, Profile, Profiles};
use crate::refusal::{ErrorCode, Refusal};
use crate::tags::{self, HINT_PREFIX};
use http::{HeaderMap, HeaderName};
use pocket_api::control::{ControlError, Placement, Registration};
use pocket_api::hints::{HINTS, JobHints};
use pocket_api::names::BucketName;
use pocket_api::object::Tags;
use pocket_api::settings::{DocumentKind, JobSettings};
use s3s::dto::{CreateBucketConfiguration, CreateBucketInput, CreateBucketOutput};
use s3s::{S3Request, S3Response};

/// In it, making a bucket again that one owns succeeds.
const US_EAST_1: &str = "us-east-1";

pub(super) async fn run(
    ops: &Operations,
    request: S3Request<CreateBucketInput>,
) -> Result<S3Response<CreateBucketOutput>, Refusal> {
    let context = context(&request)?;
    let tenant = tenant(&context)?;
    let bucket = BucketName::parse(&request.input.bucket).map_err(from_name)?;
    let configuration = request.input.create_bucket_configuration.as_ref();
    let profile = profile(configuration, &ops.region, &ops.profiles)?;
    let mut settings = settings(&request.headers, request.extensions.get::<BucketTags>(), profile)?;
    let ownership = ownership(&request.headers)?;
    let said = Said::read(&request.headers)?;
    let acl = acl::of_new_bucket(&said, ownership.unwrap_or_default(), tenant)?;
    settings.documents.extend(acl.map(|acl| (DocumentKind::Acl, document(&acl))));
    settings.documents.extend(ownership.map(|said| (DocumentKind::OwnershipControls, document(&Some(said)))));
    let registration = Registration { tenant: tenant.clone(), bucket: bucket.clone(), settings };
    let placement = match ops.control.register(registration).await {
        Ok(placement) => placement,
        Err(ControlError::BucketExists { tenant: owner }) if owner == *tenant => {
            if *ops.region != *US_EAST_1 {
                let text =
                    "Your previous request to create the named bucket succeeded and you already own it.";
                return Err(s3(ErrorCode::BucketAlreadyOwnedByYou, text));
            }
            ops.control.placement(&bucket).await.map_err(from_control)?
        }
        Err(error) => return Err(from_control(error)),
    };
    // Of an earlier life of the name, or that there is none.
    ops.placements.forget(&bucket);
    let output = CreateBucketOutput { location: Some(format!("/{bucket}")) };
    Ok(S3Response::with_headers(output, granted(&placement)))
}

fn ownership(request_headers: &HeaderMap) -> Result<Option<Ownership>, Refusal> {
    let Some(name) = headers::text(request_headers, "x-amz-object-ownership")? else { return Ok(None) };
    let unknown = || {
        let text = format!("Invalid x-amz-object-ownership header: {:?}", headers::shortened(name));
        bad_argument("x-amz-object-ownership", name, text)
    };
    Ownership::parse(name).map(Some).ok_or_else(unknown)
}

/// The profile that a LocationConstraint chooses: it names one, or the region that buckets live in anyway.
fn profile<'a>(
    configuration: Option<&CreateBucketConfiguration>,
    region: &str,
    profiles: &'a Profiles,
) -> Result<Option<&'a Profile>, Refusal> {
    let Some(configuration) = configuration else { return Ok(profiles.standard()) };
    if configuration.bucket.is_some() || configuration.location.is_some() {
        return Err(not_implemented("directory buckets are not implemented"));
    }
    let asked = configuration.location_constraint.as_ref().map_or("", |constraint| constraint.as_str());
    if let Some(profile) = profiles.get(asked) {
        return Ok(Some(profile));
    }
    // S3's oldest regions have older names.
    let asked = match asked {
        "US" => US_EAST_1,
        "EU" => "eu-west-1",
        other => other,
    };
    if asked.is_empty() || asked == region {
        return Ok(profiles.standard());
    }
    let text = format!(
        "The specified location constraint {:?} is neither the region of this endpoint, {region}, nor one of its profiles",
        headers::shortened(asked)
    );
    Err(s3(ErrorCode::InvalidLocationConstraint, text))
}

/// From headers, then tags, then the profile. All are checked, also where one outweighs the other.
fn settings(
    headers: &HeaderMap,
    tags: Option<&BucketTags>,
    profile: Option<&Profile>,
) -> Result<JobSettings, Refusal> {
    let mut from_headers = Vec::new();
    for (name, value) in headers {
        if let Some(hint) = name.as_str().strip_prefix("x-pocket-") {
            let value = value
                .to_str()
                .map_err(|_| invalid_argument(format!("header {name} is not plain ASCII text")))?;
            from_headers.push((hint, value));
        }
    }
    let mut tags = tags.map_or_else(Tags::new, |tags| tags.0.clone());
    tags::check_all(&tags)?;
    JobHints::default().changed_by(tags::bucket_hints(&tags)).map_err(from_hint)?;
    // A tag that stayed would say what does not hold, and would hold as soon as somebody put the same tags again.
    let in_headers = |hint: &str| from_headers.iter().any(|(name, _)| *name == hint);
    tags.retain(|(key, _)| key.strip_prefix(HINT_PREFIX).is_none_or(|hint| !in_headers(hint)));
    let from_profile = profile.into_iter().flat_map(profiles::pairs).collect();
    let created_with = JobHints::parse_layers([from_headers, from_profile]).map_err(from_hint)?;
    tagged(&JobSettings::asking(created_with), tags)
}

/// What CreateBucket and HeadBucket show of a job.
pub(super) fn granted(placement: &Placement) -> HeaderMap {
    let mut map = HeaderMap::new();
    headers::put(&mut map, HeaderName::from_static("x-pocket-job"), placement.job.to_string());
    for (hint, value) in placement.hints.shown() {
        debug_assert!(HINTS.contains(&hint));
        if let Ok(name) = HeaderName::try_from(format!("x-pocket-{hint}")) {
            headers::put(&mut map, name, value);
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use s3s::dto::BucketLocationConstraint;

    #[test]
    fn buckets_are_made_only_in_the_region_that_is_asked_for_or_by_a_profile() {
        let ttl = |name: &str, ttl: &str| (name.to_owned(), [("ttl".to_owned(), ttl.to_owned())].into());
        let named = [ttl("short", "1m"), ttl("long", "1h")].into();
        let profiles = Profiles::new(named, "long".into(), None).unwrap();
        let check = |constraint: Option<&'static str>, region| {
            let location_constraint = constraint.map(BucketLocationConstraint::from_static);
            let configuration = CreateBucketConfiguration { location_constraint, ..Default::default() };
            let chosen = profile(Some(&configuration), region, &profiles);
            chosen.map(|chosen| chosen.map(|p| p["ttl"].clone())).map_err(|e| e.code.as_str().to_owned())
        };
        for (constraint, region) in [
            (None, "us-east-1"),
            (Some(""), "local"),
            (Some("local"), "local"),
            (Some("us-east-1"), "us-east-1"),
            (Some("EU"), "eu-west-1"),
        ] {
            assert_eq!(check(constraint, region), Ok(Some("1h".into())), "{constraint:?} {region}");
        }
        assert_eq!(check(Some("short"), "local"), Ok(Some("1m".into())));
        for (constraint, region) in [(Some("eu-west-1"), "us-east-1"), (Some("us-east-1"), "local")] {
            assert_eq!(check(constraint, region), Err("InvalidLocationConstraint".into()));
        }
    }

    #[test]
    fn hints_come_from_headers_before_tags_and_nothing_is_ignored() {
        let header = |name: &'static str, value| {
            HeaderMap::from_iter([(HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        let tags = |key: &str, value: &str| BucketTags(vec![(key.into(), value.into())]);
        let nothing = HeaderMap::new();
        let found = settings(&header("x-pocket-reads", "2"), Some(&tags("pocket:reads", "9")), None).unwrap();
        assert_eq!(
            (found.asked.reads, found.tags),
            (Some(2), vec![]),
            "a tag that is outweighed is not kept"
        );
        let profile = [("reads".to_owned(), "4".to_owned()), ("wait".to_owned(), "1s".to_owned())].into();
        let found = settings(&nothing, Some(&tags("pocket:reads", "9")), Some(&profile)).unwrap();
        assert_eq!((found.asked.reads, found.asked.wait.as_secs()), (Some(9), 1));
        assert_eq!((found.created_with.reads, found.tags.len()), (Some(4), 1));
        let found = settings(&nothing, Some(&tags("pocket:reads", "none")), Some(&profile)).unwrap();
        assert_eq!((found.asked.reads, found.tags.len()), (None, 1));
        let found = settings(&nothing, Some(&tags("team", "blue")), None).unwrap();
        assert_eq!(found, JobSettings { tags: vec![("team".into(), "blue".into())], ..Default::default() });
        let code = |map: HeaderMap, tags: Option<BucketTags>| {
            settings(&map, tags.as_ref(), None).unwrap_err().code.as_str().to_owned()
        };
        assert_eq!(code(header("x-pocket-reads", "none"), None), "InvalidArgument");
        assert_eq!(code(header("x-pocket-tape", "1"), None), "InvalidArgument");
        assert_eq!(code(header("x-pocket-replicas", "3"), None), "NotImplemented");
        assert_eq!(code(nothing.clone(), Some(tags("pocket:ttl", "0s"))), "InvalidArgument");
        assert_eq!(code(nothing, Some(tags("team", "*"))), "InvalidTag");
        assert_eq!(code(header("x-pocket-reads", "2"), Some(tags("pocket:reads", "-1"))), "InvalidArgument");
    }
}
