//! Runs the bars of docs/benchmarks.md: each is a ratio of two things measured in turns on the same machine. Starts
//! the servers itself, from the folder that it was built into, and stops them again.

mod cases;
mod client;
mod crowds;
mod fairness;
mod footprint;
mod multipart;
mod secure;
mod servers;
mod turns;

use clap::Parser;
use comfy_table::{CellAlignment, Table, presets};
use std::process::ExitCode;

#[derive(Parser)]
pub(crate) struct Options {
    /// Run these only; else all. Can be repeated.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Turns that each side gets; the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of a turn.
    #[arg(long, default_value_t = 3)]
    seconds: u32,
    /// Objects of the bar on many objects.
    #[arg(long, default_value_t = 1_000_000)]
    objects: u64,
    /// Name the bars and end.
    #[arg(long)]
    list: bool,
}

/// One line of the result.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) against: String,
    /// What the bar is about, in its own unit.
    pub(crate) value: f64,
    /// The value may not be above it; a line without is there to be read.
    pub(crate) bar: Option<f64>,
}

impl Line {
    /// Of two costs of a request, in microseconds of server CPU.
    fn ratio(what: &str, ours: f64, against: f64, bar: f64) -> Self {
        Self {
            what: what.into(),
            measured: format!("{ours:.2} us"),
            against: format!("{against:.2} us"),
            value: ours / against,
            bar: Some(bar),
        }
    }

    fn holds(&self) -> bool {
        self.bar.is_none_or(|bar| self.value <= bar)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let options = Options::parse();
    if options.list {
        cases::NAMES.iter().for_each(|name| println!("{name}"));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = options.only.iter().find(|name| !cases::NAMES.contains(&name.as_str())) {
        anyhow::bail!("no bar is called {unknown:?}; they are {}", cases::NAMES.join(", "));
    }
    let (mut lines, mut failed) = (Vec::new(), false);
    for name in cases::NAMES {
        if options.only.is_empty() || options.only.iter().any(|wanted| wanted == name) {
            eprintln!("{name} ...");
            match cases::run(name, &options).await {
                Ok(more) => lines.extend(more),
                Err(error) => {
                    eprintln!("  {name} could not be measured: {error}");
                    failed = true;
                }
            }
        }
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(["what", "measured", "against", "value", "bar", ""]);
    for line in &lines {
        table.add_row(vec![
            line.what.clone(),
            line.measured.clone(),
            line.against.clone(),
            format!("{:.2}", line.value),
            line.bar.map_or("-".into(), |bar| format!("{bar:.2}")),
            if line.bar.is_none() {
                ""
            } else if line.holds() {
                "pass"
            } else {
                "FAIL"
            }
            .into(),
        ]);
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    Ok(if !failed && lines.iter().all(Line::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
