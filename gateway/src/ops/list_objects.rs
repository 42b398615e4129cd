//! ListObjects, versions 1 and 2, and ListObjectVersions: one page of keys and common prefixes, merged over the bucket's shards.
//! Every object has one version, the null version, and it is the latest: clients that clean a bucket up list by it and delete what
//! they find.

use super::{Operations, ask, wrong_reply};
use crate::errors::from_call;
use crate::merging::merge;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{List, Reply, Request};
use pocket_edge::calls::{Call, ListObjects, ListedAs, ListedObjects, Serve};
use pocket_edge::listing::Page;

impl Serve<ListObjects> for Operations {
    async fn serve(&self, call: Call<ListObjects>) -> Result<ListedObjects, Refusal> {
        let ListObjects { bucket: name, prefix, delimiter, start, max, listed_as } = &call.input;
        let action = match listed_as {
            ListedAs::Objects => Action::ListBucket,
            ListedAs::Versions => Action::ListBucketVersions,
        };
        let ask = ask!(call, call.context, action);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let owner = bucket.placement.tenant.clone();
        if *max == 0 {
            self.ping(&mut bucket).await?;
            return Ok(ListedObjects { page: Page { items: Vec::new(), more: false }, owner });
        }
        let make = || {
            let (prefix, start, delimiter) = (prefix.clone(), start.clone(), delimiter.clone());
            Request::List(List { prefix, start, delimiter, max: *max as u32 })
        };
        let answers = self.placements.call_all(&mut bucket, make).await.map_err(from_call)?;
        let pages: Result<Vec<_>, Refusal> = answers
            .into_iter()
            .map(|answer| match answer.reply {
                Reply::Listed(page) => Ok(Page { items: page.items, more: page.more }),
                _ => Err(wrong_reply()),
            })
            .collect();
        Ok(ListedObjects { page: merge(pages?, *max), owner })
    }
}
