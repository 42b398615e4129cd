//! PutBucketCors. Who acts on it is the edge.

use super::{Operations, ask, documents};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_access::rules::document;
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{Call, PutBucketCors, Serve};

impl Serve<PutBucketCors> for Operations {
    async fn serve(&self, mut call: Call<PutBucketCors>) -> Result<(), Refusal> {
        let PutBucketCors { bucket: name, cors } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketCORS);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let text = document(&cors.read(&self.buffers, &self.compute).await?);
        documents::put(self, &mut bucket, DocumentKind::Cors, |_| Ok(text.clone())).await
    }
}
