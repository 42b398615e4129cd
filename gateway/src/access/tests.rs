//! Wishes for tests of what asks for them.

use super::action::Action;
use super::facts::tests::Says;
use super::{Ask, Effect};
use crate::caller::Caller;

/// Of a caller without a key, for an object.
pub(crate) fn nobodys_ask() -> Ask<'static> {
    let actions = Action::GetObject.into();
    Ask {
        caller: &Caller::Anonymous,
        signing: None,
        peer: None,
        attributes: &Says(&[]),
        actions,
        keys: &[],
        tags: &[],
        effect: Effect::Other,
    }
}
