//! The short run of a target, within plain `cargo test`: the same inputs every time, so that a failure is one for
//! everybody and stays until it is repaired.

use bolero::ValueGenerator;
use bolero::bolero_engine::driver::Options;
use bolero::bolero_engine::driver::bytes::Driver;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Bytes that the choices of one input are made by; what an input still has to choose behind them is the first of its
/// kind.
const CHOICES_BYTES: usize = 2 << 10;
/// Number of the first input, to replay one.
const FIRST: &str = "POCKET_FUZZ_FIRST";
/// How many inputs, in place of each target's own number.
const RUNS: &str = "POCKET_FUZZ_RUNS";

/// Feeds `runs` inputs to `property`, which panics when something is wrong.
pub fn repeat<G>(runs: u64, generator: G, property: impl Fn(&G::Output))
where
    G: ValueGenerator,
    G::Output: Debug,
{
    let first = number(FIRST).unwrap_or(0);
    let mut choices = vec![0; CHOICES_BYTES];
    for n in first..first + number(RUNS).unwrap_or(runs) {
        SmallRng::seed_from_u64(n).fill_bytes(&mut choices);
        let mut driver = Driver::new(&choices, &Options::default());
        let Some(input) = generator.generate(&mut driver) else { continue };
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| property(&input))) {
            eprintln!("input {n} ({FIRST}={n} {RUNS}=1): {input:?}");
            resume_unwind(panic);
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Mutant, Mutants};
    use std::cell::RefCell;

    #[test]
    fn the_same_inputs_come_every_time_and_a_failure_ends_the_run() {
        let of_run = |runs| {
            let seen = RefCell::new(Vec::new());
            repeat(runs, Mutants::of(["seed"]), |mutant: &Mutant| seen.borrow_mut().push(mutant.0.clone()));
            seen.into_inner()
        };
        let (short, long) = (of_run(50), of_run(60));
        assert_eq!(short, long[..short.len()]);
        let seen = RefCell::new(0);
        let fails = || {
            repeat(50, Mutants::of(["seed"]), |mutant: &Mutant| {
                *seen.borrow_mut() += 1;
                assert_ne!(mutant.0, long[7]);
            });
        };
        assert!(catch_unwind(AssertUnwindSafe(fails)).is_err());
        assert!(seen.into_inner() <= 8);
    }
}
