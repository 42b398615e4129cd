//! The parts that an object was uploaded in: where they lie in it and what their checksums are. Kept for as long as the
//! object, because clients read by parts and check them one by one.

use crate::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

/// In the order of their bytes; none for an object that did not come by multipart upload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parts {
    /// Where each ends.
    ends: Box<[u64]>,
    /// One value after the other; `None` unless all parts have a checksum of the same algorithm.
    sums: Option<(ChecksumAlgorithm, Box<[u8]>)>,
}

impl Parts {
    /// Of sizes and checksums.
    pub fn new<'a>(parts: impl ExactSizeIterator<Item = (u64, Option<&'a Checksum>)> + Clone) -> Self {
        let mut end = 0;
        let ends = parts.clone().map(|(size, _)| {
            end += size;
            end
        });
        let ends = ends.collect();
        let algorithm = parts.clone().next().and_then(|(_, sum)| sum).map(|sum| sum.algorithm);
        let sums = algorithm.and_then(|algorithm| {
            let mut values = Vec::with_capacity(parts.len() * algorithm.len_bytes());
            for (_, sum) in parts {
                let sum =
                    sum.filter(|sum| sum.algorithm == algorithm && sum.kind == ChecksumKind::FullObject)?;
                values.extend_from_slice(&sum.value);
            }
            Some((algorithm, values.into()))
        });
        Self { ends, sums }
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// At most [`crate::limits::PART_NUMBER_MAX`].
    pub fn len(&self) -> u16 {
        u16::try_from(self.ends.len()).unwrap_or(u16::MAX)
    }

    /// Offset and length of a part, counted from 1.
    pub fn span(&self, number: u16) -> Option<(u64, u64)> {
        let index = usize::from(number).checked_sub(1)?;
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some((start, end - start))
    }

    /// Of the bytes of a part, counted from 1.
    pub fn checksum(&self, number: u16) -> Option<Checksum> {
        let (algorithm, values) = self.sums.as_ref()?;
        let len = algorithm.len_bytes();
        let start = usize::from(number).checked_sub(1)? * len;
        let value = SmallVec::from_slice(values.get(start..start + len)?);
        Some(Checksum { algorithm: *algorithm, kind: ChecksumKind::FullObject, value })
    }

    /// What it takes beside its own size.
    pub fn len_bytes(&self) -> u64 {
        let sums = self.sums.as_ref().map_or(0, |(_, values)| values.len() + 16);
        (8 * self.ends.len() + sums) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(algorithm: ChecksumAlgorithm, byte: u8) -> Checksum {
        let value = SmallVec::from_elem(byte, algorithm.len_bytes());
        Checksum { algorithm, kind: ChecksumKind::FullObject, value }
    }

    #[test]
    fn parts_have_their_spans_and_their_checksums() {
        use ChecksumAlgorithm::{Crc32, Sha256};
        for algorithm in ChecksumAlgorithm::ALL {
            let sums = [sum(algorithm, 1), sum(algorithm, 2), sum(algorithm, 3)];
            let parts = Parts::new([10, 0, 5].into_iter().zip(sums.iter().map(Some)));
            assert_eq!((parts.len(), parts.span(1), parts.span(2)), (3, Some((0, 10)), Some((10, 0))));
            assert_eq!((parts.span(0), parts.span(3), parts.span(4)), (None, Some((10, 5)), None));
            assert_eq!(parts.checksum(3).as_ref(), Some(&sums[2]));
            assert_eq!((parts.checksum(0), parts.checksum(4)), (None, None));
        }
        let (a, b) = (sum(Crc32, 1), sum(Sha256, 2));
        for (first, second) in [(Some(&a), None), (None, Some(&a)), (Some(&a), Some(&b))] {
            let parts = Parts::new([(1, first), (1, second)].into_iter());
            assert_eq!((parts.checksum(1), parts.checksum(2)), (None, None));
        }
        assert!(Parts::new([].into_iter()).is_empty() && Parts::default().span(1).is_none());
    }
}
