//! Settings that change while a job lives.

use crate::fixture::{Rig, bucket, registration};
use crate::state::SETTINGS_MAX_BYTES;
use futures::FutureExt;
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::{Configuration, ControlError, Placement, Registration};
use pocket_api::hints::JobHints;
use pocket_api::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule, LifecycleUnit};
use pocket_api::limits::NODE_TIMEOUT;
use pocket_api::metadata::{MetadataError, ShardRequest};
use pocket_api::settings::{DocumentKind, JobSettings};
use std::time::Duration;

const STEP: Duration = Duration::from_millis(500);

fn asking_ttl(seconds: u64) -> JobSettings {
    JobSettings::asking(JobHints { ttl: Some(Duration::from_secs(seconds)), ..JobHints::default() })
}

fn change(of: &Placement, settings: JobSettings) -> Configuration {
    Configuration { bucket: of.bucket.clone(), job: of.job, epoch: of.epoch, settings }
}

#[tokio::test]
async fn settings_reach_every_shard_before_they_are_shown_and_move_no_weight() {
    let rig = Rig::new(2, 3);
    let before = rig.register("data").await.unwrap();
    let after = rig.shared.configure(change(&before, asking_ttl(60))).await.unwrap();
    assert!(after.epoch > before.epoch);
    assert_eq!(after.weights, before.weights);
    assert_eq!((after.hints.ttl, after.hints.capacity), (asking_ttl(60).asked.ttl, before.hints.capacity));
    assert_eq!(rig.placement("data"), Ok(after.clone()));
    for (_, shard) in &rig.shards {
        let update = shard.asked().into_iter().rev().find_map(|asked| match asked {
            ShardRequest::Update(spec) => Some(spec),
            _ => None,
        });
        let spec = update.expect("the shard was told");
        assert_eq!((spec.epoch, spec.ends_in), (after.epoch, Some(Duration::from_secs(60))));
    }
    rig.round(Duration::from_secs(60), &[]).await;
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "the new ttl ends it");
}

#[tokio::test]
async fn a_ttl_that_is_put_off_or_taken_back_ends_nothing() {
    let rig = Rig::new(2, 1);
    let made = rig.register("data").await.unwrap();
    let short = rig.shared.configure(change(&made, asking_ttl(10))).await.unwrap();
    let longer = rig.shared.configure(change(&short, asking_ttl(30))).await.unwrap();
    rig.round(Duration::from_secs(20), &[]).await;
    assert_eq!(rig.placement("data"), Ok(longer.clone()));
    let endless = rig.shared.configure(change(&longer, JobSettings::default())).await.unwrap();
    rig.round(Duration::from_secs(20), &[]).await;
    assert_eq!(rig.placement("data"), Ok(endless));
}

#[tokio::test]
async fn what_owners_say_is_bounded_over_all_jobs() {
    let rig = Rig::new(1, 1);
    let said = |bytes: usize| JobSettings {
        documents: [(DocumentKind::Policy, "x".repeat(bytes).into())].into(),
        ..JobSettings::default()
    };
    let [one, other] = [rig.register("one").await.unwrap(), rig.register("two").await.unwrap()];
    let one = rig.shared.configure(change(&one, said(SETTINGS_MAX_BYTES - 10))).await.unwrap();
    rig.shared.configure(change(&other, said(10))).await.unwrap();
    let other = rig.placement("two").unwrap();
    let refused = rig.shared.configure(change(&other, said(11))).await;
    assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
    assert_eq!(rig.placement("two"), Ok(other.clone()), "nothing has changed");
    let more = Registration { settings: said(1), ..registration("three", JobHints::default()) };
    assert!(matches!(rig.shared.register(more).await, Err(ControlError::Unavailable(_))));
    rig.shared.configure(change(&one, said(5))).await.unwrap();
    rig.shared.configure(change(&other, said(11))).await.unwrap();
}

