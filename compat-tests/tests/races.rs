//! Clients that race, through different gateways where there are several: one winner, exact counts, no lost wake-ups.

use pocket_compat_tests::http::Connection;
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::Server;
use pocket_compat_tests::xml::{text, texts};
use pocket_compat_tests::{bytes, unique_bucket};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const CREATE_ROUNDS: usize = 1_000;
const COMPLETE_ROUNDS: usize = 50;
const DELETE_ROUNDS: usize = 50;
const READERS: usize = 12;

/// Statuses of clients that do the same at the same time.
fn race<T: Send>(clients: &[Client], run: impl Fn(usize, &Client) -> T + Sync) -> Vec<T> {
    let start = Barrier::new(clients.len());
    thread::scope(|scope| {
        let one = |(n, client)| {
            let (start, run) = (&start, &run);
            scope.spawn(move || {
                start.wait();
                run(n, client)
            })
        };
        let threads: Vec<_> = clients.iter().enumerate().map(one).collect();
        threads.into_iter().map(|t| t.join().expect("a racer")).collect()
    })
}

/// So many clients, spread over the gateways.
fn clients(server: &Server, count: usize) -> Vec<Client> {
    (0..count).map(|n| server.client_of(n % server.endpoints.len())).collect()
}

#[test]
fn of_two_gateways_racing_to_create_one_wins_a_thousand_times() {
    let server = Server::cluster();
    let bucket = unique_bucket("create");
    server.client().create_bucket(&bucket, &[]);
    let racers = clients(&server, 2);
    let start = Barrier::new(2);
    // Every tenth body takes the long way over storage servers.
    let body = |racer: usize, round: usize| {
        let size = if round.is_multiple_of(10) { 40_000 } else { 100 };
        bytes((racer * CREATE_ROUNDS + round) as u64, size)
    };
    let statuses: Vec<Vec<u16>> = thread::scope(|scope| {
        let one = |(n, client): (usize, &Client)| {
            let (client, bucket, start) = (client.clone(), bucket.clone(), &start);
            scope.spawn(move || {
                let mut connection = Connection::open(&client.address).expect("the gateway listens");
                let mut one = |round| {
                    let request = client.request("PUT", &format!("/{bucket}/k{round}"));
                    let request = request.header("if-none-match", "*").body(&body(n, round));
                    start.wait();
                    let answer = request.send_on(&mut connection).expect("an answer");
                    if answer.header("connection") == Some("close") {
                        connection = Connection::open(&client.address).expect("the gateway listens");
                    }
                    answer.status
                };
                (0..CREATE_ROUNDS).map(&mut one).collect()
            })
        };
        let threads: Vec<_> = racers.iter().enumerate().map(one).collect();
        threads.into_iter().map(|t| t.join().expect("a racer")).collect()
    });
    for (round, (first, second)) in statuses[0].iter().zip(&statuses[1]).enumerate() {
        let both = [*first, *second];
        let winner = both.iter().position(|s| *s == 200).unwrap_or_else(|| panic!("round {round}: {both:?}"));
        assert!(matches!(both[1 - winner], 409 | 412), "round {round}: {both:?}");
        let found = racers[1 - winner].get(&format!("/{bucket}/k{round}")).expect(200);
        assert!(found.body == body(winner, round), "round {round}: the loser's bytes are there");
    }
    server.client().end_bucket(&bucket);
}

#[test]
fn of_gateways_racing_to_delete_a_bucket_one_does_and_the_others_find_none() {
    let server = Server::cluster();
    let racers = clients(&server, 4);
    for round in 0..DELETE_ROUNDS {
        let bucket = unique_bucket("delete");
        server.client().create_bucket(&bucket, &[]);
        let path = format!("/{bucket}");
        let mut statuses = race(&racers, |_, client| client.request("DELETE", &path).send().status);
        statuses.sort_unstable();
        assert_eq!(statuses, [204, 404, 404, 404], "round {round}");
    }
}

