//! Upload ids: a number and a code that only this shard can make over job, key and number, so that an id that was never
//! issued is refused without memory. Pure.

use hmac::{Hmac, KeyInit, Mac};
use pocket_api::ids::JobId;
use pocket_api::metadata::UploadId;
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// Digits of the number.
const NUMBER_DIGITS: usize = 16;

/// Makes and reads the ids of one shard.
#[derive(Clone)]
pub(crate) struct UploadIds(Hmac<Sha256>);

impl UploadIds {
    /// `key`: random, made when the shard starts; its uploads do not outlive it.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&key).expect("HMAC takes keys of any length"))
    }

    /// 48 hex digits.
    pub(crate) fn issue(&self, job: JobId, key: &str, number: u64) -> UploadId {
        let mut mac = self.0.clone();
        mac.update(&job.0.to_be_bytes());
        mac.update(&number.to_be_bytes());
        mac.update(key.as_bytes());
        let mut code = [0; 16];
        code.copy_from_slice(&mac.finalize().into_bytes()[..16]);
        UploadId(format!("{number:016x}{:032x}", u128::from_be_bytes(code)).into())
    }

    /// The number of an id that was issued for this job and key.
    pub(crate) fn read(&self, job: JobId, key: &str, id: &UploadId) -> Option<u64> {
        let number = claimed_number(&id.0)?;
        let issued = self.issue(job, key, number);
        bool::from(issued.0.as_bytes().ct_eq(id.0.as_bytes())).then_some(number)
    }
}

/// The number that an id shows, issued or not; good for ordering only.
pub(crate) fn claimed_number(id: &str) -> Option<u64> {
    let digits = id.get(..NUMBER_DIGITS)?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ids_that_were_issued_for_the_job_and_key_are_read() {
        let ids = UploadIds::new([7; 32]);
        let id = ids.issue(JobId(1), "k", 42);
        assert!(id.0.len() == 48 && id.0.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
        assert_eq!(ids.read(JobId(1), "k", &id), Some(42));
        assert_eq!(ids.read(JobId(2), "k", &id), None);
        assert_eq!(ids.read(JobId(1), "kk", &id), None);
        assert_eq!(UploadIds::new([8; 32]).read(JobId(1), "k", &id), None);
        let upper = UploadId(id.0.to_uppercase().into());
        for bad in ["", "0", "ü".repeat(24).as_str(), &format!("{id}0"), &id.0[1..], &"+".repeat(48)] {
            assert_eq!(ids.read(JobId(1), "k", &UploadId(bad.into())), None, "{bad}");
        }
        assert_eq!(ids.read(JobId(1), "k", &upper), None);
    }
}
