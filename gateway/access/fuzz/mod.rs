//! Fuzz targets for what is said about access: one a parser. They lie outside `src`, and are compiled into the crate's tests, so that
//! parsers stay as private as they are. See docs/fuzzing.md.

mod policies;
