//! Linearizability: for every key there is an order of all operations on it, each at some moment between its begin and its end,
//! in which every answer is right. What nobody was told the outcome of may have happened at any moment after its begin, or never.
//! Keys are judged each by itself, but for those that renames tie together; what happens to a bucket happens to all its keys.

mod model;
mod search;
mod steps;

use super::Finding;
use super::declared::Declared;
use super::origins::Origins;
use super::shorten::shorten;
use crate::history::History;
use model::State;
pub use search::Cost;
use search::{Order, search};
use steps::{Group, groups, steps};

const JUDGE: &str = "linearizable";

/// Most places that are looked at for one group: some 150 MB. Histories that are in order take about as many as they have steps.
const PLACES_MAX: usize = 500_000;
/// Likewise while a history is shortened, which looks at it many times.
const PLACES_MAX_OF_SHORTER: usize = 5_000;

pub fn judge(history: &History, declared: &Declared) -> Vec<Finding> {
    judge_and_count(history, declared).0
}

/// Also what it cost, over all groups.
pub fn judge_and_count(history: &History, declared: &Declared) -> (Vec<Finding>, Cost) {
    let origins = Origins::of(history);
    let (mut findings, mut all) = (Vec::new(), Cost::default());
    for group in groups(history) {
        let (order, cost) = order(history, &group, &origins, declared, PLACES_MAX);
        all.places += cost.places;
        findings.extend(finding(history, &group, order, &origins, declared));
    }
    (findings, all)
}

fn order(
    history: &History,
    group: &Group,
    origins: &Origins,
    declared: &Declared,
    places_max: usize,
) -> (Order, Cost) {
    let steps = steps(history, group, origins, declared);
    search(&steps, State::new(group.keys.len()), declared, places_max)
}

fn finding(
    history: &History,
    group: &Group,
    found: Order,
    origins: &Origins,
    declared: &Declared,
) -> Option<Finding> {
    let what = match &group.keys[..] {
        [] => format!("bucket {}", group.bucket),
        keys => format!("{}/{}", group.bucket, keys.join(&format!(" and {}/", group.bucket))),
    };
    match found {
        Order::Found => None,
        Order::GaveUp => {
            let text =
                format!("{what}: no order was found in {PLACES_MAX} places, and not all were looked at");
            Some(Finding::new(JUDGE, text, history, &[]))
        }
        Order::None { .. } => {
            // Origins stay those of the whole: what a copy brought is no less known because the reader is left out.
            let of_group =
                |history: &History| order(history, group, origins, declared, PLACES_MAX_OF_SHORTER).0;
            let own: Vec<u32> = steps(history, group, origins, declared).iter().map(|s| s.event).collect();
            let own = history.only(|event| own.contains(&event.number));
            let short = shorten(&own, |history| matches!(of_group(history), Order::None { .. }));
            let stuck_at = match of_group(&short) {
                Order::None { stuck_at } => stuck_at,
                Order::Found | Order::GaveUp => vec![],
            };
            let stuck: Vec<String> = stuck_at.iter().map(|number| format!("#{number}")).collect();
            let text =
                format!("{what}: no order explains these; at best it ends before {}", stuck.join(" or "));
            let numbers: Vec<u32> = short.events.iter().map(|event| event.number).collect();
            Some(Finding::new(JUDGE, text, history, &numbers))
        }
    }
}
