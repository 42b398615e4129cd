//! Reading `/metrics`.

use crate::http;
use std::time::{Duration, Instant};

/// Sum of a metric over its labels, 0 when it is not there.
pub fn sum(admin: &str, name: &str) -> f64 {
    let text = http::get(admin, "/metrics").expect("the admin port answers").expect(200).text();
    let of_name = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name));
    of_name.map(|line| line.rsplit(' ').next().and_then(|v| v.parse::<f64>().ok()).expect("a number")).sum()
}

/// What objects take: space on tiers, and memory of shards.
const USED: [&str; 2] = ["pocket_storage_used_bytes", "pocket_metadata_memory_bytes"];

/// All bytes that objects take in a process, in shards and on tiers.
pub fn used_bytes(admin: &str) -> u64 {
    try_used_bytes(admin).expect("the admin port answers with used bytes")
}

/// As [`used_bytes`]; `None` when nobody answers or the process holds no objects.
pub fn try_used_bytes(admin: &str) -> Option<u64> {
    let text = http::get(admin, "/metrics").ok()?.expect(200).text();
    let used =
        text.lines().filter(|line| line.split(['{', ' ']).next().is_some_and(|name| USED.contains(&name)));
    let values: Vec<f64> =
        used.map(|l| l.rsplit(' ').next().and_then(|v| v.parse().ok()).expect("a number")).collect();
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() as u64) }
}

/// Panics unless the used bytes become exactly `expected` within the time.
#[track_caller]
pub fn expect_used_within(admin: &str, expected: u64, time: Duration) {
    let started = Instant::now();
    loop {
        let used = used_bytes(admin);
        if used == expected {
            return;
        }
        assert!(started.elapsed() < time, "{used} used bytes instead of {expected} after {time:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
