//! How a log is written: a mark with the version, then frames. A frame is its length, a checksum, and changes, each a kind, a
//! key and a value with their lengths; numbers are little-endian. The first frame is the snapshot, which has to be whole.

use crate::state::record::Key;
use crc_fast::{CrcAlgorithm, checksum};

/// What a log begins with; the last byte is its version.
const MARK: [u8; 8] = *b"pocketS\x01";
/// Length and checksum.
const HEADER_BYTES: usize = 16;
const PUT: u8 = 1;
const REMOVE: u8 = 2;

/// A log that begins with a snapshot.
pub(super) fn log(snapshot: &[(Key, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut content = MARK.to_vec();
    content.extend(written(snapshot));
    content
}

pub(super) fn written(changes: &[(Key, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut frame = vec![0; HEADER_BYTES];
    for (key, value) in changes {
        let key = key.to_string();
        frame.push(if value.is_some() { PUT } else { REMOVE });
        for part in [key.as_bytes(), value.as_deref().unwrap_or_default()] {
            frame.extend((part.len() as u32).to_le_bytes());
            frame.extend(part);
        }
    }
    let len = (frame.len() - HEADER_BYTES) as u64;
    let sum = sum(&frame[HEADER_BYTES..]);
    frame[..8].copy_from_slice(&len.to_le_bytes());
    frame[8..HEADER_BYTES].copy_from_slice(&sum.to_le_bytes());
    frame
}

fn sum(bytes: &[u8]) -> u64 {
    checksum(CrcAlgorithm::Crc64Nvme, bytes)
}

/// Reads the changes of a log in their order, up to where its tail is torn.
pub(super) fn read(content: &[u8], mut take: impl FnMut(Key, Option<Vec<u8>>)) -> Result<(), String> {
    let Some(mut rest) = content.strip_prefix(&MARK) else {
        return Err("its log does not begin as one, or is of another version".into());
    };
    let mut is_first = true;
    while let Some((frame, after)) = split_frame(rest) {
        changes(frame, &mut take)?;
        (rest, is_first) = (after, false);
    }
    if is_first {
        return Err("its log has no whole snapshot".into());
    }
    if !rest.is_empty() {
        tracing::warn!(
            bytes = rest.len(),
            "the tail of the state file is torn, and was told to nobody: dropped"
        );
    }
    Ok(())
}

/// `None` where there is no whole frame.
fn split_frame(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (header, rest) = content.split_at_checked(HEADER_BYTES)?;
    let (len, expected) = header.split_at(8);
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
    let (frame, after) = rest.split_at_checked(usize::try_from(number(len)?).ok()?)?;
    (sum(frame) == number(expected)?).then_some((frame, after))
}

fn changes(mut frame: &[u8], take: &mut impl FnMut(Key, Option<Vec<u8>>)) -> Result<(), String> {
    while let Some((kind, rest)) = frame.split_first() {
        let cut = || "a frame of its log ends within a change".to_owned();
        let (key, rest) = split_part(rest).ok_or_else(cut)?;
        let (value, rest) = split_part(rest).ok_or_else(cut)?;
        let key = std::str::from_utf8(key).map_err(|error| error.to_string())?.parse()?;
        match *kind {
            PUT => take(key, Some(value.to_vec())),
            REMOVE => take(key, None),
            other => return Err(format!("a change of kind {other} in its log")),
        }
        frame = rest;
    }
    Ok(())
}

fn split_part(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = content.split_at_checked(4)?;
    rest.split_at_checked(u32::from_le_bytes(len.try_into().ok()?) as usize)
}
