//! The S3 operations: one a file, each a story of check, call, answer. They see requests that the edge has
//! already authenticated and stripped of all framing, and know the other planes by their seams alone.

mod abort_multipart_upload;
mod acl;
mod append_object;
mod bucket_cors;
mod bucket_lifecycle;
mod bucket_policy;
mod bucket_settings;
mod bucket_tagging;
mod complete_multipart_upload;
mod copied_bytes;
mod copied_checksum;
mod copy_object;
mod cors_source;
mod create_bucket;
mod create_multipart_upload;
mod create_session;
mod delete_bucket;
mod delete_bucket_setting;
mod delete_object;
mod delete_objects;
mod documents;
mod get_bucket_location;
mod get_object;
mod get_object_attributes;
mod head_bucket;
mod head_object;
mod list_buckets;
mod list_multipart_uploads;
mod list_objects;
mod list_parts;
mod object_tagging;
mod ownership_controls;
mod public_access_block;
mod put_object;
mod rename_object;
mod upload_part;
mod upload_part_copy;
mod waiting;

use crate::config::GatewayConfig;
use crate::errors::{self, CallError, from_call, from_control, from_name, s3};
use crate::placements::{Bucket, Follow, Placements, Unasked};
use crate::planes::Planes;
use crate::profiles::Profiles;
use crate::reader::Reader;
use crate::transfers::{Lease, Transfers};
use crate::writer::Writer;
use arc_swap::ArcSwap;
use bytes::Bytes;
use pocket_access::Ask;
use pocket_access::acl::Said;
use pocket_access::action::{Action, Actions};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::acl::Acl;
use pocket_api::budget::ByteBudget;
use pocket_api::cluster::Directory;
use pocket_api::control::{Control, ControlError, EndJob, EndMode, Placement, Registration, WeightMap};
use pocket_api::env::Env;
use pocket_api::hints::JobHints;
use pocket_api::ids::JobId;
use pocket_api::metadata::{Answer, Committed, Found, Lookup, Reply, Request};
use pocket_api::names::{BucketName, ObjectKey, TenantName};
use pocket_api::object::{ObjectHeaders, ObjectMeta};
use pocket_api::settings::JobSettings;
use pocket_edge::calls::{Document, OwnedAcl};
use pocket_edge::compute::Compute;
use pocket_edge::context::RequestContext;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// All S3 operations of one gateway. Clones share everything.
#[derive(Clone)]
pub struct Operations {
    region: Arc<str>,
    profiles: Arc<ArcSwap<Profiles>>,
    /// Those with access keys: whom a policy can name.
    tenants: Arc<ArcSwap<BTreeSet<TenantName>>>,
    control: Arc<dyn Control>,
    env: Env,
    directory: Arc<dyn Directory>,
    placements: Placements,
    transfers: Arc<Transfers>,
    writer: Arc<Writer>,
    reader: Reader,
    buffers: ByteBudget,
    compute: Compute,
}

impl Operations {
    /// Background work ends when the last clone is dropped.
    pub fn start(config: &GatewayConfig, tenants: BTreeSet<TenantName>, planes: Planes) -> Arc<Self> {
        let Planes { node, control, directory, env } = planes;
        let transfers = Transfers::start(directory.clone(), env.clone());
        Arc::new(Self {
            region: config.edge.region.as_str().into(),
            profiles: Arc::new(ArcSwap::from_pointee(config.profiles.clone())),
            tenants: Arc::new(ArcSwap::from_pointee(tenants)),
            placements: Placements::start(control.clone(), directory.clone(), env.clone()),
            writer: Arc::new(Writer::new(
                node,
                directory.clone(),
                transfers.clone(),
                config.edge.buffers.clone(),
                env.clone(),
            )),
            reader: Reader::new(directory.clone(), transfers.clone(), config.edge.buffers.clone()),
            buffers: config.edge.buffers.clone(),
            compute: Compute::new(env.clone()),
            control,
            env,
            directory,
            transfers,
        })
    }

