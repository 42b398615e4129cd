//! The fixed header of a frame: 32 bytes in front of every message of the framed seam, and the limits that a peer's
//! lengths are held to before a byte is allocated for them. Pure; knows no sockets.
//!
//! ```text
//! offset  bytes
//!      0      4  "pkt1"
//!      4      1  kind
//!      5      3  zero
//!      8      4  length of the header part
//!     12      4  length of the payload
//!     16      8  id of the call; a reply carries its request's
//!     24      4  milliseconds that the caller will still wait; 0 in replies
//!     28      4  zero
//!     32         header part: the message in postcard
//!                payload: bytes as they are
//! ```
//! All numbers are little endian.

use pocket_api::limits::{CHUNK_MAX_BYTES, INLINE_MAX_BYTES, SEGMENTS_PER_PAGE};
use thiserror::Error;

/// Length of the fixed header.
pub(crate) const FRAME_HEADER_BYTES: usize = 32;

const MAGIC: [u8; 4] = *b"pkt1";

/// Longest header part. The longest messages are pages of 1,000 items of some 1.2 KB (a key of 1,024 bytes and what
/// stands beside it) and a Complete of 10,000 parts of 23 bytes; both fit one and a half times.
pub(crate) const HEADER_PART_MAX_BYTES: usize = 2 << 20;

/// Longest payload: an answer with a full page of segments that are all inline. A chunk is shorter.
pub(crate) const PAYLOAD_MAX_BYTES: usize = SEGMENTS_PER_PAGE * INLINE_MAX_BYTES;

const _: () = assert!(CHUNK_MAX_BYTES as usize <= PAYLOAD_MAX_BYTES);

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameKind {
    JobRequest = 1,
    ShardRequest = 2,
    ChunkRequest = 3,
    JobReply = 4,
    ShardReply = 5,
    ChunkReply = 6,
    /// The caller of a waiting lookup has gone. The lookup is still replied to.
    Cancel = 7,
}

impl FrameKind {
    fn from_byte(byte: u8) -> Option<Self> {
        use FrameKind::*;
        [JobRequest, ShardRequest, ChunkRequest, JobReply, ShardReply, ChunkReply, Cancel]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }
}

/// What is wrong with a peer's frame. The connection is closed: after a bad frame there is no telling where the next
/// one begins.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    #[error("bytes {0:02x?} begin no frame")]
    Magic([u8; 4]),
    #[error("frame of unknown kind {0}")]
    Kind(u8),
    #[error("reserved bytes of a frame are {0:02x?}, not zero")]
    Reserved([u8; 7]),
    #[error("header part of {0} bytes is longer than {HEADER_PART_MAX_BYTES}")]
    HeaderTooLong(usize),
    #[error("payload of {0} bytes is longer than {PAYLOAD_MAX_BYTES}")]
    PayloadTooLong(usize),
    #[error("{0:?} frame does not decode: {1}")]
    Message(FrameKind, String),
    #[error("{0:?} frame has no place here")]
    Unexpected(FrameKind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    pub kind: FrameKind,
    pub header_bytes: u32,
    pub payload_bytes: u32,
    pub id: u64,
    pub deadline_ms: u32,
}

impl FrameHeader {
    pub fn encode(&self) -> [u8; FRAME_HEADER_BYTES] {
        let mut bytes = [0; FRAME_HEADER_BYTES];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = self.kind as u8;
        bytes[8..12].copy_from_slice(&self.header_bytes.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.payload_bytes.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.id.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.deadline_ms.to_le_bytes());
        bytes
    }

    /// Checks everything that the header says, its lengths against the limits too.
    pub fn decode(bytes: &[u8; FRAME_HEADER_BYTES]) -> Result<Self, FrameError> {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let magic = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if magic != MAGIC {
            return Err(FrameError::Magic(magic));
        }
        let reserved = [bytes[5], bytes[6], bytes[7], bytes[28], bytes[29], bytes[30], bytes[31]];
        if reserved != [0; 7] {
            return Err(FrameError::Reserved(reserved));
        }
        let header = Self {
            kind: FrameKind::from_byte(bytes[4]).ok_or(FrameError::Kind(bytes[4]))?,
            header_bytes: word(8),
            payload_bytes: word(12),
            id: u64::from(word(16)) | u64::from(word(20)) << 32,
            deadline_ms: word(24),
        };
        check_lengths(header.header_bytes as usize, header.payload_bytes as usize)?;
        Ok(header)
    }
}

/// Both sides hold frames to the same limits: the sender refuses what the receiver would close the connection for.
pub(crate) fn check_lengths(header_part: usize, payload: usize) -> Result<(), FrameError> {
    if header_part > HEADER_PART_MAX_BYTES {
        return Err(FrameError::HeaderTooLong(header_part));
    }
    if payload > PAYLOAD_MAX_BYTES {
        return Err(FrameError::PayloadTooLong(payload));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn kinds() -> impl Strategy<Value = FrameKind> {
        (1..=7_u8).prop_map(|byte| FrameKind::from_byte(byte).unwrap())
    }

    proptest! {
        #[test]
        fn a_header_reads_back_as_it_was_written(
            kind in kinds(),
            header_bytes in 0..=HEADER_PART_MAX_BYTES as u32,
            payload_bytes in 0..=PAYLOAD_MAX_BYTES as u32,
            id: u64,
            deadline_ms: u32,
        ) {
            let header = FrameHeader { kind, header_bytes, payload_bytes, id, deadline_ms };
            prop_assert_eq!(FrameHeader::decode(&header.encode()), Ok(header));
        }

        #[test]
        fn what_decodes_is_within_the_limits_and_encodes_to_the_same_bytes(bytes: [u8; 32], begin_well: bool) {
            let mut bytes = bytes;
            if begin_well {
                bytes[..4].copy_from_slice(&MAGIC);
                bytes[4] %= 9;
                bytes[5..8].fill(0);
                bytes[28..].fill(0);
                bytes[11] = 0;
                bytes[15] %= 2;
            }
            if let Ok(header) = FrameHeader::decode(&bytes) {
                prop_assert!(check_lengths(header.header_bytes as usize, header.payload_bytes as usize).is_ok());
                prop_assert_eq!(header.encode(), bytes);
            }
        }
    }

    #[test]
    fn lengths_beyond_the_limits_are_refused_by_name() {
        let good = FrameHeader {
            kind: FrameKind::ChunkRequest,
            header_bytes: 1,
            payload_bytes: 1,
            id: 1,
            deadline_ms: 1,
        };
        let long_header = FrameHeader { header_bytes: HEADER_PART_MAX_BYTES as u32 + 1, ..good };
        let long_payload = FrameHeader { payload_bytes: u32::MAX, ..good };
        assert_eq!(
            FrameHeader::decode(&long_header.encode()),
            Err(FrameError::HeaderTooLong(HEADER_PART_MAX_BYTES + 1))
        );
        assert_eq!(
            FrameHeader::decode(&long_payload.encode()),
            Err(FrameError::PayloadTooLong(u32::MAX as usize))
        );
    }
}
