//! One object as the ordered map holds it, kept small: a million of them are a normal load. Inside the state machine.

use crate::state::pieces::Content;
use crate::state::reads::Reads;
use crate::state::rules::Seen;
use pocket_api::checksum::{Checksum, ChecksumKind};
use pocket_api::clock::Timestamp;
use pocket_api::lifecycle::RuleEnd;
use pocket_api::metadata::{Committed, ListedObject, MetadataError, ObjectPart, PartsPage, Select};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, ObjectHeaders, ObjectMeta};
use pocket_api::parts::Parts;
use std::num::NonZeroU64;
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) etag: ETag,
    /// Bytes of the account that the entry itself holds. A body has its own charge, for it may outlive the entry.
    pub(crate) charge_bytes: u32,
    pub(crate) size: u64,
    pub(crate) modified: Timestamp,
    expires: Option<NonZeroU64>,
    /// Tells this object from an earlier or later one of the same key.
    pub(crate) version: u64,
    /// It was found that bytes of it died. What was left of them is given back; the key says that it was there.
    pub(crate) is_lost: bool,
    pub(crate) reads: Option<Box<Reads>>,
    pub(crate) headers: Option<Arc<ObjectHeaders>>,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) content: Content,
}

/// What a new entry says besides its content.
pub(crate) struct Description {
    pub(crate) etag: ETag,
    pub(crate) size: u64,
    pub(crate) checksum: Option<Checksum>,
    pub(crate) headers: Option<Arc<ObjectHeaders>>,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) reads: Option<u32>,
}

impl Description {
    /// What lifecycle rules look at.
    pub(crate) fn seen(&self, created: Timestamp) -> Seen<'_> {
        Seen { size: self.size, headers: self.headers.as_deref(), created, ttl_end: self.expires_at }
    }
}

impl Entry {
    pub(crate) fn new(
        description: Description,
        content: Content,
        charge_bytes: u32,
        version: u64,
        now: Timestamp,
    ) -> Self {
        let Description { etag, size, checksum, headers, expires_at, reads } = description;
        Self {
            etag,
            charge_bytes,
            size,
            modified: now,
            expires: expires_at.and_then(|at| NonZeroU64::new(at.0)),
            version,
            is_lost: false,
            reads: reads.map(|n| Box::new(Reads::new(Some(n)))),
            headers,
            checksum,
            content,
        }
    }

    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.expires.map(|at| Timestamp(at.get()))
    }

    /// Takes over what may change of an object that stays the same one. The headers that it had.
    pub(crate) fn redescribe(
        &mut self,
        description: Description,
        charge_bytes: u32,
    ) -> Option<Arc<ObjectHeaders>> {
        let Description { headers, expires_at, reads, .. } = description;
        self.charge_bytes = charge_bytes;
        let old_headers = std::mem::replace(&mut self.headers, headers);
        self.expires = expires_at.and_then(|at| NonZeroU64::new(at.0));
        if reads != self.reads_left() {
            self.reads.get_or_insert_default().set_left(reads);
            self.reads.take_if(|reads| reads.is_idle());
        }
        old_headers
    }

    pub(crate) fn reads_left(&self) -> Option<u32> {
        self.reads.as_ref().and_then(|reads| reads.left())
    }

    /// Whether its TTL is over.
    pub(crate) fn is_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|at| at.get() <= now.0)
    }

    pub(crate) fn parts(&self) -> u16 {
        match &self.content {
            Content::Inline(_) => 0,
            Content::Body(body) => body.parts.len(),
        }
    }

    /// What lifecycle rules look at.
    pub(crate) fn seen(&self) -> Seen<'_> {
        let headers = self.headers.as_deref();
        Seen { size: self.size, headers, created: self.modified, ttl_end: self.expires_at() }
    }

    pub(crate) fn meta(&self, rule_end: Option<RuleEnd>) -> ObjectMeta {
        ObjectMeta {
            size: self.size,
            etag: self.etag,
            last_modified: self.modified,
            expires_at: self.expires_at(),
            rule_end,
            reads_left: self.reads_left(),
            checksum: self.checksum.clone(),
            headers: self.headers.clone(),
            parts: self.parts(),
        }
    }

    pub(crate) fn committed(&self, rule_end: Option<RuleEnd>) -> Committed {
        Committed {
            etag: self.etag,
            checksum: self.checksum.clone(),
            size: self.size,
            last_modified: self.modified,
            expires_at: self.expires_at(),
            rule_end,
        }
    }

    pub(crate) fn listed(&self, key: ObjectKey) -> ListedObject {
        ListedObject {
            key,
            size: self.size,
            etag: self.etag,
            last_modified: self.modified,
            checksum: self.checksum.as_ref().map(|c| (c.algorithm, c.kind)),
            storage_class: self.headers.as_ref().and_then(|h| h.storage_class),
        }
    }

    /// Offset and length of the selected bytes.
    pub(crate) fn select(&self, select: Select) -> Result<(u64, u64), MetadataError> {
        match select {
            Select::Whole => Ok((0, self.size)),
            Select::Range(range) => {
                range.resolve(self.size).ok_or(MetadataError::RangeNotSatisfiable { size: self.size })
            }
            Select::Part(number) => self.part(number),
        }
    }

    /// Those that it was uploaded in.
    pub(crate) fn uploaded_parts(&self) -> Option<&Parts> {
        match &self.content {
            Content::Body(body) if !body.parts.is_empty() => Some(&body.parts),
            _ => None,
        }
    }

    fn part(&self, number: u16) -> Result<(u64, u64), MetadataError> {
        match self.uploaded_parts() {
            Some(parts) => parts.span(number).ok_or(MetadataError::NoSuchPart { parts: parts.len() }),
            None if number == 1 => Ok((0, self.size)),
            None => Err(MetadataError::NoSuchPart { parts: 1 }),
        }
    }

    /// Of a part, where it is known. An object that was not uploaded in parts is its own part 1.
    pub(crate) fn part_checksum(&self, number: u16) -> Option<Checksum> {
        match self.uploaded_parts() {
            Some(parts) => parts.checksum(number),
            None => self.checksum.clone().filter(|sum| sum.kind == ChecksumKind::FullObject),
        }
    }

    pub(crate) fn parts_page(&self, meta: ObjectMeta, after: u16, max: u32) -> PartsPage {
        let Some(parts) = self.uploaded_parts() else {
            return PartsPage { meta, parts: Vec::new(), more: false };
        };
        let last = u32::from(after).saturating_add(max).min(parts.len().into()) as u16;
        let page = (after.saturating_add(1)..=last).filter_map(|number| {
            let (_, size) = parts.span(number)?;
            Some(ObjectPart { number, size, checksum: parts.checksum(number) })
        });
        PartsPage { meta, parts: page.collect(), more: last < parts.len() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_stays_small() {
        assert!(size_of::<Entry>() <= 136, "{}", size_of::<Entry>());
    }
}
