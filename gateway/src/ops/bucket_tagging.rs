//! PutBucketTagging. Tags `pocket:<hint>` change the job's hints while it lives: they stand over those that the bucket was
//! created with, and what they say goes when they go. `pocket:ttl` of `0s` ends the job.

use super::{Operations, ask, check_owner};
use crate::errors::from_hint;
use crate::settings;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::control::{EndMode, Placement};
use pocket_api::hints::{JobHints, is_no_time};
use pocket_api::object::Tags;
use pocket_api::settings::JobSettings;
use pocket_edge::calls::{self, Call, PutBucketTagging, Serve};
use pocket_edge::context::RequestContext;
use pocket_edge::hint_places::{BUCKET_TAGS, TAG_PREFIX};
use pocket_edge::tags;

impl Serve<PutBucketTagging> for Operations {
    async fn serve(&self, mut call: Call<PutBucketTagging>) -> Result<(), Refusal> {
        let PutBucketTagging { bucket: name, tags } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketTagging);
        let mut bucket = self.bucket_now(ask, name, call.expected_owner.as_str()).await?;
        let tags = tags.read(&self.buffers, &self.compute).await?;
        let (ends, lasting): (Vec<_>, Vec<_>) =
            tags::bucket_hints(&tags).partition(|&(hint, value)| hint == "ttl" && is_no_time(value));
        // Refused before anything ends.
        JobHints::default().changed_by(lasting).map_err(|error| from_hint(error.at(BUCKET_TAGS)))?;
        if !ends.is_empty() {
            check_owner(&call.context, &bucket.placement)?;
            return self.end(&bucket, EndMode::Force).await;
        }
        let with_tags = |old: &Placement| by_caller(&call.context, old, tags.clone());
        settings::change(&*self.control, &self.placements, &mut bucket, with_tags).await
    }
}

/// As [`tagged`], for a caller whom the bucket admits. What S3 knows as tags ends nothing, so a policy that lets others
/// put them does not mean hints, nor what a day of the rules is.
pub(super) fn by_caller(
    context: &RequestContext,
    old: &Placement,
    tags: Tags,
) -> Result<JobSettings, Refusal> {
    let new = tagged(&old.settings, tags)?;
    if (&new.asked, &new.lifecycle) != (&old.settings.asked, &old.settings.lifecycle) {
        check_owner(context, old)?;
    }
    Ok(new)
}

/// The settings with these tags instead of the old ones.
pub(super) fn tagged(old: &JobSettings, tags: Tags) -> Result<JobSettings, Refusal> {
    let asked = old
        .created_with
        .changed_by(tags::bucket_hints(&tags))
        .map_err(|error| from_hint(error.at(BUCKET_TAGS)))?;
    let mut new = JobSettings { asked, tags, ..old.clone() };
    // One of them may say what the days of its rules are.
    new.lifecycle = calls::lifecycle_of(&new)?;
    Ok(new)
}

/// The tags as they were sent, and the hints that were asked for in other ways.
pub(super) fn shown(settings: &JobSettings) -> Tags {
    let in_tags = |hint: &str| tags::bucket_hints(&settings.tags).any(|(name, _)| name == hint);
    let others = settings.asked.said().into_iter().filter(|(hint, _)| !in_tags(hint));
    let others = others.map(|(hint, value)| (format!("{TAG_PREFIX}{hint}"), value));
    settings.tags.iter().cloned().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_access::refusal::ErrorCode;

    fn pairs(tags: &[(&str, &str)]) -> Tags {
        tags.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }

    #[test]
    fn tags_stand_over_what_the_bucket_was_created_with_and_go_without_a_trace() {
        let created = JobSettings::asking(JobHints::parse([("ttl", "1h"), ("reads", "2")]).unwrap());
        assert_eq!(shown(&created), pairs(&[("pocket:ttl", "1h"), ("pocket:reads", "2")]));
        let sent = pairs(&[("team", "blue"), ("pocket:ttl", "90"), ("pocket:wait", "5s")]);
        let put = tagged(&created, sent.clone()).unwrap();
        let more = pairs(&[("pocket:reads", "2")]);
        assert_eq!(shown(&put), [sent, more].concat());
        assert_eq!(put.asked.said().len(), 3);
        let none = tagged(&put, pairs(&[("pocket:reads", "none")])).unwrap();
        assert_eq!(shown(&none), pairs(&[("pocket:reads", "none"), ("pocket:ttl", "1h")]));
        assert_eq!(none.asked.reads, None);
        assert_eq!(tagged(&none, Tags::new()).unwrap(), created);
    }

    #[test]
    fn a_slip_in_a_tag_is_refused_with_the_right_spelling() {
        let created = JobSettings::default();
        for (key, meant) in [
            ("pocket-ttl", "pocket:ttl"),
            ("Pocket:TTL", "pocket:ttl"),
            ("pocket_idle_ttl", "pocket:idle-ttl"),
            ("pocket:tll", "pocket:ttl"),
            ("pocket-lifecycle-unit", "pocket:lifecycle-unit"),
        ] {
            let refused = tagged(&created, pairs(&[(key, "5s")])).unwrap_err();
            assert_eq!(refused.code, ErrorCode::InvalidArgument);
            assert!(refused.message.contains(&format!("(did you mean {meant}?)")), "{refused:?}");
        }
        assert!(tagged(&created, pairs(&[("pockets", "5s"), ("my-pocket:ttl", "5s")])).is_ok());
    }
}
