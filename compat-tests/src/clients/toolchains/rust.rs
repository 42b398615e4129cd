//! Clients in Rust: packages outside this workspace, with a lock file and a target directory of their own.

use crate::clients::Client;
use crate::workshop::{Missing, Workshop, run};
use std::process::Command;

/// The package's program, `job`. Cargo itself sees whether there is anything to compile.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let target = workshop.kept(client.name)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--locked", "--quiet", "--manifest-path"]).arg(client.folder().join("Cargo.toml"));
    run(cargo.arg("--target-dir").arg(&target))?;
    Ok(Command::new(target.join("debug/job")))
}
