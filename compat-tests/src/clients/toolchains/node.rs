//! Clients in JavaScript: packages as their `package-lock.json` pins them, and `job.mjs`.

use crate::clients::Client;
use crate::workshop::{Missing, Workshop, has_program, run};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// `job.mjs` beside its `node_modules`, which is where node looks for them.
pub fn job(client: &Client, workshop: &Workshop) -> Result<Command, Missing> {
    if !has_program("node") || !has_program("npm") {
        return Err(Missing::new("node with npm is not installed"));
    }
    let source = client.folder();
    let inputs = ["package.json", "package-lock.json", "job.mjs"].map(|name| source.join(name));
    let cache = workshop.kept("npm")?;
    let folder = workshop.installed(client.name, &inputs.each_ref().map(PathBuf::as_path), |folder| {
        for input in &inputs {
            let name = input.file_name().expect("names of files");
            fs::copy(input, folder.join(name)).map_err(Missing::new)?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache"]).arg(&cache);
        run(npm.current_dir(folder))
    })?;
    let mut command = Command::new("node");
    command.arg(folder.join("job.mjs"));
    Ok(command)
}
