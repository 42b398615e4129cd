//! Checksums as S3 writes them: their text, and the names of their algorithms and types.

use super::errors::s3;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use crc_fast::CrcAlgorithm;
use pocket_access::refusal::{ErrorCode, Refusal, shortened};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use smallvec::SmallVec;

/// As S3 shows it: base64, with `-<parts>` where it covers the sums of parts and their number is to be shown.
pub fn show(checksum: &Checksum, parts: Option<u16>) -> String {
    let text = BASE64.encode(&checksum.value);
    match (checksum.kind, parts) {
        (ChecksumKind::Composite, Some(parts)) => format!("{text}-{parts}"),
        _ => text,
    }
}

/// A checksum as a client names it: raw bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedChecksum {
    pub algorithm: ChecksumAlgorithm,
    pub value: SmallVec<[u8; 8]>,
    /// Of how many parts it covers the sums, where it says so.
    pub parts: Option<u16>,
}

impl NamedChecksum {
    /// `parts`: of how many the checksum covers the sums, if it is composite.
    pub fn is(&self, checksum: &Checksum, parts: usize) -> bool {
        let same_parts = self
            .parts
            .is_none_or(|named| checksum.kind == ChecksumKind::Composite && usize::from(named) == parts);
        same_parts && (self.algorithm, &self.value) == (checksum.algorithm, &checksum.value)
    }
}

/// The one checksum, if any, that is named where there may be one of each algorithm.
pub(crate) fn only_one(
    fields: [(ChecksumAlgorithm, Option<&str>); 5],
) -> Result<Option<NamedChecksum>, Refusal> {
    let mut found = None;
    for (algorithm, text) in fields {
        let Some(text) = text else { continue };
        if found.is_some() {
            return Err(s3(ErrorCode::InvalidRequest, "Expecting a single x-amz-checksum- value"));
        }
        let (value, parts) = parse(algorithm, text)?;
        found = Some(NamedChecksum { algorithm, value, parts });
    }
    Ok(found)
}

/// Reads what [`show`] writes; the number of parts may be left away.
fn parse(algorithm: ChecksumAlgorithm, text: &str) -> Result<(SmallVec<[u8; 8]>, Option<u16>), Refusal> {
    let bad = || s3(ErrorCode::InvalidRequest, format!("Value for {} is invalid", algorithm.header()));
    // '-' is no digit of base64.
    let (digits, parts) = match text.split_once('-') {
        Some((digits, parts)) => (digits, Some(parts.parse().map_err(|_| bad())?)),
        None => (text, None),
    };
    let value = BASE64.decode(digits).ok().filter(|value| value.len() == algorithm.len_bytes());
    Ok((value.map(SmallVec::from_vec).ok_or_else(bad)?, parts))
}

/// Reads `x-amz-checksum-algorithm` and `x-amz-checksum-type` of a new upload.
pub(crate) fn announced(
    algorithm: Option<&str>,
    kind: Option<&str>,
) -> Result<Option<(ChecksumAlgorithm, ChecksumKind)>, Refusal> {
    let Some(name) = algorithm else {
        return match kind {
            None => Ok(None),
            Some(_) => {
                Err(s3(ErrorCode::InvalidRequest, "x-amz-checksum-type needs x-amz-checksum-algorithm"))
            }
        };
    };
    let algorithm = parse_algorithm(name)?;
    let kind = match kind {
        None if algorithm == ChecksumAlgorithm::Crc64Nvme => ChecksumKind::FullObject,
        None | Some("COMPOSITE") => ChecksumKind::Composite,
        Some("FULL_OBJECT") => ChecksumKind::FullObject,
        Some(other) => {
            let text = format!("unknown checksum type {:?}", shortened(other));
            return Err(Refusal::invalid("x-amz-checksum-type", other, text));
        }
    };
    let combines = crc(algorithm).is_some();
    let possible = match kind {
        ChecksumKind::FullObject => combines,
        ChecksumKind::Composite => algorithm != ChecksumAlgorithm::Crc64Nvme,
    };
    if !possible {
        let text = format!("The {} checksum type cannot be used with {algorithm}.", show_kind(kind));
        return Err(s3(ErrorCode::InvalidRequest, text));
    }
    Ok(Some((algorithm, kind)))
}

