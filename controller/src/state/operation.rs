//! Operations: what the controller carries through at the shards of a job, stage by stage. Each stage is written down before
//! its first call leaves, so that a controller that begins again goes on, or back.
//!
//! ```text
//! register   Opening ─ all ─> Opened ─ kept ─> the job lives
//! configure  Updating ─ all ─> Updated ─ kept ─> the settings hold
//! end        Freezing ─ all ─> Fencing ─ all ─> Dropping ─ all ─> gone
//! ```
//! - What an answer refuses in `Freezing` or `Fencing` goes back by `Thawing`: nothing was dropped, and the job is whole.
//! - What refuses in `Updating` goes back by `Renewing`: the old settings as a newer epoch, which is shown at once, so that
//!   the shards that answer serve it.
//! - What refuses in `Opening` goes back by `Dropping`. A job whose TTL is over, or that lost a shard, begins there: there
//!   is nothing to find out.
//!
//! The stages that refuse nothing (`Thawing`, `Renewing`, `Dropping`) are repeated until every shard has answered or is dead.

use super::event::AskId;
use pocket_api::clock::Timestamp;
use pocket_api::control::ControlError;
use pocket_api::hints::JobHints;
use pocket_api::ids::{Epoch, JobId, NodeId, OperationId};
use pocket_api::metadata::{MetadataError, ShardReply};
use pocket_api::settings::JobSettings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) id: OperationId,
    pub(crate) job: JobId,
    pub(crate) stage: Stage,
    /// Shards that have yet to answer the stage.
    pub(crate) left: BTreeSet<NodeId>,
    #[serde(skip)]
    pub(crate) run: Run,
}

/// What is known of an operation while the controller runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Run {
    /// Counts the stages.
    pub(crate) round: u32,
    /// The stage is written down, and its calls may leave.
    pub(crate) is_kept: bool,
    pub(crate) in_flight: BTreeSet<NodeId>,
    /// Found by the freeze.
    pub(crate) objects: u64,
    /// Every shard was asked once, and the storage servers told.
    pub(crate) is_told: bool,
    /// Who waits for it.
    pub(crate) client: Option<AskId>,
    /// Why it went back.
    pub(crate) refused: Option<ControlError>,
    pub(crate) retry_at: Option<Timestamp>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stage {
    Opening,
    /// Being written down as a job; no record of its own.
    Opened,
    Updating(Box<Change>),
    /// Likewise.
    Updated,
    Renewing,
    Freezing(Wish),
    Fencing(Wish),
    Thawing,
    /// `name_is_free`: every shard is fenced, or nobody has ever been told of the job.
    Dropping {
        cause: Cause,
        name_is_free: bool,
    },
}

/// New settings of a job, not yet in effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    pub(crate) epoch: Epoch,
    pub(crate) hints: JobHints,
    pub(crate) settings: Arc<JobSettings>,
}

/// What an end asks of the job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Wish {
    /// Nothing.
    Force,
    IfEmpty,
    /// Not used for so long.
    IfIdle(Duration),
}

impl Wish {
    pub(crate) fn idle_for(self) -> Option<Duration> {
        match self {
            Self::IfIdle(idle_for) => Some(idle_for),
            Self::Force | Self::IfEmpty => None,
        }
    }

    /// Whether a job with so many objects may end.
    pub(crate) fn check(self, objects: u64) -> Result<(), ControlError> {
        if self == Self::IfEmpty && objects > 0 { Err(ControlError::NotEmpty) } else { Ok(()) }
    }

    pub(crate) fn cause(self) -> Cause {
        match self {
            Self::Force | Self::IfEmpty => Cause::Deleted,
            Self::IfIdle(_) => Cause::Idle,
        }
    }
}

/// Why a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Cause {
    /// Someone asked.
    Deleted,
    /// Its TTL is over.
    Expired,
    /// Its idle TTL is over, all shards agreed.
    Idle,
    /// A shard of it is dead.
    Lost,
    /// Its registration failed.
    Abandoned,
}

/// What an answer means for the stage that it answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judged {
    Done {
        objects: u64,
    },
    /// The operation goes back.
    Refused(ControlError),
    /// To be asked again.
    Again,
}

