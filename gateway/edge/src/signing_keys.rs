//! Signing keys: derived once from secret, day and region (four HMACs), then kept. Each thread holds those that it used last as
//! its own, so that most requests touch no lock and no counter that another thread touches.

use super::authorization::Authorization;
use super::session::Session;
use crate::credentials::{Credential, Credentials};
use hmac::{Hmac, KeyInit, Mac};
use parking_lot::RwLock;
use pocket_access::caller::Principal;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::clock::Timestamp;
use pocket_api::names::TenantName;
use sha2::Sha256;
use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Keys kept for one access key, the oldest making room: one a day and region, of which a client has a few. What a client
/// signs for is its own text, so it can push out its own keys and nobody else's.
const KEPT_MAX: usize = 8;
/// A scope longer than this is nobody's region, and is derived each time.
const KEPT_SCOPE_MAX_BYTES: usize = 128;

/// What signs for one access key on one day in one region.
pub(crate) struct SigningKey {
    hmac: Hmac<Sha256>,
    pub(crate) principal: Arc<Principal>,
    /// `day/region/s3/aws4_request`.
    pub(crate) scope: Box<str>,
}

/// A signature as it is written: 64 hex digits.
pub(crate) type Signature = [u8; 64];

impl SigningKey {
    fn derive(secret: &str, tenant: TenantName, claim: &Authorization<'_>) -> Self {
        let mut initial = Vec::with_capacity(4 + secret.len());
        initial.extend_from_slice(b"AWS4");
        initial.extend_from_slice(secret.as_bytes());
        let day = keyed(&initial).chain_update(claim.day()).finalize().into_bytes();
        let region = keyed(&day).chain_update(claim.region()).finalize().into_bytes();
        let service = keyed(&region).chain_update(claim.service()).finalize().into_bytes();
        let key = keyed(&service).chain_update("aws4_request").finalize().into_bytes();
        let principal = Arc::new(Principal { tenant, access_key_id: claim.access_key_id().into() });
        Self { hmac: keyed(&key), principal, scope: claim.scope().into() }
    }

    /// For one thread: what it counts is its own.
    fn of_thread(&self) -> Self {
        let principal = Arc::new(Principal::clone(&self.principal));
        Self { hmac: self.hmac.clone(), principal, scope: self.scope.clone() }
    }

    /// Whether it is the one that the claim names.
    fn is_named(&self, claim: &Authorization<'_>) -> bool {
        *self.scope == *claim.scope() && *self.principal.access_key_id == *claim.access_key_id()
    }

    /// Signs the concatenation of `pieces`.
    pub(crate) fn sign(&self, pieces: &[&[u8]]) -> Signature {
        let mut hmac = self.hmac.clone();
        pieces.iter().for_each(|piece| hmac.update(piece));
        let mut signature = [0; 64];
        let encoded = hex::encode_to_slice(hmac.finalize().into_bytes(), &mut signature);
        debug_assert!(encoded.is_ok(), "32 bytes are 64 digits");
        signature
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// Access keys that one thread serves at a time, in the common case; few enough that to compare all names costs nothing.
const RECENT_MAX: usize = 4;

/// A key as one thread holds it. `of`: several gateways may share a thread.
struct Recent {
    of: usize,
    key: Arc<SigningKey>,
}

thread_local! {
    /// The oldest comes first.
    static RECENT: RefCell<VecDeque<Recent>> = const { RefCell::new(VecDeque::new()) };
}

/// The keys in use, by access key, which are as many as are configured.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    /// No other has it.
    id: usize,
    credentials: Credentials,
    /// No more than [`KEPT_MAX`] each, in the order in which they came.
    kept: RwLock<HashMap<Box<str>, VecDeque<Arc<SigningKey>>>>,
}

impl SigningKeys {
    pub(crate) fn new(credentials: Credentials) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        Self { id: NEXT.fetch_add(1, Ordering::Relaxed), credentials, kept: RwLock::default() }
    }

    /// The key that the claim names. It is not kept yet, see [`SigningKeys::keep`].
    pub(crate) fn find(&self, claim: &Authorization<'_>) -> Result<Arc<SigningKey>, Refusal> {
        let is_it = |recent: &&Recent| recent.of == self.id && recent.key.is_named(claim);
        let recent = RECENT.with_borrow(|recent| recent.iter().find(is_it).map(|recent| recent.key.clone()));
        if let Some(key) = recent {
            return Ok(key);
        }
        if let Some(key) = self.kept.read().get(claim.access_key_id()).and_then(|kept| of_scope(kept, claim))
        {
            return Ok(key.clone());
        }
        let credential = self.credential(claim.access_key_id())?;
        Ok(Arc::new(SigningKey::derive(&credential.secret, credential.tenant.clone(), claim)))
    }

    /// The key of a session. It is never kept: the same credential has another secret in the next session.
    pub(crate) fn of_session(
        &self,
        claim: &Authorization<'_>,
        token: &str,
        now: Timestamp,
    ) -> Result<(Arc<SigningKey>, Session), Refusal> {
        let credential = self.credential(claim.access_key_id())?;
        let session = Session::open(token, &credential.secret, now)?;
        let secret = session.secret(&credential.secret);
        Ok((Arc::new(SigningKey::derive(&secret, credential.tenant.clone(), claim)), session))
    }

