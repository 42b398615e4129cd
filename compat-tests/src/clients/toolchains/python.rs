//! Clients in Python: one virtual environment for all of them, and `job.py`.

use crate::clients::{Client, folder};
use crate::python::make_environment;
use crate::workshop::{Missing, Workshop, has_program};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// `job.py` in the shared environment.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    python_job(&environment(workshop)?, client, &[])
}

/// `job.py` in an environment, with `compat-tests/clients/python` and the `shared` folders to import from.
pub(super) fn python_job(
    environment: &Path,
    client: &Client,
    shared: &[PathBuf],
) -> Result<Command, Missing> {
    let mut command = Command::new(environment.join("bin/python"));
    command.arg("-u").arg(client.folder().join("job.py"));
    // The client's own programs by their names: `aws`, `s3cmd`.
    find_programs(&mut command, &environment.join("bin"))?;
    let imports = std::iter::once(folder().join("python")).chain(shared.iter().cloned());
    command.env("PYTHONPATH", std::env::join_paths(imports).map_err(Missing::new)?);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    Ok(command)
}

/// The command finds programs in this folder before all others.
pub(super) fn find_programs(command: &mut Command, folder: &Path) -> Result<(), Missing> {
    let set = command.get_envs().find_map(|(name, value)| if name == "PATH" { value } else { None });
    let path = set.map(OsStr::to_owned).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let path = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&path));
    command.env("PATH", std::env::join_paths(path).map_err(Missing::new)?);
    Ok(())
}

/// The shared environment's folder, with `bin/python` in it.
pub fn environment(workshop: &Workshop) -> Result<PathBuf, Missing> {
    if !has_program("python3") {
        return Err(Missing::new("python3 is not installed"));
    }
    let requirements = folder().join("python/requirements.txt");
    workshop.installed("python", &[&requirements], |folder| make_environment(folder, &requirements))
}
