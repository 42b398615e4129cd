//! Pages of the documentation that are written from the tables of this crate, or held against them. They lie outside `src`, and are compiled into the
//! crate's tests, so that tables stay as private as they are.

mod coverage;
mod hints;
mod needs;