impl Stage {
    /// The stage has no way back: it is repeated until it is done.
    fn is_repeated(&self) -> bool {
        matches!(self, Self::Renewing | Self::Thawing | Self::Dropping { .. })
    }

    pub(crate) fn judge(&self, answer: Result<ShardReply, MetadataError>) -> Judged {
        let done = Judged::Done { objects: 0 };
        let refused = |what: &str, error| {
            Judged::Refused(ControlError::Unavailable(format!("a shard {what}: {error}")))
        };
        match (self, answer) {
            (Self::Freezing(Wish::IfEmpty), Ok(ShardReply::Frozen { objects: None })) => {
                let why = "a shard is still finding out which of its objects are there, try again";
                Judged::Refused(ControlError::Unavailable(why.into()))
            }
            (Self::Freezing(_), Ok(ShardReply::Frozen { objects })) => {
                Judged::Done { objects: objects.unwrap_or(0) }
            }
            (Self::Freezing(_), Ok(odd)) => refused("answered a freeze with", format!("{odd:?}")),
            // Its TTL ended it there already, or an earlier try of this.
            (Self::Freezing(_) | Self::Fencing(_), Err(MetadataError::NoSuchJob)) => done,
            (Self::Freezing(_), Err(error)) => refused("was not frozen", error.to_string()),
            (Self::Fencing(_), Err(error)) => refused("was not fenced", error.to_string()),
            (Self::Opening, Err(error)) => refused("did not open the job", error.to_string()),
            (Self::Updating(_), Err(error)) => refused("did not take the new epoch", error.to_string()),
            (stage, Err(MetadataError::NoSuchJob)) if stage.is_repeated() => done,
            (_, Err(_)) => Judged::Again,
            (_, Ok(_)) => done,
        }
    }
}

impl Operation {
    pub(crate) fn new(id: OperationId, job: JobId, stage: Stage, shards: BTreeSet<NodeId>) -> Self {
        Self { id, job, stage, left: shards, run: Run::default() }
    }

    /// The next stage, at these shards, of which nothing is known yet.
    pub(crate) fn turn_to(&mut self, stage: Stage, shards: BTreeSet<NodeId>) {
        (self.stage, self.left) = (stage, shards);
        self.run.round += 1;
        self.run.is_kept = false;
        self.run.in_flight.clear();
        self.run.retry_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_says_so_counts() {
        let unavailable = || Err(MetadataError::Unavailable("gone".into()));
        let (freezing, fencing) = (Stage::Freezing(Wish::IfEmpty), Stage::Fencing(Wish::IfEmpty));
        let done = |objects| Judged::Done { objects };
        assert_eq!(freezing.judge(Ok(ShardReply::Frozen { objects: Some(3) })), done(3));
        let uncounted = || Ok(ShardReply::Frozen { objects: None });
        assert!(matches!(freezing.judge(uncounted()), Judged::Refused(_)));
        assert_eq!(Stage::Freezing(Wish::Force).judge(uncounted()), done(0));
        for stage in [&freezing, &fencing, &Stage::Thawing, &Stage::Renewing] {
            assert_eq!(stage.judge(Err(MetadataError::NoSuchJob)), done(0), "{stage:?}");
        }
        for stage in [&Stage::Opening, &freezing, &fencing] {
            for error in [unavailable(), Err(MetadataError::Busy), Err(MetadataError::Crowded)] {
                assert!(matches!(stage.judge(error), Judged::Refused(_)), "{stage:?}");
            }
        }
        assert!(matches!(Stage::Opening.judge(Err(MetadataError::NoSuchJob)), Judged::Refused(_)));
        let dropping = Stage::Dropping { cause: Cause::Lost, name_is_free: false };
        for stage in [&Stage::Thawing, &Stage::Renewing, &dropping] {
            for error in [unavailable(), Err(MetadataError::Busy)] {
                assert_eq!(stage.judge(error), Judged::Again, "{stage:?}");
            }
            assert_eq!(stage.judge(Ok(ShardReply::Done)), done(0));
        }
    }
}
