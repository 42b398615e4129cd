//! Processes that die without a word, in the middle of traffic. What a client may see then is a table in the design;
//! here is a test for each of its rows. One cluster a test: it is not whole afterwards.

use pocket_compat_tests::http::{Connection, Response};
use pocket_compat_tests::metrics;
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::{Server, signal};
use pocket_compat_tests::xml::{text, texts};
use pocket_compat_tests::{bytes, unique_bucket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A process that has ended is found dead within a second by promise; the rest is for a machine that runs other tests too.
const DECLARED_WITHIN: Duration = Duration::from_secs(5);
/// A write that nobody ends is asked about after 30 s.
const ORPHANS_WITHIN: Duration = Duration::from_secs(60);

/// True when the answer is what a client may see of an object while something is dying: all of it, or an error that
/// says so, or a body that breaks off visibly.
fn is_honest(answer: &std::io::Result<Response>, expected: &[u8]) -> bool {
    match answer {
        Err(_) => true,
        Ok(r) if r.status == 200 => !r.whole || r.body == expected,
        Ok(r) if r.status == 404 => r.header("x-pocket-lost") == Some("true") || r.code() == "NoSuchBucket",
        Ok(r) => r.status == 503,
    }
}

fn body_of(n: u64) -> Vec<u8> {
    bytes(n, if n.is_multiple_of(3) { 500 } else { 150_000 })
}

#[test]
fn a_gateway_dies_and_the_others_serve_on() {
    let server = Server::own_cluster();
    let bucket = unique_bucket("gateway");
    let survivor = server.client_of(1);
    survivor.create_bucket(&bucket, &[]);
    for n in 0..20 {
        survivor.put(&format!("/{bucket}/k{n}"), &body_of(n)).expect(200);
    }
    let used = server.settled_used_bytes();
    // Half a body and a reader in the middle, both through the gateway that dies.
    let dying = server.client_of(0);
    let (head, body) =
        dying.request("PUT", &format!("/{bucket}/half")).body(&bytes(1, 6_000_000)).into_parts();
    let mut writer = Connection::open(&dying.address).unwrap();
    writer.send(&head).unwrap();
    writer.send(&body[..3_000_000]).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let traffic = scope.spawn(|| {
            let mut rounds = 0_u64;
            while !stop.load(Ordering::Relaxed) {
                let n = rounds % 20;
                assert!(survivor.get(&format!("/{bucket}/k{n}")).expect(200).body == body_of(n));
                rounds += 1;
            }
            rounds
        });
        thread::sleep(Duration::from_millis(300));
        signal(server.role("gateway")[0].pid, "KILL");
        assert!(writer.receive(false).is_err(), "a dead gateway answered");
        assert!(dying.request("GET", &format!("/{bucket}/k1")).try_send().is_err());
        thread::sleep(Duration::from_secs(3));
        stop.store(true, Ordering::Relaxed);
        assert!(traffic.join().expect("the traffic is served") > 20);
    });
    survivor.get(&format!("/{bucket}/half")).expect_error(404, "NoSuchKey");
    assert_eq!(survivor.list_all(&bucket, 1_000).len(), 20);
    server.expect_used_within(used, ORPHANS_WITHIN);
    let other = unique_bucket("after");
    survivor.create_bucket(&other, &[]);
}

