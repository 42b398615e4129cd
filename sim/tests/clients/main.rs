//! The clients and the judges on real planes in one process, in which nothing fails: no judge may object to anything.

#[path = "../../../gateway/tests/in_process/mod.rs"]
mod in_process;
mod ports;

use in_process::ask::TENANTS;
use in_process::planes::Cluster;
use pocket_api::clock::{Clock, Timestamp};
use pocket_api::env::Env;
use pocket_gateway::config::GatewayConfig;
use pocket_sim::client::workload::Workload;
use pocket_sim::client::{Recorder, Signer};
use pocket_sim::history::{History, Outcome};
use pocket_sim::judges::declared::Declared;
use pocket_sim::judges::{Finding, judge};
use pocket_sim::port::S3Port;
use ports::{Way, Wrong};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::time::Instant;

/// More are run by the world's binary.
const SEEDS: u64 = 24;
const EPOCH: Timestamp = Timestamp(1_369_353_600_000);

/// The runtime's own time, which passes when nobody has anything to do.
struct RuntimeClock(Instant);

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        EPOCH + self.0.elapsed()
    }
}

/// When the clients rested, and what they saw.
fn history(workload: &Workload, gateways: usize, wrong: Wrong) -> (Duration, History) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let clock = Arc::new(RuntimeClock(Instant::now()));
        let env = Env::with_clock(clock.clone());
        let cluster = Cluster::start_with(GatewayConfig::default(), env).await;
        let mut ports: Vec<Arc<dyn S3Port>> = vec![Arc::new(Way::new(cluster.gateway.clone(), wrong))];
        while ports.len() < gateways {
            ports.push(Arc::new(Way::new(cluster.another_gateway().await, wrong)));
        }
        let signer = Arc::new(Signer::new(TENANTS[0].access_key_id, TENANTS[0].secret));
        let recorder = Recorder::start(clock.now());
        workload.run(&ports, &signer, &recorder).await
    })
}

fn findings(seed: u64, gateways: usize, wrong: Wrong) -> Vec<Finding> {
    let (at_rest, history) = history(&Workload::small(seed), gateways, wrong);
    judge(&history, &Declared::calm(at_rest))
}

fn nothing_is_found_in(seeds: u64, gateways: usize, wrong: Wrong) {
    for seed in 0..seeds {
        let findings = findings(seed, gateways, wrong);
        let shown: String = findings.iter().map(|finding| format!("{finding}\n")).collect();
        assert!(findings.is_empty(), "seed {seed}:\n{shown}");
    }
}

#[test]
fn nothing_is_found_where_nothing_fails() {
    nothing_is_found_in(SEEDS, 1, Wrong::Nothing);
}

#[test]
fn nothing_is_found_where_nothing_fails_behind_two_gateways() {
    nothing_is_found_in(SEEDS, 2, Wrong::Nothing);
}

#[test]
fn nothing_is_found_where_requests_and_answers_are_lost() {
    nothing_is_found_in(SEEDS / 4, 2, Wrong::LosesSome);
}

#[test]
fn what_is_answered_falsely_is_found_within_ten_seeds() {
    for wrong in [Wrong::AnswersAsBefore, Wrong::DeletesNothing, Wrong::WritesNothing] {
        assert!((0..10).any(|seed| !findings(seed, 2, wrong).is_empty()), "{wrong:?}");
    }
}

#[test]
fn one_seed_is_one_history() {
    let workload = Workload::small(1);
    assert_eq!(
        history(&workload, 2, Wrong::Nothing).1.events,
        history(&workload, 2, Wrong::Nothing).1.events
    );
}

/// Judges of which all operations fail are content too.
#[test]
fn clients_get_most_of_what_they_ask_for() {
    let mut outcomes: BTreeMap<String, [u32; 3]> = BTreeMap::new();
    for seed in 0..10 {
        for event in history(&Workload::small(seed), 2, Wrong::Nothing).1.events {
            let name = format!("{:?}", event.asked).split(['(', ' ']).next().unwrap().to_owned();
            let counts = outcomes.entry(name).or_default();
            counts[match event.outcome {
                Outcome::Done(_) => 0,
                Outcome::Refused(_) => 1,
                Outcome::Unknown(_) => 2,
            }] += 1;
        }
    }
    assert_eq!(outcomes.len(), 13, "an operation is never asked for: {outcomes:?}");
    for (name, [done, _, unknown]) in &outcomes {
        assert!(*done >= 10 && *unknown * 20 <= *done, "{name}: {outcomes:?}");
    }
}
