//! GetObject: one lookup, then the bytes.

use super::{Operations, ask, check_readable, of_version, waiting};
use crate::placements::Bucket;
use crate::reader::Purpose;
use crate::transfers::Lease;
use bytes::Bytes;
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::metadata::{Found, Lookup, Select, Want};
use pocket_api::names::ObjectKey;
use pocket_edge::calls::{Call, GetObject, GotObject, Serve};
use std::time::Duration;

impl Serve<GetObject> for Operations {
    async fn serve(&self, call: Call<GetObject>) -> Result<GotObject, Refusal> {
        let GetObject {
            bucket: ref name,
            key,
            conditions,
            select,
            range_holds_if,
            wait,
            deletes,
            of_version: named,
        } = call.input;
        let asked = Actions::from(of_version(named, Action::GetObject, Action::GetObjectVersion))
            .and_if(deletes, of_version(named, Action::DeleteObject, Action::DeleteObjectVersion));
        let want = if deletes { Want::DataAndDelete } else { Want::Data };
        let mut lookup = Lookup { key, conditions, select, want, wait: Duration::ZERO };
        let ask = ask!(call, call.context, asked).on(&lookup.key);
        let expected_owner = call.expected_owner.as_str();
        let mut bucket = self.bucket(ask, name, expected_owner).await?;
        lookup.wait = wait.unwrap_or_else(|| waiting::hinted(&bucket.placement.hints, &lookup));

        let found = match range_holds_if {
            None => find(self, &mut bucket, &lookup, wait).await,
            Some(conditions) => {
                let others = std::mem::replace(&mut lookup.conditions, conditions);
                match find(self, &mut bucket, &lookup, wait).await {
                    // It is not the object that the client has the rest of.
                    Err(error) if error.code == ErrorCode::PreconditionFailed => {
                        (lookup.conditions, lookup.select) = (others, Select::Whole);
                        find(self, &mut bucket, &lookup, wait).await
                    }
                    found => found,
                }
            }
        };
        let (found, payload) = found?;
        let mut found = readable(self, &bucket, &lookup.key, found)?;
        let shard = bucket.shard(&lookup.key);
        let connection = &call.context.connection;
        let body =
            self.reader.open(bucket.job(), shard, &mut found, payload, connection, Purpose::Deliver).await?;
        Ok(GotObject { found, select: lookup.select, content: body.into_content() })
    }
}

/// What a lookup of `key` found, if it can be read. What the shard holds for a read that is refused goes back before
/// anything is opened: a body without bytes is delivered as soon as it is.
pub(super) fn readable(
    ops: &Operations,
    bucket: &Bucket<'_>,
    key: &ObjectKey,
    found: Box<Found>,
) -> Result<Box<Found>, Refusal> {
    let readable = check_readable(&found.meta);
    if let (Err(_), Some(id)) = (&readable, found.lease) {
        let lease = Lease { shard: bucket.shard(key), id };
        ops.transfers.give_back(bucket.placement.job, lease, found.counted);
    }
    readable.map(|()| found)
}

/// `wait`: as the request says it.
async fn find(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    lookup: &Lookup,
    wait: Option<Duration>,
) -> Result<(Box<Found>, Bytes), Refusal> {
    // What was just sent to this client in full may be reserved for it still when the shard looks: a reader of ranges
    // would find that its own last one has taken the object away.
    let settled = ops.transfers.settled();
    match waiting::lookup(ops, bucket, lookup, wait).await {
        Err(error)
            if error.code == ErrorCode::NoSuchKey
                && ops.transfers.settle(bucket.shard(&lookup.key), settled).await =>
        {
            ops.lookup(bucket, &Lookup { wait: Duration::ZERO, ..lookup.clone() }).await
        }
        found => found,
    }
}
