//! What a bucket is beyond S3, seen from outside: it ends with everything in it, its bytes come back exactly, it
//! belongs to its tenant, it has an end in time, and it never takes more than there is.

use pocket_compat_tests::http::{self, Connection};
use pocket_compat_tests::s3::Client;
use pocket_compat_tests::server::{ACCESS_KEY, SECRET_KEY, Server};
use pocket_compat_tests::xml::texts;
use pocket_compat_tests::{bytes, unique_bucket};
use std::thread;
use std::time::{Duration, Instant};

/// Within a second by promise; twice that for the machine that tests run on.
const BACK_WITHIN: Duration = Duration::from_secs(2);

fn a_job_that_ends_gives_everything_back(server: &Server) {
    let idle = server.settled_used_bytes();
    let bucket = unique_bucket("ends");
    let gateways: Vec<Client> = (0..server.endpoints.len()).map(|n| server.client_of(n)).collect();
    for life in 0..3 {
        gateways[0].create_bucket(&bucket, &[]);
        assert!(gateways[gateways.len() - 1].list_all(&bucket, 1_000).is_empty(), "life {life} begins empty");
        for n in 0..200 {
            gateways[n % gateways.len()]
                .put(&format!("/{bucket}/small/{n}"), &bytes(n as u64, 700))
                .expect(200);
        }
        for n in 0..8 {
            gateways[n % gateways.len()]
                .put(&format!("/{bucket}/large/{n}"), &bytes(n as u64, 3_000_000))
                .expect(200);
        }
        let open =
            gateways[0].request("POST", &format!("/{bucket}/open")).query("uploads", "").send().expect(200);
        let id = pocket_compat_tests::xml::text(&open.text(), "UploadId").unwrap();
        let part = gateways[0]
            .request("PUT", &format!("/{bucket}/open"))
            .query("partNumber", "1")
            .query("uploadId", &id);
        part.body(&bytes(9, 1_000_000)).send().expect(200);
        gateways[0].request("DELETE", &format!("/{bucket}")).send().expect_error(409, "BucketNotEmpty");
        assert!(server.settled_used_bytes() > idle + 25_000_000);
        gateways[0].end_bucket(&bucket);
        for gateway in &gateways {
            gateway.get(&format!("/{bucket}/small/1")).expect_error(404, "NoSuchBucket");
            gateway.get(&format!("/{bucket}/large/1")).expect_error(404, "NoSuchBucket");
            gateway.request("GET", &format!("/{bucket}")).query("list-type", "2").send().expect(404);
            gateway.put(&format!("/{bucket}/late"), b"x").expect_error(404, "NoSuchBucket");
        }
        server.expect_used_within(idle, BACK_WITHIN);
    }
}

#[test]
fn a_job_that_ends_gives_everything_back_in_one_process() {
    a_job_that_ends_gives_everything_back(&Server::serve("512MiB", ""));
}

#[test]
fn a_job_that_ends_gives_everything_back_in_a_cluster() {
    a_job_that_ends_gives_everything_back(&Server::own_cluster());
}

#[test]
fn deleted_and_overwritten_objects_give_their_bytes_back() {
    let server = Server::serve("512MiB", "");
    let client = server.client();
    let bucket = unique_bucket("frees");
    client.create_bucket(&bucket, &[]);
    let empty = server.settled_used_bytes();
    client.put(&format!("/{bucket}/k"), &bytes(1, 500)).expect(200);
    let small = server.settled_used_bytes();
    for size in [500, 5_000_000, 500, 100_000, 500] {
        client.put(&format!("/{bucket}/k"), &bytes(2, size)).expect(200);
    }
    server.expect_used_within(small, BACK_WITHIN);
    client.delete(&format!("/{bucket}/k")).expect(204);
    server.expect_used_within(empty, BACK_WITHIN);
    // A body that fails its checksum, and one that never ends.
    client
        .request("PUT", &format!("/{bucket}/k"))
        .body(&bytes(3, 4_000_000))
        .header("x-amz-checksum-crc32", "AAAAAA==")
        .send()
        .expect_error(400, "BadDigest");
    server.expect_used_within(empty, BACK_WITHIN);
    let (head, body) = client.request("PUT", &format!("/{bucket}/k")).body(&bytes(4, 4_000_000)).into_parts();
    let mut connection = Connection::open(&client.address).unwrap();
    connection.send(&head).unwrap();
    connection.send(&body[..2_000_000]).unwrap();
    drop(connection);
    server.expect_used_within(empty, BACK_WITHIN);
}

