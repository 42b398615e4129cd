//! Runs real clients against a Pocket of its own and prints a table of the outcomes.

use clap::Parser;
use pocket_compat_tests::clients::outcome::table;
use pocket_compat_tests::clients::run::{Part, Servers, Transport, run};
use pocket_compat_tests::clients::table::{CLIENTS, find};
use pocket_compat_tests::clients::{Client, page};
use pocket_compat_tests::workshop::Workshop;
use std::process::ExitCode;

/// Run real clients against Pocket: installs pinned versions, runs their jobs, prints a table.
#[derive(Debug, Parser)]
struct Options {
    /// Say which clients there are, and run nothing
    #[arg(long)]
    list: bool,
    /// A client that cannot be run is a failure too
    #[arg(long)]
    strict: bool,
    /// Leave out what `cargo test` runs
    #[arg(long)]
    beyond_tests: bool,
    /// Do the shorter part of this client's job, where it has one: Spark sorts 64 MB instead of 1 GB, and of the S3A contract
    /// tests run the classes that are marked so. Can be repeated
    #[arg(long, value_name = "NAME")]
    short: Vec<String>,
    /// Over TLS, by an authority of the server's own
    #[arg(long)]
    tls: bool,
    /// Write docs/clients.md, and run nothing
    #[arg(long)]
    write_docs: bool,
    /// Only these
    names: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    let (chosen, shorter) = (chosen(&options)?, named(&options.short)?);
    if options.write_docs {
        std::fs::write(page::path(), page::document().map_err(anyhow::Error::msg)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    if options.list {
        for client in chosen {
            println!("{}\t{}\t{}", client.name, client.version().unwrap_or_default(), client.needs_line());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let transport = if options.tls { Transport::Tls } else { Transport::Plain };
    let (workshop, servers) = (Workshop::open()?, Servers::start(transport));
    let mut reports = Vec::new();
    for client in chosen {
        println!("{} ...", client.name);
        let is_short = shorter.iter().any(|short| short.name == client.name);
        let part = if is_short { Part::Short } else { Part::Whole };
        let report = run(client, part, &workshop, &servers);
        println!("{}: {} in {:.1} s", client.name, report.outcome.line(), report.took.as_secs_f64());
        if let Some(details) = report.outcome.details() {
            println!("{details}\n(all of it: {})", workshop.log(client.name).display());
        }
        reports.push(report);
    }
    println!("\n{}", table(&reports));
    let failed = reports.iter().any(|report| report.is_failure(options.strict));
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn chosen(options: &Options) -> anyhow::Result<Vec<&'static Client>> {
    let named = named(&options.names)?;
    let all = CLIENTS.iter().filter(|client| !options.beyond_tests || !client.is_of_the_test_command());
    Ok(if named.is_empty() { all.collect() } else { named })
}

fn named(names: &[String]) -> anyhow::Result<Vec<&'static Client>> {
    let unknown = |name| anyhow::anyhow!("there is no client {name:?}; see --list");
    names.iter().map(|name| find(name).ok_or_else(|| unknown(name))).collect()
}
