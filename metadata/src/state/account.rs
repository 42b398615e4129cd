//! What a job's metadata takes of the process's memory, to the byte of its own arithmetic: taken before anything
//! changes, given back when the thing that it was taken for goes. The budget is the one thing that the pure state
//! shares with other jobs.

use crate::state::pieces::Piece;
use pocket_api::budget::ByteBudget;
use pocket_api::checksum::Checksum;
use pocket_api::metadata::MetadataError;
use pocket_api::object::ObjectHeaders;

/// An object beside its key and inline bytes: the entry with its allocation (144), a slot of a map node that is a
/// little more than half full (24 B / 0.55 = 44, and 4 for inner nodes), rounding and headers of two more
/// allocations (32), and the counter that shared inline bytes get when they are first read (32).
pub(crate) const ENTRY_BYTES: u64 = 256;
/// An object with a TTL: a slot of the expiry index beside its copy of the key (40 B / 0.55, one allocation).
pub(crate) const EXPIRY_BYTES: u64 = 96;
/// An object whose reads are counted.
pub(crate) const READS_BYTES: u64 = 112;
/// Headers beside their text: six fields, two lists and the counters of an `Arc`.
pub(crate) const HEADERS_BYTES: u64 = 248;
/// Headers that many may hold: a slot of the map that counts them.
pub(crate) const SHARED_BYTES: u64 = 48;
/// A body of pieces beside the pieces: its counters, two slices, three allocations.
pub(crate) const BODY_BYTES: u64 = 96;
/// A piece beside its inline bytes: 64 in place, 16 for an allocation's rounding.
pub(crate) const PIECE_BYTES: u64 = 80;
/// A manifest beside its extents: a slot of a hash map that is at least 7/16 full (40 / 0.44) and an allocation.
pub(crate) const MANIFEST_BYTES: u64 = 112;
/// An extent.
pub(crate) const EXTENT_BYTES: u64 = 24;
/// A reference that another shard (or a copy in progress) holds, beside the manifests that it names: slots in the table
/// and in the index of those not yet confirmed.
pub(crate) const REFERENCE_BYTES: u64 = 192;
/// One manifest named by a reference.
pub(crate) const REFERENCE_MANIFEST_BYTES: u64 = 16;
/// A multipart upload beside its key and headers.
pub(crate) const UPLOAD_BYTES: u64 = 256;
/// A part beside its pieces.
pub(crate) const PART_BYTES: u64 = 192;
/// The memory of a completed upload beside its key.
pub(crate) const FINISHED_BYTES: u64 = 256;

/// An object that came from another shard, until that knows: a slot of a hash map and the outcome.
pub(crate) const ARRIVAL_BYTES: u64 = 256;
/// A client's token for a rename beside the token and both keys.
pub(crate) const TOKEN_BYTES: u64 = 384;

/// One job's share of the budget.
#[derive(Debug)]
pub(crate) struct Account {
    budget: ByteBudget,
    used_bytes: u64,
    /// Of those, bytes of objects themselves.
    inline_bytes: u64,
}

impl Account {
    pub(crate) fn new(budget: ByteBudget) -> Self {
        Self { budget, used_bytes: 0, inline_bytes: 0 }
    }

    pub(crate) fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub(crate) fn take(&mut self, bytes: u64) -> Result<(), MetadataError> {
        match self.has_taken(bytes) {
            true => Ok(()),
            false => Err(MetadataError::Full(self.budget.refuse())),
        }
    }

    /// As [`Self::take`], for what nobody asked for: where there is no room nobody is refused.
    pub(crate) fn has_taken(&mut self, bytes: u64) -> bool {
        let has_room = self.budget.take(bytes);
        self.used_bytes += if has_room { bytes } else { 0 };
        has_room
    }

    pub(crate) fn give_back(&mut self, bytes: u64) {
        debug_assert!(bytes <= self.used_bytes, "gave back {bytes} of {} bytes", self.used_bytes);
        self.used_bytes -= bytes;
        self.budget.give_back(bytes);
    }

    /// Turns a charge of `old` bytes into one of `new`.
    pub(crate) fn exchange(&mut self, old: u64, new: u64) -> Result<(), MetadataError> {
        if new > old {
            return self.take(new - old);
        }
        self.give_back(old - new);
        Ok(())
    }

    pub(crate) fn inline_bytes(&self) -> u64 {
        self.inline_bytes
    }

    /// So many of the bytes that were taken are an object's own.
    pub(crate) fn count_inline(&mut self, bytes: usize) {
        self.inline_bytes += bytes as u64;
    }

    /// So many of an object's own bytes go, or have gone, back.
    pub(crate) fn discount_inline(&mut self, bytes: usize) {
        debug_assert!(bytes as u64 <= self.inline_bytes, "{bytes} of {} inline bytes go", self.inline_bytes);
        self.inline_bytes -= bytes as u64;
    }

    /// An empty account on the same budget.
    pub(crate) fn another(&self) -> Self {
        Self::new(self.budget.clone())
    }
}

/// The job is over: everything at once.
impl Drop for Account {
    fn drop(&mut self) {
        self.budget.give_back(self.used_bytes);
    }
}

pub(crate) fn headers_charge(headers: &ObjectHeaders) -> u64 {
    HEADERS_BYTES + headers.len_bytes() as u64 + 64 * (headers.user.len() + headers.tags.len()) as u64
}

/// Values of up to 8 bytes are in place.
pub(crate) fn checksum_charge(checksum: Option<&Checksum>) -> u64 {
    checksum.filter(|c| c.value.spilled()).map_or(0, |c| c.value.capacity() as u64 + 16)
}

pub(crate) fn piece_charge(piece: &Piece) -> u64 {
    let inline = if let Piece::Inline(bytes) = piece { bytes.len() as u64 } else { 0 };
    PIECE_BYTES + inline
}

pub(crate) fn pieces_charge(pieces: &[Piece]) -> u64 {
    pieces.iter().map(piece_charge).sum()
}

pub(crate) fn manifest_charge(extents: usize) -> u64 {
    MANIFEST_BYTES + EXTENT_BYTES * extents as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_when_the_account_ends() {
        let budget = ByteBudget::new(100);
        let mut account = Account::new(budget.clone());
        account.take(60).unwrap();
        assert_eq!(account.take(41), Err(MetadataError::Full(budget.shortage())));
        account.give_back(10);
        assert_eq!(account.exchange(20, 71), Err(MetadataError::Full(budget.shortage())));
        account.exchange(20, 70).unwrap();
        assert_eq!((account.used_bytes(), budget.used_bytes(), budget.refusals()), (100, 100, 2));
        account.exchange(70, 5).unwrap();
        assert_eq!(budget.used_bytes(), 35);
        drop(account);
        assert_eq!(budget.used_bytes(), 0);
    }
}
