//! A progress bar on a terminal; nothing anywhere else.

use crate::load::Load;
use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;
use tokio::time::Instant;

/// How often the bar moves.
const EVERY: Duration = Duration::from_millis(200);

/// What a bar's length stands for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    Requests(u64),
    Time(Duration),
}

/// Shows a load's progress until it is dropped. Never ends by itself.
pub(crate) async fn show(what: &'static str, load: &Load, goal: Goal) {
    let bar = match goal {
        Goal::Requests(n) => ProgressBar::new(n),
        Goal::Time(time) => ProgressBar::new(time.as_millis() as u64),
    };
    let style = ProgressStyle::with_template("{prefix:>8} {wide_bar} {msg}").expect("the template is valid");
    bar.set_style(style);
    bar.set_prefix(what);
    let _cleared = Cleared(&bar);
    let started = Instant::now();
    let mut ticks = tokio::time::interval(EVERY);
    loop {
        ticks.tick().await;
        let (ended, elapsed) = (load.ended(), started.elapsed());
        bar.set_message(format!(
            "{ended} requests, {:.0}/s",
            ended as f64 / elapsed.as_secs_f64().max(0.001)
        ));
        bar.set_position(match goal {
            Goal::Requests(_) => ended,
            Goal::Time(_) => elapsed.as_millis() as u64,
        });
    }
}

struct Cleared<'a>(&'a ProgressBar);

impl Drop for Cleared<'_> {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
