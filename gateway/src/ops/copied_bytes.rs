//! The bytes of what is copied, for copies that have to read them.

use super::get_object::readable;
use super::{Operations, wrong_reply};
use crate::copies::{CopySource, of_source};
use crate::placements::{Bucket, Follow};
use crate::reader::{ObjectBody, Purpose};
use bytes::Bytes;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{Found, Lookup, Reply, Request, Want};
use pocket_edge::context::RequestContext;
use std::time::Duration;

/// Opens them. Reads that are counted are not used up.
pub(super) async fn open_source(
    ops: &Operations,
    context: &RequestContext,
    bucket: &mut Bucket<'_>,
    source: CopySource<'_>,
) -> Result<(Box<Found>, ObjectBody), Refusal> {
    let CopySource { key, conditions, select } = source;
    let make = || {
        let (key, conditions) = (key.clone(), conditions.clone());
        Request::Lookup(Lookup { key, conditions, select, want: Want::Data, wait: Duration::ZERO })
    };
    let outcome = ops.placements.call(bucket, key, Follow::Key, Bytes::new(), make).await;
    let answer = outcome.map_err(|error| of_source(key, ops.placements.shown(bucket, error)))?;
    let Reply::Found(found) = answer.reply else { return Err(wrong_reply()) };
    let found = ops.admitted(bucket, key, found)?;
    let mut found = readable(ops, bucket, key, found)?;
    let (job, shard) = (bucket.job(), bucket.shard(key));
    let connection = &context.connection;
    let body = ops.reader.open(job, shard, &mut found, answer.payload, connection, Purpose::Copy).await?;
    Ok((found, body))
}
