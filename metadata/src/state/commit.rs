//! Writing: objects become visible, are replaced and deleted, each in one step. Everything is checked and paid for before
//! anything changes. Commands of the state machine.

use crate::state::account::{
    BODY_BYTES, ENTRY_BYTES, EXPIRY_BYTES, READS_BYTES, checksum_charge, manifest_charge, piece_charge,
};
use crate::state::entry::{Description, Entry};
use crate::state::headers::own_charge;
use crate::state::key::Key;
use crate::state::pieces::{Body, Content, Piece};
use crate::state::rules::shown_end;
use crate::state::{JobState, bytes_of};
use bytes::Bytes;
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{Verdict, WriteCondition};
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::ids::WriteId;
use pocket_api::limits::LIST_MAX_KEYS;
use pocket_api::metadata::{Answer, Commit, Committed, MetadataError, Reply};
use pocket_api::names::ObjectKey;
use pocket_api::parts::Parts;
use std::collections::btree_map::Entry::{Occupied, Vacant};
use std::sync::Arc;

impl JobState {
    pub(crate) fn commit(
        &mut self,
        commit: Commit,
        payload: Bytes,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let Commit { key, write, size, content, meta, condition } = commit;
        self.check_writable(now)?;
        self.check_settled(&key)?;
        self.check_condition(&key, &condition, now)?;
        let admission = self.admit(write, size, content, payload)?;
        let headers = meta.headers.map(|headers| self.header_pool.pooled(headers));
        let description = Description {
            etag: meta.etag,
            size,
            checksum: meta.checksum,
            headers,
            expires_at: self.expires_at(&meta.hints, now),
            reads: self.reads(&meta.hints)?,
        };
        let key = Key(key);
        let inline = admission.inline_bytes();
        let entry_bytes = entry_charge(&key, &description, inline.unwrap_or(0));
        let body_bytes = if inline.is_some() { 0 } else { BODY_BYTES + admission.pieces_bytes };
        let order_bytes = self.order_charge(&key, description.seen(now));
        let shared_bytes = self.header_pool.charge(description.headers.as_ref());
        let beside_bytes = admission.manifest_bytes + order_bytes + shared_bytes;
        self.account.take(u64::from(entry_bytes) + body_bytes + beside_bytes)?;
        let pieces = self.take_in(admission);
        let content = Content::new(pieces, Parts::default());
        Ok(Reply::Committed(self.put(key, description, content, entry_bytes, now)).into())
    }

    pub(crate) fn delete(
        &mut self,
        key: ObjectKey,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        self.check_writable(now)?;
        self.check_settled(&key)?;
        self.check_condition(&key, condition, now)?;
        let key = Key(key);
        let existed = self.objects.get(&key).is_some_and(|entry| self.is_visible(key.as_str(), entry, now));
        self.remove(&key);
        Ok(Reply::Deleted { existed }.into())
    }

    pub(crate) fn delete_many(
        &mut self,
        keys: Vec<ObjectKey>,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        self.check_writable(now)?;
        if keys.len() > LIST_MAX_KEYS as usize {
            return Err(MetadataError::BadRequest(format!("{} keys to delete", keys.len())));
        }
        keys.iter().try_for_each(|key| self.check_settled(key))?;
        for key in keys {
            self.remove(&Key(key));
        }
        Ok(Reply::Done.into())
    }

