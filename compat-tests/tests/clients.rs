//! The matrix of real clients, as far as it needs Rust and Python alone, and what is said about it. The others:
//! `cargo run -p pocket-compat-tests --bin clients`.

use pocket_compat_tests::clients::outcome::table;
use pocket_compat_tests::clients::page;
use pocket_compat_tests::clients::run::{Part, Servers, Transport, run};
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

/// The endpoint as the page shows it; jobs have another.
const SHOWN_ENDPOINT: &str = "\"http://127.0.0.1:9000\"";

/// Jobs that are compiled, or have their settings in a file of their own: where the lines of the page stand.
const WRITTEN_TWICE: [(&str, &str); 6] = [
    ("aws-sdk-go-v2", "main.go"),
    ("aws-sdk-java-v2", "Job.java"),
    ("aws-sdk-js-v2", "job.mjs"),
    ("aws-sdk-js-v3", "job.mjs"),
    ("aws-sdk-rust", "main.rs"),
    ("s3a-contract", "conf/auth-keys.xml"),
];

/// What the other jobs read the page with.
const READERS: [&str; 4] = ["page_lines(", "page_command(", "from_page(", "job_of_spark.run("];

/// Whether a line of a job is that of the page, where the endpoint is the value of any variable.
fn is_shown(line: &str, shown: &str) -> bool {
    let (line, shown) = (line.trim(), shown.trim());
    let Some((before, after)) = shown.split_once(SHOWN_ENDPOINT) else { return line == shown };
    let variable = line.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    variable.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric()))
}

#[test]
fn every_job_is_set_up_by_the_lines_of_the_page() {
    for client in CLIENTS {
        let config = client.config().unwrap();
        let block = config.split("```").nth(1).unwrap_or_else(|| panic!("{}: no lines", client.name));
        let Some((_, file)) = WRITTEN_TWICE.iter().find(|(name, _)| *name == client.name) else {
            let folder = std::fs::read_dir(client.folder()).unwrap().map(|entry| entry.unwrap().path());
            let sources = folder.filter(|path| path.extension().is_some_and(|extension| extension == "py"));
            let reads = |source: String| READERS.iter().any(|reader| source.contains(reader));
            let mut sources = sources.map(|path| std::fs::read_to_string(path).unwrap());
            assert!(sources.any(reads), "{}: no source reads the lines of the page", client.name);
            continue;
        };
        let source = std::fs::read_to_string(client.folder().join(file)).unwrap();
        for shown in block.lines().skip(1) {
            let stands = match shown.split_once('=') {
                Some((name, _)) if file.ends_with(".xml") => source.contains(&format!("<name>{name}</name>")),
                _ => source.lines().any(|line| is_shown(line, shown)),
            };
            assert!(stands, "{}: {shown:?} is not in {file}", client.name);
        }
    }
}

#[test]
fn a_line_of_the_page_is_told_from_another() {
    let shown = "    .endpoint_url(\"http://127.0.0.1:9000\")";
    assert!(is_shown("  .endpoint_url(address)", shown) && is_shown("build()", " build()"));
    assert!(!is_shown(".endpoint_url(address).more()", shown) && !is_shown("build(1)", "build()"));
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
fn clients_do_their_jobs_in_tls() {
    expect_all_to_pass(Part::Brief, Transport::Tls);
}

#[test]
fn clients_that_need_rust_and_python_alone_do_their_jobs() {
    expect_all_to_pass(Part::Whole, Transport::Plain);
}

#[track_caller]
fn expect_all_to_pass(part: Part, transport: Transport) {
    let (workshop, servers) = (Workshop::open().unwrap(), Servers::start(transport));
    let clients = CLIENTS.iter().filter(|client| client.is_of_the_test_command());
    let reports: Vec<_> = clients.map(|client| run(client, part, &workshop, &servers)).collect();
    for report in reports.iter().filter(|report| report.is_failure(true)) {
        println!("{}: {}", report.client.name, report.outcome.details().unwrap_or_default());
    }
    println!("{}", table(&reports));
    assert!(!reports.iter().any(|report| report.is_failure(true)), "not every client passed");
}
