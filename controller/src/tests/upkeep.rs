//! What a controller does by itself as time passes and nodes die.

use crate::fixture::{Rig, settle};
use pocket_api::cluster::{Directory, Role};
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::ControlError;
use pocket_api::hints::JobHints;
use pocket_api::limits::{NODE_TIMEOUT, SUSPECT_AFTER};
use pocket_api::metadata::ShardRequest;
use std::time::Duration;

const STEP: Duration = Duration::from_millis(500);

#[tokio::test(start_paused = true)]
async fn a_silent_server_leaves_the_weights_when_it_is_dead_and_not_before() {
    let rig = Rig::new(1, 3).await;
    let before = rig.register("data").await.unwrap();
    let silent = rig.servers[0].0;
    let mut waited = Duration::ZERO;
    while waited < NODE_TIMEOUT {
        rig.round(STEP, &[silent]).await;
        waited += STEP;
        assert_eq!(rig.placement("data"), Ok(before.clone()), "after {waited:?}");
    }
    rig.round(STEP, &[silent]).await;
    let after = rig.placement("data").unwrap();
    assert_eq!(after.weights.len(), 2);
    assert_eq!(after.epoch, before.epoch, "weights are no matter of shards");
    assert!(rig.directory.view().is_dead(silent));
    rig.round(STEP, &[]).await;
    assert_eq!(rig.placement("data"), Ok(after), "and that was all");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_lost_all_its_servers_gets_the_next_one() {
    let rig = Rig::new(1, 1).await;
    rig.register("data").await.unwrap();
    rig.leave(rig.servers[0].0).await;
    rig.round(STEP, &[]).await;
    assert_eq!(rig.placement("data").unwrap().weights[..], [], "nowhere to write");
    let fresh = rig.join(Role::Storage).await;
    rig.round(STEP, &[]).await;
    let placed = rig.placement("data").unwrap();
    assert_eq!(placed.weights.iter().map(|w| w.server).collect::<Vec<_>>(), [fresh]);
    let another = rig.join(Role::Storage).await;
    rig.round(STEP, &[]).await;
    assert_eq!(
        rig.placement("data"),
        Ok(placed),
        "a job that has servers keeps its map; {another} is for new ones"
    );
    assert_eq!(rig.register("new").await.unwrap().weights.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_survivors_of_a_lost_job_are_ended_however_long_it_takes() {
    let rig = Rig::new(2, 1).await;
    let job = rig.register("data").await.unwrap().job;
    rig.shards[0].1.cut_off();
    rig.leave(rig.shards[1].0).await;
    for _ in 0..5 {
        rig.round(STEP, &[]).await;
        assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "lost is lost at once");
    }
    assert!(rig.shards[0].1.job(job).is_some());
    rig.shards[0].1.heal();
    rig.round(STEP, &[]).await;
    assert!(rig.shards[0].1.job(job).is_none());
    assert_eq!(rig.servers[0].1.ended(), [job]);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_declared_dead_by_a_controller_that_stood_still() {
    let rig = Rig::new(1, 1).await;
    let before = rig.register("data").await.unwrap();
    let asleep = Duration::from_secs(600);
    rig.clock.advance(asleep);
    rig.doing.tick(asleep);
    settle().await;
    assert_eq!(rig.placement("data"), Ok(before));
    assert_eq!(rig.directory.view().nodes.len(), 2);
    rig.round(SUSPECT_AFTER + STEP, &[rig.servers[0].0]).await;
    assert_eq!(rig.directory.view().nodes.len(), 2, "from here on silence counts again");
    rig.round(NODE_TIMEOUT, &[rig.servers[0].0]).await;
    assert_eq!(rig.directory.view().nodes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_ttl_ends_the_job_on_all_shards_and_servers() {
    let rig = Rig::new(2, 1).await;
    let hints = JobHints { ttl: Some(Duration::from_secs(2)), ..JobHints::default() };
    let job = rig.register_with("brief", hints).await.unwrap().job;
    rig.shards[0].1.change(job, |j| j.objects = 9);
    rig.round(Duration::from_millis(1_999), &[]).await;
    assert!(rig.placement("brief").is_ok());
    rig.round(Duration::from_millis(1), &[]).await;
    assert!(rig.shards.iter().all(|(_, shard)| shard.job(job).is_none()));
    assert_eq!(rig.servers[0].1.ended(), [job]);
    assert_eq!(rig.doing.read(|state, _| state.counts()), Default::default());
}

#[tokio::test(start_paused = true)]
async fn shards_that_hang_keep_no_job_of_another_shard_from_ending() {
    let rig = Rig::new(2, 1).await;
    let hints = || JobHints { capacity: Some(1), ttl: Some(Duration::from_secs(1)), ..JobHints::default() };
    let jobs = 600;
    for i in 0..jobs {
        rig.register_with(&format!("job-{i:04}"), hints()).await.unwrap();
    }
    // Half of the jobs are on a shard that hangs.
    rig.shards[0].1.fail(|request| matches!(request, ShardRequest::End { .. }).then_some(Fault::Hang));
    rig.clock.advance(Duration::from_secs(1));
    for _ in 0..4 {
        rig.round(STEP, &[]).await;
    }
    assert_eq!(rig.shards[1].1.jobs(), [], "every job of the healthy shard is done");
    assert_eq!(rig.shards[0].1.jobs().len(), jobs / 2);
}
