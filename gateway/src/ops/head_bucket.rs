//! HeadBucket: is it there, where, and with which hints.

use super::{Operations, ask};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_edge::calls::{Call, HeadBucket, SeenBucket, Serve};

impl Serve<HeadBucket> for Operations {
    async fn serve(&self, call: Call<HeadBucket>) -> Result<SeenBucket, Refusal> {
        let ask = ask!(call, call.context, Action::ListBucket);
        let mut bucket = self.bucket(ask, &call.input.bucket, call.expected_owner.as_str()).await?;
        // A placement that is remembered may be of a job that has ended.
        self.ping(&mut bucket).await?;
        Ok(SeenBucket { granted: self.granted(&bucket.placement), region: self.region.clone() })
    }
}
