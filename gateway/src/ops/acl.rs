//! PutBucketAcl, GetObjectAcl and PutObjectAcl. A list counts where the bucket's ownership controls let it.

use super::documents::{self, Held};
use super::{Operations, ask, of_version, owned};
use crate::errors::{CallError, access_denied, from_call, s3};
use crate::placements::Follow;
use bytes::Bytes;
use pocket_access::acl::{self, Ownership, Said};
use pocket_access::action::Action;
use pocket_access::public_access_block::PublicAccessBlock;
use pocket_access::put_acl;
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_access::rules::document;
use pocket_api::acl::Acl;
use pocket_api::conditions::ReadConditions;
use pocket_api::metadata::{Lookup, MetadataError, Request, Select, Want};
use pocket_api::names::{ObjectKey, TenantName};
use pocket_api::object::ObjectHeaders;
use pocket_api::settings::DocumentKind;
use pocket_edge::calls::{Call, GetObjectAcl, OwnedAcl, PutBucketAcl, PutObjectAcl, SentAcl, Serve};
use pocket_edge::errors::{no_acl_said, two_acls_said};
use std::time::Duration;

/// How often a PutObjectAcl looks again because another one came between its look and its change.
const LOOKS_MAX: usize = 4;

impl Serve<PutBucketAcl> for Operations {
    async fn serve(&self, mut call: Call<PutBucketAcl>) -> Result<(), Refusal> {
        let PutBucketAcl { bucket: name, said, sent } = &mut call.input;
        let ask = ask!(call, call.context, Action::PutBucketAcl);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let sent = sent.read(&self.buffers, &self.compute).await?;
        let put = |held: Held<'_>| {
            let acl = wanted(said, sent.as_ref(), held.owner)?;
            put_acl::check(&acl, held.rules, held.owner)?;
            Ok(document(&acl))
        };
        documents::put(self, &mut bucket, DocumentKind::Acl, put).await
    }
}

impl Serve<GetObjectAcl> for Operations {
    async fn serve(&self, call: Call<GetObjectAcl>) -> Result<OwnedAcl, Refusal> {
        let GetObjectAcl { bucket: name, key, of_version: named } = &call.input;
        let asked = of_version(*named, Action::GetObjectAcl, Action::GetObjectVersionAcl);
        let ask = ask!(call, call.context, asked).on(key);
        let mut bucket = self.bucket(ask, name, call.expected_owner.as_str()).await?;
        let (found, _) = self.lookup(&mut bucket, &looking_up(key)).await?;
        let acl = acl_of(found.meta.headers.as_deref()).filter(|_| bucket.rules().acls_count());
        Ok(owned(acl, &bucket.placement.tenant))
    }
}

impl Serve<PutObjectAcl> for Operations {
    async fn serve(&self, mut call: Call<PutObjectAcl>) -> Result<(), Refusal> {
        let PutObjectAcl { bucket: name, key, of_version: named, said, sent } = &mut call.input;
        let asked = of_version(*named, Action::PutObjectAcl, Action::PutObjectVersionAcl);
        let ask = ask!(call, call.context, asked).on(key);
        let expected_owner = call.expected_owner.as_str();
        let bucket = self.bucket(ask, name, expected_owner).await?;
        let acl =
            wanted(said, sent.read(&self.buffers, &self.compute).await?.as_ref(), &bucket.placement.tenant)?;
        let mut bucket = self.bucket(ask.setting_acl(&acl), name, expected_owner).await?;
        let kept = acl::kept(acl.clone());
        let lookup = looking_up(key);
        for looks in 1.. {
            let (found, _) = self.lookup(&mut bucket, &lookup).await?;
            let seen = acl_of(found.meta.headers.as_deref()).cloned().map(Box::new);
            let make = || Request::SetAcl { key: key.clone(), seen: seen.clone(), acl: kept.clone() };
            match self.placements.call(&mut bucket, key, Follow::Key, Bytes::new(), make).await {
                Ok(_) => break,
                // Whoever was let in by what it was before is asked again.
                Err(CallError::Metadata(MetadataError::Changed { .. })) if looks < LOOKS_MAX => {}
                Err(error) => return Err(from_call(self.placements.shown(&bucket, error))),
            }
        }
        Ok(())
    }
}

/// The ACL that a new bucket's headers say, where it is one to keep: nothing that its other settings would not let it
/// have.
pub(super) fn of_new_bucket(
    said: &Said,
    ownership: Ownership,
    block: PublicAccessBlock,
    owner: &TenantName,
) -> Result<Option<Acl>, Refusal> {
    let Some(acl) = said.list().filter(|acl| !acl.is_private(owner)) else { return Ok(None) };
    if ownership == Ownership::BucketOwnerEnforced {
        return Err(super::ownership_controls::acl_with_enforced_owner());
    }
    if acl.is_public() && block.block_public_acls {
        return Err(s3(
            ErrorCode::InvalidBucketAclWithBlockPublicAccessError,
            "Bucket cannot have public ACLs set with BlockPublicAccess enabled",
        ));
    }
    Ok(Some(acl.into_owned()))
}

fn looking_up(key: &ObjectKey) -> Lookup {
    let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
    Lookup { key: key.clone(), conditions, select, want, wait: Duration::ZERO }
}

fn acl_of(headers: Option<&ObjectHeaders>) -> Option<&Acl> {
    headers?.acl.as_deref()
}

/// The list that a request names in one way or the other.
fn wanted(said: &Said, sent: Option<&SentAcl>, owner: &TenantName) -> Result<Acl, Refusal> {
    match (said.list(), sent) {
        (Some(acl), None) => Ok(acl.into_owned()),
        (None, Some(SentAcl { owner: Some(named), .. })) if named != owner.as_str() => {
            Err(access_denied("Access Denied"))
        }
        (None, Some(sent)) => Ok(sent.acl.clone()),
        (None, None) => Err(no_acl_said()),
        (Some(_), Some(_)) => Err(two_acls_said()),
    }
}
