//! Jobs as messages: hints, registrations, placements, summaries. Field for field, both ways.

use super::{Malformed, all, each, optional, proto, required};
use pocket_api::control::{
    Configuration, Derived, EndJob, EndMode, JobSummary, Placement, Registration, Weight, WeightMap,
};
use pocket_api::hints::{ETagRule, JobHints, WaitOn};
use pocket_api::ids::{Epoch, JobId, MapId, NodeId};
use pocket_api::names::{BucketName, NameError, TenantName};
use pocket_api::settings::JobSettings;
use pocket_api::tier::Tier;

impl From<NameError> for Malformed {
    fn from(e: NameError) -> Self {
        Self(e.to_string())
    }
}

impl From<Tier> for proto::Tier {
    fn from(tier: Tier) -> Self {
        match tier {
            Tier::Dram => Self::Dram,
            Tier::Nvme => Self::Nvme,
            Tier::Ssd => Self::Ssd,
            Tier::Hdd => Self::Hdd,
        }
    }
}

pub(super) fn tier_of(number: i32) -> Result<Tier, Malformed> {
    match proto::Tier::try_from(number) {
        Ok(proto::Tier::Dram) => Ok(Tier::Dram),
        Ok(proto::Tier::Nvme) => Ok(Tier::Nvme),
        Ok(proto::Tier::Ssd) => Ok(Tier::Ssd),
        Ok(proto::Tier::Hdd) => Ok(Tier::Hdd),
        Err(_) => Err(Malformed(format!("tier {number} is unknown"))),
    }
}

impl From<JobHints> for proto::JobHints {
    fn from(hints: JobHints) -> Self {
        let etag = match hints.etag {
            ETagRule::ByClient => proto::ETagRule::ByClient,
            ETagRule::Md5 => proto::ETagRule::Md5,
            ETagRule::Fast => proto::ETagRule::Fast,
        };
        let wait_on = match hints.wait_on {
            WaitOn::GetAndHead => proto::WaitOn::GetAndHead,
            WaitOn::Get => proto::WaitOn::Get,
        };
        Self {
            workers: hints.workers,
            capacity_bytes: hints.capacity,
            throughput_bytes_per_second: hints.throughput,
            latency_sensitive: hints.latency_sensitive,
            ttl: hints.ttl.map(Into::into),
            idle_ttl: hints.idle_ttl.map(Into::into),
            object_ttl: hints.object_ttl.map(Into::into),
            reads: hints.reads,
            wait: Some(hints.wait.into()),
            tier: hints.tier.map(|tier| proto::Tier::from(tier).into()),
            etag: etag.into(),
            wait_on: wait_on.into(),
        }
    }
}

impl TryFrom<proto::JobHints> for JobHints {
    type Error = Malformed;

    fn try_from(hints: proto::JobHints) -> Result<Self, Malformed> {
        let etag = match proto::ETagRule::try_from(hints.etag) {
            Ok(proto::ETagRule::ByClient) => ETagRule::ByClient,
            Ok(proto::ETagRule::Md5) => ETagRule::Md5,
            Ok(proto::ETagRule::Fast) => ETagRule::Fast,
            Err(_) => return Err(Malformed(format!("etag rule {} is unknown", hints.etag))),
        };
        let wait_on = match proto::WaitOn::try_from(hints.wait_on) {
            Ok(proto::WaitOn::GetAndHead) => WaitOn::GetAndHead,
            Ok(proto::WaitOn::Get) => WaitOn::Get,
            Err(_) => return Err(Malformed(format!("wait-on {} is unknown", hints.wait_on))),
        };
        Ok(Self {
            workers: hints.workers,
            capacity: hints.capacity_bytes,
            throughput: hints.throughput_bytes_per_second,
            latency_sensitive: hints.latency_sensitive,
            ttl: optional(hints.ttl)?,
            idle_ttl: optional(hints.idle_ttl)?,
            object_ttl: optional(hints.object_ttl)?,
            reads: hints.reads,
            wait: required(hints.wait, "wait")?,
            wait_on,
            tier: hints.tier.map(tier_of).transpose()?,
            etag,
        })
    }
}