    /// For buckets that are made from here on.
    pub(crate) fn replace_profiles(&self, profiles: Profiles) {
        self.profiles.store(Arc::new(profiles));
    }

    /// For policies that are put from here on.
    pub(crate) fn replace_tenants(&self, tenants: BTreeSet<TenantName>) {
        self.tenants.store(Arc::new(tenants));
    }

    /// Jobs that this gateway remembers or has transfers of.
    pub fn jobs(&self) -> Vec<JobId> {
        let mut jobs = self.placements.jobs();
        jobs.extend(self.transfers.jobs());
        jobs.sort_unstable();
        jobs.dedup();
        jobs
    }

    /// These weight maps have changed.
    pub fn learn_weights(&self, maps: &[WeightMap]) {
        self.placements.learn_weights(maps);
    }

    /// These have ended: their transfers are cut.
    pub fn drop_jobs(&self, ended: &[JobId]) {
        self.placements.drop_jobs(ended);
        self.transfers.drop_jobs(ended);
    }

    /// Tells the metrics what is in use of the memory for bodies.
    pub(crate) fn show_buffers(&self) {
        pocket_edge::show_buffers(&self.buffers);
    }

    /// The bucket of a request, if its caller may do there what it asks for, and finds in it the owner that it expects.
    async fn bucket<'r>(
        &self,
        ask: Ask<'r>,
        name: &BucketName,
        expected_owner: Option<&str>,
    ) -> Result<Bucket<'r>, Refusal> {
        let mut bucket = self.placements.find(name, ask).await.map_err(|error| named(error, name))?;
        self.placements.admit(&mut bucket).await.map_err(|error| named(error, name))?;
        check_expected(&bucket, expected_owner)?;
        Ok(bucket)
    }

    /// Reads a document of a request for this bucket, once it is known that the caller may do there what it asks for: who may
    /// comes before what costs. Where a policy may go by what the document says, and lets this caller do one of `any_of` to
    /// something, its decision is left for later; so the bucket has to be asked anew.
    async fn read<T: Send + 'static>(
        &self,
        document: &mut Document<T>,
        ask: Ask<'_>,
        any_of: Actions,
        name: &BucketName,
        expected_owner: Option<&str>,
    ) -> Result<(T, Unasked), Refusal> {
        let mut bucket = self.placements.find(name, ask).await.map_err(|error| named(error, name))?;
        match self.placements.admit(&mut bucket).await {
            Ok(()) => {}
            Err(CallError::Denied) if bucket.may_yet(ask.caller, any_of) => {}
            Err(error) => return Err(named(error, name)),
        }
        check_expected(&bucket, expected_owner)?;
        Ok((document.read(&self.buffers, &self.compute).await?, bucket.unasked()))
    }

    /// As [`Self::bucket`], for an operation that makes an object under `key`. Where the configuration says so, a
    /// bucket that is not there is made for it.
    async fn bucket_to_write<'r>(
        &self,
        ask: Ask<'r>,
        name: &BucketName,
        key: &ObjectKey,
        expected_owner: Option<&str>,
    ) -> Result<Bucket<'r>, Refusal> {
        let found = self.bucket(ask, name, expected_owner).await;
        if self.profiles.load().auto_register().is_none() {
            return found;
        }
        let refused = match found {
            // A placement that is remembered may be of a job that has ended: found out before the body is read.
            Ok(mut bucket) => match self.call(&mut bucket, key, || Request::Ping).await {
                Ok(_) => return Ok(bucket),
                Err(refused) => refused,
            },
            Err(refused) => refused,
        };
        let Some(tenant) = ask.caller.tenant() else { return Err(refused) };
        let is_expected = expected_owner.is_none_or(|expected| expected == tenant.as_str());
        if refused.code != ErrorCode::NoSuchBucket || !is_expected {
            return Err(refused);
        }
        // They may have been replaced while the bucket was looked for.
        let profiles = self.profiles.load_full();
        let Some(profile) = profiles.auto_register() else { return Err(refused) };
        let hints = JobHints::parse(profile.hints()).map_err(errors::from_hint)?;
        let mut settings = JobSettings::asking(hints);
        settings.documents.extend(profile.documents(None));
        let registration = Registration { tenant: tenant.clone(), bucket: name.clone(), settings };
        match self.control.register(registration).await {
            // Of writers that come at once one makes it.
            Ok(_) | Err(ControlError::BucketExists { .. }) => {}
            Err(error) => return Err(from_control(error)),
        }
        self.placements.forget(name);
        self.placements.get_anew(name).await.map_err(from_control)?;
        // Somebody else's bucket may have come first, so whose it is counts like for any other.
        self.bucket(ask, name, expected_owner).await
    }

    /// As [`Self::bucket`], with what the controller knows at this moment: for operations that change the bucket itself.
    async fn bucket_now<'r>(
        &self,
        ask: Ask<'r>,
        name: &BucketName,
        expected_owner: Option<&str>,
    ) -> Result<Bucket<'r>, Refusal> {
        self.placements.get_anew(name).await.map_err(from_control)?;
        self.bucket(ask, name, expected_owner).await
    }

    /// Ends the bucket's job and cuts its transfers.
    async fn end(&self, bucket: &Bucket<'_>, mode: EndMode) -> Result<(), Refusal> {
        let Placement { job, bucket: name, tenant, .. } = &*bucket.placement;
        let end = EndJob { tenant: Some(tenant.clone()), bucket: name.clone(), job: Some(*job), mode };
        self.control.end(end).await.map_err(from_control)?;
        self.placements.forget(name);
        self.transfers.drop_jobs(&[*job]);
        Ok(())
    }

    /// Asks a shard whether the bucket is still alive, for operations that need nothing else of it.
    async fn ping(&self, bucket: &mut Bucket<'_>) -> Result<(), Refusal> {
        self.placements.call_all(bucket, || Request::Ping).await.map_err(from_call)?;
        Ok(())
    }

    /// Calls the shard of a key without payload.
    async fn call(
        &self,
        bucket: &mut Bucket<'_>,
        key: &ObjectKey,
        make: impl Fn() -> Request + Send + Sync,
    ) -> Result<Answer, Refusal> {
        let outcome = self.placements.call(bucket, key, Follow::Key, Bytes::new(), make).await;
        outcome.map_err(|error| from_call(self.placements.shown(bucket, error)))
    }

    /// Looks a key up; see [`Lookup`].
    async fn lookup(&self, bucket: &mut Bucket<'_>, lookup: &Lookup) -> Result<(Box<Found>, Bytes), Refusal> {
        // A placement that changes meanwhile must not make the wait longer.
        let until = (!lookup.wait.is_zero()).then(|| self.env.now() + lookup.wait);
        let make = || {
            let wait = until.map_or(Duration::ZERO, |until| until.since(self.env.now()));
            Request::Lookup(Lookup { wait, ..lookup.clone() })
        };
        let answer = self.call(bucket, &lookup.key, make).await?;
        match answer.reply {
            Reply::Found(found) => Ok((self.admitted(bucket, &lookup.key, found)?, answer.payload)),
            _ => Err(wrong_reply()),
        }
    }

    /// What a lookup of `key` found, if it may be seen. What the shard holds for whoever may not goes back at once.
    fn admitted(
        &self,
        bucket: &Bucket<'_>,
        key: &ObjectKey,
        found: Box<Found>,
    ) -> Result<Box<Found>, Refusal> {
        let admitted = self.placements.admits_found(bucket, &found.meta).map_err(from_call);
        if let (Err(_), Some(id)) = (&admitted, found.lease) {
            let lease = Lease { shard: bucket.shard(key), id };
            self.transfers.give_back(bucket.placement.job, lease, found.counted);
        }
        admitted.map(|()| found)
    }
}

