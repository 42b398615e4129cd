//! Random histories: those of a store that is right pass, and of one that fails now and then soon one does not.

use super::reference::{Fault, history};
use super::{seconds, shown};
use crate::judges::declared::Declared;
use crate::judges::linearizable::judge_and_count;
use crate::judges::{Finding, judge};
use proptest::prelude::*;

fn findings(seed: u64, lost_one_in: u32, fault: Fault) -> Vec<Finding> {
    judge(&history(seed, 200, lost_one_in, fault), &Declared::calm(seconds(1e6)))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn whatever_a_right_store_answers_is_accepted(seed: u64, lost_one_in in prop::sample::select(vec![20_u32, 50, u32::MAX])) {
        let findings = findings(seed, lost_one_in, Fault::None);
        prop_assert!(findings.is_empty(), "{}", shown(&findings));
    }
}

#[test]
fn every_fault_is_found_within_twenty_seeds() {
    let all = [
        Fault::LostWrite,
        Fault::StaleRead,
        Fault::DirtyRefusal,
        Fault::DeleteComesBack,
        Fault::DoubleAppend,
        Fault::BothWin,
        Fault::ReadTwice,
        Fault::OutlivesTtl,
        Fault::ListMisses,
        Fault::RenameCopies,
        Fault::OldLife,
    ];
    for fault in all {
        let is_found = |seed| !findings(seed, 30, fault).is_empty();
        assert!((0..20).any(is_found), "{fault:?}");
    }
}

/// A history is judged in about as many places as it has steps where few outcomes are unknown: a thousand operations in some hundredths
/// of a second. What is unknown can double the orders that have to be looked at, each time: of 250 operations one in twenty may be.
#[test]
fn a_thousand_operations_are_judged_in_a_few_thousand_places() {
    for (operations, lost_one_in, places_max) in
        [(1_000, u32::MAX, 4_000), (1_000, 200, 20_000), (250, 20, 10_000)]
    {
        for seed in 0..10 {
            let history = history(seed, operations, lost_one_in, Fault::None);
            let (_, cost) = judge_and_count(&history, &Declared::calm(seconds(1e6)));
            assert!(
                cost.places <= places_max,
                "{operations} of which one in {lost_one_in} is lost: {cost:?}"
            );
        }
    }
}
