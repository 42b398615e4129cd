//! What the state is told, and what it wants done.

use super::members::Hold;
use super::operation::Cause;
use super::record::Key;
use pocket_api::cluster::{ClusterView, NodeSpec};
use pocket_api::control::{
    Configuration, ControlError, EndJob, Forgotten, Heartbeat, HeartbeatReply, Joined, Placement,
    Registration,
};
use pocket_api::ids::{Epoch, JobId, NodeId, OperationId, Term};
use pocket_api::metadata::{MetadataError, ShardReply, ShardRequest};
use pocket_api::names::BucketName;
use pocket_api::usage::UsageReport;
use std::time::Duration;

/// Somebody who waits for an answer. Every question is answered once, sooner or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AskId(pub(crate) u64);

/// What somebody wants.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    Register(Registration),
    Configure(Configuration),
    End(EndJob),
    Placement(BucketName),
    Join(NodeSpec),
    Leave(NodeId),
    Forget(NodeId),
    Beat(Heartbeat),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Reply {
    Placement(Placement),
    Done,
    Joined(Joined),
    Forgotten(Forgotten),
    Beat(HeartbeatReply),
}

pub(crate) type Answer = Result<Reply, ControlError>;

/// A call to a shard, as part of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CallId {
    pub(crate) operation: OperationId,
    /// Counts the stages of the operation: an answer to an earlier one comes too late.
    pub(crate) round: u32,
    pub(crate) shard: NodeId,
}

#[derive(Debug)]
pub(crate) enum Event {
    Asked(AskId, Box<Request>),
    /// A shard has answered, or has not in time.
    Answered(CallId, Result<ShardReply, MetadataError>),
    /// Storage servers have been told of the end of an operation's job, as far as they can be reached.
    Told(OperationId),
    /// All that had to be kept up to this number is on disk.
    Kept(u64),
    /// It is not, and may or may not be found there later.
    Unkept(u64, String),
    Reported(NodeId, Box<UsageReport>),
    /// No connection is left that the node was heard over.
    HungUp(NodeId),
    /// The address of a node that hung up was asked. `refuses`: its process has ended.
    Probed {
        node: NodeId,
        refuses: bool,
    },
    /// Time has passed; so much since the last one, as the machine counts it.
    Tick {
        after: Duration,
    },
}

/// How urgent a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Somebody waits for it.
    Asked,
    /// Nobody does: it may wait until others are done.
    Background,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Effect {
    /// To be kept, in this order; [`Event::Kept`] or [`Event::Unkept`] follows. `None`: there is no such record any more.
    Keep {
        number: u64,
        changes: Vec<(Key, Option<Vec<u8>>)>,
    },
    /// To be asked; [`Event::Answered`] follows.
    Call {
        call: CallId,
        request: ShardRequest,
        deadline: Duration,
        lane: Lane,
    },
    /// [`Event::Told`] follows.
    TellEnded {
        operation: OperationId,
        term: Term,
        job: JobId,
        servers: Vec<NodeId>,
    },
    /// Its address is to be asked; [`Event::Probed`] follows.
    Probe(NodeId, NodeSpec),
    /// For the controller's own directory.
    Show(ClusterView),
    Answer(AskId, Answer),
    /// For logs and counters.
    Note(Note),
}

/// Something that a person may want to know.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Note {
    StoodStill(Duration),
    Suspected(NodeId, NodeSpec),
    Hold(Hold),
    Joined(NodeId, NodeSpec),
    Dead(NodeId, NodeSpec, DeathCause),
    Registered {
        job: JobId,
        bucket: BucketName,
    },
    NotRegistered {
        bucket: BucketName,
        why: ControlError,
    },
    Configured {
        job: JobId,
        bucket: BucketName,
    },
    /// A change of settings that not all shards took was taken back.
    Renewed {
        job: JobId,
        bucket: BucketName,
        epoch: Epoch,
    },
    Ended {
        job: JobId,
        bucket: BucketName,
        cause: Cause,
    },
    /// An end was called off: the job goes on, whole.
    Spared {
        job: JobId,
        bucket: BucketName,
        why: ControlError,
    },
    /// A weight map has changed because servers died or came.
    Reweighed {
        jobs: u32,
        servers: usize,
    },
    /// A node beats that joined another controller, whose records are not here.
    Strangers,
    /// Another controller has followed.
    Deposed {
        own: Term,
        newer: Term,
    },
}

/// Why a node is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DeathCause {
    /// It was silent for too long.
    Silent,
    /// Its process has ended: its connections are closed, and its address refuses.
    Ended,
    /// Its host has given its address to another node.
    Replaced,
    /// It said so itself.
    Left,
    /// Somebody said so.
    Forgotten,
}

impl DeathCause {
    pub(crate) const ALL: [Self; 5] =
        [Self::Silent, Self::Ended, Self::Replaced, Self::Left, Self::Forgotten];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Ended => "ended",
            Self::Replaced => "replaced",
            Self::Left => "left",
            Self::Forgotten => "forgotten",
        }
    }
}
