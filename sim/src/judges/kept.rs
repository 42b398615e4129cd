//! What was acknowledged stays: whoever looks for an object that is certainly there finds it. What the world says is lost may be
//! missing, but only where the answer says so.

use super::Finding;
use super::certain::{Certain, found_nothing};
use super::declared::{Declared, Lost};
use crate::history::{Asked, Event, History, Outcome, Refusal};

const JUDGE: &str = "kept";

pub fn judge(history: &History, declared: &Declared) -> Vec<Finding> {
    let certain = Certain::of(history, declared);
    let looks = history.events.iter().filter(|event| is_look(event));
    looks.filter_map(|look| objection(look, history, &certain, declared)).collect()
}

fn is_look(event: &Event) -> bool {
    matches!(event.asked, Asked::Get { .. } | Asked::Head { .. }) && found_nothing(event)
}

fn objection(look: &Event, history: &History, certain: &Certain, declared: &Declared) -> Option<Finding> {
    let key = look.key()?;
    let (bucket, of) =
        (&look.bucket, |text: String, numbers: &[u32]| Some(Finding::new(JUDGE, text, history, numbers)));
    if look.outcome == Outcome::Refused(Refusal::Lost)
        && !declared.losses.iter().any(|loss| loss.what == Lost::Chunks && loss.at <= look.end)
    {
        return of(format!("{bucket}/{key} is said to be lost, and nothing was"), &[look.number]);
    }
    let write = certain.there(bucket, key, look.into())?;
    of(format!("{bucket}/{key} was acknowledged and is missing"), &[write, look.number])
}
