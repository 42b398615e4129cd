//! `pocket jobs`, `pocket status`, `pocket end` and `pocket forget` against a running server.

mod support;

use pocket_compat_tests::metrics::{expect_used_within, used_bytes};
use pocket_compat_tests::s3::Client;
use serde_json::Value;
use std::time::Duration;
use support::{ACCESS_KEY, Banner, Running, SECRET_KEY, eventually, output, pocket};

/// Runs a command against the admin port: its exit code, and what it said.
fn ask(serve: &Running, banner: &Banner, args: &[&str]) -> (i32, String) {
    let mut command = pocket(serve.home.path());
    command.args(args).args(["--admin", banner.admin()]);
    let ended = output(command);
    let said = [ended.stdout, ended.stderr].concat();
    (ended.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[test]
fn jobs_are_listed_and_ended() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    let before = used_bytes(banner.admin());
    client.create_bucket("kept", &[("ttl", "1h")]).expect(200);
    client.create_bucket("empty", &[]).expect(200);
    client.put("/kept/small", b"small").expect(200);
    client.put("/kept/large", &vec![7; 3 << 20]).expect(200);

    let (code, table) = ask(&serve, &banner, &["jobs"]);
    assert_eq!(code, 0, "{table}");
    let row = |bucket: &str| table.lines().find(|line| line.split_whitespace().next() == Some(bucket));
    assert!(row("kept").unwrap().contains("ttl=1h") && row("empty").is_some(), "{table}");

    let (code, said) = ask(&serve, &banner, &["end", "kept"]);
    assert!(code == 1 && said.contains("not empty") && said.contains("--force"), "{said}");
    assert_eq!(client.get("/kept/small").expect(200).text(), "small");
    let (code, said) = ask(&serve, &banner, &["end", "missing"]);
    assert!(code == 1 && said.contains("missing"), "{said}");

    let (code, said) = ask(&serve, &banner, &["end", "empty"]);
    assert_eq!(code, 0, "{said}");
    // By the job's id as well, as it is shown.
    let id = row("kept").unwrap().split_whitespace().nth(1).unwrap().to_owned();
    let (code, said) = ask(&serve, &banner, &["end", &id, "--force"]);
    assert!(code == 0 && said.contains("kept"), "{said}");
    client.get("/kept/small").expect_error(404, "NoSuchBucket");
    expect_used_within(banner.admin(), before, Duration::from_secs(1));
    let (_, table) = ask(&serve, &banner, &["jobs"]);
    assert_eq!(table.lines().count(), 1, "{table}");
}

#[test]
fn a_node_that_is_heard_is_not_forgotten_by_mistake_and_an_unknown_one_never() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let nodes = json(&serve, &banner, "status");
    let storage = nodes["nodes"].as_array().unwrap().iter().find(|node| node["role"] == "storage").unwrap();
    let (code, said) = ask(&serve, &banner, &["forget", storage["id"].as_str().unwrap()]);
    assert!(code == 1 && said.contains("is heard") && said.contains("--force"), "{said}");
    let (code, said) = ask(&serve, &banner, &["forget", "n1", "--force"]);
    assert!(code == 1 && said.contains("no node \"n1\""), "{said}");
    assert_eq!(json(&serve, &banner, "status")["nodes"].as_array().unwrap().len(), 5);
}

/// The JSON that a command prints.
fn json(serve: &Running, banner: &Banner, command: &str) -> Value {
    let (code, said) = ask(serve, banner, &[command, "--json"]);
    assert_eq!(code, 0, "{said}");
    serde_json::from_str(&said).unwrap_or_else(|why| panic!("{why}: {said}"))
}

#[test]
fn scripts_end_what_they_find_in_the_json() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("first", &[("ttl", "90m"), ("workers", "2")]).expect(200);
    client.create_bucket("second", &[]).expect(200);
    let jobs = json(&serve, &banner, "jobs");
    let job = &jobs[0];
    assert_eq!((&job["bucket"], &job["asked"]["ttl_seconds"]), (&"first".into(), &5_400.0.into()));
    assert!(job["ends_in_seconds"].as_f64().is_some_and(|left| left > 5_000.0 && left <= 5_400.0), "{job}");
    assert_eq!(job["derived"]["throughput_bytes_per_second"], 150_000_000);
    let derived = |job: &Value| job["derived"]["capacity_bytes"].as_u64();
    assert!(derived(job) > job["servers_capacity_bytes"].as_u64() && derived(&jobs[1]).is_none(), "{jobs}");
    assert_eq!(
        (&job["servers_capacity_bytes"], &jobs[1]["ends_in_seconds"]),
        (&(64 << 20).into(), &Value::Null)
    );

    let (code, said) = ask(&serve, &banner, &["end", job["id"].as_str().unwrap()]);
    assert!(code == 0 && said.contains("first"), "{said}");
    let status = json(&serve, &banner, "status");
    assert_eq!(status["jobs"].as_array().unwrap().len(), 1, "{status}");
    let roles: Vec<&str> =
        status["nodes"].as_array().unwrap().iter().map(|node| node["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["metadata", "storage", "gateway", "controller", "monitor"]);
}

#[test]
fn status_shows_every_role_and_what_it_holds() {
    let mut serve = Running::serve(&[]);
    let banner = serve.banner();
    let client = Client::new(banner.endpoint(), ACCESS_KEY, SECRET_KEY);
    client.create_bucket("busy", &[]).expect(200);
    client.put("/busy/large", &vec![7; 3 << 20]).expect(200);
    // Reports come once a second.
    let status = eventually("a report of the object", || {
        let (code, status) = ask(&serve, &banner, &["status"]);
        assert_eq!(code, 0, "{status}");
        status.lines().any(|line| line.starts_with("busy") && line.contains("3.0 MiB")).then_some(status)
    });
    for role in ["gateway", "metadata", "storage", "controller", "monitor"] {
        let line = status.lines().find(|line| line.trim_start().starts_with(role));
        assert!(line.is_some_and(|line| line.contains("live")), "{role} is missing in {status}");
    }
    assert!(status.contains("of 64.0 MiB used"), "{status}");
    assert!(status.lines().all(|line| line.chars().count() <= 120), "{status}");
}
