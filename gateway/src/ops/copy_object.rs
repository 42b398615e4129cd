//! CopyObject: by references inside a bucket; between buckets the server moves the bytes, because the end of a job
//! takes its data and nothing else.

use super::check_readable;
use super::copied_bytes::open_source;
use super::{Operations, ask, committed, copied_checksum};
use crate::copies::{self, CopySource};
use crate::errors::{from_call, s3};
use crate::placements::Bucket;
use crate::writer::{Source, Written};
use pocket_access::action::Action;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::clock::Timestamp;
use pocket_api::conditions::{ReadConditions, WriteCondition};
use pocket_api::hints::{Limit, ObjectHints};
use pocket_api::limits::{INLINE_MAX_BYTES, PUT_MAX_BYTES};
use pocket_api::metadata::{Answer, Commit, Committed, Found, NewMeta, Request, Select};
use pocket_api::names::ObjectKey;
use pocket_api::object::{NewContent, ObjectHeaders, ObjectMeta};
use pocket_edge::calls::{Call, CopyObject, Directive, Directives, Serve, SourceObject};
use pocket_edge::context::RequestContext;
use std::sync::Arc;
use std::time::Duration;

impl Serve<CopyObject> for Operations {
    async fn serve(&self, call: Call<CopyObject>) -> Result<Committed, Refusal> {
        let CopyObject {
            bucket: name,
            key,
            condition,
            source,
            directives,
            headers: said,
            says_tags,
            acl,
            hints,
            checksum: algorithm,
        } = &call.input;
        let (directives, context) = (*directives, &call.context);
        let is_told = matches!(condition, WriteCondition::Matches(_));
        let writes = ask!(call, call.context, super::writing(*says_tags, is_told, acl))
            .on(key)
            .making_object(acl)
            .tagged(super::tags_of(said.as_ref()));
        let mut to = self.bucket_to_write(writes, name, key, call.expected_owner.as_str()).await?;
        let reads = ask!(call, call.context, reading(source)).on(&source.key);
        let reads = if directives.tags == Directive::Copy { reads.taking_tags() } else { reads };
        let mut from = self.bucket(reads, &source.bucket, source.expected_owner.as_str()).await?;
        let is_same_object = from.placement.job == to.placement.job && source.key == *key;
        let keeps_metadata = directives.metadata == Directive::Copy;
        let class_is_said = said.as_ref().is_some_and(|headers| headers.storage_class.is_some());
        if is_same_object && keeps_metadata && !class_is_said && *hints == ObjectHints::default() {
            let text = "This copy request is illegal because it is trying to copy an object to itself without changing the \
                        object's metadata, storage class or life time.";
            return Err(s3(ErrorCode::InvalidRequest, text));
        }

        let checksum = match *algorithm {
            Some(algorithm) => {
                let (key, conditions) = (&source.key, &source.conditions);
                let source = CopySource { key, conditions, select: Select::Whole };
                Some(copied_checksum::find(self, context, &mut from, source, algorithm).await?)
            }
            None => None,
        };
        let meta_of = |source: &ObjectMeta, now: Timestamp| -> Result<NewMeta, Refusal> {
            check_readable(source)?;
            Ok(NewMeta {
                etag: source.etag,
                checksum: copied_checksum::of_copy(checksum.as_ref(), source, source.size)?,
                headers: headers_of_copy(source.headers.as_ref(), said.as_ref(), directives),
                hints: inherited(hints, source, now),
            })
        };
        let plan = Plan { source: &source.key, conditions: &source.conditions, key, condition };
        let answer = if from.placement.job == to.placement.job {
            to.ask_also(&from);
            by_reference(self, &mut to, from, plan, meta_of).await?
        } else {
            by_bytes(self, context, &mut from, &mut to, plan, meta_of).await?
        };
        committed(answer)
    }
}

/// What is copied where, once everything was checked.
struct Plan<'a> {
    source: &'a ObjectKey,
    conditions: &'a ReadConditions,
    key: &'a ObjectKey,
    condition: &'a WriteCondition,
}

