//! The end of a job when shards fail in the middle of it.

use crate::fixture::{Rig, bucket};
use crate::job::{Cause, Fence, Phase};
use futures::FutureExt;
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::{ControlError, EndMode};
use pocket_api::ids::JobId;
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(500);

fn cut() -> Fault {
    Fault::Error(MetadataError::Unavailable("cut off".into()))
}

fn fence(request: &ShardRequest) -> bool {
    matches!(request, ShardRequest::End { .. })
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, ControlError>) {
    assert!(matches!(result, Err(ControlError::Unavailable(_))), "{result:?}");
}

fn open_on(rig: &Rig, job: JobId) -> Vec<bool> {
    rig.shards.iter().map(|(_, shard)| shard.job(job).is_some()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_fence_that_one_shard_misses_is_repeated_until_the_job_is_gone() {
    for mode in [EndMode::IfEmpty, EndMode::Force] {
        let rig = Rig::new(2, 1);
        let job = rig.register("data").await.unwrap().job;
        rig.shards[1].1.fail(|request| fence(request).then(cut));
        unavailable(rig.end("data", mode).await);
        assert_eq!(open_on(&rig, job), [false, true], "half of it is gone");
        assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "so nobody is sent there");
        unavailable(rig.register("data").await);
        assert!(rig.servers[0].1.ended().is_empty(), "its chunks may still be read");

        rig.round(RETRY, &[]).await;
        unavailable(rig.register("data").await);
        // Even should its freeze lapse meanwhile: there is no way back.
        rig.shards[1].1.change(job, |j| j.frozen = false);
        rig.shards[1].1.heal();
        rig.round(RETRY, &[]).await;
        assert_eq!(open_on(&rig, job), [false, false]);
        assert_eq!(rig.servers[0].1.ended(), [job]);
        assert!(rig.register("data").await.unwrap().job > job);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_repeats_its_delete_finishes_it() {
    let rig = Rig::new(2, 1);
    rig.register("data").await.unwrap();
    rig.shards[0].1.fail(|request| fence(request).then_some(Fault::LostReply));
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    rig.shards[0].1.heal();
    assert_eq!(rig.end("data", EndMode::IfEmpty).await, Ok(()));
    assert_eq!(rig.end("data", EndMode::IfEmpty).await, Err(ControlError::NoSuchBucket));
}

#[tokio::test(start_paused = true)]
async fn a_plain_delete_whose_freeze_lapsed_everywhere_leaves_the_job_whole() {
    let rig = Rig::new(2, 1);
    let placed = rig.register("data").await.unwrap();
    for (_, shard) in &rig.shards {
        shard.fail(|request| fence(request).then_some(Fault::Error(MetadataError::Busy)));
    }
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    assert_eq!(rig.placement("data"), Ok(placed.clone()));
    assert_eq!(open_on(&rig, placed.job), [true, true]);
}

#[tokio::test(start_paused = true)]
async fn a_fence_of_unknown_outcome_is_asked_about_and_the_job_may_live() {
    let rig = Rig::new(1, 1);
    let placed = rig.register("data").await.unwrap();
    rig.shards[0].1.fail(|request| fence(request).then_some(Fault::Hang));
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    unavailable(rig.placement("data"));
    // The fence never arrived, the freeze lapsed, and a client wrote.
    rig.shards[0].1.change(placed.job, |job| (job.frozen, job.objects) = (false, 1));
    rig.shards[0].1.heal();
    rig.round(RETRY, &[]).await;
    assert_eq!(rig.placement("data"), Ok(placed), "no acknowledged write is lost");
    assert_eq!(rig.end("data", EndMode::IfEmpty).await, Err(ControlError::NotEmpty));
}

#[tokio::test(start_paused = true)]
async fn a_fence_whose_answer_was_lost_is_found_done() {
    let rig = Rig::new(1, 1);
    rig.register("data").await.unwrap();
    rig.shards[0].1.fail(|request| fence(request).then_some(Fault::LostReply));
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    rig.shards[0].1.heal();
    rig.round(RETRY, &[]).await;
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket));
    assert!(rig.register("data").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_dies_in_the_middle_counts_as_fenced() {
    let rig = Rig::new(2, 1);
    let job = rig.register("data").await.unwrap().job;
    rig.shards[1].1.fail(|request| fence(request).then_some(Fault::Hang));
    unavailable(rig.end("data", EndMode::Force).await);
    rig.leave(rig.shards[1].0);
    rig.round(RETRY, &[]).await;
    assert_eq!(rig.servers[0].1.ended(), [job]);
    assert!(rig.register("data").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_hangs_in_the_freeze_holds_a_client_up_for_a_bounded_time() {
    let rig = Rig::new(2, 1);
    let placed = rig.register("data").await.unwrap();
    rig.shards[1].1.fail(|request| matches!(request, ShardRequest::Freeze { .. }).then_some(Fault::Hang));
    let asked = tokio::time::Instant::now();
    unavailable(rig.end("data", EndMode::Force).await);
    assert!(asked.elapsed() <= crate::calls::NOTE_DEADLINE);
    assert_eq!(rig.placement("data"), Ok(placed.clone()));
    assert!(!rig.shards[0].1.job(placed.job).unwrap().frozen);
}

#[test]
fn a_freeze_outlasts_everything_that_the_controller_does_under_it() {
    let longest = crate::calls::NOTE_DEADLINE + crate::calls::FENCE_DEADLINE;
    assert!(longest + Duration::from_secs(2) < pocket_api::limits::FREEZE_LEASE);
}

#[tokio::test]
async fn who_asks_while_a_job_may_be_ending_gets_the_outcome() {
    for lives in [false, true] {
        let rig = Rig::new(1, 1);
        let placed = rig.register("data").await.unwrap();
        let name = bucket("data");
        let inside = rig.shared.gates.enter(&name).await;
        rig.shared.change(|state, _| state.set_ending(placed.job, Fence::IfFrozen, Cause::Deleted));
        let mut asked = Box::pin(rig.shared.placement(&name));
        assert!(asked.as_mut().now_or_never().is_none());
        rig.shared.change(|state, _| match lives {
            true => state.set_phase(placed.job, Phase::Live),
            false => drop(state.remove(placed.job)),
        });
        drop(inside);
        assert_eq!(asked.await, if lives { Ok(placed) } else { Err(ControlError::NoSuchBucket) });
    }
}

#[tokio::test(start_paused = true)]
async fn ends_of_one_job_that_race_end_it_once() {
    let rig = Rig::new(2, 1);
    rig.register("data").await.unwrap();
    let ends = (0..8).map(|_| rig.end("data", EndMode::Force));
    let results = futures::future::join_all(ends).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|r| matches!(r, Ok(()) | Err(ControlError::NoSuchBucket))));
    assert!(rig.shared.read(|state, _| state.named(&bucket("data")).is_none()));
}
