//! Clients in Python: one virtual environment for all of them, and `job.py`.

use crate::clients::{Client, folder};
use crate::python::make_environment;
use crate::workshop::{Missing, Workshop, has_program};
use std::path::PathBuf;
use std::process::Command;

/// `job.py` in the shared environment, with `compat-tests/clients/python` to import from.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    let environment = environment(workshop)?;
    let mut command = Command::new(environment.join("bin/python"));
    command.arg("-u").arg(client.folder().join("job.py"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    // The client's own programs by their names: `aws`, `s3cmd`.
    let path = std::iter::once(environment.join("bin")).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(path).map_err(Missing::new)?);
    command.env("PYTHONPATH", folder().join("python")).env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The shared environment's folder, with `bin/python` in it.
pub fn environment(workshop: &Workshop) -> Result<PathBuf, Missing> {
    if !has_program("python3") {
        return Err(Missing::new("python3 is not installed"));
    }
    let requirements = folder().join("python/requirements.txt");
    workshop.installed("python", &[&requirements], |folder| make_environment(folder, &requirements))
}
