//! Jobs that end: asked for, by their TTL, idle, or with a shard that died.

use super::stubs::{Hold, StubShard};
use super::{Cluster, bucket, eventually, tenant};
use crate::control::{ControlError, EndJob, EndMode, Heartbeat};
use crate::hints::JobHints;
use crate::ids::JobId;
use crate::limits::{NODE_TIMEOUT, SUSPECT_AFTER};
use crate::metadata::ShardRequest;
use crate::usage::{JobUse, UsageReport};
use std::time::Duration;

pub(super) async fn ending_asks_for_the_right_owner_and_life(c: Cluster) {
    c.shard().await;
    c.server().await;
    assert_eq!(c.end("none", EndMode::Force).await, Err(ControlError::NoSuchBucket));
    let placed = c.register("data").await.unwrap();
    let end = |who: Option<&str>, job| EndJob {
        tenant: who.map(tenant),
        bucket: bucket("data"),
        job,
        mode: EndMode::Force,
    };
    assert_eq!(c.control().end(end(Some("bob"), None)).await, Err(ControlError::WrongTenant));
    let other_life = Some(JobId(placed.job.0 + 1));
    assert_eq!(c.control().end(end(Some("alice"), other_life)).await, Err(ControlError::NoSuchBucket));
    assert_eq!(c.placement("data").await, Ok(placed.clone()), "nothing of that touched the job");
    assert_eq!(c.control().end(end(Some("alice"), Some(placed.job))).await, Ok(()));
    assert_eq!(c.placement("data").await, Err(ControlError::NoSuchBucket));
}

pub(super) async fn a_job_with_objects_ends_by_force_only(c: Cluster) {
    let ((_, one), (_, two)) = (c.shard().await, c.shard().await);
    let ((_, near), (_, far)) = (c.server().await, c.server().await);
    let job = c.register("data").await.unwrap().job;
    two.change(job, |j| j.objects = 1);
    assert_eq!(c.end("data", EndMode::IfEmpty).await, Err(ControlError::NotEmpty));
    assert!(
        [&one, &two].iter().all(|s| s.job(job).unwrap().hold == Hold::Free),
        "a job that stays is thawed"
    );
    assert!(c.placement("data").await.is_ok());
    c.end("data", EndMode::Force).await.unwrap();
    assert_eq!((one.jobs(), two.jobs()), (vec![], vec![]), "every shard is fenced before the answer");
    assert_eq!((near.ended(), far.ended()), (vec![job], vec![job]), "servers are told before the answer");
    let again = c.register("data").await.unwrap();
    c.end("data", EndMode::IfEmpty).await.expect("a new job has none of the old one's objects");
    assert!(!one.jobs().contains(&again.job));
}

pub(super) async fn an_unreachable_shard_keeps_the_job(c: Cluster) {
    let ((_, one), (_, two), _) = (c.shard().await, c.shard().await, c.server().await);
    let placed = c.register("data").await.unwrap();
    two.cut_off();
    for mode in [EndMode::IfEmpty, EndMode::Force] {
        assert!(matches!(c.end("data", mode).await, Err(ControlError::Unavailable(_))));
        assert_eq!(c.placement("data").await, Ok(placed.clone()), "the job remains");
        assert!(one.job(placed.job).unwrap().hold == Hold::Free, "and is thawed");
    }
    two.heal();
    c.end("data", EndMode::IfEmpty).await.unwrap();
    assert_eq!((one.jobs(), two.jobs()), (vec![], vec![]));
}

pub(super) async fn heartbeats_learn_what_has_ended(c: Cluster) {
    let (_, (server, _)) = (c.shard().await, c.server().await);
    let kept = c.register("kept").await.unwrap().job;
    let gone = c.register("gone").await.unwrap().job;
    c.end("gone", EndMode::Force).await.unwrap();
    let lately = c.heartbeat(server, vec![]).await.unwrap();
    assert_eq!(lately.ended, [gone], "nobody has to list what ended lately");
    let told = Heartbeat { ended_seen: lately.ended_seen, ..Heartbeat::first(server) };
    assert_eq!(c.control().heartbeat(told.clone()).await.unwrap().ended, [], "it is told once");
    let never = JobId(gone.0 + 1_000);
    let listed = Heartbeat { jobs: vec![kept, gone, never], ..told };
    let reply = c.control().heartbeat(listed).await.unwrap();
    assert_eq!(reply.ended, [gone, never], "known jobs go on; what is not known has ended");
}

