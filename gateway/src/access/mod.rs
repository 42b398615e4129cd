//! Who may do what: everything that a bucket's owner says about that, read once an epoch and then only evaluated. Pure:
//! nothing here calls another plane, and nothing elsewhere in the gateway decides.

pub(crate) mod acl;
pub(crate) mod action;
mod ask;
mod conditions;
pub(crate) mod cors;
mod decide;
pub(crate) mod facts;
pub(crate) mod json;
#[cfg(test)]
pub(crate) mod needs;
pub(crate) mod pattern;
pub(crate) mod policy;
pub(crate) mod public_access_block;
pub(crate) mod rules;

pub(crate) use ask::{Ask, Effect};
pub(crate) use decide::Verdict;

#[cfg(test)]
pub(crate) mod tests;
