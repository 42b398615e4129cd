//! Runs a page's script beside a server, with the programs that the pages call for.

use super::page::blocks;
use super::script::{PROGRESS, Script, script};
use crate::clients::toolchains::python;
use crate::python::environment;
use crate::server::{self, Server, free_port, signal_group};
use crate::workshop::{Missing, Workshop};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Tenants of the server that is there. The pages show the key of the first.
const CONFIG: &str = r#"
[[tenant]]
name = "default"
access-key-id = "my-key"
secret-access-key = "my-secret"

[[tenant]]
name = "team-a"
access-key-id = "team-a-key"
secret-access-key = "team-a-secret"
"#;
const CAPACITY: &str = "256MiB";
/// More than any page takes, also on a machine that is busy; in coreutils' words.
const ENDS_WITHIN: &str = "300s";

/// Every page that is written for people, as paths from the workspace's folder. Pages of single clients are parts of
/// `docs/clients.md`, which a test holds against them.
pub fn pages() -> Vec<PathBuf> {
    let mut pages =
        vec!["README.md".into(), "ARCHITECTURE.md".into(), "compat-tests/python/README.md".into()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(workspace().join(&folder)).expect("the documentation can be read") {
            let path = folder.join(entry.expect("the documentation can be read").file_name());
            if workspace().join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort_unstable();
    pages
}

/// Runs one page. The error says which block failed, and what it said.
pub fn run(page: &Path) -> Result<Script, String> {
    let name = page.display().to_string();
    let text = fs::read_to_string(workspace().join(page)).map_err(|e| format!("{name}: {e}"))?;
    let blocks = blocks(&text).map_err(|e| format!("{name}: {e}"))?;
    if blocks.iter().all(|block| block.not_run.is_some()) {
        return script(&name, &blocks, [0, 0]);
    }
    let server = Server::serve(CAPACITY, CONFIG);
    let (_, port) = server.endpoints[0].rsplit_once(':').expect("host:port");
    let ports = [port.parse().expect("a port is a number"), free_port()];
    let script = script(&name, &blocks, ports)?;
    let home = tempfile::tempdir().expect("a temporary folder");
    let (output, path) = (home.path().join("output"), home.path().join("page.sh"));
    fs::write(&path, &script.text).map_err(|e| e.to_string())?;
    let file = File::create(&output).map_err(|e| e.to_string())?;
    let mut command = shell(home.path(), &server).map_err(|Missing(reason)| reason)?;
    // Its own group, so that what a page leaves running ends with it.
    let mut child = command
        .arg(&path)
        .stdout(file.try_clone().map_err(|e| e.to_string())?)
        .stderr(file)
        .process_group(0)
        .spawn()
        .map_err(|e| format!("bash cannot be run: {e}"))?;
    let status = child.wait().map_err(|e| e.to_string())?;
    signal_group(child.id(), "TERM");
    if status.success() {
        return Ok(script);
    }
    let block = fs::read_to_string(home.path().join(PROGRESS)).unwrap_or_default();
    let line = block.trim().rsplit_once(':').map_or("", |(_, line)| line);
    let printed = fs::read_to_string(home.path().join(format!("printed-{line}"))).unwrap_or_default();
    let said = fs::read_to_string(&output).unwrap_or_default();
    Err(format!("{}: ended with {status}\n{printed}{said}", block.trim()))
}

/// Bash with what a page may ask for: `pocket`, clients in Python, pytest.
fn shell(home: &Path, server: &Server) -> Result<Command, Missing> {
    let workshop = Workshop::open().map_err(Missing::new)?;
    let mut folders = vec![server::binary().parent().expect("programs lie in folders").to_owned()];
    folders.push(python::environment(&workshop)?.join("bin"));
    folders.push(environment().join("bin"));
    folders.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5s", ENDS_WITHIN, "bash"]);
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        // Whom the caller trusts is no more the reader's business than the caller's keys.
        let callers = ["AWS_", "POCKET_", "XDG_", "SSL_", "CURL_", "REQUESTS_"];
        if callers.iter().any(|start| name.starts_with(start)) || name.ends_with("_proxy") {
            command.env_remove(&*name);
        }
    }
    command.current_dir(home).env("HOME", home).stdin(Stdio::null());
    command.env("PATH", std::env::join_paths(folders).map_err(Missing::new)?);
    // As the banner says, in that shell.
    command.env("AWS_ENDPOINT_URL", format!("http://{}", server.endpoints[0]));
    command.env("AWS_REGION", "us-east-1").env("AWS_DEFAULT_REGION", "us-east-1");
    command.env("AWS_ACCESS_KEY_ID", "my-key").env("AWS_SECRET_ACCESS_KEY", "my-secret");
    // Nobody asks the cloud for credentials.
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("NO_PROXY", "*");
    Ok(command)
}

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
