//! Who may do what: everything that a bucket's owner says about that, read once an epoch and then only evaluated. Pure: it knows
//! names, facts and time, neither HTTP nor another plane, and nothing elsewhere in the gateway decides.
//!
//! It is the ground floor of the gateway: who asks (`caller`) and how a request is refused (`refusal`) lie here, because
//! everything above says both.

pub mod acl;
pub mod action;
mod ask;
pub mod caller;
mod conditions;
pub mod cors;
mod decide;
pub mod facts;
pub mod json;
pub mod malformed;
mod pattern;
pub mod policy;
pub mod public_access_block;
pub mod put_acl;
pub mod refusal;
pub mod rules;

pub use ask::{Ask, SideEffect};
pub use decide::Verdict;

#[cfg(test)]
#[path = "../fuzz/mod.rs"]
mod fuzz;