impl pocket_edge::calls::ServeAll for Operations {}

/// What a request asks for: `ask!(request, context, actions)`. The request's input may be gone already.
macro_rules! ask {
    ($request:expr, $context:expr, $actions:expr) => {
        pocket_access::Ask {
            caller: &$context.caller,
            signing: $context.signing,
            peer: $context.peer(),
            is_secure: $context.connection.is_secure(),
            attributes: &$request.head,
            actions: pocket_access::action::Actions::from($actions),
            keys: &[],
            tags: &[],
            effect: pocket_access::SideEffect::Other,
        }
    };
}
use ask;

/// Why a bucket cannot be used; one that is not there is named.
fn named(error: CallError, name: &BucketName) -> Refusal {
    match from_call(error) {
        error if error.code == ErrorCode::NoSuchBucket => error.with("BucketName", name),
        error => error,
    }
}

/// Whether the bucket is that of the tenant whom the request takes for its owner.
fn check_expected(bucket: &Bucket<'_>, expected_owner: Option<&str>) -> Result<(), Refusal> {
    match expected_owner.is_none_or(|expected| expected == bucket.placement.tenant.as_str()) {
        true => Ok(()),
        false => Err(errors::access_denied("Access Denied")),
    }
}

/// For what goes beyond anything that S3 lets an owner allow to others: to end the bucket is one.
fn check_owner(context: &RequestContext, placement: &Placement) -> Result<(), Refusal> {
    match context.caller.tenant() == Some(&placement.tenant) {
        true => Ok(()),
        false => Err(errors::access_denied("Access Denied")),
    }
}