impl Plan<'_> {
    fn commit(
        &self,
        write: pocket_api::ids::WriteId,
        size: u64,
        content: NewContent,
        meta: &NewMeta,
    ) -> Request {
        let (key, meta, condition) = (self.key.clone(), meta.clone(), self.condition.clone());
        Request::Commit(Commit { key, write, size, content, meta, condition })
    }
}

async fn by_reference(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    mut from: Bucket<'_>,
    plan: Plan<'_>,
    meta_of: impl Fn(&ObjectMeta, Timestamp) -> Result<NewMeta, Refusal>,
) -> Result<Answer, Refusal> {
    let source = CopySource { key: plan.source, conditions: plan.conditions, select: Select::Whole };
    let (reference, write) = (ops.writer.mint(), ops.writer.mint());
    let holder = bucket.shard(plan.key);
    let taken = copies::take(&ops.placements, &ops.directory, bucket, source, reference, holder).await?;
    let source = taken.source.meta.clone();
    from.catch_up(bucket);
    let admitted = ops.placements.admits_found(&from, &source).map_err(from_call);
    let meta = match admitted.and_then(|()| meta_of(&source, taken.source.now)) {
        Ok(meta) => meta,
        Err(error) => {
            taken.release(&ops.directory, bucket).await;
            return Err(error);
        }
    };
    let make = |content| plan.commit(write, source.size, content, &meta);
    let outcome = taken.commit(&ops.placements, &ops.directory, bucket, plan.key, make).await;
    outcome.map_err(from_call)
}

async fn by_bytes(
    ops: &Operations,
    context: &RequestContext,
    from: &mut Bucket<'_>,
    to: &mut Bucket<'_>,
    plan: Plan<'_>,
    meta_of: impl Fn(&ObjectMeta, Timestamp) -> Result<NewMeta, Refusal>,
) -> Result<Answer, Refusal> {
    let source = CopySource { key: plan.source, conditions: plan.conditions, select: Select::Whole };
    let (found, written) = copy_bytes(ops, context, from, source, to, plan.key).await?;
    let meta = meta_of(&found.meta, found.now)?;
    let (write, size) = (written.write, written.size);
    let make = |content| plan.commit(write, size, content, &meta);
    let outcome = written.commit(&ops.placements, to, plan.key, make).await;
    outcome.map_err(from_call)
}

/// Streams bytes of one bucket into chunks of another, for `key` there.
pub(super) async fn copy_bytes(
    ops: &Operations,
    context: &RequestContext,
    from: &mut Bucket<'_>,
    source: CopySource<'_>,
    to: &Bucket<'_>,
    key: &ObjectKey,
) -> Result<(Box<Found>, Written), Refusal> {
    let (shown, body) = open_source(ops, context, from, source).await?;
    let (size, connection) = (shown.len, &context.connection);
    if size > PUT_MAX_BYTES {
        let text = format!(
            "The specified copy source is larger than the maximum of {PUT_MAX_BYTES} bytes between buckets"
        );
        return Err(s3(ErrorCode::InvalidRequest, text));
    }
    let md5 = (size == shown.meta.size && shown.meta.etag.parts == 0).then_some(shown.meta.etag.digest);
    let inline_max_bytes = INLINE_MAX_BYTES;
    let source = Source { body, size, inline_max_bytes, md5, sum: None, connection };
    let written = ops.writer.write(to, key, source).await?;
    Ok((shown, written))
}

/// What it takes to copy from a source.
pub(super) fn reading(source: &SourceObject) -> Action {
    super::of_version(source.of_version, Action::GetObject, Action::GetObjectVersion)
}

