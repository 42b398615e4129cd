//! The controller is killed after each effect of each operation, in each way that a disk and a network leave behind; another one
//! begins, and what comes of it is judged: a job is whole or gone, everywhere, and no acknowledged write is lost.

use super::bench::Bench;
use crate::fixture::{bucket, registration};
use crate::state::event::{Answer, Event, Request};
use pocket_api::control::{Configuration, ControlError, EndJob, EndMode, Placement};
use pocket_api::hints::JobHints;
use pocket_api::ids::JobId;
use pocket_api::limits::FREEZE_LEASE;
use pocket_api::settings::JobSettings;
use pocket_api::usage::{JobUse, UsageReport};
use std::time::Duration;

const SHARDS: usize = 3;
const ACTS: [Act; 7] =
    [Act::Register, Act::Configure, Act::EndIfEmpty, Act::EndFull, Act::EndByForce, Act::Idle, Act::Expire];
const TROUBLES: [Trouble; 4] = [Trouble::None, Trouble::Away, Trouble::Mute, Trouble::Disk];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Register,
    Configure,
    EndIfEmpty,
    /// As above, of a job that is not empty.
    EndFull,
    EndByForce,
    Idle,
    Expire,
}

/// What is wrong with a shard while it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    None,
    Away,
    Mute,
    /// The disk takes nothing from the second write on.
    Disk,
}

fn hints() -> JobHints {
    let time = |seconds| Some(Duration::from_secs(seconds));
    JobHints { idle_ttl: time(60), ttl: time(3_600), ..JobHints::default() }
}

/// A state in which the act can begin, with the job where there is one.
fn prepared(act: Act) -> (Bench, Option<Placement>) {
    let mut bench = Bench::new(SHARDS, 2);
    if act == Act::Register {
        return (bench, None);
    }
    let made = bench.ask_to_the_end(Request::Register(registration("data", hints())));
    let Ok(crate::state::event::Reply::Placement(placement)) = made else { panic!("{made:?}") };
    if matches!(act, Act::EndByForce | Act::EndFull) {
        assert_eq!(bench.write_everywhere(Some(placement.job)), [true; SHARDS]);
    }
    bench.steps = 0;
    (bench, Some(placement))
}

fn begin(bench: &mut Bench, act: Act, job: Option<&Placement>) -> Option<crate::state::event::AskId> {
    let end = |mode| Request::End(EndJob { tenant: None, bucket: bucket("data"), job: None, mode });
    let request = match act {
        Act::Register => Request::Register(registration("data", hints())),
        Act::Configure => {
            let job = job.expect("it is there");
            let settings = JobSettings::asking(JobHints { reads: Some(3), ..hints() });
            Request::Configure(Configuration {
                bucket: bucket("data"),
                job: job.job,
                epoch: job.epoch,
                settings,
            })
        }
        Act::EndIfEmpty | Act::EndFull => end(EndMode::IfEmpty),
        Act::EndByForce => end(EndMode::Force),
        Act::Idle => {
            let used = JobUse { job: job.expect("it is there").job, objects: 0, bytes: 0, idle_ms: 60_000 };
            let nodes: Vec<_> = bench.shards.keys().copied().collect();
            for node in nodes {
                let report = UsageReport { jobs: vec![used], ..UsageReport::default() };
                bench.event(Event::Reported(node, Box::new(report)));
            }
            return None;
        }
        Act::Expire => {
            bench.now = bench.now + Duration::from_secs(3_600);
            for node in bench.state.members.view().nodes {
                bench.state.members.heard(node.id, bench.now).unwrap();
            }
            bench.event(Event::Tick { after: Duration::ZERO });
            return None;
        }
    };
    Some(bench.ask(request))
}

