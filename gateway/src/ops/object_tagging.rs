//! GetObjectTagging, PutObjectTagging and DeleteObjectTagging: the tags of an object that stays the same one. A tag that
//! carries a hint is acted on when it is put: a TTL counts from now. Without one the object's bounds stay as they are.

use super::{Operations, ask, check_expected, of_version};
use crate::errors::{from_call, from_hint};
use pocket_access::action::Action;
use pocket_access::refusal::Refusal;
use pocket_api::conditions::ReadConditions;
use pocket_api::hints::ObjectHints;
use pocket_api::metadata::{Lookup, Request, Select, Want};
use pocket_api::object::Tags;
use pocket_edge::calls::{Call, DeleteObjectTagging, GetObjectTagging, PutObjectTagging, Serve};
use pocket_edge::hint_places::OBJECT_TAGS;
use pocket_edge::tags;
use std::time::Duration;

impl Serve<GetObjectTagging> for Operations {
    async fn serve(&self, call: Call<GetObjectTagging>) -> Result<Tags, Refusal> {
        let GetObjectTagging { bucket, key, of_version: named } = &call.input;
        let (conditions, select, want) = (ReadConditions::default(), Select::Whole, Want::Meta);
        let lookup = Lookup { key: key.clone(), conditions, select, want, wait: Duration::ZERO };
        let asked = of_version(*named, Action::GetObjectTagging, Action::GetObjectVersionTagging);
        let ask = ask!(call, call.context, asked).on(key);
        let mut bucket = self.bucket(ask, bucket, call.expected_owner.as_str()).await?;
        let (found, _) = self.lookup(&mut bucket, &lookup).await?;
        Ok(found.meta.headers.map_or_else(Tags::new, |headers| headers.tags.clone()))
    }
}

impl Serve<PutObjectTagging> for Operations {
    async fn serve(&self, mut call: Call<PutObjectTagging>) -> Result<(), Refusal> {
        let PutObjectTagging { bucket: name, key, of_version: named, tags: document } = &mut call.input;
        let asked = of_version(*named, Action::PutObjectTagging, Action::PutObjectVersionTagging);
        let ask = ask!(call, call.context, asked).on(key);
        let (tags, bucket) =
            self.read(document, ask, asked.into(), name, call.expected_owner.as_str()).await?;
        let hints =
            ObjectHints::parse(tags::hints(&tags)).map_err(|error| from_hint(error.at(OBJECT_TAGS)))?;
        let mut bucket = bucket.asking(ask.tagged(&tags));
        self.placements.admit(&mut bucket).await.map_err(from_call)?;
        // The name may have gone to another owner while the document came.
        check_expected(&bucket, call.expected_owner.as_str())?;
        let make = || Request::SetTags { key: key.clone(), tags: tags.clone(), hints: hints.clone() };
        self.call(&mut bucket, key, make).await?;
        Ok(())
    }
}

impl Serve<DeleteObjectTagging> for Operations {
    async fn serve(&self, call: Call<DeleteObjectTagging>) -> Result<(), Refusal> {
        let DeleteObjectTagging { bucket, key, of_version: named } = &call.input;
        let asked = of_version(*named, Action::DeleteObjectTagging, Action::DeleteObjectVersionTagging);
        let ask = ask!(call, call.context, asked).on(key);
        let mut bucket = self.bucket(ask, bucket, call.expected_owner.as_str()).await?;
        let make = || Request::SetTags { key: key.clone(), tags: Tags::new(), hints: ObjectHints::default() };
        self.call(&mut bucket, key, make).await?;
        Ok(())
    }
}
