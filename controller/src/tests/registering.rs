//! Registration when shards fail, race and hang.

use crate::fixture::{Rig, bucket, registration, settle};
use crate::state::event::Request;
use crate::state::shown::Summaries;
use futures::FutureExt;
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::{ControlError, EndMode, Heartbeat};
use pocket_api::hints::JobHints;
use pocket_api::ids::JobId;
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::time::Duration;

fn opens(request: &ShardRequest) -> bool {
    matches!(request, ShardRequest::Open(..))
}

/// What a node that holds these is told has ended.
async fn ended(rig: &Rig, held: &[JobId]) -> Vec<JobId> {
    let node = rig.servers[0].0;
    let heartbeat = Heartbeat { jobs: held.to_vec(), ended_seen: u64::MAX - 1, ..Heartbeat::first(node) };
    match rig.doing.ask(Request::Beat(heartbeat)).await.unwrap() {
        crate::state::event::Reply::Beat(reply) => reply.ended,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn the_shards_of_a_job_that_is_being_opened_are_not_told_that_it_ended() {
    let rig = Rig::new(2, 1).await;
    rig.shards[1].1.fail(|request| opens(request).then_some(Fault::Hang));
    let mut registering = Box::pin(rig.register("data"));
    assert!(registering.as_mut().now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(1)).await;
    let held = rig.shards[0].1.jobs();
    assert_eq!(held.len(), 1);
    assert_eq!(ended(&rig, &held).await, [], "it is on its way");
    let shown = rig.placed(Request::Placement(bucket("data"))).await;
    assert_eq!(shown, Err(ControlError::NoSuchBucket), "and shown to nobody");
    assert!(matches!(registering.await, Err(ControlError::Unavailable(_))), "a shard hangs");
    assert_eq!(rig.shards[0].1.jobs(), [], "what was opened is ended");
    assert_eq!(ended(&rig, &held).await, held, "the rest is told by heartbeat");
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_failed_does_not_count_against_the_servers() {
    let rig = Rig::new(1, 2).await;
    let hints = || JobHints { capacity: Some(700 << 20), throughput: Some(1), ..JobHints::default() };
    rig.shards[0].1.fail(|request| opens(request).then_some(Fault::Error(MetadataError::Crowded)));
    assert!(rig.register_with("fails", hints()).await.is_err());
    rig.shards[0].1.heal();
    let first = rig.register_with("first", hints()).await.unwrap();
    assert_eq!(first.weights.len(), 1, "all the room is still there: {:?}", first.weights);
}

#[tokio::test(start_paused = true)]
async fn the_loser_of_a_race_sees_a_bucket_that_is_really_there() {
    let rig = Rig::new(1, 1).await;
    // The first to come hangs and fails; whoever waited behind it then wins.
    rig.shards[0].1.fail(|request| opens(request).then_some(Fault::Hang));
    let mut first = Box::pin(rig.register("data"));
    assert!(first.as_mut().now_or_never().is_none());
    tokio::task::yield_now().await;
    rig.shards[0].1.heal();
    let (first, second, third) = tokio::join!(first, rig.register("data"), rig.register("data"));
    assert!(matches!(first, Err(ControlError::Unavailable(_))));
    assert!(second.is_ok(), "{second:?}");
    assert!(matches!(third, Err(ControlError::BucketExists { .. })));
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_job_whose_ttl_is_over_is_free_before_any_upkeep() {
    let rig = Rig::new(1, 1).await;
    let hints = JobHints { ttl: Some(Duration::from_secs(5)), ..JobHints::default() };
    let first = rig.register_with("brief", hints).await.unwrap();
    assert_eq!(rig.doing.summaries(None).await.len(), 1);
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.placement("brief"), Err(ControlError::NoSuchBucket));
    assert!(rig.doing.summaries(None).await.is_empty());
    let second = rig.register("brief").await.unwrap();
    assert_eq!(rig.shards[0].1.jobs(), [second.job]);
    assert_eq!(rig.servers[0].1.ended(), [first.job]);
}

#[tokio::test(start_paused = true)]
async fn freeing_a_job_touches_no_other_jobs_weights() {
    let rig = Rig::new(1, 2).await;
    let kept = rig.register("kept").await.unwrap();
    rig.register("gone").await.unwrap();
    rig.end("gone", EndMode::Force).await.unwrap();
    rig.round(Duration::from_millis(500), &[]).await;
    assert_eq!(rig.placement("kept"), Ok(kept));
}

#[tokio::test(start_paused = true)]
async fn small_jobs_take_turns_on_the_shards_and_share_a_map() {
    let rig = Rig::new(2, 2).await;
    let small = || JobHints { capacity: Some(1_000), ..JobHints::default() };
    let mut places = Vec::new();
    for name in ["one", "two", "three", "four"] {
        let placement = rig.register_with(name, small()).await.unwrap();
        assert_eq!((placement.hints.capacity, placement.hints.throughput), (Some(1_000), Some(1)));
        places.push((placement.shards, placement.weights));
    }
    assert_eq!(places[0].0, places[2].0);
    assert_ne!(places[0].0, places[1].0);
    assert!(places.iter().all(|place| place.1 == places[0].1), "packed: {places:?}");
    let big = rig.register("big").await.unwrap();
    assert_eq!((big.shards.len(), big.weights.len()), (2, 2));
    assert_eq!((big.hints.capacity, big.hints.throughput), (None, None), "nothing is made up");
}

#[tokio::test(start_paused = true)]
async fn without_a_live_shard_or_server_there_is_no_place() {
    for (shards, servers, missing) in [(0, 1, "metadata shard"), (1, 0, "storage server")] {
        let rig = Rig::new(shards, servers).await;
        match rig.placed(Request::Register(registration("data", JobHints::default()))).await {
            Err(ControlError::Unavailable(why)) => assert!(why.contains(missing), "{why}"),
            other => panic!("{other:?}"),
        }
        settle().await;
        assert_eq!(rig.doing.read(|state, _| state.counts()), Default::default(), "nothing is left behind");
    }
}

#[tokio::test(start_paused = true)]
async fn many_jobs_are_gathered_in_turns_each_of_them_once() {
    let rig = Rig::new(1, 1).await;
    let names: Vec<String> = (0..9_000).map(|n| format!("b{n:05}")).collect();
    for name in &names {
        rig.register(name).await.unwrap();
    }
    let mut walk = Summaries::of(None);
    let mut turns = 1;
    while rig.doing.read(|state, now| walk.step(state, now)) {
        turns += 1;
    }
    let found: Vec<String> = walk.into_found().into_iter().map(|job| job.bucket.to_string()).collect();
    assert!(found == names && turns >= 4, "{} jobs in {turns} turns", found.len());
}
