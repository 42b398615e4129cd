//! ListBuckets: those of the caller's tenant.

use super::{Operations, tenant};
use crate::errors::from_control;
use pocket_access::refusal::Refusal;
use pocket_api::clock::Timestamp;
use pocket_edge::calls::{Call, ListBuckets, ListedBucket, ListedBuckets, Serve};

impl Serve<ListBuckets> for Operations {
    async fn serve(&self, call: Call<ListBuckets>) -> Result<ListedBuckets, Refusal> {
        let tenant = tenant(&call.context)?;
        let ListBuckets { prefix, after, max, region } = call.input;
        let here = region.is_none_or(|region| region == *self.region);
        let jobs =
            if here { self.control.jobs(Some(tenant)).await.map_err(from_control)? } else { Vec::new() };
        let mut listed = jobs.into_iter().filter(|job| {
            let name = job.bucket.as_str();
            name.starts_with(&prefix) && after.as_deref().is_none_or(|after| name > after)
        });
        let buckets: Vec<ListedBucket> = listed
            .by_ref()
            .take(max)
            .map(|job| ListedBucket { name: job.bucket, created_at: Timestamp(job.created_at_ms) })
            .collect();
        let more = listed.next().is_some();
        Ok(ListedBuckets { buckets, more, owner: tenant.clone(), region: self.region.clone() })
    }
}
