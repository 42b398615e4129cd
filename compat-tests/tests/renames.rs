//! A rename seen from outside: at every moment exactly one of the two keys names the object, also when the gateway that was
//! asked dies in the middle.

use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::{Server, signal};
use pocket_compat_tests::{bytes, unique_bucket};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Of calls that are told to come again, on a machine that runs other tests too.
const PATIENCE: Duration = Duration::from_secs(30);

fn rename(client: &Client, bucket: &str, from: &str, to: &str) -> Option<u16> {
    let request = client.request("PUT", &format!("/{bucket}/{to}")).query("renameObject", "");
    request.header("x-amz-rename-source", from).try_send().ok().map(|answer| answer.status)
}

/// The bytes under a key, or none; for as long as it takes to get an answer.
fn content(client: &Client, bucket: &str, key: &str) -> Option<Vec<u8>> {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = client.get(&format!("/{bucket}/{key}"));
        match answer.status {
            200 => return Some(answer.body),
            404 => return None,
            status => assert!(status == 503 && Instant::now() < until, "{key}: {status}"),
        }
    }
}

#[test]
fn an_object_is_never_seen_under_both_keys_nor_under_none() {
    let server = Server::own_cluster();
    let bucket = unique_bucket("renames");
    let clients = [server.client_of(0), server.client_of(1)];
    clients[0].create_bucket(&bucket, &[("workers", "100")]);
    let body = bytes(1, 40_000);
    clients[0].put(&format!("/{bucket}/k0"), &body).expect(200);
    // The number of renames that were begun and of those that were answered: between two equal readings nothing moved.
    let (begun, done) = (AtomicU64::new(0), AtomicU64::new(0));
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in &clients {
            let (begun, done, stop, bucket, body) = (&begun, &done, &stop, &bucket, &body);
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let n = done.load(Ordering::SeqCst);
                    // Whoever finds the object gone from its old key finds it under its new one, and the other way round.
                    let (old, new) = (format!("k{n}"), format!("k{}", n + 1));
                    let before = content(client, bucket, &new);
                    let then = content(client, bucket, &old);
                    let after = content(client, bucket, &new);
                    if begun.load(Ordering::SeqCst) <= n + 1 {
                        assert!(before.is_none() || then.is_none(), "{old} was there after {new} was");
                        assert!(then.is_some() || after.is_some(), "neither {old} nor {new}");
                    }
                    assert!([before, then, after].into_iter().flatten().all(|found| found == *body));
                }
            });
        }
        for n in 0..150_u64 {
            begun.store(n + 1, Ordering::SeqCst);
            let client = &clients[n as usize % 2];
            let until = Instant::now() + PATIENCE;
            loop {
                match rename(client, &bucket, &format!("k{n}"), &format!("k{}", n + 1)) {
                    Some(200) => break,
                    status => {
                        assert!(status == Some(503) && Instant::now() < until, "rename {n}: {status:?}")
                    }
                }
            }
            done.store(n + 1, Ordering::SeqCst);
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(clients[0].list_all(&bucket, 1_000), ["k150"]);
}

#[test]
fn a_gateway_that_dies_in_the_middle_leaves_each_object_under_one_key() {
    const OBJECTS: u64 = 60;
    let server = Server::own_cluster();
    let bucket = unique_bucket("renames");
    let (dying, survivor) = (server.client_of(0), server.client_of(1));
    survivor.create_bucket(&bucket, &[("workers", "100")]);
    let body = |n: u64| bytes(n, if n.is_multiple_of(2) { 300 } else { 40_000 });
    for n in 0..OBJECTS {
        survivor.put(&format!("/{bucket}/a{n}"), &body(n)).expect(200);
    }
    let renamed = AtomicU64::new(0);
    thread::scope(|scope| {
        for worker in 0..4 {
            let (dying, bucket, renamed) = (&dying, &bucket, &renamed);
            scope.spawn(move || {
                // Back and forth until nobody answers any more.
                for turn in 0_u64.. {
                    for n in (worker..OBJECTS).step_by(4) {
                        let (from, to) = if turn.is_multiple_of(2) { ("a", "b") } else { ("b", "a") };
                        if rename(dying, bucket, &format!("{from}{n}"), &format!("{to}{n}")).is_none() {
                            return;
                        }
                        renamed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let until = Instant::now() + PATIENCE;
        while renamed.load(Ordering::Relaxed) < 40 {
            assert!(Instant::now() < until, "nothing is renamed");
            thread::sleep(Duration::from_millis(1));
        }
        signal(server.role("gateway")[0].pid, "KILL");
    });
    // What the gateway had sent when it died may be done a moment later.
    let until = Instant::now() + PATIENCE;
    for n in 0..OBJECTS {
        loop {
            let found = ["a", "b"].map(|name| content(&survivor, &bucket, &format!("{name}{n}")));
            let found: Vec<_> = found.into_iter().flatten().collect();
            if found == [body(n)] {
                break;
            }
            assert!(Instant::now() < until, "object {n} is found {} times", found.len());
        }
    }
    assert_eq!(survivor.list_all(&bucket, 1_000).len() as u64, OBJECTS);
}
