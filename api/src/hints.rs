//! Job hints: what a bucket says it needs, as text from headers or tags, parsed into [`JobHints`].
//!
//! A hint that nobody knows, or whose value does not parse, is an error that names it; a hint that is known but not
//! built yet is an error of its own kind, unless its value is what happens anyway. Nothing is ever ignored.

mod names;
mod object;
mod value;

pub use names::{HintPlace, is_meant_for_hint, misplaced_hint, unknown_hint};
pub use object::{Limit, OBJECT_HINTS, ObjectHints};
pub use value::{is_no_time, parse_wait};

use crate::duration::show_duration;
use crate::tier::Tier;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;
use value::{bad, count, duration, only_if, shown, size, yes_or_no};

/// Why hints were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HintError {
    #[error("{}", place.unknown(name))]
    Unknown { name: String, place: HintPlace },
    #[error("hint {name:?} is given twice")]
    Twice { name: String },
    #[error("hint {name:?} has the bad value {value:?}: {wanted}")]
    Bad { name: &'static str, value: String, wanted: String },
    #[error("hint {name:?} with the value {value:?} is not implemented")]
    NotBuilt { name: &'static str, value: String },
}

impl HintError {
    /// The same of hints that were read from this place.
    pub fn at(self, place: HintPlace) -> Self {
        match self {
            Self::Unknown { name, .. } => Self::Unknown { name, place },
            other => other,
        }
    }
}

/// Names of all job hints, in the order of the documentation.
pub const HINTS: [&str; 18] = [
    "workers",
    "capacity",
    "throughput",
    "latency-sensitive",
    "ttl",
    "idle-ttl",
    "object-ttl",
    "reads",
    "wait",
    "wait-on",
    "tier",
    "etag",
    "seal",
    "backing",
    "replicas",
    "on-full",
    "persist",
    "class",
];

/// Names without anything before them, as profiles have them.
const OF_BUCKET: HintPlace = HintPlace { taker: "a bucket", prefix: "", names: &HINTS };

/// How the ETag of an object is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ETagRule {
    /// MD5 where the client sent Content-MD5 or the body is small, else opaque.
    #[default]
    ByClient,
    /// Always MD5.
    Md5,
    /// MD5 only where the client sent Content-MD5.
    Fast,
}

/// Which reads of a missing key wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitOn {
    /// HEAD too: most clients look with it before they read.
    #[default]
    GetAndHead,
    /// GET alone, for clients that look with HEAD whether something is there before they write it.
    Get,
}

/// A job's hints. As asked for by the client, or, in a [`crate::control::Placement`], as granted: then `capacity` and
/// `throughput` are there wherever one of them or `workers` was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobHints {
    /// Concurrent tasks.
    pub workers: Option<u32>,
    /// Peak bytes.
    pub capacity: Option<u64>,
    /// Peak bytes a second.
    pub throughput: Option<u64>,
    pub latency_sensitive: bool,
    /// The job ends this long after its creation.
    pub ttl: Option<Duration>,
    /// The job ends this long after its last request.
    pub idle_ttl: Option<Duration>,
    /// Default TTL of the job's objects.
    pub object_ttl: Option<Duration>,
    /// Complete reads after which an object is deleted.
    pub reads: Option<u32>,
    /// How long a read of a missing key waits for it.
    pub wait: Duration,
    /// Not in what builds before it kept.
    #[serde(default)]
    pub wait_on: WaitOn,
    pub tier: Option<Tier>,
    pub etag: ETagRule,
}

impl Default for JobHints {
    fn default() -> Self {
        Self {
            workers: None,
            capacity: None,
            throughput: None,
            latency_sensitive: true,
            ttl: None,
            idle_ttl: None,
            object_ttl: None,
            reads: None,
            wait: Duration::ZERO,
            wait_on: WaitOn::GetAndHead,
            tier: None,
            etag: ETagRule::ByClient,
        }
    }
}

