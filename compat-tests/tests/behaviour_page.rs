//! `docs/s3-behaviour.md` names tests that exist, and that something runs.

use std::fs;
use std::path::{Path, PathBuf};

/// What the files that the page names are below of.
const ROOTS: [&str; 4] = ["gateway/tests", "gateway/edge/tests", "compat-tests", ""];
/// What the suites in Python are started by.
const SUITES: &str = "compat-tests/tests/real_clients.rs";
/// What the parts of a job of Spark have that its driver calls.
const CALLED_BY_ITS_JOB: &str = "run";

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `file::test` of each reference in the text; the others between backquotes are no references.
fn references(page: &str) -> Vec<(&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect()
}

/// Whether the file has a test of that name which is run, as its kind of file writes one down. `suites`: the text of what
/// starts the suites in Python; `neighbours`: the other sources in the file's folder.
fn has_test(file: &str, source: &str, name: &str, suites: &str, neighbours: &str) -> bool {
    let is_defined = || source.lines().any(|line| line.starts_with(&format!("def {name}(")));
    match file.rsplit_once('/').unwrap_or(("", file)) {
        // Hadoop's classes, and which part of the job runs them.
        (_, "classes.csv") => {
            let row = source.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(','));
            row.is_some_and(|row| ["short", "whole", "root"].iter().any(|part| row.starts_with(part)))
        }
        ("python", suite) => is_defined() && suites.contains(&format!("\"{suite}\"")),
        // A step of a client's job is a function that the job calls.
        (folder, _) if folder.starts_with("clients/") => {
            let is_call = |line: &str| line.contains(&format!("{name}(")) && !line.starts_with("def ");
            let is_called = || source.lines().chain(neighbours.lines()).any(is_call);
            is_defined() && (name == CALLED_BY_ITS_JOB || is_called())
        }
        _ => has_rust_test(source, name),
    }
}

fn has_rust_test(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let is_marked = |at: usize| {
        let above = lines[..at].iter().rev().take_while(|line| !line.is_empty() && !line.ends_with('}'));
        above.clone().any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
    };
    let begins = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ")
            .and_then(|rest| rest.strip_prefix(name))
            .is_some_and(|rest| rest.starts_with('('))
    };
    lines.iter().enumerate().any(|(at, line)| begins(line) && is_marked(at))
}

/// All other jobs' sources where the file is what jobs share; else what lies beside it.
fn neighbours(path: &Path) -> String {
    let folder = path.parent().expect("files lie in folders");
    let folders = if folder.ends_with("clients/python") {
        let clients = folder.parent().expect("below clients");
        fs::read_dir(clients).expect("clients can be listed").map(|entry| entry.unwrap().path()).collect()
    } else {
        vec![folder.to_owned()]
    };
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).expect("folders can be listed"));
    let sources = files
        .map(|entry| entry.unwrap().path())
        .filter(|other| other != path && other.extension().is_some_and(|extension| extension == "py"));
    sources.map(|other| fs::read_to_string(other).unwrap()).collect()
}

#[test]
fn every_behaviour_names_tests_that_exist_and_are_run() {
    let root = repository();
    let page = fs::read_to_string(root.join("docs/s3-behaviour.md")).expect("the page is there");
    let suites = fs::read_to_string(root.join(SUITES)).expect("the suites are started");
    let mut missing = Vec::new();
    for (file, name) in references(&page) {
        let path = ROOTS.iter().map(|below| root.join(below).join(file)).find(|path| path.is_file());
        let holds = path.is_some_and(|path| {
            let source = fs::read_to_string(&path).expect("sources can be read");
            let beside = if file.starts_with("clients/") { neighbours(&path) } else { String::new() };
            has_test(file, &source, name, &suites, &beside)
        });
        if !holds {
            missing.push(format!("{file}::{name}"));
        }
    }
    assert_eq!(missing, [""; 0], "the page names tests that do not exist or are not run");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.contains("shown by"));
    for row in rows {
        assert!(!references(row).is_empty(), "a behaviour without a test: {row}");
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "fn plain() {}\n\n#[test]\nfn real() {}\n\n#[tokio::test(start_paused = true)]\nasync fn waits() {}\n";
    let has = |name| has_test("tests/x.rs", source, name, "", "");
    assert!(has("real") && has("waits") && !has("plain") && !has("rea"));
    assert_eq!(references("| `a b` | `x.rs::y` `z.py::w` |"), [("x.rs", "y"), ("z.py", "w")]);
}

#[test]
fn what_nothing_runs_is_no_test() {
    let source = "def test_real(s3):\n    def test_inner():\n        pass\n";
    let has = |name, suites| has_test("python/test_x.py", source, name, suites, "");
    assert!(has("test_real", "[\"test_x.py\"]"));
    assert!(!has("test_inner", "[\"test_x.py\"]") && !has("test_real", "[\"test_y.py\"]"));

    let source =
        "def called():\n    pass\n\n\ndef forgotten():\n    called()\n\n\ndef elsewhere():\n    pass\n";
    let has = |name, beside| has_test("clients/x/job.py", source, name, "", beside);
    assert!(has("called", "") && !has("forgotten", "") && !has("called_not", ""));
    assert!(has("elsewhere", "import job\njob.elsewhere()") && !has("elsewhere", "elsewhere"));

    let source = "class,part,reason\na.B,short,\na.C,none,why\na.D,fails,why\n";
    let has = |name| has_test("clients/x/classes.csv", source, name, "", "");
    assert!(has("a.B") && !has("a.C") && !has("a.D") && !has("a.") && !has("B"));
}
