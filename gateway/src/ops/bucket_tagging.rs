//! GetBucketTagging, PutBucketTagging and DeleteBucketTagging. Tags `pocket:<hint>` change the job's hints while it lives:
//! they stand over those that the bucket was created with, and what they say goes when they go. `pocket:ttl` of `0s` ends
//! the job.

use super::bucket_settings::check;
use super::{Operations, ask, check_owner, context};
use crate::access::action::Action;
use crate::context::RequestContext;
use crate::errors::{from_hint, from_name, s3};
use crate::lifecycle;
use crate::refusal::{ErrorCode, Refusal};
use crate::settings;
use crate::tags::{self, HINT_PREFIX, Tagged};
use pocket_api::control::{EndMode, Placement};
use pocket_api::hints::{JobHints, is_no_time};
use pocket_api::names::BucketName;
use pocket_api::object::Tags;
use pocket_api::settings::JobSettings;
use s3s::dto::{
    DeleteBucketTaggingInput, DeleteBucketTaggingOutput, GetBucketTaggingInput, GetBucketTaggingOutput,
    PutBucketTaggingInput, PutBucketTaggingOutput,
};
use s3s::{S3Request, S3Response};

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetBucketTaggingInput>,
) -> Result<S3Response<GetBucketTaggingOutput>, Refusal> {
    let placement = check(ops, &request, &request.input.bucket, Action::GetBucketTagging).await?;
    let tags = shown(&placement.settings);
    if tags.is_empty() {
        return Err(s3(ErrorCode::NoSuchTagSet, "The TagSet does not exist"));
    }
    Ok(S3Response::new(GetBucketTaggingOutput { tag_set: tags::to_set(&tags) }))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutBucketTaggingInput>,
) -> Result<S3Response<PutBucketTaggingOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let tags = tags::from_set(input.tagging.tag_set, Tagged::Bucket)?;
    let (ends, lasting): (Vec<_>, Vec<_>) =
        tags::bucket_hints(&tags).partition(|&(hint, value)| hint == "ttl" && is_no_time(value));
    // Refused before anything ends, and before the controller is asked.
    JobHints::default().changed_by(lasting).map_err(from_hint)?;
    let name = BucketName::parse(&input.bucket).map_err(from_name)?;
    let ask = ask!(request, context, Action::PutBucketTagging);
    let mut bucket = ops.bucket_now(ask, &name, input.expected_bucket_owner.as_deref()).await?;
    if !ends.is_empty() {
        check_owner(&context, &bucket.placement)?;
        ops.end(&bucket, EndMode::Force).await?;
    } else {
        let with_tags = |old: &Placement| by_caller(&context, old, tags.clone());
        settings::change(&*ops.control, &ops.placements, &mut bucket, with_tags).await?;
    }
    Ok(S3Response::new(PutBucketTaggingOutput {}))
}

pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteBucketTaggingInput>,
) -> Result<S3Response<DeleteBucketTaggingOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let ask = ask!(request, context, Action::PutBucketTagging);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    let without = |old: &Placement| by_caller(&context, old, Tags::new());
    settings::change(&*ops.control, &ops.placements, &mut bucket, without).await?;
    Ok(S3Response::new(DeleteBucketTaggingOutput {}))
}

/// As [`tagged`], for a caller whom the bucket admits. What S3 knows as tags ends nothing, so a policy that lets others
/// put them does not mean hints, nor what a day of the rules is.
fn by_caller(context: &RequestContext, old: &Placement, tags: Tags) -> Result<JobSettings, Refusal> {
    let new = tagged(&old.settings, tags)?;
    if (&new.asked, &new.lifecycle) != (&old.settings.asked, &old.settings.lifecycle) {
        check_owner(context, old)?;
    }
    Ok(new)
}

/// The settings with these tags instead of the old ones.
pub(super) fn tagged(old: &JobSettings, tags: Tags) -> Result<JobSettings, Refusal> {
    let asked = old.created_with.changed_by(tags::bucket_hints(&tags)).map_err(from_hint)?;
    let mut new = JobSettings { asked, tags, ..old.clone() };
    // One of them may say what the days of its rules are.
    new.lifecycle = lifecycle::of(&new)?;
    Ok(new)
}

/// The tags as they were sent, and the hints that were asked for in other ways.
fn shown(settings: &JobSettings) -> Tags {
    let in_tags = |hint: &str| tags::bucket_hints(&settings.tags).any(|(name, _)| name == hint);
    let others = settings.asked.said().into_iter().filter(|(hint, _)| !in_tags(hint));
    let others = others.map(|(hint, value)| (format!("{HINT_PREFIX}{hint}"), value));
    settings.tags.iter().cloned().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
