//! The secret that the processes of a cluster share, and the proofs made with it. It never leaves the process and is
//! never shown.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

/// Length of a proof: HMAC-SHA256.
pub(crate) const PROOF_BYTES: usize = 32;

pub(crate) type Proof = [u8; PROOF_BYTES];

/// A cluster's secret. Whoever listens to a handshake can test guesses of it, so it should be long and random.
#[derive(Clone)]
pub struct ClusterSecret(Arc<str>);

impl ClusterSecret {
    pub fn new(secret: String) -> Self {
        Self(secret.into())
    }

    /// `side` keeps the proof of one side from being sent back as that of the other.
    pub(crate) fn prove(&self, side: &str, transcript: &[&[u8]]) -> Proof {
        self.mac(side, transcript).finalize().into_bytes().into()
    }

    /// In constant time.
    pub(crate) fn proves(&self, proof: &Proof, side: &str, transcript: &[&[u8]]) -> bool {
        self.mac(side, transcript).verify_slice(proof).is_ok()
    }

    fn mac(&self, side: &str, transcript: &[&[u8]]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).expect("hmac takes keys of any length");
        mac.update(side.as_bytes());
        for part in transcript {
            mac.update(part);
        }
        mac
    }
}

impl fmt::Debug for ClusterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterSecret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_secret_side_and_transcript_only() {
        let secret = ClusterSecret::new("s3cret".into());
        let proof = secret.prove("client", &[b"a", b"b"]);
        assert!(secret.proves(&proof, "client", &[b"a", b"b"]));
        assert!(!secret.proves(&proof, "server", &[b"a", b"b"]));
        assert!(!secret.proves(&proof, "client", &[b"a", b"c"]));
        assert!(!ClusterSecret::new("s3cres".into()).proves(&proof, "client", &[b"a", b"b"]));
    }

    #[test]
    fn it_is_not_shown() {
        assert_eq!(format!("{:?}", ClusterSecret::new("s3cret".into())), "ClusterSecret(..)");
    }
}
