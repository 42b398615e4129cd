//! CreateBucket: registers a job with its hints.

use super::bucket_tagging::tagged;
use super::{Operations, acl, tenant};
use crate::errors::{from_control, from_hint, not_implemented, s3};
use crate::profiles::{Profile, Profiles};
use crate::space::capacity_of;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_access::rules::document;
use pocket_api::control::{ControlError, Placement, Registration};
use pocket_api::hints::{HINTS, JobHints};
use pocket_api::object::Tags;
use pocket_api::settings::{DocumentKind, JobSettings};
use pocket_edge::calls::{BucketConfiguration, Call, CreateBucket, Granted, Serve};
use pocket_edge::hint_places::{BUCKET_HEADERS, BUCKET_TAGS, TAG_PREFIX};
use pocket_edge::tags;

/// In it, making a bucket again that one owns succeeds.
const US_EAST_1: &str = "us-east-1";

impl Serve<CreateBucket> for Operations {
    async fn serve(&self, mut call: Call<CreateBucket>) -> Result<Granted, Refusal> {
        let tenant = tenant(&call.context)?;
        let CreateBucket { bucket, hints, ownership, acl: said, configuration } = &mut call.input;
        let configuration = configuration.read(&self.buffers, &self.compute).await?;
        let profiles = self.profiles.load_full();
        let profile = profile(&configuration, &self.region, &profiles)?;
        let says_hints = !hints.is_empty() || tags::bucket_hints(&configuration.tags).next().is_some();
        let mut settings = settings(hints, configuration.tags, profile)?;
        settings.documents.extend(profile.documents(*ownership));
        let stands = ownership.or(profile.ownership).unwrap_or_default();
        let block = profile.block.unwrap_or(PublicAccessBlock::DEFAULT);
        let acl = acl::of_new_bucket(said, stands, block, tenant)?;
        settings.documents.extend(acl.map(|acl| (DocumentKind::Acl, document(&acl))));
        let wanted = says_hints.then(|| (settings.asked.clone(), settings.created_with.clone()));
        let registration = Registration { tenant: tenant.clone(), bucket: bucket.clone(), settings };
        let placement = match self.control.register(registration).await {
            Ok(placement) => placement,
            Err(ControlError::BucketExists { tenant: owner }) if owner == *tenant => {
                if *self.region != *US_EAST_1 {
                    let text =
                        "Your previous request to create the named bucket succeeded and you already own it.";
                    return Err(s3(ErrorCode::BucketAlreadyOwnedByYou, text));
                }
                let placement = self.control.placement(bucket).await.map_err(from_control)?;
                if let Some((asked, created_with)) = wanted {
                    must_hold(&asked, &created_with, &placement.settings)?;
                }
                placement
            }
            Err(error) => return Err(from_control(error)),
        };
        // Of an earlier life of the name, or that there is none.
        self.placements.forget(bucket);
        Ok(self.granted(&placement))
    }
}

/// What is asked of a bucket that is there already, by whoever owns it, has to be what it has, or what it was made with before
/// its tags were changed: a script that makes its bucket each time it runs goes on, and no hint is passed over.
fn must_hold(asked: &JobHints, created_with: &JobHints, has: &JobSettings) -> Result<(), Refusal> {
    if *asked == has.asked || (asked == created_with && *created_with == has.created_with) {
        return Ok(());
    }
    let value = |hints: &JobHints, name: &str| {
        hints
            .said()
            .into_iter()
            .find_map(|(said, value)| (said == name).then_some(value))
            .unwrap_or("none".into())
    };
    let differs = HINTS.iter().find(|name| value(asked, name) != value(&has.asked, name)).copied();
    let name = differs.unwrap_or_default();
    let text = format!(
        "You own the bucket already, and its hint {name:?} is {}, not {}: PutBucketTagging changes it",
        value(&has.asked, name),
        value(asked, name)
    );
    Err(s3(ErrorCode::BucketAlreadyOwnedByYou, text))
}

/// The profile that a LocationConstraint chooses: it names one, or the region that buckets live in anyway.
fn profile<'a>(
    configuration: &BucketConfiguration,
    region: &str,
    profiles: &'a Profiles,
) -> Result<&'a Profile, Refusal> {
    if configuration.is_directory {
        return Err(not_implemented("directory buckets are not implemented"));
    }
    let asked = configuration.location.as_str();
    if let Some(profile) = profiles.get(asked) {
        return Ok(profile);
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
        shortened(asked)
    );
    Err(s3(ErrorCode::InvalidLocationConstraint, text))
}

