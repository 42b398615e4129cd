//! PutBucketOwnershipControls: whether ACLs count. A bucket has BucketOwnerEnforced, where they do not, until its owner says
//! otherwise.

use super::documents::{self, Held};
use super::{Operations, ask};
use crate::errors::s3;
use pocket_access::acl::Ownership;
use pocket_access::action::Action;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_access::rules::document;
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{Call, PutBucketOwnershipControls, Serve};

impl Serve<PutBucketOwnershipControls> for Operations {
    async fn serve(&self, mut call: Call<PutBucketOwnershipControls>) -> Result<(), Refusal> {
        let PutBucketOwnershipControls { bucket: name, ownership } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketOwnershipControls);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let ownership = ownership.read(&self.buffers, &self.compute).await?;
        let put = |held: Held<'_>| {
            let is_private = held.rules.acl.as_ref().is_none_or(|acl| acl.is_private(held.owner));
            match ownership == Ownership::BucketOwnerEnforced && !is_private {
                true => Err(acl_with_enforced_owner()),
                false => Ok(document(&Some(ownership))),
            }
        };
        documents::put(self, &mut bucket, DocumentKind::OwnershipControls, put).await
    }
}

pub(super) fn acl_with_enforced_owner() -> Refusal {
    let message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting";
    s3(ErrorCode::InvalidBucketAclWithObjectOwnership, message)
}
