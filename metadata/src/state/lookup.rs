//! Reading: lookups with their conditions and selections, leases on what they found, pages of segments. Commands and
//! queries of the state machine.

use crate::state::entry::Entry;
use crate::state::key::Key;
use crate::state::lease::{CountedRead, Lease};
use crate::state::pieces::{Content, manifest_page, page};
use crate::state::reads::{Purpose, Reservation, Settled};
use crate::state::rules::shown_end;
use crate::state::{JobState, bytes_of};
use bytes::Bytes;
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{ReadConditions, Verdict};
use pocket_api::ids::LeaseId;
use pocket_api::lifecycle::RuleEnd;
use pocket_api::limits::READ_LEASE;
use pocket_api::metadata::{
    Answer, Delivery, Found, Lookup, MetadataError, Reply, SegmentPage, SegmentsOf, Select, Want,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::Segment;

impl JobState {
    /// An object that is there and meets the conditions.
    pub(crate) fn find(
        &self,
        key: &ObjectKey,
        conditions: &ReadConditions,
        now: Timestamp,
    ) -> Result<&Entry, MetadataError> {
        self.check_settled(key)?;
        let entry = self.objects.get(bytes_of(key)).filter(|entry| !self.has_ended(key.as_str(), entry, now));
        let entry = entry.ok_or(MetadataError::NoSuchKey)?;
        if self.is_lost(entry) {
            return Err(MetadataError::Lost);
        }
        if conditions.is_empty() {
            return Ok(entry);
        }
        match conditions.judge(&entry.etag, entry.modified) {
            Verdict::Proceed => Ok(entry),
            Verdict::NotModified => {
                Err(MetadataError::NotModified(Box::new(entry.meta(self.rule_end(key, entry)))))
            }
            Verdict::Failed => Err(MetadataError::PreconditionFailed),
        }
    }

    /// The object that a lookup is about, and which of its bytes.
    fn selected(&self, lookup: &Lookup, now: Timestamp) -> Result<(&Entry, (u64, u64)), MetadataError> {
        let entry = self.find(&lookup.key, &lookup.conditions, now)?;
        Ok((entry, entry.select(lookup.select)?))
    }

    /// See [`Request::Describe`].
    ///
    /// [`Request::Describe`]: pocket_api::metadata::Request::Describe
    pub(crate) fn describe(&self, key: &ObjectKey, now: Timestamp) -> Result<Answer, MetadataError> {
        let entry = self.find(key, &ReadConditions::default(), now)?;
        let found = self.found(key, entry, Select::Whole, (0, entry.size), now);
        Ok(Reply::Found(found).into())
    }

    /// A lookup that changes nothing: of what the object is like, or of inline bytes whose reads nobody counts. `None`
    /// for another one that may be served.
    pub(crate) fn lookup_shared(
        &self,
        lookup: &Lookup,
        now: Timestamp,
    ) -> Option<Result<Answer, MetadataError>> {
        let (entry, selection) = match self.selected(lookup, now) {
            Ok(selected) => selected,
            Err(refused) => return Some(Err(refused)),
        };
        let (page, payload) = unleased_page(entry, lookup.want, selection)?;
        let mut found = self.found(&lookup.key, entry, lookup.select, selection, now);
        found.page = page;
        Some(Ok(Answer { reply: Reply::Found(found), payload }))
    }

    pub(crate) fn rule_end(&self, key: &ObjectKey, entry: &Entry) -> Option<RuleEnd> {
        shown_end(self.rules.as_deref(), key.as_str(), entry.seen())
    }

    pub(crate) fn lookup(&mut self, lookup: Lookup, now: Timestamp) -> Result<Answer, MetadataError> {
        let (entry, selection) = self.selected(&lookup, now)?;
        let mut found = self.found(&lookup.key, entry, lookup.select, selection, now);
        if let Some((page, payload)) = unleased_page(entry, lookup.want, selection) {
            found.page = page;
            return Ok(Answer { reply: Reply::Found(found), payload });
        }
        self.leases.check_room()?;
        let (page, payload, body) = match &entry.content {
            Content::Inline(bytes) => {
                let (page, payload) = inline_page(bytes, selection);
                (page, payload, None)
            }
            Content::Body(body) => {
                let (page, payload) = page(&body.pieces, &self.manifests, selection, 0);
                let in_answer = |segment: &Segment| matches!(segment, Segment::Inline { .. });
                let complete = page.next.is_none() && page.segments.iter().all(in_answer);
                (page, payload, (!complete).then(|| body.clone()))
            }
        };
        found.page = page;
        let may_be_counted = entry.reads.is_some() || lookup.want == Want::DataAndDelete;
        let version = entry.version;
        let counted = if may_be_counted { self.reserve(lookup.key, lookup.want, selection)? } else { None };
        found.counted = counted.is_some();
        if found.counted || body.is_some() {
            let counted =
                counted.map(|(key, reservation)| CountedRead { key: Key(key), version, reservation });
            let lease = Lease { expires_at: now + READ_LEASE, body, selection, counted };
            found.lease = Some(self.leases.grant(lease));
        }
        Ok(Answer { reply: Reply::Found(found), payload })
    }

    /// Reserves a read where they are counted or the object goes with it; all taken is as good as missing.
    fn reserve(
        &mut self,
        key: ObjectKey,
        want: Want,
        (offset, len): (u64, u64),
    ) -> Result<Option<(ObjectKey, Reservation)>, MetadataError> {
        let entry = self.objects.get_mut(bytes_of(&key)).ok_or(MetadataError::NoSuchKey)?;
        let purpose = if want == Want::DataAndDelete { Purpose::ReadAndDelete } else { Purpose::Read };
        match &mut entry.reads {
            None if purpose == Purpose::Read => Ok(None),
            Some(reads) if purpose == Purpose::Read && !reads.counted() => {
                if reads.available() {
                    Ok(None)
                } else {
                    Err(MetadataError::NoSuchKey)
                }
            }
            reads => {
                let reads = reads.get_or_insert_default();
                let held = reads.reserve(purpose, (offset, offset + len), entry.size);
                held.map(|held| Some((key, held))).ok_or(MetadataError::NoSuchKey)
            }
        }
    }

    /// What is said of an object and of the bytes that were selected, without segments and without lease.
    fn found(
        &self,
        key: &ObjectKey,
        entry: &Entry,
        select: Select,
        (offset, len): (u64, u64),
        now: Timestamp,
    ) -> Box<Found> {
        let part_checksum = match select {
            Select::Part(number) => entry.part_checksum(number),
            Select::Whole | Select::Range(_) => None,
        };
        Box::new(Found {
            meta: entry.meta(self.rule_end(key, entry)),
            now,
            offset,
            len,
            part_checksum,
            page: SegmentPage::default(),
            lease: None,
            counted: false,
        })
    }

    pub(crate) fn parts(
        &self,
        key: &ObjectKey,
        after: u16,
        max: u32,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let entry = self.find(key, &ReadConditions::default(), now)?;
        let meta = entry.meta(self.rule_end(key, entry));
        Ok(Reply::Parts(Box::new(entry.parts_page(meta, after, max))).into())
    }

    pub(crate) fn segments(&self, of: SegmentsOf, now: Timestamp) -> Result<Answer, MetadataError> {
        match of {
            SegmentsOf::Lease { lease, skip } => {
                let lease = self.leases.get(lease, now).ok_or(MetadataError::LeaseEnded)?;
                let pieces = lease.body.as_ref().map_or(&[][..], |body| &body.pieces);
                if pieces.is_empty() || skip > lease.selection.1 {
                    let text = format!("no segments at {skip} of {} leased bytes", lease.selection.1);
                    return Err(MetadataError::BadRequest(text));
                }
                let (page, payload) = page(pieces, &self.manifests, lease.selection, skip);
                Ok(Answer { reply: Reply::Segments(page), payload })
            }
            SegmentsOf::Manifest { manifest, offset, len } => {
                let total = self.manifests.len_bytes(manifest).ok_or(MetadataError::LeaseEnded)?;
                if self.manifests.is_lost(manifest) {
                    return Err(MetadataError::Lost);
                }
                if offset.checked_add(len).is_none_or(|end| end > total) {
                    let text = format!("{len} bytes at {offset} of a manifest of {total}");
                    return Err(MetadataError::BadRequest(text));
                }
                let page = manifest_page(self.manifests.extents(manifest), offset, len);
                Ok(Reply::Segments(page).into())
            }
        }
    }

    /// Ends a lease: gives back its hold on the bytes and settles the read that it reserved. One that has ended is
    /// passed over.
    pub(crate) fn end_lease(&mut self, lease: LeaseId, delivery: Delivery) {
        let Some(lease) = self.leases.remove(lease) else { return };
        if let Some(read) = lease.counted {
            self.settle(read, delivery);
        }
        if let Some(body) = lease.body {
            self.drop_body(body);
        }
    }

    fn settle(&mut self, read: CountedRead, delivery: Delivery) {
        let same = |entry: &&mut Box<Entry>| entry.version == read.version;
        let Some(entry) = self.objects.get_mut(bytes_of(&read.key.0)).filter(same) else { return };
        let size = entry.size;
        let Some(reads) = &mut entry.reads else { return };
        match reads.settle(read.reservation, delivery == Delivery::Sent, size) {
            Settled::Gone => {
                self.remove(&read.key);
            }
            Settled::Used | Settled::GivenBack => {
                if reads.is_idle() {
                    entry.reads = None;
                }
                self.wake(&read.key);
            }
        }
    }
}

/// Of a read that needs no lease: of nothing, or of inline bytes whose reads nobody counts.
fn unleased_page(entry: &Entry, want: Want, selection: (u64, u64)) -> Option<(SegmentPage, Bytes)> {
    match (want, &entry.content) {
        (Want::Meta, _) => Some(Default::default()),
        (Want::Data, Content::Inline(bytes)) if entry.reads.is_none() => Some(inline_page(bytes, selection)),
        _ => None,
    }
}

fn inline_page(bytes: &Bytes, (offset, len): (u64, u64)) -> (SegmentPage, Bytes) {
    let payload = bytes.slice(offset as usize..(offset + len) as usize);
    let mut page = SegmentPage::default();
    if len > 0 {
        page.segments.push(Segment::Inline { len: len as u32 });
    }
    (page, payload)
}
