//! Replacing the tags of an object, and with them its bounds, without writing it anew: same version, ETag and time.
//! A command of the state machine.

use crate::commit::entry_charge;
use crate::entry::Description;
use crate::key::Key;
use crate::pieces::Content;
use crate::state::{JobState, bytes_of};
use pocket_api::clock::Timestamp;
use pocket_api::conditions::ReadConditions;
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::metadata::{Answer, MetadataError, Reply};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ObjectHeaders, Tags};
use std::sync::Arc;

impl JobState {
    pub(crate) fn set_tags(
        &mut self,
        key: ObjectKey,
        tags: Tags,
        hints: &ObjectHints,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        self.check_writable(now)?;
        let entry = self.find(&key, &ReadConditions::default(), now)?;
        if hints.reads == Some(Limit::Of(0)) {
            return Err(MetadataError::BadRequest("an object with 0 reads".into()));
        }
        let headers = retagged(entry.headers.as_deref(), tags);
        let (version, created, old_bytes) = (entry.version, entry.modified, entry.charge_bytes);
        let old_end = entry.expires_at();
        let inline_bytes = if let Content::Inline(bytes) = &entry.content { bytes.len() } else { 0 };
        let mut description = Description {
            etag: entry.etag,
            size: entry.size,
            checksum: entry.checksum.clone(),
            headers: None,
            expires_at: hints.ttl.map_or(old_end, |ttl| ttl.value().map(|ttl| now + ttl)),
            reads: hints.reads.map_or(entry.reads_left(), Limit::value),
        };
        let headers_bytes;
        (description.headers, headers_bytes) = self.pooled(headers);
        let key = Key(key);
        let new_bytes = entry_charge(&key, &description, headers_bytes + inline_bytes as u64);
        let old_order = self.paid_for_order(&key);
        let new_order = self.order_charge(&key, description.seen(created));
        self.account.exchange(u64::from(old_bytes) + old_order, u64::from(new_bytes) + new_order)?;

        let end = description.expires_at;
        self.leave_order(&key);
        if let Some(entry) = self.objects.get_mut(bytes_of(&key.0)) {
            entry.redescribe(description, new_bytes);
        }
        self.enter_order(&key);
        if end != old_end {
            if let Some(at) = old_end {
                self.expiry.remove(at, version);
            }
            if let Some(at) = end {
                self.expiry.insert(at, version, key.clone());
            }
        }
        if hints.reads.is_some() {
            // Whoever found all reads taken may read now.
            self.effects.woken.push(key);
        }
        Ok(Reply::Done.into())
    }
}

fn retagged(headers: Option<&ObjectHeaders>, tags: Tags) -> Option<Arc<ObjectHeaders>> {
    let headers = ObjectHeaders { tags, ..headers.cloned().unwrap_or_default() };
    (headers != ObjectHeaders::default()).then(|| Arc::new(headers))
}
