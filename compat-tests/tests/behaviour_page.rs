//! `docs/s3-behaviour.md` names tests that exist.

use std::path::{Path, PathBuf};

/// What the files that the page names are below of.
const ROOTS: [&str; 3] = ["gateway/tests", "compat-tests", ""];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// `file::test` of each reference in the text; the others between backquotes are no references.
fn references(page: &str) -> Vec<(&str, &str)> {
    page.split('`').skip(1).step_by(2).filter_map(|quoted| quoted.split_once("::")).collect()
}

/// Whether the file has a test of that name, as its language writes one down.
fn has_test(source: &str, is_python: bool, name: &str) -> bool {
    if is_python {
        return source.lines().any(|line| line.starts_with(&format!("def {name}(")));
    }
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

#[test]
fn every_behaviour_names_tests_that_exist() {
    let root = repository();
    let page = std::fs::read_to_string(root.join("docs/s3-behaviour.md")).expect("the page is there");
    let mut missing = Vec::new();
    for (file, name) in references(&page) {
        let source = ROOTS.iter().find_map(|below| std::fs::read_to_string(root.join(below).join(file)).ok());
        if !source.is_some_and(|source| has_test(&source, file.ends_with(".py"), name)) {
            missing.push(format!("{file}::{name}"));
        }
    }
    assert_eq!(missing, [""; 0], "the page names tests that do not exist");
    let rows = page.lines().filter(|line| line.starts_with("| ") && !line.contains("shown by"));
    for row in rows {
        assert!(!references(row).is_empty(), "a behaviour without a test: {row}");
    }
}

#[test]
fn what_is_no_test_is_not_taken_for_one() {
    let source = "fn plain() {}\n\n#[test]\nfn real() {}\n\n#[tokio::test(start_paused = true)]\nasync fn waits() {}\n";
    assert!(has_test(source, false, "real") && has_test(source, false, "waits"));
    assert!(!has_test(source, false, "plain") && !has_test(source, false, "rea"));
    let source = "def test_real(s3):\n    def test_inner():\n        pass\n";
    assert!(has_test(source, true, "test_real") && !has_test(source, true, "test_inner"));
    assert_eq!(references("| `a b` | `x.rs::y` `z.py::w` |"), [("x.rs", "y"), ("z.py", "w")]);
}
