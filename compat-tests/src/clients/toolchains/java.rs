//! What runs on a JVM: a JDK that all of it can run on, and Maven with a repository of its own for the jars.

use super::apt;
use crate::clients::Client;
use crate::workshop::{Missing, Workshop, has_program, run};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Spark 4 begins with 17; what Hadoop calls to log a user in is gone after 23, and 21 is the last one before it that is
/// maintained.
const VERSIONS: RangeInclusive<u32> = 17..=21;
/// Where Debian and others put theirs, one folder each.
const INSTALLED: &str = "/usr/lib/jvm";
const CLASSPATH_GOAL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath";

/// The folder of a JDK in a version that fits; installed where there is none.
pub fn home() -> Result<PathBuf, Missing> {
    if let Some(home) = find_home() {
        return Ok(home);
    }
    apt::install(&["default-jdk-headless"])?;
    find_home().ok_or_else(|| Missing(format!("there is no JDK in version {VERSIONS:?}")))
}

/// `Job.java`, which the JDK compiles when it starts it, with what `pom.xml` depends on.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let pom = client.folder().join("pom.xml");
    let folder = workshop.installed(client.name, &[&pom], |folder| {
        write_classpath(workshop, &pom, &folder.join("classpath"))
    })?;
    let mut java = Command::new(home()?.join("bin/java"));
    java.arg("-cp").arg(fs::read_to_string(folder.join("classpath")).map_err(Missing::new)?);
    java.arg(client.folder().join("Job.java"));
    Ok(java)
}

/// Maven for the project in `pom`, with nothing but what it downloads itself.
pub fn maven(workshop: &Workshop, pom: &Path) -> Result<Command, Missing> {
    if !has_program("mvn") {
        apt::install(&["maven"])?;
    }
    let mut command = Command::new("mvn");
    command.arg("--batch-mode").arg("--file").arg(pom).env("JAVA_HOME", home()?);
    command.arg(format!("-Dmaven.repo.local={}", repository(workshop)?.display()));
    Ok(command)
}

/// Where Maven keeps what it has downloaded.
pub fn repository(workshop: &Workshop) -> Result<PathBuf, Missing> {
    workshop.kept("maven")
}

/// Downloads what `pom` depends on and writes the jars' paths, divided by colons, to `output`.
pub fn write_classpath(workshop: &Workshop, pom: &Path, output: &Path) -> Result<(), Missing> {
    let mut maven = maven(workshop, pom)?;
    run(maven.arg(CLASSPATH_GOAL).arg(format!("-Dmdep.outputFile={}", output.display())))
}

/// The lowest version that fits: that of `JAVA_HOME`, of the path, or one of those in `/usr/lib/jvm`.
fn find_home() -> Option<PathBuf> {
    let of_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .filter_map(|folder| Some(folder.join("javac").canonicalize().ok()?.parent()?.parent()?.to_owned()))
        .collect::<Vec<_>>();
    let installed = fs::read_dir(INSTALLED).into_iter().flatten().flatten().map(|entry| entry.path());
    let homes = std::env::var_os("JAVA_HOME").map(PathBuf::from).into_iter().chain(of_path).chain(installed);
    let fitting = homes.filter(|home| home.join("bin/javac").is_file());
    let fitting = fitting.filter_map(|home| Some((version(&home)?, home)));
    fitting.filter(|(version, _)| VERSIONS.contains(version)).min().map(|(_, home)| home)
}

/// As the JDK's `release` file says it: `JAVA_VERSION="17.0.15"`.
fn version(home: &Path) -> Option<u32> {
    let release = fs::read_to_string(home.join("release")).ok()?;
    let version = release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION=\""))?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