    /// What is expired or lost is absent.
    pub(crate) fn check_condition(
        &self,
        key: &ObjectKey,
        condition: &WriteCondition,
        now: Timestamp,
    ) -> Result<(), MetadataError> {
        if *condition == WriteCondition::None {
            return Ok(());
        }
        let there = self.objects.get(bytes_of(key)).filter(|entry| self.is_visible(key.as_str(), entry, now));
        match (condition, there) {
            (WriteCondition::Matches(_), None) => Err(MetadataError::NoSuchKey),
            (WriteCondition::Matches(tags), Some(entry)) if !tags.matches(&entry.etag) => {
                Err(MetadataError::PreconditionFailed)
            }
            (WriteCondition::Absent, Some(_)) => Err(MetadataError::PreconditionFailed),
            (WriteCondition::Meets(conditions), Some(entry)) => {
                match conditions.judge(&entry.etag, entry.modified) {
                    Verdict::Proceed => Ok(()),
                    Verdict::NotModified | Verdict::Failed => Err(MetadataError::PreconditionFailed),
                }
            }
            (WriteCondition::Meets(conditions), None) if conditions.if_match.is_some() => {
                Err(MetadataError::NoSuchKey)
            }
            (WriteCondition::Meets(conditions), None) if conditions.if_modified_since.is_some() => {
                Err(MetadataError::PreconditionFailed)
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn expires_at(&self, hints: &ObjectHints, now: Timestamp) -> Option<Timestamp> {
        hints.ttl.or(self.defaults.ttl).and_then(Limit::value).map(|ttl| now + ttl)
    }

    pub(crate) fn reads(&self, hints: &ObjectHints) -> Result<Option<u32>, MetadataError> {
        match hints.reads.or(self.defaults.reads).and_then(Limit::value) {
            Some(0) => Err(MetadataError::BadRequest("an object with 0 reads".into())),
            reads => Ok(reads),
        }
    }

    /// Makes an object visible and drops the one that it replaces. Already paid for.
    pub(crate) fn put(
        &mut self,
        key: Key,
        description: Description,
        content: Content,
        entry_bytes: u32,
        now: Timestamp,
    ) -> Committed {
        self.newest_version += 1;
        let entry = Entry::new(description, content, entry_bytes, self.newest_version, now);
        self.header_pool.hold(entry.headers.as_ref());
        if let Some(at) = entry.expires_at() {
            self.expiry.insert(at, entry.version, key.clone());
        }
        let order_bytes = self.leave_order(&key);
        self.account.give_back(order_bytes);
        self.logical_bytes += entry.size;
        let committed = entry.committed(shown_end(self.rules.as_deref(), key.as_str(), entry.seen()));
        self.wake(&key);
        if let Some(rules) = self.rules.as_deref_mut() {
            rules.enter(&key, &entry);
        }
        match self.objects.entry(key) {
            Occupied(mut there) => {
                let old = std::mem::replace(&mut **there.get_mut(), entry);
                self.drop_entry(old);
            }
            Vacant(free) => {
                free.insert(Box::new(entry));
            }
        }
        committed
    }

    /// Whether there was anything, visible or not.
    pub(crate) fn remove(&mut self, key: &Key) -> bool {
        let order_bytes = self.leave_order(key);
        self.account.give_back(order_bytes);
        let Some(entry) = self.objects.remove(key) else { return false };
        self.drop_entry(*entry);
        true
    }

    fn drop_entry(&mut self, entry: Entry) {
        if entry.is_lost {
            self.losses.objects -= 1;
        } else {
            self.logical_bytes -= entry.size;
        }
        if let Some(at) = entry.expires_at() {
            self.expiry.remove(at, entry.version);
        }
        let shared_bytes = self.header_pool.release(entry.headers.as_ref());
        self.account.give_back(u64::from(entry.charge_bytes) + shared_bytes);
        match entry.content {
            Content::Inline(bytes) => self.account.discount_inline(bytes.len()),
            Content::Body(body) => self.drop_body(body),
        }
    }

    /// Whoever is the last to hold a body gives its pieces back.
    pub(crate) fn drop_body(&mut self, body: Arc<Body>) {
        if let Some(body) = Arc::into_inner(body) {
            self.account.give_back(body_charge(&body));
            self.release_pieces(&body.pieces);
        }
    }

    /// What the pieces count; not what they were charged.
    pub(crate) fn release_pieces(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            match piece {
                Piece::Inline(bytes) => self.account.discount_inline(bytes.len()),
                Piece::Local { manifest, .. } => self.release_manifest(*manifest),
                Piece::Remote(reference) => {
                    if self.held.release(reference.reference, reference.home) {
                        self.effects.released.push((reference.home, reference.reference));
                    }
                }
            }
        }
    }

    pub(crate) fn release_manifest(&mut self, manifest: WriteId) {
        if let Some(extents) = self.manifests.release(manifest) {
            self.account.give_back(manifest_charge(extents.len()));
            self.effects.freed.extend(extents.iter().map(|extent| extent.chunk));
        }
    }
}

/// What an entry costs, with so many inline bytes and with headers that are its own.
pub(crate) fn entry_charge(key: &Key, description: &Description, inline: u64) -> u32 {
    let key_bytes = key.as_str().len() as u64;
    let expiry = if description.expires_at.is_some() { EXPIRY_BYTES + key_bytes } else { 0 };
    let reads = if description.reads.is_some() { READS_BYTES } else { 0 };
    let checksum = checksum_charge(description.checksum.as_ref());
    let headers = own_charge(description.headers.as_ref());
    // Keys, inline bytes and headers are bounded to some KiB.
    u32::try_from(ENTRY_BYTES + key_bytes + inline + headers + expiry + reads + checksum).unwrap_or(u32::MAX)
}

pub(crate) fn body_charge(body: &Body) -> u64 {
    let pieces: u64 = body.pieces.iter().map(piece_charge).sum();
    BODY_BYTES + pieces + body.parts.len_bytes()
}
