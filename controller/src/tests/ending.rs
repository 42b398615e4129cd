//! The end of a job when shards fail in the middle of it.

use crate::fixture::{Rig, bucket, settle};
use crate::state::event::Request;
use crate::state::{WAIT_MAX, stages};
use futures::FutureExt;
use pocket_api::conformance::control::stubs::{Fault, Hold};
use pocket_api::control::{ControlError, EndMode};
use pocket_api::ids::JobId;
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(500);

fn cut() -> Fault {
    Fault::Error(MetadataError::Unavailable("cut off".into()))
}

fn fence(request: &ShardRequest) -> bool {
    matches!(request, ShardRequest::Fence { .. })
}

fn drops(request: &ShardRequest) -> bool {
    matches!(request, ShardRequest::End { .. })
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, ControlError>) {
    assert!(matches!(result, Err(ControlError::Unavailable(_))), "{result:?}");
}

fn open_on(rig: &Rig, job: JobId) -> Vec<bool> {
    rig.shards.iter().map(|(_, shard)| shard.job(job).is_some()).collect()
}

fn holds(rig: &Rig, job: JobId) -> Vec<Hold> {
    rig.shards.iter().map(|(_, shard)| shard.job(job).unwrap().hold).collect()
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_is_not_fenced_leaves_the_job_whole_and_closes_no_other_shard() {
    for mode in [EndMode::IfEmpty, EndMode::Force] {
        for fault in [cut(), Fault::Hang, Fault::LostReply, Fault::Error(MetadataError::Busy)] {
            let rig = Rig::new(2, 1).await;
            let placed = rig.register("data").await.unwrap();
            rig.shards[0].1.change(placed.job, |job| job.objects = u64::from(mode == EndMode::Force));
            rig.shards[1].1.fail(move |request| fence(request).then(|| fault.clone()));
            unavailable(rig.end("data", mode).await);
            assert_eq!(rig.placement("data"), Ok(placed.clone()));
            assert_eq!(open_on(&rig, placed.job), [true, true], "nothing is dropped");
            assert_eq!(holds(&rig, placed.job), [Hold::Free; 2], "and nothing held up");
            assert!(rig.servers[0].1.ended().is_empty());
            rig.shards[1].1.heal();
            assert_eq!(rig.end("data", mode).await, Ok(()), "it can be asked for again");
            assert_eq!(open_on(&rig, placed.job), [false, false]);
            assert_eq!(rig.servers[0].1.ended(), [placed.job]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_fence_at_a_shard_that_went_away_is_undone_when_it_is_back() {
    let rig = Rig::new(2, 1).await;
    let job = rig.register("data").await.unwrap().job;
    // It fences, and from then on nothing is heard of it.
    rig.shards[1].1.fail(|request| match request {
        ShardRequest::Fence { .. } => Some(Fault::LostReply),
        ShardRequest::Thaw { .. } => Some(cut()),
        _ => None,
    });
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    assert_eq!(holds(&rig, job)[0], Hold::Free, "the other one serves");
    assert!(matches!(holds(&rig, job)[1], Hold::Fenced(_)));
    unavailable(rig.end("data", EndMode::IfEmpty).await);
    rig.round(RETRY, &[]).await;
    rig.shards[1].1.heal();
    rig.round(RETRY, &[]).await;
    assert_eq!(holds(&rig, job), [Hold::Free; 2]);
    assert_eq!(rig.doing.read(|state, _| state.counts().operations), 0);
}

#[tokio::test(start_paused = true)]
async fn what_all_shards_have_fenced_ends_and_its_name_is_free_however_long_a_drop_takes() {
    let rig = Rig::new(2, 1).await;
    let job = rig.register("data").await.unwrap().job;
    rig.shards[1].1.fail(|request| drops(request).then(cut));
    assert_eq!(rig.end("data", EndMode::IfEmpty).await, Ok(()));
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket));
    assert!(matches!(rig.shards[1].1.job(job).unwrap().hold, Hold::Fenced(_)), "it serves nothing");
    assert_eq!(rig.servers[0].1.ended(), [job]);
    assert!(rig.register("data").await.unwrap().job > job, "the name is free");
    rig.round(RETRY, &[]).await;
    rig.shards[1].1.heal();
    rig.round(RETRY, &[]).await;
    assert!(rig.shards[1].1.job(job).is_none());
    assert_eq!(rig.doing.read(|state, _| state.counts().operations), 0);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_dies_in_the_middle_counts_as_fenced() {
    let rig = Rig::new(2, 1).await;
    let job = rig.register("data").await.unwrap().job;
    rig.shards[1].1.fail(|request| fence(request).then_some(Fault::Hang));
    let mut ending = Box::pin(rig.end("data", EndMode::Force));
    assert!(ending.as_mut().now_or_never().is_none());
    tokio::time::sleep(Duration::from_millis(10)).await;
    rig.leave(rig.shards[1].0).await;
    assert_eq!(ending.await, Ok(()));
    assert_eq!(rig.servers[0].1.ended(), [job]);
    assert!(rig.register("data").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_hangs_in_the_freeze_holds_a_client_up_for_a_bounded_time() {
    let rig = Rig::new(2, 1).await;
    let placed = rig.register("data").await.unwrap();
    rig.shards[1].1.fail(|request| matches!(request, ShardRequest::Freeze { .. }).then_some(Fault::Hang));
    let asked = tokio::time::Instant::now();
    unavailable(rig.end("data", EndMode::Force).await);
    assert!(asked.elapsed() <= stages::NOTE_DEADLINE);
    assert_eq!(rig.placement("data"), Ok(placed.clone()));
    assert_eq!(holds(&rig, placed.job), [Hold::Free; 2]);
}

#[test]
fn a_freeze_outlasts_everything_that_the_controller_does_under_it() {
    let longest = stages::NOTE_DEADLINE + stages::NOTE_DEADLINE;
    assert!(longest + Duration::from_secs(2) < pocket_api::limits::FREEZE_LEASE);
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_a_job_may_be_ending_gets_the_outcome() {
    for ends in [false, true] {
        let rig = Rig::new(2, 1).await;
        let placed = rig.register("data").await.unwrap();
        rig.shards[1].1.fail(|request| fence(request).then_some(Fault::Hang));
        let mut ending = Box::pin(rig.end("data", EndMode::IfEmpty));
        assert!(ending.as_mut().now_or_never().is_none());
        tokio::time::sleep(Duration::from_millis(10)).await;
        let mut asked = Box::pin(rig.placed(Request::Placement(bucket("data"))));
        assert!(asked.as_mut().now_or_never().is_none());
        if ends {
            rig.leave(rig.shards[1].0).await;
        }
        assert_eq!(ending.await.is_ok(), ends);
        assert_eq!(asked.await, if ends { Err(ControlError::NoSuchBucket) } else { Ok(placed) });
    }
}

#[tokio::test(start_paused = true)]
async fn ends_of_one_job_that_race_end_it_once() {
    let rig = Rig::new(2, 1).await;
    rig.register("data").await.unwrap();
    let ends = (0..8).map(|_| rig.end("data", EndMode::Force));
    let results = futures::future::join_all(ends).await;
    assert_eq!(results.iter().filter(|r| r.is_ok()).count(), 1, "{results:?}");
    assert!(results.iter().all(|r| matches!(r, Ok(()) | Err(ControlError::NoSuchBucket))));
    assert!(rig.doing.read(|state, _| state.named(&bucket("data")).is_none()));
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_operation_that_takes_too_long_is_told_of_a_conflict() {
    let rig = Rig::new(1, 1).await;
    let placed = rig.register("data").await.unwrap();
    rig.shards[0].1.fail(|request| matches!(request, ShardRequest::Freeze { .. }).then_some(Fault::Hang));
    let mut ending = Box::pin(rig.end("data", EndMode::Force));
    assert!(ending.as_mut().now_or_never().is_none());
    let mut waiting = Box::pin(rig.end("data", EndMode::IfEmpty));
    assert!(waiting.as_mut().now_or_never().is_none());
    rig.clock.advance(WAIT_MAX);
    rig.doing.tick(Duration::ZERO);
    assert_eq!(waiting.await, Err(ControlError::Conflict));
    unavailable(ending.await);
    // And no more wait than may.
    let mut many: Vec<_> = (0..100).map(|_| Box::pin(rig.end("data", EndMode::Force))).collect();
    let now: Vec<_> = many.iter_mut().filter_map(|end| end.as_mut().now_or_never()).collect();
    assert_eq!(now.len(), 100 - 64 - 1);
    assert!(now.iter().all(|end| *end == Err(ControlError::Conflict)));
    drop(many);
    settle().await;
    rig.shards[0].1.heal();
    for _ in 0..70 {
        settle().await;
    }
    assert!(rig.placement("data").is_err_and(|e| e == ControlError::NoSuchBucket), "{placed:?}");
}
