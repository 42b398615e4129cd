//! What fuzz targets share: inputs made by bending good ones ([`Mutants`]), and a bound on the memory that reading one
//! may take ([`within_memory`]). A target is an ordinary test that lies beside the parser it feeds, and the parser stays
//! as private as it is. `cargo test` runs each for a moment; docs/fuzzing.md says how to run one for long, guided by
//! coverage. For tests only: nothing that is shipped depends on this crate.

mod memory;
mod mutants;
mod repeat;

#[doc(hidden)]
pub use bolero;
pub use bolero::produce;
pub use memory::within_memory;
pub use mutants::{Mutant, Mutants};
pub use repeat::repeat;

/// A fuzzer that is guided by coverage drives the tests (docs/fuzzing.md).
pub const GUIDED: bool = cfg!(fuzzing);

/// `check!(runs, generator, |input: &Input| ...)`: so many inputs in a plain test, and as many as the fuzzer has where
/// one drives it.
#[macro_export]
macro_rules! check {
    ($runs:expr, $generator:expr, $property:expr $(,)?) => {
        if $crate::GUIDED {
            $crate::bolero::check!().with_generator($generator).for_each($property);
        } else {
            $crate::repeat($runs, $generator, $property);
        }
    };
}
