//! Multipart uploads: created, filled, completed, aborted. Commands of the state machine. Completing moves the parts'
//! pieces into the object; no byte is touched. TTLs of objects do not reach uploads.

use crate::state::account::{BODY_BYTES, FINISHED_BYTES, pieces_charge};
use crate::state::commit::entry_charge;
use crate::state::entry::Description;
use crate::state::headers::own_charge;
use crate::state::key::Key;
use crate::state::pieces::{Content, Pieces};
use crate::state::uploads::{Finished, Part, Upload, part_charge, upload_charge};
use crate::state::{JobState, bytes_of};
use bytes::Bytes;
use pocket_api::clock::Timestamp;
use pocket_api::limits::PART_NUMBER_MAX;
use pocket_api::metadata::{
    Answer, Complete, CreateUpload, MetadataError, PutPart, Reply, UploadId, UploadInfo, UploadPage,
};
use pocket_api::names::ObjectKey;
use pocket_api::parts::Parts;
use std::collections::BTreeMap;

impl JobState {
    pub(crate) fn create_upload(
        &mut self,
        create: CreateUpload,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let CreateUpload { key, headers, hints, checksum } = create;
        self.check_writable(now)?;
        self.reads(&hints)?;
        let key = Key(key);
        let headers = headers.map(|headers| self.header_pool.pooled(headers));
        let charge_bytes = upload_charge(&key, own_charge(headers.as_ref()));
        let shared_bytes = self.header_pool.charge(headers.as_ref());
        self.account.take(charge_bytes + shared_bytes + self.upload_order_charge(&key, now))?;
        self.header_pool.hold(headers.as_ref());
        let number = self.uploads.next_number();
        let upload = self.home.upload_ids.issue(self.job, key.as_str(), number);
        let parts = BTreeMap::new();
        let open = Upload { initiated: now, headers, hints, checksum, parts, charge_bytes };
        self.enter_upload_order(&key, number, now);
        let rule_end = self.shown_upload_end(key.as_str(), now);
        self.uploads.open.entry(key).or_default().insert(number, open);
        Ok(Reply::UploadCreated { upload, rule_end }.into())
    }

    /// The number of an upload id that was issued for this key.
    fn number(&self, key: &ObjectKey, upload: &UploadId) -> Result<u64, MetadataError> {
        self.home.upload_ids.read(self.job, key.as_str(), upload).ok_or(MetadataError::NoSuchUpload)
    }

    /// One that is neither completed nor aborted, nor ended by a rule.
    fn open_upload(&self, key: &ObjectKey, number: u64, now: Timestamp) -> Result<&Upload, MetadataError> {
        let open = self.uploads.get(bytes_of(key), number);
        let open = open.filter(|upload| !self.upload_has_ended(key.as_str(), upload, now));
        open.ok_or(MetadataError::NoSuchUpload)
    }

    pub(crate) fn put_part(
        &mut self,
        part: PutPart,
        payload: Bytes,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let PutPart { key, upload, number: part_number, write, size, etag, checksum, content } = part;
        self.check_writable(now)?;
        if !(1..=PART_NUMBER_MAX).contains(&part_number) {
            return Err(MetadataError::BadRequest(format!("part number {part_number}")));
        }
        let number = self.number(&key, &upload)?;
        let open = self.open_upload(&key, number, now)?;
        if let Some((algorithm, kind)) = open.checksum
            && checksum.as_ref().is_none_or(|sum| sum.algorithm != algorithm)
        {
            return Err(MetadataError::OtherChecksum(algorithm, kind));
        }
        let admission = self.admit(write, size, content, payload)?;
        let charge = part_charge(admission.pieces_bytes, checksum.as_ref());
        self.account.take(charge + admission.manifest_bytes)?;
        let pieces = self.take_in(admission).into_vec();
        let part = Part { write, size, etag, modified: now, checksum, pieces };
        self.logical_bytes += size;
        let open = self.uploads.get_mut(bytes_of(&key), number);
        if let Some(old) = open.and_then(|upload| upload.parts.insert(part_number, part)) {
            self.drop_part(old);
        }
        Ok(Reply::Done.into())
    }

    pub(crate) fn upload(
        &self,
        key: &ObjectKey,
        upload: &UploadId,
        after: u16,
        max: u32,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let number = self.number(key, upload)?;
        if let Some(finished) = self.uploads.finished(number) {
            let page = UploadPage {
                info: finished.info.clone(),
                parts: Vec::new(),
                more: false,
                completed: Some(finished.committed.clone()),
                rule_end: None,
            };
            return Ok(Reply::Upload(Box::new(page)).into());
        }
        let open = self.open_upload(key, number, now)?;
        let mut rest = open.parts.range(after.saturating_add(1)..);
        let parts = rest.by_ref().take(max as usize).map(|(number, part)| part.shown(*number)).collect();
        let page = UploadPage {
            info: info(key, upload, open),
            parts,
            more: rest.next().is_some(),
            completed: None,
            rule_end: self.shown_upload_end(key.as_str(), open.initiated),
        };
        Ok(Reply::Upload(Box::new(page)).into())
    }