#[test]
fn an_object_is_gone_to_the_second() {
    let server = Server::cluster();
    let bucket = unique_bucket("ttl");
    server.client().create_bucket(&bucket, &[]);
    for size in [100, 2_000_000] {
        let path = format!("/{bucket}/k{size}");
        let put = server.client().request("PUT", &path).header("x-pocket-ttl", "2s").body(&bytes(1, size));
        let before = Instant::now();
        put.send().expect(200);
        let after = Instant::now();
        let gone_at = loop {
            let asked = Instant::now();
            let get = server.client_of(1).get(&path);
            if get.status == 404 {
                break Instant::now();
            }
            assert!(get.expect(200).body.len() == size);
            assert!(asked < after + Duration::from_secs(2), "served after its end");
            thread::sleep(Duration::from_millis(5));
        };
        assert!(gone_at >= before + Duration::from_millis(1_950), "gone before its end");
        assert!(server.client().list_all(&bucket, 10).is_empty(), "listed after its end");
    }
    server.client().request("DELETE", &format!("/{bucket}")).send().expect(204);
}

#[test]
fn a_transfer_that_runs_when_its_job_ends_breaks_off_visibly() {
    let server = Server::serve("512MiB", "");
    let (client, bucket) = (server.client(), unique_bucket("cut"));
    let idle = server.settled_used_bytes();
    client.create_bucket(&bucket, &[]);
    client.put(&format!("/{bucket}/k"), &bytes(1, 64 << 20)).expect(200);
    let (head, _) = client.request("GET", &format!("/{bucket}/k")).into_parts();
    let mut reader = Connection::open(&client.address).unwrap();
    reader.send(&head).unwrap();
    assert_eq!(reader.receive_head().unwrap().status, 200);
    client.end_bucket(&bucket);
    server.expect_used_within(idle, Duration::from_secs(5));
    let started = Instant::now();
    // What the sockets held may still come; the rest never does.
    let rest = reader.receive(false);
    assert!(rest.is_err() || rest.is_ok_and(|r| !r.whole), "the body looks whole");
    // A gateway hears of the end when it next renews the transfer's lease, which it does every five seconds.
    assert!(started.elapsed() < Duration::from_secs(30), "the reader hangs");
}

#[test]
fn a_slow_reader_holds_no_writer_up_and_gets_what_it_began_with() {
    let server = Server::cluster();
    let (client, bucket) = (server.client(), unique_bucket("slow"));
    client.create_bucket(&bucket, &[]);
    let (path, old) = (format!("/{bucket}/k"), bytes(1, 32 << 20));
    client.put(&path, &old).expect(200);
    let (head, _) = client.request("GET", &path).into_parts();
    let mut reader = Connection::open(&client.address).unwrap();
    reader.send(&head).unwrap();
    let answer = reader.receive_head().unwrap();
    let length: usize = answer.header("content-length").unwrap().parse().unwrap();
    for n in 2..6 {
        let started = Instant::now();
        client.put(&path, &bytes(n, 100_000)).expect(200);
        assert!(started.elapsed() < Duration::from_secs(5), "a writer waited for a reader");
    }
    client.delete(&path).expect(204);
    thread::sleep(Duration::from_secs(2));
    let body = reader.take_body(length).unwrap();
    assert!(body == old, "{} bytes of {length} came, or others than the reader began with", body.len());
    client.end_bucket(&bucket);
}

