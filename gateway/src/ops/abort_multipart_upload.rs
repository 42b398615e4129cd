//! AbortMultipartUpload: gives back what its parts hold. Aborting again succeeds; an id that was never issued is 404.

use super::{Operations, ask};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::metadata::Request;
use pocket_edge::calls::{AbortMultipartUpload, Call, Serve};

impl Serve<AbortMultipartUpload> for Operations {
    async fn serve(&self, call: Call<AbortMultipartUpload>) -> Result<(), Refusal> {
        let AbortMultipartUpload { bucket: name, key, upload } = &call.input;
        let ask = ask!(call, call.context, Action::AbortMultipartUpload).on(key);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        self.call(&mut bucket, key, || Request::Abort { key: key.clone(), upload: upload.clone() }).await?;
        Ok(())
    }
}
