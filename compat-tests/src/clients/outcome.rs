//! How jobs ended, and the table of it.

use super::Client;
use crate::workshop::Missing;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use std::time::Duration;

#[derive(Debug)]
pub enum Outcome {
    Pass {
        steps: usize,
        /// What the job wants to be seen, such as a count: its last line that begins with `note `.
        note: Option<String>,
    },
    Fail {
        reason: String,
    },
    NotRun(Missing),
}

#[derive(Debug)]
pub struct Report {
    pub client: &'static Client,
    pub outcome: Outcome,
    /// Of the job alone, without its installation.
    pub took: Duration,
}

impl Report {
    pub fn is_failure(&self, strict: bool) -> bool {
        match self.outcome {
            Outcome::Pass { .. } => false,
            Outcome::Fail { .. } => true,
            Outcome::NotRun(_) => strict,
        }
    }
}

impl Outcome {
    /// One line; what else is to be said about it is in the job's log.
    pub fn line(&self) -> String {
        let first = |text: &str| text.lines().next().unwrap_or_default().to_owned();
        match self {
            Self::Pass { steps, note: None } => format!("PASS ({steps} steps)"),
            Self::Pass { steps, note: Some(note) } => format!("PASS ({steps} steps; {note})"),
            Self::Fail { reason } => format!("FAIL: {}", first(reason)),
            Self::NotRun(Missing(reason)) => format!("NOT RUN: {}", first(reason)),
        }
    }

    /// What a person needs to know of a job that did not pass.
    pub fn details(&self) -> Option<&str> {
        match self {
            Self::Pass { .. } => None,
            Self::Fail { reason } | Self::NotRun(Missing(reason)) => Some(reason),
        }
    }
}

/// client, version, outcome, seconds.
pub fn table(reports: &[Report]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(["client", "version", "outcome", "seconds"]);
    for report in reports {
        let version = report.client.version().unwrap_or_default();
        let seconds = format!("{:.1}", report.took.as_secs_f64());
        table.add_row([report.client.name.to_owned(), version, report.outcome.line(), seconds]);
    }
    table.trim_fmt()
}
