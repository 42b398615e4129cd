//! The bytes of objects: made once, cut differently for each key, so that a mix-up of keys shows.

use crate::args::ChecksumForm;
use crate::mix::{Sizes, spread};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// Different contents for one size: few enough to hold their checksums, enough for neighbours to differ.
const VARIANTS: u64 = 16;

/// What the headers of a PUT say of a body.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vouched {
    /// Value of `x-amz-content-sha256`.
    pub(crate) payload: String,
    /// One more header, where the form has one.
    pub(crate) header: Option<(&'static str, String)>,
}

/// Every body of a run, with what vouches for it.
#[derive(Debug)]
pub(crate) struct Content {
    /// Random bytes; a body is a slice of it.
    pool: Vec<u8>,
    sizes: Sizes,
    /// By size and variant.
    vouched: HashMap<(u64, u64), Vouched>,
}

impl Content {
    pub(crate) fn new(sizes: &Sizes, form: ChecksumForm) -> Self {
        let largest = sizes.all().max().unwrap_or(0);
        let mut pool = vec![0; (largest + VARIANTS) as usize];
        SmallRng::seed_from_u64(1).fill_bytes(&mut pool);
        let mut vouched = HashMap::new();
        for size in sizes.all() {
            for variant in 0..VARIANTS {
                let body = &pool[variant as usize..(variant + size) as usize];
                vouched.insert((size, variant), vouch(form, body));
            }
        }
        Self { pool, sizes: sizes.clone(), vouched }
    }

    /// What an object of this key holds.
    pub(crate) fn of_key(&self, key: u64) -> &[u8] {
        let variant = variant(key) as usize;
        &self.pool[variant..variant + self.sizes.of_key(key) as usize]
    }

    pub(crate) fn vouched(&self, key: u64) -> &Vouched {
        &self.vouched[&(self.sizes.of_key(key), variant(key))]
    }
}

fn variant(key: u64) -> u64 {
    spread(!key) % VARIANTS
}

pub(crate) fn vouch(form: ChecksumForm, body: &[u8]) -> Vouched {
    let unsigned = |header| Vouched { payload: "UNSIGNED-PAYLOAD".into(), header };
    match form {
        ChecksumForm::None => unsigned(None),
        ChecksumForm::Md5 => unsigned(Some(("content-md5", STANDARD.encode(Md5::digest(body))))),
        ChecksumForm::Crc32 => {
            let sum = crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, body) as u32;
            unsigned(Some(("x-amz-checksum-crc32", STANDARD.encode(sum.to_be_bytes()))))
        }
        ChecksumForm::Sha256 => Vouched { payload: hex::encode(Sha256::digest(body)), header: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_have_their_keys_size_and_differ_between_keys() {
        let sizes: Sizes = "0:1,10:1,1KiB:1".parse().unwrap();
        let content = Content::new(&sizes, ChecksumForm::None);
        assert!((0..100).all(|key| content.of_key(key).len() as u64 == sizes.of_key(key)));
        let one = Content::new(&Sizes::only(64), ChecksumForm::None);
        let different: std::collections::HashSet<_> = (0..100).map(|key| one.of_key(key)).collect();
        assert_eq!(different.len() as u64, VARIANTS);
    }

    #[test]
    fn checksums_are_those_of_the_standards() {
        let header = |form| vouch(form, b"123456789").header;
        assert_eq!(header(ChecksumForm::Crc32), Some(("x-amz-checksum-crc32", "y/Q5Jg==".into())));
        assert_eq!(header(ChecksumForm::Md5), Some(("content-md5", "JfnnlDI7RTiF9RgfG2JNCw==".into())));
        let sha = vouch(ChecksumForm::Sha256, b"abc").payload;
        assert_eq!(sha, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