    pub(crate) fn complete(&mut self, complete: Complete, now: Timestamp) -> Result<Answer, MetadataError> {
        let Complete { key, upload: id, parts: named, etag, checksum, condition } = complete;
        let number = self.number(&key, &id)?;
        if let Some(finished) = self.uploads.finished(number) {
            return Ok(Reply::Committed(finished.committed.clone()).into());
        }
        self.check_writable(now)?;
        self.check_settled(&key)?;
        let open = self.open_upload(&key, number, now)?;
        if named.is_empty() || !named.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(MetadataError::BadRequest("parts that do not ascend".into()));
        }
        let (mut size, mut chosen, mut pieces_bytes) = (0, Vec::with_capacity(named.len()), 0);
        for &(part_number, write) in &named {
            let part = open.parts.get(&part_number).filter(|part| part.write == write);
            let part = part.filter(|part| !self.are_lost(&part.pieces));
            let part = part.ok_or(MetadataError::InvalidPart(part_number))?;
            size += part.size;
            chosen.push((part.size, part.checksum.as_ref()));
            pieces_bytes += pieces_charge(&part.pieces);
        }
        let parts = Parts::new(chosen.into_iter());
        self.check_condition(&key, &condition, now)?;
        let info = info(&key, &id, open);
        let (headers, hints) = (open.headers.clone(), open.hints.clone());
        let expires_at = self.expires_at(&hints, now);
        let reads = self.reads(&hints)?;
        let description = Description { etag, size, checksum, headers, expires_at, reads };
        let key = Key(key);
        // Parts and upload are paid for already, and shared headers, which the upload holds.
        let entry_bytes = entry_charge(&key, &description, 0);
        let finished_bytes = FINISHED_BYTES + key.as_str().len() as u64;
        let body_bytes = BODY_BYTES + pieces_bytes + parts.len_bytes();
        let old_bytes = open.charge_bytes + open.parts.values().map(Part::charge).sum::<u64>();
        let order_bytes = self.order_charge(&key, description.seen(now));
        let new_bytes = u64::from(entry_bytes) + body_bytes + finished_bytes + order_bytes;
        self.account.exchange(old_bytes, new_bytes)?;

        let Some(mut open) = self.take_upload(&key, number) else {
            return Err(MetadataError::NoSuchUpload);
        };
        self.logical_bytes -= open.parts.values().map(|part| part.size).sum::<u64>();
        let mut pieces = Pieces::new();
        for (part_number, _) in &named {
            if let Some(part) = open.parts.remove(part_number) {
                pieces.extend(part.pieces);
            }
        }
        // Empty parts leave an empty inline piece behind; it holds nothing but its charge.
        for unnamed in open.parts.into_values() {
            self.release_pieces(&unnamed.pieces);
        }
        let content = Content::new(pieces, parts);
        let committed = self.put(key, description, content, entry_bytes, now);
        let shared_bytes = self.header_pool.release(open.headers.as_ref());
        self.account.give_back(shared_bytes);
        let finished = Finished { info, committed: committed.clone(), charge_bytes: finished_bytes };
        let forgotten_bytes = self.uploads.finish(number, finished, now);
        self.account.give_back(forgotten_bytes);
        Ok(Reply::Committed(committed).into())
    }

    pub(crate) fn abort(
        &mut self,
        key: ObjectKey,
        upload: &UploadId,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        let number = self.number(&key, upload)?;
        self.check_writable(now)?;
        self.drop_upload(&Key(key), number);
        Ok(Reply::Done.into())
    }

    /// One that is not there is passed over.
    pub(crate) fn drop_upload(&mut self, key: &Key, number: u64) {
        let Some(open) = self.take_upload(key, number) else { return };
        let shared_bytes = self.header_pool.release(open.headers.as_ref());
        self.account.give_back(open.charge_bytes + shared_bytes);
        for part in open.parts.into_values() {
            self.drop_part(part);
        }
    }

    /// Its own charges stay the caller's.
    fn take_upload(&mut self, key: &Key, number: u64) -> Option<Upload> {
        let open = self.uploads.remove(bytes_of(&key.0), number)?;
        let order_bytes = self.leave_upload_order(key, number, open.initiated);
        self.account.give_back(order_bytes);
        Some(open)
    }

    pub(crate) fn drop_part(&mut self, part: Part) {
        self.logical_bytes -= part.size;
        self.account.give_back(part.charge());
        self.release_pieces(&part.pieces);
    }
}

pub(crate) fn info(key: &ObjectKey, upload: &UploadId, open: &Upload) -> UploadInfo {
    UploadInfo {
        key: key.clone(),
        upload: upload.clone(),
        initiated: open.initiated,
        checksum: open.checksum,
        storage_class: open.headers.as_ref().and_then(|headers| headers.storage_class),
    }
}
