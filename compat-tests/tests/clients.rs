//! The matrix of real clients, as far as it needs Rust and Python alone, and what is said about it. The others:
//! `cargo run -p pocket-compat-tests --bin clients`.

use pocket_compat_tests::clients::outcome::table;
use pocket_compat_tests::clients::page;
use pocket_compat_tests::clients::run::{Part, Servers, run};
use pocket_compat_tests::clients::table::CLIENTS;
use pocket_compat_tests::workshop::Workshop;

/// Folders of what several jobs share.
const SHARED: [&str; 2] = ["python", "spark"];

#[test]
fn the_page_of_clients_shows_what_the_jobs_use() {
    let page = page::document().unwrap();
    if std::fs::read_to_string(page::path()).unwrap_or_default() != page {
        std::fs::write(page::path(), page).unwrap();
        panic!("docs/clients.md did not match and was written anew: commit it");
    }
}

#[test]
fn every_client_has_a_folder_and_every_folder_a_client() {
    let mut folders: Vec<String> = std::fs::read_dir(pocket_compat_tests::clients::folder())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !SHARED.contains(&name.as_str()))
        .collect();
    folders.sort_unstable();
    let mut names: Vec<&str> = CLIENTS.iter().map(|client| client.name).collect();
    names.sort_unstable();
    assert_eq!(folders, names);
}

#[test]
fn clients_that_need_rust_and_python_alone_do_their_jobs() {
    let (workshop, servers) = (Workshop::open().unwrap(), Servers::start());
    let clients = CLIENTS.iter().filter(|client| client.is_of_the_test_command());
    let reports: Vec<_> = clients.map(|client| run(client, Part::Whole, &workshop, &servers)).collect();
    for report in reports.iter().filter(|report| report.is_failure(true)) {
        println!("{}: {}", report.client.name, report.outcome.details().unwrap_or_default());
    }
    println!("{}", table(&reports));
    assert!(!reports.iter().any(|report| report.is_failure(true)), "not every client passed");
}
