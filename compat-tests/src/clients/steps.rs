//! What every client shows of Pocket, as far as it can: the steps that its job has to report when it ended well.
//!
//! A job reports a step by its name with a `#` at the end of an `ok` line. What a client has no call for is said in its
//! `config.md`, in lines such as `- no precondition: it sends no conditions`, and so on the page of clients as well.

use std::collections::BTreeSet;

const STEPS: [&str; 9] =
    ["bytes", "multipart", "ranges", "list", "odd-keys", "deletion", "missing", "precondition", "full"];

/// The steps that a client has no call for, in the order of its `config.md`. A line that names no step is an error.
pub fn lacking(config: &str) -> Result<Vec<&str>, String> {
    let lines = config.lines().filter_map(|line| line.strip_prefix("- no "));
    let names = lines.map(|line| match line.split_once(": ") {
        Some((name, reason)) if STEPS.contains(&name) && !reason.is_empty() => Ok(name),
        _ => Err(format!("{line:?} is not one of {STEPS:?} with a reason")),
    });
    names.collect()
}

/// Whether a job's output shows all steps but those that its client lacks.
pub fn expect_all(output: &str, lacking: &[&str]) -> Result<(), String> {
    let lines = output.lines().filter(|line| line.starts_with("ok "));
    let shown: BTreeSet<&str> =
        lines.flat_map(str::split_whitespace).filter_map(|word| word.strip_prefix('#')).collect();
    if let Some(unknown) = shown.iter().find(|name| !STEPS.contains(name)) {
        return Err(format!("showed {unknown:?}, which is not one of {STEPS:?}"));
    }
    if let Some(shown) = lacking.iter().find(|name| shown.contains(*name)) {
        return Err(format!("showed {shown:?}, of which its config.md says that it cannot"));
    }
    let missing: Vec<_> =
        STEPS.into_iter().filter(|name| !shown.contains(name) && !lacking.contains(name)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("did not show {missing:?}")) }
}

/// Whether the output of a job that ends as soon as it may shows that bytes have come back.
pub fn expect_brief(output: &str) -> Result<(), String> {
    let is_shown = output.lines().any(|line| line.starts_with("ok ") && line.contains(" #bytes"));
    if is_shown { Ok(()) } else { Err("did not show \"bytes\"".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_shows_all_steps_but_those_that_its_client_lacks() {
        let all = STEPS.map(|name| format!("ok something held #{name}\n")).concat();
        assert_eq!(expect_all(&all, &[]), Ok(()));
        let fewer = all.replace(" #full", "");
        assert!(expect_all(&fewer, &[]).unwrap_err().contains("full"));
        assert_eq!(expect_all(&fewer, &["full"]), Ok(()));
        assert!(expect_all(&all, &["full"]).unwrap_err().contains("full"));
        assert!(expect_all(&format!("{all}ok more #fulll"), &[]).unwrap_err().contains("fulll"));
        assert!(expect_all(&all.replace("ok", "note"), &[]).is_err());
    }

    #[test]
    fn what_a_client_lacks_is_said_with_a_reason() {
        let config =
            "prose\n\n- no list: it reads what it is told\n- no full: it stops before\n- another point\n";
        assert_eq!(lacking(config), Ok(vec!["list", "full"]));
        assert_eq!(lacking("no list of anything"), Ok(vec![]));
        assert!(lacking("- no lists: there are none").is_err());
        assert!(lacking("- no list").is_err());
    }
}
