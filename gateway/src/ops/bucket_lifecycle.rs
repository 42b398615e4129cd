//! GetBucketLifecycleConfiguration, PutBucketLifecycleConfiguration and DeleteBucketLifecycle. What the document means is
//! `lifecycle.rs`; the bucket's shards act on it before the answer to its PUT.

use super::bucket_settings::check;
use super::{Operations, ask, check_owner, context};
use crate::access::action::Action;
use crate::context::RequestContext;
use crate::errors::s3;
use crate::headers;
use crate::lifecycle::{self, Document, UNIT_HEADER};
use crate::refusal::{ErrorCode, Refusal};
use crate::settings;
use http::{HeaderMap, HeaderName};
use pocket_api::control::Placement;
use pocket_api::settings::{DocumentKind, JobSettings};
use s3s::dto::{
    DeleteBucketLifecycleInput, DeleteBucketLifecycleOutput, GetBucketLifecycleConfigurationInput,
    GetBucketLifecycleConfigurationOutput, PutBucketLifecycleConfigurationInput,
    PutBucketLifecycleConfigurationOutput,
};
use s3s::{S3Request, S3Response};

pub(super) async fn get(
    ops: &Operations,
    request: S3Request<GetBucketLifecycleConfigurationInput>,
) -> Result<S3Response<GetBucketLifecycleConfigurationOutput>, Refusal> {
    let placement = check(ops, &request, &request.input.bucket, Action::GetLifecycleConfiguration).await?;
    let none = || s3(ErrorCode::NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist");
    let document = Document::of(&placement.settings)?.ok_or_else(none)?;
    let shown = shown(&document);
    let transition_default_minimum_object_size = Some(document.minimum());
    let rules = Some(document.into_rules());
    let output = GetBucketLifecycleConfigurationOutput { rules, transition_default_minimum_object_size };
    Ok(S3Response::with_headers(output, shown))
}

pub(super) async fn put(
    ops: &Operations,
    request: S3Request<PutBucketLifecycleConfigurationInput>,
) -> Result<S3Response<PutBucketLifecycleConfigurationOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let unit = headers::text(&request.headers, UNIT_HEADER)?;
    let minimum = input.transition_default_minimum_object_size;
    let document = Document::new(input.lifecycle_configuration, unit, minimum)?;
    let stored = document.stored()?;
    let with_document = |old: &Placement| {
        let mut new = JobSettings::clone(&old.settings);
        new.documents.insert(DocumentKind::Lifecycle, stored.as_str().into());
        by_caller(&context, old, new)
    };
    let ask = ask!(request, context, Action::PutLifecycleConfiguration);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    settings::change(&*ops.control, &ops.placements, &mut bucket, with_document).await?;
    let transition_default_minimum_object_size = Some(document.minimum());
    let output = PutBucketLifecycleConfigurationOutput { transition_default_minimum_object_size };
    Ok(S3Response::with_headers(output, shown(&document)))
}

pub(super) async fn delete(
    ops: &Operations,
    request: S3Request<DeleteBucketLifecycleInput>,
) -> Result<S3Response<DeleteBucketLifecycleOutput>, Refusal> {
    let context = context(&request)?;
    let input = request.input;
    let without = |old: &Placement| {
        let mut new = JobSettings::clone(&old.settings);
        new.documents.remove(&DocumentKind::Lifecycle);
        by_caller(&context, old, new)
    };
    let ask = ask!(request, context, Action::PutLifecycleConfiguration);
    let mut bucket =
        ops.bucket(ask, &super::bucket_name(&input.bucket)?, input.expected_bucket_owner.as_deref()).await?;
    settings::change(&*ops.control, &ops.placements, &mut bucket, without).await?;
    Ok(S3Response::new(DeleteBucketLifecycleOutput {}))
}

/// The settings with what their document means, for a caller whom the bucket admits. Rules of S3 end no bucket, so a
/// policy that lets others put them does not mean the one that does.
fn by_caller(
    context: &RequestContext,
    old: &Placement,
    mut new: JobSettings,
) -> Result<JobSettings, Refusal> {
    new.lifecycle = lifecycle::of(&new)?;
    if new.lifecycle.job_ends != old.settings.lifecycle.job_ends {
        check_owner(context, old)?;
    }
    Ok(new)
}

/// What a day is in the document, where it says so itself.
fn shown(document: &Document) -> HeaderMap {
    let mut map = HeaderMap::new();
    if let Some(unit) = document.unit() {
        headers::put(&mut map, HeaderName::from_static(UNIT_HEADER), unit.to_owned());
    }
    map
}
