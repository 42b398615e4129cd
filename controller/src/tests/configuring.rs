//! Settings that change while a job lives.

use crate::fixture::{Rig, bucket, registration};
use crate::state::SETTINGS_MAX_BYTES;
use crate::state::event::Request;
use futures::FutureExt;
use pocket_api::conformance::control::stubs::Fault;
use pocket_api::control::{Configuration, ControlError, Placement, Registration};
use pocket_api::hints::JobHints;
use pocket_api::lifecycle::{Lifecycle, LifecycleEnd, LifecycleFilter, LifecycleRule, LifecycleUnit};
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

#[tokio::test(start_paused = true)]
async fn settings_reach_every_shard_before_they_are_shown_and_move_no_weight() {
    let rig = Rig::new(2, 3).await;
    let before = rig.register("data").await.unwrap();
    let after = rig.configure(change(&before, asking_ttl(60))).await.unwrap();
    assert!(after.epoch > before.epoch);
    assert_eq!(after.weights, before.weights);
    assert_eq!((after.hints.ttl, after.hints.capacity), (asking_ttl(60).asked.ttl, before.hints.capacity));
    assert_eq!(rig.placement("data"), Ok(after.clone()));
    for (_, shard) in &rig.shards {
        let update = shard.asked().into_iter().rev().find_map(|asked| match asked {
            ShardRequest::Update(_, spec) => Some(spec),
            _ => None,
        });
        let spec = update.expect("the shard was told");
        assert_eq!((spec.epoch, spec.ends_in), (after.epoch, Some(Duration::from_secs(60))));
    }
    rig.round(Duration::from_secs(60), &[]).await;
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "the new ttl ends it");
}

#[tokio::test(start_paused = true)]
async fn a_ttl_that_is_put_off_or_taken_back_ends_nothing() {
    let rig = Rig::new(2, 1).await;
    let made = rig.register("data").await.unwrap();
    let short = rig.configure(change(&made, asking_ttl(10))).await.unwrap();
    let longer = rig.configure(change(&short, asking_ttl(30))).await.unwrap();
    rig.round(Duration::from_secs(20), &[]).await;
    assert_eq!(rig.placement("data"), Ok(longer.clone()));
    let endless = rig.configure(change(&longer, JobSettings::default())).await.unwrap();
    rig.round(Duration::from_secs(20), &[]).await;
    assert_eq!(rig.placement("data"), Ok(endless));
}

