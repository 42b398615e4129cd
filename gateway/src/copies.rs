//! Copies without moving bytes: inside a bucket the new object refers to what the old one refers to. The references
//! are counted at their homes before the commit and confirmed after it; whatever is left half-done, the homes find out
//! by asking.

use crate::errors::{self, CallError, from_call};
use crate::placements::{Bucket, Follow, Placements};
use bytes::Bytes;
use futures::future::{join_all, try_join_all};
use pocket_access::refusal::{ErrorCode, Refusal};
use pocket_api::cluster::Directory;
use pocket_api::conditions::ReadConditions;
use pocket_api::ids::{NodeId, WriteId};
use pocket_api::metadata::{
    AddReference, Answer, MetadataError, Referenced, Reply, Request, Select, ShardRequest,
};
use pocket_api::names::ObjectKey;
use pocket_api::object::{NewContent, NewPiece};
use std::collections::BTreeSet;
use std::sync::Arc;

/// References that were taken for one copy, not committed yet.
pub(crate) struct Taken {
    pub(crate) source: Box<Referenced>,
    content: NewContent,
    /// Inline bytes of the content.
    payload: Bytes,
    reference: WriteId,
    /// The shards that count it, the destination's own left out after the commit.
    homes: BTreeSet<NodeId>,
}

/// What is copied: (a range of) an object of one bucket.
pub(crate) struct CopySource<'a> {
    pub(crate) key: &'a ObjectKey,
    pub(crate) conditions: &'a ReadConditions,
    pub(crate) select: Select,
}

/// Counts references to (a range of) an object of `bucket` under the id `reference`, for an object at `holder`.
pub(crate) async fn take(
    placements: &Placements,
    directory: &Arc<dyn Directory>,
    bucket: &mut Bucket<'_>,
    source: CopySource<'_>,
    reference: WriteId,
    holder: NodeId,
) -> Result<Taken, Refusal> {
    let CopySource { key, conditions, select } = source;
    let make = || {
        let (key, conditions) = (key.clone(), conditions.clone());
        Request::AddReference(AddReference { key, conditions, select, reference, holder })
    };
    let outcome = placements.call(bucket, key, Follow::Key, Bytes::new(), make).await;
    let answer = outcome.map_err(|error| of_source(key, placements.shown(bucket, error)))?;
    let Reply::Referenced(mut source) = answer.reply else {
        return Err(errors::unavailable("a shard gave another answer than it was asked for"));
    };
    let home = bucket.shard(key);
    let mut homes = BTreeSet::from([home]);
    let mut forks = BTreeSet::new();
    for piece in &mut source.pieces {
        if let NewPiece::Reference(piece) = piece
            && piece.home != home
        {
            piece.reference = reference;
            homes.insert(piece.home);
            forks.insert((piece.home, piece.manifest));
        }
    }
    let job = bucket.job();
    let forked = try_join_all(forks.into_iter().map(|(home, manifest)| {
        let request = Request::ForkReference { manifest, reference, holder };
        placements.send(home, job, request, Bytes::new())
    }));
    let forked = forked.await;
    let content = NewContent::Pieces { pieces: std::mem::take(&mut source.pieces) };
    let taken = Taken { source, content, payload: answer.payload, reference, homes };
    match forked {
        Ok(_) => Ok(taken),
        Err(error) => {
            taken.release(directory, bucket).await;
            Err(from_call(error))
        }
    }
}

/// A condition on the source that does not hold is 412, also where a GET would answer 304. What is missing is the
/// source, and not what the request's path names.
pub(crate) fn of_source(key: &ObjectKey, error: CallError) -> Refusal {
    let error = match error {
        CallError::Metadata(MetadataError::NotModified(_)) => errors::precondition_failed(),
        error => from_call(error),
    };
    match error.code {
        ErrorCode::NoSuchKey => error.with("Key", key),
        ErrorCode::PreconditionFailed => error.of_source(),
        _ => error,
    }
}

impl Taken {
    /// Sends what `make` builds of the references to the shard that they were taken for, then settles them.
    pub(crate) async fn commit(
        self,
        placements: &Placements,
        directory: &Arc<dyn Directory>,
        bucket: &mut Bucket<'_>,
        key: &ObjectKey,
        make: impl Fn(NewContent) -> Request + Send + Sync,
    ) -> Result<Answer, CallError> {
        let holder = bucket.shard(key);
        let payload = self.payload.clone();
        let outcome =
            placements.call(bucket, key, Follow::SameShard, payload, || make(self.content.clone())).await;
        match &outcome {
            Ok(_) => self.confirm(directory, bucket, holder).await,
            Err(error) if error.outcome_is_unknown() => {}
            Err(_) => self.release(directory, bucket).await,
        }
        outcome
    }

    /// The holder's own references became plain counts of its objects with the commit.
    async fn confirm(mut self, directory: &Arc<dyn Directory>, bucket: &Bucket<'_>, holder: NodeId) {
        self.homes.remove(&holder);
        let request = ShardRequest::ConfirmReferences(vec![(bucket.placement.job, self.reference)]);
        self.tell(directory, request).await;
    }

    pub(crate) async fn release(self, directory: &Arc<dyn Directory>, bucket: &Bucket<'_>) {
        let request = ShardRequest::ReleaseReferences(vec![(bucket.placement.job, self.reference)]);
        self.tell(directory, request).await;
    }

    /// A home that does not hear it asks the holder later.
    async fn tell(&self, directory: &Arc<dyn Directory>, request: ShardRequest) {
        let homes = self.homes.iter().filter_map(|&home| directory.shard(home));
        join_all(homes.map(|home| {
            let request = request.clone();
            async move {
                let _ = home.shard(request).await;
            }
        }))
        .await;
    }
}