impl From<Registration> for proto::Registration {
    fn from(registration: Registration) -> Self {
        Self {
            tenant: registration.tenant.into(),
            bucket: registration.bucket.into(),
            settings: encoded(&registration.settings),
        }
    }
}

impl TryFrom<proto::Registration> for Registration {
    type Error = Malformed;

    fn try_from(registration: proto::Registration) -> Result<Self, Malformed> {
        Ok(Self {
            tenant: TenantName::try_from(registration.tenant)?,
            bucket: BucketName::try_from(registration.bucket)?,
            settings: decoded(&registration.settings)?,
        })
    }
}

impl From<Configuration> for proto::Configuration {
    fn from(configuration: Configuration) -> Self {
        Self {
            bucket: configuration.bucket.into(),
            job: configuration.job.0,
            epoch: configuration.epoch.0,
            settings: encoded(&configuration.settings),
        }
    }
}

impl TryFrom<proto::Configuration> for Configuration {
    type Error = Malformed;

    fn try_from(configuration: proto::Configuration) -> Result<Self, Malformed> {
        Ok(Self {
            bucket: BucketName::try_from(configuration.bucket)?,
            job: JobId(configuration.job),
            epoch: Epoch(configuration.epoch),
            settings: decoded(&configuration.settings)?,
        })
    }
}

fn encoded(settings: &JobSettings) -> Vec<u8> {
    // Fails only for values that do not know their own length, and these do.
    postcard::to_allocvec(settings).unwrap_or_default()
}

fn decoded(bytes: &[u8]) -> Result<JobSettings, Malformed> {
    postcard::from_bytes(bytes).map_err(|e| Malformed(format!("settings: {e}")))
}

impl From<Weight> for proto::Weight {
    fn from(weight: Weight) -> Self {
        Self { server: weight.server.0, weight: weight.weight }
    }
}

/// A draw by weights trusts them, so they are checked here.
impl TryFrom<proto::Weight> for Weight {
    type Error = Malformed;

    fn try_from(weight: proto::Weight) -> Result<Self, Malformed> {
        if !weight.weight.is_finite() || weight.weight <= 0.0 {
            return Err(Malformed(format!("weight {} is not above 0", weight.weight)));
        }
        Ok(Self { server: NodeId(weight.server), weight: weight.weight })
    }
}

impl From<WeightMap> for proto::WeightMap {
    fn from(map: WeightMap) -> Self {
        Self { id: map.id.0, version: map.version, weights: each(map.weights.to_vec()) }
    }
}

impl TryFrom<proto::WeightMap> for WeightMap {
    type Error = Malformed;

    fn try_from(map: proto::WeightMap) -> Result<Self, Malformed> {
        let weights: Vec<Weight> = all(map.weights)?;
        Ok(Self { id: MapId(map.id), version: map.version, weights: weights.into() })
    }
}

impl From<Placement> for proto::Placement {
    fn from(placement: Placement) -> Self {
        Self {
            job: placement.job.0,
            epoch: placement.epoch.0,
            bucket: placement.bucket.into(),
            tenant: placement.tenant.into(),
            created_at_ms: placement.created_at_ms,
            hints: Some(placement.hints.into()),
            settings: encoded(&placement.settings),
            shards: placement.shards.into_iter().map(|shard| shard.0).collect(),
            weights: Some(placement.weights.into()),
        }
    }
}

/// A key is looked up among the shards by its hash, so there must be one.
impl TryFrom<proto::Placement> for Placement {
    type Error = Malformed;

    fn try_from(placement: proto::Placement) -> Result<Self, Malformed> {
        if placement.shards.is_empty() {
            return Err(Malformed::missing("a shard"));
        }
        Ok(Self {
            job: JobId(placement.job),
            epoch: Epoch(placement.epoch),
            bucket: BucketName::try_from(placement.bucket)?,
            tenant: TenantName::try_from(placement.tenant)?,
            created_at_ms: placement.created_at_ms,
            hints: required(placement.hints, "hints")?,
            settings: decoded(&placement.settings)?.into(),
            shards: placement.shards.into_iter().map(NodeId).collect(),
            weights: required(placement.weights, "weights")?,
        })
    }
}