fn headers_of_copy(
    source: Option<&Arc<ObjectHeaders>>,
    given: Option<&Arc<ObjectHeaders>>,
    directives: Directives,
) -> Option<Arc<ObjectHeaders>> {
    let of = |directive| if directive == Directive::Copy { source } else { given };
    let (metadata, tags) = (of(directives.metadata), of(directives.tags));
    let tags = tags.map_or(&[][..], |headers| &headers.tags);
    let storage_class = given.and_then(|headers| headers.storage_class);
    let acl = given.and_then(|headers| headers.acl.as_ref());
    let is_same =
        |h: &&Arc<ObjectHeaders>| h.tags == tags && h.storage_class == storage_class && h.acl.as_ref() == acl;
    if let Some(same) = metadata.filter(is_same) {
        return Some(same.clone());
    }
    let said = metadata.map(|headers| ObjectHeaders::clone(headers)).unwrap_or_default();
    let headers = ObjectHeaders { tags: tags.to_vec(), storage_class, acl: acl.cloned(), ..said };
    (headers != ObjectHeaders::default()).then(|| Arc::new(headers))
}

/// A copy lives and is read no longer than what is left of its source, unless it is told otherwise.
fn inherited(given: &ObjectHints, source: &ObjectMeta, now: Timestamp) -> ObjectHints {
    let left = |at: Timestamp| Limit::Of(at.since(now).max(Duration::from_millis(1)));
    let of_source = ObjectHints { ttl: source.expires_at.map(left), reads: source.reads_left.map(Limit::Of) };
    given.clone().or(of_source)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::conformance::plain_object;
    use pocket_api::storage_class::StorageClass;

    fn source() -> ObjectMeta {
        ObjectMeta { expires_at: Some(Timestamp(9_000)), reads_left: Some(3), ..plain_object(1) }
    }

    #[test]
    fn a_copy_inherits_what_is_left_unless_it_is_told_otherwise() {
        let left = inherited(&ObjectHints::default(), &source(), Timestamp(4_000));
        let five_seconds = Some(Limit::Of(Duration::from_secs(5)));
        assert_eq!(left, ObjectHints { ttl: five_seconds, reads: Some(Limit::Of(3)) });
        let minute = Some(Limit::Of(Duration::from_secs(60)));
        for given in [
            ObjectHints { ttl: minute, reads: Some(Limit::Of(1)) },
            ObjectHints { ttl: Some(Limit::None), reads: Some(Limit::None) },
        ] {
            assert_eq!(inherited(&given, &source(), Timestamp(4_000)), given);
        }
    }

    #[test]
    fn metadata_and_tags_are_copied_or_replaced_each_by_itself_and_the_storage_class_never_copied() {
        let headers = |name: &str, class| {
            let tags = vec![(name.to_owned(), String::new())];
            let content_type = Some(name.to_owned());
            Arc::new(ObjectHeaders { content_type, tags, storage_class: class, ..Default::default() })
        };
        let (source, given) =
            (headers("old", Some(StorageClass::Glacier)), headers("new", Some(StorageClass::GlacierIr)));
        for metadata in [Directive::Copy, Directive::Replace] {
            for tags in [Directive::Copy, Directive::Replace] {
                let copied =
                    headers_of_copy(Some(&source), Some(&given), Directives { metadata, tags }).unwrap();
                let of = |directive| if directive == Directive::Copy { "old" } else { "new" };
                assert_eq!(copied.content_type.as_deref(), Some(of(metadata)));
                assert_eq!(copied.tags[0].0, of(tags));
                assert_eq!(copied.storage_class, Some(StorageClass::GlacierIr));
            }
        }
        let keep = Directives { metadata: Directive::Copy, tags: Directive::Copy };
        let drop = Directives { metadata: Directive::Replace, tags: Directive::Replace };
        assert_eq!(headers_of_copy(Some(&source), None, keep).unwrap().storage_class, None);
        assert_eq!(headers_of_copy(Some(&source), None, drop), None);
        assert_eq!(headers_of_copy(None, None, keep), None);
        let plain = headers("plain", None);
        assert!(
            Arc::ptr_eq(&headers_of_copy(Some(&plain), None, keep).unwrap(), &plain),
            "nothing is cloned"
        );
    }
}
