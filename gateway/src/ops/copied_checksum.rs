//! The checksum that a copy is to have where its source does not keep it: the one thing for which a copy inside a bucket
//! reads bytes.

use super::copied_bytes::open_source;
use super::{Operations, wrong_reply};
use crate::checksums::Running;
use crate::copies::{CopySource, of_source};
use crate::errors::{s3, unavailable};
use crate::placements::{Bucket, Follow};
use bytes::Bytes;
use futures::StreamExt;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::checksum::{Checksum, ChecksumAlgorithm, ChecksumKind};
use pocket_api::metadata::{Lookup, Reply, Request, Want};
use pocket_api::object::{ETag, ObjectMeta};
use pocket_edge::context::RequestContext;
use std::time::Duration;

/// The checksum of what is copied, kept or read from its bytes, and the tag of the source that it is of.
pub(super) async fn find(
    ops: &Operations,
    context: &RequestContext,
    bucket: &mut Bucket<'_>,
    source: CopySource<'_>,
    algorithm: ChecksumAlgorithm,
) -> Result<(ETag, Checksum), Refusal> {
    let CopySource { key, conditions, select } = source;
    let make = || {
        let (key, conditions) = (key.clone(), conditions.clone());
        Request::Lookup(Lookup { key, conditions, select, want: Want::Meta, wait: Duration::ZERO })
    };
    let outcome = ops.placements.call(bucket, key, Follow::Key, Bytes::new(), make).await;
    let answer = outcome.map_err(|error| of_source(key, ops.placements.shown(bucket, error)))?;
    let Reply::Found(found) = answer.reply else { return Err(wrong_reply()) };
    let found = ops.admitted(bucket, key, found)?;
    if let Some(kept) = kept(&found.meta, found.len).filter(|sum| sum.algorithm == algorithm) {
        return Ok((found.meta.etag, kept));
    }
    let (found, body) = open_source(ops, context, bucket, CopySource { key, conditions, select }).await?;
    let mut body = body;
    let mut running = Running::new(algorithm);
    while let Some(bytes) = body.next().await {
        running.update(&bytes.map_err(|error| unavailable(format!("the source cannot be read: {error}")))?);
    }
    Ok((found.meta.etag, running.finish()))
}

/// What an object says of all of its bytes, if these are `len`. A sum over the sums of parts says nothing of a copy, which
/// has none.
pub(super) fn kept(source: &ObjectMeta, len: u64) -> Option<Checksum> {
    source.checksum.clone().filter(|sum| len == source.size && sum.kind == ChecksumKind::FullObject)
}

/// Of the copy of `len` bytes of `source`, if that is still what the checksum was found of.
pub(super) fn of_copy(
    found: Option<&(ETag, Checksum)>,
    source: &ObjectMeta,
    len: u64,
) -> Result<Option<Checksum>, Refusal> {
    match found {
        None => Ok(kept(source, len)),
        Some((etag, sum)) if *etag == source.etag => Ok(Some(sum.clone())),
        Some(_) => {
            let text = "The source was replaced while its checksum was computed. Please try again.";
            Err(s3(ErrorCode::OperationAborted, text))
        }
    }
}
