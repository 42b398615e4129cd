//! Headers of objects and uploads: jobs write the same few over and over, so equal ones are kept once, and paid for once. Inside
//! the state machine.

use crate::state::account::{SHARED_BYTES, headers_charge};
use pocket_api::object::ObjectHeaders;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Few, because each commit with headers compares with all of them.
const RECENT_MAX: usize = 8;

/// Headers that may be shared. Those with user metadata, which mostly differs from object to object, are not: who has them pays
/// for them.
#[derive(Debug, Default)]
pub(crate) struct HeaderPool {
    recent: Vec<Arc<ObjectHeaders>>,
    next: usize,
    /// How many objects and uploads hold them, by where they lie; each at least once. Looked up only, never gone through.
    holders: BTreeMap<usize, u64>,
}

fn may_be_shared(headers: &ObjectHeaders) -> bool {
    headers.user.is_empty()
}

fn place(headers: &Arc<ObjectHeaders>) -> usize {
    Arc::as_ptr(headers).addr()
}

/// What whoever has these headers pays for them itself.
pub(crate) fn own_charge(headers: Option<&Arc<ObjectHeaders>>) -> u64 {
    headers.filter(|headers| !may_be_shared(headers)).map_or(0, |headers| headers_charge(headers))
}

fn shared_charge(headers: &ObjectHeaders) -> u64 {
    SHARED_BYTES + headers_charge(headers)
}

impl HeaderPool {
    /// These, or those of a recent object that are equal.
    pub(crate) fn pooled(&mut self, headers: Arc<ObjectHeaders>) -> Arc<ObjectHeaders> {
        if !may_be_shared(&headers) {
            return headers;
        }
        if let Some(same) = self.recent.iter().find(|recent| ***recent == *headers) {
            return same.clone();
        }
        if self.recent.len() < RECENT_MAX {
            self.recent.push(headers.clone());
        } else {
            self.recent[self.next] = headers.clone();
            self.next = (self.next + 1) % RECENT_MAX;
        }
        headers
    }

    /// What is to be paid before one more holds these: nothing where somebody does.
    pub(crate) fn charge(&self, headers: Option<&Arc<ObjectHeaders>>) -> u64 {
        let new = headers.filter(|h| may_be_shared(h) && !self.holders.contains_key(&place(h)));
        new.map_or(0, |headers| shared_charge(headers))
    }

    /// One more holds them. Already paid for.
    pub(crate) fn hold(&mut self, headers: Option<&Arc<ObjectHeaders>>) {
        if let Some(headers) = headers.filter(|headers| may_be_shared(headers)) {
            *self.holders.entry(place(headers)).or_default() += 1;
        }
    }

    /// One less does: what is to be given back, which is nothing while somebody does.
    pub(crate) fn release(&mut self, headers: Option<&Arc<ObjectHeaders>>) -> u64 {
        let Some(headers) = headers.filter(|headers| may_be_shared(headers)) else { return 0 };
        let Some(holders) = self.holders.get_mut(&place(headers)) else {
            debug_assert!(false, "headers that nobody held were released");
            return 0;
        };
        *holders -= 1;
        if *holders > 0 {
            return 0;
        }
        self.holders.remove(&place(headers));
        shared_charge(headers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(content_type: &str, user: bool) -> Arc<ObjectHeaders> {
        let user = user.then(|| ("k".into(), "v".into()));
        let headers = ObjectHeaders { content_type: Some(content_type.into()), ..Default::default() };
        Arc::new(ObjectHeaders { user: user.into_iter().collect(), ..headers })
    }

    #[test]
    fn equal_headers_are_paid_for_once_and_given_back_with_their_last_holder_also_when_they_are_old() {
        let mut pool = HeaderPool::default();
        let mut paid = Vec::new();
        let mut held = Vec::new();
        for _ in 0..3 {
            let same = pool.pooled(headers("text/plain", false));
            paid.push(pool.charge(Some(&same)));
            pool.hold(Some(&same));
            held.push(same);
        }
        assert!(paid[0] > 0 && paid[1..] == [0, 0], "{paid:?}");
        // Others take their place among the recent.
        (0..RECENT_MAX).for_each(|n| drop(pool.pooled(headers(&format!("a/{n}"), false))));
        let again = pool.pooled(headers("text/plain", false));
        assert!(!Arc::ptr_eq(&again, &held[0]) && pool.charge(Some(&again)) == paid[0]);
        let given_back: Vec<u64> = held.iter().map(|same| pool.release(Some(same))).collect();
        assert_eq!(given_back, [0, 0, paid[0]]);
        assert!(pool.holders.is_empty());
    }

    #[test]
    fn headers_with_user_metadata_are_their_objects_own() {
        let mut pool = HeaderPool::default();
        let own = pool.pooled(headers("text/plain", true));
        assert!(pool.recent.is_empty() && own_charge(Some(&own)) > 0 && pool.charge(Some(&own)) == 0);
        pool.hold(Some(&own));
        assert_eq!((pool.release(Some(&own)), pool.holders.len()), (0, 0));
        assert_eq!(own_charge(Some(&headers("text/plain", false))), 0);
    }
}
