//! The last few placements that a thread went by. What most requests need is found here without a lock, a hash or a
//! counter that another thread touches.

use super::placed::Placed;
use pocket_access::rules::Rules;
use pocket_api::control::{Placement, Weight};
use pocket_api::names::BucketName;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

/// Buckets that one thread serves at a time, in the common case; few enough that to compare all names costs nothing.
const RECENT_MAX: usize = 8;

/// A placement, and the rules that came with it, as one thread holds it: clones are counted apart from those that other
/// threads make.
#[derive(Clone, Debug)]
pub(crate) struct PlacementRef(Arc<Own>);

/// Allocated for one thread.
#[derive(Debug)]
struct Own {
    placed: Arc<Placed>,
}

impl PlacementRef {
    /// `None`: the bucket is its owner's alone.
    pub(crate) fn rules(&self) -> Option<&Rules> {
        self.0.placed.rules.as_deref()
    }

    /// The newest that is known of what new chunks go by.
    pub(crate) fn weights(&self) -> Arc<[Weight]> {
        self.0.placed.weights.newest()
    }
}

impl From<Arc<Placed>> for PlacementRef {
    fn from(placed: Arc<Placed>) -> Self {
        Self(Arc::new(Own { placed }))
    }
}

impl Deref for PlacementRef {
    type Target = Placement;

    fn deref(&self) -> &Placement {
        &self.0.placed.placement
    }
}

/// What one thread went by last. `table`: several gateways may share a thread.
struct Recent {
    table: usize,
    held: PlacementRef,
}

thread_local! {
    static RECENT: RefCell<Ring> = const { RefCell::new(Ring { recent: [const { None }; RECENT_MAX], next: 0 }) };
}

struct Ring {
    recent: [Option<Recent>; RECENT_MAX],
    /// Whose place is given to the next.
    next: usize,
}

/// What this thread went by when it last asked `table` for the bucket, if that still counts.
pub(super) fn find(table: usize, name: &BucketName) -> Option<PlacementRef> {
    RECENT.with_borrow_mut(|own| {
        let is_it = |recent: &Recent| recent.table == table && recent.held.bucket == *name;
        let place = own.recent.iter_mut().find(|recent| recent.as_ref().is_some_and(is_it))?;
        let held = place.as_ref().map(|recent| recent.held.clone())?;
        if !held.0.placed.is_current() {
            *place = None;
            return None;
        }
        held.0.placed.use_now();
        Some(held)
    })
}

/// Goes by `placed` from now on.
pub(super) fn hold(table: usize, placed: Arc<Placed>) -> PlacementRef {
    let held = PlacementRef::from(placed);
    let recent = Recent { table, held: held.clone() };
    // What made room is dropped outside, in case that it is the last of its kind.
    let _old = RECENT.with_borrow_mut(|own| {
        let next = own.next;
        own.next = (next + 1) % RECENT_MAX;
        own.recent[next].replace(recent)
    });
    held
}
