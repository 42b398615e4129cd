//! Clients in Go: modules with their own `go.mod` and `go.sum`, compiled into a folder of their own.

use super::python;
use crate::clients::Client;
use crate::workshop::{Missing, Workshop, has_program, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The client's own program, `main.go`.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let source = client.folder();
    let inputs = ["go.mod", "go.sum", "main.go"].map(|name| source.join(name));
    let folder = workshop.installed(client.name, &inputs.each_ref().map(PathBuf::as_path), |folder| {
        run(go(&source, workshop)?.args(["build", "-o"]).arg(folder.join("job")).arg("."))
    })?;
    Ok(Command::new(folder.join("job")))
}

/// `job.py`, with the program that `go.mod` names as its tool in the path.
pub fn job_with_tool(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let source = client.folder();
    let inputs = ["go.mod", "go.sum"].map(|name| source.join(name));
    let folder = workshop.installed(client.name, &inputs.each_ref().map(PathBuf::as_path), |folder| {
        run(go(&source, workshop)?.env("GOBIN", folder).args(["install", "tool"]))
    })?;
    let mut command = python::job(client, workshop)?;
    python::find_programs(&mut command, &folder)?;
    Ok(command)
}

/// A `go` that leaves nothing outside the workshop.
fn go(source: &Path, workshop: &Workshop) -> Result<Command, Missing> {
    if !has_program("go") {
        return Err(Missing::new("go is not installed"));
    }
    let mut go = Command::new("go");
    go.current_dir(source);
    // A toolchain too old for a module is missing, rather than fetched; modules may be removed like other files.
    go.env("GOTOOLCHAIN", "local").env("GOFLAGS", "-modcacherw -buildvcs=false -ldflags=-s");
    go.env("GOPATH", workshop.kept("go")?).env("GOCACHE", workshop.kept("go-cache")?).env("CGO_ENABLED", "0");
    Ok(go)
}