#[tokio::test(start_paused = true)]
async fn what_owners_say_is_bounded_over_all_jobs() {
    let rig = Rig::new(1, 1).await;
    let said = |bytes: usize| JobSettings {
        documents: [(DocumentKind::Policy, "x".repeat(bytes).into())].into(),
        ..JobSettings::default()
    };
    let [one, other] = [rig.register("one").await.unwrap(), rig.register("two").await.unwrap()];
    let one = rig.configure(change(&one, said(SETTINGS_MAX_BYTES - 10))).await.unwrap();
    rig.configure(change(&other, said(10))).await.unwrap();
    let other = rig.placement("two").unwrap();
    let refused = rig.configure(change(&other, said(11))).await;
    assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
    assert_eq!(rig.placement("two"), Ok(other.clone()), "nothing has changed");
    let more = Registration { settings: said(1), ..registration("three", JobHints::default()) };
    assert!(matches!(rig.placed(Request::Register(more)).await, Err(ControlError::Unavailable(_))));
    rig.configure(change(&one, said(5))).await.unwrap();
    rig.configure(change(&other, said(11))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_asks_while_shards_are_told_gets_the_outcome() {
    let rig = Rig::new(2, 1).await;
    let before = rig.register("data").await.unwrap();
    let name = || Request::Placement(bucket("data"));
    assert_eq!(rig.placed(name()).await, Ok(before.clone()), "nothing is on its way to a shard");
    rig.shards[1].1.fail(|request| matches!(request, ShardRequest::Update(..)).then_some(Fault::Hang));
    let mut changing = Box::pin(rig.configure(change(&before, asking_ttl(60))));
    assert!(changing.as_mut().now_or_never().is_none());
    let mut asked = Box::pin(rig.placed(name()));
    assert!(asked.as_mut().now_or_never().is_none());
    assert!(matches!(changing.await, Err(ControlError::Unavailable(_))));
    let after = asked.await.unwrap();
    assert!(after.epoch > before.epoch && after.settings == before.settings, "it was taken back");
}

#[tokio::test(start_paused = true)]
async fn of_two_changes_of_the_same_settings_one_is_stale() {
    let rig = Rig::new(1, 1).await;
    let seen = rig.register("data").await.unwrap();
    rig.configure(change(&seen, asking_ttl(60))).await.unwrap();
    assert_eq!(rig.configure(change(&seen, asking_ttl(9))).await, Err(ControlError::Stale));
    assert_eq!(rig.placement("data").unwrap().settings.asked.ttl, asking_ttl(60).asked.ttl);
    let nobody = Configuration { bucket: bucket("none"), ..change(&seen, asking_ttl(1)) };
    assert_eq!(rig.configure(nobody).await, Err(ControlError::NoSuchBucket));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_reached_only_some_shards_is_undone_as_a_newer_epoch_that_is_shown_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut rig = Rig::with_file(Some(path.clone()), 2, 1).await;
    let before = rig.register("data").await.unwrap();
    let cut = || Fault::Error(MetadataError::Unavailable("cut off".into()));
    rig.shards[1].1.fail(move |request| matches!(request, ShardRequest::Update(..)).then(cut));
    let refused = rig.configure(change(&before, asking_ttl(60))).await;
    assert!(matches!(refused, Err(ControlError::Unavailable(_))), "{refused:?}");
    let told: Vec<_> = rig.shards[0].1.asked();
    assert!(told.iter().filter(|asked| matches!(asked, ShardRequest::Update(..))).count() >= 2);
    let shown = rig.placement("data").unwrap();
    assert_eq!(shown.settings, before.settings);
    let epoch_at = |rig: &Rig, shard: usize| rig.shards[shard].1.job(before.job).unwrap().epoch;
    assert!(
        shown.epoch > before.epoch && epoch_at(&rig, 0) == shown.epoch,
        "the shard that answers serves it"
    );
    assert_eq!(
        epoch_at(&rig, 1),
        before.epoch,
        "and so does the one that does not: it is newer than what it knows"
    );
    rig.restart(path);
    rig.shards[1].1.heal();
    rig.round(STEP, &[]).await;
    let settled = rig.placement("data").unwrap();
    assert!(settled.epoch >= shown.epoch && settled.settings == before.settings);
    assert!((0..2).all(|shard| epoch_at(&rig, shard) == settled.epoch));
    assert_eq!(rig.doing.read(|state, _| state.counts().operations), 0);
}

#[tokio::test(start_paused = true)]
async fn lifecycle_rules_outlive_the_controller_and_go_with_every_epoch() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.json");
    let mut rig = Rig::with_file(Some(path.clone()), 1, 2).await;
    let before = rig.register("data").await.unwrap();
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
    let configured = rig.configure(change(&before, settings)).await.unwrap();
    rig.restart(path);
    assert_eq!(rig.placement("data").unwrap().settings.lifecycle, lifecycle);
    let shown = rig.placement("data").unwrap();
    let again = rig.configure(change(&shown, (*shown.settings).clone())).await.unwrap();
    assert!(again.epoch > configured.epoch);
    let told = rig.shards[0].1.asked().into_iter().rev().find_map(|asked| match asked {
        ShardRequest::Update(_, spec) => Some(spec),
        _ => None,
    });
    assert_eq!(told.map(|spec| spec.lifecycle), Some(lifecycle));
    rig.round(Duration::from_secs(60), &[]).await;
    assert_eq!(rig.placement("data"), Err(ControlError::NoSuchBucket), "a rule ends the job");
}
