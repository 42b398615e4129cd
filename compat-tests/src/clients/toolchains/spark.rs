//! Spark in Python, each version in an environment of its own, with the jars that stand beside it for S3.

use super::java;
use super::python::python_job;
use crate::clients::{Client, folder};
use crate::python::make_environment;
use crate::workshop::{Missing, Workshop};
use std::fs;
use std::process::Command;

/// `job.py`, with what all versions share in `compat-tests/clients/spark`.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let java = java::home()?;
    let (shared, own) = (folder().join("spark"), client.folder());
    let (requirements, pom) = (own.join("requirements.txt"), own.join("pom.xml"));
    let inputs = [requirements.as_path(), &pom, &shared.join("pom.xml")];
    let environment = workshop.installed(client.name, &inputs, |into| {
        make_environment(into, &requirements)?;
        java::write_classpath(workshop, &pom, &into.join("classpath"))
    })?;
    let mut command = python_job(&environment, client, &[shared])?;
    let classpath = fs::read_to_string(environment.join("classpath")).map_err(Missing::new)?;
    command.env("JAVA_HOME", java).env("POCKET_SPARK_CLASSPATH", classpath.trim());
    Ok(command)
}
