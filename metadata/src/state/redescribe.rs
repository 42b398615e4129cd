//! Replacing the tags of an object, and with them its bounds, or its ACL, without writing it anew: same version, ETag and
//! time. Commands of the state machine.

use crate::state::commit::entry_charge;
use crate::state::entry::Description;
use crate::state::key::Key;
use crate::state::pieces::Content;
use crate::state::{JobState, bytes_of};
use pocket_api::acl::Acl;
use pocket_api::clock::Timestamp;
use pocket_api::conditions::ReadConditions;
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::metadata::{Answer, MetadataError, Reply};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ObjectHeaders, Tags};
use std::sync::Arc;

/// What an object is to be from now on, as far as that can change.
struct Redescription {
    headers: Option<Arc<ObjectHeaders>>,
    expires_at: Option<Timestamp>,
    reads: Option<u32>,
}

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
        let wanted = Redescription {
            headers: changed(entry.headers.as_deref(), |headers| headers.tags = tags),
            expires_at: hints.ttl.map_or(entry.expires_at(), |ttl| ttl.value().map(|ttl| now + ttl)),
            reads: hints.reads.map_or(entry.reads_left(), Limit::value),
        };
        let key = Key(key);
        self.redescribe(&key, wanted, now)?;
        if hints.reads.is_some() {
            // Whoever found all reads taken may read now.
            self.wake(&key);
        }
        Ok(Reply::Done.into())
    }

    pub(crate) fn set_acl(
        &mut self,
        key: ObjectKey,
        seen: Option<&Acl>,
        acl: Option<Box<Acl>>,
        now: Timestamp,
    ) -> Result<Answer, MetadataError> {
        self.check_writable(now)?;
        let entry = self.find(&key, &ReadConditions::default(), now)?;
        if entry.headers.as_deref().and_then(|headers| headers.acl.as_deref()) != seen {
            return Err(MetadataError::Changed { size: entry.size });
        }
        let wanted = Redescription {
            headers: changed(entry.headers.as_deref(), |headers| headers.acl = acl),
            expires_at: entry.expires_at(),
            reads: entry.reads_left(),
        };
        self.redescribe(&Key(key), wanted, now)?;
        Ok(Reply::Done.into())
    }

    fn redescribe(&mut self, key: &Key, wanted: Redescription, now: Timestamp) -> Result<(), MetadataError> {
        let entry = self.find(&key.0, &ReadConditions::default(), now)?;
        let (version, created, old_bytes) = (entry.version, entry.modified, entry.charge_bytes);
        let old_end = entry.expires_at();
        let inline_bytes = if let Content::Inline(bytes) = &entry.content { bytes.len() } else { 0 };
        let description = Description {
            etag: entry.etag,
            size: entry.size,
            checksum: entry.checksum.clone(),
            headers: wanted.headers.map(|headers| self.header_pool.pooled(headers)),
            expires_at: wanted.expires_at,
            reads: wanted.reads,
        };
        let new_bytes = entry_charge(key, &description, inline_bytes as u64);
        let shared_bytes = self.header_pool.charge(description.headers.as_ref());
        let old_order = self.paid_for_order(key);
        let new_order = self.order_charge(key, description.seen(created));
        self.account
            .exchange(u64::from(old_bytes) + old_order, u64::from(new_bytes) + new_order + shared_bytes)?;

        let end = description.expires_at;
        self.leave_order(key);
        if let Some(entry) = self.objects.get_mut(bytes_of(&key.0)) {
            self.header_pool.hold(description.headers.as_ref());
            let old_headers = entry.redescribe(description, new_bytes);
            let old_bytes = self.header_pool.release(old_headers.as_ref());
            self.account.give_back(old_bytes);
        }
        self.enter_order(key);
        if end != old_end {
            if let Some(at) = old_end {
                self.expiry.remove(at, version);
            }
            if let Some(at) = end {
                self.expiry.insert(at, version, key.clone());
            }
        }
        Ok(())
    }
}

/// Headers with one thing changed; `None` where nothing is left that they would say.
fn changed(
    headers: Option<&ObjectHeaders>,
    change: impl FnOnce(&mut ObjectHeaders),
) -> Option<Arc<ObjectHeaders>> {
    let mut headers = headers.cloned().unwrap_or_default();
    change(&mut headers);
    (headers != ObjectHeaders::default()).then(|| Arc::new(headers))
}
