//! DeleteBucket: ends the job. Plain, only if it is empty; with force, with all its data.

use super::{Operations, ask, check_owner};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::control::EndMode;
use pocket_edge::calls::{Call, DeleteBucket, Serve};

impl Serve<DeleteBucket> for Operations {
    async fn serve(&self, call: Call<DeleteBucket>) -> Result<(), Refusal> {
        let DeleteBucket { bucket: name, force } = &call.input;
        let ask = ask!(call, call.context, Action::DeleteBucket);
        let bucket = self.bucket_now(ask, name, call.expected_owner.as_str()).await?;
        // What S3 knows as DeleteBucket takes no object with it, so a policy that allows it does not mean this.
        if *force {
            check_owner(&call.context, &bucket.placement)?;
        }
        self.end(&bucket, if *force { EndMode::Force } else { EndMode::IfEmpty }).await
    }
}
