//! GetBucketLocation: the gateway's region for every bucket.

use super::{Operations, ask};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_edge::calls::{Call, GetBucketLocation, Serve};
use std::sync::Arc;

impl Serve<GetBucketLocation> for Operations {
    async fn serve(&self, call: Call<GetBucketLocation>) -> Result<Arc<str>, Refusal> {
        let ask = ask!(call, call.context, Action::GetBucketLocation);
        let mut bucket = self.bucket(ask, &call.input.bucket, call.expected_owner.as_str()).await?;
        self.ping(&mut bucket).await?;
        Ok(self.region.clone())
    }
}
