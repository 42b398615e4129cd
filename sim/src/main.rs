//! Runs seeds of the world, each twice and in a process of its own, and says which fail and how to see them again.

mod interpose;

use anyhow::{Context, bail};
use clap::Parser;
use pocket_sim::faults::Fault;
use pocket_sim::plants::Plant;
use pocket_sim::run::{Options, Report, run};
use pocket_sim::world::Size;
use std::collections::BTreeSet;
use std::path::PathBuf;
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
    /// What is wrong with the cluster, so that a judge objects; see docs/world.md
    #[arg(long)]
    plant: Option<Plant>,
    /// Plants each of them in turn, and says which of --seeds shows it first, and by which judge
    #[arg(long)]
    plants: bool,
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
        let (clients, operations, plant) = (self.clients, self.operations, self.plant);
        Ok(Options { seed, faults: self.faults()?, size, clients, operations, plant })
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
    if args.plants {
        return plants(&args);
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

/// Runs seeds in processes of their own, since libraries count things in statics, and a seed must not see what another one left.
struct Seeds {
    own: PathBuf,
    /// But for the seed.
    args: Vec<String>,
}

impl Seeds {
    fn new(args: &Args, faults: &BTreeSet<Fault>, plant: Option<Plant>) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("this program does not know where it is")?;
        let names = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        let names = if names.is_empty() { "none".to_owned() } else { names };
        let mut all = vec!["--faults".to_owned(), names];
        let numbers = [
            ("--shards", args.shards.to_string()),
            ("--servers", args.servers.to_string()),
            ("--gateways", args.gateways.to_string()),
            ("--clients", args.clients.to_string()),
            ("--operations", args.operations.to_string()),
        ];
        all.extend(numbers.into_iter().flat_map(|(option, value)| [option.to_owned(), value]));
        all.extend(plant.into_iter().flat_map(|plant| ["--plant".to_owned(), plant.to_string()]));
        Ok(Self { own, args: all })
    }

    fn once(&self, seed: u64, pace: &str) -> anyhow::Result<(bool, String)> {
        let of_seed = ["--seed", &seed.to_string(), "--machine-pace", pace];
        let ended = Command::new(&self.own).args(&self.args).args(of_seed).output()?;
        let said =
            String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
        Ok((ended.status.success(), said))
    }

    /// What is wrong with a seed, which is run twice.
    fn failure(&self, seed: u64) -> anyhow::Result<Option<String>> {
        let first = self.once(seed, "1")?;
        if !first.0 {
            return Ok(Some(first.1));
        }
        let second = self.once(seed, "1000")?;
        Ok((first.1 != second.1).then(|| format!("{DIFFER}\n{}{}", first.1, second.1)))
    }

    fn again(&self, seed: u64) -> String {
        format!("pocket-sim {} --seed {seed}", self.args.join(" "))
    }
}

const DIFFER: &str = "FOUND history: two runs of it differ";

/// Has `work` done for each number below `count`, so many at a time.
fn each(count: u64, at_a_time: usize, work: impl Fn(u64) -> anyhow::Result<()> + Sync) -> anyhow::Result<()> {
    let next = AtomicU64::new(0);
    let worker = || loop {
        let nth = next.fetch_add(1, Ordering::Relaxed);
        if nth >= count {
            return Ok(());
        }
        work(nth)?;
    };
    std::thread::scope(|scope| {
        let working: Vec<_> = (0..at_a_time.max(1)).map(|_| scope.spawn(worker)).collect();
        working.into_iter().try_for_each(|work| work.join().expect("a worker does not panic"))
    })
}

fn seeds(args: &Args) -> anyhow::Result<ExitCode> {
    let (seeds, began) = (Seeds::new(args, &args.faults()?, args.plant)?, Instant::now());
    let failed = Mutex::new(BTreeSet::new());
    each(args.seeds, args.jobs, |nth| {
        let seed = args.from + nth;
        if let Some(why) = seeds.failure(seed)? {
            println!("seed {seed} FAILED: {why}  again: {}\n", seeds.again(seed));
            failed.lock().expect("nobody panics with it").insert(seed);
        }
        Ok(())
    })?;
    let failed = failed.into_inner().expect("nobody panics with it");
    let clean = args.seeds - failed.len() as u64;
    let faults = &seeds.args[1];
    println!(
        "{clean} of {} seeds clean with {faults}, each run twice, in {:.0?}",
        args.seeds,
        began.elapsed()
    );
    if !failed.is_empty() {
        println!("failed: {failed:?}");
    }
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Whether the judges find what is wrong.
fn plants(args: &Args) -> anyhow::Result<ExitCode> {
    let missed = AtomicU64::new(0);
    each(Plant::ALL.len() as u64, args.jobs, |nth| {
        let plant = Plant::ALL[nth as usize];
        let seeds = Seeds::new(args, &plant.faults(), Some(plant))?;
        for seed in args.from..args.from + args.seeds {
            let Some(why) = seeds.failure(seed)? else { continue };
            let judges = why.lines().filter_map(|line| line.strip_prefix("FOUND ")?.split(':').next());
            let judges: BTreeSet<&str> = judges.collect();
            anyhow::ensure!(!judges.is_empty(), "{plant}: {why}");
            let judges = judges.into_iter().collect::<Vec<_>>().join(", ");
            println!("{plant}: found by seed {seed}, by {judges}");
            return Ok(());
        }
        missed.fetch_add(1, Ordering::Relaxed);
        println!("{plant}: NOT FOUND within {} seeds", args.seeds);
        Ok(())
    })?;
    Ok(if missed.into_inner() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
