//! Append, S3's PutObject at an offset: the object is looked up before the body is read and appended to
//! only if it is still the same afterwards, so of several who append at one offset one wins. Bytes that are there stay
//! where they are.

use super::{Operations, wrong_reply};
use crate::checksums;
use crate::errors::{CallError, from_call, s3};
use crate::placements::{Bucket, Follow};
use crate::writer::Written;
use bytes::Bytes;
use pocket_access::acl::Said;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::Checksum;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::limits::{INLINE_MAX_BYTES, OBJECT_MAX_BYTES};
use pocket_api::metadata::{Answer, Append, Lookup, MetadataError, Reply, Request, Select, Want};
use pocket_api::names::ObjectKey;
use pocket_api::object::{ETag, ObjectMeta};
use std::time::Duration;

/// What a request wants to append.
pub(super) struct Wanted<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) offset: u64,
    /// Bytes to append.
    pub(super) size: u64,
    pub(super) condition: &'a WriteCondition,
    /// It says things of the object that only its creation can say.
    pub(super) describes: bool,
    /// Likewise, unless the object has it.
    pub(super) acl: &'a Said,
}

/// The object to append to, if all that can be known before the body holds; `None` where there is none and the request
/// makes it.
pub(super) async fn look(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    wanted: Wanted<'_>,
) -> Result<Option<ObjectMeta>, Refusal> {
    let Wanted { key, offset, size, condition, describes, acl } = wanted;
    if size == 0 {
        let text = "Request body cannot be empty when 'write offset' is specified.";
        return Err(s3(ErrorCode::InvalidRequest, text));
    }
    if offset.checked_add(size).is_none_or(|end| end > OBJECT_MAX_BYTES) {
        let text = format!("{size} bytes at {offset} make the object larger than {OBJECT_MAX_BYTES}");
        let error = s3(ErrorCode::EntityTooLarge, text).with("ProposedSize", size);
        return Err(error.with("MaxSizeAllowed", OBJECT_MAX_BYTES.saturating_sub(offset)));
    }
    let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
    let lookup = Lookup { key: key.clone(), conditions, select, want, wait: Duration::ZERO };
    let make = || Request::Lookup(lookup.clone());
    let there = match ops.placements.call(bucket, key, Follow::Key, Bytes::new(), make).await {
        Ok(Answer { reply: Reply::Found(found), .. }) => Some(found.meta),
        Ok(_) => return Err(wrong_reply()),
        // What is lost is as good as missing, as it is for every condition.
        Err(CallError::Metadata(MetadataError::NoSuchKey | MetadataError::Lost)) => None,
        Err(error) => return Err(from_call(error)),
    };
    match (condition, &there) {
        (WriteCondition::Matches(_), None) => return Err(from_call(MetadataError::NoSuchKey.into())),
        (WriteCondition::Matches(tags), Some(meta)) if !tags.matches(&meta.etag) => {
            return Err(from_call(MetadataError::PreconditionFailed.into()));
        }
        (WriteCondition::Absent, Some(_)) => {
            return Err(from_call(MetadataError::PreconditionFailed.into()));
        }
        _ => {}
    }
    let found = there.as_ref().map_or(0, |meta| meta.size);
    if found != offset {
        return Err(wrong_offset(found));
    }
    let acl_of = |meta: &ObjectMeta| meta.headers.as_ref().and_then(|headers| headers.acl.clone());
    let has_acl = |meta: &ObjectMeta| *acl == Said::Nothing || acl_of(meta) == acl.of_new_object();
    if there.as_ref().is_some_and(|meta| describes || !has_acl(meta)) {
        let text = "Cannot specify both a write offset value and user-defined object metadata, tags, hints, another ACL \
                    or a storage class for existing objects.";
        return Err(s3(ErrorCode::InvalidRequest, text));
    }
    Ok(there)
}

/// Small pieces of an object are bytes of a copy's message, so beyond this size they go to chunks as others do: 4 MiB, a quarter
/// of what a frame carries.
const INLINE_UP_TO_BYTES: u64 = 4 << 20;

/// See [`crate::writer::Source::inline_max_bytes`].
pub(super) fn inline_max_bytes(seen: &ObjectMeta) -> usize {
    if seen.size < INLINE_UP_TO_BYTES { INLINE_MAX_BYTES } else { 0 }
}

/// Appends what was written to the object that was seen.
pub(super) async fn commit(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    seen: &ObjectMeta,
    written: Written,
    checksum: Option<Checksum>,
) -> Result<Answer, Refusal> {
    let checksum = checksums::appended(seen, checksum.as_ref(), written.size)?;
    let (write, size) = (written.write, written.size);
    let make = |content| {
        let (key, to, offset) = (key.clone(), seen.etag, seen.size);
        let (etag, checksum) = (ETag::opaque(write), checksum.clone());
        Request::Append(Append { key, write, to, offset, size, content, etag, checksum })
    };
    let outcome = written.commit(&ops.placements, bucket, key, make).await;
    outcome.map_err(|error| match error {
        CallError::Metadata(MetadataError::Changed { size }) if size != seen.size => wrong_offset(size),
        error => from_call(error),
    })
}

/// The object was to be made, and somebody else has made it meanwhile.
pub(super) fn of_creation(error: CallError, condition: &WriteCondition) -> Refusal {
    match error {
        CallError::Metadata(MetadataError::PreconditionFailed) if *condition == WriteCondition::None => {
            s3(ErrorCode::InvalidWriteOffset, OTHER_OFFSET)
        }
        error => from_call(error),
    }
}

const OTHER_OFFSET: &str =
    "The write offset value that you specified does not match the current object size.";

fn wrong_offset(size: u64) -> Refusal {
    s3(ErrorCode::InvalidWriteOffset, format!("{OTHER_OFFSET} It is {size}."))
}
