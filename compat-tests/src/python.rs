//! Real clients: a virtual environment with pinned packages, made once, and the suites that run in it.

use crate::server::{ACCESS_KEY, OTHER_ACCESS_KEY, OTHER_SECRET_KEY, SECRET_KEY, Server};
use crate::workshop::{Missing, Workshop, run};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Failed cases after which a suite gives up.
const FAILURES_MAX: &str = "--maxfail=25";
/// Installs the other packages.
const UV: &str = "uv==0.13.9";

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
    let urls: Vec<String> = server.urls().collect();
    if server.scheme == "https" {
        command.env("AWS_CA_BUNDLE", server.authority()).env("REQUESTS_CA_BUNDLE", server.authority());
    }
    let output = command
        .args(["-m", "pytest", FAILURES_MAX, "--tb=short", "--durations=3"])
        .args(files)
        .current_dir(&root)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("POCKET_ENDPOINTS", urls.join(","))
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
        .env("POCKET_OTHER_ACCESS_KEY_ID", OTHER_ACCESS_KEY)
        .env("POCKET_OTHER_SECRET_ACCESS_KEY", OTHER_SECRET_KEY)
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
pub(crate) fn environment() -> &'static Path {
    static ENVIRONMENT: OnceLock<PathBuf> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt");
        let workshop = Workshop::open().expect("the target directory can be written to");
        let installed =
            workshop.installed("suites", &[&requirements], |folder| make_environment(folder, &requirements));
        installed.unwrap_or_else(|Missing(reason)| panic!("the suites' environment: {reason}"))
    })
}

/// Makes a virtual environment and installs the pinned packages and no others: what one of them needs and the list does not
/// pin is missing. uv does that in less than half the time; where there is none for this machine, pip does it.
pub(crate) fn make_environment(folder: &Path, requirements: &Path) -> Result<(), Missing> {
    run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
    let module = |name: &str| {
        let mut command = Command::new(folder.join("bin/python"));
        command.args(["-m", name]);
        command
    };
    let pip = || {
        let mut pip = module("pip");
        pip.args(["install", "--quiet", "--disable-pip-version-check"]);
        pip
    };
    if run(pip().arg(UV)).is_ok() {
        let mut uv = module("uv");
        uv.args(["pip", "install", "--quiet", "--no-deps", "--python"]).arg(folder.join("bin/python"));
        run(uv.arg("--requirement").arg(requirements))?;
    } else {
        run(pip().args(["--no-deps", "--requirement"]).arg(requirements))?;
    }
    run(module("pip").args(["check", "--disable-pip-version-check"]))
}