#[test]
fn tenants_do_not_see_each_other() {
    let tenant = |name: &str| {
        format!(
            "[[tenant]]\nname = \"{name}\"\naccess-key-id = \"KEYOF{name}\"\nsecret-access-key = \"secret-of-{name}-0123456789\"\n"
        )
    };
    let server = Server::serve("256MiB", &format!("{}{}", tenant("one"), tenant("two")));
    let client = |name: &str| {
        Client::new(&server.endpoints[0], &format!("KEYOF{name}"), &format!("secret-of-{name}-0123456789"))
    };
    let (one, two) = (client("one"), client("two"));
    let (first, second) = (unique_bucket("first"), unique_bucket("second"));
    one.create_bucket(&first, &[]);
    two.create_bucket(&second, &[]);
    one.put(&format!("/{first}/k"), b"of one").expect(200);
    let path = format!("/{first}/k");
    two.get(&path).expect_error(403, "AccessDenied");
    two.head(&path).expect(403);
    two.put(&path, b"bent").expect_error(403, "AccessDenied");
    two.delete(&path).expect_error(403, "AccessDenied");
    two.head(&format!("/{first}")).expect(403);
    two.request("GET", &format!("/{first}")).query("list-type", "2").send().expect_error(403, "AccessDenied");
    let force = two.request("DELETE", &format!("/{first}")).header("x-pocket-force-delete", "true");
    force.send().expect_error(403, "AccessDenied");
    two.request("PUT", &format!("/{first}")).send().expect_error(409, "BucketAlreadyExists");
    let copy = two.request("PUT", &format!("/{second}/k")).header("x-amz-copy-source", &format!("{first}/k"));
    copy.send().expect_error(403, "AccessDenied");
    let upload = two.request("POST", &path).query("uploads", "").send();
    upload.expect_error(403, "AccessDenied");
    let buckets = |client: &Client| texts(&client.get("/").expect(200).text(), "Name");
    assert_eq!((buckets(&one), buckets(&two)), (vec![first.clone()], vec![second]));
    assert_eq!(one.get(&path).expect(200).text(), "of one");
}

#[test]
fn what_was_granted_is_told() {
    let server = Server::cluster();
    let (client, bucket) = (server.client(), unique_bucket("grant"));
    let made =
        client.create_bucket(&bucket, &[("workers", "8"), ("ttl", "10m"), ("wait", "5s"), ("reads", "3")]);
    let head = server.client_of(1).head(&format!("/{bucket}")).expect(200);
    for answer in [&made, &head] {
        for (hint, value) in
            [("workers", "8"), ("ttl", "10m"), ("wait", "5s"), ("reads", "3"), ("latency-sensitive", "yes")]
        {
            assert_eq!(
                answer.header(&format!("x-pocket-{hint}")),
                Some(value),
                "{hint}: {:?}",
                answer.headers
            );
        }
        // By the paper's table: N x 0.6 Gb/s.
        let granted =
            |hint: &str| answer.header(hint).and_then(|v| v.parse::<u64>().ok()).unwrap_or_default();
        assert_eq!(granted("x-pocket-derived-throughput"), 8 * 600_000_000 / 8);
        assert!(granted("x-pocket-derived-capacity") > granted("x-pocket-servers-capacity"));
        assert_eq!(answer.header("x-pocket-capacity"), None, "it was not asked for");
    }
    client.end_bucket(&bucket);
}

