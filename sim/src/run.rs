//! One seed: a world, its faults, clients in it, and what the judges say.

use crate::client::workload::{Workload, bucket};
use crate::client::{Recorder, Signer};
use crate::faults::{Fault, Plan};
use crate::history::{Event, History, Outcome};
use crate::judges::declared::Declared;
use crate::judges::{Finding, judge};
use crate::plants::Plant;
use crate::world::{ACCESS_KEY_ID, Drift, EPOCH, SECRET, Size, Weather, World};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// What is run.
#[derive(Clone, Debug)]
pub struct Options {
    pub seed: u64,
    pub faults: BTreeSet<Fault>,
    pub size: Size,
    pub clients: u32,
    pub operations: u32,
    /// What is wrong with the cluster.
    pub plant: Option<Plant>,
}

/// What came of it.
pub struct Report {
    pub findings: Vec<Finding>,
    pub plan: Plan,
    pub history: History,
    pub simulated: Duration,
    /// See [`World::trace`].
    pub trace: u64,
    pub messages: u64,
}

/// Clients think for half of this on average: their work is spread over a minute, in which faults come.
const THINK_MAX: Duration = Duration::from_secs(2);
/// After the last fault: longer than any lease, any deadline and any question after a write that nobody finished.
const REST: Duration = Duration::from_secs(120);
/// After the last bucket has ended.
const REST_AFTER_END: Duration = Duration::from_secs(30);
/// A lease that nobody gives back, and its shard's next look.
const READS_SETTLE_WITHIN: Duration = Duration::from_secs(40);
/// An end that is proposed, refused and proposed again while a fault lasts.
const BUCKETS_END_WITHIN: Duration = Duration::from_secs(90);

/// An object ends at any time, and its chunks a moment later.
const LEDGER_TRIES: usize = 5;

/// Runs one seed on a runtime of its own, in which time passes when nobody has anything to do.
pub fn run(options: &Options) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without a network").block_on(one(options))
}

/// A cluster that nobody uses, for an hour. How long that was.
pub fn rest(options: &Options) -> Duration {
    const HOUR: Duration = Duration::from_secs(3_600);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without a network").block_on(async {
        let world =
            World::start(options.seed, options.size, Weather::default(), Drift::default(), Vec::new(), None);
        tokio::time::sleep(HOUR).await;
        world.now()
    })
}

async fn one(options: &Options) -> Report {
    let Options { seed, size, .. } = *options;
    let mut workload = Workload {
        clients: options.clients,
        operations: options.operations,
        think_max: THINK_MAX,
        ..Workload::small(seed)
    };
    let plan = Plan::draw(seed, &options.faults, &size.machines());
    let buckets = (0..workload.buckets).map(bucket).collect();
    let world = World::start(seed, size, plan.weather, plan.drift, buckets, options.plant);
    let (ports, signer) = (world.ports(), Arc::new(Signer::new(ACCESS_KEY_ID, SECRET)));
    let recorder = Recorder::start(EPOCH);
    tokio::time::sleep(Duration::from_secs(1)).await;

    workload.rest_after = plan.over_at() + REST;
    let (faults, work) = (plan.carry_out(&world), workload.run(&ports, &signer, &recorder));
    let ((), (at_rest, history)) = tokio::join!(faults, work);
    let declared = Declared {
        losses: world.losses(),
        clock_error: Duration::from_millis(5) + plan.drift.offset_max * 2,
        reads_settle_within: READS_SETTLE_WITHIN,
        buckets_end_within: BUCKETS_END_WITHIN,
        at_rest,
    };
    let mut findings = judge(&history, &declared);
    findings.extend(of_answers(&history, at_rest));
    findings.extend(of_the_ledger(&world).await);
    findings.extend(of_members(&world));
    findings.extend(of_space(&world, &workload, &ports, &signer, &recorder).await);
    let (trace, messages, simulated) = (world.trace(), world.messages(), world.now());
    Report { findings, plan, history, simulated, trace, messages }
}

fn finding(judge: &'static str, text: String) -> Finding {
    Finding { judge, text, events: Vec::new() }
}

/// Whoever asks while all is well is answered.
fn of_answers(history: &History, at_rest: Duration) -> Option<Finding> {
    let unanswered = |event: &&Event| event.begin >= at_rest && matches!(event.outcome, Outcome::Unknown(_));
    let event = history.events.iter().find(unanswered)?;
    let text = "all is well, and this is not answered".to_owned();
    Some(Finding { judge: "answers", text, events: vec![event.to_string()] })
}

/// Every chunk that there is, something refers to, and the other way round; but for what goes on at this moment.
async fn of_the_ledger(world: &World) -> Vec<Finding> {
    let mut unlike = Vec::new();
    for _ in 0..LEDGER_TRIES {
        unlike = world.unlike_the_ledger();
        if unlike.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    unlike.into_iter().map(|text| finding("ledger", text)).collect()
}

/// Nobody is given up who did not die.
fn of_members(world: &World) -> Option<Finding> {
    let expelled = world.expelled();
    let text = || format!("given up by the cluster, and alive: {}", expelled.join(", "));
    (!expelled.is_empty()).then(|| finding("members", text()))
}

/// All space is back when all jobs have ended.
async fn of_space(
    world: &World,
    workload: &Workload,
    ports: &[Arc<dyn crate::port::S3Port>],
    signer: &Arc<Signer>,
    recorder: &Arc<Recorder>,
) -> Vec<Finding> {
    let all_ended = workload.end_all(ports, signer, recorder).await;
    tokio::time::sleep(REST_AFTER_END).await;
    let mut findings = Vec::new();
    if !all_ended {
        findings.push(finding("ends", "a bucket does not end although all is well".into()));
    }
    for (name, bytes) in world.held_bytes() {
        findings.push(finding("space", format!("{name} holds {bytes} bytes after all jobs have ended")));
    }
    findings
}
