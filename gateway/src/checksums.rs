//! Checksums of whole objects out of those of their parts. The sums of parts were verified by the edge while their bytes
//! passed; nothing here sees a byte of an object.

use crate::errors::other_checksum;
use crc_fast::CrcAlgorithm;
use md5::{Digest, Md5};
use pocket_access::refusal::Refusal;
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::metadata::UploadedPart;
use pocket_api::object::{ETag, ObjectMeta};
use pocket_edge::checksums::crc;
use sha1::Sha1;
use sha2::Sha256;
use smallvec::SmallVec;

/// What the object of an upload gets that announced no checksum, as in S3.
pub(crate) const UNANNOUNCED: (ChecksumAlgorithm, ChecksumKind) =
    (ChecksumAlgorithm::Crc64Nvme, ChecksumKind::FullObject);

/// A checksum of bytes that pass.
pub(crate) enum Running {
    Crc(ChecksumAlgorithm, crc_fast::Digest),
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Running {
    pub(crate) fn new(algorithm: ChecksumAlgorithm) -> Self {
        match (algorithm, crc(algorithm)) {
            (_, Some(crc)) => Self::Crc(algorithm, crc_fast::Digest::new(crc)),
            (ChecksumAlgorithm::Sha1, None) => Self::Sha1(Sha1::new()),
            (_, None) => Self::Sha256(Sha256::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Crc(_, crc) => crc.update(bytes),
            Self::Sha1(sha1) => sha1.update(bytes),
            Self::Sha256(sha256) => sha256.update(bytes),
        }
    }

    pub(crate) fn finish(self) -> Checksum {
        let (algorithm, value) = match self {
            Self::Crc(algorithm, crc) => (algorithm, crc_bytes(algorithm, crc.finalize())),
            Self::Sha1(sha1) => (ChecksumAlgorithm::Sha1, SmallVec::from_slice(&sha1.finalize())),
            Self::Sha256(sha256) => (ChecksumAlgorithm::Sha256, SmallVec::from_slice(&sha256.finalize())),
        };
        Checksum { algorithm, kind: ChecksumKind::FullObject, value }
    }
}

/// The ETag of a completed upload: MD5 over the parts' digests, with their number.
pub(crate) fn composed_etag<'a>(parts: impl ExactSizeIterator<Item = &'a UploadedPart>) -> ETag {
    let count = u16::try_from(parts.len()).unwrap_or(u16::MAX);
    let mut md5 = Md5::new();
    parts.for_each(|part| md5.update(part.etag.digest));
    ETag { digest: md5.finalize().into(), parts: count }
}

/// The checksum of a completed upload; `None` where a part lacks a sum of the algorithm.
pub(crate) fn composed(
    algorithm: ChecksumAlgorithm,
    kind: ChecksumKind,
    parts: &[&UploadedPart],
) -> Option<Checksum> {
    let sums: Option<Vec<(&[u8], u64)>> = parts
        .iter()
        .map(|part| {
            part.checksum.as_ref().filter(|c| c.algorithm == algorithm).map(|c| (&c.value[..], part.size))
        })
        .collect();
    let sums = sums?;
    let value = match kind {
        ChecksumKind::Composite => digest_of_sums(algorithm, &sums),
        ChecksumKind::FullObject => combined(algorithm, &sums)?,
    };
    Some(Checksum { algorithm, kind, value })
}

/// The checksum of an object to which `len` bytes with the checksum `added` are appended: combined where that can be, none
/// where it cannot. Another algorithm than the object has is refused, as in S3.
pub(crate) fn appended(
    seen: &ObjectMeta,
    added: Option<&Checksum>,
    len: u64,
) -> Result<Option<Checksum>, Refusal> {
    let (old, added) = match (&seen.checksum, added) {
        (_, Some(added)) if seen.size == 0 => return Ok(Some(added.clone())),
        (Some(old), Some(added)) => (old, added),
        _ => return Ok(None),
    };
    if old.algorithm != added.algorithm {
        return Err(other_checksum(old.algorithm, Some(added.algorithm)));
    }
    if old.kind != ChecksumKind::FullObject {
        return Ok(None);
    }
    let value = combined(old.algorithm, &[(&old.value, seen.size), (&added.value, len)]);
    Ok(value.map(|value| Checksum { algorithm: old.algorithm, kind: ChecksumKind::FullObject, value }))
}

fn digest_of_sums(algorithm: ChecksumAlgorithm, sums: &[(&[u8], u64)]) -> SmallVec<[u8; 8]> {
    let concatenated: Vec<u8> = sums.iter().flat_map(|(sum, _)| sum.iter().copied()).collect();
    match (algorithm, crc(algorithm)) {
        (_, Some(crc)) => crc_bytes(algorithm, crc_fast::checksum(crc, &concatenated)),
        (ChecksumAlgorithm::Sha1, None) => SmallVec::from_slice(&Sha1::digest(&concatenated)),
        (_, None) => SmallVec::from_slice(&Sha256::digest(&concatenated)),
    }
}

/// The CRC of the concatenation out of the CRCs and lengths of its pieces. `None` for what cannot be combined.
fn combined(algorithm: ChecksumAlgorithm, sums: &[(&[u8], u64)]) -> Option<SmallVec<[u8; 8]>> {
    let crc = crc(algorithm)?;
    let shift = Shift::of(crc)?;
    let number = |sum: &[u8]| sum.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    let ((first, _), rest) = sums.split_first()?;
    // Nearly all parts of an upload are of one length.
    let (mut whole, mut last_len, mut over) = (number(first), 0, shift.over(0));
    for (sum, len) in rest {
        if *len != last_len {
            (last_len, over) = (*len, shift.over(*len));
        }
        whole = shift.times(over, whole) ^ number(sum);
    }
    Some(crc_bytes(algorithm, whole))
}

/// Moves a CRC over bytes that follow: a product modulo its polynomial, in which bits stand in reverse (the way of zlib's
/// `crc32_combine`). [`crc_fast::checksum_combine`] takes some 0.1 ms, for each of 10,000 parts.
struct Shift {
    poly: u64,
    /// x to the power of 0: the highest bit.
    one: u64,
    /// x to the power of 8 times 2 to the power of n, at n.
    bytes: [u64; 64],
}

impl Shift {
    /// Of CRCs that begin and end with all bits inverted, as those of S3 do.
    fn of(crc: CrcAlgorithm) -> Option<Self> {
        let (poly, one) = match crc {
            CrcAlgorithm::Crc32IsoHdlc => (0x04C1_1DB7_u32.reverse_bits().into(), 1 << 31),
            CrcAlgorithm::Crc32Iscsi => (0x1EDC_6F41_u32.reverse_bits().into(), 1 << 31),
            CrcAlgorithm::Crc64Nvme => (0xAD93_D235_94C9_3659_u64.reverse_bits(), 1 << 63),
            _ => return None,
        };
        let mut shift = Self { poly, one, bytes: [one >> 8; 64] };
        for n in 1..64 {
            let half = shift.bytes[n - 1];
            shift.bytes[n] = shift.times(half, half);
        }
        Some(shift)
    }