#[test]
fn of_two_gateways_racing_to_complete_one_wins() {
    let server = Server::cluster();
    let bucket = unique_bucket("complete");
    server.client().create_bucket(&bucket, &[]);
    let racers = clients(&server, 2);
    for round in 0..COMPLETE_ROUNDS {
        let path = format!("/{bucket}/k{round}");
        let ready: Vec<(String, String)> = (0..2)
            .map(|n| {
                let begun = racers[n].request("POST", &path).query("uploads", "").send().expect(200).text();
                let id = text(&begun, "UploadId").expect("an id");
                let part = racers[n].request("PUT", &path).query("partNumber", "1").query("uploadId", &id);
                let part = part.body(&bytes(n as u64, 30_000)).send().expect(200);
                (id, part.header("etag").expect("an ETag").to_owned())
            })
            .collect();
        let statuses = race(&racers, |n, client| {
            let (id, tag) = &ready[n];
            let xml = format!(
                "<CompleteMultipartUpload><Part><ETag>{tag}</ETag><PartNumber>1</PartNumber></Part></CompleteMultipartUpload>"
            );
            let request = client.request("POST", &path).query("uploadId", id).header("if-none-match", "*");
            request.body(xml.as_bytes()).send().status
        });
        let winner = statuses.iter().position(|s| *s == 200).unwrap_or_else(|| panic!("{statuses:?}"));
        assert!(matches!(statuses[1 - winner], 409 | 412), "{statuses:?}");
        assert!(racers[0].get(&path).expect(200).body == bytes(winner as u64, 30_000));
    }
    server.client().end_bucket(&bucket);
}

#[test]
fn increments_by_compare_and_swap_are_never_lost() {
    const EACH: u64 = 40;
    let server = Server::cluster();
    let bucket = unique_bucket("swap");
    server.client().create_bucket(&bucket, &[]);
    let path = format!("/{bucket}/counter");
    server.client().put(&path, b"0").expect(200);
    let racers = clients(&server, 4);
    race(&racers, |_, client| {
        let mut done = 0;
        while done < EACH {
            let now = client.get(&path).expect(200);
            let next = now.text().parse::<u64>().expect("a number") + 1;
            let tag = now.header("etag").expect("an ETag");
            let put =
                client.request("PUT", &path).header("if-match", tag).body(next.to_string().as_bytes()).send();
            match put.status {
                200 => done += 1,
                409 | 412 => {}
                other => panic!("{other} {}", put.text()),
            }
        }
    });
    assert_eq!(server.client().get(&path).expect(200).text(), (EACH * racers.len() as u64).to_string());
    server.client().end_bucket(&bucket);
}

fn readers_get_exactly_so_many_reads(server: &Server) {
    let bucket = unique_bucket("reads");
    server.client().create_bucket(&bucket, &[]);
    let racers = clients(server, READERS);
    for (round, size) in [100, 40_000, 3_000_000].into_iter().cycle().take(30).enumerate() {
        let (path, reads) = (format!("/{bucket}/k{round}"), 1 + round % 4);
        let body = bytes(round as u64, size);
        let put =
            server.client().request("PUT", &path).header("x-pocket-reads", &reads.to_string()).body(&body);
        put.send().expect(200);
        let answers = race(&racers, |_, client| client.get(&path));
        let got = answers.iter().filter(|a| a.status == 200).count();
        assert!(answers.iter().all(|a| a.whole && matches!(a.status, 200 | 404)), "round {round}");
        assert!(answers.iter().filter(|a| a.status == 200).all(|a| a.body == body), "round {round}");
        assert_eq!(got, reads, "round {round} with {size} bytes");
        server.client().get(&path).expect_error(404, "NoSuchKey");
        expect_gone_from_list(server, &bucket);
    }
    server.client().end_bucket(&bucket);
}

/// The last byte is in the client's hands a moment before the shard hears of it.
#[track_caller]
fn expect_gone_from_list(server: &Server, bucket: &str) {
    let started = Instant::now();
    while !server.client().list_all(bucket, 10).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(5), "still listed");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_racing_readers_exactly_as_many_as_allowed_get_the_bytes_in_one_process() {
    readers_get_exactly_so_many_reads(&Server::embedded());
}

#[test]
fn of_racing_readers_exactly_as_many_as_allowed_get_the_bytes_in_a_cluster() {
    readers_get_exactly_so_many_reads(&Server::cluster());
}

