//! What `pocket status` says of space is what writers meet: while a server fills, when it is full, and in its log.

mod support;

use pocket_compat_tests::http::{Connection, Response};
use pocket_compat_tests::metrics::sum;
use pocket_compat_tests::s3::Client;
use serde_json::Value;
use std::process::Command;
use support::{ACCESS_KEY, Banner, Running, SECRET_KEY, eventually, output, pocket, pocket_with_credentials};

const MIB: u64 = 1 << 20;
/// How far what is said may be from what can still be written, in parts of the capacity.
const BAR: f64 = 0.02;

/// A server of so much capacity, and a log beside its state.
fn server(capacity: &str) -> (Running, Banner) {
    let home = tempfile::tempdir().unwrap();
    let real = pocket_with_credentials(home.path());
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" \"$@\" 2> \"$HOME/log\""]).arg(real.get_program());
    command.args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--capacity", capacity]);
    for (name, value) in real.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut serve = Running::start(command, home);
    let banner = serve.banner();
    (serve, banner)
}

fn client(banner: &Banner) -> Client {
    Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY)
}

/// Puts objects of one size, on one connection.
struct Writer {
    client: Client,
    connection: Connection,
    body: Vec<u8>,
    stored: u64,
}

impl Writer {
    fn new(banner: &Banner, size: usize) -> Self {
        let client = client(banner);
        client.create_bucket("filled", &[]).expect(200);
        let connection = Connection::open(&client.address).unwrap();
        Self { client, connection, body: vec![7; size], stored: 0 }
    }

    /// The refusal when there is no room for one more.
    fn put(&mut self) -> Result<(), Response> {
        let path = format!("/filled/k{:08}", self.stored);
        let put = self.client.request("PUT", &path).body(&self.body).send_on(&mut self.connection).unwrap();
        if put.status != 200 {
            return Err(put);
        }
        self.stored += 1;
        Ok(())
    }

    fn fill(&mut self) -> Response {
        loop {
            if let Err(refusal) = self.put() {
                return refusal;
            }
        }
    }
}

fn status(serve: &Running, banner: &Banner) -> Value {
    let mut command = pocket(serve.home.path());
    command.args(["status", "--json", "--admin", banner.admin()]);
    serde_json::from_slice(&output(command).stdout).unwrap()
}

fn number(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("no {name} in {value}"))
}

/// What `pocket status` says when its reports have caught up with `objects` stored ones: then its parts, from the reports of
/// two nodes, add up to what is taken of the limit, to the byte.
fn settled_space(serve: &Running, banner: &Banner, objects: u64) -> Value {
    eventually("reports of all objects that add up", || {
        let status = status(serve, banner);
        let space = &status["space"];
        let of = |name| number(space, name);
        let parts = of("metadata_bytes") + of("inline_bytes") + of("chunks_bytes");
        assert_eq!(of("used_bytes"), parts);
        let adds_up = parts + of("vacant_bytes") + of("free_bytes") == of("limit_bytes");
        (number(&status["jobs"][0], "objects") == objects && adds_up).then(|| space.clone())
    })
}

/// Fills a server, and compares at every `step` objects what is said with what could be written from there on. The largest
/// difference, in parts of the capacity.
fn largest_difference(capacity: &str, size: usize, step: u64) -> f64 {
    let (serve, banner) = server(capacity);
    let mut writer = Writer::new(&banner, size);
    let mut said = vec![(0, settled_space(&serve, &banner, 0))];
    let refusal = loop {
        if let Err(refusal) = writer.put() {
            break refusal;
        }
        if writer.stored.is_multiple_of(step) {
            said.push((writer.stored, settled_space(&serve, &banner, writer.stored)));
        }
    };
    refusal.expect_error(503, "SlowDown");
    said.push((writer.stored, settled_space(&serve, &banner, writer.stored)));
    assert!(said.len() > 15, "only {} fills of {} objects", said.len(), writer.stored);
    let differences = said.iter().map(|(stored, space)| {
        let used = number(space, "used_bytes") as f64 / number(space, "limit_bytes") as f64;
        (used - *stored as f64 / writer.stored as f64).abs()
    });
    let largest = differences.fold(0.0, f64::max);
    println!(
        "{size} B in {capacity}: {} stored, {} fills, off by {:.2} % of the capacity at most",
        writer.stored,
        said.len(),
        largest * 100.0
    );
    largest
}

#[test]
fn what_is_used_and_what_can_still_be_written_add_up_for_small_objects() {
    let difference = largest_difference("8MiB", 100, 1_000);
    assert!(difference <= BAR, "{difference}");
}

#[test]
fn what_is_used_and_what_can_still_be_written_add_up_for_objects_of_some_kilobytes() {
    let difference = largest_difference("16MiB", 10_000, 75);
    assert!(difference <= BAR, "{difference}");
}

#[test]
fn what_is_used_and_what_can_still_be_written_add_up_for_large_objects() {
    let difference = largest_difference("64MiB", MIB as usize, 3);
    assert!(difference <= BAR, "{difference}");
}

#[test]
fn full_is_said_to_whoever_is_refused_in_the_metrics_and_once_in_the_log() {
    let (serve, banner) = server("4MiB");
    let log = || std::fs::read_to_string(serve.home.path().join("log")).unwrap();
    let lines = |what: &str| log().lines().filter(|line| line.contains(what)).count();
    let mut writer = Writer::new(&banner, 8_000);
    let small = writer.fill().expect_error(503, "SlowDown").text();
    assert!(small.contains("MiB of 4.0 MiB are taken; --capacity sets the limit"), "{small}");
    let client = client(&banner);
    let large = client.put("/filled/large", &vec![7; MIB as usize]).expect_error(503, "SlowDown").text();
    assert!(large.contains("MiB of 4.0 MiB are taken; --capacity sets the limit"), "{large}");

    let (full, roomy) = ("writes are refused for lack of room", "there is room for writes again");
    eventually("a line in the log", || (lines(full) == 1).then_some(()));
    assert!(log().contains("--capacity sets the limit"), "{}", log());
    for _ in 0..20 {
        client.put("/filled/large", &vec![7; MIB as usize]).expect_error(503, "SlowDown");
    }
    let space = settled_space(&serve, &banner, writer.stored);
    assert!(number(&space, "inline_bytes") == writer.stored * 8_000 && number(&space, "chunks_bytes") == 0);
    let shown = |name| sum(banner.admin(), name) as u64;
    eventually("metrics that say the same", || {
        let used = shown("pocket_metadata_memory_bytes") + shown("pocket_storage_used_bytes");
        let adds_up = used == shown("pocket_space_used_bytes") && used == number(&space, "used_bytes");
        (adds_up && shown("pocket_space_refusals_total") == 22).then_some(())
    });
    assert_eq!(shown("pocket_space_limit_bytes"), 4 * MIB);
    assert_eq!(shown("pocket_bucket_logical_bytes"), writer.stored * 8_000);
    assert_eq!(shown("pocket_tenant_objects_count"), writer.stored);

    assert_eq!((lines(full), lines(roomy)), (1, 0));
    for n in 0..writer.stored / 2 {
        client.delete(&format!("/filled/k{n:08}")).expect(204);
    }
    eventually("a line of the room that there is", || (lines(roomy) == 1).then_some(()));
    assert_eq!(lines(full), 1);
    writer.put().map_err(|refusal| refusal.text()).unwrap();
}
