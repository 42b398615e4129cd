//! Every command and every snippet of the documentation is run as it stands, or says why it is not: `src/docs`.

use pocket_compat_tests::docs::run::{pages, run};
use std::io::Write;
use std::path::Path;

/// Run in a test of its own, which `.ci/five-jobs` calls for in a fresh clone.
const RECIPES: &str = "docs/recipes.md";

/// Tells also whoever runs the tests without `--nocapture`.
fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

#[test]
fn every_block_of_the_pages_is_run_or_says_why_not() {
    let (mut run_blocks, mut marked, mut failures) = (0, 0, Vec::new());
    for page in pages().iter().filter(|page| *page != Path::new(RECIPES)) {
        match run(page) {
            Ok(script) => {
                run_blocks += script.run;
                marked += script.marked;
            }
            Err(failure) => failures.push(failure),
        }
    }
    tell(&format!(
        "code blocks of the documentation: {run_blocks} run, {marked} marked with the reason why not"
    ));
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_five_jobs_are_done_as_the_recipes_say() {
    let script = run(Path::new(RECIPES)).unwrap_or_else(|failure| panic!("{failure}"));
    tell(&format!(
        "code blocks of {RECIPES}: {} run, {} marked with the reason why not",
        script.run, script.marked
    ));
}