/// From hints of their own, then tags, then the profile. All are checked, also where one outweighs the other.
fn settings(hints: &[(String, String)], mut tags: Tags, profile: &Profile) -> Result<JobSettings, Refusal> {
    tags::check_all(&tags)?;
    JobHints::default()
        .changed_by(tags::bucket_hints(&tags))
        .map_err(|error| from_hint(error.at(BUCKET_TAGS)))?;
    // A tag that stayed would say what does not hold, and would hold as soon as somebody put the same tags again.
    let stands_alone = |hint: &str| hints.iter().any(|(name, _)| *name == hint);
    tags.retain(|(key, _)| key.strip_prefix(TAG_PREFIX).is_none_or(|hint| !stands_alone(hint)));
    let own = hints.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
    let from_profile = profile.hints().collect();
    let created_with =
        JobHints::parse_layers([own, from_profile]).map_err(|error| from_hint(error.at(BUCKET_HEADERS)))?;
    tagged(&JobSettings::asking(created_with), tags)
}

impl Operations {
    /// What CreateBucket and HeadBucket tell of a job.
    pub(super) fn granted(&self, placement: &Placement) -> Granted {
        Granted {
            job: placement.job,
            hints: placement.settings.asked.clone(),
            derived: placement.derived(),
            servers_capacity_bytes: capacity_of(&placement.weights, &self.directory.view()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_made_only_in_the_region_that_is_asked_for_or_by_a_profile() {
        let ttl = |name: &str, ttl: &str| (name.to_owned(), [("ttl".to_owned(), ttl.to_owned())].into());
        let named = [ttl("short", "1m"), ttl("long", "1h")].into();
        let profiles = Profiles::new(named, "long".into(), None).unwrap();
        let check = |location: &str, region| {
            let configuration = BucketConfiguration { location: location.into(), ..Default::default() };
            let chosen = profile(&configuration, region, &profiles);
            chosen
                .map(|chosen| chosen.hints().next().map(|(_, value)| value.to_owned()))
                .map_err(|e| e.code.as_str().to_owned())
        };
        for (constraint, region) in [
            ("", "us-east-1"),
            ("", "local"),
            ("local", "local"),
            ("us-east-1", "us-east-1"),
            ("EU", "eu-west-1"),
        ] {
            assert_eq!(check(constraint, region), Ok(Some("1h".into())), "{constraint:?} {region}");
        }
        assert_eq!(check("short", "local"), Ok(Some("1m".into())));
        for (constraint, region) in [("eu-west-1", "us-east-1"), ("us-east-1", "local")] {
            assert_eq!(check(constraint, region), Err("InvalidLocationConstraint".into()));
        }
    }

    #[test]
    fn hints_come_from_headers_before_tags_and_nothing_is_ignored() {
        let pair = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let nothing = Vec::new;
        let found = settings(&pair("reads", "2"), pair("pocket:reads", "9"), &Profile::default()).unwrap();
        assert_eq!(
            (found.asked.reads, found.tags),
            (Some(2), vec![]),
            "a tag that is outweighed is not kept"
        );
        let table = [("reads".to_owned(), "4".to_owned()), ("wait".to_owned(), "1s".to_owned())].into();
        let profiles = Profiles::new([("p".into(), table)].into(), "p".into(), None).unwrap();
        let profile = profiles.standard();
        let found = settings(&nothing(), pair("pocket:reads", "9"), profile).unwrap();
        assert_eq!((found.asked.reads, found.asked.wait.as_secs()), (Some(9), 1));
        assert_eq!((found.created_with.reads, found.tags.len()), (Some(4), 1));
        let found = settings(&nothing(), pair("pocket:reads", "none"), profile).unwrap();
        assert_eq!((found.asked.reads, found.tags.len()), (None, 1));
        let found = settings(&nothing(), pair("team", "blue"), &Profile::default()).unwrap();
        assert_eq!(found, JobSettings { tags: pair("team", "blue"), ..Default::default() });
        let code = |hints: Vec<(String, String)>, tags: Tags| {
            settings(&hints, tags, &Profile::default()).unwrap_err().code.as_str().to_owned()
        };
        assert_eq!(code(pair("reads", "none"), nothing()), "InvalidArgument");
        assert_eq!(code(pair("tape", "1"), nothing()), "InvalidArgument");
        assert_eq!(code(pair("replicas", "3"), nothing()), "NotImplemented");
        assert_eq!(code(nothing(), pair("pocket:ttl", "0s")), "InvalidArgument");
        assert_eq!(code(nothing(), pair("team", "*")), "InvalidTag");
        assert_eq!(code(pair("reads", "2"), pair("pocket:reads", "-1")), "InvalidArgument");
    }
}
