//! Time, chance, tasks, threads and disks reach the planes through `Env` alone, and nothing goes by the order of a table that chance
//! has shuffled: so one seed is one history. And the states of the planes decide, and do nothing. The sources are read for the names
//! by which it would come another way.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The planes, the contract, and what runs beside every role. `wire` and `pocket` stand around them: connections, processes,
/// signals.
const LOGIC: [&str; 8] = [
    "api/src",
    "controller/src",
    "gateway/access/src",
    "gateway/edge/src",
    "gateway/src",
    "metadata/src",
    "monitor/src",
    "storage/src",
];

/// What is not read: sockets and threads of the HTTP server, which a world has none of, and what only tests run.
const LEFT_OUT: [&str; 5] = [
    "gateway/edge/src/server",
    "api/src/conformance",
    "controller/src/fixture.rs",
    "metadata/src/state/model.rs",
    "metadata/src/state/model",
];

/// What would not be the process's own.
const NAMES: [&str; 19] = [
    "HashMap",
    "HashSet",
    "Handle::current",
    "JoinSet",
    "RandomState",
    "SystemTime::now",
    "available_parallelism",
    "futures::select",
    "rand::",
    "runtime::",
    "spawn_blocking",
    "std::fs",
    "std::time::Instant",
    "thread::Builder",
    "thread::scope",
    "thread::sleep",
    "thread::spawn",
    "tokio::fs",
    "tokio::spawn",
];

/// A `select!` that begins with another branch each time is chance, too.
const UNFAIR: &str = "select! without `biased`";

/// Where they may stand: each because of what is said above it.
const MAY: [(&str, &[&str]); 17] = [
    // Where the machine's clock, chance, tasks and disk become those of an `Env`.
    ("api/src/clock.rs", &["SystemTime::now", "std::time::Instant"]),
    ("api/src/disk.rs", &["std::fs"]),
    ("api/src/env.rs", &["Handle::current", "rand::", "runtime::", "spawn_blocking"]),
    // Its hasher draws nothing.
    ("api/src/ids.rs", &["HashMap"]),
    // Read the machine that they run on. Worlds have none of them.
    ("monitor/src/machine.rs", &["std::time::Instant"]),
    ("monitor/src/memory_limit.rs", &["std::fs"]),
    ("gateway/edge/src/config.rs", &["available_parallelism"]),
    // The thread that faults memory in, where a server is configured to have it.
    ("storage/src/prefault.rs", &["thread::Builder"]),
    // Tables that are asked by name or id, and never gone through.
    ("gateway/edge/src/signing_keys.rs", &["HashMap"]),
    ("gateway/src/placements/table.rs", &["HashMap"]),
    ("metadata/src/state/references.rs", &["HashSet"]),
    ("metadata/src/state/rename.rs", &["HashMap"]),
    ("metadata/src/state/uploads.rs", &["HashMap"]),
    ("metadata/src/waiters.rs", &["HashMap"]),
    ("storage/src/ended.rs", &["HashSet"]),
    // So are these, but that what is over is taken out of them, whatever comes first.
    ("gateway/src/transfers/releases.rs", &["HashMap"]),
    ("storage/src/writes.rs", &["HashMap"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").to_owned()
}

/// Rust files under a folder, by their paths in the workspace.
fn sources(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(folder)).expect(folder) {
        let path = format!("{folder}/{}", entry.unwrap().file_name().into_string().unwrap());
        let is_test = path.ends_with("/tests.rs") || path.ends_with("/tests");
        if is_test || LEFT_OUT.contains(&path.as_str()) {
            continue;
        }
        if root().join(&path).is_dir() {
            sources(&path, found);
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// What of them a source names, but for its comments and its tests.
fn named(source: &str) -> BTreeSet<&'static str> {
    let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let lines: Vec<&str> = source[..end].lines().filter(is_code).collect();
    let mut named = BTreeSet::new();
    for (i, line) in lines.iter().enumerate() {
        named.extend(NAMES.iter().filter(|name| line.contains(**name)));
        if line.starts_with("use std::time::") && line.contains("Instant") {
            named.insert("std::time::Instant");
        }
        if line.contains("select! {") && lines.get(i + 1).is_none_or(|next| next.trim() != "biased;") {
            named.insert(UNFAIR);
        }
    }
    named
}

#[test]
fn planes_ask_nobody_but_their_env() {
    let mut files = Vec::new();
    LOGIC.iter().for_each(|folder| sources(folder, &mut files));
    let mut wrong = Vec::new();
    for file in &files {
        let source = fs::read_to_string(root().join(file)).unwrap();
        let may: BTreeSet<&str> =
            MAY.iter().filter(|(of, _)| of == file).flat_map(|(_, names)| *names).copied().collect();
        let named = named(&source);
        wrong.extend(
            named.difference(&may).map(|name| format!("{file}: {name}: not from `Env`, or not in order")),
        );
        wrong.extend(may.difference(&named).map(|name| format!("{file}: {name}: is not there any more")));
    }
    wrong.extend(
        MAY.iter().filter(|(of, _)| !files.iter().any(|f| f == of)).map(|(of, _)| format!("{of}: is gone")),
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_way_around_is_seen_in_code_and_not_elsewhere() {
    let seen = |source: &str| Vec::from_iter(named(source));
    assert_eq!(seen("    let task = tokio::spawn(work());\n"), ["tokio::spawn"]);
    assert_eq!(seen("use std::time::{Duration, Instant};\n"), ["std::time::Instant"]);
    assert_eq!(seen("use std::time::Duration;\nuse tokio::time::{Instant, sleep};\n"), [""; 0]);
    assert_eq!(
        seen("/// Not by `tokio::spawn`.\n#[cfg(test)]\nmod tests {\n    rand::random()\n}\n"),
        [""; 0]
    );
    assert_eq!(seen("tokio::select! {\n    biased;\n"), [""; 0]);
    assert_eq!(seen("tokio::select! {\n    () = a => {}\n"), [UNFAIR]);
}

/// The states of the planes: what is decided, apart from what is done about it.
const PURE: [&str; 2] = ["controller/src/state", "metadata/src/state"];

/// By which doing would come in.
const DOING: [&str; 6] = ["async ", ".await", "tokio", "parking_lot", "tracing", "Arc<dyn"];

#[test]
fn states_know_nothing_of_what_is_done_around_them() {
    let mut files = Vec::new();
    PURE.iter().for_each(|folder| sources(folder, &mut files));
    let mut wrong = Vec::new();
    for file in &files {
        let source = fs::read_to_string(root().join(file)).unwrap();
        let end = source.find("#[cfg(test)]\nmod tests {").unwrap_or(source.len());
        for line in source[..end].lines().filter(|line| !line.trim_start().starts_with("//")) {
            let leaves = line.match_indices("crate::").any(|(at, _)| !line[at..].starts_with("crate::state"));
            if leaves || DOING.iter().any(|name| line.contains(name)) {
                wrong.push(format!("{file}: {line}"));
            }
        }
    }
    assert!(files.len() > 20 && wrong.is_empty(), "\n{}", wrong.join("\n"));
}
