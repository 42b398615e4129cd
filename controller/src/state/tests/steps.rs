//! What one step decides, where the surroundings do not matter.

use super::bench::Bench;
use crate::fixture::{START, bucket, registration, spec};
use crate::state::event::{Effect, Event, Note, Reply, Request};
use crate::state::record::Records;
use crate::state::{State, event::AskId};
use pocket_api::clock::Timestamp;
use pocket_api::cluster::Role;
use pocket_api::control::{ControlError, EndJob, EndMode, Heartbeat, Placement};
use pocket_api::hints::JobHints;
use pocket_api::ids::{JobId, Term};
use pocket_api::limits::NODE_TIMEOUT;
use pocket_api::metadata::MetadataError;
use pocket_api::usage::{JobUse, UsageReport};
use std::time::Duration;

fn registered(bench: &mut Bench, name: &str, hints: JobHints) -> Placement {
    match bench.ask_to_the_end(Request::Register(registration(name, hints))) {
        Ok(Reply::Placement(placement)) => placement,
        other => panic!("{other:?}"),
    }
}

fn shown(bench: &Bench, name: &str) -> Result<Placement, ControlError> {
    bench.state.placement(&bucket(name), bench.now)
}

#[test]
fn nothing_leaves_before_it_is_written_down() {
    let mut bench = Bench::new(2, 1);
    let effects = bench.state.step(
        Event::Asked(AskId(77), Box::new(Request::Register(registration("data", JobHints::default())))),
        START,
    );
    assert!(effects.iter().all(|effect| matches!(effect, Effect::Keep { .. })), "{effects:?}");
    let Some(Effect::Keep { number, .. }) = effects.first() else { panic!("{effects:?}") };
    let calls = bench.state.step(Event::Kept(*number), START);
    assert_eq!(calls.iter().filter(|effect| matches!(effect, Effect::Call { .. })).count(), 2);
}

#[test]
fn ids_and_versions_go_on_above_the_old_ones_even_when_the_clock_was_set_back() {
    let mut bench = Bench::new(1, 1);
    let gone = registered(&mut bench, "gone", JobHints::default()).job;
    let end = EndJob { tenant: None, bucket: bucket("gone"), job: None, mode: EndMode::Force };
    bench.ask_to_the_end(Request::End(end)).unwrap();
    let (version, term) = (bench.state.members.version(), bench.state.term);
    bench.now = Timestamp(5);
    bench.begin_again();
    assert!(bench.state.members.version() > version && bench.state.term > term);
    assert!(registered(&mut bench, "more", JobHints::default()).job > gone, "an id is not used again");
}

#[test]
fn a_ttl_is_over_at_its_millisecond() {
    let mut bench = Bench::new(1, 1);
    let hints = JobHints { ttl: Some(Duration::from_millis(1_500)), ..JobHints::default() };
    registered(&mut bench, "brief", hints);
    bench.pass(Duration::from_millis(1_499));
    assert!(shown(&bench, "brief").is_ok());
    bench.now = bench.now + Duration::from_millis(1);
    assert!(shown(&bench, "brief").is_err(), "not shown any more, ended or not");
    bench.pass(Duration::ZERO);
    assert!(bench.shard(0).jobs.is_empty());
}

#[test]
fn idleness_takes_a_fresh_report_of_every_shard() {
    let mut bench = Bench::new(2, 1);
    let hints = JobHints { idle_ttl: Some(Duration::from_secs(10)), ..JobHints::default() };
    let job = registered(&mut bench, "lazy", hints).job;
    let shards: Vec<_> = bench.shards.keys().copied().collect();
    let report = |bench: &mut Bench, shard: usize, idle_ms| {
        let used = JobUse { job, objects: 0, bytes: 0, idle_ms };
        let report = UsageReport { jobs: vec![used], ..UsageReport::default() };
        bench.event(Event::Reported(shards[shard], Box::new(report)));
        bench.state.counts().operations
    };
    assert_eq!(report(&mut bench, 0, 10_000), 0, "one is missing");
    assert_eq!(report(&mut bench, 1, 9_999), 0, "one saw a request");
    bench.pass(Duration::from_secs(4));
    assert_eq!(report(&mut bench, 1, 10_000), 0, "the other one's report is old");
    assert_eq!(report(&mut bench, 0, 10_000), 1);
    bench.settle();
    assert!(shown(&bench, "lazy").is_err());
}

#[test]
fn a_death_changes_the_maps_that_the_server_is_in_and_calls_no_shard() {
    let mut bench = Bench::new(2, 3);
    for i in 0..50 {
        registered(&mut bench, &format!("job-{i}"), JobHints::default());
    }
    let before = shown(&bench, "job-7").unwrap();
    let gone = before.weights[1].server;
    bench.notes.clear();
    bench.steps = 0;
    bench.ask_to_the_end(Request::Forget(gone)).unwrap();
    assert!(bench.steps <= 2, "{} effects", bench.steps);
    let after = shown(&bench, "job-7").unwrap();
    assert_eq!((after.epoch, after.weights.len()), (before.epoch, 2));
    assert!(bench.notes.contains(&Note::Reweighed { jobs: 50, servers: 2 }), "{:?}", bench.notes);
}

