//! PutPublicAccessBlock. A bucket has all four switches on until its owner says otherwise.

use super::{Operations, ask, documents};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_access::rules::document;
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{Call, PutPublicAccessBlock, Serve};

impl Serve<PutPublicAccessBlock> for Operations {
    async fn serve(&self, mut call: Call<PutPublicAccessBlock>) -> Result<(), Refusal> {
        let PutPublicAccessBlock { bucket: name, block } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketPublicAccessBlock);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let text = document(&Some(block.read(&self.buffers, &self.compute).await?));
        documents::put(self, &mut bucket, DocumentKind::PublicAccessBlock, |_| Ok(text.clone())).await
    }
}
