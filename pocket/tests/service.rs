//! The unit for systemd: what it starts and how it reloads, run as it stands, with its paths in a folder of the test.

mod support;

use pocket_compat_tests::s3::Client;
use std::path::Path;
use std::process::Command;
use support::{ACCESS_KEY, Running, SECRET_KEY, eventually, output, pocket};

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/pocket.service");

/// The value of the unit's only line `name=`.
#[track_caller]
fn setting(name: &str) -> String {
    let unit = std::fs::read_to_string(UNIT).unwrap();
    let values: Vec<&str> =
        unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('=')).collect();
    assert_eq!(values.len(), 1, "{name} in {unit}");
    values[0].to_owned()
}

/// With the paths of an installation inside of `root`.
fn moved(line: &str, root: &Path) -> String {
    let root = root.display().to_string();
    line.replace("/usr/local/bin/pocket", env!("CARGO_BIN_EXE_pocket"))
        .replace("/etc/pocket", &format!("{root}/etc"))
        .replace("%S", &format!("{root}/state"))
}

/// Starts what the unit starts. systemd's part is done as its manual has it: a file of variables that begins with `-`
/// need not be there.
fn start(credentials: Option<&str>) -> Running {
    let home = tempfile::tempdir().unwrap();
    let root = home.path();
    std::fs::create_dir_all(root.join("etc")).unwrap();
    std::fs::create_dir_all(root.join("state/pocket")).unwrap();
    let config =
        "gateway.listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"\nstorage.capacity = \"64MiB\"\n";
    std::fs::write(root.join("etc/pocket.toml"), config).unwrap();
    if let Some(variables) = credentials {
        std::fs::write(root.join("etc/credentials"), variables).unwrap();
    }
    let line = moved(&setting("ExecStart"), root);
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some(env!("CARGO_BIN_EXE_pocket")));
    let mut command = pocket(root);
    command.args(words).env_remove("HOME");
    let variables = moved(&setting("Environment"), root);
    let file = moved(&setting("EnvironmentFile"), root);
    let text = match file.strip_prefix('-') {
        Some(optional) => std::fs::read_to_string(optional).unwrap_or_default(),
        None => std::fs::read_to_string(&file).unwrap(),
    };
    for variable in variables.lines().chain(text.lines()) {
        let (name, value) = variable.split_once('=').unwrap();
        command.env(name, value);
    }
    Running::start(command, home)
}

#[test]
fn it_serves_with_the_credentials_of_its_file_and_reloads() {
    let variables = format!("POCKET_ACCESS_KEY_ID={ACCESS_KEY}\nPOCKET_SECRET_ACCESS_KEY={SECRET_KEY}\n");
    let mut service = start(Some(&variables));
    let banner = service.banner();
    Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY).get("/").expect(200);
    let reload = setting("ExecReload").replace("$MAINPID", &service.pid().to_string());
    assert!(Command::new("sh").args(["-c", &reload]).status().unwrap().success());
    eventually("a line about it", || service.log().contains("SIGHUP: nothing to take over").then_some(()));
    Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY).get("/").expect(200);
}

#[test]
fn without_its_file_it_keeps_a_generated_pair_in_its_state_directory() {
    assert_eq!(setting("StateDirectory"), "pocket");
    let mut service = start(None);
    let banner = service.banner();
    Client::new(banner.endpoint(), banner.value("access key"), banner.value("secret key"))
        .get("/")
        .expect(200);
    assert!(service.home.path().join("state/pocket/credentials.toml").exists());
}

#[test]
fn systemd_finds_no_fault_with_it() {
    let home = tempfile::tempdir().unwrap();
    let unit = home.path().join("pocket.service");
    std::fs::write(&unit, moved(&std::fs::read_to_string(UNIT).unwrap(), home.path())).unwrap();
    let mut verify = Command::new("systemd-analyze");
    verify.arg("verify").arg(&unit);
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        eprintln!("there is no systemd-analyze on this machine: the unit was not verified");
        return;
    }
    let verified = output(verify);
    let said = String::from_utf8(verified.stderr).unwrap();
    assert!(verified.status.success() && !said.contains("pocket.service"), "{said}");
}
