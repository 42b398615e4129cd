//! ListParts: one page of the parts of an upload that is going on.

use super::{Operations, ask, wrong_reply};
use crate::errors::no_such_upload;
use crate::placements::Bucket;
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{Reply, Request, UploadId, UploadPage};
use pocket_api::names::ObjectKey;
use pocket_edge::calls::{Call, ListParts, ListedParts, Serve};

impl Serve<ListParts> for Operations {
    async fn serve(&self, call: Call<ListParts>) -> Result<ListedParts, Refusal> {
        let ListParts { bucket: name, key, upload, after, max } = &call.input;
        let ask = ask!(call, call.context, Action::ListMultipartUploadParts).on(key);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        // A shard is never asked for nothing.
        let asked = (*max).max(1) as u32;
        let mut page = upload_page(self, &mut bucket, key, upload, *after, asked).await?;
        if page.completed.is_some() {
            return Err(no_such_upload());
        }
        if *max == 0 {
            page.parts.clear();
            page.more = false;
        }
        Ok(ListedParts { page, owner: bucket.placement.tenant.clone() })
    }
}

/// An upload with parts of numbers above `after`.
pub(super) async fn upload_page(
    ops: &Operations,
    bucket: &mut Bucket<'_>,
    key: &ObjectKey,
    upload: &UploadId,
    after: u16,
    max: u32,
) -> Result<UploadPage, Refusal> {
    let make = || Request::Upload { key: key.clone(), upload: upload.clone(), after, max };
    match ops.call(bucket, key, make).await?.reply {
        Reply::Upload(page) => Ok(*page),
        _ => Err(wrong_reply()),
    }
}
