//! Signing keys: derived once from secret, day and region (four HMACs), then kept.

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
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// Most keys kept: a key a day, region and access key. Beyond it all are dropped and derived again when they come.
const SIGNING_KEYS_MAX: usize = 256;

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

/// The keys in use, by credential text.
#[derive(Debug)]
pub(crate) struct SigningKeys {
    credentials: Credentials,
    kept: RwLock<HashMap<Box<str>, Arc<SigningKey>>>,
}

impl SigningKeys {
    pub(crate) fn new(credentials: Credentials) -> Self {
        Self { credentials, kept: RwLock::default() }
    }

    /// The key that the claim names. It is not kept yet, see [`SigningKeys::keep`].
    pub(crate) fn find(&self, claim: &Authorization<'_>) -> Result<Arc<SigningKey>, Refusal> {
        if let Some(key) = self.kept.read().get(&*claim.credential) {
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
        // The map holds one already: the usual case, answered without its lock.
        if Arc::strong_count(key) > 1 {
            return;
        }
        let mut kept = self.kept.write();
        if kept.len() >= SIGNING_KEYS_MAX {
            kept.clear();
        }
        kept.insert(claim.credential.as_ref().into(), key.clone());
    }
}
