//! The one binary: reads what is asked, runs it, and says in one line why it could not.
//!
//! A server's story: the command line ([`cli`]) and the configuration ([`config`]) are read and checked; ports are
//! bound; an [`assembly`] makes the planes and connects their seams; each node joins the cluster and keeps its
//! [`membership`]; the [`admin`] port answers; SIGHUP has it read
//! its settings anew ([`reload`]); another signal ([`shutdown`]) ends it in good order.

mod admin;
mod assembly;
mod banner;
mod cli;
mod config;
mod dev_cluster;
mod directory;
mod endpoint;
mod interfaces;
mod open_files;
mod operator;
mod output;
mod reached;
mod ready_line;
mod reload;
mod shutdown;
mod space_watch;
mod table;
mod telemetry;
mod tls;

use assembly::{controller, embedded, role};
use clap::Parser;
use clap::error::ErrorKind;
use cli::{Cli, Command, ConfigArgs};
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Exit codes: of a command line that was not understood, and of everything else that went wrong.
const MISUSED: u8 = 2;
const FAILED: u8 = 1;
/// How long tasks that are still running may hold up the end of the process.
const RUNTIME_ENDS_WITHIN: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    match run(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(FAILED)
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => on_all_cores(embedded::serve(args)),
        Command::Gateway(args) => on_all_cores(role::gateway(args)),
        Command::Metadata(args) => on_all_cores(role::metadata(args)),
        Command::Storage(args) => on_all_cores(role::storage(args)),
        Command::Controller(args) => on_all_cores(controller::controller(args)),
        Command::Monitor(args) => on_one_thread(role::monitor(args)),
        Command::DevCluster(args) => on_one_thread(dev_cluster::run(args)),
        Command::Jobs(args) => on_one_thread(operator::jobs(args)),
        Command::End(args) => on_one_thread(operator::end(args)),
        Command::Forget(args) => on_one_thread(operator::forget(args)),
        Command::Status(args) => on_one_thread(operator::status(args)),
        Command::Config(args) => show_config(args),
        Command::Bench(args) => on_one_thread(pocket_bench::run(args)),
    }
}

fn show_config(args: ConfigArgs) -> anyhow::Result<()> {
    let config = config::Config::load(args.config.as_deref())?;
    output::say(config.shown()?.trim_end());
    Ok(())
}

fn on_all_cores(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    drive(tokio::runtime::Builder::new_multi_thread(), work)
}

fn on_one_thread(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    drive(tokio::runtime::Builder::new_current_thread(), work)
}

fn drive(
    mut builder: tokio::runtime::Builder,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    open_files::allow_as_many_as_there_may_be();
    let runtime = builder.enable_all().build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_timeout(RUNTIME_ENDS_WITHIN);
    ended
}

/// Help and versions are printed as asked for; a command line that was not understood is one line.
fn explain(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(MISUSED))
        }
        _ => {
            let asked = std::env::args().nth(1).unwrap_or_default();
            complain(&cli::one_line(error, &asked));
            ExitCode::from(MISUSED)
        }
    }
}

/// One line on standard error, whatever the message was made of.
fn complain(message: &str) {
    output::complain(&format!("pocket: {}", message.replace('\n', " ")));
}
