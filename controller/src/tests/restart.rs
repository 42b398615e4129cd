//! A controller that restarts from its state file.

use crate::fixture::Rig;
use pocket_api::clock::Clock;
use pocket_api::conformance::control::stubs::{Fault, Hold};
use pocket_api::control::{ControlError, EndMode, Placement, WeightMap};
use pocket_api::hints::JobHints;
use pocket_api::limits::NODE_TIMEOUT;
use pocket_api::metadata::{MetadataError, ShardRequest};
use std::path::PathBuf;
use std::time::Duration;

const RETRY: Duration = Duration::from_millis(500);

async fn rig(shards: usize, servers: usize) -> (Rig, PathBuf, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    (Rig::with_file(Some(path.clone()), shards, servers).await, path, folder)
}

/// Weights may differ in the last bit after a trip through JSON.
fn same(a: &Placement, b: &Placement) -> bool {
    let close = a.weights.iter().zip(b.weights.iter()).all(|(a, b)| (a.weight - b.weight).abs() < 1e-12);
    let servers = |p: &Placement| p.weights.iter().map(|w| w.server).collect::<Vec<_>>();
    close
        && servers(a) == servers(b)
        && Placement { weights: WeightMap::default(), ..a.clone() }
            == Placement { weights: WeightMap::default(), ..b.clone() }
}

#[tokio::test(start_paused = true)]
async fn jobs_names_members_and_ttls_go_on() {
    let (mut rig, path, _folder) = rig(2, 3).await;
    let hints = JobHints { ttl: Some(Duration::from_secs(60)), ..JobHints::default() };
    let before = rig.register_with("data", hints).await.unwrap();
    let view = rig.doing.read(|state, _| state.members.view());
    rig.clock.advance(Duration::from_secs(20));
    rig.restart(path);
    assert!(same(&rig.placement("data").unwrap(), &before));
    let after = rig.doing.read(|state, _| state.members.view());
    assert_eq!(after.nodes, view.nodes, "all count as live");
    assert!(after.version > view.version, "and are told the view anew");
    let ends_in = rig.doing.summaries(None).await[0].ends_in;
    assert_eq!(ends_in, Some(Duration::from_secs(40)));
    assert!(matches!(rig.register("data").await, Err(ControlError::BucketExists { .. })));
    assert!(rig.register("more").await.unwrap().job > before.job);
}

#[tokio::test(start_paused = true)]
async fn members_that_died_meanwhile_are_found_dead_only_after_their_time() {
    let (mut rig, path, _folder) = rig(1, 2).await;
    let before = rig.register("data").await.unwrap();
    rig.clock.advance(Duration::from_secs(3_600));
    rig.restart(path);
    let silent = rig.servers[1].0;
    rig.round(NODE_TIMEOUT, &[silent]).await;
    assert_eq!(rig.placement("data").unwrap().weights.len(), before.weights.len(), "not yet");
    rig.round(RETRY, &[silent]).await;
    let after = rig.placement("data").unwrap();
    assert!(after.weights.iter().all(|w| w.server != silent));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_decided_is_carried_on_and_one_that_was_not_is_undone() {
    for decided in [true, false] {
        let (mut rig, path, _folder) = rig(2, 1).await;
        let job = rig.register("data").await.unwrap().job;
        let cut = || Fault::Error(MetadataError::Unavailable("cut off".into()));
        rig.shards[1].1.fail(move |request| match request {
            ShardRequest::End { .. } | ShardRequest::Thaw { .. } => Some(cut()),
            ShardRequest::Fence { .. } if !decided => Some(cut()),
            _ => None,
        });
        assert_eq!(rig.end("data", EndMode::IfEmpty).await.is_ok(), decided);
        rig.restart(path.clone());
        assert_eq!(rig.placement("data").is_err(), decided);
        rig.shards[1].1.heal();
        rig.round(RETRY, &[]).await;
        rig.round(RETRY, &[]).await;
        assert!(rig.shards.iter().all(|(_, shard)| shard.job(job).is_none() == decided));
        if !decided {
            assert!(rig.shards.iter().all(|(_, shard)| shard.job(job).unwrap().hold == Hold::Free));
            rig.end("data", EndMode::IfEmpty).await.unwrap();
        }
        rig.restart(path);
        assert!(rig.register("data").await.unwrap().job > job, "the end itself was kept");
    }
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_cannot_be_kept_does_not_happen() {
    let (rig, path, folder) = rig(1, 1).await;
    let kept = rig.register("kept").await.unwrap();
    // The folder becomes a file: nothing can be written next to the state file.
    std::fs::remove_dir_all(folder.path()).unwrap();
    std::fs::write(folder.path(), "in the way").unwrap();
    assert!(matches!(rig.register("lost").await, Err(ControlError::Unavailable(_))));
    assert_eq!(rig.placement("lost"), Err(ControlError::NoSuchBucket));
    assert_eq!(rig.shards[0].1.jobs(), [kept.job], "nothing is left of it");
    assert!(matches!(rig.end("kept", EndMode::IfEmpty).await, Err(ControlError::Unavailable(_))));
    assert_eq!(rig.placement("kept"), Ok(kept.clone()));
    assert_eq!(rig.shards[0].1.job(kept.job).unwrap().hold, Hold::Free);
    std::fs::remove_file(folder.path()).unwrap();
    std::fs::create_dir(folder.path()).unwrap();
    assert!(rig.register("lost").await.is_ok(), "and goes on once the disk is back");
    assert!(path.exists() && rig.clock.now() >= crate::fixture::START);
}

#[tokio::test(start_paused = true)]
async fn of_two_controllers_over_one_file_the_older_tells_nobody_anything_any_more() {
    let (mut rig, path, _folder) = rig(1, 1).await;
    let kept = rig.register("kept").await.unwrap();
    let next = rig.successor(path.clone());
    assert!(matches!(rig.register("late").await, Err(ControlError::Unavailable(_))));
    assert!(matches!(rig.end("kept", EndMode::Force).await, Err(ControlError::Unavailable(_))));
    rig.doing = next;
    rig.round(RETRY, &[]).await;
    assert_eq!(rig.placement("kept"), Ok(kept.clone()));
    assert_eq!(rig.shards[0].1.jobs(), [kept.job]);
    rig.register("more").await.unwrap();
    rig.restart(path);
    assert!(rig.placement("more").is_ok());
}
