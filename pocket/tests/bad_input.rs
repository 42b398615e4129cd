//! Bad input of any kind: one clear line that says what to do, an exit code, nothing half-started.

mod support;

use std::process::Command;
use support::{output, pocket, taken_port};

/// Runs `pocket` and expects it to be refused: answers the exit code and the only line that it said.
#[track_caller]
fn refused(mut command: Command, args: &[&str]) -> (i32, String) {
    command.args(args);
    let ended = output(command);
    let stderr = String::from_utf8(ended.stderr).unwrap();
    let stdout = String::from_utf8(ended.stdout).unwrap();
    assert!(stdout.is_empty(), "{args:?} said {stdout:?} before it failed");
    let lines: Vec<&str> = stderr.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("pocket: "), "{args:?} said {stderr:?}");
    (ended.status.code().unwrap(), lines[0].to_owned())
}

#[track_caller]
fn check(args: &[&str], code: i32, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let (ended_with, line) = refused(pocket(home.path()), args);
    assert_eq!(ended_with, code, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is missing in {line:?}");
    }
}

/// Checks what is said of a configuration file.
#[track_caller]
fn check_config(text: &str, words: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("pocket.toml");
    std::fs::write(&file, text).unwrap();
    for command in ["serve", "config", "storage", "dev-cluster"] {
        let (code, line) = refused(pocket(home.path()), &[command, "--config", file.to_str().unwrap()]);
        assert_eq!(code, 1);
        for word in words.iter().chain([&"pocket.toml"]) {
            assert!(line.contains(word), "{word:?} is missing in {line:?}");
        }
    }
}

#[test]
fn a_command_line_that_is_not_understood() {
    check(&["srve"], 2, &["srve"]);
    check(&["serve", "--capacity", "10 parsecs"], 2, &["10 parsecs", "512MiB"]);
    check(&["serve", "--capacity", "0"], 2, &["--capacity"]);
    check(&["serve", "--listen", "9000"], 2, &["9000", "host:port"]);
    check(&["serve", "--lissten", "127.0.0.1:1"], 2, &["--lissten"]);
    check(&["dev-cluster", "--storage", "0"], 2, &["--storage"]);
    check(&["end"], 2, &["JOB"]);
}

#[test]
fn a_configuration_that_cannot_hold() {
    check_config("[storage]\ncapcity = \"1GiB\"", &["line 2", "capcity", "capacity"]);
    check_config("[storage]\ncapacity = \"10 parsecs\"", &["line 2", "10 parsecs", "512MiB"]);
    check_config("[gateway]\nlisten = 9000", &["line 2"]);
    check_config("region", &["line 1"]);
    check(&["serve", "--config", "/nowhere/pocket.toml"], 1, &["/nowhere/pocket.toml"]);
    for role in ["serve", "storage"] {
        check(&[role, "--capacity", "64KiB"], 1, &["--capacity", "65536", "1048576"]);
    }
    check(&["serve", "--region", "Under World"], 1, &["Under World", "us-east-1"]);
    check(&["serve", "--log", "pocket=loud"], 1, &["pocket=loud"]);
}

#[test]
fn a_port_in_use_is_named_and_the_other_one_is_let_go() {
    let (_held, taken) = taken_port();
    let (free, other) = taken_port();
    drop(free);
    check(&["serve", "--listen", &taken, "--admin", &other], 1, &[&taken, "in use", "--listen"]);
    check(&["serve", "--listen", &other, "--admin", &taken], 1, &[&taken, "in use", "--admin"]);
    assert!(std::net::TcpListener::bind(&other).is_ok());
    check(&["controller", "--listen", &taken, "--admin", "off"], 1, &[&taken, "controller"]);
}

#[test]
fn half_a_pair_of_credentials() {
    let home = tempfile::tempdir().unwrap();
    for (given, missing) in [
        ("POCKET_ACCESS_KEY_ID", "POCKET_SECRET_ACCESS_KEY"),
        ("POCKET_SECRET_ACCESS_KEY", "POCKET_ACCESS_KEY_ID"),
    ] {
        let mut command = pocket(home.path());
        command.env(given, "0123456789");
        let (code, line) = refused(command, &["serve", "--listen", "127.0.0.1:0", "--admin", "off"]);
        assert!(code == 1 && line.contains(missing) && !line.contains("0123456789"), "{line}");
    }
}

#[test]
fn generated_credentials_are_not_shown_to_the_network() {
    for command in ["serve", "gateway", "dev-cluster"] {
        check(&[command, "--listen", "0.0.0.0:0"], 1, &["0.0.0.0:0", "POCKET_ACCESS_KEY_ID"]);
    }
}

#[test]
fn planes_on_the_network_need_a_secret() {
    for command in ["metadata", "storage", "controller"] {
        check(&[command, "--listen", "0.0.0.0:0", "--admin", "off"], 1, &["0.0.0.0:0", "cluster.secret"]);
    }
    check(
        &["monitor", "--controller", "controller.internal:9010"],
        1,
        &["controller.internal", "cluster.secret"],
    );
}

#[test]
fn a_plane_that_nobody_could_call() {
    let home = tempfile::tempdir().unwrap();
    let mut command = pocket(home.path());
    command.env("POCKET_CLUSTER_SECRET", "0123456789abcdef");
    let (code, line) = refused(command, &["storage", "--listen", "0.0.0.0:0", "--admin", "off"]);
    assert!(code == 1 && line.contains("--advertise"), "{line}");
}

#[test]
fn nobody_to_ask() {
    let (free, nobody) = taken_port();
    drop(free);
    for args in [&["jobs"][..], &["status"], &["end", "a-bucket"]] {
        check(&[args, &["--admin", &nobody]].concat(), 1, &[&nobody, "--admin"]);
    }
    check(&["end", "a bucket/../x"], 1, &["a bucket/../x"]);
}

#[test]
fn help_is_printed_where_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let shown = output(pocket(home.path()));
    let text = String::from_utf8(shown.stderr).unwrap() + &String::from_utf8(shown.stdout).unwrap();
    for command in ["serve", "dev-cluster", "jobs", "end", "status", "config", "bench"] {
        assert!(text.contains(command), "{command} is missing in {text}");
    }
}