impl JobHints {
    /// Reads hints from pairs of name (without prefix) and value, all of one source.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HintError> {
        Self::parse_layers([pairs])
    }

    /// Reads hints from several sources, the one with the highest precedence first. Every source is checked, also
    /// where another one outweighs it.
    pub fn parse_layers<'a, L>(layers: impl IntoIterator<Item = L>) -> Result<Self, HintError>
    where
        L: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let mut hints = Self::default();
        let mut given: Vec<&'static str> = Vec::new();
        for layer in layers {
            let mut in_layer: Vec<&'static str> = Vec::new();
            for (name, value) in layer {
                let name = known(name)?;
                if in_layer.contains(&name) {
                    return Err(HintError::Twice { name: name.into() });
                }
                in_layer.push(name);
                let mut one = hints.clone();
                one.set(name, value.trim())?;
                if !given.contains(&name) {
                    hints = one;
                }
            }
            given.extend(in_layer);
        }
        Ok(hints)
    }

    /// These hints with others over them, all of one source, where `none` takes a hint back to its default.
    pub fn changed_by<'a>(
        &self,
        pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HintError> {
        let mut hints = self.clone();
        let mut given: Vec<&'static str> = Vec::new();
        for (name, value) in pairs {
            let name = known(name)?;
            if given.contains(&name) {
                return Err(HintError::Twice { name: name.into() });
            }
            given.push(name);
            match value.trim() {
                "none" => hints.unset(name),
                value => hints.set(name, value)?,
            }
        }
        Ok(hints)
    }

    fn unset(&mut self, name: &'static str) {
        let default = Self::default();
        match name {
            "workers" => self.workers = default.workers,
            "capacity" => self.capacity = default.capacity,
            "throughput" => self.throughput = default.throughput,
            "latency-sensitive" => self.latency_sensitive = default.latency_sensitive,
            "ttl" => self.ttl = default.ttl,
            "idle-ttl" => self.idle_ttl = default.idle_ttl,
            "object-ttl" => self.object_ttl = default.object_ttl,
            "reads" => self.reads = default.reads,
            "wait" => self.wait = default.wait,
            "wait-on" => self.wait_on = default.wait_on,
            "tier" => self.tier = default.tier,
            "etag" => self.etag = default.etag,
            // Nothing else is built, so their default is all that they can be.
            _ => {}
        }
    }

    fn set(&mut self, name: &'static str, value: &str) -> Result<(), HintError> {
        match name {
            "workers" => self.workers = Some(count(name, value)?),
            "capacity" => self.capacity = Some(size(name, value)?),
            "throughput" => self.throughput = Some(size(name, value.strip_suffix("/s").unwrap_or(value))?),
            "latency-sensitive" => self.latency_sensitive = yes_or_no(name, value)?,
            "ttl" => self.ttl = Some(duration(name, value)?),
            "idle-ttl" => self.idle_ttl = Some(duration(name, value)?),
            "object-ttl" => self.object_ttl = Some(duration(name, value)?),
            "reads" => self.reads = Some(count(name, value)?),
            "wait" => self.wait = parse_wait(value)?,
            "wait-on" => {
                self.wait_on = match value {
                    "get" => WaitOn::Get,
                    "get,head" => WaitOn::GetAndHead,
                    _ => return Err(bad(name, value, "get or get,head")),
                }
            }
            "tier" => {
                let tier = value.parse().map_err(|()| bad(name, value, "dram, nvme, ssd or hdd"))?;
                self.tier = Some(only_if(name, value, tier, tier == Tier::Dram)?);
            }
            "etag" => {
                self.etag = match value {
                    "md5" => ETagRule::Md5,
                    "fast" => ETagRule::Fast,
                    _ => return Err(bad(name, value, "md5 or fast")),
                }
            }
            "seal" | "persist" => {
                let on = match value {
                    "on" | "true" => true,
                    "off" | "false" => false,
                    _ => return Err(bad(name, value, "on or off")),
                };
                only_if(name, value, (), !on)?;
            }
            "replicas" => {
                let replicas: u32 = count(name, value)?;
                only_if(name, value, (), replicas == 1)?;
            }
            "on-full" => match value {
                "reject" => {}
                "spill" | "evict" => only_if(name, value, (), false)?,
                _ => return Err(bad(name, value, "spill, evict or reject")),
            },
            "backing" | "class" => match value {
                "" => return Err(bad(name, value, "a name")),
                _ => only_if(name, value, (), false)?,
            },
            _ => unreachable!("every name in HINTS has an arm"),
        }
        Ok(())
    }

    /// Name and value of every hint that is not at its default.
    pub fn said(&self) -> Vec<(&'static str, String)> {
        let defaults = Self::default().shown();
        self.shown().into_iter().filter(|hint| !defaults.contains(hint)).collect()
    }

    /// Name and value of every hint that holds, as `x-pocket-<name>` shows them.
    pub fn shown(&self) -> Vec<(&'static str, String)> {
        let time = |d: &Duration| show_duration(*d);
        let etag = match self.etag {
            ETagRule::ByClient => None,
            ETagRule::Md5 => Some("md5".into()),
            ETagRule::Fast => Some("fast".into()),
        };
        // The default has a comma, which no tag can have.
        let wait_on = match self.wait_on {
            WaitOn::GetAndHead => None,
            WaitOn::Get => Some("get".into()),
        };
        let all = [
            ("workers", self.workers.map(|n| n.to_string())),
            ("capacity", self.capacity.map(|n| n.to_string())),
            ("throughput", self.throughput.map(|n| n.to_string())),
            ("latency-sensitive", Some(if self.latency_sensitive { "yes" } else { "no" }.into())),
            ("ttl", self.ttl.as_ref().map(time)),
            ("idle-ttl", self.idle_ttl.as_ref().map(time)),
            ("object-ttl", self.object_ttl.as_ref().map(time)),
            ("reads", self.reads.map(|n| n.to_string())),
            ("wait", (!self.wait.is_zero()).then(|| time(&self.wait))),
            ("wait-on", wait_on),
            ("tier", self.tier.map(|t| t.to_string())),
            ("etag", etag),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

fn known(name: &str) -> Result<&'static str, HintError> {
    let found = HINTS.into_iter().find(|hint| *hint == name);
    found.ok_or_else(|| HintError::Unknown { name: shown(name), place: OF_BUCKET })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_hint_parses_and_shows() {
        let hints = JobHints::parse([
            ("workers", "12"),
            ("capacity", "10GiB"),
            ("throughput", "1GB/s"),
            ("latency-sensitive", "no"),
            ("ttl", "15m"),
            ("idle-ttl", "90"),
            ("object-ttl", "1500ms"),
            ("reads", "2"),
            ("wait", "10s"),
            ("wait-on", "get"),
            ("tier", "dram"),
            ("etag", "md5"),
            ("seal", "off"),
            ("replicas", "1"),
            ("on-full", "reject"),
            ("persist", "off"),
        ]);
        let shown = hints.unwrap().shown();
        let expected = [
            ("workers", "12"),
            ("capacity", "10737418240"),
            ("throughput", "1000000000"),
            ("latency-sensitive", "no"),
            ("ttl", "15m"),
            ("idle-ttl", "1m30s"),
            ("object-ttl", "1s500ms"),
            ("reads", "2"),
            ("wait", "10s"),
            ("wait-on", "get"),
            ("tier", "dram"),
            ("etag", "md5"),
        ];
        assert_eq!(shown.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn bad_values_are_refused_by_name() {
        for (name, value) in [
            ("workers", "0"),
            ("workers", "many"),
            ("capacity", "10 parsecs"),
            ("capacity", "0"),
            ("ttl", "5 fortnights"),
            ("ttl", "15M"),
            ("ttl", "0s"),
            ("ttl", "-1"),
            ("ttl", ""),
            ("wait", "6m"),
            ("wait-on", "head"),
            ("tier", "tape"),
            ("seal", "maybe"),
            ("on-full", "panic"),
            ("latency-sensitive", "rather"),
            ("ttl", "99999999999999999999"),
        ] {
            match JobHints::parse([(name, value)]) {
                Err(HintError::Bad { name: n, .. }) => assert_eq!(n, name),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
        assert!(matches!(JobHints::parse([("tll", "5s")]), Err(HintError::Unknown { .. })));
        assert!(matches!(JobHints::parse([("ttl", "5s"), ("ttl", "5s")]), Err(HintError::Twice { .. })));
    }

    #[test]
    fn what_is_not_built_is_said_so() {
        for (name, value) in [
            ("tier", "nvme"),
            ("seal", "on"),
            ("replicas", "2"),
            ("on-full", "spill"),
            ("on-full", "evict"),
            ("persist", "on"),
            ("backing", "s3://b"),
            ("class", "nightly"),
        ] {
            match JobHints::parse([(name, value)]) {
                Err(HintError::NotBuilt { name: n, .. }) => assert_eq!(n, name),
                other => panic!("{name}={value}: {other:?}"),
            }
        }
    }

    #[test]
    fn an_earlier_layer_outweighs_a_later_one_but_both_are_checked() {
        let hints =
            JobHints::parse_layers([vec![("ttl", "5s")], vec![("ttl", "9s"), ("reads", "3")]]).unwrap();
        assert_eq!((hints.ttl, hints.reads), (Some(Duration::from_secs(5)), Some(3)));
        assert!(JobHints::parse_layers([vec![("ttl", "5s")], vec![("ttl", "soon")]]).is_err());
    }

    #[test]
    fn hints_are_changed_by_name_and_taken_back_by_none() {
        let before = JobHints::parse([("ttl", "5s"), ("reads", "3"), ("latency-sensitive", "no")]).unwrap();
        let after = before.changed_by([("ttl", "9s"), ("reads", " none "), ("wait", "1s")]).unwrap();
        let said = [("latency-sensitive", "no"), ("ttl", "9s"), ("wait", "1s")];
        assert_eq!(after.said(), said.map(|(name, value)| (name, value.to_owned())));
        assert_eq!(after.changed_by(HINTS.map(|name| (name, "none"))).unwrap(), JobHints::default());
        for (name, value) in [("tll", "none"), ("ttl", "soon"), ("ttl", "0s"), ("seal", "on")] {
            assert!(before.changed_by([(name, value)]).is_err(), "{name}={value}");
        }
        assert!(before.changed_by([("ttl", "none"), ("ttl", "1s")]).is_err());
    }
}
