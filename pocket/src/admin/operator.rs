//! What `pocket jobs`, `pocket end`, `pocket forget` and `pocket status` ask, as paths and JSON: the contract between the admin port and
//! the command line, both in this crate and of one version.

use pocket_api::cluster::NodeState;
use pocket_api::control::{Control, ControlError, EndJob, EndMode, Forgotten, JobSummary};
use pocket_api::ids::JobId;
use pocket_api::names::BucketName;
use serde::{Deserialize, Serialize};

pub(crate) const JOBS_PATH: &str = "/v1/jobs";
pub(crate) const NODES_PATH: &str = "/v1/nodes";
pub(crate) const STATUS_PATH: &str = "/v1/status";
/// Query of a DELETE that ends a job with everything in it, or forgets a node that is heard.
pub(crate) const FORCE: &str = "force";

/// What a job was that has been ended.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) bucket: BucketName,
    pub(crate) job: JobId,
    pub(crate) objects: u64,
    pub(crate) bytes: u64,
}

/// Why a question was not answered, for people.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    pub(crate) error: String,
}

/// The job that a person means: a job's id as `pocket jobs` shows it, else a bucket's name. A bucket may be called like an id, and
/// must not stand before the job that a script has looked up.
pub(crate) fn find<'a>(jobs: &'a [JobSummary], name: &str) -> Option<&'a JobSummary> {
    let by_id = jobs.iter().find(|job| job.job.to_string() == name);
    by_id.or_else(|| jobs.iter().find(|job| job.bucket.as_str() == name))
}

/// Ends the one life of the bucket that was there when the operator asked, and no later one.
pub(crate) async fn end(control: &dyn Control, name: &str, mode: EndMode) -> Result<Ended, ControlError> {
    let jobs = control.jobs(None).await?;
    let job = find(&jobs, name).ok_or(ControlError::NoSuchBucket)?;
    let ended = Ended { bucket: job.bucket.clone(), job: job.job, objects: job.objects, bytes: job.bytes };
    control.end(EndJob { tenant: None, bucket: job.bucket.clone(), job: Some(job.job), mode }).await?;
    Ok(ended)
}

/// Which nodes may be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forget {
    /// Those that are not heard.
    Suspect,
    Any,
}

/// Forgets the node that a person means by its id, as `pocket status` shows it.
pub(crate) async fn forget(
    control: &dyn Control,
    name: &str,
    which: Forget,
) -> Result<Forgotten, ControlError> {
    let nodes = control.status().await?.nodes;
    let node = nodes.iter().map(|(node, _)| node).find(|node| node.id.to_string() == name);
    let node = node.ok_or(ControlError::NotAMember)?;
    if which == Forget::Suspect && node.state == NodeState::Live {
        return Err(ControlError::Refused(format!("node {name} is heard")));
    }
    control.forget(node.id).await
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use pocket_api::control::Derived;
    use pocket_api::hints::JobHints;
    use pocket_api::names::TenantName;

    /// Without hints and without anything in it.
    pub(crate) fn job(id: u64, bucket: &str, tenant: &str) -> JobSummary {
        JobSummary {
            job: JobId(id),
            bucket: BucketName::parse(bucket).unwrap(),
            tenant: TenantName::parse(tenant).unwrap(),
            created_at_ms: 0,
            hints: JobHints::default(),
            derived: Derived::default(),
            shards: 1,
            servers: 1,
            servers_capacity_bytes: 1 << 30,
            objects: 0,
            bytes: 0,
            ends_in: None,
        }
    }

    #[test]
    fn a_job_is_meant_by_its_id_first_and_by_its_bucket_else() {
        let jobs = [job(0xabc, "first", "t"), job(0xdef, "jabc", "t")];
        let found = |name| find(&jobs, name).map(|job| job.job.0);
        assert_eq!(
            [found("first"), found("jabc"), found("jdef"), found("none")],
            [Some(0xabc), Some(0xabc), Some(0xdef), None],
            "a bucket that is called like a job does not end in its place"
        );
    }
}