#[test]
fn a_controller_that_hears_of_a_newer_one_decides_nothing_any_more() {
    let mut bench = Bench::new(1, 1);
    registered(&mut bench, "data", JobHints::default());
    let end = EndJob { tenant: None, bucket: bucket("data"), job: None, mode: EndMode::Force };
    let ask = bench.ask(Request::End(end.clone()));
    // On its way to the disk.
    let own = bench.state.term;
    let effects = bench.state.step(Event::Kept(u64::MAX >> 1), START);
    let Some(Effect::Call { call, .. }) = effects.first() else { panic!("{effects:?}") };
    bench.event(Event::Answered(*call, Err(MetadataError::StaleTerm(Term(own.0 + 5)))));
    assert!(matches!(bench.answers.get(&ask), None | Some(Err(ControlError::Unavailable(_)))));
    assert!(bench.notes.contains(&Note::Deposed { own, newer: Term(own.0 + 5) }));
    assert!(matches!(bench.ask_to_the_end(Request::End(end)), Err(ControlError::Unavailable(_))));
}

#[test]
fn a_heartbeat_tells_a_controller_of_a_newer_one() {
    let mut bench = Bench::new(1, 1);
    let node = *bench.shards.keys().next().unwrap();
    let (own, newer) = (bench.state.term, Term(bench.state.term.0 + 1));
    let beat = |term| Request::Beat(Heartbeat { term, ..Heartbeat::first(node) });
    assert!(matches!(bench.ask_to_the_end(beat(own)), Ok(Reply::Beat(reply)) if reply.term == own));
    for term in [newer, own] {
        assert!(matches!(bench.ask_to_the_end(beat(term)), Err(ControlError::Unavailable(_))));
    }
    let forget = bench.ask_to_the_end(Request::Forget(node));
    assert!(matches!(forget, Err(ControlError::Unavailable(_))), "it decides nothing any more");
    assert!(bench.state.members.contains(node));
}

#[test]
fn a_controller_without_the_records_of_the_one_before_ends_nothing_of_it() {
    let mut bench = Bench::new(1, 1);
    let job = registered(&mut bench, "data", JobHints::default()).job;
    let old = *bench.shards.keys().next().unwrap();
    bench.disk.clear();
    bench.now = bench.now + Duration::from_secs(60);
    bench.begin_again();
    bench.notes.clear();
    for _ in 0..2 {
        let beat = bench.ask_to_the_end(Request::Beat(Heartbeat::first(old)));
        assert!(matches!(beat, Err(ControlError::Unavailable(_))), "it is not expelled: {beat:?}");
    }
    assert_eq!(bench.notes, [Note::Strangers], "said once");
    let node = match bench.ask_to_the_end(Request::Join(spec(Role::Metadata))) {
        Ok(Reply::Joined(joined)) => joined.node,
        other => panic!("{other:?}"),
    };
    let own = JobId(node.0 + 1);
    let listed = |bench: &mut Bench| {
        let heartbeat = Heartbeat { jobs: vec![job, own], ..Heartbeat::first(node) };
        let Ok(Reply::Beat(reply)) = bench.ask_to_the_end(Request::Beat(heartbeat)) else { panic!() };
        reply.ended
    };
    assert_eq!(listed(&mut bench), [own], "what is younger than it would be known");
    bench.begin_again();
    assert_eq!(listed(&mut bench), [own], "also after a restart");
}

#[test]
fn what_changes_is_told_to_gateways_as_maps_and_to_all_as_ends_once() {
    let mut bench = Bench::new(1, 3);
    registered(&mut bench, "data", JobHints::default());
    let gone = registered(&mut bench, "gone", JobHints::default());
    let gateway = match bench.ask_to_the_end(Request::Join(spec(Role::Gateway))) {
        Ok(Reply::Joined(joined)) => joined.node,
        other => panic!("{other:?}"),
    };
    let beat = |bench: &mut Bench, node, seen: (u64, u64)| {
        let heartbeat = Heartbeat { ended_seen: seen.0, weights_seen: seen.1, ..Heartbeat::first(node) };
        let Ok(Reply::Beat(reply)) = bench.ask_to_the_end(Request::Beat(heartbeat)) else { panic!() };
        reply
    };
    assert!(beat(&mut bench, gateway, (0, 0)).weights.is_empty(), "placements bring what is new");
    bench.ask_to_the_end(Request::Forget(gone.weights[0].server)).unwrap();
    let end = EndJob { tenant: None, bucket: bucket("gone"), job: None, mode: EndMode::Force };
    bench.ask_to_the_end(Request::End(end)).unwrap();
    let told = beat(&mut bench, gateway, (0, 0));
    assert_eq!((told.ended.as_slice(), told.weights.len()), ([gone.job].as_slice(), 1));
    assert_eq!(told.weights[0], shown(&bench, "data").unwrap().weights);
    let again = beat(&mut bench, gateway, (told.ended_seen, told.weights_seen));
    assert!(again.ended.is_empty() && again.weights.is_empty());
    let shard = *bench.shards.keys().next().unwrap();
    assert!(beat(&mut bench, shard, (0, 0)).weights.is_empty(), "a shard has no use for them");
}

#[test]
fn records_hold_all_that_a_state_needs() {
    let mut bench = Bench::new(2, 2);
    let hints = JobHints { ttl: Some(Duration::from_secs(60)), ..JobHints::default() };
    let made = registered(&mut bench, "data", hints);
    let again = State::restored(Records::of(&bench.disk).unwrap(), NODE_TIMEOUT, bench.now);
    let (_, snapshot) = again.snapshot();
    for (key, value) in snapshot {
        if key != crate::state::record::Key::Controller {
            assert_eq!(bench.disk.get(&key), Some(&value), "{key}");
        }
    }
    assert_eq!(again.placement(&bucket("data"), bench.now), Ok(made));
}
