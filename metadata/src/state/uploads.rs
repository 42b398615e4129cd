//! Multipart uploads: the table of open ones and the memory of completed ones. Inside the state machine; the commands on
//! it are in [`crate::state::multipart`].

use crate::state::account::{PART_BYTES, UPLOAD_BYTES, checksum_charge, pieces_charge};
use crate::state::key::Key;
use crate::state::pieces::Piece;
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::clock::Timestamp;
use pocket_api::hints::ObjectHints;
use pocket_api::ids::WriteId;
use pocket_api::metadata::{Committed, UploadInfo, UploadedPart};
use pocket_api::object::{ETag, ObjectHeaders};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

/// How long a completed upload answers a repeated Complete: longer than clients repeat.
const FINISHED_FOR: Duration = Duration::from_secs(86_400);
/// Most completed uploads that a job remembers at this shard: 16 MiB. The oldest go first.
const FINISHED_MAX: usize = 1 << 16;

#[derive(Debug)]
pub(crate) struct Upload {
    pub(crate) initiated: Timestamp,
    pub(crate) headers: Option<Arc<ObjectHeaders>>,
    pub(crate) hints: ObjectHints,
    pub(crate) checksum: Option<(ChecksumAlgorithm, ChecksumKind)>,
    pub(crate) parts: BTreeMap<u16, Part>,
    /// Of key and headers.
    pub(crate) charge_bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) write: WriteId,
    pub(crate) size: u64,
    pub(crate) etag: ETag,
    pub(crate) modified: Timestamp,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) pieces: Vec<Piece>,
}

impl Part {
    pub(crate) fn charge(&self) -> u64 {
        part_charge(pieces_charge(&self.pieces), self.checksum.as_ref())
    }

    pub(crate) fn shown(&self, number: u16) -> UploadedPart {
        UploadedPart {
            number,
            write: self.write,
            size: self.size,
            etag: self.etag,
            last_modified: self.modified,
            checksum: self.checksum.clone(),
        }
    }
}

pub(crate) fn part_charge(pieces: u64, checksum: Option<&Checksum>) -> u64 {
    PART_BYTES + pieces + checksum_charge(checksum)
}

pub(crate) fn upload_charge(key: &Key, headers: u64) -> u64 {
    UPLOAD_BYTES + key.as_str().len() as u64 + headers
}

/// An upload that was completed.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) info: UploadInfo,
    pub(crate) committed: Committed,
    pub(crate) charge_bytes: u64,
}

/// Uploads of one key in the order of their numbers, which is that of their initiation.
pub(crate) type OfKey = BTreeMap<u64, Upload>;

/// Where one comes by on a walk through all parts: key and number of its upload, and its own, which is 0 for the upload itself.
pub(crate) type PartPlace = (Key, u64, u16);

#[derive(Debug, Default)]
pub(crate) struct Uploads {
    pub(crate) open: BTreeMap<Key, OfKey>,
    finished: HashMap<u64, Finished>,
    finished_order: VecDeque<(Timestamp, u64)>,
    newest: u64,
}

impl Uploads {
    pub(crate) fn next_number(&mut self) -> u64 {
        self.newest += 1;
        self.newest
    }

    pub(crate) fn get(&self, key: &[u8], number: u64) -> Option<&Upload> {
        self.open.get(key)?.get(&number)
    }

    pub(crate) fn get_mut(&mut self, key: &[u8], number: u64) -> Option<&mut Upload> {
        self.open.get_mut(key)?.get_mut(&number)
    }

    pub(crate) fn remove(&mut self, key: &[u8], number: u64) -> Option<Upload> {
        let of_key = self.open.get_mut(key)?;
        let upload = of_key.remove(&number);
        if of_key.is_empty() {
            self.open.remove(key);
        }
        upload
    }

    /// Open uploads and their parts, in order.
    pub(crate) fn places(
        &self,
        after: Option<&PartPlace>,
    ) -> impl Iterator<Item = (PartPlace, Option<&Part>)> {
        let from = after.map_or(Bound::Unbounded, |(key, ..)| Bound::Included(key));
        self.open.range::<Key, _>((from, Bound::Unbounded)).flat_map(move |(key, of_key)| {
            let after = after.filter(|(of, ..)| of == key).map(|&(_, number, part)| (number, part));
            of_key.range(after.map_or(0, |(number, _)| number)..).flat_map(move |(&number, upload)| {
                let seen = after.filter(|(of, _)| *of == number).map(|(_, part)| part);
                let place = move |part| (key.clone(), number, part);
                let itself = seen.is_none().then(|| (place(0), None));
                let parts = upload.parts.range((Bound::Excluded(seen.unwrap_or(0)), Bound::Unbounded));
                itself.into_iter().chain(parts.map(move |(&part, of)| (place(part), Some(of))))
            })
        })
    }

    pub(crate) fn finished(&self, number: u64) -> Option<&Finished> {
        self.finished.get(&number)
    }

    /// Remembers a completed upload; the charges of those forgotten for it.
    pub(crate) fn finish(&mut self, number: u64, finished: Finished, now: Timestamp) -> u64 {
        self.finished.insert(number, finished);
        self.finished_order.push_back((now + FINISHED_FOR, number));
        if self.finished.len() > FINISHED_MAX { self.forget_first() } else { 0 }
    }

    /// Forgets those that are a day old, `most` of them; their charges.
    pub(crate) fn forget_old(&mut self, now: Timestamp, most: usize) -> u64 {
        let mut charge = 0;
        for _ in 0..most {
            if !self.any_old(now) {
                break;
            }
            charge += self.forget_first();
        }
        charge
    }

    /// Whether there is something to forget.
    pub(crate) fn any_old(&self, now: Timestamp) -> bool {
        self.finished_order.front().is_some_and(|(until, _)| *until <= now)
    }

    fn forget_first(&mut self) -> u64 {
        let first = self.finished_order.pop_front().and_then(|(_, number)| self.finished.remove(&number));
        first.map_or(0, |finished| finished.charge_bytes)
    }
}