pub(super) async fn a_dead_shard_takes_its_jobs_along(c: Cluster) {
    let ((stays, one), (dies, two), (server, stub)) = (c.shard().await, c.shard().await, c.server().await);
    let job = c.register("data").await.unwrap().job;
    c.pass(SUSPECT_AFTER * 4 / 3, &[stays, server]).await;
    assert!(c.placement("data").await.is_ok(), "placed until the shard is declared dead");
    two.cut_off();
    c.pass(NODE_TIMEOUT, &[stays, server]).await;
    eventually("the lost job's name is free", async || c.register("data").await.is_ok()).await;
    assert!(!one.jobs().contains(&job), "what survived of it was ended");
    eventually("its chunks are given back", async || stub.ended().contains(&job)).await;
    assert!(!c.placement("data").await.unwrap().shards.contains(&dies));
}

pub(super) async fn a_ttl_ends_the_job(c: Cluster) {
    let ((shard, stub), (server, _)) = (c.shard().await, c.server().await);
    let ttl = Duration::from_secs(2);
    let hints = JobHints { ttl: Some(ttl), ..JobHints::default() };
    let job = c.register_with("brief", hints).await.unwrap().job;
    stub.change(job, |j| j.objects = 7);
    c.pass(ttl - Duration::from_secs(1), &[shard, server]).await;
    assert!(c.placement("brief").await.is_ok(), "not early");
    c.pass(Duration::from_secs(1), &[shard, server]).await;
    assert_eq!(c.placement("brief").await, Err(ControlError::NoSuchBucket), "not late");
    eventually("the shard is fenced", async || stub.jobs().is_empty()).await;
    c.register("brief").await.expect("the name is free");
}

pub(super) async fn an_idle_job_ends_unless_a_shard_votes_no(c: Cluster) {
    let ((one, stub_one), (two, stub_two), (server, _)) =
        (c.shard().await, c.shard().await, c.server().await);
    let idle_ttl = Duration::from_secs(30);
    let hints = JobHints { idle_ttl: Some(idle_ttl), ..JobHints::default() };
    let job = c.register_with("lazy", hints).await.unwrap().job;
    let idle = |ms| UsageReport {
        jobs: vec![JobUse { job, objects: 5, bytes: 5, idle_ms: ms }],
        ..UsageReport::default()
    };
    // Only one shard found it idle: nobody is even asked.
    c.seams.usage.report(one, idle(31_000)).await.unwrap();
    c.seams.usage.report(two, idle(29_000)).await.unwrap();
    // All did, but one has seen a request since: it votes no, and the job goes on.
    stub_two.change(job, |j| j.busy = true);
    c.seams.usage.report(two, idle(31_000)).await.unwrap();
    let voted = |stub: &StubShard| {
        stub.asked()
            .iter()
            .any(|asked| matches!(asked, ShardRequest::Freeze { idle_for: Some(d), .. } if *d == idle_ttl))
    };
    eventually("the shards are asked to vote", async || voted(&stub_two)).await;
    eventually("a no thaws the job", async || stub_one.job(job).unwrap().hold == Hold::Free).await;
    assert!(c.placement("lazy").await.is_ok());
    // The transfer is over and time passes: idle on all shards.
    stub_two.change(job, |j| j.busy = false);
    c.pass(Duration::from_secs(2), &[one, two, server]).await;
    c.seams.usage.report(one, idle(33_000)).await.unwrap();
    c.seams.usage.report(two, idle(33_000)).await.unwrap();
    eventually("the idle job ends", async || c.placement("lazy").await == Err(ControlError::NoSuchBucket))
        .await;
    eventually("on every shard", async || stub_one.jobs().is_empty() && stub_two.jobs().is_empty()).await;
}
