//! Checksums as S3 writes them, computed apart from the code under test.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::Md5;
use sha2::{Digest, Sha256};

/// Every algorithm of `x-amz-checksum-*`, as headers name them.
pub const ALGORITHMS: [&str; 5] = ["crc32", "crc32c", "crc64nvme", "sha1", "sha256"];

/// Base64 of a body's checksum; `algorithm` is one of [`ALGORITHMS`] or `md5`.
pub fn checksum(algorithm: &str, body: &[u8]) -> String {
    let crc = |kind| crc_fast::checksum(kind, body);
    match algorithm {
        "md5" => STANDARD.encode(Md5::digest(body)),
        "crc32" => STANDARD.encode((crc(CrcAlgorithm::Crc32IsoHdlc) as u32).to_be_bytes()),
        "crc32c" => STANDARD.encode((crc(CrcAlgorithm::Crc32Iscsi) as u32).to_be_bytes()),
        "crc64nvme" => STANDARD.encode(crc(CrcAlgorithm::Crc64Nvme).to_be_bytes()),
        "sha1" => STANDARD.encode(sha1::Sha1::digest(body)),
        "sha256" => STANDARD.encode(Sha256::digest(body)),
        _ => panic!("no algorithm is called {algorithm:?}"),
    }
}

pub fn md5_hex(body: &[u8]) -> String {
    hex::encode(Md5::digest(body))
}

pub fn sha256_hex(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_that_the_catalogues_give() {
        let check = b"123456789";
        assert_eq!(checksum("crc32", check), STANDARD.encode([0xcb, 0xf4, 0x39, 0x26]));
        assert_eq!(checksum("crc32c", check), STANDARD.encode([0xe3, 0x06, 0x92, 0x83]));
        let nvme = 0xae8b_1486_0a79_9888_u64.to_be_bytes();
        assert_eq!(checksum("crc64nvme", check), STANDARD.encode(nvme));
        assert_eq!(md5_hex(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