impl From<EndJob> for proto::EndJobRequest {
    fn from(end: EndJob) -> Self {
        let mode = match end.mode {
            EndMode::IfEmpty => proto::EndMode::IfEmpty,
            EndMode::Force => proto::EndMode::Force,
        };
        Self {
            tenant: end.tenant.map(Into::into),
            bucket: end.bucket.into(),
            job: end.job.map(|job| job.0),
            mode: mode.into(),
        }
    }
}

impl TryFrom<proto::EndJobRequest> for EndJob {
    type Error = Malformed;

    fn try_from(end: proto::EndJobRequest) -> Result<Self, Malformed> {
        let mode = match proto::EndMode::try_from(end.mode) {
            Ok(proto::EndMode::IfEmpty) => EndMode::IfEmpty,
            Ok(proto::EndMode::Force) => EndMode::Force,
            Err(_) => return Err(Malformed(format!("end mode {} is unknown", end.mode))),
        };
        Ok(Self {
            tenant: optional(end.tenant)?,
            bucket: BucketName::try_from(end.bucket)?,
            job: end.job.map(JobId),
            mode,
        })
    }
}

impl From<JobSummary> for proto::JobSummary {
    fn from(job: JobSummary) -> Self {
        Self {
            job: job.job.0,
            bucket: job.bucket.into(),
            tenant: job.tenant.into(),
            created_at_ms: job.created_at_ms,
            hints: Some(job.hints.into()),
            shards: job.shards,
            servers: job.servers,
            objects: job.objects,
            bytes: job.bytes,
            ends_in: job.ends_in.map(Into::into),
            derived_capacity_bytes: job.derived.capacity,
            derived_throughput_bytes_per_second: job.derived.throughput,
            servers_capacity_bytes: job.servers_capacity_bytes,
        }
    }
}

impl TryFrom<proto::JobSummary> for JobSummary {
    type Error = Malformed;

