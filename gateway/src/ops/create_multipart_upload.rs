//! CreateMultipartUpload: everything that is said of the object is said here, its bytes come later.

use super::{Operations, ask, wrong_reply};
use pocket_access::refusal::Refusal;
use pocket_api::metadata::{CreateUpload, Reply, Request};
use pocket_edge::calls::{Call, CreateMultipartUpload, Serve, UploadCreated};

impl Serve<CreateMultipartUpload> for Operations {
    async fn serve(&self, call: Call<CreateMultipartUpload>) -> Result<UploadCreated, Refusal> {
        let CreateMultipartUpload { bucket: name, key, headers, says_tags, acl, hints, checksum } =
            &call.input;
        let ask = ask!(call, call.context, super::writing(*says_tags, false, acl))
            .on(key)
            .making_object(acl)
            .tagged(super::tags_of(headers.as_ref()));
        let mut bucket = self.bucket_to_write(ask, name, key, call.expected_owner.as_str()).await?;
        let make = || {
            let (key, headers, hints, checksum) = (key.clone(), headers.clone(), hints.clone(), *checksum);
            Request::CreateUpload(CreateUpload { key, headers, hints, checksum })
        };
        match self.call(&mut bucket, key, make).await?.reply {
            Reply::UploadCreated { upload, rule_end } => Ok(UploadCreated { upload, rule_end }),
            _ => Err(wrong_reply()),
        }
    }
}
