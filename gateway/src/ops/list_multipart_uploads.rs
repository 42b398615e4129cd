//! ListMultipartUploads: uploads that are neither completed nor aborted, merged over the bucket's shards.

use super::{Operations, ask, wrong_reply};
use crate::errors::from_call;
use crate::merging::merge;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{ListUploads, Reply, Request};
use pocket_edge::calls::{Call, ListMultipartUploads, ListedUploads, Serve};
use pocket_edge::listing::Page;

impl Serve<ListMultipartUploads> for Operations {
    async fn serve(&self, call: Call<ListMultipartUploads>) -> Result<ListedUploads, Refusal> {
        let ListMultipartUploads { bucket: name, prefix, delimiter, start, max } = &call.input;
        let ask = ask!(call, call.context, Action::ListBucketMultipartUploads);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let owner = bucket.placement.tenant.clone();
        if *max == 0 {
            self.ping(&mut bucket).await?;
            return Ok(ListedUploads { page: Page { items: Vec::new(), more: false }, owner });
        }
        let make = || {
            let (prefix, start, delimiter) = (prefix.clone(), start.clone(), delimiter.clone());
            Request::ListUploads(ListUploads { prefix, start, delimiter, max: *max as u32 })
        };
        let answers = self.placements.call_all(&mut bucket, make).await.map_err(from_call)?;
        let pages: Result<Vec<_>, Refusal> = answers
            .into_iter()
            .map(|answer| match answer.reply {
                Reply::Uploads(page) => Ok(Page { items: page.items, more: page.more }),
                _ => Err(wrong_reply()),
            })
            .collect();
        Ok(ListedUploads { page: merge(pages?, *max), owner })
    }
}
