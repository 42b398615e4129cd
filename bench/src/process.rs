//! What a process costs: its CPU time and its memory, read from /proc.

use anyhow::Context;
use procfs::process::Process;
use serde::Serialize;
use std::collections::HashMap;

/// A process at one moment.
#[derive(Clone, Debug)]
pub struct ProcessUse {
    pid: i32,
    name: String,
    /// User and system time, in ticks of the kernel's clock: whole, but coarse.
    ticks_us: u64,
    /// Nanoseconds on a core of each thread: exact, but gone with the thread.
    threads_ns: HashMap<i32, u64>,
    thread_names: HashMap<i32, String>,
    pub rss_bytes: u64,
    /// Of the resident bytes those that no file holds as well: heap, stacks, data.
    pub anonymous_bytes: u64,
    /// The most since the process began.
    pub peak_rss_bytes: u64,
}

impl ProcessUse {
    /// Fails when the process is not there or not ours to look at.
    pub fn of(pid: i32) -> anyhow::Result<Self> {
        let context = || format!("process {pid} cannot be measured");
        let process = Process::new(pid).with_context(context)?;
        let stat = process.stat().with_context(context)?;
        let status = process.status().with_context(context)?;
        let tick_us = 1_000_000 / procfs::ticks_per_second();
        let (mut threads_ns, mut thread_names) = (HashMap::new(), HashMap::new());
        // A thread may end while the list is read.
        for task in process.tasks().with_context(context)?.flatten() {
            if let (Ok(schedule), Ok(stat)) = (task.schedstat(), task.stat()) {
                threads_ns.insert(task.tid, schedule.sum_exec_runtime);
                thread_names.insert(task.tid, stat.comm);
            }
        }
        Ok(Self {
            pid,
            name: stat.comm,
            ticks_us: (stat.utime + stat.stime) * tick_us,
            threads_ns,
            thread_names,
            rss_bytes: status.vmrss.unwrap_or(0) << 10,
            anonymous_bytes: status.rssanon.unwrap_or(0) << 10,
            peak_rss_bytes: status.vmhwm.unwrap_or(0) << 10,
        })
    }

    /// CPU time from an earlier moment to this one. By threads where all of them are still there, else by ticks.
    pub fn cpu_us_since(&self, earlier: &Self) -> f64 {
        let by_threads: Option<u64> = earlier
            .threads_ns
            .iter()
            .map(|(tid, before)| self.threads_ns.get(tid)?.checked_sub(*before))
            .sum::<Option<u64>>();
        let new: u64 = self
            .threads_ns
            .iter()
            .filter(|(tid, _)| !earlier.threads_ns.contains_key(tid))
            .map(|(_, ns)| ns)
            .sum();
        match by_threads {
            Some(ns) if !self.threads_ns.is_empty() => (ns + new) as f64 / 1_000.0,
            _ => self.ticks_us.saturating_sub(earlier.ticks_us) as f64,
        }
    }

    /// CPU time from an earlier moment to this one of the threads that have `part` in their name.
    pub fn cpu_us_of_threads_since(&self, earlier: &Self, part: &str) -> f64 {
        let named = self.threads_ns.iter().filter(|(tid, _)| self.thread_names[tid].contains(part));
        let ns: u64 =
            named.map(|(tid, ns)| ns - earlier.threads_ns.get(tid).copied().unwrap_or(0).min(*ns)).sum();
        ns as f64 / 1_000.0
    }

    pub(crate) fn cost_since(&self, earlier: &Self, requests: u64) -> ProcessCost {
        let cpu_us = self.cpu_us_since(earlier);
        ProcessCost {
            pid: self.pid,
            name: self.name.clone(),
            cpu_seconds: cpu_us / 1e6,
            cpu_us_per_request: if requests == 0 { 0.0 } else { cpu_us / requests as f64 },
            rss_bytes: self.rss_bytes,
            peak_rss_bytes: self.peak_rss_bytes,
        }
    }
}

/// What a process spent on a run.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessCost {
    pub pid: i32,
    pub name: String,
    pub cpu_seconds: f64,
    pub cpu_us_per_request: f64,
    /// At the end.
    pub rss_bytes: u64,
    /// Since the process began.
    pub peak_rss_bytes: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_as_cpu_time_of_this_process() {
        let pid = std::process::id() as i32;
        let before = ProcessUse::of(pid).unwrap();
        let started = std::time::Instant::now();
        let mut n = 0_u64;
        while started.elapsed().as_millis() < 50 {
            n = std::hint::black_box(n.wrapping_add(1));
        }
        let after = ProcessUse::of(pid).unwrap();
        assert!(
            after.cpu_us_since(&before) > 0.0
                && after.rss_bytes > after.anonymous_bytes
                && after.anonymous_bytes > 0
                && after.peak_rss_bytes >= after.rss_bytes
        );
    }

    #[test]
    fn a_process_whose_threads_changed_is_measured_all_the_same() {
        let at = |ticks_us, threads: &[(i32, u64)]| ProcessUse {
            pid: 1,
            name: String::new(),
            ticks_us,
            threads_ns: threads.iter().copied().collect(),
            thread_names: threads.iter().map(|(tid, _)| (*tid, format!("worker-{tid}"))).collect(),
            rss_bytes: 0,
            anonymous_bytes: 0,
            peak_rss_bytes: 0,
        };
        let before = at(10_000, &[(1, 1_000_000), (2, 5_000)]);
        assert_eq!(at(20_000, &[(1, 3_000_000), (2, 6_000), (3, 9_000)]).cpu_us_since(&before), 2_010.0);
        assert_eq!(at(20_000, &[(1, 3_000_000)]).cpu_us_since(&before), 10_000.0);
        let after = at(20_000, &[(1, 3_000_000), (2, 6_000)]);
        assert_eq!(after.cpu_us_of_threads_since(&before, "worker-2"), 1.0);
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        assert!(ProcessUse::of(i32::MAX).unwrap_err().to_string().contains("2147483647"));
    }
}