#[tokio::test]
async fn who_asks_while_shards_are_told_gets_the_outcome() {
    let rig = Rig::new(1, 1);
    let before = rig.register("data").await.unwrap();
    let name = bucket("data");
    let inside = rig.shared.gates.enter(&name).await;
    assert_eq!(rig.shared.placement(&name).await, Ok(before.clone()), "nothing is on its way to a shard");
    rig.shared.change(|state, _| state.unsettle(before.job));
    let mut asked = Box::pin(rig.shared.placement(&name));
    assert!(asked.as_mut().now_or_never().is_none());
    drop(inside);
    assert_eq!(asked.await, Ok(before));
}

#[tokio::test]
async fn of_two_changes_of_the_same_settings_one_is_stale() {
    let rig = Rig::new(1, 1);
    let seen = rig.register("data").await.unwrap();
    rig.shared.configure(change(&seen, asking_ttl(60))).await.unwrap();
    assert_eq!(rig.shared.configure(change(&seen, asking_ttl(9))).await, Err(ControlError::Stale));
    assert_eq!(rig.placement("data").unwrap().settings.asked.ttl, asking_ttl(60).asked.ttl);
    let nobody = Configuration { bucket: bucket("none"), ..change(&seen, asking_ttl(1)) };
    assert_eq!(rig.shared.configure(nobody).await, Err(ControlError::NoSuchBucket));
}

#[tokio::test]
async fn a_change_that_reached_only_some_shards_is_undone_as_a_newer_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut rig = Rig::with_file(Some(path.clone()), 2, 1);
    let before = rig.shared.register(registration("data", JobHints::default())).await.unwrap();
    let cut = || Fault::Error(MetadataError::Unavailable("cut off".into()));
    rig.shards[1].1.fail(move |request| matches!(request, ShardRequest::Update(_)).then(cut));
    let refused = rig.shared.configure(change(&before, asking_ttl(60))).await;
    assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
    let half = rig.shards[0].1.job(before.job).unwrap().epoch;
    assert!(half > before.epoch);
    rig.shards[1].1.heal();
    rig.restart(path);
    rig.round(STEP, &[]).await;
    let settled = rig.placement("data").unwrap();
    assert!(settled.epoch > half);
    assert_eq!(settled.settings, before.settings);
    assert!(rig.shards.iter().all(|(_, shard)| shard.job(before.job).unwrap().epoch == settled.epoch));
}

#[tokio::test]
async fn lifecycle_rules_outlive_the_controller_and_go_with_every_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut rig = Rig::with_file(Some(path.clone()), 1, 2);
    let before = rig.shared.register(registration("data", JobHints::default())).await.unwrap();
    let rule = LifecycleRule {
        id: "logs".into(),
        filter: LifecycleFilter { prefix: "logs/".into(), ..LifecycleFilter::default() },
        expires: Some(LifecycleEnd::After(5)),
        aborts_uploads_after: None,
    };
    let lifecycle = Lifecycle {
        rules: vec![rule],
        unit: LifecycleUnit::Of(Duration::from_secs(1)),
        job_ends: Some(LifecycleEnd::After(60)),
    };
    let settings = JobSettings { lifecycle: lifecycle.clone(), ..(*before.settings).clone() };
    let configured = rig.shared.configure(change(&before, settings)).await.unwrap();
    rig.restart(path);
    assert_eq!(rig.placement("data").unwrap().settings.lifecycle, lifecycle);
    let silent = rig.servers[1].0;
    rig.round(NODE_TIMEOUT, &[silent]).await;
    rig.round(STEP, &[silent]).await;
    assert!(rig.placement("data").unwrap().epoch > configured.epoch, "a server died");
    let told = rig.shards[0].1.asked().into_iter().rev().find_map(|asked| match asked {
        ShardRequest::Update(spec) => Some(spec),
        _ => None,
    });
    assert_eq!(told.map(|spec| spec.lifecycle), Some(lifecycle));
    rig.round(Duration::from_secs(60), &[]).await;
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "a rule ends the job");
}