#[test]
fn a_storage_server_dies_and_what_it_held_is_told_lost() {
    let server = Server::own_cluster();
    let bucket = unique_bucket("storage");
    let clients = [server.client_of(0), server.client_of(1)];
    clients[0].create_bucket(&bucket, &[]);
    let objects = 60_u64;
    for n in 0..objects {
        clients[0].put(&format!("/{bucket}/k{n}"), &body_of(n)).expect(200);
        // Half of the copies are on the other shard, where the bytes are not counted.
        let copy = clients[1].request("PUT", &format!("/{bucket}/copy{n}"));
        copy.header("x-amz-copy-source", &format!("/{bucket}/k{n}")).send().expect(200);
    }
    // Over all servers, so that it dies with any of them.
    let wide = bytes(77, 24 << 20);
    clients[0].put(&format!("/{bucket}/wide"), &wide).expect(200);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let readers: Vec<_> = clients
            .iter()
            .map(|client| {
                let (bucket, stop, wide) = (&bucket, &stop, &wide);
                scope.spawn(move || {
                    let mut n = 0;
                    while !stop.load(Ordering::Relaxed) {
                        n = (n + 1) % objects;
                        let get = client.request("GET", &format!("/{bucket}/k{n}")).try_send();
                        assert!(is_honest(&get, &body_of(n)), "k{n}: {get:?}");
                        if n % 16 == 0 {
                            let get = client.request("GET", &format!("/{bucket}/wide")).try_send();
                            assert!(
                                is_honest(&get, wide),
                                "wide: {:?}",
                                get.map(|r| (r.status, r.body.len(), r.whole))
                            );
                        }
                    }
                })
            })
            .collect();
        thread::sleep(Duration::from_millis(500));
        signal(server.role("storage")[0].pid, "KILL");
        let killed = Instant::now();
        // Nothing is 503 for longer than it takes to declare a death, and then every gateway and shard has heard of it.
        let lost = loop {
            let of = |client: &Client, head: bool| -> Vec<u16> {
                let path = |n| format!("/{bucket}/k{n}");
                let answer = |n| if head { client.head(&path(n)) } else { client.get(&path(n)) };
                (0..objects).map(|n| answer(n).status).collect()
            };
            let statuses = of(&clients[0], false);
            let agreed = clients.iter().all(|c| of(c, false) == statuses && of(c, true) == statuses);
            if agreed && !statuses.contains(&503) && statuses.contains(&404) {
                break statuses.iter().filter(|s| **s == 404).count();
            }
            assert!(killed.elapsed() < DECLARED_WITHIN, "{statuses:?}");
            thread::sleep(Duration::from_millis(100));
        };
        stop.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|r| r.join().expect("what readers saw was honest"));
        assert!(lost > 0 && lost < objects as usize, "{lost} of {objects} lost");
    });
    let as_its_source = |client: &Client, n: u64| {
        let [source, copy] = ["k", "copy"].map(|name| client.head(&format!("/{bucket}/{name}{n}")));
        (source.status, source.header("x-pocket-lost")) == (copy.status, copy.header("x-pocket-lost"))
    };
    let asked = Instant::now();
    while !clients.iter().all(|client| (0..objects).all(|n| as_its_source(client, n))) {
        assert!(asked.elapsed() < DECLARED_WITHIN, "copies are lost as what they were made of");
        thread::sleep(Duration::from_millis(20));
    }
    for client in &clients {
        let listed = client.list_all(&bucket, 7);
        for n in 0..objects {
            assert_eq!(listed.contains(&format!("k{n}")), listed.contains(&format!("copy{n}")), "copy{n}");
            let path = format!("/{bucket}/k{n}");
            let (get, head) = (client.get(&path), client.head(&path));
            assert_eq!(get.status, head.status, "k{n}");
            assert_eq!(listed.contains(&format!("k{n}")), get.status == 200, "k{n}");
            if get.status == 200 {
                assert!(get.body == body_of(n), "k{n}");
            } else {
                let get = get.expect_error(404, "NoSuchKey");
                assert_eq!(
                    (get.header("x-pocket-lost"), head.header("x-pocket-lost")),
                    (Some("true"), Some("true"))
                );
            }
        }
    }
    // The counts of jobs follow the lists, with the reports.
    let (listed, asked) = (clients[0].list_all(&bucket, 1_000).len(), Instant::now());
    let counted = || metrics::sum(&server.admin, "pocket_bucket_objects_count") as usize;
    while counted() != listed {
        assert!(asked.elapsed() < DECLARED_WITHIN, "{} objects counted, {listed} listed", counted());
        thread::sleep(Duration::from_millis(100));
    }
    // What is not on chunks is never lost, and new writes go to the servers that live.
    assert!((0..objects).step_by(3).all(|n| clients[1].head(&format!("/{bucket}/k{n}")).status == 200));
    for n in 0..objects {
        clients[1].put(&format!("/{bucket}/k{n}"), &body_of(n + 1)).expect(200);
        assert!(clients[0].get(&format!("/{bucket}/k{n}")).expect(200).body == body_of(n + 1));
    }
    clients[0].end_bucket(&bucket);
}

#[test]
fn lifecycle_rules_go_on_when_a_storage_server_has_died() {
    let server = Server::own_cluster();
    let (client, bucket) = (server.client(), unique_bucket("rules"));
    client.create_bucket(&bucket, &[]);
    let rules = "<LifecycleConfiguration><Rule><ID>short</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix>\
                 </Filter><Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>";
    let put = client.request("PUT", &format!("/{bucket}")).query("lifecycle", "");
    put.header("x-pocket-lifecycle-unit", "1s").body(rules.as_bytes()).send().expect(200);
    // Over all servers, so that it dies with any of them.
    client.put(&format!("/{bucket}/wide"), &bytes(77, 24 << 20)).expect(200);
    signal(server.role("storage")[0].pid, "KILL");
    let killed = Instant::now();
    while client.head(&format!("/{bucket}/wide")).header("x-pocket-lost").is_none() {
        assert!(killed.elapsed() < DECLARED_WITHIN, "not declared dead");
        thread::sleep(Duration::from_millis(100));
    }
    for (n, client) in [server.client_of(0), server.client_of(1)].into_iter().enumerate() {
        let path = format!("/{bucket}/logs/{n}");
        let written = Instant::now();
        let answer = client.put(&path, &body_of(1)).expect(200);
        assert!(answer.header("x-amz-expiration").is_some_and(|shown| shown.contains("rule-id=\"short\"")));
        while client.head(&path).status != 404 {
            assert!(written.elapsed() < ORPHANS_WITHIN, "never ended");
            thread::sleep(Duration::from_millis(50));
        }
        assert!(written.elapsed() >= Duration::from_secs(1), "ended too early");
    }
}

