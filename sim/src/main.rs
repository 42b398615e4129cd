//! Runs seeds of the world, each twice and in a process of its own, and says which fail and how to see them again.

mod interpose;

use anyhow::{Context, bail};
use clap::Parser;
use pocket_sim::faults::Fault;
use pocket_sim::run::{Options, Report, run};
use pocket_sim::world::Size;
use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing_subscriber::filter::LevelFilter;

/// Whole clusters in one process, with faults by seed, and judges of what clients saw. One seed is one history.
#[derive(Clone, Parser)]
#[command(name = "pocket-sim")]
struct Args {
    /// So many seeds, each twice, the first of them being --from
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone, here, with its faults and what the judges say
    #[arg(long)]
    seed: Option<u64>,
    /// With --seed: everything that clients asked and were told
    #[arg(long)]
    history: bool,
    /// With --seed: what the processes log: off, error, warn, info, debug, trace
    #[arg(long, default_value_t = LevelFilter::OFF)]
    log: LevelFilter,
    /// Kinds of faults, with commas between: delay, loss, partition, pause, long-pause, crash, crash-server, crash-shard, clock,
    /// disk; all; none
    #[arg(long, default_value = "all")]
    faults: String,
    #[arg(long, default_value_t = 2)]
    shards: usize,
    #[arg(long, default_value_t = 3)]
    servers: usize,
    #[arg(long, default_value_t = 2)]
    gateways: usize,
    #[arg(long, default_value_t = 4)]
    clients: u32,
    /// Of each client
    #[arg(long, default_value_t = 60)]
    operations: u32,
    /// With --seed: so many times as fast runs the machine's own clock, which nothing in a world may follow
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i64).range(1..=1_000_000))]
    machine_pace: i64,
    /// Seeds at a time
    #[arg(long, default_value_t = std::thread::available_parallelism().map_or(1, |cores| cores.get()))]
    jobs: usize,
    /// A cluster that nobody uses for an hour: how fast its time passes
    #[arg(long)]
    rest: bool,
}

impl Args {
    fn faults(&self) -> anyhow::Result<BTreeSet<Fault>> {
        Ok(match self.faults.as_str() {
            "all" => Fault::ALL.into(),
            "none" => BTreeSet::new(),
            names => names
                .split(',')
                .map(|name| name.trim().parse())
                .collect::<Result<_, _>>()
                .map_err(anyhow::Error::msg)?,
        })
    }

    fn options(&self, seed: u64) -> anyhow::Result<Options> {
        let size = Size { shards: self.shards, servers: self.servers, gateways: self.gateways };
        Ok(Options { seed, faults: self.faults()?, size, clients: self.clients, operations: self.operations })
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if args.shards == 0 || args.servers == 0 || args.gateways == 0 || args.clients == 0 {
        bail!("a cluster has a shard, a server and a gateway at least, and a client");
    }
    if let Some(seed) = args.seed {
        tracing_subscriber::fmt().with_max_level(args.log).with_writer(std::io::stderr).without_time().init();
        interpose::enter_world(args.machine_pace);
        let report = run(&args.options(seed)?);
        print!("{}", shown(&report, args.history));
        return Ok(if report.findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if args.rest {
        return at_rest(&args);
    }
    seeds(&args)
}

/// All that is said of a seed: two runs of it say the same.
fn shown(report: &Report, with_history: bool) -> String {
    let mut text = format!(
        "trace {:016x}, {} messages, {} events, {:.1?} simulated\n",
        report.trace,
        report.messages,
        report.history.events.len(),
        report.simulated
    );
    report.plan.lines().iter().for_each(|line| text += &format!("  {line}\n"));
    if with_history {
        report.history.events.iter().for_each(|event| text += &format!("{event}\n"));
    }
    report.findings.iter().for_each(|finding| text += &format!("FOUND {finding}\n"));
    text
}

/// In processes of their own, since libraries count things in statics, and a seed must not see what another one left.
fn seeds(args: &Args) -> anyhow::Result<ExitCode> {
    let own = std::env::current_exe().context("this program does not know where it is")?;
    let faults = args.faults()?.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let faults = if faults.is_empty() { "none".to_owned() } else { faults };
    let [shards, servers, gateways, clients, operations] = [
        args.shards as u64,
        args.servers as u64,
        args.gateways as u64,
        args.clients.into(),
        args.operations.into(),
    ]
    .map(|n| n.to_string());
    let common = [
        "--faults",
        &faults,
        "--shards",
        &shards,
        "--servers",
        &servers,
        "--gateways",
        &gateways,
        "--clients",
        &clients,
        "--operations",
        &operations,
    ];
    let once = |seed: u64, pace: &str| -> anyhow::Result<(bool, String)> {
        let of_seed = ["--seed", &seed.to_string(), "--machine-pace", pace];
        let ended = Command::new(&own).args(common).args(of_seed).output()?;
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        Ok((ended.status.success(), said))
    };
    let (next, failed, began) = (AtomicU64::new(0), Mutex::new(Vec::new()), Instant::now());
    std::thread::scope(|scope| {
        let work = || -> anyhow::Result<()> {
            loop {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                if nth >= args.seeds {
                    return Ok(());
                }
                let seed = args.from + nth;
                let (first, second) = (once(seed, "1")?, once(seed, "1000")?);
                let why = match (first.0, first.1 == second.1) {
                    (_, false) => format!("two runs differ:\n{}{}", first.1, second.1),
                    (false, true) => first.1,
                    (true, true) => continue,
                };
                println!("seed {seed} FAILED: {why}  again: pocket-sim {} --seed {seed}\n", common.join(" "));
                failed.lock().expect("nobody panics with it").push(seed);
            }
        };
        let working: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        working.into_iter().try_for_each(|work| work.join().expect("a worker does not panic"))
    })?;
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort_unstable();
    println!(
        "{} of {} seeds clean with {faults}, each run twice, in {:.0?}",
        args.seeds - failed.len() as u64,
        args.seeds,
        began.elapsed()
    );
    if !failed.is_empty() {
        println!("failed: {failed:?}");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn at_rest(args: &Args) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let simulated = pocket_sim::run::rest(&args.options(args.from)?);
    let rate = simulated.as_secs_f64() / began.elapsed().as_secs_f64();
    println!(
        "{} processes at rest: {rate:.0} simulated seconds a real one",
        args.options(0)?.size.machines().len()
    );
    Ok(ExitCode::SUCCESS)
}