#[test]
fn of_readers_that_delete_exactly_one_gets_the_bytes() {
    let server = Server::cluster();
    let bucket = unique_bucket("take");
    server.client().create_bucket(&bucket, &[]);
    let racers = clients(&server, READERS);
    for round in 0..20 {
        let (path, body) = (format!("/{bucket}/k{round}"), bytes(round, 1 + (round as usize % 3) * 50_000));
        server.client().put(&path, &body).expect(200);
        let answers = race(&racers, |_, client| {
            client.request("GET", &path).header("x-pocket-delete-after-read", "true").send()
        });
        let winners: Vec<_> = answers.iter().filter(|a| a.status == 200).collect();
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(winners[0].body == body && answers.iter().all(|a| matches!(a.status, 200 | 404)));
        expect_gone_from_list(&server, &bucket);
    }
    server.client().end_bucket(&bucket);
}

#[test]
fn a_read_that_broke_off_is_given_back() {
    let server = Server::cluster();
    let bucket = unique_bucket("back");
    server.client().create_bucket(&bucket, &[]);
    // More than the sockets between hold, so that a reader that leaves cannot have been sent all of it.
    let (path, body) = (format!("/{bucket}/k"), bytes(1, 48 << 20));
    server.client().request("PUT", &path).header("x-pocket-reads", "1").body(&body).send().expect(200);
    for _ in 0..3 {
        let (head, _) = server.client().request("GET", &path).into_parts();
        let mut leaving = Connection::open(&server.client().address).unwrap();
        leaving.send(&head).unwrap();
        assert_eq!(leaving.receive_head().unwrap().status, 200);
        assert_eq!(server.client().get(&path).status, 404, "the only read is taken");
        drop(leaving);
        let started = Instant::now();
        while server.client().head(&path).status != 200 {
            assert!(started.elapsed() < Duration::from_secs(20), "the read was not given back");
            thread::sleep(Duration::from_millis(10));
        }
        // A HEAD may see the object while its read is reserved: the next GET must succeed soon.
        thread::sleep(Duration::from_millis(200));
    }
    let started = Instant::now();
    let got = loop {
        let got = server.client_of(1).get(&path);
        if got.status == 200 || started.elapsed() > Duration::from_secs(20) {
            break got;
        }
        thread::sleep(Duration::from_millis(10));
    };
    assert!(got.expect(200).body == body);
    server.client().get(&path).expect_error(404, "NoSuchKey");
    server.client().end_bucket(&bucket);
}

#[test]
fn a_waiting_read_is_woken_through_another_gateway() {
    let server = Server::cluster();
    let bucket = unique_bucket("wait");
    server.client().create_bucket(&bucket, &[]);
    for round in 0..10_u64 {
        let (path, body) =
            (format!("/{bucket}/k{round}"), bytes(round, if round % 2 == 0 { 10 } else { 50_000 }));
        thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                let get = server.client_of(1).request("GET", &path).header("x-pocket-wait", "30s").send();
                (get, Instant::now())
            });
            // Time for the wait to begin; where it has not, the test is easier and not wrong.
            thread::sleep(Duration::from_millis(50));
            assert!(!waiting.is_finished(), "round {round}: nobody waits for what is not there");
            server.client_of(0).put(&path, &body).expect(200);
            let written = Instant::now();
            let (got, woken) = waiting.join().expect("a reader");
            assert!(got.expect(200).body == body, "round {round}");
            assert!(
                woken.saturating_duration_since(written) < Duration::from_secs(2),
                "round {round}: polled, not woken"
            );
        });
    }
    server.client().end_bucket(&bucket);
}

#[test]
fn writers_and_readers_of_one_key_always_see_a_whole_object() {
    let server = Server::cluster();
    let bucket = unique_bucket("whole");
    server.client().create_bucket(&bucket, &[]);
    let path = format!("/{bucket}/k");
    // Each byte of a version is its number, and its size tells the number too.
    let version = |n: u8| vec![n; 1_000_000 + usize::from(n) * 1_000];
    server.client().put(&path, &version(0)).expect(200);
    let racers = clients(&server, 6);
    race(&racers, |n, client| {
        for round in 0..20 {
            if n < 2 {
                client.put(&path, &version((n * 20 + round) as u8)).expect(200);
            } else {
                let got = client.get(&path).expect(200);
                let number = got.body[0];
                assert!(got.body == version(number), "a mix of versions");
            }
        }
    });
    server.client().end_bucket(&bucket);
}

