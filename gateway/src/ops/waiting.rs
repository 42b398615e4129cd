//! Reads that wait for their key: how long, and the lookup itself. A read without a wait of its own goes by the job's.

use super::Operations;
use crate::placements::Bucket;
use bytes::Bytes;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::hints::{JobHints, WaitOn};
use pocket_api::metadata::{Found, Lookup, Want};
use std::time::Duration;

/// How long a read waits that does not say so itself. A key with a slash at its end is the marker of a folder: clients look
/// for it and do without.
pub(super) fn hinted(hints: &JobHints, lookup: &Lookup) -> Duration {
    let is_head = lookup.want == Want::Meta;
    if (is_head && hints.wait_on == WaitOn::Get) || lookup.key.as_str().ends_with('/') {
        Duration::ZERO
    } else {
        hints.wait
    }
}

/// As [`Operations::lookup`]. `said`: how long the request itself says that it waits.
pub(super) async fn lookup(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    lookup: &Lookup,
    said: Option<Duration>,
) -> Result<(Box<Found>, Bytes), Refusal> {
    let found = ops.lookup(bucket, lookup).await;
    if found.as_ref().is_err_and(|error| error.code == ErrorCode::NoSuchKey) && said.is_none() {
        let wait = hinted(&bucket.placement.hints, lookup);
        // The job's own wait became longer, and this gateway learned of it from this very answer.
        if wait > lookup.wait {
            return ops.lookup(bucket, &Lookup { wait, ..lookup.clone() }).await;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use pocket_api::conditions::ReadConditions;
    use pocket_api::metadata::Select;
    use pocket_api::names::ObjectKey;

    #[test]
    fn a_job_waits_for_its_keys_but_for_those_of_folders_and_heads_where_it_says_get() {
        let wait = Duration::from_secs(5);
        for (wait_on, want, key, waits) in [
            (WaitOn::GetAndHead, Want::Data, "k", true),
            (WaitOn::GetAndHead, Want::DataAndDelete, "k", true),
            (WaitOn::GetAndHead, Want::Meta, "a/b", true),
            (WaitOn::GetAndHead, Want::Meta, "a/", false),
            (WaitOn::GetAndHead, Want::Data, "a/", false),
            (WaitOn::Get, Want::Data, "k", true),
            (WaitOn::Get, Want::Meta, "k", false),
        ] {
            let hints = JobHints { wait, wait_on, ..JobHints::default() };
            let (key, conditions) = (ObjectKey::parse(key).unwrap(), ReadConditions::default());
            let lookup = Lookup { key, conditions, select: Select::Whole, want, wait: Duration::ZERO };
            assert_eq!(hinted(&hints, &lookup), if waits { wait } else { Duration::ZERO }, "{lookup:?}");
        }
    }
}
