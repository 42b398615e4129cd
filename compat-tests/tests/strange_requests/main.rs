//! Bent requests against a running server: whatever comes, it stays up, answers as S3 does or closes the connection,
//! never answers that the fault was its own, and holds no more memory than it was given.
//!
//! Two ways to bend: the text of a request before it is signed, which reaches operations, and the bytes of a signed one,
//! which stay in HTTP and at the edge. Not guided by coverage: the server is another process.

use pocket_compat_tests::http::{Connection, Response};
use pocket_compat_tests::s3::{Client, Framing, Request};
use pocket_compat_tests::server::Server;
use pocket_compat_tests::unique_bucket;
use pocket_fuzz::{Mutant, Mutants, repeat};
use std::cell::Cell;
use std::io::ErrorKind;

const CAPACITY: &str = "128MiB";
/// The capacity, the program itself in a debug build, and as much again for what is in flight.
const MEMORY_MAX_BYTES: u64 = 384 << 20;
/// Inputs of each kind in a plain run: a few seconds.
const RUNS: u64 = 3_000;
const SEEDS: &str = include_str!("seeds.txt");
/// What the seeds call their bucket.
const BUCKET: &str = "bent-requests";

struct Fixture {
    server: Server,
    client: Client,
    /// Nobody bends a request into this name.
    kept: String,
}

fn fixture() -> Fixture {
    let server = Server::serve(CAPACITY, "");
    let (client, kept) = (server.client(), unique_bucket("kept"));
    for bucket in [BUCKET, &kept] {
        client.create_bucket(bucket, &[]);
        client.put(&format!("/{bucket}/k"), b"kept").expect(200);
    }
    Fixture { server, client, kept }
}

impl Fixture {
    fn expect_sound(&self) {
        assert_eq!(self.client.get(&format!("/{}/k", self.kept)).expect(200).text(), "kept");
        assert_eq!(self.client.list_all(&self.kept, 1_000), ["k"]);
        let peak = peak_bytes(self.server.processes[0].pid);
        assert!(peak <= MEMORY_MAX_BYTES, "the server held {} MiB", peak >> 20);
    }
}

fn peak_bytes(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the server is there");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number of KiB");
    kib << 10
}

/// Methods of S3, and one that is none.
const METHODS: [&str; 6] = ["GET", "PUT", "HEAD", "POST", "DELETE", "PATCH"];
/// What the client writes itself, or what would make it wait for what never comes.
const NOT_BENT: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "expect",
    "host",
    "transfer-encoding",
    "upgrade",
    "x-amz-date",
    "x-pocket-wait",
];
/// No header and no path is longer: then it is HTTP that refuses it, and HTTP is bent below.
const TEXT_MAX_BYTES: usize = 8 << 10;

/// A request of the form of the seeds: method, path and query; headers; an empty line; a body. `None` where it cannot be
/// signed.
fn parse(client: &Client, text: &[u8]) -> Option<Request> {
    let split = text.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = split.map_or((text, &[][..]), |at| (&text[..at], &text[at + 2..]));
    let head = String::from_utf8_lossy(head);
    let mut lines = head.split('\n');
    let (method, target) = lines.next()?.split_once(' ')?;
    let method = METHODS.into_iter().find(|known| *known == method).unwrap_or("PATCH");
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if !path.starts_with('/') || target.len() > TEXT_MAX_BYTES {
        return None;
    }
    let mut request = client.request(method, path).body(body);
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        request = request.query(name, value);
    }
    for line in lines {
        let Some((name, value)) = line.split_once(':') else { continue };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let is_name = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_value = value.len() <= TEXT_MAX_BYTES && value.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !is_name || !is_value || NOT_BENT.contains(&&*name) {
            continue;
        }
        request = match &*name {
            "x-amz-content-sha256" => match value {
                "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => request.framing(Framing::Signed),
                other => request.payload(other),
            },
            _ => request.header(&name, value),
        };
    }
    Some(request)
}

