//! The machine's own numbers, from `/proc`: all cores, memory, network.
//!
//! They are the machine's and not the process's or its cgroup's: what runs beside it uses the same cores and wires.
//! Loopback traffic is left out, because it uses no wire, and so are bridges and virtual pairs of containers, which
//! show the same bytes a second time.

use async_trait::async_trait;
use parking_lot::Mutex;
use pocket_api::usage::{MachineSample, UsageReport, UsageSource};
use procfs::prelude::*;
use procfs::{CpuTime, KernelStats, Meminfo, ProcResult};
use std::path::Path;
use std::time::{Duration, Instant};

/// Samples the machine. The first sample shows the cores' share since boot and no network rates.
#[derive(Debug)]
pub struct MachineSampler {
    earlier: Mutex<Option<Reading>>,
}

/// Counters as the kernel shows them.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    /// Of each core, in ticks.
    cores: Vec<CoreTicks>,
    memory_total_bytes: u64,
    memory_available_bytes: u64,
    received_bytes: u64,
    sent_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CoreTicks {
    busy: u64,
    total: u64,
}

impl MachineSampler {
    pub fn new() -> Self {
        Self { earlier: Mutex::new(None) }
    }
}

impl Default for MachineSampler {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl UsageSource for MachineSampler {
    /// Leaves the report as it is where `/proc` cannot be read.
    async fn fill(&self, report: &mut UsageReport) {
        match Reading::take() {
            Ok(reading) => {
                let earlier = self.earlier.lock().replace(reading.clone());
                report.machine = Some(sample(earlier.as_ref(), &reading));
            }
            Err(error) => tracing::debug!(%error, "the machine cannot be sampled"),
        }
    }
}

impl Reading {
    fn take() -> ProcResult<Self> {
        let at = Instant::now();
        let stat = KernelStats::current()?;
        let memory = Meminfo::current()?;
        let mut sums = (0_u64, 0_u64);
        for (name, device) in procfs::net::dev_status()? {
            if is_wire(&name, Path::new("/sys/class/net")) {
                sums = (sums.0.saturating_add(device.recv_bytes), sums.1.saturating_add(device.sent_bytes));
            }
        }
        Ok(Self {
            at,
            cores: stat.cpu_time.iter().map(core_ticks).collect(),
            memory_total_bytes: memory.mem_total,
            memory_available_bytes: memory.mem_available.unwrap_or(memory.mem_free),
            received_bytes: sums.0,
            sent_bytes: sums.1,
        })
    }
}

/// Time of guests is part of the user's. Stolen time is busy: the core was not to be had.
fn core_ticks(core: &CpuTime) -> CoreTicks {
    let idle = core.idle + core.iowait.unwrap_or(0);
    let busy = [Some(core.user), Some(core.nice), Some(core.system), core.irq, core.softirq, core.steal];
    let busy: u64 = busy.into_iter().flatten().sum();
    CoreTicks { busy, total: busy + idle }
}

/// Not loopback, and not a bridge or a pair of a container's host side. In a container its own `eth0` is a pair, and
/// there nothing else shows the bytes: what is named like a host's own interface counts in any case.
fn is_wire(name: &str, interfaces: &Path) -> bool {
    if name == "lo" {
        return false;
    }
    let own_name = name.starts_with("eth") || name.starts_with("en") || name.starts_with("wl");
    own_name || interfaces.join(name).join("device").exists()
}

fn sample(earlier: Option<&Reading>, now: &Reading) -> MachineSample {
    let since = |core: usize| {
        let before = earlier.and_then(|e| e.cores.get(core)).copied().unwrap_or_default();
        busy_share(before, now.cores[core])
    };
    let per_second = |counter: fn(&Reading) -> u64| {
        earlier.map_or(0, |e| rate(counter(e), counter(now), now.at.saturating_duration_since(e.at)))
    };
    MachineSample {
        cores_busy: (0..now.cores.len()).map(since).collect(),
        memory_used_bytes: now.memory_total_bytes.saturating_sub(now.memory_available_bytes),
        memory_total_bytes: now.memory_total_bytes,
        network_received_bytes_per_second: per_second(|r| r.received_bytes),
        network_sent_bytes_per_second: per_second(|r| r.sent_bytes),
    }
}

/// 0 to 1. The kernel's idle counters can step back a little: that counts as no time.
fn busy_share(before: CoreTicks, now: CoreTicks) -> f32 {
    let total = now.total.saturating_sub(before.total);
    let busy = now.busy.saturating_sub(before.busy).min(total);
    if total == 0 { 0.0 } else { busy as f32 / total as f32 }
}

/// A second. A counter that steps back belongs to an interface that went away: nothing is known.
fn rate(before: u64, now: u64, passed: Duration) -> u64 {
    if passed.is_zero() {
        return 0;
    }
    (now.saturating_sub(before) as f64 / passed.as_secs_f64()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(at: Instant, cores: &[(u64, u64)], received_bytes: u64, sent_bytes: u64) -> Reading {
        let cores = cores.iter().map(|&(busy, total)| CoreTicks { busy, total }).collect();
        let (memory_total_bytes, memory_available_bytes) = (1_000, 400);
        Reading { at, cores, memory_total_bytes, memory_available_bytes, received_bytes, sent_bytes }
    }

    #[test]
    fn shares_and_rates_are_over_the_time_since_the_last_sample_for_every_core() {
        let start = Instant::now();
        let before = reading(start, &[(100, 1_000), (0, 1_000)], 5_000, 100);
        let now = reading(start + Duration::from_secs(2), &[(150, 1_200), (200, 1_200)], 9_000, 50);
        let sample = sample(Some(&before), &now);
        assert_eq!(sample.cores_busy, [0.25, 1.0]);
        assert_eq!((sample.memory_used_bytes, sample.memory_total_bytes), (600, 1_000));
        assert_eq!(sample.network_received_bytes_per_second, 2_000);
        assert_eq!(sample.network_sent_bytes_per_second, 0, "a counter that stepped back");
    }

    #[test]
    fn the_first_sample_and_a_core_that_came_later_count_from_boot() {
        let start = Instant::now();
        let first = reading(start, &[(500, 1_000)], 5_000, 100);
        let alone = sample(None, &first);
        assert_eq!((alone.cores_busy[0], alone.network_received_bytes_per_second), (0.5, 0));
        let grown = reading(start + Duration::from_secs(1), &[(500, 1_100), (75, 100)], 5_000, 100);
        assert_eq!(sample(Some(&first), &grown).cores_busy, [0.0, 0.75]);
    }

    #[test]
    fn time_that_stands_still_or_steps_back_is_no_load() {
        assert_eq!(busy_share(CoreTicks { busy: 9, total: 9 }, CoreTicks { busy: 9, total: 9 }), 0.0);
        assert_eq!(busy_share(CoreTicks { busy: 9, total: 9 }, CoreTicks { busy: 8, total: 8 }), 0.0);
        assert_eq!(busy_share(CoreTicks { busy: 0, total: 10 }, CoreTicks { busy: 9, total: 15 }), 1.0);
        assert_eq!(rate(0, 10, Duration::ZERO), 0);
    }

    #[test]
    fn only_wires_count_as_network() {
        let interfaces = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(interfaces.path().join("ib0/device")).unwrap();
        std::fs::create_dir_all(interfaces.path().join("docker0")).unwrap();
        let wires = ["lo", "eth0", "ens5", "wlan0", "ib0", "docker0", "veth12ab"];
        let found: Vec<&str> = wires.into_iter().filter(|name| is_wire(name, interfaces.path())).collect();
        assert_eq!(found, ["eth0", "ens5", "wlan0", "ib0"]);
    }

    #[tokio::test]
    async fn this_machine_can_be_sampled() {
        let sampler = MachineSampler::new();
        let mut report = UsageReport::default();
        sampler.fill(&mut report).await;
        sampler.fill(&mut report).await;
        let machine = report.machine.expect("there is a /proc");
        assert!(!machine.cores_busy.is_empty());
        assert!(machine.cores_busy.iter().all(|share| (0.0..=1.0).contains(share)));
        assert!(machine.memory_used_bytes <= machine.memory_total_bytes);
        assert!(machine.memory_total_bytes > 0);
    }
}
