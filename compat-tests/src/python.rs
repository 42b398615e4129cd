//! Real clients: a virtual environment with pinned packages, made once, and the suites that run in it.

use crate::server::{ACCESS_KEY, SECRET_KEY, Server};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Failed cases after which a suite gives up.
const FAILURES_MAX: &str = "--maxfail=25";

/// Runs some files of `compat-tests/python` and panics with their output when a case fails.
#[track_caller]
pub fn run_suite(files: &[&str], server: &Server) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("python");
    let environment = environment();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut command = Command::new(environment.join("bin/python"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") || name.to_string_lossy().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    let urls: Vec<String> = server.endpoints.iter().map(|e| format!("http://{e}")).collect();
    let output = command
        .args(["-m", "pytest", FAILURES_MAX, "--tb=short", "--durations=3"])
        .args(files)
        .current_dir(&root)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("POCKET_ENDPOINTS", urls.join(","))
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("AWS_REGION", "us-east-1")
        .env("AWS_DEFAULT_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_CONFIG_FILE", folder.path().join("config"))
        .env("AWS_SHARED_CREDENTIALS_FILE", folder.path().join("credentials"))
        .env("HOME", folder.path())
        .env("NO_PROXY", "*")
        .output()
        .expect("python can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{files:?} failed:\n{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    println!("{text}");
}

/// The environment's folder, under the target directory. Made again when the requirements change.
fn environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let own = std::env::current_exe().expect("this program has a path");
        let target = own.ancestors().nth(3).expect("tests lie in <target>/<profile>/deps");
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt");
        let wanted = fs::read_to_string(&requirements).expect("the requirements can be read");
        let (folder, stamp) = (target.join("compat-venv"), target.join("compat-venv/requirements.stamp"));
        // Several test programs may come here at once.
        let lock =
            File::create(target.join("compat-venv.lock")).expect("the target directory can be written to");
        lock.lock().expect("the lock can be taken");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return folder;
        }
        let _ = fs::remove_dir_all(&folder);
        run(
            Command::new("python3").args(["-m", "venv"]).arg(&folder),
            "python3 with its venv module is needed",
        );
        let mut pip = Command::new(folder.join("bin/python"));
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(&requirements);
        run(&mut pip, "the pinned client packages could not be installed");
        fs::write(&stamp, wanted).expect("the environment can be written to");
        folder
    })
}

fn run(command: &mut Command, why: &str) {
    let status = command.status().unwrap_or_else(|e| panic!("{why}: {e}"));
    assert!(status.success(), "{why}: {command:?} ended with {status}");
}
