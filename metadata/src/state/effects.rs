//! What a command leaves to be done outside of the state machine: said here as values, done by the shard around it.

use crate::state::key::Key;
use crate::state::rename::Departing;
use crate::state::rules::Rules;
use pocket_api::ids::{ChunkId, NodeId, WriteId};
use pocket_api::metadata::{Answer, Fate, MetadataError};

#[derive(Debug, Default)]
pub(crate) struct Effects {
    /// Chunks that nothing names any more.
    pub(crate) freed: Vec<ChunkId>,
    /// References that are not held any more, with the shards that count them.
    pub(crate) released: Vec<(NodeId, WriteId)>,
    /// Renames that arrived at these shards, which may forget that now.
    pub(crate) received: Vec<(NodeId, WriteId)>,
    /// References to ask about, with their holders.
    pub(crate) asked: Vec<(NodeId, WriteId)>,
    /// References that name a manifest of which bytes died, with their holders, who do not know.
    pub(crate) lost: Vec<Lost>,
    /// Keys that may be readable now and were not before; none while nobody waits.
    pub(crate) woken: Vec<Key>,
    /// Rules that do not hold any more, with their orders of ends: to be dropped where it may take its time.
    pub(crate) retired: Option<Box<Rules>>,
}

/// What a holder is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lost {
    pub(crate) holder: NodeId,
    pub(crate) reference: WriteId,
    pub(crate) manifest: WriteId,
}

/// The answer to a command and what is left to be done.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) output: Result<Output, MetadataError>,
    pub(crate) effects: Effects,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Output {
    Done,
    Answer(Answer),
    /// Of a rename to another shard.
    Departing(Box<Departing>),
    /// Of a renewal.
    Held(bool),
    /// Of a question.
    Fate(Fate),
    /// How many objects there are; `None` where that is not known yet.
    Frozen {
        objects: Option<u64>,
    },
    /// Of a sweep: how many objects expired, and whether there is more to do at once.
    Swept {
        expired: u64,
        more: bool,
    },
}

impl From<Answer> for Output {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}