/// S3 answers like this, whatever it was asked.
fn expect_answer(answer: &Response, method: &str) {
    let text = answer.text();
    assert!(answer.whole, "the answer broke off: {} {text}", answer.status);
    assert!(matches!(answer.status, 200..=499 | 501 | 503), "{} {:?} {text}", answer.status, answer.headers);
    // An object's bytes are none of ours.
    if answer.body.is_empty() || (answer.status < 300 && answer.header("accept-ranges").is_some()) {
        return;
    }
    assert_ne!(method, "HEAD", "{text}");
    if answer.header("content-type") == Some("application/xml") {
        expect_xml(&text);
    }
    if answer.status >= 400 {
        assert!(!answer.code().is_empty(), "{} {text}", answer.status);
        assert!(text.contains("<RequestId>"), "{} {text}", answer.status);
    }
}

/// Well-formed, but for the references to control characters that S3 writes for keys that have them.
fn expect_xml(text: &str) {
    let plain =
        (0..b' ').fold(text.to_owned(), |text, control| text.replace(&format!("&#x{control:x};"), "?"));
    if let Err(error) = roxmltree::Document::parse(&plain) {
        panic!("no XML ({error}): {text}");
    }
}

#[test]
fn bent_requests_that_are_signed_are_answered() {
    let f = fixture();
    let (answered, done) = (Cell::new(0_u64), Cell::new(0_u64));
    repeat(RUNS, Mutants::blocks(SEEDS), |mutant: &Mutant| {
        let Some(request) = parse(&f.client, mutant) else { return };
        let method =
            String::from_utf8_lossy(mutant.split(|&b| b == b' ').next().unwrap_or_default()).into_owned();
        let answer = request.try_send().unwrap_or_else(|error| panic!("no answer: {error}"));
        expect_answer(&answer, &method);
        answered.set(answered.get() + 1);
        done.set(done.get() + u64::from(answer.status < 300));
    });
    f.expect_sound();
    let (answered, done) = (answered.get(), done.get());
    // Whoever replays one input asks for no more.
    let is_replay = std::env::var_os("POCKET_FUZZ_RUNS").is_some();
    let is_enough = answered > RUNS / 2 && done > RUNS / 20;
    assert!(is_replay || is_enough, "only {answered} inputs were requests, and {done} of them were done");
}

/// A form that nobody signed: its fields are read before that is found out.
fn form(host: &str) -> Vec<u8> {
    let body = "--x-y\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\na/${filename}\r\n--x-y\r\n\
                Content-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\ndata\r\n--x-y--\r\n";
    let head = format!(
        "POST /{BUCKET} HTTP/1.1\r\nhost: {host}\r\ncontent-type: multipart/form-data; boundary=x-y\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    [head, body.to_owned()].concat().into_bytes()
}

#[test]
fn bent_bytes_are_answered_or_end_the_connection() {
    let f = fixture();
    let seeds = Mutants::blocks(SEEDS);
    let whole = seeds.seeds().map(|seed| {
        let (mut bytes, body) = parse(&f.client, seed).expect("seeds are requests").into_parts();
        bytes.extend(body);
        bytes
    });
    let whole: Vec<Vec<u8>> = whole.chain([form(&f.client.address)]).collect();
    repeat(RUNS, Mutants::of(whole), |mutant: &Mutant| {
        let mut connection = Connection::open(&f.client.address).expect("the server listens");
        // It may refuse before all is out.
        let _ = connection.send(mutant);
        let _ = connection.end_sending();
        match connection.receive(mutant.starts_with(b"HEAD ")) {
            Ok(answer) if answer.whole => {
                let method = String::from_utf8_lossy(mutant.split(|&b| b == b' ').next().unwrap_or_default());
                expect_answer(&answer, &method);
            }
            // The other side saw that nothing more would come.
            Ok(_) => {}
            Err(error) => assert!(
                !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
                "neither answered nor closed: {error}"
            ),
        }
    });
    f.expect_sound();
}
