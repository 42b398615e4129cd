//! Hadoop's own tests of S3A, compiled from the sources that are published.

use super::java;
use super::python::{environment, python_job};
use crate::clients::Client;
use crate::workshop::{Missing, Workshop, run};
use std::process::Command;

/// `job.py`, which runs the compiled tests with Maven.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let pom = client.folder().join("pom.xml");
    let built = workshop.installed(client.name, &[&pom], |into| {
        let mut maven = java::maven(workshop, &pom)?;
        // The tests' own phase is only there to download what it takes to run them.
        run(maven.args(["test", "-DskipTests"]).arg(format!("-Dwork.dir={}", into.display())))
    })?;
    let mut command = python_job(&environment(workshop)?, client, &[])?;
    command.env("JAVA_HOME", java::home()?).env("POCKET_MAVEN", java::repository(workshop)?);
    command.env("POCKET_BUILT", built);
    Ok(command)
}