/// What it takes to make an object: more than to write it, where the request says more of it. `is_told`: the answer tells
/// what is there.
fn writing(says_tags: bool, is_told: bool, acl: &Said) -> Actions {
    Actions::from(Action::PutObject)
        .and_if(says_tags, Action::PutObjectTagging)
        .and_if(*acl != Said::Nothing, Action::PutObjectAcl)
        .and_if(is_told, Action::GetObject)
}

/// `versioned` where the request names a version, as in S3, though there is but one.
fn of_version(is_named: bool, plain: Action, versioned: Action) -> Action {
    if is_named { versioned } else { plain }
}

/// Nothing is ever restored here, so what is archived can be moved, shown and deleted, but not read or copied: S3's own
/// answer, which clients look for.
fn check_readable(meta: &ObjectMeta) -> Result<(), Refusal> {
    match meta.headers.as_ref().and_then(|headers| headers.storage_class) {
        Some(class) if class.is_archive() => {
            let text =
                format!("The operation is not valid for the object's storage class {}", class.as_str());
            Err(s3(ErrorCode::InvalidObjectState, text))
        }
        _ => Ok(()),
    }
}

/// What a list grants, or what holds without one.
fn owned(acl: Option<&Acl>, owner: &TenantName) -> OwnedAcl {
    OwnedAcl { acl: acl.cloned().unwrap_or_else(Acl::private), owner: owner.clone() }
}

/// Tags that a request gives to an object.
fn tags_of(headers: Option<&Arc<ObjectHeaders>>) -> &[(String, String)] {
    headers.map_or(&[], |headers| &headers.tags)
}

/// The caller's tenant, for what is done to no bucket that is there: nobody else makes buckets or lists them.
fn tenant(context: &RequestContext) -> Result<&TenantName, Refusal> {
    context.caller.tenant().ok_or_else(|| errors::access_denied("Access Denied"))
}

fn object_key(key: &str) -> Result<ObjectKey, Refusal> {
    ObjectKey::parse(key).map_err(from_name)
}

/// A shard answered with something else than it was asked for.
fn wrong_reply() -> Refusal {
    s3(ErrorCode::InternalError, "a shard gave another answer than it was asked for")
}

/// The outcome of a commit or of a completed upload.
fn committed(answer: Answer) -> Result<Committed, Refusal> {
    match answer.reply {
        Reply::Committed(committed) => Ok(committed),
        _ => Err(wrong_reply()),
    }
}