#[test]
fn writes_go_on_while_a_storage_server_dies() {
    let server = Server::own_cluster();
    let (client, bucket) = (server.client(), unique_bucket("writes"));
    client.create_bucket(&bucket, &[]);
    signal(server.role("storage")[1].pid, "KILL");
    let killed = Instant::now();
    let mut stored = Vec::new();
    let mut n = 0;
    while killed.elapsed() < Duration::from_secs(5) {
        let put = client.put(&format!("/{bucket}/k{n}"), &bytes(n, 400_000));
        match put.status {
            200 => stored.push(n),
            503 => assert!(
                killed.elapsed() < Duration::from_secs(3),
                "refused long after the death: {}",
                put.text()
            ),
            other => panic!("{other} {}", put.text()),
        }
        n += 1;
        thread::sleep(Duration::from_millis(50));
    }
    assert!(!stored.is_empty());
    for n in stored {
        assert!(client.get(&format!("/{bucket}/k{n}")).expect(200).body == bytes(n, 400_000), "k{n}");
    }
}

/// A list is whole, or it is an error.
fn list(client: &Client, bucket: &str) -> Response {
    client.request("GET", &format!("/{bucket}")).query("list-type", "2").send()
}

#[test]
fn a_metadata_shard_dies_and_its_jobs_are_told_gone_but_never_empty() {
    let server = Server::own_cluster();
    let bucket = unique_bucket("shard");
    let clients = [server.client_of(0), server.client_of(1)];
    clients[0].create_bucket(&bucket, &[]);
    let objects = 40_u64;
    for n in 0..objects {
        clients[0].put(&format!("/{bucket}/k{n}"), &body_of(n)).expect(200);
    }
    let idle = || clients[0].head(&format!("/{}", unique_bucket("none"))).status == 404;
    assert!(idle());
    signal(server.role("metadata")[0].pid, "KILL");
    let killed = Instant::now();
    let mut seen_503 = false;
    for n in (0..objects).cycle() {
        let mut ended = 0;
        for client in &clients {
            let get = client.request("GET", &format!("/{bucket}/k{n}")).try_send();
            assert!(is_honest(&get, &body_of(n)), "k{n}: {get:?}");
            let answer = list(client, &bucket);
            match answer.status {
                // Before the gateway noticed; then every key is there.
                200 => assert_eq!(texts(&answer.text(), "Key").len() as u64, objects, "a partial list"),
                503 => seen_503 = true,
                404 => {
                    assert_eq!(answer.code(), "NoSuchBucket");
                    ended += 1;
                }
                other => panic!("{other} {}", answer.text()),
            }
        }
        if ended == clients.len() {
            break;
        }
        assert!(killed.elapsed() < DECLARED_WITHIN, "its jobs have not ended");
    }
    assert!(seen_503, "the moments until the death is declared are 503");
    for client in &clients {
        client.get(&format!("/{bucket}/k1")).expect_error(404, "NoSuchBucket");
        client.put(&format!("/{bucket}/k1"), b"x").expect_error(404, "NoSuchBucket");
    }
    // The name is free, for a job that lives on the shard that is left.
    clients[1].create_bucket(&bucket, &[]);
    assert!(clients[0].list_all(&bucket, 10).is_empty());
    clients[0].put(&format!("/{bucket}/new"), &bytes(1, 100_000)).expect(200);
    assert!(clients[1].get(&format!("/{bucket}/new")).expect(200).body == bytes(1, 100_000));
}

#[test]
fn the_controller_dies_and_data_goes_on() {
    let server = Server::own_cluster();
    let (client, bucket) = (server.client(), unique_bucket("control"));
    client.create_bucket(&bucket, &[]);
    client.put(&format!("/{bucket}/k"), &bytes(1, 200_000)).expect(200);
    signal(server.role("controller")[0].pid, "KILL");
    let killed = Instant::now();
    let mut round = 0;
    while killed.elapsed() < Duration::from_secs(8) {
        round += 1;
        for n in 0..2 {
            let client = server.client_of(n);
            // A gateway that has not met the bucket yet cannot learn where it lives.
            if n == 0 {
                assert!(client.get(&format!("/{bucket}/k")).expect(200).body == bytes(1, 200_000));
                client.put(&format!("/{bucket}/n{round}"), &bytes(round, 50_000)).expect(200);
            }
            let made = client.request("PUT", &format!("/{}", unique_bucket("late"))).send();
            assert_eq!(made.status, 503, "{}", made.text());
            assert!(text(&made.text(), "Code").is_some());
        }
        thread::sleep(Duration::from_millis(200));
    }
    assert_eq!(client.list_all(&bucket, 1_000).len() as u64, round + 1);
}