    fn try_from(job: proto::JobSummary) -> Result<Self, Malformed> {
        Ok(Self {
            job: JobId(job.job),
            bucket: BucketName::try_from(job.bucket)?,
            tenant: TenantName::try_from(job.tenant)?,
            created_at_ms: job.created_at_ms,
            hints: required(job.hints, "hints")?,
            shards: job.shards,
            servers: job.servers,
            objects: job.objects,
            bytes: job.bytes,
            ends_in: optional(job.ends_in)?,
            derived: Derived {
                capacity: job.derived_capacity_bytes,
                throughput: job.derived_throughput_bytes_per_second,
            },
            servers_capacity_bytes: job.servers_capacity_bytes,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use pocket_api::clock::Timestamp;
    use pocket_api::lifecycle::*;
    use pocket_api::settings::DocumentKind;
    use std::time::Duration;

    pub(crate) fn full_hints() -> JobHints {
        JobHints {
            workers: Some(12),
            capacity: Some(10 << 30),
            throughput: Some(u64::MAX),
            latency_sensitive: false,
            ttl: Some(Duration::from_millis(1_500)),
            idle_ttl: Some(Duration::new(7, 1)),
            object_ttl: Some(Duration::from_secs(86_400 * 3_650)),
            reads: Some(u32::MAX),
            wait: Duration::from_millis(300_000),
            wait_on: WaitOn::Get,
            tier: Some(Tier::Hdd),
            etag: ETagRule::Fast,
        }
    }

    pub(crate) fn full_settings() -> JobSettings {
        let filter = LifecycleFilter {
            prefix: "logs/".into(),
            tags: vec![("a".into(), "b".into())],
            larger_than: Some(1),
            smaller_than: Some(2),
        };
        let end = LifecycleEnd::At(Timestamp(7));
        let rule = LifecycleRule {
            id: "one".into(),
            filter,
            expires: Some(LifecycleEnd::After(3)),
            aborts_uploads_after: Some(4),
        };
        let unit = LifecycleUnit::Of(Duration::from_secs(1));
        JobSettings {
            asked: full_hints(),
            created_with: JobHints { reads: Some(7), ..full_hints() },
            tags: vec![("team".into(), "blue".into())],
            lifecycle: Lifecycle { rules: vec![rule], unit, job_ends: Some(end) },
            documents: [
                (DocumentKind::Acl, "private".into()),
                (DocumentKind::Policy, "{}".into()),
                (DocumentKind::PublicAccessBlock, "{}".into()),
            ]
            .into(),
        }
    }

    #[test]
    fn hints_lose_nothing_on_the_way() {
        let tiers = Tier::ALL.map(|tier| JobHints { tier: Some(tier), ..full_hints() });
        let rules = [ETagRule::ByClient, ETagRule::Md5].map(|etag| JobHints { etag, ..full_hints() });
        for hints in [JobHints::default(), full_hints()].into_iter().chain(tiers).chain(rules) {
            assert_eq!(JobHints::try_from(proto::JobHints::from(hints.clone())), Ok(hints));
        }
    }

    #[test]
    fn jobs_lose_nothing_on_the_way() {
        let bucket = BucketName::parse("stage-1").unwrap();
        let tenant = TenantName::parse("etl").unwrap();
        let registration =
            Registration { tenant: tenant.clone(), bucket: bucket.clone(), settings: full_settings() };
        let back = Registration::try_from(proto::Registration::from(registration.clone()));
        assert_eq!(back, Ok(registration));

        let configuration = Configuration {
            bucket: bucket.clone(),
            job: JobId(3),
            epoch: Epoch(u64::MAX),
            settings: full_settings(),
        };
        let back = Configuration::try_from(proto::Configuration::from(configuration.clone()));
        assert_eq!(back, Ok(configuration));

        let placement = Placement {
            job: JobId(u64::MAX),
            epoch: Epoch(3),
            bucket: bucket.clone(),
            tenant: tenant.clone(),
            created_at_ms: 1_800_000_000_000,
            hints: full_hints(),
            settings: full_settings().into(),
            shards: vec![NodeId(4), NodeId(2)],
            weights: WeightMap {
                id: MapId(6),
                version: 7,
                weights: [Weight { server: NodeId(9), weight: 1.0 / 3.0 }].into(),
            },
        };
        assert_eq!(Placement::try_from(proto::Placement::from(placement.clone())), Ok(placement));

        let summary = JobSummary {
            job: JobId(7),
            bucket: bucket.clone(),
            tenant: tenant.clone(),
            created_at_ms: 5,
            hints: JobHints::default(),
            shards: 2,
            servers: 3,
            objects: 1_000_000,
            bytes: 1 << 40,
            ends_in: Some(Duration::from_nanos(1)),
            derived: Derived { capacity: Some(4), throughput: None },
            servers_capacity_bytes: 5,
        };
        assert_eq!(JobSummary::try_from(proto::JobSummary::from(summary.clone())), Ok(summary));

        for (tenant, job, mode) in
            [(None, None, EndMode::IfEmpty), (Some(tenant), Some(JobId(0)), EndMode::Force)]
        {
            let end = EndJob { tenant, bucket: bucket.clone(), job, mode };
            assert_eq!(EndJob::try_from(proto::EndJobRequest::from(end.clone())), Ok(end));
        }
    }

    #[test]
    fn what_a_gateway_could_not_work_with_is_malformed() {
        let weight = |weight| {
            let weights = vec![proto::Weight { server: 1, weight }];
            Some(proto::WeightMap { id: 1, version: 1, weights })
        };
        let good = proto::Placement {
            bucket: "stage-1".into(),
            tenant: "etl".into(),
            hints: Some(JobHints::default().into()),
            settings: encoded(&JobSettings::default()),
            shards: vec![1],
            weights: weight(1.0),
            ..Default::default()
        };
        assert!(Placement::try_from(good.clone()).is_ok());
        for bad in [
            proto::Placement { shards: vec![], ..good.clone() },
            proto::Placement { bucket: "No!".into(), ..good.clone() },
            proto::Placement { hints: None, ..good.clone() },
            proto::Placement { settings: vec![0xff], ..good.clone() },
            proto::Placement { weights: None, ..good.clone() },
            proto::Placement { weights: weight(0.0), ..good.clone() },
            proto::Placement { weights: weight(f64::NAN), ..good.clone() },
        ] {
            assert!(Placement::try_from(bad.clone()).is_err(), "{bad:?}");
        }
    }
}
