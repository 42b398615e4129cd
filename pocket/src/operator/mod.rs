//! `pocket jobs`, `pocket end`, `pocket forget` and `pocket status`: ask the admin port of a running Pocket and print what it says.

mod client;
mod json;
mod space;
mod tables;

use crate::admin::operator::{Ended, FORCE, JOBS_PATH, NODES_PATH, STATUS_PATH};
use crate::cli::{EndArgs, ForgetArgs, OperatorArgs};
use crate::output::say;
use crate::table::width;
use client::AdminClient;
use http::Method;
use pocket_api::control::{ClusterStatus, Forgotten, JobSummary};
use std::time::SystemTime;

pub(crate) async fn jobs(args: OperatorArgs) -> anyhow::Result<()> {
    let jobs: Vec<JobSummary> = AdminClient::new(args.admin).ask(Method::GET, JOBS_PATH).await?;
    match args.json {
        true => say(&serde_json::to_string(&json::jobs(&jobs, now_ms()))?),
        false => say(&tables::jobs(&jobs, now_ms(), width())),
    }
    Ok(())
}

pub(crate) async fn status(args: OperatorArgs) -> anyhow::Result<()> {
    let status: ClusterStatus = AdminClient::new(args.admin).ask(Method::GET, STATUS_PATH).await?;
    match args.json {
        true => say(&serde_json::to_string(&json::status(&status, now_ms()))?),
        false => say(&tables::status(&status, now_ms(), width())),
    }
    Ok(())
}

pub(crate) async fn end(args: EndArgs) -> anyhow::Result<()> {
    // It becomes part of a path: what cannot be a name there cannot be a bucket or a job id either.
    anyhow::ensure!(
        !args.job.is_empty() && args.job.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b)),
        "{:?} is neither a bucket name nor a job id: `pocket jobs` lists both",
        args.job
    );
    let query = if args.force { format!("?{FORCE}") } else { String::new() };
    let path = format!("{JOBS_PATH}/{}{query}", args.job);
    let ended: Ended = match AdminClient::new(args.admin).ask(Method::DELETE, &path).await {
        Err(client::AskError::Refused { status: 404, .. }) => {
            anyhow::bail!("no job or bucket {:?}: `pocket jobs` lists them", args.job)
        }
        Err(client::AskError::Refused { status: 409, .. }) => {
            anyhow::bail!("{:?} is not empty: add --force to end it with everything in it", args.job)
        }
        answer => answer?,
    };
    say(&format!("ended {} ({}), {}", ended.bucket, ended.job, tables::content(ended.objects, ended.bytes)));
    Ok(())
}

pub(crate) async fn forget(args: ForgetArgs) -> anyhow::Result<()> {
    anyhow::ensure!(
        !args.node.is_empty() && args.node.bytes().all(|b| b.is_ascii_alphanumeric()),
        "{:?} is no node id: `pocket status` lists them",
        args.node
    );
    let query = if args.force { format!("?{FORCE}") } else { String::new() };
    let path = format!("{NODES_PATH}/{}{query}", args.node);
    let forgotten: Forgotten = match AdminClient::new(args.admin).ask(Method::DELETE, &path).await {
        Err(client::AskError::Refused { status: 404, .. }) => {
            anyhow::bail!("no node {:?}: `pocket status` lists them", args.node)
        }
        Err(client::AskError::Refused { status: 409, .. }) => anyhow::bail!(
            "node {:?} is heard: stop it, or add --force to lose what it holds while it runs",
            args.node
        ),
        answer => answer?,
    };
    say(&format!("forgot {}, {}", args.node, tables::forgotten(&forgotten)));
    Ok(())
}

fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis() as u64
}
