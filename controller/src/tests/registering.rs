//! Registration when shards fail, race and hang.

use crate::fixture::{Rig, START, registration};
use futures::FutureExt;
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::{ControlError, EndMode};
use pocket_api::hints::JobHints;
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::time::Duration;

fn opens(request: &ShardRequest) -> bool {
    matches!(request, ShardRequest::Open(_))
}

#[tokio::test(start_paused = true)]
async fn the_shards_of_a_job_that_is_being_opened_are_not_told_that_it_ended() {
    let rig = Rig::new(2, 1);
    rig.shards[1].1.fail(|request| opens(request).then_some(Fault::Hang));
    let mut registering = Box::pin(rig.register("data"));
    assert!(registering.as_mut().now_or_never().is_none());
    let held = rig.shards[0].1.jobs();
    assert_eq!(held.len(), 1);
    assert_eq!(rig.shared.read(|state, _| state.ended(held.clone())), [], "it is on its way");
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "and shown to nobody");
    assert!(matches!(registering.await, Err(ControlError::Unavailable(_))), "a shard hangs");
    assert_eq!(rig.shards[0].1.jobs(), [], "what was opened is ended");
    assert_eq!(rig.shared.read(|state, _| state.ended(held.clone())), held, "the rest is told by heartbeat");
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_failed_does_not_count_against_the_servers() {
    let rig = Rig::new(1, 2);
    let hints = || JobHints { capacity: Some(700 << 20), throughput: Some(1), ..JobHints::default() };
    rig.shards[0].1.fail(|request| opens(request).then_some(Fault::Error(MetadataError::Crowded)));
    assert!(rig.shared.register(registration("fails", hints())).await.is_err());
    rig.shards[0].1.heal();
    let first = rig.shared.register(registration("first", hints())).await.unwrap();
    assert_eq!(first.weights.len(), 1, "all the room is still there: {:?}", first.weights);
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_sees_a_bucket_that_is_really_there() {
    let rig = Rig::new(1, 1);
    // The first to come hangs and fails; whoever waited behind it then wins.
    rig.shards[0].1.fail(|request| opens(request).then_some(Fault::Hang));
    let mut first = Box::pin(rig.register("data"));
    assert!(first.as_mut().now_or_never().is_none());
    rig.shards[0].1.heal();
    let (first, second, third) = tokio::join!(first, rig.register("data"), rig.register("data"));
    assert!(matches!(first, Err(ControlError::Unavailable(_))));
    assert!(second.is_ok());
    assert!(matches!(third, Err(ControlError::BucketExists { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_job_whose_ttl_is_over_is_free_before_any_upkeep() {
    let rig = Rig::new(1, 1);
    let hints = JobHints { ttl: Some(Duration::from_secs(5)), ..JobHints::default() };
    let first = rig.shared.register(registration("brief", hints)).await.unwrap();
    assert_eq!(rig.shared.read(|state, _| state.summaries(None, START).len()), 1);
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.placement("brief"), Err(ControlError::NoSuchBucket));
    assert!(rig.shared.read(|state, now| state.summaries(None, now).is_empty()));
    let second = rig.register("brief").await.unwrap();
    assert_eq!(rig.shards[0].1.jobs(), [second.job]);
    assert_eq!(rig.servers[0].1.ended(), [first.job]);
}

#[tokio::test(start_paused = true)]
async fn freeing_a_job_touches_no_other_jobs_weights() {
    let rig = Rig::new(1, 2);
    let kept = rig.register("kept").await.unwrap();
    rig.register("gone").await.unwrap();
    rig.end("gone", EndMode::Force).await.unwrap();
    rig.round(Duration::from_millis(500), &[]).await;
    assert_eq!(rig.placement("kept"), Ok(kept));
}
