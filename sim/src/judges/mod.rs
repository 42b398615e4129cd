//! Judges: pure functions from what clients saw, and what the world says that it did, to findings. None knows how a cluster works;
//! each accepts whatever a correct store could have answered, and says of anything else what is wrong with it, and which events
//! show it.

pub mod bodies;
pub mod certain;
pub mod counted;
pub mod declared;
pub mod kept;
pub mod linearizable;
pub mod lists;
mod origins;
pub mod shorten;
#[cfg(test)]
mod tests;

use crate::history::History;
use declared::Declared;
use std::fmt::{Display, Formatter};

/// Something that no correct store would have let clients see.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The judge that objects.
    pub judge: &'static str,
    pub text: String,
    /// The events that show it, in words, in their order.
    pub events: Vec<String>,
}

impl Finding {
    /// `numbers`: of the events of `history` that show it.
    fn new(judge: &'static str, text: String, history: &History, numbers: &[u32]) -> Self {
        let shown = history.events.iter().filter(|event| numbers.contains(&event.number));
        Self { judge, text, events: shown.map(ToString::to_string).collect() }
    }
}

impl Display for Finding {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.judge, self.text)?;
        self.events.iter().try_for_each(|event| write!(f, "\n    {event}"))
    }
}

/// What all judges find, those that are cheap and easily understood first.
pub fn judge(history: &History, declared: &Declared) -> Vec<Finding> {
    let judges: [fn(&History, &Declared) -> Vec<Finding>; 5] =
        [bodies::judge, kept::judge, counted::judge, lists::judge, linearizable::judge];
    judges.iter().flat_map(|judge| judge(history, declared)).collect()
}