pub(crate) fn parse_algorithm(name: &str) -> Result<ChecksumAlgorithm, Refusal> {
    let found = ChecksumAlgorithm::ALL.into_iter().find(|a| a.as_str().eq_ignore_ascii_case(name));
    found.ok_or_else(|| {
        let text = format!("Checksum algorithm {:?} is not supported", shortened(name));
        s3(ErrorCode::InvalidRequest, text)
    })
}

pub(crate) fn parse_kind(name: &str) -> Option<ChecksumKind> {
    [ChecksumKind::FullObject, ChecksumKind::Composite].into_iter().find(|kind| show_kind(*kind) == name)
}

/// Of a request that says another type than its upload has.
pub fn other_kind() -> Refusal {
    let text = "The checksum type does not match the one that the upload was created with";
    s3(ErrorCode::InvalidRequest, text)
}

pub(crate) fn show_kind(kind: ChecksumKind) -> &'static str {
    match kind {
        ChecksumKind::FullObject => "FULL_OBJECT",
        ChecksumKind::Composite => "COMPOSITE",
    }
}

/// The CRC that an algorithm is; `None` for a digest.
pub fn crc(algorithm: ChecksumAlgorithm) -> Option<CrcAlgorithm> {
    match algorithm {
        ChecksumAlgorithm::Crc32 => Some(CrcAlgorithm::Crc32IsoHdlc),
        ChecksumAlgorithm::Crc32c => Some(CrcAlgorithm::Crc32Iscsi),
        ChecksumAlgorithm::Crc64Nvme => Some(CrcAlgorithm::Crc64Nvme),
        ChecksumAlgorithm::Sha1 | ChecksumAlgorithm::Sha256 => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_read_back_as_they_are_shown() {
        let (algorithm, kind) = (ChecksumAlgorithm::Crc32, ChecksumKind::FullObject);
        let sum = Checksum { algorithm, kind, value: SmallVec::from_slice(&[1, 2, 3, 4]) };
        let composite = Checksum { kind: ChecksumKind::Composite, ..sum.clone() };
        for (text, parts) in [(show(&sum, Some(7)), None), (show(&composite, Some(7)), Some(7))] {
            assert_eq!(parse(ChecksumAlgorithm::Crc32, &text).unwrap(), (sum.value.clone(), parts));
        }
        for bad in ["", "AAAA", "AAAAAAAA", "not base64", "AAAAA", "AAAAAA==-", "AAAAAA==-x"] {
            assert!(parse(ChecksumAlgorithm::Crc32, bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn types_that_an_algorithm_does_not_have_are_refused() {
        use ChecksumAlgorithm::*;
        use ChecksumKind::*;
        let cases = [
            (Some("CRC32"), None, Some((Crc32, Composite))),
            (Some("crc64nvme"), None, Some((Crc64Nvme, FullObject))),
            (Some("CRC32C"), Some("FULL_OBJECT"), Some((Crc32c, FullObject))),
            (Some("SHA1"), Some("COMPOSITE"), Some((Sha1, Composite))),
            (None, None, None),
        ];
        for (algorithm, kind, expected) in cases {
            assert_eq!(announced(algorithm, kind).unwrap(), expected);
        }
        for (algorithm, kind) in [
            (Some("SHA256"), Some("FULL_OBJECT")),
            (Some("CRC64NVME"), Some("COMPOSITE")),
            (Some("MD5"), None),
            (Some("CRC32"), Some("HALF")),
            (None, Some("COMPOSITE")),
        ] {
            assert!(announced(algorithm, kind).is_err(), "{algorithm:?} {kind:?}");
        }
    }
}
