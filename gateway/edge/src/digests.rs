//! The hashes that a body was promised to have, computed while its bytes pass. Only those that somebody asked for.

use super::payload::{self, PayloadForm, Promise, PromisedSum};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use md5::Md5;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use smallvec::SmallVec;
use std::borrow::Cow;

/// Running hashes of one body.
#[derive(Clone)]
pub(crate) struct Digests {
    /// For `x-amz-content-sha256` and for a SHA-256 checksum: one is enough.
    sha256: Option<Sha256>,
    sha1: Option<Sha1>,
    crc: Option<crc_fast::Digest>,
    md5: Option<Md5>,
    promised_sha256: Option<[u8; 32]>,
    promised_md5: Option<[u8; 16]>,
    promised_sum: PromisedSum,
}

impl Digests {
    pub(crate) fn new(promise: &Promise) -> Self {
        let promised_sha256 = match promise.form {
            PayloadForm::Sha256(digest) => Some(digest),
            PayloadForm::Unsigned | PayloadForm::SignedChunks(_) | PayloadForm::UnsignedChunks => None,
        };
        let algorithm = promise.sum.algorithm();
        let crc = algorithm.and_then(crate::checksums::crc);
        let wants_sha256 = promised_sha256.is_some() || algorithm == Some(ChecksumAlgorithm::Sha256);
        Self {
            sha256: wants_sha256.then(Sha256::new),
            sha1: (algorithm == Some(ChecksumAlgorithm::Sha1)).then(Sha1::new),
            crc: crc.map(crc_fast::Digest::new),
            md5: promise.md5.map(|_| Md5::new()),
            promised_sha256,
            promised_md5: promise.md5,
            promised_sum: promise.sum.clone(),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(crc) = &mut self.crc {
            crc.update(bytes);
        }
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
    }

    /// Compares with what was promised. `trailer` is the value of the checksum that came behind the body. Answers with
    /// the checksum that the client named.
    pub(crate) fn finish(self, trailer: Option<&[u8]>) -> Result<Option<Checksum>, Refusal> {
        let sha256: Option<[u8; 32]> = self.sha256.map(|sha256| sha256.finalize().into());
        if let (Some(promised), Some(computed)) = (self.promised_sha256, sha256)
            && promised != computed
        {
            return Err(payload::wrong_sha256(promised, computed));
        }
        let md5: Option<[u8; 16]> = self.md5.map(|md5| md5.finalize().into());
        if let (Some(promised), Some(computed)) = (self.promised_md5, md5)
            && promised != computed
        {
            let message = "the Content-MD5 you specified did not match what we received";
            return Err(bad_digest(message, &promised, &computed));
        }
        let (algorithm, promised) = match self.promised_sum {
            PromisedSum::None => return Ok(None),
            PromisedSum::Known(algorithm, sum) => (algorithm, Some(sum)),
            PromisedSum::Repeated(algorithm, sum) => {
                let repeated = trailer.map(|text| payload::decode_sum(algorithm, text));
                (
                    algorithm,
                    Some(sum).filter(|sum| repeated.is_none_or(|repeated| repeated.as_ref() == Some(sum))),
                )
            }
            PromisedSum::InTrailer(algorithm) => {
                (algorithm, trailer.and_then(|text| payload::decode_sum(algorithm, text)))
            }
        };
        let Some(promised) = promised else {
            let message = format!("value for {} trailing header is invalid", algorithm.header());
            return Err(Refusal::new(ErrorCode::InvalidRequest, message));
        };
        let computed: SmallVec<[u8; 32]> = match algorithm {
            ChecksumAlgorithm::Sha256 => sha256.iter().flatten().copied().collect(),
            ChecksumAlgorithm::Sha1 => self.sha1.map(Sha1::finalize).iter().flatten().copied().collect(),
            ChecksumAlgorithm::Crc32 | ChecksumAlgorithm::Crc32c | ChecksumAlgorithm::Crc64Nvme => {
                let crc = self.crc.map_or(0, |crc| crc.finalize()).to_be_bytes();
                SmallVec::from_slice(&crc[crc.len() - algorithm.len_bytes()..])
            }
        };
        if computed != promised {
            let message = format!("the {algorithm} you specified did not match the calculated checksum");
            return Err(bad_digest(message, &promised, &computed));
        }
        let value = SmallVec::from_slice(&computed);
        Ok(Some(Checksum { algorithm, kind: ChecksumKind::FullObject, value }))
    }
}

/// The hashes of a body while it passes, and what came of them. It settles once: at its end or with its first error, and
/// nothing is handed out behind that.
pub(crate) struct Settlement {
    open: Option<Digests>,
    /// Of a body that has ended well: the checksum that the client named, if it did.
    outcome: Option<Option<Checksum>>,
}

impl Settlement {
    pub(crate) fn new(digests: Digests) -> Self {
        Self { open: Some(digests), outcome: None }
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.open.is_none()
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        if let Some(digests) = &mut self.open {
            digests.update(bytes);
        }
    }