/// The job is whole or gone, for everybody, and nothing is left behind.
fn judge(bench: &mut Bench, job: Option<JobId>, written: &[bool], told: Option<Answer>, case: &str) {
    assert_eq!(bench.state.counts().operations, 0, "{case}: an operation is stuck");
    let now = bench.now;
    let shown = bench.state.placement(&bucket("data"), now);
    let shards: Vec<_> = bench.shards.values().collect();
    let kept: Vec<JobId> = shards.iter().flat_map(|shard| shard.jobs.keys().copied()).collect();
    match &shown {
        Ok(placement) => {
            assert_eq!(kept, vec![placement.job; SHARDS], "{case}: it is whole");
            for shard in &shards {
                let open = &shard.jobs[&placement.job];
                assert_eq!(open.epoch, placement.epoch, "{case}");
                assert!(open.fenced.is_none() && open.frozen.is_none_or(|(_, until)| until <= now), "{case}");
            }
            let is_registered = job.is_none() && matches!(told, Some(Ok(_)));
            assert!(job.is_some() || is_registered || told.is_none(), "{case}: {told:?}");
        }
        Err(ControlError::NoSuchBucket) => {
            assert_eq!(kept, [], "{case}: it is gone everywhere");
            let by_force = case.contains("EndByForce") || case.contains("Expire");
            assert!(by_force || !written.contains(&true), "{case}: an acknowledged write is lost");
        }
        Err(other) => panic!("{case}: {other}"),
    }
    if let Some(Ok(_)) = told {
        let is_end = case.contains("End");
        assert_eq!(shown.is_err(), is_end, "{case}: not what was acknowledged");
        if case.contains("Configure") {
            assert_eq!(shown.as_ref().unwrap().settings.asked.reads, Some(3), "{case}");
        }
    }
    // And the name can be used.
    let again = match shown {
        Ok(_) => bench.ask_to_the_end(Request::End(EndJob {
            tenant: None,
            bucket: bucket("data"),
            job: None,
            mode: EndMode::Force,
        })),
        Err(_) => bench.ask_to_the_end(Request::Register(registration("data", hints()))),
    };
    assert!(again.is_ok(), "{case}: {again:?}");
}

fn set(bench: &mut Bench, trouble: Trouble) {
    match trouble {
        Trouble::None | Trouble::Disk => {}
        Trouble::Away => bench.shard(1).is_away = true,
        Trouble::Mute => bench.shard(1).is_mute = true,
    }
}

/// Runs an act up to its `stop`th effect, crashes, and judges. False where it is over before.
fn crashed_at(act: Act, trouble: Trouble, stop: usize, variant: u32) -> bool {
    let case = format!("{act:?} with {trouble:?}, killed after {stop} effects, variant {variant:#b}");
    let (written, done, late) = (variant & 1 > 0, variant & 2 > 0, variant & 4 > 0);
    let (mut bench, placement) = prepared(act);
    set(&mut bench, trouble);
    let ask = begin(&mut bench, act, placement.as_ref());
    for _ in 0..stop {
        bench.disk_fails = trouble == Trouble::Disk && bench.steps > 0;
        if !bench.step() {
            return false;
        }
    }
    let told = ask.and_then(|ask| bench.answers.remove(&ask));
    let job = placement.map(|placement| placement.job);
    bench.crash(written, done);
    if late {
        bench.now = bench.now + FREEZE_LEASE;
    }
    // Clients write wherever they may.
    let mut acknowledged = bench.write_everywhere(job);
    acknowledged.push(act == Act::EndFull);
    bench.event(Event::Tick { after: Duration::ZERO });
    while bench.step() {
        acknowledged.extend(bench.write_everywhere(job));
    }
    bench.heal();
    judge(&mut bench, job, &acknowledged, told, &case);
    true
}

#[test]
fn an_operation_that_is_cut_off_anywhere_leaves_a_job_whole_or_gone() {
    let mut crashes = 0;
    for act in ACTS {
        for trouble in TROUBLES {
            for variant in 0..8 {
                let mut stop = 0;
                while crashed_at(act, trouble, stop, variant) {
                    stop += 1;
                    crashes += 1;
                    assert!(stop < 500, "{act:?} with {trouble:?} does not come to rest");
                }
            }
        }
    }
    assert!(crashes > 1_000, "{crashes}");
}

#[test]
fn one_that_is_not_cut_off_but_meets_trouble_leaves_a_job_whole_or_gone() {
    for act in ACTS {
        for trouble in TROUBLES {
            // The trouble begins after so many effects.
            for since in 0..24 {
                let case = format!("{act:?} with {trouble:?} after {since} effects");
                let (mut bench, placement) = prepared(act);
                let ask = begin(&mut bench, act, placement.as_ref());
                for _ in 0..since {
                    bench.step();
                }
                set(&mut bench, trouble);
                bench.disk_fails = trouble == Trouble::Disk;
                bench.settle();
                let job = placement.map(|placement| placement.job);
                let mut acknowledged = bench.write_everywhere(job);
                acknowledged.push(act == Act::EndFull);
                bench.heal();
                let told = ask.map(|ask| bench.answers.remove(&ask).expect("everybody is answered"));
                if act == Act::Register && matches!(told, Some(Err(_))) {
                    assert!(
                        bench.state.placement(&bucket("data"), bench.now).is_err(),
                        "{case}: refused, and there"
                    );
                }
                judge(&mut bench, job, &acknowledged, told, &case);
            }
        }
    }
}