    pub(crate) fn credential(&self, access_key_id: &str) -> Result<&Credential, Refusal> {
        self.credentials.get(access_key_id).ok_or_else(|| {
            let message = "the access key id you provided does not exist in our records";
            Refusal::new(ErrorCode::InvalidAccessKeyId, message).with("AWSAccessKeyId", access_key_id)
        })
    }

    /// Keeps a key that has proven itself with a right signature: what strangers send never displaces what is used.
    pub(crate) fn keep(&self, claim: &Authorization<'_>, key: &Arc<SigningKey>) {
        let is_it = |recent: &Recent| Arc::ptr_eq(&recent.key, key);
        if RECENT.with_borrow(|recent| recent.iter().any(is_it)) || key.scope.len() > KEPT_SCOPE_MAX_BYTES {
            return;
        }
        RECENT.with_borrow_mut(|recent| {
            if recent.len() == RECENT_MAX {
                recent.pop_front();
            }
            recent.push_back(Recent { of: self.id, key: Arc::new(key.of_thread()) });
        });
        // It is among them already, which is answered without the lock.
        if Arc::strong_count(key) > 1 {
            return;
        }
        let mut all = self.kept.write();
        let kept = all.entry(claim.access_key_id().into()).or_default();
        // Of requests that came at once, one was first.
        if of_scope(kept, claim).is_some() {
            return;
        }
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back(key.clone());
    }
}

fn of_scope<'k>(
    kept: &'k VecDeque<Arc<SigningKey>>,
    claim: &Authorization<'_>,
) -> Option<&'k Arc<SigningKey>> {
    kept.iter().rev().find(|key| *key.scope == *claim.scope())
}

#[cfg(test)]
mod tests {
    use super::super::authorization::read_scope;
    use super::super::stamp::Stamp;
    use super::*;
    use std::borrow::Cow;

    fn claim(access_key_id: &str, region: &str) -> Authorization<'static> {
        let credential = format!("{access_key_id}/20261130/{region}/s3/aws4_request");
        Authorization {
            scope: read_scope(&credential).unwrap(),
            credential: Cow::Owned(credential),
            signed_headers: Cow::Borrowed(""),
            signature: Cow::Borrowed(""),
            stamp: Stamp::parse("20261130T120000Z").unwrap(),
            expires_secs: None,
        }
    }

    fn keys() -> SigningKeys {
        keys_of("hush")
    }

    fn keys_of(secret: &str) -> SigningKeys {
        let mut credentials = Credentials::default();
        for name in ["alice", "bob"] {
            assert!(credentials.add(name, secret, TenantName::parse(name).unwrap()));
        }
        SigningKeys::new(credentials)
    }

    /// Signs for a region, and whether the key for it was there already.
    fn was_kept(keys: &SigningKeys, access_key_id: &str, region: &str) -> bool {
        let claim = claim(access_key_id, region);
        let key = keys.find(&claim).unwrap();
        let was_kept = Arc::strong_count(&key) > 1;
        keys.keep(&claim, &key);
        was_kept
    }

    #[test]
    fn whoever_signs_for_many_regions_pushes_out_only_what_is_its_own() {
        let keys = keys();
        assert!(!was_kept(&keys, "bob", "here"));
        for region in 0..1_000 {
            assert!(!was_kept(&keys, "alice", &region.to_string()));
            assert!(was_kept(&keys, "bob", "here"));
            assert!(keys.kept.read().values().all(|kept| kept.len() <= KEPT_MAX));
        }
    }

    #[test]
    fn a_thread_that_serves_two_gateways_holds_the_keys_of_both_apart() {
        let (one, other) = (keys_of("hush"), keys_of("quiet"));
        let claim = claim("alice", "here");
        for _ in 0..2 {
            let [signed, otherwise] = [&one, &other].map(|keys| {
                let key = keys.find(&claim).unwrap();
                keys.keep(&claim, &key);
                key.sign(&[b"text"])
            });
            assert_ne!(signed, otherwise);
        }
    }

    #[test]
    fn the_oldest_key_makes_room_and_no_other() {
        let keys = keys();
        (0..KEPT_MAX).for_each(|region| assert!(!was_kept(&keys, "alice", &region.to_string())));
        assert!(!was_kept(&keys, "alice", "another"));
        (1..KEPT_MAX).for_each(|region| assert!(was_kept(&keys, "alice", &region.to_string()), "{region}"));
        assert!(!was_kept(&keys, "alice", "0"));
    }

    #[test]
    fn a_long_scope_and_one_that_comes_twice_take_no_room() {
        let keys = keys();
        let region = "r".repeat(KEPT_SCOPE_MAX_BYTES);
        assert!(!was_kept(&keys, "alice", &region) && !was_kept(&keys, "alice", &region));
        let claim = claim("alice", "here");
        let both = [keys.find(&claim).unwrap(), keys.find(&claim).unwrap()];
        both.iter().for_each(|key| keys.keep(&claim, key));
        assert_eq!(keys.kept.read()["alice"].len(), 1);
    }
}