#[test]
fn tags_that_two_gateways_change_at_once_are_always_one_whole_set_with_its_hints() {
    const ROUNDS: usize = 40;
    let server = Server::cluster();
    let bucket = &unique_bucket("tags");
    server.client().create_bucket(bucket, &[("ttl", "1h")]);
    let racers = clients(&server, 2);
    let document = |reads: usize| {
        let tag = |key: &str, value: String| format!("<Tag><Key>{key}</Key><Value>{value}</Value></Tag>");
        let tags = [tag("set", reads.to_string()), tag("pocket:reads", reads.to_string())].concat();
        format!("<Tagging><TagSet>{tags}</TagSet></Tagging>")
    };
    let acknowledged = race(&racers, |n, client| {
        let mut last = None;
        for round in 0..ROUNDS {
            let reads = 1 + 2 * round + n;
            let put = client.request("PUT", &format!("/{bucket}")).query("tagging", "");
            match put.body(document(reads).as_bytes()).send() {
                answer if answer.status == 200 => last = Some(reads),
                // The other one came first again and again.
                refused => drop(refused.expect_error(409, "OperationAborted")),
            }
            let shown = client.request("GET", &format!("/{bucket}")).query("tagging", "").send().expect(200);
            let values = texts(&shown.text(), "Value");
            assert!(values.len() == 3 && values[0] == values[1] && values[2] == "1h", "{values:?}");
        }
        last
    });
    let shown = racers[0].request("GET", &format!("/{bucket}")).query("tagging", "").send().expect(200);
    let last: usize = texts(&shown.text(), "Value")[0].parse().expect("a number");
    assert!(acknowledged.contains(&Some(last)), "{last} of {acknowledged:?}");
    for client in &racers {
        let head = client.head(&format!("/{bucket}")).expect(200);
        assert_eq!(head.header("x-pocket-reads"), Some(last.to_string().as_str()));
    }
    server.client().end_bucket(bucket);
}

#[test]
fn a_bucket_in_use_changes_its_hints_and_no_request_fails() {
    const CHANGES: usize = 30;
    let server = Server::cluster();
    let bucket = &unique_bucket("live");
    server.client().create_bucket(bucket, &[]);
    let done = [const { AtomicUsize::new(0) }; 4];
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for (n, client) in clients(&server, done.len()).into_iter().enumerate() {
            let (done, over) = (&done[n], &over);
            scope.spawn(move || {
                // Inline and in chunks.
                let body = bytes(n as u64, if n < 2 { 100 } else { 100_000 });
                while !over.load(Ordering::SeqCst) {
                    let path = format!("/{bucket}/k{n}");
                    client.put(&path, &body).expect(200);
                    assert!(client.get(&path).expect(200).body == body);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for change in 0..CHANGES {
            let tag = format!("<Tag><Key>pocket:capacity</Key><Value>{}MiB</Value></Tag>", 64 + change);
            let tags = format!("<Tagging><TagSet>{tag}</TagSet></Tagging>");
            let put = server.client_of(change % 2).request("PUT", &format!("/{bucket}")).query("tagging", "");
            put.body(tags.as_bytes()).send().expect(200);
            let capacity = ((64 + change) << 20).to_string();
            let head = server.client_of((change + 1) % 2).head(&format!("/{bucket}")).expect(200);
            assert_eq!(head.header("x-pocket-capacity"), Some(capacity.as_str()));
            // A request outlives two changes at most.
            let before = done.each_ref().map(|count| count.load(Ordering::SeqCst));
            let started = Instant::now();
            while done.iter().zip(before).any(|(count, before)| count.load(Ordering::SeqCst) == before) {
                if started.elapsed() > Duration::from_secs(30) {
                    over.store(true, Ordering::SeqCst);
                    panic!("a client made no progress");
                }
                thread::sleep(Duration::from_millis(1));
            }
        }
        over.store(true, Ordering::SeqCst);
    });
    server.client().end_bucket(bucket);
}