    /// The body has ended; as [`Digests::finish`]. Once settled it does nothing.
    pub(crate) fn finish(&mut self, trailer: Option<&[u8]>) -> Result<(), Refusal> {
        if let Some(digests) = self.open.take() {
            self.outcome = Some(digests.finish(trailer)?);
        }
        Ok(())
    }

    /// What a body hands out next.
    pub(crate) fn hand_out(
        &mut self,
        next: Result<Option<Bytes>, Refusal>,
    ) -> Option<Result<Bytes, Refusal>> {
        if next.is_err() {
            self.open = None;
        }
        next.transpose()
    }

    /// The checksum that the client named, if it did, of a body that has ended well; `None` of any other.
    pub(crate) fn outcome(&self) -> Option<&Option<Checksum>> {
        self.outcome.as_ref()
    }
}

fn bad_digest(message: impl Into<Cow<'static, str>>, promised: &[u8], computed: &[u8]) -> Refusal {
    Refusal::new(ErrorCode::BadDigest, message)
        .with("ExpectedDigest", BASE64_STANDARD.encode(promised))
        .with("CalculatedDigest", BASE64_STANDARD.encode(computed))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sums of "123456789" as their standards give them.
    const CHECK: [(ChecksumAlgorithm, &str); 5] = [
        (ChecksumAlgorithm::Crc32, "y/Q5Jg=="),
        (ChecksumAlgorithm::Crc32c, "4waSgw=="),
        (ChecksumAlgorithm::Crc64Nvme, "rosUhgp5mIg="),
        (ChecksumAlgorithm::Sha1, "98O8HYCOBHMq32eZZczDTKeuNEE="),
        (ChecksumAlgorithm::Sha256, "FeKw08M4keuw8e9gnsQZQgwg4yDOlMZfvIwzEkSOsiU="),
    ];

    fn promise(form: PayloadForm, sum: PromisedSum) -> Promise {
        Promise { form, decoded_bytes: Some(9), sum, md5: None }
    }

    #[test]
    fn every_algorithm_agrees_with_its_standard_and_notices_one_wrong_byte() {
        for (algorithm, text) in CHECK {
            let known =
                PromisedSum::Known(algorithm, payload::decode_sum(algorithm, text.as_bytes()).unwrap());
            for (sum, trailer) in [(known, None), (PromisedSum::InTrailer(algorithm), Some(text.as_bytes()))]
            {
                let digests = Digests::new(&promise(PayloadForm::Unsigned, sum));
                let (mut right, mut wrong) = (digests.clone(), digests);
                ["1234", "56789"].iter().for_each(|piece| right.update(piece.as_bytes()));
                wrong.update(b"123456788");
                let checksum = right.finish(trailer).unwrap().unwrap();
                assert_eq!((checksum.algorithm, checksum.value.len()), (algorithm, algorithm.len_bytes()));
                assert_eq!(wrong.finish(trailer).unwrap_err().code, ErrorCode::BadDigest, "{algorithm}");
            }
        }
    }

    #[test]
    fn a_sum_that_is_announced_once_more_may_come_once_more_and_has_to_be_the_same() {
        let algorithm = ChecksumAlgorithm::Crc32;
        let sum = payload::decode_sum(algorithm, b"y/Q5Jg==").unwrap();
        let promise = promise(PayloadForm::UnsignedChunks, PromisedSum::Repeated(algorithm, sum));
        for (body, trailer, code) in [
            ("123456789", None, None),
            ("123456789", Some("y/Q5Jg=="), None),
            ("123456789", Some("AAAAAA=="), Some(ErrorCode::InvalidRequest)),
            ("123456789", Some("%"), Some(ErrorCode::InvalidRequest)),
            ("123456788", None, Some(ErrorCode::BadDigest)),
        ] {
            let mut digests = Digests::new(&promise);
            digests.update(body.as_bytes());
            let outcome = digests.finish(trailer.map(str::as_bytes));
            assert_eq!(outcome.map_err(|refusal| refusal.code).err(), code, "{body} {trailer:?}");
        }
    }

    #[test]
    fn a_trailer_that_is_no_checksum_is_refused() {
        for trailer in [None, Some(&b"AA=="[..]), Some(b"%")] {
            let digests = Digests::new(&promise(
                PayloadForm::Unsigned,
                PromisedSum::InTrailer(ChecksumAlgorithm::Crc32),
            ));
            assert_eq!(digests.finish(trailer).unwrap_err().code, ErrorCode::InvalidRequest);
        }
    }

    #[test]
    fn payload_hash_and_content_md5_are_held() {
        let mut md5 = promise(PayloadForm::Sha256(Sha256::digest("abc").into()), PromisedSum::None);
        md5.md5 = Some(Md5::digest("abc").into());
        for (body, code) in [("abc", None), ("abd", Some("XAmzContentSHA256Mismatch"))] {
            let mut digests = Digests::new(&md5);
            digests.update(body.as_bytes());
            assert_eq!(digests.finish(None).err().map(|r| r.code.as_str().to_owned()).as_deref(), code);
        }
        md5.form = PayloadForm::Unsigned;
        let mut digests = Digests::new(&md5);
        digests.update(b"abd");
        assert_eq!(digests.finish(None).unwrap_err().code, ErrorCode::BadDigest);
    }
}
