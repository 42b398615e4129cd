//! POST of an object by an HTML form, where it is large or breaks off: memory and space of real processes.

use aws_sigv4::sign::v4::{calculate_signature, generate_signing_key};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use pocket_compat_tests::http::Connection;
use pocket_compat_tests::server::{ACCESS_KEY, SECRET_KEY, Server};
use pocket_compat_tests::unique_bucket;
use std::time::{Duration, SystemTime};

const BOUNDARY: &str = "----0123456789";
/// A gateway holds what is under way, whatever the size of the file.
const GROWTH_MAX_BYTES: u64 = 64 << 20;
/// Storage servers ask about writes that they hear no more of, and free what nobody will commit.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(30);

/// The head of the request and all of the form before the content of its file.
fn opening(server: &Server, bucket: &str, file_bytes: usize) -> Vec<u8> {
    let (day, moment) = today();
    let credential = format!("{ACCESS_KEY}/{day}/us-east-1/s3/aws4_request");
    let fields = [
        ("key", "k"),
        ("x-amz-algorithm", "AWS4-HMAC-SHA256"),
        ("x-amz-credential", &credential),
        ("x-amz-date", &format!("{day}T000000Z")),
    ];
    let conditions: Vec<String> =
        fields.iter().map(|(name, value)| format!(r#"{{"{name}":"{value}"}}"#)).collect();
    let policy = format!(
        r#"{{"expiration":"2999-01-01T00:00:00Z","conditions":[{{"bucket":"{bucket}"}},{}]}}"#,
        conditions.join(",")
    );
    let policy = BASE64_STANDARD.encode(policy);
    let signature =
        calculate_signature(generate_signing_key(SECRET_KEY, moment, "us-east-1", "s3"), policy.as_bytes());
    let mut form = String::new();
    for (name, value) in fields.into_iter().chain([("policy", &*policy), ("x-amz-signature", &*signature)]) {
        form +=
            &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    form += &format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n");
    let length = form.len() + file_bytes + closing().len();
    let host = &server.endpoints[0];
    format!(
        "POST /{bucket} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\n\
         content-type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n{form}"
    )
    .into_bytes()
}

fn closing() -> String {
    format!("\r\n--{BOUNDARY}--\r\n")
}

/// `YYYYMMDD`, and a moment of that day.
fn today() -> (String, SystemTime) {
    let moment = SystemTime::now();
    let output =
        std::process::Command::new("date").args(["-u", "+%Y%m%d"]).output().expect("date can be run");
    (String::from_utf8(output.stdout).expect("digits").trim().to_owned(), moment)
}

/// Most memory that a process has ever held.
fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is alive");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("Linux says it");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).expect("KiB") << 10
}

/// Bytes that repeat nowhere near a chunk's border, with what begins a boundary now and then.
fn block(seed: usize) -> Vec<u8> {
    let mut block: Vec<u8> = (0..1_usize << 20).map(|i| ((i + seed) ^ (i >> 8) ^ (i >> 15)) as u8).collect();
    block[1_000..1_016].copy_from_slice(b"\r\n------01234567");
    block
}

#[test]
fn a_file_of_256_mib_passes_through_a_gateway_that_does_not_grow() {
    const BLOCKS: usize = 256;
    let server = Server::own_cluster();
    let (client, bucket) = (server.client(), unique_bucket("form"));
    client.create_bucket(&bucket, &[]);
    let gateways = server.role("gateway");
    let before: u64 = gateways.iter().map(|gateway| peak_bytes(gateway.pid)).sum();

    let mut connection = Connection::open(&client.address).unwrap();
    connection.send(&opening(&server, &bucket, BLOCKS << 20)).unwrap();
    for seed in 0..BLOCKS {
        connection.send(&block(seed)).unwrap();
    }
    connection.send(closing().as_bytes()).unwrap();
    connection.receive(false).unwrap().expect(204);

    let grown = gateways.iter().map(|gateway| peak_bytes(gateway.pid)).sum::<u64>() - before;
    assert!(grown <= GROWTH_MAX_BYTES, "the gateways have grown by {grown} bytes");
    let head = client.head(&format!("/{bucket}/k")).expect(200);
    assert_eq!(head.header("content-length"), Some((BLOCKS << 20).to_string().as_str()));
    for seed in [0, 100, BLOCKS - 1] {
        let range = format!("bytes={}-{}", seed << 20, (seed << 20) + (1 << 20) - 1);
        let part = client.request("GET", &format!("/{bucket}/k")).header("range", &range).send().expect(206);
        assert!(part.body == block(seed), "block {seed} is another one");
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_its_file_leaves_nothing_behind() {
    for server in [Server::serve("512MiB", ""), Server::own_cluster()] {
        let (client, bucket) = (server.client(), unique_bucket("form"));
        client.create_bucket(&bucket, &[]);
        let empty = server.settled_used_bytes();
        let mut connection = Connection::open(&client.address).unwrap();
        connection.send(&opening(&server, &bucket, 20 << 20)).unwrap();
        for seed in 0..10 {
            connection.send(&block(seed)).unwrap();
        }
        drop(connection);
        server.expect_used_within(empty, GIVEN_BACK_WITHIN);
        assert_eq!(client.list_all(&bucket, 1_000), [""; 0]);
    }
}

#[test]
fn room_for_what_follows_the_file_is_given_back() {
    let server = Server::serve("512MiB", "");
    let (client, bucket) = (server.client(), unique_bucket("form"));
    client.create_bucket(&bucket, &[]);
    let empty = server.settled_used_bytes();
    let mut connection = Connection::open(&client.address).unwrap();
    // The form is ten times as long as its file.
    connection.send(&opening(&server, &bucket, 20 << 20)).unwrap();
    connection.send(&block(0)).unwrap();
    connection.send(&block(1)).unwrap();
    let ignored = format!("\r\n--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"late\"\r\n\r\n");
    connection.send(ignored.as_bytes()).unwrap();
    for seed in 2..19 {
        connection.send(&block(seed)).unwrap();
    }
    connection.send(&vec![b'x'; (1 << 20) - ignored.len()]).unwrap();
    connection.send(closing().as_bytes()).unwrap();
    connection.receive(false).unwrap().expect(204);
    let used = server.settled_used_bytes() - empty;
    assert!((2 << 20..4 << 20).contains(&used), "{used} bytes are used for a file of 2 MiB");
    let whole = client.get(&format!("/{bucket}/k")).expect(200).body;
    assert!(whole == [block(0), block(1)].concat());
    client.delete(&format!("/{bucket}/k")).expect(204);
    server.expect_used_within(empty, GIVEN_BACK_WITHIN);
}
