//! What survives a restart, as a map of keys to values: one record a job, a node, an operation and a weight map. Records are
//! JSON, so a later build can add to them and still read those of an earlier one.

use super::job::Job;
use super::maps::Map;
use super::operation::Operation;
use pocket_api::cluster::NodeSpec;
use pocket_api::ids::{JobId, MapId, NodeId, OperationId, Term};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// Names a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Controller,
    Node(NodeId),
    Job(JobId),
    Operation(OperationId),
    Weights(MapId),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Controller => f.write_str("controller"),
            Self::Node(NodeId(id)) => write!(f, "node/{id}"),
            Self::Job(JobId(id)) => write!(f, "job/{id}"),
            Self::Operation(OperationId(id)) => write!(f, "operation/{id}"),
            Self::Weights(MapId(id)) => write!(f, "weights/{id}"),
        }
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let unknown = || format!("record {name:?} is unknown");
        if name == "controller" {
            return Ok(Self::Controller);
        }
        let (kind, id) = name.split_once('/').ok_or_else(unknown)?;
        let id = id.parse().map_err(|_| unknown())?;
        match kind {
            "node" => Ok(Self::Node(NodeId(id))),
            "job" => Ok(Self::Job(JobId(id))),
            "operation" => Ok(Self::Operation(OperationId(id))),
            "weights" => Ok(Self::Weights(MapId(id))),
            _ => Err(unknown()),
        }
    }
}

/// The controller itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Of the start that wrote this.
    pub(crate) term: Term,
    /// Above all ids and versions that were ever given out when this was written. Later ones are found in the other
    /// records, or were told to nobody.
    pub(crate) highest_id: u64,
    pub(crate) view_version: u64,
    /// The first id that was given out since there are records. What has a lower one is of a controller whose records are
    /// not here.
    #[serde(default)]
    pub(crate) born: u64,
}

/// All records, read.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) about: Option<About>,
    pub(crate) nodes: Vec<(NodeId, NodeSpec)>,
    pub(crate) jobs: Vec<Job>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) weights: Vec<(MapId, Map)>,
}

impl Records {
    pub(crate) fn of(records: &BTreeMap<Key, Vec<u8>>) -> Result<Self, String> {
        let mut read = Self::default();
        for (&key, value) in records {
            let bad = |error: serde_json::Error| format!("record {key}: {error}");
            match key {
                Key::Controller => read.about = Some(serde_json::from_slice(value).map_err(bad)?),
                Key::Node(id) => read.nodes.push((id, serde_json::from_slice(value).map_err(bad)?)),
                Key::Job(_) => read.jobs.push(serde_json::from_slice(value).map_err(bad)?),
                Key::Operation(_) => read.operations.push(serde_json::from_slice(value).map_err(bad)?),
                Key::Weights(id) => read.weights.push((id, serde_json::from_slice(value).map_err(bad)?)),
            }
        }
        Ok(read)
    }
}

/// A record's value.
pub(crate) fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("records have text for keys, and numbers that are numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        for key in [
            Key::Controller,
            Key::Node(NodeId(7)),
            Key::Job(JobId(u64::MAX)),
            Key::Operation(OperationId(0)),
            Key::Weights(MapId(3)),
        ] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        for unknown in ["", "job", "job/", "job/x", "shard/1"] {
            assert!(unknown.parse::<Key>().is_err(), "{unknown}");
        }
    }
}