#[test]
fn a_full_server_says_slow_down_serves_on_and_takes_more_when_there_is_room() {
    let server = Server::serve("64MiB", "");
    let (client, bucket) = (server.client(), unique_bucket("full"));
    client.create_bucket(&bucket, &[]);
    let body = bytes(1, 8 << 20);
    let mut stored = 0;
    let refusal = loop {
        let put = client.put(&format!("/{bucket}/k{stored}"), &body);
        if put.status != 200 {
            break put;
        }
        stored += 1;
        assert!(stored < 9, "more is stored than there is room for");
    };
    refusal.expect_error(503, "SlowDown");
    assert!(stored >= 6, "only {stored} of 8 fit");
    for n in 0..stored {
        assert!(client.get(&format!("/{bucket}/k{n}")).expect(200).body == body);
    }
    // What can never fit is no matter of waiting; and it is known before the body is sent.
    let (head, _) =
        client.request("PUT", &format!("/{bucket}/never")).body(&bytes(2, 100 << 20)).into_parts();
    let mut connection = Connection::open(&client.address).unwrap();
    connection.send(&head).unwrap();
    connection.receive(false).unwrap().expect_error(400, "EntityTooLarge");
    client.delete(&format!("/{bucket}/k0")).expect(204);
    let started = Instant::now();
    while client.put(&format!("/{bucket}/again"), &body).status != 200 {
        assert!(started.elapsed() < Duration::from_secs(5), "freed space is not taken again");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn many_at_once_into_a_small_server_are_stored_or_told_to_slow_down() {
    let server = Server::serve("64MiB", "");
    let (client, bucket) = (server.client(), unique_bucket("many"));
    client.create_bucket(&bucket, &[]);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let threads: Vec<_> = (0..24)
            .map(|n| {
                let (client, bucket) = (&client, &bucket);
                scope.spawn(move || {
                    let put = client.put(&format!("/{bucket}/k{n}"), &bytes(n, 8 << 20));
                    assert!(put.status == 200 || put.code() == "SlowDown", "{} {}", put.status, put.text());
                    put.status
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().expect("a writer")).collect()
    });
    let stored = statuses.iter().filter(|s| **s == 200).count();
    assert!((5..=8).contains(&stored), "{stored} of 24 stored");
    for (n, status) in statuses.iter().enumerate() {
        let get = client.get(&format!("/{bucket}/k{n}"));
        assert_eq!(get.status, if *status == 200 { 200 } else { 404 });
        assert!(*status != 200 || get.body == bytes(n as u64, 8 << 20));
    }
}

#[test]
fn profiles_give_hints_to_buckets_whose_clients_cannot() {
    let config = format!(
        "[gateway]\nauto-register = \"scratch\"\n\n[profile.scratch]\nttl = \"1h\"\n\n[profile.once]\nreads = \"1\"\n\n\
         [[tenant]]\nname = \"etl\"\naccess-key-id = \"{ACCESS_KEY}\"\nsecret-access-key = \"{SECRET_KEY}\"\n"
    );
    let server = Server::serve("128MiB", &config);
    let client = server.client();
    let bucket = unique_bucket("auto");
    client.get(&format!("/{bucket}/k")).expect_error(404, "NoSuchBucket");
    client.put(&format!("/{bucket}/k"), b"x").expect(200);
    let head = client.head(&format!("/{bucket}")).expect(200);
    assert_eq!(head.header("x-pocket-ttl"), Some("1h"));

    let create = |bucket: &str, constraint: &str| {
        let document = format!(
            "<CreateBucketConfiguration><LocationConstraint>{constraint}</LocationConstraint></CreateBucketConfiguration>"
        );
        client.request("PUT", &format!("/{bucket}")).body(document.as_bytes())
    };
    let chosen = unique_bucket("profile");
    create(&chosen, "nowhere").send().expect_error(400, "InvalidLocationConstraint");
    let made = create(&chosen, "once").header("x-pocket-wait", "1s").send().expect(200);
    assert_eq!((made.header("x-pocket-reads"), made.header("x-pocket-wait")), (Some("1"), Some("1s")));
    assert_eq!(made.header("x-pocket-ttl"), None);
    let outweighed = unique_bucket("profile");
    let made = create(&outweighed, "once").header("x-pocket-reads", "3").send().expect(200);
    assert_eq!(made.header("x-pocket-reads"), Some("3"));
}

#[test]
fn a_profile_makes_buckets_as_open_as_the_operator_says() {
    let config = format!(
        "[gateway]\ndefault-profile = \"open\"\nauto-register = \"open\"\n\n[profile.open]\nttl = \"1h\"\n\
         object-ownership = \"ObjectWriter\"\npublic-access-block = \"off\"\n\n[profile.closed]\nttl = \"1h\"\n\n\
         [[tenant]]\nname = \"etl\"\naccess-key-id = \"{ACCESS_KEY}\"\nsecret-access-key = \"{SECRET_KEY}\"\n"
    );
    let server = Server::serve("128MiB", &config);
    let client = server.client();
    let public = |path: &str| client.request("PUT", path).header("x-amz-acl", "public-read");
    let auto = unique_bucket("auto");
    public(&format!("/{auto}/k")).body(b"x").send().expect(200);
    let made = unique_bucket("open");
    public(&format!("/{made}")).send().expect(200);
    public(&format!("/{made}/k")).body(b"x").send().expect(200);
    for bucket in [&auto, &made] {
        let read = http::get(&client.address, &format!("/{bucket}/k")).unwrap().expect(200);
        assert_eq!(read.body, b"x");
        http::get(&client.address, &format!("/{bucket}?acl")).unwrap().expect_error(403, "AccessDenied");
    }
    // Whoever says so for one bucket is heard, and other profiles stay closed.
    let enforced = unique_bucket("enforced");
    let said = client.request("PUT", &format!("/{enforced}"));
    said.header("x-amz-object-ownership", "BucketOwnerEnforced").send().expect(200);
    public(&format!("/{enforced}/k")).body(b"x").send().expect_error(400, "AccessControlListNotSupported");
    let closed = unique_bucket("closed");
    let constraint = b"<CreateBucketConfiguration><LocationConstraint>closed</LocationConstraint></CreateBucketConfiguration>";
    client.request("PUT", &format!("/{closed}")).body(constraint).send().expect(200);
    public(&format!("/{closed}/k")).body(b"x").send().expect_error(400, "AccessControlListNotSupported");
}

#[test]
fn the_first_write_to_an_unknown_bucket_makes_it_where_the_operator_wants_that() {
    let server = Server::cluster_with(&["--auto-register", "default"]);
    let clients = [server.client_of(0), server.client_of(1)];
    for round in 0..10 {
        let bucket = &unique_bucket("auto");
        for client in &clients {
            client.get(&format!("/{bucket}/k")).expect_error(404, "NoSuchBucket");
            client.request("GET", &format!("/{bucket}")).send().expect_error(404, "NoSuchBucket");
            client.delete(&format!("/{bucket}/k")).expect_error(404, "NoSuchBucket");
        }
        let other_owner = clients[0].request("PUT", &format!("/{bucket}/k"));
        let other_owner = other_owner.header("x-amz-expected-bucket-owner", "someone-else");
        other_owner.body(b"x").send().expect_error(404, "NoSuchBucket");
        thread::scope(|scope| {
            for n in 0..8 {
                let client = &clients[n % 2];
                scope.spawn(move || {
                    client.put(&format!("/{bucket}/k{n}"), &bytes(n as u64, 5_000)).expect(200)
                });
            }
        });
        assert_eq!(
            clients[0].list_all(bucket, 1_000).len(),
            8,
            "round {round}: one bucket, whoever came first"
        );
        // Whoever still remembers the life that has ended begins another one.
        clients[0].end_bucket(bucket);
        let begun =
            clients[1].request("POST", &format!("/{bucket}/up")).query("uploads", "").send().expect(200);
        assert!(begun.text().contains("UploadId"));
        assert_eq!(clients[0].list_all(bucket, 1_000), Vec::<String>::new());
    }
}
