//! What a request costs in instructions, through a gateway with its planes in the same process: each case runs under callgrind for
//! some requests and for twice as many, so that what comes before the first of them cancels out. Ends with an error where a limit
//! is exceeded, and says NOT RUN where there is no valgrind.

#[path = "../tests/in_process/mod.rs"]
mod in_process;

use in_process::cases::{CASES, Case, Counted};
use pocket_gateway::config::GatewayConfig;
use std::process::{Command, ExitCode};

/// About as many instructions of requests are counted at once: what comes before them differs by some hundred thousand from run to
/// run, because tables are hashed with chance.
const COUNTED: u64 = 150_000_000;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &*arguments {
        [] => count_all(),
        [case, requests, times] => {
            let case = CASES.iter().find(|known| known.name == case).expect("a case that there is");
            answer(case, requests.parse().expect("a number"), times.parse().expect("a number"));
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("usage: instructions [CASE REQUESTS TIMES]");
            ExitCode::FAILURE
        }
    }
}

fn count_all() -> ExitCode {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("NOT RUN: there is no valgrind here");
        return ExitCode::SUCCESS;
    }
    let mut outcome = ExitCode::SUCCESS;
    println!("instructions a request; at most");
    for case in &CASES {
        let limit = case.limits.instructions;
        let requests = COUNTED / limit;
        let (once, twice) = (count(case, requests, 1), count(case, requests, 2));
        let each = twice.saturating_sub(once) / requests;
        let is_over = each > limit;
        println!("{:20} {each:>10} {limit:>10}{}", case.name, if is_over { " MISSED" } else { "" });
        if is_over {
            outcome = ExitCode::FAILURE;
        }
    }
    outcome
}

/// The instructions of a process that answers so many requests so many times.
fn count(case: &Case, requests: u64, times: u64) -> u64 {
    let program = std::env::current_exe().expect("a program has a place");
    let run = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([case.name, &requests.to_string(), &times.to_string()])
        .output()
        .expect("valgrind runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let collected = said.lines().find_map(|line| line.split_once("Collected : ")).map(|(_, count)| count);
    collected.and_then(|count| count.trim().parse().ok()).unwrap_or_else(|| panic!("no count in {said}"))
}

/// What is counted. As many requests are made for every count.
fn answer(case: &Case, requests: usize, times: usize) {
    let counted = Counted::start(GatewayConfig::default());
    counted.warm_up(case);
    let made = vec![counted.ready(case); 2 * requests];
    for request in made.into_iter().take(times * requests) {
        counted.answer(request);
    }
}
