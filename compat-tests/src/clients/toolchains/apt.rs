//! Packages of Debian. They are the machine's own, so their versions are what its release has.

use crate::workshop::{Missing, has_program, run};
use std::process::Command;
use std::sync::OnceLock;

/// Mirrors fail for moments.
const RETRIES: &str = "Acquire::Retries=5";

/// Installs what is not there, where that is allowed.
pub fn install(packages: &[&str]) -> Result<(), Missing> {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| version(package).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !has_program("apt-get") || !is_root() {
        return Err(Missing(format!("needs root and apt-get to install {}", missing.join(" "))));
    }
    update()?;
    let mut install = Command::new("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive");
    run(install.args(["install", "-qy", "--no-install-recommends", "-o", RETRIES]).args(missing))
}

/// The version of an installed package.
pub fn version(package: &str) -> Option<String> {
    let mut query = Command::new("dpkg-query");
    query.args(["--show", "--showformat", "${db:Status-Status} ${Version}", package]);
    let output = query.output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.strip_prefix("installed ")?.to_owned())
}

/// Once a run: lists of packages grow old in minutes at the most.
fn update() -> Result<(), Missing> {
    static DONE: OnceLock<Result<(), String>> = OnceLock::new();
    let done = DONE
        .get_or_init(|| run(Command::new("apt-get").args(["update", "-q", "-o", RETRIES])).map_err(|e| e.0));
    done.clone().map_err(Missing)
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout == b"0\n")
}
