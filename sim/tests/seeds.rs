//! The world's binary, as people run it.

use std::process::{Command, Output};

fn sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_pocket-sim")).args(args).output().unwrap()
}

#[track_caller]
fn clean(args: &[&str]) {
    let ended = sim(args);
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    assert!(said.contains("seeds clean"), "{said}");
}

/// How many seeds are run; as many as there is time for, where somebody says so.
const SEEDS: &str = "POCKET_SIM_SEEDS";

#[test]
fn seeds_with_all_faults_are_clean_and_each_is_one_history() {
    let seeds = std::env::var(SEEDS).unwrap_or_else(|_| "6".to_owned());
    clean(&["--seeds", &seeds]);
}

#[test]
fn a_seed_shows_its_faults_and_what_clients_saw() {
    let ended = sim(&["--seed", "1", "--faults", "crash-server,loss", "--history"]);
    let said = String::from_utf8(ended.stdout).unwrap();
    assert!(ended.status.success(), "{said}");
    assert!(said.starts_with("trace ") && said.contains(" client 0: "), "{said}");
}

#[test]
fn faults_that_there_are_not_are_said() {
    let ended = sim(&["--faults", "flood"]);
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && said.contains("\"flood\" is none of delay, loss"), "{said}");
}

#[test]
fn what_is_wrong_behind_a_seam_is_found_by_a_judge() {
    let ended = sim(&["--plants", "--seeds", "100"]);
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}{}", String::from_utf8_lossy(&ended.stderr));
    println!("{said}");
}
