//! What a request allocates in a gateway with its planes in the same process, against a limit. A binary of its own, because it
//! counts with an allocator of its own.

#[path = "in_process/mod.rs"]
mod in_process;

use allocation_counter::{AllocationInfo, measure};
use in_process::cases::{CASES, Case, Counted};
use pocket_gateway::config::GatewayConfig;

/// Of so many requests the one in the middle counts: what comes with every hundredth is not in it.
const RUNS: usize = 51;

fn cost(counted: &Counted, case: &Case) -> AllocationInfo {
    let mut runs: Vec<_> = (0..RUNS)
        .map(|_| {
            let request = counted.ready(case);
            let cost = measure(|| {
                counted.answer(request);
            });
            counted.settle();
            cost
        })
        .collect();
    runs.sort_by_key(|run| (run.count_total, run.bytes_total));
    runs.swap_remove(RUNS / 2)
}

#[test]
fn a_request_allocates_no_more_than_its_limit() {
    let counted = Counted::start(GatewayConfig::default());
    let mut too_many = Vec::new();
    for case in &CASES {
        counted.warm_up(case);
        let cost = cost(&counted, case);
        let limits = &case.limits;
        let line = format!(
            "{}: {} allocations of at most {}, {} bytes of at most {}",
            case.name, cost.count_total, limits.allocations, cost.bytes_total, limits.allocated_bytes,
        );
        println!("{line}");
        if cost.count_total > limits.allocations || cost.bytes_total > limits.allocated_bytes {
            too_many.push(line);
        }
    }
    assert!(too_many.is_empty(), "{too_many:#?}");
}

#[test]
fn what_a_get_sends_is_the_memory_that_the_object_lies_in() {
    let counted = Counted::start(GatewayConfig::default());
    for case in CASES.iter().filter(|case| case.name.starts_with("GET")) {
        let sent = || counted.answer(counted.ready(case)).first.expect("some bytes");
        // Both are there at once: a copy would have to lie elsewhere.
        let (one, other) = (sent(), sent());
        assert_eq!(one.as_ptr(), other.as_ptr(), "{}", case.name);
    }
}