    /// What a CRC is multiplied by when `len` bytes follow.
    fn over(&self, len: u64) -> u64 {
        (0..64).filter(|n| len >> n & 1 == 1).fold(self.one, |product, n| self.times(self.bytes[n], product))
    }

    fn times(&self, a: u64, mut b: u64) -> u64 {
        let (mut product, mut bit) = (0, self.one);
        while bit != 0 {
            // Without branches: the bits are as good as random.
            product ^= b & u64::from(a & bit != 0).wrapping_neg();
            b = b >> 1 ^ self.poly & (b & 1).wrapping_neg();
            bit >>= 1;
        }
        product
    }
}

fn crc_bytes(algorithm: ChecksumAlgorithm, crc: u64) -> SmallVec<[u8; 8]> {
    SmallVec::from_slice(&crc.to_be_bytes()[8 - algorithm.len_bytes()..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::clock::Timestamp;
    use pocket_api::ids::{NodeId, WriteId};
    use pocket_api::limits::OBJECT_MAX_BYTES;
    use pocket_edge::checksums::show;
    use proptest::prelude::*;

    fn part(number: u16, bytes: &[u8], algorithm: ChecksumAlgorithm) -> UploadedPart {
        let mut running = Running::new(algorithm);
        bytes.chunks(7).for_each(|piece| running.update(piece));
        UploadedPart {
            number,
            write: WriteId { gateway: NodeId(1), number: number.into() },
            size: bytes.len() as u64,
            etag: ETag::md5(Md5::digest(bytes).into()),
            last_modified: Timestamp(0),
            checksum: Some(running.finish()),
        }
    }

    proptest! {
        #[test]
        fn a_full_object_crc_of_parts_is_the_crc_of_the_whole(
            pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..6)
        ) {
            let whole: Vec<u8> = pieces.concat();
            for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
                let parts: Vec<_> = pieces.iter().zip(1..).map(|(b, n)| part(n, b, algorithm)).collect();
                let parts: Vec<_> = parts.iter().collect();
                let found = composed(algorithm, ChecksumKind::FullObject, &parts).unwrap();
                let expected = part(1, &whole, algorithm).checksum.unwrap();
                prop_assert_eq!(found, expected);
            }
        }
    }

    proptest! {
        #[test]
        fn crcs_are_moved_over_any_length(left in any::<u64>(), right in any::<u64>(), len in 0..=OBJECT_MAX_BYTES) {
            for algorithm in [ChecksumAlgorithm::Crc32, ChecksumAlgorithm::Crc32c, ChecksumAlgorithm::Crc64Nvme] {
                let mask = u64::MAX >> (64 - 8 * algorithm.len_bytes());
                let (left, right) = (left & mask, right & mask);
                let sums = [crc_bytes(algorithm, left), crc_bytes(algorithm, right)];
                let found = combined(algorithm, &[(&sums[0], 1), (&sums[1], len)]).unwrap();
                let expected = crc_fast::checksum_combine(crc(algorithm).unwrap(), left, right, len);
                prop_assert_eq!(found, crc_bytes(algorithm, expected), "{} over {}", algorithm, len);
            }
        }
    }

    #[test]
    fn composite_sums_and_etags_are_those_that_s3_documents() {
        // Of the bytes "a" and "b" as two parts, by an independent tool.
        let parts = [part(1, b"a", ChecksumAlgorithm::Sha256), part(2, b"b", ChecksumAlgorithm::Sha256)];
        assert_eq!(composed_etag(parts.iter()).to_string(), "96e024ba2074fe77e8e965ba43a704be-2");
        let both: Vec<_> = parts.iter().collect();
        let sum = composed(ChecksumAlgorithm::Sha256, ChecksumKind::Composite, &both).unwrap();
        assert_eq!(show(&sum, Some(2)), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2");
        assert_eq!(show(&sum, None), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=");
    }

    #[test]
    fn a_part_without_a_sum_leaves_the_object_without_one() {
        let mut parts = [part(1, b"a", ChecksumAlgorithm::Crc32), part(2, b"b", ChecksumAlgorithm::Crc32)];
        parts[1].checksum = None;
        let both: Vec<_> = parts.iter().collect();
        assert_eq!(composed(ChecksumAlgorithm::Crc32, ChecksumKind::Composite, &both), None);
    }
}
