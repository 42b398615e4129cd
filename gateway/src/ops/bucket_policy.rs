//! PutBucketPolicy. A policy is read when it is put: what could not be held to is refused then.

use super::documents::{self, Held};
use super::{Operations, ask};
use crate::errors::{access_denied, s3};
use pocket_access::action::Action;
use pocket_access::policy::Policy;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{Call, PutBucketPolicy, Serve};

impl Serve<PutBucketPolicy> for Operations {
    async fn serve(&self, mut call: Call<PutBucketPolicy>) -> Result<(), Refusal> {
        let PutBucketPolicy { bucket: name, policy: document } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketPolicy);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let text = document.read(&self.buffers, &self.compute).await?;
        // Whose bucket it is not learns nothing of its own mistakes either, so this comes after the admission.
        let malformed = |why: String| s3(ErrorCode::MalformedPolicy, why);
        let policy = Policy::parse(&text, name).map_err(|error| malformed(error.to_string()))?;
        if let Some(stranger) = policy.tenants().find(|tenant| !self.tenants.load().contains(*tenant)) {
            let why = format!("Invalid principal in policy: there is no tenant {:?}", stranger.as_str());
            return Err(malformed(why));
        }
        let put = |held: Held<'_>| {
            if held.rules.block().block_public_policy && policy.is_public() {
                return Err(access_denied(
                    "Access Denied: public policies are prevented by the BlockPublicPolicy setting of the bucket's \
                     public access block.",
                ));
            }
            Ok(text.as_str().into())
        };
        documents::put(self, &mut bucket, DocumentKind::Policy, put).await
    }
}
